r"""What the emulator is told about itself: a TOML file, every key of which may be left out.

```toml
models = ["gemini-3.8-live"]   # the ids there are; default: any that looks like a live model
keys = ["my-test-key"]         # the keys and tokens taken; default: any

[timing]
reply_delay_ms = 150           # from the end of the user's turn to the first of the reply
stream_speed = 8.0             # how many times faster than real time a reply is sent
playback_speed = 1.0           # how fast a reply is taken to play, before its turn completes

[lifetime]
connection_ms = 0              # how long a connection lives; 0: no limit
go_away_ms = 60_000            # how long before its end the go-away comes; 0: none is sent
idle_ms = 0                    # without input it is closed after that long; 0: never

[resumption]
handle_valid_ms = 7_200_000    # from the end of the session's last connection
every = "turn"                 # when handles come; reply: also as a reply begins
forgets = "nothing"            # at a resume; seed: history without a reply; everything
repeats = false                # whether the last turn's transcription comes again at a resume
old_socket = "refuse"          # a resume while the old connection is open; or allow
unknown_calls = "ignore"       # an answer to a call it does not know; or swallow, close

[tools]
audio_during_call = "ignore"   # what speech does while a blocking call waits; or close, cancel

[[reply]]                      # the first whose pattern is found in the user's words is given
match = 'weather in (\w+)'     # a regular expression, in any case
say = "Let me look."           # may hold \1, as may every string of args
call = "get_weather"           # a function to call; say, call or both
args = { city = '\1' }

[[fault]]                      # what goes wrong, as often as there are tables
do = "close"                   # see below
code = 1011
reason = "Internal error encountered."
at = "model_turn"              # the moment: upgrade, or what a message carries
when = "instead"               # or before, after (default)
skip = 2                       # how many such moments go by first (default 0)
times = 1                      # how often it happens; 0: always (default 1)
connection = 1                 # only on the nth connection (default: on any)
after_ms = 0                   # how long after the moment (default 0)
```

The user's words are what was typed, or for speech what its transcription says. Without `every`
and `unknown_calls` a model does as it was seen to (3.8: reply and swallow).

What a fault can do, with the keys of its own:

- `close` (`code` = 1011, `reason`), `quota` (1011 in the service's words; at an upgrade, 429),
  `abort` (a TCP reset: the client sees 1006), `refuse` (always at an upgrade: `status` = 503,
  `body`)
- `go_away` (`time_left_ms`: the connection is closed when it is over; without it, no time is
  told and none is kept)
- `stall` (`for_ms`, 0 = for good: nothing is sent; `pings` = true: they are still answered),
  `half_open` (`for_ms`: nothing is sent or read, and the TCP connection stays)
- `slow` (`bytes_per_s`), `fragment` (`bytes` to a frame), `delay_pong` (`by_ms`): from then on
- `oversize` (a valid message padded to `bytes`; with `instead`, the message itself),
  `garbage` (a frame that is no JSON), `drop_message` (the message of `at` is swallowed)
- `forget`: all resumption handles become unknown

The moments are `upgrade`, what the client sends (`setup`, `client_content`, `audio`, `video`,
`text`, `activity_start`, `activity_end`, `tool_response`, `context_update`) and what it is sent
(`setup_complete`, `model_turn`, `input_transcription`, `output_transcription`,
`generation_complete`, `turn_complete`, `interrupted`, `tool_call`, `tool_call_cancellation`,
`resumption_update`, `go_away`, `usage`). A message may carry several. Before an upgrade,
`abort`, `stall` and `half_open` leave it without an answer.

While it runs: `livehandle-emulator fault close 1011 --port N` and the like, with a moment in
`--at` or now; `livehandle-emulator faults` and `livehandle-emulator sessions` tell what waits,
and what the model remembers.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import Fault, fault_from
from livehandle_proto.wrong_values import WrongValueError, converted

_Positive = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=0)]


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


class Lifetime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a connection lives (wire 6). Times in milliseconds."""

    connection_ms: _Count = 0
    """0: no limit."""
    go_away_ms: _Count = 60_000
    """How long before the end the go-away comes; 0: none is sent."""
    idle_ms: _Count = 0
    """The connection is closed after that long without input; 0: never."""


class ResumptionRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a resumption handle is good for (wire 5). None: as the model does it."""

    handle_valid_ms: _Count = 7_200_000
    """Counted from the end of the session's last connection."""
    every: Literal["turn", "reply"] | None = None
    """`reply`: a handle is also issued when a reply begins."""
    forgets: Literal["nothing", "seed", "everything"] = "nothing"
    """`seed`: history that got no reply; `everything`: all, without saying so."""
    repeats: bool = False
    """Whether the last turn's transcription comes again after a resume."""
    old_socket: Literal["refuse", "allow"] = "refuse"
    """What becomes of a resume while the old connection is open."""
    unknown_calls: Literal["ignore", "swallow", "close"] | None = None
    """What an answer to a call from before does; `swallow`: the next input is not heard."""


class Tools(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How calls and voice go together."""

    audio_during_call: Literal["ignore", "close", "cancel"] = "ignore"
    """What speech does while a blocking call waits."""


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be told."""

    models: list[str] | None = None
    keys: list[str] | None = None
    timing: Timing = Timing()
    lifetime: Lifetime = Lifetime()
    resumption: ResumptionRules = ResumptionRules()
    tools: Tools = Tools()
    reply: list[CannedReply] = []
    fault: list[Fault] = []


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in a file. Raises `config.invalid` that says where and what."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise _unusable(path, str(error)) from error
    faults = tree.pop("fault", [])
    try:
        scenario = converted(tree, Scenario)
    except WrongValueError as wrong:
        raise _unusable(path, _said(wrong)) from wrong
    for i, reply in enumerate(scenario.reply):
        _check_reply(path, reply, f"reply[{i}]")
    return msgspec.structs.replace(scenario, fault=_faults(path, faults))


def _faults(path: Path, tables: object) -> list[Fault]:
    if not isinstance(tables, list):
        raise _unusable(path, "fault: it must be a list of tables, each [[fault]]")
    return [_fault(path, table, f"fault[{i}]") for i, table in enumerate(tables)]


def _fault(path: Path, table: object, at: str) -> Fault:
    try:
        fault = fault_from(table)
    except WrongValueError as wrong:
        wrong.path = f"{at}.{wrong.path}" if wrong.path else at
        raise _unusable(path, _said(wrong)) from wrong
    if fault.moment == "now":
        raise _unusable(path, f"{at}.at: a scenario has no now, give upgrade or a message")
    return fault


def _said(wrong: WrongValueError) -> str:
    where = f"{wrong.path}: " if wrong.path else ""
    return f"{where}{wrong.words}{'?' if wrong.near else ''}"


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
