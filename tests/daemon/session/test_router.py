"""From session events to counters and to both streams."""

import pytest

from livehandle_proto import topics as t
from livehandle_proto.topics import TOPICS
from livehandle_proto.values import Ended, ErrorObject, FunctionCall, Value
from livehandled.hub import Event, Hub
from livehandled.session.router import Router
from livehandled.telemetry import Telemetry

AUDIO = t.Audio(data="A" * 640, mime_type="audio/pcm;rate=24000")
CALLS = [FunctionCall(id=i, name="f", args={}) for i in ("c1", "c2")]
EVENTS: list[tuple[str, Value, str | None]] = [
    ("connected", t.SessionStarted(session_id="s"), "live.connected"),
    ("text_delta", t.Text(text="a"), "live.text_delta"),
    ("text_complete", t.Text(text="a"), "live.text_complete"),
    ("audio_data", AUDIO, "live.audio"),
    ("media", t.Media(data="AAAA", mime_type="image/png"), "live.media"),
    ("input_transcription", t.Transcript(text="a"), "live.input_transcript"),
    ("output_transcription", t.Transcript(text="a"), "live.output_transcript"),
    ("thought", t.Text(text="a"), "live.thought"),
    ("tool_call", t.ToolCalls(function_calls=CALLS), None),
    ("tool_call_cancelled", t.CallIds(ids=["c1"]), None),
    ("turn_complete", t.TurnComplete(turn=0), "live.turn_complete"),
    ("generation_complete", t.Nothing(), None),
    ("interrupted", t.Nothing(), "live.interrupted"),
    ("phase_changed", t.PhaseChange(phase="active", previous="setup_sent"), None),
    ("go_away", t.GoAway(time_left_ms=1), "live.go_away"),
    ("disconnected", Ended(reason="closed"), "live.disconnected"),
    ("error", ErrorObject(code=1300, message="m", data={}), "live.error"),
    ("resume_update", t.ResumeUpdate(resumable=True), None),
    ("voice_activity_start", t.Nothing(), None),
    ("voice_activity_end", t.Nothing(), None),
    ("interaction_status", t.InteractionStatus(status="IDLE"), None),
    ("usage", t.Usage(total_token_count=42), None),
    ("raw", t.RawMessage(message={}), None),
]


class Rig:
    def __init__(self, *topics: str) -> None:
        self.hub = Hub(ring_events=64, wall_ms=lambda: 0)
        self.telemetry = Telemetry(started=0.0)
        self.router = Router(self.hub, self.telemetry)
        self.heard: list[Event] = []
        self.hub.attach(self.heard.append, topics)

    def counted(self) -> dict[str, object]:
        snapshot = self.telemetry.snapshot(0.0, media_dropped=0)
        return {name: value for name, value in snapshot.items() if value}


@pytest.mark.parametrize(("name", "data", "semantic"), EVENTS, ids=[e[0] for e in EVENTS])
def test_an_event_is_published_raw_and_where_it_has_one_under_its_semantic_topic(
    name: str, data: Value, semantic: str | None
) -> None:
    rig = Rig(*TOPICS)
    rig.router.route([(name, data)])
    topics = [f"session.{name}"] if semantic is None else [f"session.{name}", semantic]
    assert [(e.topic, e.data) for e in rig.heard] == [(topic, data) for topic in topics]
    assert type(data) is TOPICS[f"session.{name}"].data


def test_every_session_topic_is_one_of_these_events() -> None:
    assert {f"session.{name}" for name, _, _ in EVENTS} == {
        topic for topic in TOPICS if topic.startswith("session.")
    }


def test_events_keep_their_order() -> None:
    rig = Rig(*TOPICS)
    rig.router.route((name, data) for name, data, _ in EVENTS)
    raw = [e.topic for e in rig.heard if e.topic.startswith("session.")]
    assert raw == [f"session.{name}" for name, _, _ in EVENTS]


def test_z4_it_is_counted_the_same_with_and_without_listeners() -> None:
    deaf, heard = Rig(), Rig(*TOPICS)
    for rig in (deaf, heard):
        rig.router.route((name, data) for name, data, _ in EVENTS)
    assert deaf.counted() == heard.counted()
    assert deaf.counted() == {
        "audio_chunks_out": 1,
        "tool_calls": 2,
        "interruptions": 1,
        "turn_count": 1,
        "errors": 1,
        "total_token_count": 42,
    }


def test_h4_interruptions_and_turns_are_counted_one_by_one() -> None:
    rig = Rig()
    for _ in range(2):
        rig.router.route([("interrupted", t.Nothing()), ("turn_complete", t.TurnComplete(turn=0))])
    assert rig.counted() == {"interruptions": 2, "turn_count": 2}


def test_the_services_messages_are_wanted_only_where_somebody_named_them() -> None:
    assert not Rig("live.audio", "session.text_delta").router.wants_raw()
    assert Rig("session.raw").router.wants_raw()


def test_what_the_daemon_hears_itself_is_a_semantic_event() -> None:
    rig = Rig(*TOPICS)
    rig.router.heard(speaking=True)
    rig.router.heard(speaking=False)
    assert [e.topic for e in rig.heard] == ["live.vad_start", "live.vad_end"]
