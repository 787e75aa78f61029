"""The journal's ring (M5)."""

from livehandled.journal import RING_BYTES, RING_ENTRIES, Journal


def journal(entries: int, *, new: bytes | None = b"1") -> Journal:
    filled = Journal(now_ms=lambda: 7)
    for number in range(entries):
        filled.record(f"k{number}", None, new, "set", delta=False)
    return filled


def sequences(filled: Journal, cursor: int) -> list[int]:
    return [entry.sequence for entry in filled.since(cursor)]


def test_m5_numbers_begin_at_1_and_the_cursor_is_the_last_of_them() -> None:
    assert journal(0).sequence == 0
    assert sequences(journal(3), 0) == [1, 2, 3]
    assert journal(3).sequence == 3


def test_m5_what_follows_a_cursor_is_strictly_greater() -> None:
    assert sequences(journal(5), 3) == [4, 5]
    assert sequences(journal(5), 5) == []
    assert sequences(journal(5), 6) == []


def test_m5_the_ring_keeps_1024() -> None:
    assert RING_ENTRIES == 1024
    filled = journal(1024)
    assert not filled.has_gap(0)
    filled.record("one more", None, b"1", "set", delta=False)
    assert filled.has_gap(0)
    assert not filled.has_gap(1)
    assert sequences(filled, 0) == list(range(2, 1026))
    assert sequences(filled, 1) == list(range(2, 1026))
    assert sequences(filled, 1023) == [1024, 1025]


def test_a_cursor_of_another_journal_is_a_gap() -> None:
    assert journal(3).has_gap(4)
    assert not journal(3).has_gap(3)


def test_large_values_leave_the_ring_before_it_is_full() -> None:
    quarter = b'"' + b"x" * (RING_BYTES // 4 - 2) + b'"'
    filled = journal(4, new=quarter)
    assert not filled.has_gap(0)
    filled.record("straw", b"1", None, "remove", delta=False)
    assert filled.has_gap(0)
    assert sequences(filled, 0) == [2, 3, 4, 5]


def test_the_last_mutation_of_a_key_is_not_a_deltas() -> None:
    filled = Journal(now_ms=lambda: 7)
    kept = filled.record("a", None, b"1", "set", delta=False)
    filled.record("a", b"1", b"2", "set", delta=True)
    filled.record("b", None, b"3", "set", delta=False)
    assert filled.last_of("a") == kept
    assert filled.last_of("c") is None


def test_after_another_run_numbers_go_on_from_the_clock() -> None:
    following = Journal(now_ms=lambda: 1_780_000_000_000)
    following.go_on(41)
    assert following.sequence == 1_780_000_000_000_000
    following.record("a", None, b"1", "set", delta=False)
    assert following.sequence == 1_780_000_000_000_001
    assert following.sequence < 2**53  # any client's numbers hold it


def test_a_clock_that_went_back_does_not_take_numbers_back() -> None:
    following = Journal(now_ms=lambda: 0)
    following.go_on(41)
    assert following.sequence == 42


def test_m5_to_every_cursor_of_another_run_there_is_a_gap() -> None:
    following = Journal(now_ms=lambda: 1000)
    following.go_on(41)
    for cursor in (0, 40, 41, 42, 99):
        assert following.has_gap(cursor)
        assert sequences(following, cursor) == []
    assert not following.has_gap(following.sequence)
    following.record("a", None, b"1", "set", delta=False)
    # What was told after the other run was saved is never taken for what is told now.
    assert following.has_gap(60)
    assert not following.has_gap(1_000_000)
    assert sequences(following, 60) == [1_000_001]
