"""What models differ in, by their names (wire 4.5 to 4.7, 5).

Ids change every few months, so there is no list of them: a trait goes by a part of the name, and
an unknown model has the traits that are safe everywhere. The configuration has the last word, by
`session.quirks`.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args, get_type_hints

import msgspec

from livehandle_proto.tools import Behaviour

InPlace = Literal["context_update", "system_turn", "note"]
"""How a running connection is given another instruction (wire 4.6): by `contextUpdate`, by a turn
of the role `system`, or by a note in the user's name."""

Instruction = Literal[InPlace, "reconnect"]
"""The same, or by a new connection whose setup has it: any of those would close this one."""

# The third generation speaks, but for the models that transcribe.
_SPEAKS_ONLY = re.compile(r"gemini-3\.(?!.*transcribe).*live")
_THIRD = re.compile(r"gemini-3\.")


class Traits(NamedTuple):
    """What the daemon has to know of a model."""

    instruction: Instruction
    speech_only: bool
    """It answers in audio alone: text is the transcription of its speech (J6)."""
    whole_input: bool
    """Without automatic detection it hears nothing unless turns include all input (wire 4.7)."""
    scheduling: bool = True
    """It takes a word on when the result of a call is to be spoken of (B18)."""
    will_continue: bool = True
    """It takes a result in several parts: the Gemini API alone (wire 2.4)."""
    typed_turn: Literal["content", "realtime"] = "content"
    """What carries a typed turn: `clientContent`, or `realtimeInput.text` (wire 4.5)."""
    blocking_default: Behaviour = "BLOCKING"
    """What a function declared without `behavior` means to it (wire 5)."""
    audio_during_call: Literal["pass", "drop", "buffer"] = "pass"
    """What becomes of audio while a blocking call is open: some would close (wire 6, 15)."""
    seed: Literal["history", "turns"] = "turns"
    """How it is given a history: announced by the setup, or as plain turns (wire 4.5)."""
    resumption: bool = True
    """It issues resumption handles (wire 4.3)."""
    transparent: bool = False
    """It tells which messages a handle covers: Vertex AI alone (wire 2.6)."""
    updates_tools: bool = False
    """It takes other tools while it runs, by `contextUpdate` (wire 2.5, 4.6)."""
    checks: bool = True
    """A setup that is known to be closed is refused here (`gemini.refusals`)."""


def traits_of(model: str, backend: str, quirks: Mapping[str, object] | None = None) -> Traits:
    """Return the traits of a model on a backend, by its id or its resource name.

    `quirks` are traits that the configuration knows better; they are as `misfit` wants them.
    """
    name = model.rpartition("/")[2]
    legacy = "3.1-flash-live" in name
    traits = Traits(
        instruction=_instruction(name, backend),
        speech_only="native-audio" in name or _SPEAKS_ONLY.match(name) is not None,
        whole_input=legacy,
        scheduling="extended-thinking" not in name and not legacy,
        will_continue=backend != "vertex",
        typed_turn="realtime" if legacy else "content",
        blocking_default=_behaviour(name),
        audio_during_call=_audio_during_call(name),
        seed="history" if _THIRD.match(name) else "turns",
        transparent=backend == "vertex",
        updates_tools="3.8-live" in name,
    )
    if not quirks:
        return traits
    known = zip(traits._fields, traits, strict=True)
    return msgspec.convert([quirks.get(trait, value) for trait, value in known], Traits)


def misfit(quirks: Mapping[str, object]) -> tuple[str, tuple[str, ...] | None] | None:
    """Return the first quirk that cannot be, and the values its trait has; None if all can.

    The values are None where there is no such trait.
    """
    for trait, value in quirks.items():
        known = TRAITS.get(trait)
        shown = str(value).lower() if isinstance(value, bool) else value
        if known is None or shown not in known or (known == _SWITCH) != isinstance(value, bool):
            return trait, known
    return None


def _choices(annotation: object) -> tuple[str, ...]:
    return _SWITCH if annotation is bool else get_args(annotation)


_SWITCH = ("true", "false")

TRAITS: Mapping[str, tuple[str, ...]] = {
    trait: _choices(annotation) for trait, annotation in get_type_hints(Traits).items()
}
"""The values each trait has, as they are written in a configuration."""


def _instruction(name: str, backend: str) -> Instruction:
    if "3.8-live" in name:
        return "context_update"
    if "3.1-flash-live" in name:
        return "reconnect"
    if backend == "vertex" and "2.5" in name:
        return "system_turn"
    return "note"


def _behaviour(name: str) -> Behaviour:
    third = "3.8-live" in name or "extended-thinking" in name
    return "NON_BLOCKING" if third else "BLOCKING"


def _audio_during_call(name: str) -> Literal["pass", "drop", "buffer"]:
    if "2.5" in name and "native-audio" in name:
        return "drop"
    return "buffer" if "3.1-flash-live" in name else "pass"
