"""The blocking client, against a socket that plays a script."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehandle import Connection, LiveHandleError
from support.scripted_daemon import (
    HANG_UP,
    Reply,
    ScriptedDaemon,
    event,
    failure,
    lines,
    result,
    scripted_daemon,
)

_S = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A client, and the other end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.settimeout(_S)
    with theirs, Connection(ours, "/run/pair", answer_timeout=_S) as connection:
        yield connection, theirs


def client(daemon: ScriptedDaemon) -> Connection:
    return Connection.open(str(daemon.path), answer_timeout=_S)


def test_a_call_sends_one_line_and_returns_the_result() -> None:
    with scripted_daemon({"phase": result({"phase": "active"})}) as daemon, client(daemon) as live:
        assert live.call("phase") == {"phase": "active"}
    assert daemon.requests == [{"jsonrpc": "2.0", "id": 1, "method": "phase", "params": {}}]


def test_a_call_raises_the_error_it_was_answered_with() -> None:
    script = {"send_text": failure("text.empty", "Send words.", param="text")}
    with (
        scripted_daemon(script) as daemon,
        client(daemon) as live,
        pytest.raises(LiveHandleError, match=r"Send words\.") as refused,
    ):
        live.call("send_text", text="")
    assert refused.value.name == "text.empty"
    assert refused.value.data == {"param": "text"}


def test_a_daemon_with_more_callers_than_it_has_accepted_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        opened: list[Connection] = []
        caller = threading.Thread(target=lambda: opened.append(Connection.open(str(path))))
        caller.start()
        accepted = [busy.accept()[0] for _ in range(2)]
        caller.join(_S)
        assert len(opened) == 1
        opened[0].close()
        for connection in accepted:
            connection.close()


def test_events_that_come_before_an_answer_are_kept_in_order() -> None:
    script = {
        "events": result(
            {"subscription": "e1"},
            event("live.text_delta", 3, text="c"),
            before=(event("live.text_delta", 1, text="a"), event("live.text_delta", 2, text="b")),
        )
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        assert live.call("events") == {"subscription": "e1"}
        seen = [live.next_event(_S) for _ in range(3)]
    assert [e.data["text"] for e in seen if e is not None] == ["a", "b", "c"]


def test_an_event_shows_every_field_and_the_whole() -> None:
    script = {"events": result({}, event("live.text_delta", 7, text="Hi"))}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        live.call("events")
        seen = next(live.events())
    assert (seen.topic, seen.data, seen.seq) == ("live.text_delta", {"text": "Hi"}, 7)
    assert (seen.subscription, seen.cursor, seen.ts_ms) == ("e1", "k3f9:7", 1_780_000_000_007)
    assert seen.params["cursor"] == "k3f9:7"
    assert "live.text_delta" in repr(seen)


def test_the_events_end_with_the_daemons_last() -> None:
    told = (event("live.vad_start", 1), event("daemon.bye", 2))
    with scripted_daemon({"events": result({}, *told)}) as daemon, client(daemon) as live:
        live.call("events")
        assert [seen.topic for seen in live.events()] == ["live.vad_start", "daemon.bye"]


def test_an_event_without_its_fields_does_no_harm(
    pair: tuple[Connection, socket.socket],
) -> None:
    live, daemon = pair
    daemon.sendall(b'{"method":"event","params":{"seq":"x","data":1}}\n{"method":"event"}\n')
    for _ in range(2):
        seen = live.next_event(_S)
        assert seen is not None
        assert (seen.topic, seen.data, seen.seq, seen.ts_ms) == ("", {}, 0, 0)
        assert (seen.subscription, seen.cursor) == (None, "")


def test_answers_may_come_in_another_order(pair: tuple[Connection, socket.socket]) -> None:
    live, daemon = pair
    slow, quick = live.send("done", {}), live.send("phase", {})
    daemon.sendall(b'{"id":%d,"result":"quick"}\n{"id":%d,"result":"slow"}\n' % (quick, slow))
    assert live.wait(slow) == "slow"
    assert live.wait(quick) == "quick"


def test_a_line_longer_than_64_kib_is_read_however_it_comes(
    pair: tuple[Connection, socket.socket],
) -> None:
    live, daemon = pair
    request = live.send("telemetry", {})
    answer = json.dumps({"id": request, "result": "x" * 300_000}).encode() + b"\n"
    writer = threading.Thread(target=daemon.sendall, args=(answer,))
    writer.start()
    assert live.wait(request) == "x" * 300_000
    writer.join()


def test_a_line_is_read_byte_by_byte(pair: tuple[Connection, socket.socket]) -> None:
    live, daemon = pair
    line = event("live.text_delta", 1, text="é\n")
    for byte in line[:-1]:
        daemon.sendall(bytes([byte]))
        assert live.next_event(0) is None
    daemon.sendall(line[-1:])
    seen = live.next_event(_S)
    assert seen is not None
    assert seen.data == {"text": "é\n"}


def test_no_event_in_time_is_none(pair: tuple[Connection, socket.socket]) -> None:
    live, _ = pair
    assert live.next_event(0) is None
    assert live.next_event(0.001) is None


def test_a_notification_has_no_id(pair: tuple[Connection, socket.socket]) -> None:
    live, daemon = pair
    live.notify("send_audio", data="AAAA")
    sent = json.loads(daemon.recv(4096))
    assert sent == {"jsonrpc": "2.0", "method": "send_audio", "params": {"data": "AAAA"}}


def test_a_daemon_that_waits_for_its_events_to_be_read_is_not_waited_for(
    pair: tuple[Connection, socket.socket],
) -> None:
    """Both ways are full: only a client that reads while it writes gets on."""
    live, daemon = pair
    told = event("live.text_delta", text="x" * 1000) * 2000
    received = bytearray()

    def serve() -> None:
        daemon.sendall(told)  # reads nothing before all of it is taken
        while not received.endswith(b"\n"):
            received.extend(daemon.recv(65_536))

    server = threading.Thread(target=serve)
    server.start()
    live.notify("send_audio", data="A" * 4_000_000)
    server.join(_S)
    assert len(received) > 4_000_000
    assert all(live.next_event(_S) is not None for _ in range(2000))


@pytest.mark.parametrize(
    "reply",
    [lines(HANG_UP), lines(b'{"id":1,', HANG_UP)],
    ids=["at once", "in the middle of a line"],
)
def test_a_daemon_that_closes_is_unreachable(reply: Reply) -> None:
    with (
        scripted_daemon({"phase": reply}) as daemon,
        client(daemon) as live,
        pytest.raises(LiveHandleError, match="closed the connection: see its log") as gone,
    ):
        live.call("phase")
    assert gone.value.name == "daemon.unreachable"


def test_what_the_daemon_said_before_it_closed_is_raised(
    pair: tuple[Connection, socket.socket],
) -> None:
    live, daemon = pair
    error = LiveHandleError("wire.too_long", "Send shorter lines.").to_json()
    daemon.sendall(json.dumps({"id": None, "error": error}).encode() + b"\n")
    daemon.close()
    with pytest.raises(LiveHandleError) as refused:
        live.notify("send_text", text="x")
    assert refused.value.name == "wire.too_long"
    with pytest.raises(LiveHandleError) as gone:
        live.notify("send_text", text="x")
    assert gone.value.name == "daemon.unreachable"


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 400 Bad Request\n",
        b"[]\n",
        b"7\n",
        b"\xff\n",
        b'{"jsonrpc":"2.0","id":1,"method":"phase","params":{}}\n',
    ],
)
def test_what_is_no_message_is_no_daemon(
    pair: tuple[Connection, socket.socket], line: bytes
) -> None:
    live, daemon = pair
    daemon.sendall(line)
    with pytest.raises(LiveHandleError, match="is not livehandled") as refused:
        live.next_event(_S)
    assert refused.value.name == "daemon.unreachable"


def test_a_daemon_that_does_not_answer_is_given_up() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs, Connection(ours, "/run/pair", answer_timeout=0.01) as live:
        with pytest.raises(LiveHandleError, match="did not answer within") as silent:
            live.call("phase")
        assert silent.value.name == "daemon.unreachable"
        with pytest.raises(LiveHandleError, match="did not answer within"):
            live.call("send_video", data="A" * 4_000_000)  # more than the way takes


def test_a_closed_connection_is_unreachable(pair: tuple[Connection, socket.socket]) -> None:
    live, _ = pair
    live.close()
    with pytest.raises(LiveHandleError, match="closed the connection"):
        live.call("phase")


def test_no_socket_says_how_to_start_a_daemon(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with pytest.raises(LiveHandleError, match="livehandled --emulator") as refused:
        Connection.open(path)
    assert refused.value.name == "daemon.unreachable"
    assert refused.value.data == {"path": path}


def test_a_socket_that_nobody_serves_says_the_same(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    with pytest.raises(LiveHandleError, match=r"refused.*livehandled --emulator"):
        Connection.open(str(tmp_path / "s"))


def test_a_socket_of_somebody_else_is_no_reason_to_start_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_socket: socket.socket, _path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(LiveHandleError, match="another user") as refused:
        Connection.open(str(tmp_path / "s"))
    assert "--emulator" not in refused.value.message


def test_the_socket_is_found_by_the_rule_of_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_daemon({"phase": result("here")}) as daemon:
        monkeypatch.setitem(os.environ, "LIVEHANDLE_SOCKET", str(daemon.path))
        with Connection.open() as live:
            assert live.call("phase") == "here"
