"""A conversation by microphone and speaker, against a daemon that plays a script."""

import base64
import io
import re
import signal
from argparse import Namespace
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from threading import Lock
from typing import Any

import pytest

from livectl import reopening
from livectl.sound.playback import Playback
from livectl.talk import command as talk
from livectl.talk.command import Talk
from livectl.talk.view import View
from livehandle_proto.errors import LiveHandleError
from support.scripted_daemon import (
    HANG_UP,
    Reply,
    ScriptedDaemon,
    event,
    failure,
    in_turn,
    lines,
    result,
    scripted_daemon,
)

RATE = 24_000
CHUNK = b"\1\2" * 320
WORDS = base64.b64encode(b"\3\4" * 480).decode()
SUBSCRIBED = {"subscription": "e1", "cursor": "k3f9:0"}
ME = {"connection": "c3", "client": "livectl talk", "pid": 1, "uid": 0}
HOLDER = {"connection": "c9", "client": "thief", "pid": 4711, "uid": 0}


class Microphone:
    """Says a number of chunks, one each time that it is asked; then it has ended."""

    def __init__(self, count: int = 1) -> None:
        self.left = count
        self.closed = False

    @property
    def ended(self) -> bool:
        return self.left <= 0

    def chunks(self, _now: float) -> Iterator[bytes]:
        if self.left > 0:
            self.left -= 1
            yield CHUNK

    def close(self) -> None:
        self.closed = True


class Speaker:
    """Plays everything at once, and keeps what it has played."""

    def __init__(self) -> None:
        self.playback = Playback(RATE)
        self.lock = Lock()
        self.played = b""
        self.closed = False

    def tick(self, now: float) -> None:
        with self.lock:
            while piece := self.playback.pull(480, now - 10.0):
                self.played += piece

    def close(self) -> None:
        self.closed = True


def spoken(seq: int) -> bytes:
    return event("live.audio", seq, data=WORDS, mime_type="audio/pcm;rate=24000")


def turn_over(seq: int, *, interrupted: bool = False) -> bytes:
    return event("live.turn_complete", seq, turn=0, user="Hi", model="Ho", interrupted=interrupted)


def script(**replies: Reply) -> Mapping[str, Reply]:
    """Return a daemon that grants everything, but for what is given."""
    names = {name.replace("__", "."): reply for name, reply in replies.items()}
    return {
        "claim": result({"mic": ME, "speaker": ME}),
        "events": result(SUBSCRIBED),
        "send_audio": result(None, spoken(1), turn_over(2)),
        "playback_drained": result(None),
        **names,
    }


def fields(error: LiveHandleError) -> dict[str, Any]:
    return error.to_json()


def options(daemon: ScriptedDaemon, **given: object) -> Namespace:
    plain: dict[str, object] = {
        "client": "livectl talk",
        "socket": str(daemon.path),
        "instance": None,
    }
    plain |= {"force": False, "quiet": False}
    return Namespace(**{**plain, "json": False, "stdout_pcm": True, "rate_out": RATE, **given})


class Stuck(Speaker):
    """A speaker that plays nothing, and in the end gives up."""

    def tick(self, now: float) -> None:
        if self.playback._turn_complete:
            self.playback.interrupted()
        del now


class Result:
    """What was shown and played, and what went wrong."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.out = io.StringIO()
        self.error: LiveHandleError | None = None
        self.daemon: ScriptedDaemon

    @property
    def shown(self) -> list[str]:
        return self.out.getvalue().splitlines()


def held(
    replies: Mapping[str, Reply],
    *,
    chunks: int = 1,
    speaker: Speaker | None = None,
    **given: object,
) -> Result:
    """Hold a conversation to its end."""
    done = Result(speaker or Speaker())
    with scripted_daemon(replies) as done.daemon:
        one = Talk(options(done.daemon, **given), Microphone(chunks), done.speaker, View(done.out))
        try:
            one.run()
        except LiveHandleError as error:
            done.error = error
    return done


def test_the_reply_is_played_its_end_is_reported_and_the_conversation_over() -> None:
    audio = in_turn(
        result(None), result(None, spoken(1)), result(None, spoken(2), spoken(3), turn_over(4))
    )
    done = held(script(send_audio=audio), chunks=3)
    assert done.error is None
    assert done.daemon.sent("claim") == [{"role": "mic"}, {"role": "speaker"}]
    sent = [base64.b64decode(params["data"]) for params in done.daemon.sent("send_audio")]
    assert sent == [CHUNK] * 3
    assert done.speaker.played == b"\3\4" * 480 * 3
    assert done.daemon.sent("playback_drained") == [{}]
    assert done.shown == ["  you  Hi", "model  Ho"]
    methods = [request["method"] for request in done.daemon.requests]
    assert methods[:3] == ["events", "claim", "claim"]


def test_a_turn_that_is_cut_off_is_dropped_and_is_not_the_reply() -> None:
    audio = in_turn(
        result(None, event("live.vad_start", 1)),
        result(None, spoken(2), event("live.interrupted", 3), turn_over(4, interrupted=True)),
        result(None, spoken(5), turn_over(6)),
    )
    done = held(script(send_audio=audio), chunks=3)
    assert done.error is None
    assert done.daemon.sent("playback_drained") == [{}]
    assert "model  Ho [interrupted]" in done.shown


TOOLS = [{"name": "get_time", "connection": "c9", "timeout_ms": 30_000}]
CALLED = event("session.tool_call", 1, function_calls=[{"id": "1", "name": "get_time"}])
EXECUTED = event("live.tool_execution", 3, call_id="1", name="get_time", args={}, result={})


def test_the_turn_about_a_call_that_was_not_waited_for_is_heard_too() -> None:
    audio = result(None, CALLED, turn_over(2), EXECUTED, spoken(4), turn_over(5))
    done = held(script(send_audio=audio, tools__list=result({"tools": TOOLS})))
    assert done.error is None
    assert done.speaker.played == b"\3\4" * 480


def test_a_model_that_says_nothing_of_an_answer_has_said_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talk, "ANSWER_S", 0.01)
    audio = result(None, CALLED, turn_over(2), EXECUTED)
    done = held(script(send_audio=audio, tools__list=result({"tools": TOOLS})))
    assert done.error is None
    assert done.shown == ["  you  Hi", "model  Ho"]


def test_roles_can_be_taken_by_force() -> None:
    done = held(script(), force=True)
    assert done.daemon.sent("claim")[0] == {"role": "mic", "force": True}


CLAIMED = failure("roles.claimed", "The microphone is held by recorder (pid 7): wait.")


@pytest.mark.parametrize(
    ("replies", "name", "told"),
    [
        ({"claim": CLAIMED}, "roles.claimed", "held by recorder"),
        (
            {
                "send_audio": result(
                    None,
                    event(
                        "daemon.claim_changed",
                        role="mic", holder=HOLDER, previous=ME, reason="forced",
                    ),
                )
            },
            "roles.claimed",
            r"The microphone was taken by thief \(pid 4711\): take it back",
        ),
        ({"send_audio": failure("auth.missing_key", "No key.")}, "auth.missing_key", "No key."),
        (
            {
                "send_audio": result(
                    None, event("live.disconnected", reason="disconnected", message="by a client")
                )
            },
            "session.ended",
            "The session has ended: by a client.",
        ),
        (
            {
                "send_audio": result(
                    None,
                    event(
                        "live.error",
                        **fields(LiveHandleError("upstream.quota", "Used up.", close_code=1011)),
                    ),
                    event("live.disconnected", reason="error", code=1011),
                )
            },
            "upstream.quota",
            "Used up.",
        ),
        (
            {
                "send_audio": result(
                    None,
                    event(
                        "daemon.notification_failed",
                        method="send_audio",
                        error=LiveHandleError("session.not_connected", "Call connect.").to_json(),
                    ),
                )
            },
            "session.not_connected",
            "Call connect.",
        ),
    ],
    ids=["claimed", "taken", "no key", "ended", "quota", "not connected"],
)  # fmt: skip
def test_what_ends_a_conversation_is_told(replies: dict[str, Reply], name: str, told: str) -> None:
    done = held(script(**replies), chunks=1000)
    assert done.error is not None
    assert done.error.name == name
    assert re.search(told, done.error.message)


def test_what_only_disturbs_it_is_noted_once() -> None:
    full = event(
        "daemon.notification_failed",
        method="send_audio",
        error=LiveHandleError("session.queue_full", "Send slower.").to_json(),
    )
    others = (
        event("live.reconnecting", 3, attempt=1, delay_ms=0, cause="lost"),
        event("live.resumed", 4, restored="handle"),
        event("events.dropped", 5, count=1),
        event("daemon.claim_changed", 6, role="mic", holder=None, previous=HOLDER, reason="left"),
        event("daemon.claim_changed", 6, role="mic", holder=ME, previous=HOLDER, reason="forced"),
        event("live.error", 7, **fields(LiveHandleError("upstream.bad_message", "Odd."))),
    )
    done = held(script(send_audio=result(None, full, full, *others, spoken(8), turn_over(9))))
    assert done.error is None
    assert done.shown[:-2] == [
        "  (Send slower.)",
        "  (the connection to the model is lost, and is opened again)",
        "  (the session goes on)",
        "  (too slow: some of the model's speech is lost)",
        "  (Odd.)",
    ]


def test_it_goes_on_with_a_daemon_that_is_back() -> None:
    replies = chain(
        [result(None, spoken(1), event("daemon.bye", 2), HANG_UP)],
        repeat(result(None, spoken(1), turn_over(2))),
    )
    done = held(script(send_audio=lambda request: next(replies)(request)), chunks=10)
    assert done.error is None
    assert done.shown[:2] == [
        "  (the daemon is gone: waiting until it is back)",
        "  (the daemon is back)",
    ]
    assert len(done.daemon.sent("claim")) == 4
    assert done.daemon.sent("playback_drained")


def test_a_daemon_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "AWAY_S", 0.0)
    done = held(script(send_audio=lines(HANG_UP)))
    assert done.error is not None
    assert done.error.name == "daemon.unreachable"


def test_no_reply_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "_NO_REPLY_S", 0.05)
    done = held(script(send_audio=result(None)))
    assert done.error is not None
    assert done.error.name == "session.timeout"


def test_speech_that_has_no_room_is_noted_once() -> None:
    ten_s = base64.b64encode(bytes(20 * RATE)).decode()
    flood = [event("live.audio", data=ten_s, mime_type="audio/pcm;rate=24000")] * 32
    done = held(script(send_audio=result(None, *flood, turn_over(50))), speaker=Stuck())
    assert done.error is None
    assert done.out.getvalue().count("five minutes of the model's speech wait already") == 1


class Interrupted(Speaker):
    """A speaker in whose time Ctrl-C is pressed."""

    def tick(self, now: float) -> None:
        del now
        raise KeyboardInterrupt


def test_ctrl_c_ends_it_and_closes_everything(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    speaker, microphone = Interrupted(), Microphone(1000)
    monkeypatch.setattr("livectl.sound.speaker.piped", lambda _rate: speaker)
    with scripted_daemon(script()) as daemon:
        assert talk.converse(options(daemon, quiet=True), microphone) == 0
    assert microphone.closed
    assert speaker.closed


def test_a_speaker_that_is_not_there_closes_the_microphone(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    def failing(rate: int) -> Speaker:
        raise LiveHandleError("client.usage", "No.")

    monkeypatch.setattr("livectl.sound.speaker.piped", failing)
    microphone = Microphone()
    with scripted_daemon(script()) as daemon, pytest.raises(LiveHandleError, match="No"):
        talk.converse(options(daemon), microphone)
    assert microphone.closed


def test_sigterm_ends_it_as_ctrl_c_does(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    talk.stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give the signals their handlers back."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
