"""What waits for the thread that writes."""

import pytest

from livehandled.recording.inbox import Inbox
from livehandled.recording.items import Cut, Frame, Item, ModelAudio, UserAudio, size_of


def test_what_was_put_is_taken_in_order_and_once() -> None:
    inbox = Inbox()
    inbox.put(Cut(1.0))
    inbox.put(Frame(2.0, "in", b"{}"))
    assert inbox.take(0.0) == [Cut(1.0), Frame(2.0, "in", b"{}")]
    assert inbox.take(0.0) == []


@pytest.mark.parametrize("bounds", [{"max_items": 2}, {"max_bytes": 1100}])
def test_what_finds_no_room_is_dropped_and_counted(bounds: dict[str, int]) -> None:
    inbox = Inbox(**bounds)
    for at in range(5):
        inbox.put(Cut(at))
    assert inbox.take(0.0) == [Cut(0), Cut(1)]
    assert inbox.dropped == 3
    inbox.put(Cut(6.0))
    assert inbox.take(0.0) == [Cut(6.0)]


def test_a_closed_inbox_gives_what_waits_and_takes_nothing_more() -> None:
    inbox = Inbox()
    inbox.put(Cut(1.0))
    inbox.close()
    still_open = not inbox.over
    assert still_open
    inbox.put(Cut(2.0))
    assert inbox.take(60.0) == [Cut(1.0)]
    assert inbox.over
    assert inbox.take(60.0) == []


@pytest.mark.parametrize(
    ("item", "least"),
    [
        (Frame(0.0, "out", bytes(1000)), 1000),
        (ModelAudio(0.0, "A" * 1000, ""), 1000),
        (UserAudio(0.0, bytes(1000)), 1000),
        (Cut(0.0), 1),
    ],
)
def test_the_size_of_an_item_is_about_that_of_its_data(item: Item, least: int) -> None:
    assert least <= size_of(item) < least + 600
