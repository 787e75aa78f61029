"""Roles as they are told."""

import msgspec

from livehandle_proto.roles import Claims, Holder


def test_a_role_that_nobody_holds_is_told_as_null() -> None:
    holder = Holder(connection="c1", client="", pid=2, uid=0)
    told = msgspec.json.encode(Claims(mic=holder, speaker=None))
    assert told == (b'{"mic":{"connection":"c1","client":"","pid":2,"uid":0},"speaker":null}')
    assert msgspec.json.decode(told, type=Claims) == Claims(mic=holder, speaker=None)
