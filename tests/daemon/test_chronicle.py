"""What the log tells of sessions, turns, calls and roles, and what it does not."""

import logging

import pytest

from livehandle_proto import topics as t
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractionFailure
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.roles import ClaimChange, Holder
from livehandle_proto.topics import TOPICS
from livehandled.chronicle import Chronicle
from livehandled.log import line
from support.parts import INTERRUPTED, TURN_COMPLETE, Json, Parts, calls, heard, said, text

WORDS = "marked words"


class Told:
    """The parts of a session, and what the log tells of them."""

    def __init__(self, caplog: pytest.LogCaptureFixture, *, transcripts: bool = False) -> None:
        caplog.set_level("INFO")
        self._caplog = caplog
        self.dropped = 0
        self.parts = Parts(set_up=False)
        Chronicle(
            self.parts.hub,
            session=lambda: self.parts.session,
            dropped=lambda: self.dropped,
            clock=lambda: self.parts.now,
            transcripts=transcripts,
        )
        self.parts.session.begin()

    def lines(self) -> list[str]:
        """Return what was logged since the last time, warnings with a mark."""
        records = [r for r in self._caplog.records if r.name == "livehandled.chronicle"]
        self._caplog.clear()
        return [("! " if r.levelno == logging.WARNING else "") + line(r) for r in records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    told = Told(caplog)
    told.lines()
    return told


def test_a_session_is_told_from_its_opening_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog)
    parts = told.parts
    assert told.lines() == [
        "session opened session=s-1 gen=1 model=gemini-3.8-live url=ws://127.0.0.1:1/"
    ]
    parts.lose(LiveHandleError("upstream.closed", "m", close_code=1011, close_reason="broke"))
    parts.session.reconnecting(2, 0.5, "closed with code 1011: broke")
    assert told.lines() == [
        (
            "! session reconnecting session=s-1 gen=1 attempt=2 delay_ms=500 code=1011 "
            'cause="closed with code 1011: broke"'
        )
    ]
    parts.now += 1.5
    parts.resume()
    (resumed,) = told.lines()
    assert resumed.startswith("session resumed session=s-1 gen=2 restored=fresh gap_ms=1500 why=")
    parts.session.reconnecting(1, 0.0, "rotation: it is old")
    assert told.lines() == [
        'session reconnecting session=s-1 gen=2 attempt=1 delay_ms=0 cause="rotation: it is old"'
    ]
    parts.session.end(v.Ended(reason="closed", code=1008, message="no more"))
    assert told.lines() == [
        '! session closed session=s-1 gen=2 cause=closed code=1008 why="no more"'
    ]


def test_an_end_that_was_wanted_is_no_warning(told: Told) -> None:
    told.parts.session.end(v.Ended(reason="disconnected"))
    assert told.lines() == ["session closed session=s-1 gen=1 cause=disconnected"]


def test_a_go_away_is_told_with_the_time_it_leaves(told: Told) -> None:
    told.parts.hear({"goAway": {"timeLeft": "50s"}})
    assert told.lines() == [
        "the service will close the connection session=s-1 gen=1 time_left_ms=50000"
    ]


def test_a_turn_is_told_with_its_figures_and_without_its_words(told: Told) -> None:
    told.parts.router.text_sent()
    told.parts.now += 0.25
    usage: Json = {"usageMetadata": {"promptTokenCount": 3, "responseTokenCount": 4}}
    told.parts.hear(heard(WORDS), text(WORDS), usage, TURN_COMPLETE)
    told.parts.hear(said(WORDS), INTERRUPTED, TURN_COMPLETE)
    assert told.lines() == [
        "turn complete session=s-1 turn=0 gen=1 latency_ms=250 prompt_tokens=3 response_tokens=4",
        "the model was interrupted session=s-1 turn=1 gen=1",
        "turn complete session=s-1 turn=1 gen=1 interrupted=yes",
    ]


def test_silence_amid_a_reply_is_a_warning(told: Told) -> None:
    told.parts.hub.publish("live.stalled", t.Stalled(silent_ms=3001))
    assert told.lines() == ["! model silent amid a reply session=s-1 turn=0 gen=1 silent_ms=3001"]


def test_what_was_said_is_told_where_it_is_wanted_once_a_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told(caplog, transcripts=True)
    told.lines()
    told.parts.hear(heard("Hi\nthere"), text("x" * 5000), TURN_COMPLETE, TURN_COMPLETE)
    assert told.lines() == [
        "turn complete session=s-1 turn=0 gen=1",
        rf'what was said session=s-1 turn=0 gen=1 user="Hi\nthere" model={"x" * 4000}',
        "turn complete session=s-1 turn=1 gen=1",
    ]


@pytest.mark.parametrize(
    ("response", "outcome", "mark"),
    [
        ({"temperature": WORDS}, "answered", ""),
        ({"error": WORDS}, "failed", "! "),
        ({"error": WORDS, "reason": WORDS}, "failed", "! "),
        ({"error": WORDS, "reason": "timeout"}, "timeout", "! "),
    ],
)
def test_a_call_is_told_with_its_outcome_and_its_time_and_without_what_came_of_it(
    told: Told, response: dict[str, object], outcome: str, mark: str
) -> None:
    told.parts.hear(calls("c1"))
    told.parts.now += 0.125
    told.parts.underlying.send_tool_response([ToolAnswer(id="c1", name="f", response=response)])
    assert told.lines() == [
        f"{mark}tool call over session=s-1 gen=1 call=c1 tool=f outcome={outcome} ms=125"
    ]


def test_a_call_that_is_cancelled_is_told_once(told: Told) -> None:
    told.parts.hear(calls("c1"), {"toolCallCancellation": {"ids": ["c1", "c2"]}})
    told.parts.hub.publish("live.tool_cancelled", t.CallIds(ids=["c1"]))
    assert told.lines() == [
        "tool call over session=s-1 gen=1 call=c1 tool=f outcome=cancelled ms=0"
    ]


def test_media_that_was_dropped_is_told_with_the_turn_and_not_one_by_one(told: Told) -> None:
    told.dropped = 7
    told.parts.hear(TURN_COMPLETE, TURN_COMPLETE)
    turn = "turn complete session=s-1 turn={} gen=1"
    assert told.lines() == [
        turn.format(0),
        "! media dropped session=s-1 gen=1 frames=7",
        turn.format(1),
    ]


def test_an_error_is_told_with_its_name_and_a_failed_extraction_by_name_alone(told: Told) -> None:
    told.parts.session.tell(LiveHandleError("upstream.rejected", "Correct what was sent."))
    error = v.ErrorObject(code=1, message=WORDS, data={"name": "extraction.failed"})
    told.parts.hub.publish(
        "live.extraction_error", ExtractionFailure(name="Order", error=error, turn=3)
    )
    assert told.lines() == [
        "! Correct what was sent. [upstream.rejected] session=s-1 gen=1",
        "! extractor failed session=s-1 turn=3 gen=1 extractor=Order error=extraction.failed",
    ]


def test_who_takes_a_role_from_whom_is_told(told: Told) -> None:
    one, two = (Holder(connection=f"c{n}", client=f"k {n}", pid=n, uid=0) for n in (1, 2))
    changes = [
        ClaimChange(role="mic", holder=two, previous=one, reason="forced"),
        ClaimChange(role="mic", holder=None, previous=two, reason="left"),
    ]
    for change in changes:
        told.parts.hub.publish("daemon.claim_changed", change)
    assert told.lines() == [
        'role changed hands client=c2 role=mic cause=forced name="k 2" previous=c1',
        "role changed hands role=mic cause=left previous=c2",
    ]


def test_nothing_is_listened_to_that_comes_often(told: Told) -> None:
    attached = {topic for topic in TOPICS if told.parts.hub._sinks[topic][1:]}
    assert attached
    assert not {topic for topic in attached if TOPICS[topic].delivery == "stream"}
    assert not {topic for topic in attached if "delta" in topic or "transcript" in topic}
