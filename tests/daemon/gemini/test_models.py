"""What models differ in (wire 4.5 to 4.7, 5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.gemini.models import TRAITS, Instruction, Traits, misfit, traits_of


@pytest.mark.parametrize(
    ("model", "backend", "instruction", "speech_only", "whole_input"),
    [
        ("gemini-3.8-live", "gemini", "context_update", True, False),
        ("gemini-3.8-live", "vertex", "context_update", True, False),
        ("gemini-3.8-live", "emulator", "context_update", True, False),
        ("gemini-3.8-live-extended-thinking", "gemini", "context_update", True, False),
        ("gemini-3.1-flash-live-preview", "gemini", "reconnect", True, True),
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
    assert traits_of(name, "gemini") == traits_of("gemini-3.8-live", "gemini")
    assert traits_of(name, "gemini").instruction == "context_update"


def test_what_stands_before_the_id_does_not_count() -> None:
    name = "projects/gemini-3.1-flash-live/locations/2.5/publishers/google/models/m"
    assert traits_of(name, "gemini") == Traits("note", False, False)


@pytest.mark.parametrize("model", ["", "m", "models/", "gemini-9-live", "tunedModels/x"])
@pytest.mark.parametrize("backend", ["gemini", "vertex", "emulator"])
def test_an_unknown_model_has_the_traits_that_are_safe_everywhere(model: str, backend: str) -> None:
    vertex = backend == "vertex"
    assert traits_of(model, backend) == Traits(
        "note", False, False, will_continue=not vertex, transparent=vertex
    )


@pytest.mark.parametrize(
    ("model", "typed_turn", "blocking", "audio_during_call", "seed"),
    [
        ("gemini-3.8-live", "content", "NON_BLOCKING", "pass", "history"),
        ("gemini-3.8-live-extended-thinking", "content", "NON_BLOCKING", "pass", "history"),
        ("gemini-3.1-flash-live-preview", "realtime", "BLOCKING", "buffer", "history"),
        ("gemini-2.5-flash-native-audio-latest", "content", "BLOCKING", "drop", "turns"),
        ("gemini-live-2.5-flash-native-audio", "content", "BLOCKING", "drop", "turns"),
        ("gemini-live-2.5-flash", "content", "BLOCKING", "pass", "turns"),
        ("a-model-of-tomorrow", "content", "BLOCKING", "pass", "turns"),
        ("", "content", "BLOCKING", "pass", "turns"),
    ],
)
def test_each_model_has_the_quirks_of_the_page(
    model: str, typed_turn: str, blocking: str, audio_during_call: str, seed: str
) -> None:
    traits = traits_of(model, "gemini")
    assert traits.typed_turn == typed_turn
    assert traits.blocking_default == blocking
    assert traits.audio_during_call == audio_during_call
    assert traits.seed == seed
    assert traits.resumption
    assert traits.checks


@pytest.mark.parametrize(
    ("model", "updates"),
    [
        ("gemini-3.8-live", True),
        ("gemini-3.8-live-extended-thinking", True),
        ("gemini-3.1-flash-live-preview", False),
        ("gemini-2.5-flash-native-audio-latest", False),
        ("gemini-9-live", False),
    ],
)
def test_other_tools_are_told_only_to_a_model_that_is_known_to_take_them(
    model: str, updates: bool
) -> None:
    assert traits_of(model, "gemini").updates_tools is updates


# What the configuration knows better.


def test_a_quirk_of_the_configuration_stands_above_the_name() -> None:
    quirks = {"typed_turn": "realtime", "resumption": False}
    traits = traits_of("gemini-3.8-live", "gemini", quirks)
    assert traits == traits_of("gemini-3.8-live", "gemini")._replace(
        typed_turn="realtime", resumption=False
    )


@pytest.mark.parametrize("trait", TRAITS)
def test_every_trait_can_be_set_to_each_of_its_values(trait: str) -> None:
    for written in TRAITS[trait]:
        value = {"true": True, "false": False}.get(written, written)
        assert misfit({trait: value}) is None
        assert getattr(traits_of("m", "gemini", {trait: value}), trait) == value


@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize("value", ["true", 1, 0, None, "", [], {}, "PASS", 1.5])
def test_no_trait_takes_another_value(trait: str, value: object) -> None:
    assert misfit({"checks": True, trait: value}) == (trait, TRAITS[trait])


@pytest.mark.parametrize("name", ["", "typed_turns", "Seed", "session.seed"])
def test_a_quirk_that_is_no_trait_is_told(name: str) -> None:
    assert misfit({name: "history"}) == (name, None)


# Elsewhere a system turn closes the session with 1007.
@pytest.mark.parametrize("backend", ["gemini", "emulator"])
@given(model=st.text())
def test_a_system_turn_goes_to_vertex_alone(backend: str, model: str) -> None:
    assert traits_of(model + "2.5", "vertex").instruction in {"system_turn", "reconnect"}
    assert traits_of(model + "2.5", backend).instruction != "system_turn"
