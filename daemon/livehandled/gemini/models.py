"""What models differ in, by their names (wire 4.5 to 4.7, 5).

Ids change every few months, so there is no list of them: a trait goes by a part of the name, and
an unknown model has the traits that are safe everywhere.
"""

import re
from typing import Literal, NamedTuple

Instruction = Literal["context_update", "system_turn", "note", "refused"]
"""How a running session is given another instruction (wire 4.6): by `contextUpdate`, by a turn of
the role `system`, by a note in the user's name, or not at all because it would be closed."""


# The third generation speaks, but for the models that transcribe.
_SPEAKS_ONLY = re.compile(r"gemini-3\.(?!.*transcribe).*live")


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


def traits_of(model: str, backend: str) -> Traits:
    """Return the traits of a model on a backend, by its id or its resource name."""
    name = model.rpartition("/")[2]
    return Traits(
        instruction=_instruction(name, backend),
        speech_only="native-audio" in name or _SPEAKS_ONLY.match(name) is not None,
        whole_input="3.1-flash-live" in name,
        scheduling="extended-thinking" not in name and "3.1-flash-live" not in name,
        will_continue=backend != "vertex",
    )


def _instruction(name: str, backend: str) -> Instruction:
    if "3.8-live" in name:
        return "context_update"
    if "3.1-flash-live" in name:
        return "refused"
    if backend == "vertex" and "2.5" in name:
        return "system_turn"
    return "note"
