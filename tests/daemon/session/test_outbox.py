"""What waits for the model: text is never lost, media never late (decision Z7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.content import text_content
from livehandled.session import outbox as outbox_module
from livehandled.session.outbox import SUPERSEDED, Kind, Message, Outbox

KINDS: dict[str, Kind] = {
    "t": "text",
    "c": "context",
    "r": "tool",
    "m": "media",
    "a": "mark",
    "i": "instruction",
    "l": "tools",
    "s": "seed",
}
"""By the first letter of a frame in these tests."""

TURN = text_content("u", "user")


def box(limit: int = 4, media_s: float = 1.0) -> Outbox:
    return Outbox(limit=limit, media_s=media_s)


def message(frame: str) -> Message:
    return Message(frame.encode(), KINDS[frame[0]])


def put(outbox: Outbox, *frames: str, now: float = 0.0) -> None:
    """Put frames one after another."""
    for frame in frames:
        outbox.put(message(frame), now=now)


def taken(outbox: Outbox, now: float = 0.0) -> list[str]:
    frames = []
    while (found := outbox.take(now)) is not None:
        frames.append(found.frame.decode())
    return frames


def full() -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "session.queue_full")


# Messages.


@pytest.mark.parametrize(
    ("kind", "must_arrive"),
    [
        ("text", True),
        ("context", True),
        ("tool", True),
        ("media", False),
        ("mark", False),
        ("instruction", False),
        ("tools", False),
        ("seed", False),
    ],
)
def test_z7_text_context_and_answers_must_arrive_on_whatever_connection(
    kind: Kind, must_arrive: bool
) -> None:
    assert Message(b"", kind).must_arrive is must_arrive
    assert must_arrive or kind == "media" or kind in SUPERSEDED


# Order and age.


def test_frames_leave_in_the_order_they_came() -> None:
    outbox = box(limit=9)
    frames = ["m0", "t1", "m2", "c3", "a4", "t5"]
    put(outbox, *frames)
    assert len(outbox) == 6
    assert outbox.owing == 4
    assert taken(outbox, 0.5) == frames
    assert (len(outbox), outbox.owing) == (0, 0)


@pytest.mark.parametrize(("age", "sent"), [(0.0, True), (1.0, True), (1.001, False), (60.0, False)])
def test_z7_media_older_than_the_bound_is_dropped_and_counted(age: float, sent: bool) -> None:
    outbox = box(media_s=1.0)
    put(outbox, "m", "t", now=10.0)
    assert taken(outbox, 10.0 + age) == (["m", "t"] if sent else ["t"])
    assert outbox.dropped == (0 if sent else 1)


def test_k9_media_that_is_too_old_can_be_dropped_before_its_turn() -> None:
    outbox = box(media_s=1.0)
    put(outbox, "m1", "t1", now=10.0)
    put(outbox, "m2", now=11.0)
    outbox.expire(11.0)
    assert outbox.dropped == 0
    outbox.expire(11.5)
    assert (outbox.dropped, outbox.owing, len(outbox)) == (1, 1, 2)
    assert taken(outbox, 11.5) == ["t1", "m2"]
    assert outbox.dropped == 1


@pytest.mark.parametrize("frame", ["t", "c", "r", "a", "i", "s"])
def test_z7_what_is_no_media_waits_as_long_as_it_takes(frame: str) -> None:
    outbox = box()
    put(outbox, frame)
    outbox.expire(3600.0)
    assert taken(outbox, 3600.0) == [frame]


@pytest.mark.parametrize(
    ("waiting", "order"),
    [
        ([], ["r"]),
        (["t1", "m1", "c1"], ["r", "t1", "m1", "c1"]),
        (["r1", "t1"], ["r1", "r", "t1"]),
        (["t1", "i1", "t2"], ["t1", "i1", "r", "t2"]),
        (["t1", "l1", "t2"], ["t1", "l1", "r", "t2"]),
        (["i1", "t1", "r1", "t2"], ["i1", "r1", "r", "t1", "t2"]),
    ],
)
def test_a_tool_response_goes_before_all_but_what_was_to_govern_it(
    waiting: list[str], order: list[str]
) -> None:
    outbox = box(limit=9)
    put(outbox, *waiting, "r")
    assert taken(outbox) == order


def test_messages_put_first_go_first_in_their_order_however_full_it_is() -> None:
    outbox = box(limit=2)
    put(outbox, "t1", "t2")
    outbox.put_first(message("s1"), message("t0"), now=0.0)
    assert outbox.owing == 4
    with full():
        put(outbox, "t3")
    assert taken(outbox) == ["s1", "t0", "t1", "t2"]


@pytest.mark.parametrize(
    ("waiting", "sent"),
    [
        ([], ["s"]),
        (["t0"], ["t0", "s"]),
        (["m0", "t1"], ["s", "m0", "t1"]),
        (["t0", "m1", "m2"], ["t0", "s", "m1", "m2"]),
    ],
)
def test_a_mark_is_put_before_the_media_and_behind_the_text(
    waiting: list[str], sent: list[str]
) -> None:
    outbox = Outbox(limit=9, media_s=1.0)
    put(outbox, *waiting)
    outbox.put_before_media(message("s"), now=0.0)
    assert taken(outbox) == sent


def test_nothing_put_first_is_nothing() -> None:
    outbox = box()
    outbox.put_first(now=0.0)
    assert len(outbox) == 0


# Bounds.


def test_too_much_media_drops_the_oldest_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_MAX_MEDIA", 2)
    outbox = box(limit=3)
    put(outbox, "t1", "m1", "m2", "t2")
    assert outbox.dropped == 0
    put(outbox, "m3")
    assert outbox.dropped == 1
    assert taken(outbox) == ["t1", "m2", "t2", "m3"]


def test_two_seconds_of_the_smallest_chunks_fit() -> None:
    outbox = box(limit=256, media_s=10.0)
    for number in range(2000):  # 1 ms each
        put(outbox, f"m{number}")
    assert len(taken(outbox)) == 2000


@pytest.mark.parametrize("kinds", [("t", "t"), ("c", "t")])
def test_frames_that_belong_together_are_queued_all_or_none(kinds: tuple[str, str]) -> None:
    outbox = box(limit=3)
    first, second = kinds
    outbox.put(message(f"{first}a"), message(f"{second}b"), now=0.0)
    with full():
        outbox.put(message(f"{first}c"), message(f"{second}d"), now=0.0)
    assert taken(outbox) == [f"{first}a", f"{second}b"]


@pytest.mark.parametrize("frame", ["t3", "c3", "a3", "i3"])
def test_b16_a_full_queue_refuses_more_and_keeps_what_it_has(frame: str) -> None:
    outbox = box(limit=2)
    put(outbox, "t1", "c2")
    with full() as caught:
        put(outbox, frame)
    assert caught.value.data["retry_after_ms"] == 100
    assert taken(outbox) == ["t1", "c2"]
    assert outbox.dropped == 0


def test_answers_have_places_of_their_own_and_those_are_bounded_too() -> None:
    outbox = box(limit=2)
    put(outbox, "t1", "t2")
    answers = [f"r{number}" for number in range(64)]
    put(outbox, *answers)
    with full():
        put(outbox, "r64")
    assert taken(outbox) == [*answers, "t1", "t2"]


def test_bytes_are_bounded_too_but_one_frame_of_any_size_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "_MAX_BYTES", 10)
    outbox = box(limit=100)
    put(outbox, "m" * 50, "t" * 6)  # the picture makes room
    assert outbox.dropped == 1
    put(outbox, "c" * 4)
    with pytest.raises(LiveHandleError, match="2 frames wait"):
        put(outbox, "t")
    assert taken(outbox) == ["t" * 6, "c" * 4]
    put(outbox, "t" * 50)
    assert taken(outbox) == ["t" * 50]


# Another connection, another session.


def test_a_purge_takes_what_another_connection_does_not_need_and_leaves_the_rest() -> None:
    outbox = box(limit=9)
    put(outbox, "t1", "a1", "m1", "i1", "s1", "c1", "a2")
    purged = outbox.purge(*SUPERSEDED)
    assert [one.frame for one in purged] == [b"a1", b"i1", b"s1", b"a2"]
    assert outbox.owing == 2
    assert taken(outbox) == ["t1", "m1", "c1"]
    assert outbox.dropped == 0  # nothing of it is media


def test_a_purge_makes_room() -> None:
    outbox = box(limit=2)
    put(outbox, "a1", "a2")
    outbox.purge("mark")
    put(outbox, "t1", "t2")
    assert taken(outbox) == ["t1", "t2"]


def test_what_must_arrive_is_pending_in_order_and_stays() -> None:
    outbox = box(limit=9)
    put(outbox, "t1", "m1", "a1", "c1", "i1", "r1", "s1")
    assert [one.frame for one in outbox.pending()] == [b"t1", b"c1", b"r1"]
    assert len(outbox) == 7


def test_what_is_cleared_is_neither_sent_nor_counted() -> None:
    outbox = box(limit=1)
    outbox.hold("buffer", 0.0)
    put(outbox, "t1", "m1")
    outbox.clear()
    assert (len(outbox), outbox.owing) == (0, 0)
    put(outbox, "t2", "m2")  # nothing is held back any more either
    assert taken(outbox) == ["t2", "m2"]
    assert outbox.dropped == 0


# Audio during a call.


def test_audio_that_is_dropped_during_a_call_is_counted_and_the_rest_goes_on() -> None:
    outbox = box()
    put(outbox, "m0")  # said before the call
    assert outbox.hold("drop", 0.0) == 0
    put(outbox, "m1", "t1", "m2")
    assert taken(outbox) == ["m0", "t1"]
    assert outbox.dropped == 2
    assert outbox.hold("pass", 1.0) == 2
    put(outbox, "m3", now=1.0)
    assert taken(outbox, 1.0) == ["m3"]


def test_audio_that_is_buffered_during_a_call_follows_it_as_if_it_came_then() -> None:
    outbox = box(media_s=1.0)
    outbox.hold("buffer", 0.0)
    put(outbox, "m1", now=0.5)
    put(outbox, "m2", now=4.0)
    put(outbox, "t1", now=4.0)
    assert len(outbox) == 1
    assert outbox.hold("pass", 5.0) == 2
    assert taken(outbox, 6.0) == ["t1", "m1", "m2"]
    assert outbox.dropped == 0


def test_of_a_long_call_the_newest_five_seconds_of_audio_are_kept() -> None:
    outbox = box()
    outbox.hold("buffer", 0.0)
    for second in range(8):
        put(outbox, f"m{second}", now=float(second))
    assert outbox.dropped == 2
    assert outbox.hold("pass", 7.0) == 8
    assert taken(outbox, 7.0) == ["m2", "m3", "m4", "m5", "m6", "m7"]


def test_held_audio_is_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_MAX_MEDIA", 2)
    outbox = box()
    outbox.hold("buffer", 0.0)
    put(outbox, "m1", "m2", "m3")
    assert outbox.dropped == 1
    outbox.hold("pass", 0.0)
    assert taken(outbox) == ["m2", "m3"]


# Against a model.

LIMIT, MEDIA_S, MOST_BYTES = 4, 1.0, 16


class OutboxModel(RuleBasedStateMachine):
    """Against a list: text comes out exactly once and in order, media young or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.saved_bound = outbox_module._MAX_BYTES
        outbox_module._MAX_BYTES = MOST_BYTES
        self.outbox = box(LIMIT, MEDIA_S)
        self.now = 0.0
        self.number = 0
        self.put: list[tuple[str, float]] = []
        self.out: list[str] = []
        self.purged: list[str] = []
        self.holds = False

    def teardown(self) -> None:
        self.outbox.hold("pass", self.now)
        self.out += taken(self.outbox, self.now)
        order = [frame for frame, _ in self.put]
        for kinds in ("t", "c", "r"):
            sent = [frame for frame in self.out if frame[0] in kinds]
            assert sent == [frame for frame in order if frame[0] in kinds]
        others = [frame for frame in self.out if frame[0] in "tca"]
        assert others == [frame for frame in order if frame in set(others)]
        assert len(self.out) == len(set(self.out))
        assert self.outbox.dropped == len(self.put) - len(self.out) - len(self.purged)
        outbox_module._MAX_BYTES = self.saved_bound

    @rule(kind=st.sampled_from("tcrma"), padding=st.integers(0, 8))
    def add(self, kind: str, padding: int) -> None:
        self.number += 1
        frame = f"{kind}{self.number}" + "." * padding
        try:
            put(self.outbox, frame, now=self.now)
        except LiveHandleError:
            gone = {*self.out, *self.purged}
            waiting = [f for f, _ in self.put if f[0] != "m" and f not in gone]
            assert waiting
            room = LIMIT + 64 * (kind == "r")
            assert len(waiting) >= room or sum(map(len, [*waiting, frame])) > MOST_BYTES
        else:
            self.put.append((frame, self.now))

    @rule()
    def take(self) -> None:
        found = self.outbox.take(self.now)
        if found is None:
            assert len(self.outbox) == 0
            return
        self.out.append(found.frame.decode())

    @rule()
    def expire(self) -> None:
        self.outbox.expire(self.now)

    @rule()
    def purge(self) -> None:
        self.purged += [one.frame.decode() for one in self.outbox.purge(*SUPERSEDED)]

    @rule(policy=st.sampled_from(["drop", "buffer"]))
    @precondition(lambda self: not self.holds)
    def call(self, policy: outbox_module.Policy) -> None:
        self.outbox.hold(policy, self.now)
        self.holds = True

    @rule()
    @precondition(lambda self: self.holds)
    def answer(self) -> None:
        self.outbox.hold("pass", self.now)
        self.holds = False

    @precondition(lambda self: self.number)
    @rule(seconds=st.sampled_from([0.25, 0.75, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def counted(self) -> None:
        gone = {*self.out, *self.purged}
        owing = [frame for frame, _ in self.put if frame[0] != "m" and frame not in gone]
        assert self.outbox.owing == len(owing)
        assert len(self.outbox) >= self.outbox.owing


TestOutboxModel = OutboxModel.TestCase


@given(st.lists(st.booleans(), max_size=30), st.floats(0.0, 2.0))
def test_every_frame_is_sent_or_counted_as_dropped(media: list[bool], age: float) -> None:
    outbox = box(limit=64)
    for number, is_media in enumerate(media):
        put(outbox, f"{'m' if is_media else 't'}{number}")
    assert len(taken(outbox, age)) + outbox.dropped == len(media)


def test_media_is_taken_together_up_to_the_first_message_that_is_none() -> None:
    outbox = box()
    put(outbox, "m1", "m2", "m3", "t1", "m4")
    assert outbox.take_media(0.0, most_bytes=3) == [b"m1", b"m2"]
    assert outbox.take_media(0.0, most_bytes=3) == [b"m3"]
    assert outbox.take_media(0.0, most_bytes=3) == []
    assert taken(outbox) == ["t1", "m4"]
    assert (len(outbox), outbox.owing) == (0, 0)


def test_late_media_is_not_taken_but_counted() -> None:
    outbox = box()
    put(outbox, "m1")
    put(outbox, "m2", now=1.0)
    assert outbox.take_media(1.5, most_bytes=100) == [b"m2"]
    assert outbox.dropped == 1
