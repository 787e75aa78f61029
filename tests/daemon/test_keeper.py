"""What of a session outlives the daemon: what is kept, what is taken up again, and what is not."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.topics import TOPICS
from livehandle_proto.transcripts import TranscriptTurn
from livehandle_proto.values import ErrorObject
from livehandled import saver
from livehandled.context import SavedContext
from livehandled.gemini import frames
from livehandled.gemini.auth import fingerprint
from livehandled.gemini.content import text_content, text_of
from livehandled.gemini.models import traits_of
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.redaction import REDACTED
from livehandled.session.history import Told
from livehandled.session.outbox import Message
from livehandled.signals import PASSING
from livehandled.store import Snapshot, Store, encode
from livehandled.transcript import SavedTranscript
from support import saved
from support.rigs import FUNCTIONS
from support.service import (
    ENVIRON,
    KEY,
    SETUP_COMPLETE,
    TURN_COMPLETE,
    Call,
    Json,
    Listener,
    Script,
    Service,
    closing,
    configured,
    converse,
    one_by_one,
    running,
    saying,
    text,
    tool_call,
)

pytestmark = pytest.mark.anyio

HANDLE: Json = {"sessionResumptionUpdate": {"newHandle": "a-new-handle", "resumable": True}}
TRAITS = traits_of("gemini-3.8-live", "gemini")


class Run:
    """One run of a daemon's handle, and what it tells."""

    def __init__(self, handle: LiveHandle, told: Listener, service: Service, store: Store) -> None:
        self.handle = handle
        self.told = told
        self.service = service
        self.store = store

    @property
    def kept(self) -> Snapshot:
        """What is on disk."""
        snapshot = self.store.load()
        assert snapshot is not None, self.store.complaint
        return snapshot

    async def until_kept(self, what: str, value: object) -> Snapshot:
        """Wait until the snapshot on disk has this value."""
        while (found := self.store.load()) is None or getattr(found, what) != value:  # noqa: ASYNC110 - a file tells nobody that it is there
            await anyio.sleep(0.01)
        return found

    async def until_quiet(self) -> None:
        """Wait until nothing more is to be kept just now."""
        seen: int | None = None
        while (found := self.store.load()) is None or found.saved_at_ms != seen:
            seen = None if found is None else found.saved_at_ms
            await anyio.sleep(0.05)

    async def setup(self) -> Json:
        """Return the setup that the service was sent."""
        call = await self.service.call()
        await call.until(lambda c: bool(c.heard))
        setup = call.heard[0]["setup"]
        assert isinstance(setup, dict)
        return setup

    async def frames(self, count: int) -> list[Json]:
        """Return the first frames after the setup."""
        call = await self.service.call()
        await call.until(lambda c: len(c.heard) > count)
        return call.heard[1:]

    def errors(self) -> list[tuple[str, str]]:
        """Return name and message of each error that was told."""
        errors = [msgspec.convert(e, ErrorObject) for e in self.told.data("session.error")]
        return [(str(error.data["name"]), error.message) for error in errors]


@asynccontextmanager
async def run(
    path: Path,
    script: Script = converse,
    *,
    environ: Mapping[str, str] = ENVIRON,
    **values: str,
) -> AsyncIterator[Run]:
    """Run a daemon's handle with its snapshot at a path, against a service of its own."""
    async with running(script) as service:
        hub = Hub(ring_events=4096, wall_ms=lambda: time.time_ns() // 1_000_000)
        told = Listener(hub, *(topic for topic in TOPICS if topic != "session.raw"))
        store = Store(path)
        handle = LiveHandle(
            configured(service.url, **{"session__setup": FUNCTIONS, **values}),
            hub=hub,
            environ=environ,
            store=store,
        )
        with anyio.fail_after(10):
            async with handle:
                yield Run(handle, told, service, store)


def put(path: Path, content: bytes) -> None:
    """Put bytes on disk where the snapshot is."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)


def keep(path: Path, **changes: object) -> Snapshot:
    """Put a snapshot on disk as a killed daemon left it, but for these changes."""
    now_ms = time.time_ns() // 1_000_000
    before = saved.snapshot(3)
    assert before.handle is not None
    handle = msgspec.structs.replace(before.handle, fingerprint=fingerprint(KEY), at_ms=now_ms)
    unsent = [Message(frames.text_turn("still to be sent", TRAITS), "text")]
    before = msgspec.structs.replace(
        before, handle=handle, unsent=unsent, owed=False, told=[], since=[], saved_at_ms=now_ms
    )
    snapshot = msgspec.structs.replace(before, **changes)
    Store(path).save(encode(snapshot))
    return snapshot


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a change written at once."""
    monkeypatch.setattr(saver, "EVERY_S", 0.001)
    monkeypatch.setattr(saver, "SOON_S", 0.001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "s.snapshot"


# What is taken up.


async def test_an_open_session_goes_on_with_all_that_was_kept(path: Path) -> None:
    keep(path)
    async with run(path) as daemon:
        await daemon.told.until("session.resumed")
        setup = await daemon.setup()
        assert setup["sessionResumption"] == {"handle": saved.HANDLE}
        assert "Puck" in str(setup["generationConfig"])  # of the connect before
        assert "Be kind." in str(setup["systemInstruction"])  # the latest
        [resumed] = daemon.told.data("session.resumed")
        assert (resumed["restored"], resumed["reason"], resumed["lost"]) == ("handle", None, 0)
        session = daemon.handle.session().describe()
        assert (session.session_id, session.turns, session.reconnects) == ("session-3", 3, 3)
        assert daemon.handle.state().get("app:note") == "kept in the state"
        transcript = daemon.handle.transcript()
        assert [turn.user for turn in transcript.turns] == ["said in confidence"]
        assert daemon.handle.telemetry()["media_frames_dropped"] == 3
        [sent] = await daemon.frames(1)
        assert "still to be sent" in str(sent)
        waiting = daemon.handle.writer_state()
        assert (waiting.pending_context, waiting.prompt_armed) == (1, True)
        assert daemon.errors() == []


async def test_counts_of_the_session_go_on_and_what_tells_of_a_moment_does_not(path: Path) -> None:
    async with run(path, saying(text("Hello"), TURN_COMPLETE)) as first:
        await first.handle.connect()
        await first.told.until("session.turn_complete")
        assert first.handle.state().get("session:turn_count") == 1
    kept = first.kept
    assert "session:turn_count" in kept.state.values
    assert not PASSING & kept.state.values.keys()
    async with run(path, saying(text("Hello"), TURN_COMPLETE)) as second:
        await second.told.until("session.turn_complete")
        assert second.handle.state().get("session:turn_count") == 2
        assert second.handle.session().describe().turns == 2
        assert second.handle.telemetry()["turn_count"] == 2


async def test_a_cursor_from_before_is_a_gap(path: Path) -> None:
    keep(path)
    async with run(path) as daemon:
        assert daemon.handle.state().try_mutations_since(3) is None


async def test_it_goes_on_without_being_asked_whatever_opens_a_session(path: Path) -> None:
    for connect in ("first_use", "start", "manual"):
        keep(path)
        async with run(path, session__connect=connect) as daemon:
            await daemon.told.until("session.resumed")


async def test_no_greeting_is_said_to_a_session_that_goes_on(path: Path) -> None:
    keep(path)
    async with run(path, session__greeting="Welcome!") as daemon:
        await daemon.told.until("session.resumed")
        assert "still to be sent" in str(await daemon.frames(1))
        assert daemon.handle.telemetry()["text_turns_in"] == 0


async def test_a_greeting_that_was_not_yet_sent_is_sent_once(path: Path) -> None:
    greeting = Message(frames.text_turn("Welcome!", TRAITS), "text", note=1)
    keep(
        path,
        session_id=None,
        handle=None,
        turns=0,
        unsent=[greeting],
        context=SavedContext(turns=[], prompt_armed=False),
        transcript=SavedTranscript(
            turns=[],
            number=0,
            user="Welcome!",
            notes={1: "Welcome!"},
            spoken="",
            last_note=1,
            tools=[],
        ),
    )
    async with run(path, session__greeting="Welcome!") as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert resumed["restored"] == "fresh"
        await daemon.handle.send_text("And more")
        sent = await daemon.frames(2)
        assert [("Welcome!" in str(f), "And more" in str(f)) for f in sent] == [
            (True, False),
            (False, True),
        ]


async def test_a_text_of_which_nothing_came_is_sent_once_and_stands_once(path: Path) -> None:
    heard_it = anyio.Event()

    async def mute(call: Call) -> None:
        await call.set_up()
        await call.hear()
        heard_it.set()
        await call.hear_all()

    async with run(path, mute) as first:
        await first.handle.send_text("Are you there?")
        await heard_it.wait()
    assert [m.kind for m in first.kept.unsent] == ["text"]
    async with run(path, saying(text("Yes"), TURN_COMPLETE)) as second:
        [sent] = await second.frames(1)
        assert "Are you there?" in str(sent)
        await second.told.until("session.turn_complete")
        [turn] = second.handle.transcript().turns
        assert (turn.user, turn.model) == ("Are you there?", "Yes")


async def asking(call: Call) -> None:
    await call.set_up()
    await call.say(tool_call("c-1"))
    await call.hear_all()


async def test_a_tool_result_the_handle_does_not_cover_is_told_once(path: Path) -> None:
    async with run(path, asking) as first:
        await first.handle.connect()
        await first.told.until("session.tool_call")
        answer = ToolAnswer(id="c-1", name="f", response={"degrees": 21})
        await first.handle.send_tool_response([answer])
        await first.frames(1)
    async with run(path) as second:
        await second.told.until("session.resumed")
        told = str(await second.frames(1))
        assert told.count("degrees") == 1, told
        transcript = second.handle.transcript()
        turns = [*transcript.turns, *([transcript.current] if transcript.current else [])]
        assert sum(len(turn.tool_calls) for turn in turns) == 1


async def test_a_call_that_nobody_answered_before_the_restart_may_be_answered_after_it(
    path: Path,
) -> None:
    async with run(path, asking) as first:
        await first.handle.connect()
        await first.told.until("session.tool_call")
    async with run(path) as second:
        await second.told.until("session.resumed")
        answer = ToolAnswer(id="c-1", name="f", response={"degrees": 21})
        await second.handle.send_tool_response([answer])
        assert "degrees" in str(await second.frames(1))
        with pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "tools.unknown_call"):
            second.handle.send_tool_response([answer])


async def test_a_send_to_a_session_that_is_not_yet_back_is_answered_at_once(path: Path) -> None:
    keep(path)
    async with run(path, Call.hear_all) as daemon:  # a service that answers no setup
        await daemon.handle.send_text("And more")
        assert daemon.handle.phase() != "active"


async def test_who_was_told_of_the_end_does_not_find_the_session_again(path: Path) -> None:
    async with run(path) as daemon:
        await daemon.handle.connect()
        await daemon.handle.disconnect()
        assert not daemon.kept.open


async def test_a_reply_that_is_owed_is_asked_for(path: Path) -> None:
    keep(path, unsent=[], owed=True)
    async with run(path) as daemon:
        await daemon.told.until("session.resumed")
        [sent] = await daemon.frames(1)
        assert sent == {"clientContent": {"turnComplete": True}}
        assert daemon.handle.transcript().current is None
    assert daemon.kept.owed  # nobody has answered


async def test_a_reply_that_was_under_way_is_an_interrupted_turn(path: Path) -> None:
    async with run(path, saying(HANDLE, text("Half a"))) as first:
        await first.handle.send_text("Tell me")
        await first.told.until("live.text_delta")
    async with run(path) as second:
        await second.told.until("session.resumed")
        [turn] = second.handle.transcript().turns
        assert (turn.user, turn.model, turn.interrupted) == ("Tell me", "Half a", True)
        assert second.handle.transcript().current is None


# What is not.


async def test_a_disconnected_session_does_not_come_back(path: Path) -> None:
    async with run(path, saying(HANDLE)) as first:
        await first.handle.connect()
        await first.told.until("session.resume_update")
        await first.handle.disconnect()
        await first.until_kept("open", False)
    assert not first.kept.open
    assert (first.kept.told, first.kept.since) == ([], [])
    async with run(path) as second:
        assert second.handle.phase() == "disconnected"
        with pytest.raises(LiveHandleError, match="no session yet"):
            second.handle.done()
        await second.handle.connect()
        assert "handle" not in (await second.setup()).get("sessionResumption", {})  # type: ignore[operator]  # a table
    assert second.service.requests != []


async def test_a_session_that_failed_does_not_come_back(path: Path) -> None:
    async def refusing(call: Call) -> None:
        await call.set_up()
        await call.websocket.close(1007, "Request contains an invalid argument.")

    async with run(path, refusing) as first:
        await first.handle.connect()
        await first.handle.done()
        await first.until_kept("open", False)
    async with run(path) as second:
        assert second.handle.phase() == "disconnected"
        assert second.errors() == []


async def test_where_there_was_no_session_none_is_opened(path: Path) -> None:
    async with run(path):
        pass
    async with run(path) as second:
        assert not second.kept.open
        assert second.handle.phase() == "disconnected"
        assert second.service.requests == []


async def test_what_clients_share_outlives_a_session_that_does_not_come_back(path: Path) -> None:
    keep(path, open=False, unsent=[])
    async with run(path) as daemon:
        assert daemon.service.requests == []
        assert daemon.handle.state().get("app:note") == "kept in the state"
        assert daemon.handle.telemetry()["media_frames_dropped"] == 3
        assert len(daemon.handle.transcript().turns) == 1


async def test_the_next_session_begins_without_what_the_last_one_left(path: Path) -> None:
    async with run(path, saying(text("Hello"), TURN_COMPLETE)) as first:
        await first.handle.connect()
        await first.told.until("session.turn_complete")
        first.handle.state().set("app:note", "stays")
        first.handle.state().set("item", "latte")
        await first.handle.disconnect()
    async with run(path) as second:
        await second.handle.connect()
        state = second.handle.state()
        assert (state.get("app:note"), state.get("item")) == ("stays", None)
        assert state.get("session:turn_count") is None
        assert second.handle.transcript().turns == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"livehandle snapshot 1 00000000\n{}", "damaged"),
        (b"", "damaged"),
        (b"livehandle snapshot 9 00000000\n{}", "another version"),
    ],
)
async def test_a_snapshot_that_is_none_is_told_and_the_session_begins_anew(
    path: Path, content: bytes, words: str
) -> None:
    put(path, content)
    async with run(path) as daemon:
        [(name, message)] = daemon.errors()
        assert name == "daemon.snapshot"
        assert words in message
        assert "begins anew" in message
        assert daemon.handle.phase() == "disconnected"
        await daemon.handle.send_text("Hello")
        [sent] = await daemon.frames(1)
        assert "Hello" in str(sent)
        assert daemon.told.data("session.resumed") == []
    assert daemon.kept.open
    assert path.with_name("s.snapshot.bad").read_bytes() == content


async def test_a_key_that_is_gone_is_told_and_nothing_is_opened(path: Path) -> None:
    keep(path)
    async with run(path, environ={}, context__delivery="deferred") as daemon:
        [(name, _)] = daemon.errors()
        assert name == "auth.missing_key"
        assert daemon.handle.phase() == "disconnected"
        assert daemon.service.requests == []
        daemon.handle.state().set("app:n", 1)
        await daemon.handle.queue_context(text="It is ten.")
    kept = Store(path).load()  # for when the key is back
    assert kept is not None
    assert kept.open
    assert kept.session_id is not None
    assert bytes(kept.state.values["app:n"]) == b"1"
    assert text_of(kept.context.turns[-1]) == "It is ten."


@pytest.mark.parametrize("by", ["connect", "send"])
async def test_a_key_that_is_back_takes_up_what_was(by: str, path: Path) -> None:
    before = keep(path)
    environ: dict[str, str] = {}
    async with run(path, environ=environ) as daemon:
        assert daemon.handle.phase() == "disconnected"
        environ |= ENVIRON
        await (daemon.handle.connect() if by == "connect" else daemon.handle.send_text("Hello"))
        await daemon.told.until("session.resumed")
        assert daemon.told.data("session.resumed")[0]["restored"] == "handle"
        assert daemon.handle.session().describe().session_id == before.session_id


async def test_a_key_that_is_refused_at_the_start_loses_nothing(path: Path) -> None:
    before = keep(path)
    refusing = closing(1007, "API key not valid.", set_up=False)
    async with run(path, one_by_one(refusing, converse)) as daemon:
        await daemon.handle.done()
    kept = Store(path).load()
    assert kept is not None
    assert (kept.open, kept.session_id, kept.turns) == (True, before.session_id, before.turns)
    assert kept.owed  # nobody has answered


async def test_a_value_of_the_last_connect_that_is_known_no_more_is_told(path: Path) -> None:
    keep(path, overrides={"session": {"vioce": "Puck"}})
    async with run(path) as daemon:
        [(name, message)] = daemon.errors()
        assert name == "config.invalid"
        assert "vioce" in message
        assert daemon.handle.phase() == "disconnected"


# Where the service's own history is not what the session goes on from.


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("session.model=gemini-live-2.5-flash-preview", "another model"),
        ("resumption.policy=reseed", "policy is reseed"),
    ],
)
async def test_another_configuration_is_reseeded_and_says_why(
    path: Path, value: str, reason: str
) -> None:
    name, _, to = value.replace(".", "__", 1).partition("=")
    keep(path, overrides={}, unsent=[])
    async with run(path, converse, environ=ENVIRON, **{name: to}) as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert resumed["restored"] == "reseeded"
        assert reason in str(resumed["reason"])
        assert "handle" not in (await daemon.setup())["sessionResumption"]  # type: ignore[operator]  # a table
        assert "said in confidence" in str(await daemon.frames(1))


async def test_a_key_of_another_project_is_reseeded(path: Path) -> None:
    keep(path)
    async with run(path, environ={"GEMINI_API_KEY": "another-key-0123456789"}) as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert (resumed["restored"], resumed["reason"]) == (
            "reseeded",
            "the handle is of another key",
        )


async def test_a_handle_that_is_too_old_is_not_tried(path: Path) -> None:
    at_ms = time.time_ns() // 1_000_000 - 2 * 3_600_000 - 1000
    kept = keep(path)
    assert kept.handle is not None
    keep(path, handle=msgspec.structs.replace(kept.handle, at_ms=at_ms), saved_at_ms=at_ms)
    async with run(path) as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert (resumed["restored"], resumed["reason"]) == (
            "reseeded",
            "the handle is older than 2 hours",
        )
        assert int(str(resumed["gap_ms"])) >= 2 * 3_600_000


async def test_the_policy_fresh_is_fresh_and_says_so(path: Path) -> None:
    keep(path, unsent=[])
    async with run(path, resumption__policy="fresh", session__greeting="Welcome!") as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert (resumed["restored"], resumed["reason"]) == ("fresh", "resumption.policy is fresh")
        assert "Welcome!" in str(await daemon.frames(1))  # nothing was said to this one


async def test_a_handle_that_the_service_refuses_is_reseeded_at_once(path: Path) -> None:
    keep(path)
    asked: list[Json] = []

    async def forgetful(call: Call) -> None:
        asked.append(await call.hear())
        if len(asked) == 1:
            await call.websocket.close(1008, "BidiGenerateContent session not found")
            return
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with run(path, forgetful) as daemon:
        await daemon.told.until("session.resumed")
        [resumed] = daemon.told.data("session.resumed")
        assert resumed["restored"] == "reseeded"
        assert "refused" in str(resumed["reason"])
        assert [saved.HANDLE in str(setup) for setup in asked] == [True, False]


# When it is kept.


async def test_a_stop_in_order_keeps_what_was_changed_last(path: Path) -> None:
    async with run(path, saying(HANDLE)) as daemon:
        await daemon.handle.connect()
        await daemon.told.until("session.resume_update")
        await daemon.until_kept("open", True)
        daemon.handle.state().set("app:k", 1)
    kept = daemon.kept
    assert (kept.open, kept.session_id) == (True, "s-1")
    assert kept.handle is not None
    assert kept.handle.handle == "a-new-handle"
    assert bytes(kept.state.values["app:k"]) == b"1"


@pytest.mark.usefixtures("often")
async def test_context_that_waits_is_kept_before_anything_else_happens(path: Path) -> None:
    async with run(path, context__delivery="deferred") as daemon:
        await daemon.handle.connect()
        await daemon.until_quiet()
        await daemon.handle.queue_context(text="It is nine.", prompt=True)
        context = SavedContext(turns=[text_content("It is nine.", "model")], prompt_armed=True)
        await daemon.until_kept("context", context)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-live-2.5-flash-preview"])
async def test_an_instruction_is_kept_before_anything_else_happens(path: Path, model: str) -> None:
    async with run(path, session__model=model) as daemon:
        await daemon.handle.connect()
        await daemon.until_quiet()
        await daemon.handle.update_instruction("Be brief.")
        await daemon.until_kept("instruction", "Be brief.")


async def test_a_disk_that_takes_nothing_is_told_and_the_session_lives(path: Path) -> None:
    path.parent.mkdir(mode=0o777)
    path.parent.chmod(0o777)  # others could put a file in the place of ours
    async with run(path) as daemon:
        await daemon.handle.connect()
        await daemon.told.until("session.error", 2)  # it could not be read, and cannot be written
        assert {name for name, _ in daemon.errors()} == {"daemon.snapshot"}
        await daemon.handle.send_text("Hello")
        assert "Hello" in str(await daemon.frames(1))
    assert list(path.parent.iterdir()) == []


async def test_a_turn_is_kept_with_what_was_said_in_it(path: Path) -> None:
    async with run(path, saying(HANDLE, text("Hello"), TURN_COMPLETE)) as daemon:
        await daemon.handle.connect()
        found = await daemon.until_kept("turns", 1)
    assert found.transcript.turns == [TranscriptTurn(turn_number=0, user="", model="Hello")]


@pytest.mark.usefixtures("often")
async def test_z15_context_that_was_told_is_kept_redacted_and_only_while_the_session_lasts(
    path: Path,
) -> None:
    keep(path, told=[Told("model", "card 4111", 0)], since=[Told("user", "4111 too", 9)])
    patterns = msgspec.json.encode({"number": "[0-9]{4}"}).decode()
    async with run(path, redaction__patterns=patterns, redaction__keys="pin") as daemon:
        daemon.handle.state().set("profile", {"pin": 1, "city": "Bonn"})
        await daemon.until_kept("told", [Told("model", f"card {REDACTED}", 0)])
        assert daemon.kept.since == [Told("user", f"{REDACTED} too", 9)]
        profile = msgspec.json.decode(daemon.kept.state.values["profile"])
        assert profile == {"pin": REDACTED, "city": "Bonn"}
        await daemon.told.until("session.resumed")
        await daemon.handle.disconnect()
        found = await daemon.until_kept("open", False)
    assert (found.told, found.since) == ([], [])
