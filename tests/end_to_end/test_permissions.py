"""Who gets to the control socket of a real daemon, and what it refuses to be started on.

Other users are real processes that became them; a stranger has no name on the machine. Further
cases: `tests/daemon/test_service.py` (a second daemon, several at once, systemd),
`tests/daemon/control/test_listener.py` (what may be inherited), `test_lock.py`, `test_reach.py`.
"""

import grp
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from livehandle_proto.paths import MAX_SOCKET_PATH_BYTES
from support.daemon import DaemonProcess, private_directory, refused_daemon, running_daemon
from support.wire import WireClient

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

STRANGER, LISTED = 64_001, 64_002

GROUP = "daemon"
"""A group that every Linux system has, and this process is not in."""

PHASE = '{"jsonrpc":"2.0","id":1,"method":"phase"}\n'
ANSWER = '{"jsonrpc":"2.0","result":{"phase":"disconnected"},"id":1}\n'

AS_ANOTHER = """
import os, socket, sys
path, asked, uid, gid, groups, count = sys.argv[1:]
os.setgroups([int(group) for group in groups.split()])
os.setgid(int(gid))
os.setuid(int(uid))
connections = [socket.socket(socket.AF_UNIX) for _ in range(int(count))]
try:
    for connection in connections:
        connection.connect(path)
except PermissionError:
    print("no permission")
    sys.exit()
try:
    connection.sendall(asked.encode())
except BrokenPipeError:
    pass
print(connection.recv(65536).decode(), end="", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_user(
    daemon: DaemonProcess,
    asked: str,
    *,
    uid: int,
    gid: int | None = None,
    groups: Collection[int] = (),
    count: int = 1,
) -> Iterator[str]:
    """Connect so many times as another user and ask on the last one; give what it heard.

    The connections are open as long as the context is.
    """
    arguments = [daemon.path, asked, uid, uid if gid is None else gid, " ".join(map(str, groups))]
    command = [sys.executable, "-ISc", AS_ANOTHER, *map(str, arguments), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        yield it.stdout.readline()
        it.communicate()


def heard(daemon: DaemonProcess, asked: str, **who: int | Collection[int]) -> str:
    """Return what another user hears first: a line, or that it may not connect."""
    with another_user(daemon, asked, **who) as said:  # type: ignore[arg-type]  # passed on
        return said


def refusal(said: str) -> tuple[object, str, str]:
    """Return the id, name and message of an error's line."""
    error = json.loads(said)
    return error["id"], error["error"]["data"]["name"], error["error"]["message"]


def bits(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@contextmanager
def watched(path: Path) -> Iterator[set[tuple[int, int]]]:
    """Look at a file as fast as can be, from another thread; give its modes and groups."""
    seen: set[tuple[int, int]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            seen.add((stat.S_IMODE(found.st_mode), found.st_gid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


# The daemon's own user alone.


@pytest.mark.parametrize("umask", [0, 0o777], ids=["umask 0", "umask 0777"])
def test_by_default_directory_socket_and_lock_are_the_users_alone(umask: int) -> None:
    with private_directory() as top:
        path = top / "run" / "livehandle" / "s"
        with running_daemon(path=path, umask=umask) as daemon:
            assert [bits(each) for each in (path.parent.parent, path.parent)] == [0o700, 0o700]
            assert [bits(path), bits(path.with_name("s.lock"))] == [0o600, 0o600]
            with daemon.client() as client:
                assert client.result("phase") == {"phase": "disconnected"}


@pytest.fixture(scope="module")
def closed() -> Iterator[DaemonProcess]:
    """Give a daemon that is configured in no way; tests leave it as it is."""
    with running_daemon() as daemon:
        yield daemon


@needs_root
def test_another_user_is_kept_out_by_the_directory_and_by_the_socket_itself(
    closed: DaemonProcess,
) -> None:
    assert heard(closed, PHASE, uid=STRANGER) == "no permission\n"
    closed.path.parent.chmod(0o711)
    assert heard(closed, PHASE, uid=STRANGER) == "no permission\n"
    assert heard(closed, PHASE, uid=STRANGER, gid=0, groups=[0]) == "no permission\n"
    closed.path.parent.chmod(0o700)
    with closed.client() as client:
        assert client.result("phase") == {"phase": "disconnected"}


def test_a_daemon_whose_directory_is_opened_later_goes_on_and_is_not_started_there_again() -> None:
    with private_directory() as directory, running_daemon(path=directory / "s") as daemon:
        directory.chmod(0o777)
        with daemon.client() as client:
            assert client.result("phase") == {"phase": "disconnected"}
        assert daemon.stop() == 0
        assert not daemon.path.exists()
        with refused_daemon(daemon.path) as again:
            assert again.process.returncode == 3
            assert f"run chmod go-w {directory}" in again.log[0]


def test_a_daemon_whose_lock_file_is_removed_keeps_its_socket() -> None:
    with running_daemon() as daemon, daemon.client() as client:
        before = daemon.path.lstat().st_ino
        daemon.path.with_name("s.lock").unlink()
        with refused_daemon(daemon.path) as second:
            assert second.process.returncode == 1
            (said,) = second.log
        assert f"Process {daemon.process.pid} listens on {daemon.path}: " in said
        assert said.endswith("[daemon.already_running]\n")
        assert daemon.path.lstat().st_ino == before
        assert client.result("phase") == {"phase": "disconnected"}


# Others, by the configuration.


@pytest.fixture(scope="module")
def opened() -> Iterator[DaemonProcess]:
    """Give a daemon that everybody can connect to, that admits two users, and few of each."""
    flags = settings(
        "control.mode=0666", f"control.uids={LISTED},{LISTED + 1}", "control.max_clients_per_uid=3"
    )
    with running_daemon(*flags) as daemon:
        daemon.path.parent.chmod(0o711)
        yield daemon


@needs_root
def test_another_user_that_can_connect_is_refused_before_a_byte_is_parsed(
    opened: DaemonProcess,
) -> None:
    with opened.client() as client:
        number, name, message = refusal(heard(opened, f"nonsense\n{PHASE}", uid=STRANGER))
        assert (number, name) == (None, "daemon.forbidden")
        assert f"User {STRANGER} may not use this socket" in message
        opened.wait_for(f"client refused uid={STRANGER} pid=")
        assert client.result("phase") == {"phase": "disconnected"}


@needs_root
def test_a_user_that_the_configuration_names_is_admitted(opened: DaemonProcess) -> None:
    assert heard(opened, PHASE, uid=LISTED) == ANSWER
    assert heard(opened, PHASE, uid=LISTED + 1) == ANSWER
    assert refusal(heard(opened, PHASE, uid=STRANGER, gid=LISTED))[1] == "daemon.forbidden"


@needs_root
def test_a_user_with_too_many_connections_is_told_and_keeps_out_nobody_else(
    opened: DaemonProcess,
) -> None:
    with another_user(opened, PHASE, uid=LISTED, count=3) as third:
        assert third == ANSWER
        number, name, message = refusal(heard(opened, f"nonsense\n{PHASE}", uid=LISTED))
        assert (number, name) == (None, "daemon.too_many_clients")
        assert message.startswith(f"User {LISTED} has 3 clients connected: ")
        assert "control.max_clients_per_uid" in message
        opened.wait_for(f"client refused uid={LISTED} pid=")
        assert heard(opened, PHASE, uid=LISTED + 1) == ANSWER
        with opened.client() as client:
            assert client.result("phase") == {"phase": "disconnected"}


@needs_root
def test_the_log_tells_of_each_connection_its_process_its_user_and_its_name(
    opened: DaemonProcess,
) -> None:
    name = "screen\n2026-01-01 00:00:00,000 INFO livehandled: c1 is forged"
    params = {"client": name}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "daemon.hello", "params": params}
    with another_user(opened, json.dumps(hello) + "\n", uid=LISTED) as said:
        assert "result" in json.loads(said)
    opened.wait_for('name="screen')
    (named,) = (line for line in opened.log if "client named" in line and "forged" in line)
    told = named.split("client named ", 1)[1]
    connection = told.split(" ", 1)[0]
    assert told == f"{connection} name={json.dumps(name)}\n"
    (connected,) = (line for line in opened.log if f"client connected {connection} " in line)
    assert f" uid={LISTED} pid=" in connected


@pytest.fixture(scope="module")
def grouped() -> Iterator[tuple[DaemonProcess, set[tuple[int, int]]]]:
    """Give a daemon for a group, and what was seen of its socket while it started."""
    flags = settings("control.mode=0660", f"control.group={GROUP}")
    with private_directory() as directory, ExitStack() as running:
        path = directory / "s"
        with watched(path) as seen:
            daemon = running.enter_context(running_daemon(*flags, path=path, umask=0))
        yield daemon, seen


@needs_root
def test_the_socket_of_a_group_is_at_no_instant_open_to_any_other(
    grouped: tuple[DaemonProcess, set[tuple[int, int]]],
) -> None:
    daemon, seen = grouped
    gid = grp.getgrnam(GROUP).gr_gid
    assert (bits(daemon.path), daemon.path.lstat().st_gid) == (0o660, gid)
    assert (0o660, gid) in seen
    assert seen <= {(0o600, os.getegid()), (0o600, gid), (0o660, gid)}


@needs_root
def test_members_of_the_configured_group_are_admitted_and_others_cannot_connect(
    grouped: tuple[DaemonProcess, set[tuple[int, int]]],
) -> None:
    daemon, _ = grouped
    gid = grp.getgrnam(GROUP).gr_gid
    # They must be able to enter the directory, and its owner is told that they are not.
    daemon.wait_for(f"members of control.group {GROUP!r} cannot enter {daemon.path.parent} ")
    assert heard(daemon, PHASE, uid=STRANGER, gid=gid) == "no permission\n"
    daemon.path.parent.chmod(0o711)
    assert heard(daemon, PHASE, uid=STRANGER, gid=gid) == ANSWER
    assert heard(daemon, PHASE, uid=STRANGER, groups=[STRANGER, gid]) == ANSWER
    assert heard(daemon, PHASE, uid=STRANGER, groups=[STRANGER]) == "no permission\n"
    daemon.path.parent.chmod(0o700)


# What a daemon is not started on.


def foreign(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


def a_linked_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("there"))
    path.parent.symlink_to("there")


def a_link_to_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path.with_name("elsewhere")))
    path.symlink_to("elsewhere")


def a_foreign_lock(path: Path) -> None:
    path.with_name("s.lock").touch()
    foreign(path.with_name("s.lock"))


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (lambda path: path.write_text("precious"), "exists and is no socket"),
    "a directory": (lambda path: path.mkdir(), "exists and is no socket"),
    "a link to a socket": (a_link_to_a_socket, "is a symbolic link and is no socket"),
    "a directory that all may write to": (
        lambda path: path.parent.chmod(0o777),
        "not safe for a socket, others can write to it: run chmod go-w ",
    ),
    "a directory of another user": (
        lambda path: foreign(path.parent),
        f"not safe for a socket, it belongs to user {STRANGER}: give a --socket in a directory of ",
    ),
    "a directory that is a link": (a_linked_directory, "not safe for a socket, it is a symbolic"),
    "a lock that is a link": (
        lambda path: path.with_name("s.lock").symlink_to("elsewhere"),
        "s.lock cannot be locked (it is a symbolic link)",
    ),
    "a lock that is a directory": (lambda path: path.with_name("s.lock").mkdir(), "be locked"),
    "a lock of another user": (a_foreign_lock, "cannot be locked (it is no plain file of yours"),
}


@pytest.mark.parametrize(
    "place",
    [pytest.param(name, marks=needs_root if "another user" in name else ()) for name in PLACES],
)
def test_a_place_that_is_not_safe_is_refused_in_one_line_and_left_as_it_is(place: str) -> None:
    prepare, said = PLACES[place]
    with private_directory() as top:
        path = top / "run" / "s"
        path.parent.mkdir(mode=0o700)
        prepare(path)
        before = {each: each.lstat().st_ino for each in top.rglob("*")}
        with refused_daemon(path) as daemon:
            assert daemon.process.returncode == 3
            (line,) = daemon.log
        assert said in line
        assert line.endswith("[config.invalid]\n")
        left = {each: each.lstat().st_ino for each in top.rglob("*") if each.name != "s.lock"}
        assert left == {each: inode for each, inode in before.items() if each.name != "s.lock"}


def test_a_group_that_does_not_exist_is_refused_before_anything_is_made() -> None:
    with private_directory() as directory:
        with refused_daemon(directory / "s", *settings("control.group=no-such-group")) as daemon:
            assert daemon.process.returncode == 3
            assert "control.group names no group of this machine: 'no-such-group'" in daemon.log[0]
        assert not (directory / "s").exists()


def test_the_socket_of_another_program_is_left_to_it() -> None:
    with private_directory() as directory, socket.socket(socket.AF_UNIX) as other:
        path = directory / "s"
        other.bind(str(path))
        other.listen()
        with refused_daemon(path) as daemon:
            assert daemon.process.returncode == 1
            assert f"Process {os.getpid()} listens on {path}: " in daemon.log[0]
        assert path.is_socket()


def test_a_socket_and_a_lock_of_a_killed_daemon_are_taken_over_with_the_modes_asked_for() -> None:
    with private_directory() as directory:
        path = directory / "s"
        with running_daemon("--set", "control.mode=0666", path=path) as first:
            assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        assert bits(path) == 0o666
        with running_daemon(path=path) as second, second.client() as client:
            assert client.result("daemon.status")["pid"] == second.process.pid
            assert bits(path) == 0o600


def test_the_longest_path_works_and_a_longer_one_is_refused_with_the_limit() -> None:
    with private_directory() as directory:
        room = MAX_SOCKET_PATH_BYTES - len(bytes(directory)) - 1
        path = directory / ("s" * room)
        with running_daemon(path=path), WireClient.to(path) as client:
            assert client.result("phase") == {"phase": "disconnected"}
        with refused_daemon(directory / ("s" * (room + 1))) as daemon:
            assert daemon.process.returncode == 3
            assert "is 108 bytes long and the limit is 107: " in daemon.log[0]


# Sockets of the service manager.

FROM_MANAGER = """
import os, socket, sys
given = GIVEN
os.dup2(given.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "livehandled", *sys.argv[2:]])
"""

LISTENING = "socket.socket(socket.AF_UNIX); given.bind(sys.argv[1]); given.listen()"


@contextmanager
def inheriting(directory: Path, given: str, *flags: str) -> Iterator[DaemonProcess]:
    """Run a daemon that was passed something."""
    program = FROM_MANAGER.replace("GIVEN", given)
    command = (sys.executable, "-c", program, str(directory / "given"))
    daemon = DaemonProcess(directory / "other", *flags, command=command)
    try:
        yield daemon
    finally:
        daemon.close()


def test_of_an_inherited_socket_mode_and_directory_are_its_makers() -> None:
    with private_directory() as directory:
        directory.chmod(0o777)
        given = directory / "given"
        flags = settings("control.mode=0600")
        with inheriting(directory, f"{LISTENING}; os.chmod(sys.argv[1], 0o622)", *flags) as daemon:
            daemon.wait_for("listening on")
            assert bits(given) == 0o622
            with WireClient.to(given) as client:
                assert client.result("phase") == {"phase": "disconnected"}
            assert daemon.stop() == 0
        assert given.is_socket()
        assert bits(given) == 0o622


@pytest.mark.parametrize(
    ("given", "said"),
    [("open(os.devnull)", "The service manager passed no socket"), (LISTENING, "no-such-group")],
)
def test_what_cannot_be_served_is_not_taken_from_the_service_manager(given: str, said: str) -> None:
    flags = settings("control.group=no-such-group")
    with private_directory() as directory, inheriting(directory, given, *flags) as daemon:
        assert daemon.exit_code() == 3
        assert said in daemon.log[-1]
        assert daemon.log[-1].endswith("[config.invalid]\n")
