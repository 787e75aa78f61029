"""What models differ in (wire 4.5 to 4.7, 5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.gemini.models import Instruction, Traits, traits_of


@pytest.mark.parametrize(
    ("model", "backend", "instruction", "speech_only", "whole_input"),
    [
        ("gemini-3.8-live", "gemini", "context_update", True, False),
        ("gemini-3.8-live", "vertex", "context_update", True, False),
        ("gemini-3.8-live", "emulator", "context_update", True, False),
        ("gemini-3.8-live-extended-thinking", "gemini", "context_update", True, False),
        ("gemini-3.1-flash-live-preview", "gemini", "refused", True, True),
        ("gemini-2.5-flash-native-audio-preview-12-2025", "gemini", "note", True, False),
        ("gemini-2.5-flash-native-audio-latest", "gemini", "note", True, False),
        ("gemini-live-2.5-flash-native-audio", "vertex", "system_turn", True, False),
        ("gemini-live-2.5-flash", "vertex", "system_turn", False, False),
        ("gemini-live-2.5-flash-preview", "gemini", "note", False, False),
        ("gemini-3.5-live-translate-preview", "gemini", "note", True, False),
        ("gemini-3.5-transcribe-live", "gemini", "note", False, False),
        ("gemini-3.5-transcribe-live-preview", "vertex", "note", False, False),
        ("gemini-robotics-er-2-streaming-preview", "gemini", "note", False, False),
        ("gemini-2.0-flash-live-001", "gemini", "note", False, False),
    ],
)
def test_b17_j6_each_model_of_the_page_has_its_traits(
    model: str, backend: str, instruction: Instruction, speech_only: bool, whole_input: bool
) -> None:
    assert traits_of(model, backend)[:3] == (instruction, speech_only, whole_input)


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gemini-3.8-live", True),
        ("gemini-3.8-live-extended-thinking", False),
        ("gemini-3.1-flash-live-preview", False),
        ("gemini-2.5-flash-native-audio-latest", True),
        ("a-model-of-tomorrow", True),
    ],
)
def test_b18_some_models_take_no_scheduling(model: str, takes: bool) -> None:
    assert traits_of(model, "gemini").scheduling == takes


@pytest.mark.parametrize(
    "name",
    [
        "gemini-3.8-live",
        "models/gemini-3.8-live",
        "projects/p/locations/eu/publishers/google/models/gemini-3.8-live",
    ],
)
def test_a_resource_name_counts_as_its_id(name: str) -> None:
    assert traits_of(name, "gemini") == Traits("context_update", True, False)


def test_what_stands_before_the_id_does_not_count() -> None:
    name = "projects/gemini-3.1-flash-live/locations/2.5/publishers/google/models/m"
    assert traits_of(name, "gemini") == Traits("note", False, False)


@pytest.mark.parametrize("model", ["", "m", "models/", "gemini-9-live", "tunedModels/x"])
@pytest.mark.parametrize("backend", ["gemini", "vertex", "emulator"])
def test_an_unknown_model_has_the_traits_that_are_safe_everywhere(model: str, backend: str) -> None:
    in_parts = backend != "vertex"
    assert traits_of(model, backend) == Traits("note", False, False, will_continue=in_parts)


# Elsewhere a system turn closes the session with 1007.
@pytest.mark.parametrize("backend", ["gemini", "emulator"])
@given(model=st.text())
def test_a_system_turn_goes_to_vertex_alone(backend: str, model: str) -> None:
    assert traits_of(model + "2.5", "vertex").instruction in {"system_turn", "refused"}
    assert traits_of(model + "2.5", backend).instruction != "system_turn"
