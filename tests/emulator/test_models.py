"""Model names and what they tell."""

import pytest

from livehandle_emulator.models import Model, model_of


@pytest.mark.parametrize(
    ("name", "vertex", "id_"),
    [
        ("models/gemini-3.8-live", False, "gemini-3.8-live"),
        ("tunedModels/mine", False, "mine"),
        ("publishers/google/models/gemini-3.8-live", True, "gemini-3.8-live"),
        ("projects/p/locations/l/publishers/google/models/m", True, "m"),
    ],
)
def test_resource_names(name: str, vertex: bool, id_: str) -> None:
    model = model_of(name, vertex=vertex)
    assert model is not None
    assert model.id == id_


@pytest.mark.parametrize(
    ("name", "vertex"),
    [
        ("", False),
        ("gemini-3.8-live", False),
        ("models/", False),
        ("models/a/b", False),
        ("publishers/google/models/gemini-3.8-live", False),
        ("models/gemini-3.8-live", True),
        ("projects/p/publishers/google/models/m", True),
    ],
)
def test_names_that_are_not_of_the_backend(name: str, vertex: bool) -> None:
    assert model_of(name, vertex=vertex) is None


@pytest.mark.parametrize(
    "id_",
    [
        "gemini-3.8-live",
        "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-latest",
        "gemini-live-2.5-flash",
        "gemini-3.5-live-translate-preview",
        "gemini-3.5-transcribe-live",
        "gemini-robotics-er-2-streaming-preview",
        "gemini-9.9-live-of-some-day",
    ],
)
def test_names_of_live_models_are_plausible_known_or_not(id_: str) -> None:
    assert Model(id_).plausible


@pytest.mark.parametrize(
    "id_", ["gemini-1.5-flash", "gemini-robotics-er-1", "gpt-live", "live", "imagen-live"]
)
def test_other_names_are_not(id_: str) -> None:
    assert not Model(id_).plausible


@pytest.mark.parametrize(
    ("id_", "generation", "modalities", "blocks"),
    [
        ("gemini-3.8-live", "3.8", {"AUDIO"}, False),
        ("gemini-3.1-flash-live-preview", "3.1", {"AUDIO"}, True),
        ("gemini-2.5-flash-native-audio-latest", "2.5", {"AUDIO"}, True),
        ("gemini-live-2.5-flash", "2.5", {"AUDIO", "TEXT"}, True),
        ("gemini-3.5-transcribe-live", "3.5", {"TEXT"}, True),
        ("gemini-robotics-er-2-streaming-preview", "", {"TEXT"}, True),
    ],
)
def test_quirks_by_name(id_: str, generation: str, modalities: set[str], blocks: bool) -> None:
    model = Model(id_)
    assert (model.generation, set(model.modalities), model.calls_block) == (
        generation,
        modalities,
        blocks,
    )
