"""Who may speak."""

import grp
import os
import socket

import pytest

from livehandled.control.credentials import Credentials, admitted, credentials_of

STRANGER = Credentials(pid=1, uid=64_001, gid=64_001)
"""A user that has no name on this machine."""


def test_the_kernel_says_who_connected() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert credentials_of(ours) == (os.getpid(), os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("who", "uids", "group", "expected"),
    [
        (Credentials(1, os.geteuid(), 64_001), (), "", True),
        (Credentials(1, 0, 0), (), "", True),
        (STRANGER, (), "", False),
        (STRANGER, (64_002,), "", False),
        (STRANGER, (64_002, 64_001), "", True),
        (STRANGER, (), "no-such-group", False),
        (STRANGER, (), grp.getgrgid(0).gr_name, False),
        (STRANGER._replace(gid=0), (), grp.getgrgid(0).gr_name, True),
    ],
)
def test_our_own_user_root_listed_users_and_the_group_are_admitted(
    who: Credentials, uids: tuple[int, ...], group: str, expected: bool
) -> None:
    assert admitted(who, uids=uids, group=group) is expected


def test_a_further_group_of_the_user_admits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: type("Entry", (), {"pw_name": "a"}))
    monkeypatch.setattr("os.getgrouplist", lambda _name, gid: [gid, 0])
    assert admitted(STRANGER, uids=(), group=grp.getgrgid(0).gr_name)
