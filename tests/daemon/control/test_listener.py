"""The listening socket: its mode at every instant, its directory, what was there before."""

import errno
import grp
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.control import listener
from support.daemon import private_directory

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")


@pytest.fixture
def path() -> Iterator[Path]:
    with private_directory() as directory:
        yield directory / "s"


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def watched(path: Path) -> Iterator[set[int]]:
    """Look at the file's mode as fast as can be, from another thread; gives all that were seen."""
    seen: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                seen.add(stat.S_IMODE(os.lstat(path).st_mode))
            except FileNotFoundError:
                continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("no_umask")
def test_the_socket_is_never_wider_than_0600_whatever_the_umask(path: Path) -> None:
    with watched(path) as seen:
        for _ in range(300):
            listener.bind(path, mode=0o600, group="").close()
    assert seen == {0o600}


@pytest.mark.usefixtures("no_umask")
def test_the_socket_is_0600_until_its_group_is_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    give = os.chown

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        modes.append(mode_of(path))
        give(path, uid, gid, follow_symlinks=follow_symlinks)
        modes.append(mode_of(path))

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(listener, "group_id", lambda _name: os.getegid())
    with listener.bind(path, mode=0o660, group="ours"):
        assert modes == [0o600, 0o600]
        assert mode_of(path) == 0o660
        assert path.lstat().st_gid == os.getegid()


@needs_root
def test_the_configured_group_owns_the_socket(path: Path) -> None:
    with listener.bind(path, mode=0o660, group="daemon"):
        assert path.lstat().st_gid == grp.getgrnam("daemon").gr_gid


def test_a_full_umask_does_not_narrow_the_socket(path: Path) -> None:
    before = os.umask(0o777)
    try:
        with listener.bind(path, mode=0o600, group=""):
            assert mode_of(path) == 0o600
    finally:
        os.umask(before)


def test_it_listens_and_does_not_block(path: Path) -> None:
    with listener.bind(path, mode=0o600, group="") as bound, socket.socket(socket.AF_UNIX) as peer:
        assert bound.getblocking() is False
        assert bound.get_inheritable() is False
        peer.connect(str(path))
        bound.accept()[0].close()


def test_a_stale_socket_is_replaced(path: Path) -> None:
    listener.bind(path, mode=0o600, group="").close()
    assert path.is_socket()
    with listener.bind(path, mode=0o600, group=""), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    before = path.lstat().st_ino
    with pytest.raises(LiveHandleError, match="is no socket: move it away") as refused:
        listener.bind(path, mode=0o600, group="")
    assert refused.value.name == "config.invalid"
    assert ("symbolic link" in refused.value.message) is (kind == "link")
    assert path.lstat().st_ino == before


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_at_which_a_process_listens_is_left_alone(path: Path, kind: int) -> None:
    with socket.socket(socket.AF_UNIX, kind) as holder:
        holder.bind(str(path))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        before = path.lstat().st_ino
        with pytest.raises(LiveHandleError, match=f"listens on {path}: use it") as refused:
            listener.bind(path, mode=0o600, group="")
        assert refused.value.name == "daemon.already_running"
        assert refused.value.data["path"] == str(path)
        # Of a socket of another kind the kernel does not say whose it is.
        assert refused.value.data.get("pid") == (
            os.getpid() if kind == socket.SOCK_STREAM else None
        )
        assert path.lstat().st_ino == before


def test_a_socket_whose_backlog_is_full_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as holder, socket.socket(socket.AF_UNIX) as waiting:
        holder.bind(str(path))
        holder.listen(0)
        waiting.connect(str(path))
        with pytest.raises(LiveHandleError, match="Process unknown listens"):
            listener.bind(path, mode=0o600, group="")


def test_an_unknown_group_is_refused_before_anything_is_made(path: Path) -> None:
    with pytest.raises(LiveHandleError, match="no-such-group") as refused:
        listener.bind(path, mode=0o660, group="no-such-group")
    assert refused.value.data["param"] == "control.group"
    assert not path.exists()


def test_a_path_that_cannot_be_bound_is_refused_in_words(path: Path) -> None:
    with pytest.raises(LiveHandleError, match="cannot be used for the socket"):
        listener.bind(path / "absent", mode=0o600, group="")


@pytest.mark.parametrize("step", ["chown", "chmod"])
def test_a_socket_that_cannot_be_given_its_rights_is_not_left_behind(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        assert path.is_socket()
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(LiveHandleError, match=r"\(Operation not permitted\)"):
        listener.bind(path, mode=0o660, group="")
    assert not os.path.lexists(path)


def test_what_another_put_there_in_the_meantime_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_remove_stale", lambda path: path.write_text("precious"))
    with pytest.raises(LiveHandleError, match="cannot be used for the socket"):
        listener.bind(path, mode=0o600, group="")
    assert path.read_text() == "precious"


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_the_directory_and_what_is_missing_above_it_are_made_0700(path: Path, umask: int) -> None:
    directory = path / "upper" / "lower"
    before = os.umask(umask)
    try:
        listener.make_directory(directory)
    finally:
        os.umask(before)
    assert [mode_of(each) for each in (directory, path / "upper", path)] == [0o700] * 3
    listener.make_directory(directory)


def test_a_directory_that_is_there_keeps_its_mode(path: Path) -> None:
    path.parent.chmod(0o750)
    listener.make_directory(path.parent)
    assert mode_of(path.parent) == 0o750


@pytest.mark.usefixtures("no_umask")
def test_a_directory_is_never_wider_than_0700_while_it_is_made(path: Path) -> None:
    with watched(path / "upper") as upper, watched(path / "upper" / "lower") as lower:
        for _ in range(100):
            listener.make_directory(path / "upper" / "lower")
            (path / "upper" / "lower").rmdir()
            (path / "upper").rmdir()
    assert upper <= {0o700}
    assert lower <= {0o700}


@pytest.mark.parametrize("exists", [True, False])
def test_a_directory_that_is_a_symbolic_link_is_refused_with_where_it_leads(
    path: Path, exists: bool
) -> None:
    there, link = path.parent / "there", path.parent / "link"
    link.symlink_to("there")
    if exists:
        there.mkdir(mode=0o700)
    with pytest.raises(LiveHandleError, match="it is a symbolic link") as refused:
        listener.make_directory(link)
    assert refused.value.message.endswith(f"give a --socket in {there}.")
    assert there.exists() is exists


def test_a_symbolic_link_further_up_is_no_matter(path: Path) -> None:
    (path.parent / "there").mkdir()
    (path.parent / "link").symlink_to("there")
    listener.make_directory(path.parent / "link" / "new")
    assert mode_of(path.parent / "there" / "new") == 0o700


@pytest.mark.parametrize(
    ("mode", "safe"), [(0o700, True), (0o755, True), (0o1777, True), (0o770, False), (0o702, False)]
)
def test_a_directory_that_others_may_write_to_is_refused_unless_it_is_sticky(
    path: Path, mode: int, safe: bool
) -> None:
    path.mkdir()
    path.chmod(mode)
    if safe:
        listener.make_directory(path)
    else:
        with pytest.raises(LiveHandleError, match=f"not safe.* run chmod go-w {path}, or give"):
            listener.make_directory(path)


@needs_root
def test_a_directory_of_another_user_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, 64_001, 64_001)
    with pytest.raises(LiveHandleError, match=r"not safe.* belongs to user 64001"):
        listener.make_directory(path)


def test_a_directory_that_cannot_be_made_is_refused_in_words(path: Path) -> None:
    path.write_text("")
    for directory, said in ((path, "it is no directory"), (path / "below", "cannot be used")):
        with pytest.raises(LiveHandleError, match=said) as refused:
            listener.make_directory(directory)
        assert refused.value.name == "config.invalid"


PASSED = """
import os, socket, sys
from livehandle_proto.errors import LiveHandleError
from livehandled.control.listener import inherited

passed, given, path = None, {}, sys.argv[1]
PREPARE
if passed is not None:
    os.dup2(passed.fileno(), 3)
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", **given}
try:
    found = inherited(environ, os.getpid())
except LiveHandleError as error:
    print(error.name, error.message)
else:
    print(found and (str(found[1]) == path, found[0].fileno(), found[0].get_inheritable()))
print(sorted(environ))
"""

LISTENING = "passed = socket.socket(socket.AF_UNIX); passed.bind(path); passed.listen()"

UNTOUCHED = "['LISTEN_FDNAMES', 'LISTEN_FDS', 'LISTEN_PID']"


@pytest.mark.parametrize(
    ("prepare", "said", "left"),
    [
        (LISTENING, "(True, 3, False)", "[]"),
        (LISTENING + "; given = {'LISTEN_PID': '1'}", "None", UNTOUCHED),
        (LISTENING + "; given = {'LISTEN_FDS': '2'}", "config.invalid The service manager", "[]"),
        ("os.closerange(3, 9)", "passed no socket", "[]"),
        ("passed = open(os.devnull)", "passed no socket", "[]"),
        ("passed = socket.socket(socket.AF_UNIX); passed.bind(path)", "something else", "[]"),
        (
            "passed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); passed.bind(path)",
            "something else",
            "[]",
        ),
        (
            "passed = socket.socket(); passed.bind(('127.0.0.1', 0)); passed.listen()",
            "something else",
            "[]",
        ),
        (
            r"passed = socket.socket(socket.AF_UNIX); passed.bind('\0x' + path); passed.listen()",
            "something else",
            "[]",
        ),
    ],
)
def test_only_one_listening_unix_stream_socket_with_a_path_is_inherited(
    path: Path, prepare: str, said: str, left: str
) -> None:
    program = PASSED.replace("PREPARE", prepare)
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    outcome, variables = run.stdout.splitlines()
    assert said in outcome
    assert variables == left
