"""`livectl demo`: a spoken conversation through a daemon of its own, shown as it happens."""

import shutil
import signal
import subprocess
import sys
import tempfile
import wave
from argparse import Namespace
from pathlib import Path

from livectl.commands import rows, table
from livectl.screen import Screen
from livectl.stage import Missed, Stage, private_daemon, reply_audio

_DATA = Path(__file__).parent / "data"
_REPLY_RATE = 24_000
_TOPICS = ["live.*", "live.audio", "session.phase_changed", "session.tool_call"]
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
    """Hold the conversation; return 1 and name what did not happen if it was not as it should."""
    # A demo that is ended from outside must not leave its daemon behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen(sys.stdout)
    output = Path(options.output) if options.output else _somewhere()
    screen.text("A private daemon, its emulator and a recorded voice: no key, no network.")
    try:
        with private_daemon() as connection:
            reply = _converse(Stage(connection, screen), screen)
            _write(output, reply)
            screen.heading("Telemetry")
            telemetry = connection.call("telemetry")
            if isinstance(telemetry, dict):
                screen.text(table(rows(telemetry), indent="  "))
    except Missed as missed:
        screen.text(f"\nThe demo failed. It did not see {missed}")
        return 1
    screen.heading("Done")
    screen.text(f"  The reply, {len(reply) / 2 / _REPLY_RATE:.1f} s of it, is in {output}")
    _play(output, screen)
    return 0


def _converse(stage: Stage, screen: Screen) -> bytes:
    """Hold the conversation, and return the speech of the first reply."""
    tools = [{"functionDeclarations": [_LIGHT]}]
    stage.connection.call("events", topics=_TOPICS)
    stage.connection.call("connect", config={"session": {"setup": {"tools": tools}}})
    screen.heading("A session is opened")
    stage.until("the phase active", lambda: stage.phase == "active", 5)
    reply = _speech(stage, screen)
    _interruption(stage, screen)
    _typed_turn(stage, screen)
    _tool_call(stage, screen)
    return reply


def _speech(stage: Stage, screen: Screen) -> bytes:
    screen.heading("Speech, answered by speech")
    stage.forget()
    stage.say(_DATA / "hello.wav")
    stage.until_seen("live.vad_start", 3)
    stage.until("the end of the recording", lambda: not stage.speaking, 10)
    stage.until_seen("live.vad_end", 3)
    stage.until_seen("live.input_transcript", 5)
    stage.until_seen("live.audio", 5)
    stage.until_seen("live.output_transcript", 5)
    stage.until_turn_ends(10)
    reply = reply_audio(stage.seen)
    seconds = len(reply) / 2 / _REPLY_RATE
    screen.line("reply", f"{len(reply)} bytes of audio, {seconds:.1f} s to play")
    if seconds < 1:
        raise Missed("a spoken reply of a second or more")
    _phases(stage, "user_speaking", "model_speaking")
    return reply


def _interruption(stage: Stage, screen: Screen) -> None:
    screen.heading("An interruption: speech over the model's reply")
    stage.forget()
    stage.say(_DATA / "hello.wav")
    stage.until_seen("live.audio", 10)
    stage.listen(1)
    stage.say(_DATA / "barge-in.wav")
    stage.until_seen("live.interrupted", 5)
    stage.until("the end of the recording", lambda: not stage.speaking, 5)
    stage.forget()
    stage.until_seen("live.input_transcript", 5)
    stage.until_turn_ends(10)


def _typed_turn(stage: Stage, screen: Screen) -> None:
    screen.heading("A typed turn")
    stage.forget()
    words = "And what if I type?"
    screen.line("typed", words)
    stage.connection.call("send_text", text=words)
    stage.until_seen("live.output_transcript", 5)
    stage.until_turn_ends(10)


def _tool_call(stage: Stage, screen: Screen) -> None:
    screen.heading("A tool call")
    stage.forget()
    words = 'call set_light {"room": "kitchen", "on": true}'
    screen.line("typed", words)
    stage.connection.call("send_text", text=words)
    stage.until_seen("session.tool_call", 5)
    calls = next(e.data["function_calls"] for e in stage.seen if e.topic == "session.tool_call")
    assert isinstance(calls, list)
    answers = [
        {"id": call["id"], "name": call["name"], "response": {"light": "on"}} for call in calls
    ]
    screen.line("tool", "answered: the light is on")
    stage.connection.call("send_tool_response", responses=answers)
    # The turn of the call itself may be complete before that of the answer begins.
    stage.until_seen("live.output_transcript", 5)
    stage.forget()
    stage.until_turn_ends(10)


def _phases(stage: Stage, *wanted: str) -> None:
    seen = {e.data.get("phase") for e in stage.seen if e.topic == "session.phase_changed"}
    for phase in wanted:
        if phase not in seen:
            raise Missed(f"the phase {phase}")


def _somewhere() -> Path:
    return Path(tempfile.mkdtemp(prefix="livehandle-"), "reply.wav")


def _write(output: Path, pcm: bytes) -> None:
    try:
        with wave.open(str(output), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_REPLY_RATE)
            file.writeframes(pcm)
    except OSError as error:
        raise Missed(f"the reply written to {output}: {error.strerror}") from error


def _play(output: Path, screen: Screen) -> None:
    """Let the reply be heard where there is a player and somebody to listen."""
    player = next((p for p in _PLAYERS if shutil.which(p[0])), None)
    if player is None or not sys.stdout.isatty():
        screen.text("  Listen to it with any player, such as: aplay FILE")
        return
    screen.text(f"  Playing it with {player[0]} ...")
    played = subprocess.run([*player, str(output)], capture_output=True, timeout=30, check=False)
    if played.returncode != 0:
        screen.text(f"  {player[0]} found no way to play it; the file is good all the same.")
