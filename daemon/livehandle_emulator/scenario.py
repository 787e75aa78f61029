r"""What the emulator is told about itself: a TOML file, every key of which may be left out.

```toml
models = ["gemini-3.8-live"]   # the ids there are; default: any that looks like a live model
keys = ["my-test-key"]         # the keys and tokens taken; default: any

[timing]
reply_delay_ms = 150           # from the end of the user's turn to the first of the reply
stream_speed = 8.0             # how many times faster than real time a reply is sent
playback_speed = 1.0           # how fast a reply is taken to play, before its turn completes

[[reply]]                      # the first whose pattern is found in the user's words is given
match = 'weather in (\w+)'     # a regular expression, in any case
say = "Let me look."           # may hold \1, as may every string of args
call = "get_weather"           # a function to call; say, call or both
args = { city = '\1' }
```

The user's words are what was typed, or for speech what its transcription says.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.suggest import nearest

_Positive = Annotated[float, Meta(gt=0)]


class Timing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast replies come."""

    reply_delay_ms: Annotated[int, Meta(ge=0)] = 150
    stream_speed: _Positive = 8.0
    playback_speed: _Positive = 1.0


class CannedReply(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words or a call for a turn in which a pattern is found."""

    match: str
    say: str | None = None
    call: str | None = None
    args: dict[str, object] = {}


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be told."""

    models: list[str] | None = None
    keys: list[str] | None = None
    timing: Timing = Timing()
    reply: list[CannedReply] = []


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in a file. Raises `config.invalid` that says where and what."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise _unusable(path, str(error)) from error
    for name, at, known in _unknown_names(tree):
        guess = nearest(name, known)
        hint = f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
        raise _unusable(path, f"unknown key {at}{name}; {hint}")
    try:
        scenario = msgspec.convert(tree, Scenario)
    except msgspec.ValidationError as error:
        raise _unusable(path, str(error).replace("`", "").replace("$.", "")) from error
    for i, reply in enumerate(scenario.reply):
        _check_reply(path, reply, f"reply[{i}]")
    return scenario


def _unknown_names(tree: dict[str, object]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each key that is not known, where it stands, and what is known there."""
    tables: list[tuple[object, str, type[Struct]]] = [(tree, "", Scenario)]
    tables.append((tree.get("timing"), "timing.", Timing))
    replies = tree.get("reply")
    if isinstance(replies, list):
        tables.extend((table, f"reply[{i}].", CannedReply) for i, table in enumerate(replies))
    for table, at, struct in tables:
        known = struct.__struct_fields__
        for name in table if isinstance(table, dict) else ():
            if name not in known:
                yield name, at, known


def _check_reply(path: Path, reply: CannedReply, at: str) -> None:
    if reply.say is None and reply.call is None:
        raise _unusable(path, f"{at} needs say, call or both")
    if reply.args and reply.call is None:
        raise _unusable(path, f"{at}.args needs call")
    try:
        pattern = re.compile(reply.match)
    except re.error as error:
        raise _unusable(path, f"{at}.match is no regular expression: {error}") from error
    try:
        for template in (reply.say or "", *_strings_in(reply.args)):
            pattern.sub(template, "")  # reads the template whether it matches or not
    except (re.error, IndexError) as error:
        raise _unusable(path, f"{at} cannot be filled in: {error}") from error


def _strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings_in(inner)


def _unusable(path: Path, problem: str) -> LiveHandleError:
    return LiveHandleError("config.invalid", f"The scenario {path} cannot be used: {problem}")
