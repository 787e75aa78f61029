"""Some minutes of conversation, faster than life; `python -m campaign soak` lasts an hour."""

from campaign import soak


def test_what_the_daemon_holds_does_not_grow_with_the_conversation() -> None:
    result = soak.run(minutes=2, speed=60.0)
    assert result.problems == []
    assert result.rotations > 0
    assert result.interruptions > 0
