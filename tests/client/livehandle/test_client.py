"""The blocking client against a scripted daemon, over a real socket."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import livehandle
from livehandle import Client, LiveHandleError
from support.daemon import private_directory
from support.scripted_daemon import (
    HANG_UP,
    Request,
    ScriptedDaemon,
    event,
    failure,
    in_turn,
    lines,
    result,
    scripted_daemon,
)

_S = 10.0
HELLO = result({"version": "1", "instance": "k3f9"})
SUBSCRIBED = result({"subscription": "e1", "cursor": "k3f9:0"})


def own(topic: str, **data: Any) -> bytes:
    """Return the line of an event that concerns the connection itself."""
    return event(topic, **data).replace(b'"subscription": "e1", ', b"")


def client(daemon: ScriptedDaemon) -> Client:
    return Client.open(str(daemon.path), client="a test")


def test_open_says_hello_and_shows_who_answered() -> None:
    with scripted_daemon({"daemon.hello": HELLO}) as daemon, client(daemon) as live:
        assert live.daemon["version"] == "1"
    assert daemon.sent("daemon.hello") == [{"client": "a test", "max_line_bytes": 2**24}]


def test_a_method_sends_what_was_given_and_returns_the_result() -> None:
    script = {
        "daemon.hello": HELLO,
        "phase": result({"phase": "active"}),
        "state.set": result(None),
        "events": SUBSCRIBED,
        "extractors.respond": result(None),
        "done": result({"reason": "closed"}),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        assert live.phase() == {"phase": "active"}
        live.state_set(key="app:a", value=None)
        live.extractors_respond(run_id="1", value=None)
        live.extractors_respond(run_id="2", error="no")
        live.done()
        live.done(timeout_ms=0)
    assert daemon.sent("phase") == [{}]
    assert daemon.sent("state.set") == [{"key": "app:a", "value": None}]
    assert daemon.sent("extractors.respond") == [
        {"run_id": "1", "value": None},
        {"run_id": "2", "error": "no"},
    ]
    assert daemon.sent("done") == [{}, {"timeout_ms": 0}]


def test_a_refused_call_raises_its_error_and_the_client_goes_on() -> None:
    script = {
        "daemon.hello": HELLO,
        "send_text": failure("text.empty", "Send words.", param="text"),
        "phase": result({"phase": "active"}),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        with pytest.raises(LiveHandleError, match="Send words") as refused:
            live.send_text(text="")
        assert refused.value.data == {"param": "text"}
        assert live.phase() == {"phase": "active"}


def test_a_call_that_was_begun_is_answered_after_a_later_one() -> None:
    late: list[Request] = []

    def keep(request: Request) -> list[bytes]:
        late.append(request)
        return []

    def both(request: Request) -> list[bytes]:
        return result({"phase": "active"})(request) + result({"reason": "closed"})(late[0])

    script = {"daemon.hello": HELLO, "done": keep, "phase": both}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        done = live.begin("done")
        assert live.phase() == {"phase": "active"}
        assert live.wait(done) == {"reason": "closed"}


def test_a_call_that_takes_too_long_is_given_up_and_the_client_goes_on() -> None:
    script = {"daemon.hello": HELLO, "done": lines(), "phase": result({"phase": "active"})}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        with pytest.raises(LiveHandleError, match="did not answer within"):
            live.wait(live.begin("done"), timeout=0.0)
        assert live._wire._pending == {}
        assert live.phase() == {"phase": "active"}


def test_events_are_iterated_and_waited_for() -> None:
    told = (event("live.text_delta", 1, text="a"), event("live.text_delta", 2, text="b"))
    snapshot = {"phase": "active"}
    subscribed = {"subscription": "e1", "cursor": "k3f9:0", "snapshot": snapshot}
    script = {"daemon.hello": HELLO, "events": result(subscribed, *told)}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        events = live.events(topics=["live.*"], since="k3f9:0", snapshot=True)
        assert dict(events.snapshot or {}) == snapshot
        first = next(events)
        second = events.next_event(_S)
        assert second is not None
        assert (dict(first.data), dict(second.data)) == ({"text": "a"}, {"text": "b"})
        assert second.cursor == "k3f9:2"
        assert events.next_event(0.0) is None
        assert events.next_event(0.01) is None
    assert list(events) == []
    assert daemon.sent("events") == [{"topics": ["live.*"], "since": "k3f9:0", "snapshot": True}]


def test_a_subscription_that_is_closed_has_ended_here_and_there() -> None:
    script = {"daemon.hello": HELLO, "subscribe": SUBSCRIBED, "unsubscribe": result(None)}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        events = live.subscribe()
        events.close()
        events.close()
        assert list(events) == []
        with pytest.raises(LiveHandleError):
            live.phase()
    assert daemon.sent("unsubscribe") == [{"subscription": "e1"}]


def test_a_subscription_that_is_refused_raises_and_is_not_taken_up() -> None:
    script = {
        "daemon.hello": HELLO,
        "events": failure("events.unknown_topic"),
        "done": lines(HANG_UP),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        with pytest.raises(LiveHandleError):
            live.events(topics=["nothing"])
        with pytest.raises(LiveHandleError):
            live.done()
        with pytest.raises(LiveHandleError):
            live.phase()
    assert len(daemon.sent("daemon.hello")) == 2
    assert len(daemon.sent("events")) == 1


def test_a_subscription_that_was_lost_before_its_answer_is_not_taken_up() -> None:
    script = {"daemon.hello": HELLO, "events": lines(HANG_UP), "phase": result({})}
    with scripted_daemon(script) as daemon, client(daemon) as live:
        with pytest.raises(LiveHandleError):
            live.events()
        live.phase()
    assert len(daemon.sent("events")) == 1


@pytest.mark.parametrize("last", [b"", b'{"jsonrpc":"2.0","method":"event","params":{"topic":"li'])
def test_a_lost_connection_is_opened_again_and_the_subscription_goes_on(last: bytes) -> None:
    ends = lines(last, HANG_UP) if last else lines(HANG_UP)
    script = {
        "daemon.hello": HELLO,
        "events": in_turn(
            result(
                {"subscription": "e1", "cursor": "k3f9:0"}, event("live.text_delta", 4, text="a")
            ),
            result(
                {"subscription": "e1", "cursor": "k3f9:4"}, event("live.text_delta", 5, text="b")
            ),
        ),
        "done": ends,
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        events = live.events()
        with pytest.raises(LiveHandleError) as lost:
            live.done()
        assert lost.value.name == "daemon.unreachable"
        topics = [next(events).topic for _ in range(4)]
    assert topics == [
        "live.text_delta",
        "client.disconnected",
        "client.connected",
        "live.text_delta",
    ]
    assert daemon.sent("events") == [{}, {"since": "k3f9:4"}]
    assert len(daemon.sent("done")) == 1


def test_a_call_waits_for_a_daemon_that_comes_back() -> None:
    script = {
        "daemon.hello": HELLO,
        "done": lines(HANG_UP),
        "phase": result({"phase": "active"}),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        with pytest.raises(LiveHandleError):
            live.done()
        assert live.phase() == {"phase": "active"}


def test_a_daemon_that_stays_away_is_not_waited_for_longer_than_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scripted_daemon({"daemon.hello": HELLO, "done": lines(HANG_UP)}) as daemon:
        live = client(daemon)
        with pytest.raises(LiveHandleError, match="closed the connection"):
            live.done()
    monkeypatch.setattr("livehandle.client.AWAY_S", 0.01)
    with live, pytest.raises(LiveHandleError, match="No daemon answers") as away:
        live.phase()
    assert away.value.name == "daemon.unreachable"


def test_what_is_no_daemon_is_refused_at_once() -> None:
    script = {"daemon.hello": lines(b"HTTP/1.1 400 Bad Request\r\n")}
    with (
        scripted_daemon(script) as daemon,
        pytest.raises(LiveHandleError, match="is not livehandled"),
    ):
        client(daemon)


def test_who_is_not_admitted_is_told_why() -> None:
    error = b'{"id":null,"error":{"message":"Full.","data":{"name":"daemon.too_many_clients"}}}\n'
    with (
        scripted_daemon({"daemon.hello": lines(error, HANG_UP)}) as daemon,
        pytest.raises(LiveHandleError, match="Full") as refused,
    ):
        client(daemon)
    assert refused.value.name == "daemon.too_many_clients"


def test_no_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="livehandled --emulator"):
        Client.open(str(tmp_path / "s"))


def test_a_daemon_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livehandle.client.AWAY_S", 0.01)
    with (
        scripted_daemon({"daemon.hello": lines()}) as daemon,
        pytest.raises(LiveHandleError, match=r"did not answer within 0.01 s"),
    ):
        client(daemon)


def test_the_socket_is_found_by_the_rule_of_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_daemon({"daemon.hello": HELLO}) as daemon:
        monkeypatch.setenv("LIVEHANDLE_SOCKET", str(daemon.path))
        with Client.open() as live:
            assert live.daemon["instance"] == "k3f9"


def test_a_closed_client_says_so() -> None:
    with scripted_daemon({"daemon.hello": HELLO}) as daemon:
        live = client(daemon)
        live.close()
        live.close()
        with pytest.raises(LiveHandleError, match="This client is closed"):
            live.phase()


# Functions of the model


def called(call_id: str, **args: object) -> bytes:
    return own("tool.call", call_id=call_id, registration="r1", name="add", args=args)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    if a > 1000:
        raise ValueError("too large")
    return a + b


def test_calls_of_the_model_are_carried_out_while_the_client_waits() -> None:
    calls = (called("c1", a=1, b=2), called("c2", a=2000, b=0), called("c3", a=1))
    script = {
        "daemon.hello": HELLO,
        "tools.register": result({"registration": "r1"}),
        "phase": result({"phase": "active"}, before=calls),
        "tools.respond": result(None),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        live.register(add)
        live.phase()
        live.phase()
    first, second, third = daemon.sent("tools.respond")[:3]
    assert first == {"call_id": "c1", "result": 3}
    assert second == {"call_id": "c2", "error": "too large"}
    assert "missing 1 required positional argument" in third["error"]


def test_a_function_may_make_calls_and_others_wait_for_it() -> None:
    order: list[str] = []
    script = {
        "daemon.hello": HELLO,
        "tools.register": result({"registration": "r1"}),
        "session": result({}, before=(called("c1", a=1), called("c2", a=2))),
        "phase": result({"phase": "active"}),
        "tools.respond": result(None),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:

        def ask(a: int) -> str:
            order.append(f"begins {a}")
            phase = live.phase()["phase"]
            order.append(f"ends {a}")
            return phase

        live.register(ask, name="add")
        live.session()
        live.phase()
    assert order == ["begins 1", "ends 1", "begins 2", "ends 2"]


def test_a_call_that_is_cancelled_before_it_begins_is_left_out() -> None:
    told = (called("c1", a=1, b=1), called("c2", a=2, b=2), own("tool.cancel", call_id="c2"))
    script = {
        "daemon.hello": HELLO,
        "tools.register": result({"registration": "r1"}),
        "phase": in_turn(result({}, before=(b"".join(told),)), result({})),
        "tools.respond": result(None),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        live.register(add)
        live.phase()
        live.phase()
    assert [sent["call_id"] for sent in daemon.sent("tools.respond")] == ["c1"]


def test_registrations_are_presented_again_or_made_anew() -> None:
    script = {
        "daemon.hello": HELLO,
        "tools.register": in_turn(
            result({"registration": "r1"}),
            failure("tools.unknown_registration"),
            result({"registration": "r2"}),
        ),
        "done": lines(HANG_UP),
        "phase": result({"phase": "active"}),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        live.register(add, parameters={"type": "object"}, timeout_ms=500)
        with pytest.raises(LiveHandleError):
            live.done()
        live.phase()
        live.phase()
    first, second, third = daemon.sent("tools.register")
    assert first == third
    assert first["timeout_ms"] == 500
    assert second == {"registration": "r1"}


def test_a_function_is_carried_out_until_it_is_unregistered() -> None:
    script = {
        "daemon.hello": HELLO,
        "tools.register": result({"registration": "r1"}),
        "tools.unregister": result({"declared": "now"}),
    }
    with scripted_daemon(script) as daemon, client(daemon) as live:
        live.register(add)
        live.unregister("add")
        with pytest.raises(LiveHandleError, match="does not carry out add"):
            live.unregister("add")
    assert daemon.sent("tools.unregister") == [{"registration": "r1"}]


def test_a_call_that_was_given_up_is_not_waited_for_with_a_closed_client() -> None:
    with scripted_daemon({"daemon.hello": HELLO, "done": lines()}) as daemon:
        live = client(daemon)
        call = live.begin("done")
        with pytest.raises(LiveHandleError, match="did not answer within"):
            live.wait(call, timeout=0.0)
        live.close()
        with pytest.raises(LiveHandleError, match="This client is closed"):
            live.wait(call)


def test_a_coroutine_function_is_not_for_the_blocking_client() -> None:
    async def late() -> None:
        """Do nothing."""

    script = {"daemon.hello": HELLO}
    refused = pytest.raises(TypeError, match="use AsyncClient")
    with scripted_daemon(script) as daemon, client(daemon) as live, refused:
        live.register(late)
    assert daemon.sent("tools.register") == []


# A socket that is full


@pytest.fixture
def pair() -> Iterator[tuple[Client, socket.socket]]:
    """A client that has been greeted, and the other end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.settimeout(_S)
    theirs.sendall(b'{"id":1,"result":{}}\n')
    with private_directory() as directory, theirs:
        with pytest.MonkeyPatch.context() as at_first:
            at_first.setattr("livehandle.client.connect", lambda _: ours)
            live = Client.open(str(directory / "s"), client="a test")
        theirs.recv(4096)
        yield live, theirs
        live.close()


def test_a_daemon_that_waits_for_its_events_to_be_read_is_not_waited_for(
    pair: tuple[Client, socket.socket],
) -> None:
    """Both ways are full: only a client that reads while it writes gets on."""
    live, daemon = pair
    told = event("live.text_delta", text="x" * 1000) * 2000
    received = bytearray()

    def serve() -> None:
        daemon.sendall(told)  # reads nothing before all of it is taken
        while not received.endswith(b"\n"):
            received.extend(daemon.recv(65_536))
        daemon.sendall(b'{"id":2,"result":null}\n')

    server = threading.Thread(target=serve)
    server.start()
    live.send_audio(data="A" * 4_000_000)
    server.join(_S)
    assert len(received) > 4_000_000


@contextmanager
def serving(daemon: socket.socket, *answers: bytes) -> Iterator[None]:
    """Give each request its answer."""

    def serve() -> None:
        for answer in answers:
            while not daemon.recv(65_536).endswith(b"\n"):
                pass
            daemon.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    yield
    server.join(_S)


def test_a_loss_is_noticed_before_the_next_call(
    pair: tuple[Client, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    live, daemon = pair
    with serving(daemon, b'{"id":2,"result":{}}\n'):
        live.phase()
    daemon.close()
    monkeypatch.setattr("livehandle.client.AWAY_S", 0.01)
    with pytest.raises(LiveHandleError, match="No daemon answers"):
        live.phase()


def test_an_answer_to_the_model_is_on_its_way_when_the_wait_is_over(
    pair: tuple[Client, socket.socket],
) -> None:
    live, daemon = pair
    registered = b'{"id":2,"result":{"registration":"r1"}}\n'
    with serving(daemon, registered, called("c1", a=1, b=2) + b'{"id":3,"result":{}}\n'):
        live.register(add)
        live.phase()
    sent = json.loads(daemon.recv(4096))
    assert sent["params"] == {"call_id": "c1", "result": 3}


def test_a_client_that_waits_already_says_that_each_thread_needs_its_own(
    pair: tuple[Client, socket.socket],
) -> None:
    live, daemon = pair
    refused: list[str] = []

    def another() -> None:
        with pytest.raises(RuntimeError) as error:
            live.phase()
        refused.append(str(error.value))

    with live._alone:
        thread = threading.Thread(target=another)
        thread.start()
        thread.join(_S)
    assert refused == ["This Client waits already: open one for each thread."]
    with serving(daemon, b'{"id":2,"result":{"phase":"active"}}\n'):
        assert live.phase() == {"phase": "active"}


def test_the_names_of_the_library_are_all_there() -> None:
    assert livehandle.__all__ == sorted(livehandle._WHERE)
    for name in livehandle.__all__:
        assert getattr(livehandle, name) is not None
        assert name in dir(livehandle)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        livehandle.Nothing  # noqa: B018
