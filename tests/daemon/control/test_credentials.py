"""Who may speak. Real other users: `tests/end_to_end/test_permissions.py`."""

import grp
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.control.credentials import (
    Credentials,
    admitted,
    credentials_of,
    group_id,
    groups_of_user,
)

STRANGER = Credentials(pid=1, uid=64_001, gid=64_001)
"""A user that has no name on this machine."""

GROUP = 4_000_000_000
"""A number that no C int holds."""

KERNEL_SAYS = 59


class OfGroups(socket.socket):
    """A connection whose peer's supplementary groups are set by the test."""

    groups: tuple[int, ...] | None = ()
    """None: the kernel does not tell."""

    def getsockopt(self, level: int, option: int, size: int = 0) -> bytes:  # type: ignore[override]  # with a size alone
        if option != KERNEL_SAYS:
            return super().getsockopt(level, option, size)
        if self.groups is None:
            raise OSError
        return struct.pack(f"={len(self.groups)}I", *self.groups)


@contextmanager
def connection(groups: tuple[int, ...] | None = ()) -> Iterator[OfGroups]:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, OfGroups(fileno=os.dup(ours.fileno())) as stub:
        stub.groups = groups
        yield stub


def test_the_kernel_says_who_connected() -> None:
    with connection() as ours:
        assert credentials_of(ours) == (os.getpid(), os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("who", "uids", "gid", "expected"),
    [
        (Credentials(1, os.geteuid(), 64_001), (), None, True),
        (Credentials(1, 0, 0), (), None, True),
        (STRANGER, (), None, False),
        (STRANGER, (64_002,), None, False),
        (STRANGER, (64_002, 64_001), None, True),
        (STRANGER, (), GROUP, False),
        (STRANGER, (), 0, False),
        (STRANGER._replace(gid=0), (), None, False),
        (STRANGER._replace(gid=0), (), 0, True),
    ],
)
def test_our_own_user_root_listed_users_and_the_group_are_admitted(
    who: Credentials, uids: tuple[int, ...], gid: int | None, expected: bool
) -> None:
    with connection() as ours:
        assert admitted(ours, who, uids=uids, gid=gid) is expected


@pytest.mark.parametrize(
    ("groups", "gid", "expected"),
    [
        ((7, GROUP), GROUP, True),
        ((7, GROUP), 7, True),
        ((7, GROUP), 0, False),
        ((7, GROUP), None, False),
        (tuple(range(256)), 255, True),
    ],
)
def test_a_further_group_of_the_process_admits_too(
    groups: tuple[int, ...], gid: int | None, expected: bool
) -> None:
    with connection(groups) as ours:
        assert admitted(ours, STRANGER, uids=(), gid=gid) is expected


def test_where_the_kernel_does_not_tell_groups_the_user_database_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection(None) as ours:
        assert not admitted(ours, STRANGER, uids=(), gid=GROUP)
        monkeypatch.setattr("os.getgrouplist", lambda _name, gid: [gid, GROUP])
        monkeypatch.setattr("pwd.getpwuid", lambda _uid: pwd.getpwnam("root"))
        assert admitted(ours, STRANGER, uids=(), gid=GROUP)


def test_a_user_is_in_its_groups_and_one_without_a_name_in_none() -> None:
    assert list(groups_of_user(64_001)) == []
    assert pwd.getpwuid(0).pw_gid in groups_of_user(0)


def test_a_group_has_a_number_or_is_refused() -> None:
    assert group_id("") is None
    assert group_id(grp.getgrgid(0).gr_name) == 0
    with pytest.raises(LiveHandleError, match="no-such-group") as refused:
        group_id("no-such-group")
    assert (refused.value.name, refused.value.data["param"]) == ("config.invalid", "control.group")
