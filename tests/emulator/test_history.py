"""What the model remembers."""

import pytest

from livehandle_emulator.history import Entry, History, Kind, without_seed


def entry(kind: Kind, text: str = "x") -> Entry:
    return Entry("model" if kind == "reply" else "user", text, kind)


def test_entries_stand_in_order_after_those_that_were_restored() -> None:
    told: list[Entry] = []
    history = History([entry("typed", "a")], told.append)
    history.add("model", "b", "reply")
    history.add("model", "", "reply")
    assert list(history) == [entry("typed", "a"), entry("reply", "b")]
    assert len(history) == 2
    assert told == [entry("reply", "b")]


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ([], []),
        (["seed", "typed", "reply"], ["typed", "reply"]),
        (["context", "typed", "reply"], ["context", "typed", "reply"]),
        (["typed", "reply", "context"], ["typed", "reply"]),
        (["seed", "seed", "context"], []),
        (["speech", "result", "typed"], ["speech", "result", "typed"]),
    ],
)
def test_content_without_a_reply_can_be_forgotten(kinds: list[Kind], left: list[Kind]) -> None:
    assert [e.kind for e in without_seed([entry(kind) for kind in kinds])] == left
