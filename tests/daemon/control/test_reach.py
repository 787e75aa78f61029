"""Who is admitted and kept out all the same, by the permission bits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehandled.config.schema import Control
from livehandled.control import listener, reach
from support.daemon import private_directory

GROUP = "ours"
STRANGER = 64_001


@pytest.fixture(autouse=True)
def our_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the group be this process's own, which may have no name."""
    monkeypatch.setattr(reach, "group_id", lambda name: os.getegid() if name else None)


@pytest.fixture
def path() -> Iterator[Path]:
    with private_directory() as directory:
        yield directory / "s"


@pytest.mark.parametrize(
    ("directory", "mode", "control", "said"),
    [
        (0o700, 0o600, Control(), ""),
        (0o700, 0o660, Control(), ""),
        (0o700, 0o660, Control(group=GROUP), f"members of control.group '{GROUP}' cannot enter"),
        (0o701, 0o660, Control(group=GROUP), "cannot enter"),  # the directory's group is theirs
        (0o710, 0o660, Control(group=GROUP), ""),
        (0o710, 0o606, Control(group=GROUP), "cannot write to {} (mode 0606): widen control.mode"),
        (0o710, 0o640, Control(group=GROUP), "cannot write to"),
        (0o710, 0o666, Control(uids=(STRANGER,)), f"user {STRANGER} of control.uids cannot enter"),
        (0o701, 0o666, Control(uids=(STRANGER,)), ""),
        (0o701, 0o660, Control(uids=(STRANGER,)), "cannot write to"),
        (0o700, 0o600, Control(uids=(0, os.geteuid())), ""),
        (0o711, 0o660, Control(group=GROUP, uids=(0, STRANGER)), f"user {STRANGER} of"),
    ],
)
def test_whom_the_bits_keep_out_is_told_with_the_place_and_what_to_do(
    path: Path, directory: int, mode: int, control: Control, said: str
) -> None:
    path.parent.chmod(directory)
    with listener.bind(path, mode=mode, group=""):
        found = reach.obstacle(path, control)
    assert said.format(path) in found
    assert bool(found) is bool(said)
    if "enter" in found:
        advised = f"{path.parent} (mode {directory:04o}): run chmod o+x {path.parent}, or give"
        assert advised in found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_of_a_directory_goes_by_the_owners_bits(path: Path) -> None:
    os.chown(path.parent, STRANGER, -1)
    path.parent.chmod(0o077)
    control = Control(uids=(STRANGER,))
    with listener.bind(path, mode=0o666, group=""):
        assert "cannot enter" in reach.obstacle(path, control)
        path.parent.chmod(0o100)
        assert reach.obstacle(path, control) == ""
        # Root needs no bits.
        assert reach.obstacle(path, Control(uids=(0, os.geteuid()))) == ""


def test_a_closed_directory_further_up_is_named(path: Path) -> None:
    inner = path.parent / "run"
    inner.mkdir()
    inner.chmod(0o755)
    control = Control(uids=(STRANGER,))
    with listener.bind(inner / "s", mode=0o666, group=""):
        assert f"cannot enter {path.parent} (" in reach.obstacle(inner / "s", control)


def test_what_cannot_be_seen_is_an_error_of_the_system(path: Path) -> None:
    path.parent.chmod(0o711)
    with pytest.raises(FileNotFoundError):
        reach.obstacle(path / "absent" / "s", Control(group=GROUP))
