"""What the service manager is told."""

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.notify import Manager, Notifier, manager, status_line

PID = 4711


@pytest.mark.parametrize(
    ("environ", "told", "watchdog_s"),
    [
        ({}, "", None),
        ({"NOTIFY_SOCKET": "/run/n"}, "/run/n", None),
        ({"NOTIFY_SOCKET": "@n"}, "@n", None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, "", None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "3000000"}, "/n", 3.0),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "4711"}, "/n", 3.0),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, "/n", None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, "/n", None),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, "/n", None),
        ({"WATCHDOG_USEC": "3000000"}, "", None),
    ],
)
def test_the_manager_is_taken_out_of_the_environment(
    environ: dict[str, str], told: str, watchdog_s: float | None
) -> None:
    environ["PATH"] = "/bin"
    assert manager(environ, PID) == Manager(told, watchdog_s)
    assert environ == {"PATH": "/bin"}


class Rig:
    """A manager's socket, and a notifier on a clock that the test sets."""

    def __init__(self, path: Path, watchdog_s: float | None = None) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.now = 100.0
        self.status = "Session active"
        self.alive = True
        self.manager = Manager(str(path), watchdog_s)
        self.notifier = Notifier(
            self.manager,
            status=lambda: self.status,
            alive=lambda: self.alive,
            clock=lambda: self.now,
        )

    def told(self) -> list[str]:
        """Return what has come since it was last asked for."""
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(65_536).decode())
        return found

    def after(self, seconds: float) -> list[str]:
        """Let time pass, with all that is due meanwhile; return what was told."""
        end = self.now + seconds
        while (due_at := self.notifier._deadline()) is not None and due_at <= end:
            self.now = max(self.now, due_at)
            self.notifier._due(self.now)
        self.now = end
        return self.told()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "n")
    yield made
    made.socket.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "n", watchdog_s=3.0)
    yield made
    made.socket.close()


def test_an_abstract_socket_is_told_as_well() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel picks a name
        listener.settimeout(5)
        name: bytes = listener.getsockname()
        Manager("@" + name[1:].decode(), None).tell("READY=1", "STATUS=Grüße")
        assert listener.recv(100).decode() == "READY=1\nSTATUS=Grüße"


def test_a_manager_who_has_gone_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Manager(str(tmp_path / "none"), None)
    gone.tell("READY=1", wait=True)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "is not told READY: " in record.getMessage()
    gone.tell("STATUS=x")
    assert len(caplog.records) == 1


def test_what_may_be_lost_is_lost_where_the_manager_does_not_keep_up(rig: Rig) -> None:
    rig.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    for _ in range(1000):
        rig.manager.tell("STATUS=" + 400 * "x")  # this returns
    assert 0 < len(rig.told()) < 1000


def test_nothing_is_told_before_it_is_ready(rig: Rig) -> None:
    rig.notifier.changed()
    assert rig.after(10) == []
    rig.notifier.ready()
    assert rig.told() == ["READY=1\nSTATUS=Session active"]


def test_a_status_is_told_at_most_once_a_second_and_is_the_newest(rig: Rig) -> None:
    rig.notifier.ready()
    rig.told()
    for number in range(5):
        rig.status = f"{number}"
        rig.notifier.changed()
    assert rig.after(0.99) == []
    assert rig.after(0.02) == ["STATUS=4"]
    assert rig.after(10) == []
    rig.notifier.changed()
    assert rig.after(0) == ["STATUS=4"]


def test_a_status_is_one_line_of_bounded_length(rig: Rig) -> None:
    rig.status = "closed\nREADY=0\x00" + 1000 * "x"
    rig.notifier.ready()
    (told,) = rig.told()
    assert told.startswith("READY=1\nSTATUS=closed READY=0 xxx")
    assert len(told) < 450


def test_without_a_manager_nothing_is_due() -> None:
    def never() -> str:
        raise AssertionError("nobody asked")

    notifier = Notifier(Manager("", None), status=never, alive=lambda: True, clock=lambda: 1.0)
    notifier.ready()
    notifier.changed()
    with notifier.reloading():
        pass
    notifier.stopping("SIGTERM")
    assert notifier._deadline() is None


def test_the_watchdog_is_fed_twice_in_its_time_once_the_daemon_is_ready(watched: Rig) -> None:
    assert watched.after(10) == []
    watched.notifier.ready()
    watched.told()
    assert watched.after(0) == ["WATCHDOG=1"]
    assert watched.after(1.49) == []
    assert watched.after(0.02) == ["WATCHDOG=1"]
    assert watched.after(15) == 10 * ["WATCHDOG=1"]


def test_a_session_whose_tasks_have_failed_does_not_feed_it(
    watched: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    watched.notifier.ready()
    watched.after(0)
    watched.alive = False
    assert watched.after(6) == []
    assert "the watchdog is not fed" in caplog.text


def test_while_it_stops_it_is_fed_though_the_sessions_tasks_end(
    watched: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    watched.notifier.ready()
    watched.notifier.stopping("SIGTERM")
    watched.alive = False
    watched.told()
    assert watched.after(4.5) == 4 * ["WATCHDOG=1"]
    assert caplog.records == []


def test_a_reload_is_told_only_while_clients_are_served(rig: Rig) -> None:
    with pytest.raises(LiveHandleError), rig.notifier.reloading():
        raise LiveHandleError("config.invalid", "Correct a.b.")
    assert rig.told() == []
    rig.notifier.ready()
    assert rig.told() == ["READY=1\nSTATUS=Session active; reload refused: Correct a.b."]
    rig.notifier.stopping("SIGTERM")
    rig.told()
    with rig.notifier.reloading():
        pass
    assert rig.told() == []


def test_a_reload_begins_with_the_time_and_ends_with_the_status(rig: Rig) -> None:
    rig.notifier.ready()
    rig.told()
    with rig.notifier.reloading():
        assert rig.told() == ["RELOADING=1\nMONOTONIC_USEC=100000000"]
    assert rig.told() == ["READY=1\nSTATUS=Session active"]


def test_a_refused_reload_stands_in_the_status_until_one_is_taken(rig: Rig) -> None:
    rig.notifier.ready()
    with pytest.raises(LiveHandleError), rig.notifier.reloading():
        raise LiveHandleError("config.invalid", "Correct a.b.")
    refused = "STATUS=Session active; reload refused: Correct a.b."
    assert rig.told()[-1] == f"READY=1\n{refused}"
    rig.notifier.changed()
    assert rig.after(1) == [refused]
    with rig.notifier.reloading():
        pass
    assert rig.told()[-1] == "READY=1\nSTATUS=Session active"


def test_the_last_word_is_that_it_stops(rig: Rig) -> None:
    rig.notifier.ready()
    rig.told()
    rig.notifier.changed()
    rig.notifier.stopping("SIGTERM")
    rig.notifier.changed()
    assert rig.after(10) == ["STOPPING=1\nSTATUS=Stopping: SIGTERM"]


def session(connection: v.Connection | None = None, last_close: v.Close | None = None) -> v.Session:
    return v.Session(
        session_id="s-1",
        phase="active",
        backend="gemini",
        model="m",
        connected_ms=1,
        connection=connection,
        resumable=False,
        reconnects=0,
        current_turn=None,
        turns=3,
        last_close=last_close,
    )


def connection(state: v.ConnectionState, cause: str | None = None) -> v.Connection:
    return v.Connection(state=state, generation=1, url="wss://x", cause=cause)


LOST = v.Close(code=1011, reason="Oops")


@pytest.mark.parametrize(
    ("shown", "more"),
    [
        (session(), ""),
        (session(connection("ready")), ""),
        (session(connection("ready"), LOST), ""),
        (
            session(connection("reconnecting", "no network")),
            "; reconnecting: no network",
        ),
        (session(connection("failed")), ""),
        (session(connection("failed"), LOST), "; failed: code 1011 Oops"),
    ],
)
def test_the_status_says_where_the_session_stands(shown: v.Session, more: str) -> None:
    assert status_line(shown) == f"Session active, 3 turns, model m{more}"
