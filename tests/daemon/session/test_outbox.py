"""What waits for the model: text is never lost, media never late (decision Z7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livehandle_proto.errors import LiveHandleError
from livehandled.session import outbox as outbox_module
from livehandled.session.outbox import Outbox


def box(limit: int = 4, media_s: float = 1.0) -> Outbox:
    return Outbox(limit=limit, media_s=media_s)


def taken(outbox: Outbox, now: float) -> list[bytes]:
    frames = []
    while (frame := outbox.take(now)) is not None:
        frames.append(frame)
    return frames


def test_frames_leave_in_the_order_they_came() -> None:
    outbox = box()
    for number, media in enumerate([True, False, True]):
        outbox.put(b"%d" % number, media=media, now=0.0)
    assert len(outbox) == 3
    assert taken(outbox, 0.5) == [b"0", b"1", b"2"]
    assert len(outbox) == 0


@pytest.mark.parametrize(("age", "sent"), [(0.0, True), (1.0, True), (1.001, False), (60.0, False)])
def test_z7_media_older_than_the_bound_is_dropped_and_counted(age: float, sent: bool) -> None:
    outbox = box(media_s=1.0)
    outbox.put(b"audio", media=True, now=10.0)
    outbox.put(b"text", media=False, now=10.0)
    assert taken(outbox, 10.0 + age) == ([b"audio", b"text"] if sent else [b"text"])
    assert outbox.dropped == (0 if sent else 1)


def test_z7_text_waits_as_long_as_it_takes() -> None:
    outbox = box()
    outbox.put(b"text", media=False, now=0.0)
    assert taken(outbox, 3600.0) == [b"text"]


def test_too_much_media_drops_the_oldest_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_MAX_MEDIA", 2)
    outbox = box(limit=3)
    for frame, media in [(b"t1", False), (b"a1", True), (b"a2", True), (b"t2", False)]:
        outbox.put(frame, media=media, now=0.0)
    assert outbox.dropped == 0
    outbox.put(b"a3", media=True, now=0.0)
    assert outbox.dropped == 1
    assert taken(outbox, 0.0) == [b"t1", b"a2", b"t2", b"a3"]


def test_two_seconds_of_the_smallest_chunks_fit() -> None:
    outbox = box(limit=256, media_s=10.0)
    for number in range(2000):  # 1 ms each
        outbox.put(b"%d" % number, media=True, now=0.0)
    assert len(taken(outbox, 0.0)) == 2000


def test_frames_that_belong_together_are_queued_all_or_none() -> None:
    outbox = box(limit=3)
    outbox.put_all((b"a", b"b"), media=False, now=0.0)
    with pytest.raises(LiveHandleError):
        outbox.put_all((b"c", b"d"), media=False, now=0.0)
    assert taken(outbox, 0.0) == [b"a", b"b"]


def test_b16_a_queue_full_of_text_refuses_more_of_it_and_keeps_what_it_has() -> None:
    outbox = box(limit=2)
    for frame in (b"t1", b"t2"):
        outbox.put(frame, media=False, now=0.0)
    with pytest.raises(LiveHandleError) as caught:
        outbox.put(b"more", media=False, now=0.0)
    assert caught.value.name == "session.queue_full"
    assert caught.value.data["retry_after_ms"] == 100
    assert taken(outbox, 0.0) == [b"t1", b"t2"]
    assert outbox.dropped == 0


def test_bytes_are_bounded_too_but_one_frame_of_any_size_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "_MAX_BYTES", 10)
    outbox = box(limit=100)
    outbox.put(b"x" * 50, media=True, now=0.0)
    outbox.put(b"y" * 6, media=False, now=0.0)  # the picture makes room
    assert outbox.dropped == 1
    outbox.put(b"z" * 4, media=False, now=0.0)
    with pytest.raises(LiveHandleError, match="2 frames wait"):
        outbox.put(b"!", media=False, now=0.0)
    assert taken(outbox, 0.0) == [b"y" * 6, b"z" * 4]
    outbox.put(b"x" * 50, media=False, now=0.0)
    assert taken(outbox, 0.0) == [b"x" * 50]


def test_what_is_cleared_is_neither_sent_nor_counted() -> None:
    outbox = box(limit=1)
    outbox.put(b"t1", media=False, now=0.0)
    outbox.clear()
    assert len(outbox) == 0
    outbox.put(b"t2", media=False, now=0.0)
    assert taken(outbox, 0.0) == [b"t2"]
    assert outbox.dropped == 0


LIMIT, MEDIA_S, MOST_BYTES = 4, 1.0, 12


class OutboxModel(RuleBasedStateMachine):
    """Against a list: text comes out exactly once and in order, media young or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.saved_bound = outbox_module._MAX_BYTES
        outbox_module._MAX_BYTES = MOST_BYTES
        self.outbox = box(LIMIT, MEDIA_S)
        self.now = 0.0
        self.number = 0
        self.put: list[tuple[bytes, bool, float]] = []
        self.out: list[bytes] = []

    def teardown(self) -> None:
        while (frame := self.outbox.take(self.now)) is not None:
            self.out.append(frame)
        text = [frame for frame, media, _ in self.put if not media]
        assert [frame for frame in self.out if frame.startswith(b"t")] == text
        order = [frame for frame, _, _ in self.put]
        assert self.out == [frame for frame in order if frame in set(self.out)]
        assert self.outbox.dropped == len(self.put) - len(self.out)
        outbox_module._MAX_BYTES = self.saved_bound

    @rule(media=st.booleans(), padding=st.integers(0, 8))
    def add(self, media: bool, padding: int) -> None:
        self.number += 1
        frame = b"%c%d" % (b"m" if media else b"t", self.number) + b"." * padding
        try:
            self.outbox.put(frame, media=media, now=self.now)
        except LiveHandleError:
            waiting = [f for f, m, _ in self.put if not m and f not in self.out]
            assert waiting
            assert len(waiting) >= LIMIT or sum(map(len, [*waiting, frame])) > MOST_BYTES
        else:
            self.put.append((frame, media, self.now))

    @rule()
    def take(self) -> None:
        frame = self.outbox.take(self.now)
        if frame is None:
            assert len(self.outbox) == 0
            return
        self.out.append(frame)
        media, at = next((m, at) for f, m, at in self.put if f == frame)
        assert not media or self.now - at <= MEDIA_S

    @precondition(lambda self: self.number)
    @rule(seconds=st.sampled_from([0.25, 0.75, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def bounded(self) -> None:
        assert len(self.outbox) <= LIMIT


TestOutboxModel = OutboxModel.TestCase


@given(st.lists(st.booleans(), max_size=30), st.floats(0.0, 2.0))
def test_every_frame_is_sent_or_counted_as_dropped(media: list[bool], age: float) -> None:
    outbox = box(limit=64)
    for number, is_media in enumerate(media):
        outbox.put(b"%d" % number, media=is_media, now=0.0)
    assert len(taken(outbox, age)) + outbox.dropped == len(media)
