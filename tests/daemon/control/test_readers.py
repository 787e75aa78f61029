"""Whether others than the one who asks have sent something."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from livehandled.control.readers import Readers


@pytest.fixture
def readers() -> Iterator[Readers]:
    with Readers() as these:
        yield these


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        yield [
            (stack.enter_context(ours), stack.enter_context(theirs))
            for ours, theirs in (socket.socketpair() for _ in range(3))
        ]


Pairs = list[tuple[socket.socket, socket.socket]]


@pytest.mark.parametrize(
    ("senders", "expected"),
    [([], False), ([0], False), ([1], True), ([0, 2], True), ([0, 1, 2], True)],
)
def test_others_wait_once_one_of_them_has_sent_something(
    readers: Readers, pairs: Pairs, senders: list[int], expected: bool
) -> None:
    with ExitStack() as stack:
        for ours, _ in pairs:
            stack.enter_context(readers.reading(ours))
        for sender in senders:
            pairs[sender][1].send(b"x")
        assert readers.others_wait(pairs[0][0].fileno()) is expected


def test_those_who_are_not_read_from_do_not_count(readers: Readers, pairs: Pairs) -> None:
    (mine, _), (other, others_end), _ = pairs
    others_end.send(b"x")
    with readers.reading(mine):
        with readers.reading(other):
            assert readers.others_wait(mine.fileno())
        assert not readers.others_wait(mine.fileno())
