"""Which faults happen at what, without any socket."""

import json
from typing import Any, get_args

import pytest

from livehandle_emulator.faults import (
    UNDISTURBED,
    Connection,
    Faults,
    client_kinds,
    server_kinds,
)
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import ClientKind, Fault, ServerKind
from livehandled.gemini.codec import decode_client, decode_server
from livehandled.gemini.server import ServerContent, ServerMessage

TURN_COMPLETE = ServerMessage(server_content=ServerContent(turn_complete=True))
TEXT = b'{"realtimeInput": {"text": "hi"}}'


def close(**fields: Any) -> Fault:
    return Fault(do="close", **fields)


class Struck:
    """A connection that notes what happens to it."""

    def __init__(self, faults: Faults, number: int = 1) -> None:
        self.faults: list[Fault] = []
        self.recoveries = 0
        faults.open(Connection(number, self.faults.append, self._recover))

    def _recover(self) -> None:
        self.recoveries += 1


CLIENT: dict[str, object] = {
    "setup": {"setup": {"model": "m"}},
    "client_content": {"clientContent": {}},
    "audio": {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": ""}}},
    "video": {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": ""}}},
    "text": {"realtimeInput": {"text": ""}},
    "activity_start": {"realtimeInput": {"activityStart": {}}},
    "activity_end": {"realtimeInput": {"activityEnd": {}}},
    "tool_response": {"toolResponse": {}},
    "context_update": {"contextUpdate": {}},
}
SERVER: dict[str, object] = {
    "setup_complete": {"setupComplete": {}},
    "model_turn": {"serverContent": {"modelTurn": {"parts": []}}},
    "input_transcription": {"serverContent": {"inputTranscription": {}}},
    "output_transcription": {"serverContent": {"outputTranscription": {}}},
    "generation_complete": {"serverContent": {"generationComplete": True}},
    "turn_complete": {"serverContent": {"turnComplete": True}},
    "interrupted": {"serverContent": {"interrupted": True}},
    "tool_call": {"toolCall": {}},
    "tool_call_cancellation": {"toolCallCancellation": {}},
    "resumption_update": {"sessionResumptionUpdate": {}},
    "go_away": {"goAway": {}},
    "usage": {"usageMetadata": {}},
}


@pytest.mark.parametrize("kind", get_args(ClientKind))
def test_a_message_of_the_client_is_of_its_kind(kind: ClientKind) -> None:
    frame = json.dumps(CLIENT[kind]).encode()
    assert client_kinds(decode_client(frame)) == {kind}
    assert Faults([close(at=kind)]).on_received(frame, 1).after == [close(at=kind)]


@pytest.mark.parametrize("kind", get_args(ServerKind))
def test_a_message_of_the_service_is_of_its_kind(kind: ServerKind) -> None:
    message = decode_server(json.dumps(SERVER[kind]).encode()).message
    assert server_kinds(message) == {kind}
    assert Faults([close(at=kind)]).on_sending(message, 1).after == [close(at=kind)]


def test_a_message_may_be_of_several_kinds() -> None:
    chunks = [{"mimeType": "audio/pcm", "data": ""}, {"mimeType": "image/png", "data": ""}]
    frame = json.dumps({"realtimeInput": {"mediaChunks": chunks}}).encode()
    assert client_kinds(decode_client(frame)) == {"audio", "video"}
    both = {"serverContent": {"turnComplete": True}, "usageMetadata": {}}
    message = decode_server(json.dumps(both).encode()).message
    assert server_kinds(message) == {"turn_complete", "usage"}
    assert client_kinds(decode_client(b"{}")) == set()


def test_a_fault_comes_before_after_or_instead() -> None:
    before, after = close(at="text", when="before", code=1000), close(at="text", code=1001)
    instead = Fault(do="garbage", at="turn_complete", when="instead")
    faults = Faults([before, after, instead])
    decision = faults.on_sending(TURN_COMPLETE, 1)
    assert decision == ([], [instead], True, [])
    decision = faults.on_received(TEXT, 1)
    assert (decision.before, decision.after) == ([before], [after])


@pytest.mark.parametrize("do", ["close", "abort", "quota"])
def test_what_ends_the_connection_before_a_message_leaves_it_unread(do: Any) -> None:
    assert Faults([Fault(do=do, at="text", when="before")]).on_received(TEXT, 1).swallowed
    later = Fault(do=do, at="text", when="before", after_ms=1)
    assert not Faults([later]).on_received(TEXT, 1).swallowed
    assert not Faults([Fault(do=do, at="text")]).on_received(TEXT, 1).swallowed


def test_a_dropped_message_is_swallowed_and_nothing_comes_instead() -> None:
    faults = Faults([Fault(do="drop_message", at="turn_complete"), close(at="usage")])
    assert faults.on_sending(TURN_COMPLETE, 1) == ([], [], True, [])
    assert faults.on_sending(TURN_COMPLETE, 1) == UNDISTURBED


def test_moments_are_skipped_and_counted() -> None:
    fault = close(at="turn_complete", skip=1, times=2)
    faults = Faults([fault])
    struck = [bool(faults.on_sending(TURN_COMPLETE, 1).after) for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert faults.waiting() == []


def test_what_is_left_of_a_fault_is_told() -> None:
    faults = Faults([close(at="turn_complete", skip=1, times=2), close(at="usage", times=0)])
    faults.on_sending(TURN_COMPLETE, 1)
    faults.on_sending(TURN_COMPLETE, 1)
    assert faults.waiting() == [
        close(at="turn_complete", skip=0, times=1),
        close(at="usage", times=0),
    ]


def test_zero_times_is_always() -> None:
    faults = Faults([close(at="turn_complete", times=0)])
    assert all(faults.on_sending(TURN_COMPLETE, 1).after for _ in range(5))


def test_a_fault_can_be_for_one_connection_alone() -> None:
    faults = Faults([close(at="turn_complete", connection=2, skip=1)])
    assert [bool(faults.on_sending(TURN_COMPLETE, n).after) for n in (1, 2, 1, 2)] == [
        *(False, False),
        *(False, True),
    ]


def test_an_upgrade_has_its_own_faults() -> None:
    faults = Faults([Fault(do="refuse", connection=2, times=2), close(at="upgrade")])
    assert [[fault.do for fault in faults.on_upgrade(n)] for n in (1, 2, 2, 2)] == [
        *(["close"], ["refuse"]),
        *(["refuse"], []),
    ]


@pytest.mark.parametrize("frame", [b"", b"{", b"[1]", b'{"x": 1}', b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_of_no_kind(frame: bytes) -> None:
    assert Faults([close(at="text", times=0)]).on_received(frame, 1) == UNDISTURBED


def test_what_happens_now_happens_to_every_connection_that_is_open() -> None:
    faults = Faults()
    one, two = Struck(faults, 1), Struck(faults, 2)
    faults.add(close(code=1000))
    faults.add(close(code=1001, connection=2))
    faults.shut(1)
    faults.add(close(code=1002))
    assert [fault.code for fault in one.faults] == [1000]
    assert [fault.code for fault in two.faults] == [1000, 1001, 1002]
    assert faults.waiting() == []


def test_now_without_a_connection_is_an_error_that_says_what_to_do() -> None:
    faults = Faults()
    Struck(faults, 1)
    with pytest.raises(LiveHandleError, match="Open a connection") as caught:
        faults.add(close(connection=7))
    assert caught.value.name == "session.not_connected"


def test_what_is_no_fault_is_not_added() -> None:
    faults = Faults()
    with pytest.raises(LiveHandleError, match="slow needs it"):
        faults.add(Fault(do="slow", at="upgrade"))
    assert faults.waiting() == []


def test_forgetting_needs_no_connection() -> None:
    faults, forgotten = Faults(), []
    faults.forget = lambda: forgotten.append(1)
    faults.add(Fault(do="forget"))
    assert forgotten == [1]


def test_clearing_ends_what_waits_and_what_lasts() -> None:
    faults = Faults([close(at="text")])
    faults.add(Fault(do="refuse"))
    struck = Struck(faults)
    faults.clear()
    assert (faults.waiting(), struck.recoveries) == ([], 1)
