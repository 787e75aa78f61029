"""The instance lock, between real processes where it matters."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.control.lock import InstanceLock

HOLDER = """
import sys
from pathlib import Path
from livehandled.control.lock import InstanceLock
with InstanceLock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_a_second_holder_is_refused_with_the_path_and_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with hold(path) as holder:
        with pytest.raises(LiveHandleError) as refused, InstanceLock(path):
            pass
        assert refused.value.name == "daemon.already_running"
        assert refused.value.data == {"path": str(path), "pid": holder.pid}
        assert str(path) in refused.value.message
        assert str(holder.pid) in refused.value.message
        holder.kill()


def test_a_killed_holder_leaves_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with hold(path) as holder:
        holder.kill()
    (tmp_path / "s.lock").write_text("99999999999\n")  # a longer number than ours
    with InstanceLock(path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_the_lock_can_be_taken_again_and_says_nothing_in_between(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "s")
    for _ in range(2):
        with lock:
            assert lock.path.read_text() == f"{os.getpid()}\n"
        assert lock.path.read_text() == ""


def test_a_refused_holder_leaves_the_first_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with InstanceLock(path) as first:
        for _ in range(2):
            with pytest.raises(LiveHandleError, match=str(os.getpid())), InstanceLock(path):
                pass
        assert first.path.read_text() == f"{os.getpid()}\n"


def test_a_holder_that_has_not_written_its_pid_is_refused_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with InstanceLock(path) as first:
        first.path.write_text("")
        with pytest.raises(LiveHandleError, match="pid unknown") as refused, InstanceLock(path):
            pass
        assert "pid" not in refused.value.data


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_lock_file_is_private(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with InstanceLock(tmp_path / "s") as lock:
            assert lock.path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_lock_file_that_was_wider_is_narrowed(tmp_path: Path) -> None:
    (tmp_path / "s.lock").touch()
    (tmp_path / "s.lock").chmod(0o666)
    with InstanceLock(tmp_path / "s") as lock:
        assert lock.path.stat().st_mode & 0o777 == 0o600


def a_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def a_second_name(path: Path) -> None:
    path.with_name("precious").write_text("precious")
    path.hardlink_to(path.with_name("precious"))


def a_file_of_another(path: Path) -> None:
    path.touch()
    os.chown(path, 64_001, 64_001)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (a_link, "it is a symbolic link"),
        (Path.mkdir, "Is a directory"),
        (os.mkfifo, "it is no plain file of yours with one name"),
        (a_second_name, "it is no plain file of yours with one name"),
        pytest.param(
            a_file_of_another,
            "it is no plain file of yours with one name",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away"),
        ),
    ],
)
def test_a_lock_file_that_is_not_ours_alone_is_refused_in_words_and_left_alone(
    tmp_path: Path, prepare: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "s.lock"
    prepare(path)
    before = path.lstat()
    with (
        pytest.raises(LiveHandleError, match=rf"cannot be locked \({said}\): ") as refused,
        InstanceLock(tmp_path / "s"),
    ):
        pass
    assert refused.value.name == "config.invalid"
    assert path.lstat() == before
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_file_that_cannot_be_written_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with (
            pytest.raises(LiveHandleError, match="No space left on device"),
            InstanceLock(tmp_path / "s"),
        ):
            pass
    with InstanceLock(tmp_path / "s"):  # it was let go
        pass


def test_a_lock_file_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    with (
        pytest.raises(LiveHandleError, match=r"No such file or directory.*give another --socket"),
        InstanceLock(tmp_path / "absent" / "s"),
    ):
        pass
