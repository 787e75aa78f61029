"""`livectl demo`: a spoken conversation through a daemon of its own, shown as it happens."""

import io
import shutil
import signal
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livectl.demo.stage import REPLY_RATE, Missed, Stage, private_daemon
from livectl.screen import Screen
from livectl.sound import wave_file
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError

_DATA = Path(__file__).parents[1] / "data"
_HELLO = (_DATA / "hello.wav", "Hello there. Can you hear me? Please say this back to me.")
_BARGE_IN = (_DATA / "barge-in.wav", "Wait, stop please.")
_TOPICS = ["live.*", "live.audio", "session.phase_changed", "session.tool_call"]
_PLAY_S = 30.0
_PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)

_LIGHT = {
    "name": "set_light",
    "description": "Turn the light of a room on or off.",
    "parameters": {
        "type": "OBJECT",
        "properties": {"room": {"type": "STRING"}, "on": {"type": "BOOLEAN"}},
        "required": ["room", "on"],
    },
}


def demo(options: Namespace) -> int:
    """Hold the conversation; return 1 and name each step that did not happen."""
    # A demo that is ended from outside must not leave its daemon behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    quiet = options.quiet and not options.json
    screen = Screen(io.StringIO() if quiet else sys.stdout, as_json=options.json)
    missed: list[str] = []
    screen.text("A private daemon, its emulator and a recorded voice: no key, no network.")
    try:
        if options.output:
            _check(Path(options.output))
        with private_daemon() as connection:
            screen.line("daemon", _name(connection))
            stage = Stage(connection, screen)
            _converse(stage, missed)
        if not missed:
            output = Path(options.output) if options.output else _somewhere()
            _write(output, stage.kept)
            screen.heading("Done")
            if quiet:
                print(output)
            else:
                _listen(output, screen)
    except Missed as error:
        missed.append(str(error))
    if missed:
        screen.heading("Failed")
        screen.text("\n".join(f"  {step}" for step in missed))
        if quiet:
            print(*(f"livectl: {step}" for step in missed), sep="\n", file=sys.stderr)
    return 1 if missed else 0


def _converse(stage: Stage, missed: list[str]) -> None:
    """Go through all parts, and name in `missed` what did not happen in each."""
    for heading, part in _PARTS:
        stage.screen.heading(heading)
        stage.forget()
        try:
            part(stage)
        except LiveHandleError as error:
            if error.name == "daemon.unreachable":
                raise
            missed.append(f"{heading}: {error.message} [{error.name}]")
            stage.screen.line("missed", missed[-1])
        except Missed as error:
            missed.append(f"{heading}: {error}")
            stage.screen.line("missed", missed[-1])


def _opening(stage: Stage) -> None:
    stage.connection.call("events", topics=_TOPICS)
    tools = [{"functionDeclarations": [_LIGHT]}]
    stage.connection.call("connect", config={"session": {"setup": {"tools": tools}}})
    stage.until("phase active", lambda: stage.phase == "active", 5)


def _speech(stage: Stage) -> None:
    stage.say(*_HELLO)
    stage.until_seen("live.vad_start", 3)
    stage.until("end of the recording", lambda: not stage.speaking, 10)
    stage.until_seen("live.vad_end", 3)
    stage.until_seen("live.input_transcript", 5)
    stage.until_seen("live.audio", 5)
    stage.until_seen("live.output_transcript", 5)
    stage.until_turn_ends(10)
    reply = stage.reply()
    if len(reply) < 2 * REPLY_RATE:
        raise Missed("the spoken reply is shorter than a second")
    phases = {event.data.get("phase") for event in stage.seen("session.phase_changed")}
    for phase in ("user_speaking", "model_speaking"):
        if phase not in phases:
            raise Missed(f"no phase {phase}")
    stage.kept = reply


def _interruption(stage: Stage) -> None:
    stage.say(*_HELLO)
    stage.until_seen("live.audio", 10)
    stage.listen(1)
    stage.say(*_BARGE_IN)
    stage.until_seen("live.interrupted", 5)
    stage.until_seen("live.turn_complete", 5)
    stage.forget()
    stage.until_seen("live.input_transcript", 10)
    stage.until_turn_ends(10)


def _typed_turn(stage: Stage) -> None:
    stage.type("And what if I type?")
    stage.until_seen("live.output_transcript", 5)
    stage.until_turn_ends(10)


def _tool_call(stage: Stage) -> None:
    stage.type('call set_light {"room": "kitchen", "on": true}')
    stage.until_seen("session.tool_call", 5)
    calls = stage.seen("session.tool_call")[0].data["function_calls"]
    listed = calls if isinstance(calls, list) else []
    answer = {"light": "on"}
    answers = [{"id": c["id"], "name": c["name"], "response": answer} for c in listed]
    stage.screen.line("tool", "answered: the light is on")
    stage.forget()
    stage.connection.call("send_tool_response", responses=answers)
    stage.until_seen("live.output_transcript", 5)
    # The turn of the call itself may be complete before that of the answer begins.
    stage.forget()
    stage.until_turn_ends(10)


def _telemetry(stage: Stage) -> None:
    counters = stage.connection.call("telemetry")
    figures = counters if isinstance(counters, dict) else {}
    stage.screen.figures("telemetry", figures)
    for name in ("interruptions", "tool_calls"):
        if figures.get(name) != 1:
            raise Missed(f"{name} is {figures.get(name)}, not 1")


_PARTS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("A session is opened", _opening),
    ("Speech, answered by speech", _speech),
    ("An interruption: speech over the model's reply", _interruption),
    ("A typed turn", _typed_turn),
    ("A tool call", _tool_call),
    ("Telemetry", _telemetry),
)


def _name(connection: Connection) -> str:
    hello = connection.call("daemon.hello", client="livectl demo")
    told = hello if isinstance(hello, dict) else {}
    return f"{told.get('name')} {told.get('version')} is ready"


def _somewhere() -> Path:
    return Path(tempfile.mkdtemp(prefix="livehandle-"), "reply.wav")


def _check(output: Path) -> None:
    """Find out before the conversation whether its reply can be written; leave no trace."""
    new = not output.exists()
    with _writing(output):
        output.open("ab").close()
        if new:
            output.unlink()


def _write(output: Path, pcm: bytes) -> None:
    with _writing(output):
        output.write_bytes(wave_file.head(REPLY_RATE, len(pcm)) + pcm)


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Missed(f"the reply cannot be written to {output}: {error.strerror}") from error


def _listen(output: Path, screen: Screen) -> None:
    """Say where the reply is; play it where there is a player and somebody to listen."""
    screen.text(f"  The reply to the speech is in {output}")
    player = next((p for p in _PLAYERS if shutil.which(p[0])), None)
    if player is None or not sys.stdout.isatty():
        screen.text(f"  Listen to it with any player, such as: aplay {output}")
        return
    screen.text(f"  Playing it with {player[0]} ...")
    try:
        subprocess.run([*player, str(output)], capture_output=True, timeout=_PLAY_S, check=True)
    except (OSError, subprocess.SubprocessError):
        screen.text(f"  {player[0]} found no way to play it; the file is good all the same.")
