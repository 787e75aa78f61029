"""The demo's private daemon, microphone and ears."""

import base64
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livectl.demo.stage import Missed, Stage, describe, private_daemon
from livectl.screen import Screen
from livectl.sound.audio import CHUNK_BYTES
from livehandle import Connection, Event
from support.scripted_daemon import Reply, ScriptedDaemon, event, result, scripted_daemon
from support.waves import encoded, tone, wave


@contextmanager
def stage_with(
    *events: bytes, **script: Reply
) -> Iterator[tuple[Stage, ScriptedDaemon, io.StringIO]]:
    """A stage before a daemon that tells these events once it is asked to."""
    script = {"events": result({}, *events), "send_audio": result(None)} | script
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        connection.call("events")
        out = io.StringIO()
        yield Stage(connection, Screen(out)), daemon, out


@pytest.mark.parametrize(
    ("topic", "data", "told"),
    [
        ("live.vad_start", {}, ("hears", "speech begins")),
        ("live.vad_end", {}, ("hears", "speech ends")),
        ("session.phase_changed", {"phase": "b", "previous": "a"}, ("phase", "a -> b")),
        ("live.input_transcript", {"text": "Hi"}, ("user", "Hi")),
        ("live.interrupted", {}, ("stop", "the model stops: it was spoken over")),
        ("live.turn_complete", {"turn": 2}, ("phase", "turn 2 is complete")),
        (
            "session.tool_call",
            {"function_calls": [{"name": "f", "args": {"a": 1}}, {"name": "g", "args": {}}]},
            ("tool", 'the model calls f {"a": 1}, g {}'),
        ),
        ("live.audio", {"data": ""}, None),
        ("live.thought", {"text": "hm"}, None),
    ],
)
def test_an_event_is_told_in_words(
    topic: str, data: dict[str, object], told: tuple[str, str] | None
) -> None:
    assert describe(Event({"topic": topic, "data": data})) == told


def test_what_is_awaited_has_been_seen_and_shown() -> None:
    events = [
        event("session.phase_changed", 1, phase="active", previous="connecting"),
        event("live.output_transcript", 2, text="Hel"),
        event("live.output_transcript", 3, text="lo."),
        event("live.turn_complete", 4, turn=0),
    ]
    with stage_with(*events) as (stage, _, out):
        stage.until_turn_ends(10)
        assert stage.phase == "active"
        assert [e.seq for e in stage.seen("live.output_transcript")] == [2, 3]
        stage.forget()
        assert stage.seen("live.output_transcript") == []
    assert "model  Hello.\n" in out.getvalue()
    assert "phase  turn 0 is complete\n" in out.getvalue()


def test_what_does_not_come_in_time_is_missed() -> None:
    with (
        stage_with() as (stage, _, _out),
        pytest.raises(Missed, match=r"no live\.audio within 0 s"),
    ):
        stage.until_seen("live.audio", 0)


@pytest.mark.parametrize(
    "topic", ["daemon.notification_failed", "live.error", "live.disconnected", "events.lagged"]
)
def test_a_fault_ends_the_waiting(topic: str) -> None:
    with (
        stage_with(event(topic, message="It broke.")) as (stage, _, _out),
        pytest.raises(Missed, match=r"It broke\."),
    ):
        stage.until_seen("live.audio", 10)


def test_a_recording_is_spoken_between_silence(tmp_path: Path) -> None:
    sound = tone(440, 16_000, 0.1)
    (tmp_path / "a.wav").write_bytes(wave(sound, 16_000))
    with stage_with() as (stage, daemon, out):
        stage.until("a chunk", lambda: len(daemon.sent("send_audio")) > 1, 10)
        stage.say(tmp_path / "a.wav", "Beep.")
        assert stage.speaking
        stage.until("the end", lambda: not stage.speaking, 10)
        stage.listen(0)
        # Notifications are not answered: this is, after them.
        stage.connection.call("events")
    sent = [base64.b64decode(params["data"]) for params in daemon.sent("send_audio")]
    assert encoded(sound, 2) in b"".join(sent)
    assert sent[0] == bytes(CHUNK_BYTES)
    assert 'mic    "Beep."\n' in out.getvalue()
    assert "mic    @\n" in out.getvalue()  # no encoding: letters


def test_typed_words_are_shown_and_sent() -> None:
    with stage_with(send_text=result(None)) as (stage, daemon, out):
        stage.type("Hi")
        assert daemon.sent("send_text") == [{"text": "Hi"}]
    assert "typed  Hi\n" in out.getvalue()


def test_a_reply_is_its_audio_and_its_haste() -> None:
    pcm = encoded(tone(440, 24_000, 0.5), 2)
    halves = [base64.b64encode(half).decode() for half in (pcm[:4000], pcm[4000:])]
    events = [
        event("session.phase_changed", 0, phase="active", previous="x"),
        event("live.vad_end", 100),
        event("live.audio", 400, data=halves[0], mime_type="audio/pcm;rate=24000"),
        event("live.audio", 600, data=halves[1], mime_type="audio/pcm;rate=24000"),
        event("live.turn_complete", 700, turn=0),
    ]
    with stage_with(*events) as (stage, _, out):
        stage.until_turn_ends(10)
        assert stage.reply() == pcm
    assert "reply  begins, 300 ms after the end of speech\n" in out.getvalue()
    assert "24,000 bytes in 2 parts: 0.5 s of speech, which came in 0.2 s\n" in out.getvalue()


def test_a_private_daemon_answers_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the user has set up must not reach it.
    monkeypatch.setenv("LIVEHANDLE_SESSION_MODEL", "another")
    monkeypatch.setenv("LIVEHANDLE_SOCKET", str(tmp_path / "theirs"))
    with private_daemon() as connection:
        status = connection.call("daemon.status")
        assert isinstance(status, dict)
        assert "another" not in str(status)
    assert _gone(status)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Missed, ValueError])
def test_a_private_daemon_is_gone_whatever_happens(error: type[BaseException]) -> None:
    status: object = None
    with pytest.raises(error), private_daemon() as connection:  # noqa: PT012 - the end of it
        status = connection.call("daemon.status")
        raise error
    assert _gone(status)


def test_a_private_daemon_that_dies_shows_its_log() -> None:
    with (  # noqa: PT012 - the end of the daemon raises
        pytest.raises(Missed, match=r"(?s)closed the connection.*listening on"),
        private_daemon() as connection,
    ):
        status = connection.call("daemon.status")
        assert isinstance(status, dict)
        os.kill(status["pid"], signal.SIGKILL)
        connection.call("done")


def test_a_private_daemon_that_does_not_start_shows_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with (
        pytest.raises(Missed, match="the daemon did not start\nno such module"),
        private_daemon(),
    ):
        pytest.fail("there is no daemon")


def _gone(status: object) -> bool:
    """Whether neither the process nor its directory is there."""
    assert isinstance(status, dict)
    try:
        os.kill(status["pid"], 0)
    except ProcessLookupError:
        return not Path(status["socket"]).parent.exists()
    return False
