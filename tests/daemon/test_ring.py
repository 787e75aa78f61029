"""What is kept for replay, and what has to go."""

from typing import NamedTuple

import pytest

from livehandle_proto.extractors import Extraction
from livehandle_proto.topics import Nothing, Text, TurnComplete
from livehandle_proto.values import Value
from livehandled.ring import Ring

ENVELOPE = 200


class Kept(NamedTuple):
    """An event that knows how often it was encoded."""

    seq: int
    data: Value
    encoded: list[bytes]

    def line(self, head: bytes) -> bytes:
        self.encoded.append(head)
        return b"x" * 1000


def kept(seq: int, data: Value | None = None) -> Kept:
    return Kept(seq, data or Text(text="a" * 100), [])


def numbers(ring: Ring[Kept]) -> list[int]:
    return [event.seq for event in ring]


def test_the_newest_are_kept_and_the_newest_that_went_is_known() -> None:
    ring: Ring[Kept] = Ring(3, 2**20)
    for seq in (2, 4, 6):
        ring.add(kept(seq))
    assert (numbers(ring), ring.forgotten_seq) == ([2, 4, 6], 0)
    ring.add(kept(9))
    assert (numbers(ring), ring.forgotten_seq) == ([4, 6, 9], 2)


def test_so_many_bytes_are_kept_as_the_limit_says() -> None:
    ring: Ring[Kept] = Ring(100, 3 * (ENVELOPE + 100))
    for seq in range(1, 4):
        ring.add(kept(seq))
    assert numbers(ring) == [1, 2, 3]
    ring.add(kept(4, Text(text="a")))
    assert (numbers(ring), ring.forgotten_seq) == ([2, 3, 4], 1)


def test_one_event_is_kept_whatever_its_size() -> None:
    ring: Ring[Kept] = Ring(100, 10)
    for seq in (1, 2):
        ring.add(kept(seq))
    assert (numbers(ring), ring.forgotten_seq) == ([2], 1)


@pytest.mark.parametrize(
    ("data", "encodings"),
    [
        (Nothing(), 0),
        (Text(text="a"), 0),
        (TurnComplete(turn=1), 0),
        (Extraction(name="a", value={"a": ["b"]}, turn=0), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_is_encoded_for_its_weight_only_where_it_is_not_plain(
    data: Value, encodings: int
) -> None:
    event = kept(1, data)
    Ring[Kept](2, 2**20).add(event)
    assert len(event.encoded) == encodings


def test_an_event_that_is_not_plain_weighs_what_its_line_does() -> None:
    ring: Ring[Kept] = Ring(100, 2000)
    for seq in range(1, 4):
        ring.add(kept(seq, Extraction(name="a", value=None, turn=0)))
    assert numbers(ring) == [2, 3]
