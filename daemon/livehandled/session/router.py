"""From what happens in a session to all who keep account of it, then to both event streams.

The order for each event is: telemetry, transcript, signals in the state, the voice, extractors;
then the raw event, then the semantic one. So who gets an event finds the state as it says.

Where redaction is configured it is between those who keep account and those who are told: what
is published here is as redaction leaves it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol
from weakref import WeakSet

import msgspec

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.transcripts import TranscriptTurn
from livehandle_proto.values import ErrorObject, FunctionCall, Phase, Value
from livehandled.extraction.extractor import Extraction
from livehandled.gemini.content import as_object
from livehandled.hub import Hub
from livehandled.redaction import NOTHING_REDACTED, Redaction
from livehandled.session.conversation import DISCONNECTED, RECONNECTED, Conversation, SessionEvent
from livehandled.session.redacted import RedactedEvents, redacted_error
from livehandled.signals import Signals
from livehandled.telemetry import Telemetry
from livehandled.transcript import Transcript
from livehandled.voice.playback import Playback
from livehandled.voice.stall import StallDetector

_SEMANTIC = {
    "connected": "live.connected",
    "text_delta": "live.text_delta",
    "text_complete": "live.text_complete",
    "audio_data": "live.audio",
    "media": "live.media",
    "input_transcription": "live.input_transcript",
    "output_transcription": "live.output_transcript",
    "thought": "live.thought",
    "tool_call_cancelled": "live.tool_cancelled",
    "interrupted": "live.interrupted",
    "reconnecting": "live.reconnecting",
    "resumed": "live.resumed",
    "disconnected": "live.disconnected",
    "error": "live.error",
    "go_away": "live.go_away",
}
"""The semantic topic of each session event that has one with the same data."""

_CUT_OFF = (RECONNECTED, DISCONNECTED)
"""Reasons of turns that ended because the connection did."""

_EDGES = {"voice_activity_start": True, "voice_activity_end": False}
"""The service's edges of speech: they have one where this side neither hears by itself nor was
told first."""


class Hearer(Protocol):
    """The session's voice, as far as the service has something to tell it."""

    @property
    def playback(self) -> Playback:
        """What was heard of the model."""

    @property
    def hears_itself(self) -> bool:
        """Whether a detector on this side tells of the user's speech."""

    def connected(self) -> None:
        """Note that the session is set up."""

    def dropped(self) -> None:
        """Note that the connection is lost, and that there will be another."""

    def resumed(self) -> None:
        """Note that the session goes on with another connection."""

    def ended(self) -> None:
        """Note the end of the session."""

    def model_spoke(self, base64_chars: int, mime_type: str, now: float) -> None:
        """Note speech of the model."""

    def interrupted(self, now: float, *, played: bool) -> int | None:
        """Note that the user cut the model off; return how many characters were heard."""

    def go_on(self) -> None:
        """Note that the turn goes on: it will not end softly."""

    def service_heard(self, now: float, *, speaking: bool) -> bool:
        """Note an edge of the user's speech that the service heard.

        Return whether it may be the first word of this edge (Z13).
        """

    def turn_ended(self) -> None:
        """Note the end of the turn."""


class Caller(Protocol):
    """What carries the model's calls out."""

    def called(self, calls: Sequence[FunctionCall]) -> None:
        """Note calls that came in one message."""

    def cancelled(self, keys: Iterable[str]) -> None:
        """Note that the model wants no answer to some calls."""

    def closed(self, keys: Iterable[str]) -> None:
        """Note that calls were answered."""

    def connection_lost(self) -> None:
        """Note that no service waits for any call there is."""

    def session_over(self) -> None:
        """Note the end of the session."""

    def user_spoke(self) -> None:
        """Note words of the user."""


class Ear(Protocol):
    """What listens to the sound of both sides."""

    def user(self, pcm: bytes) -> None:
        """Take sound of the microphone."""

    def model(self, data: str, mime_type: str) -> None:
        """Take speech of the model, as base64."""

    def cut(self) -> None:
        """Note that what of it had not been played is not heard."""


class Router:
    """Tells the parts of the daemon what happens, and publishes it."""

    def __init__(
        self,
        hub: Hub,
        telemetry: Telemetry,
        *,
        transcript: Transcript,
        signals: Signals,
        extraction: Extraction,
        clock: Callable[[], float],
        redaction: Redaction = NOTHING_REDACTED,
    ) -> None:
        self.voice: Hearer | None = None
        """Of the session there is."""
        self.tools: Caller | None = None
        """Who is told of the model's calls."""
        self.stall: StallDetector | None = None
        """What looks out for silence amid a reply."""
        self.sound: Ear | None = None
        """Who listens to the sound, while it is recorded."""
        self._hub = hub
        self._telemetry = telemetry
        self._transcript = transcript
        self._signals = signals
        self._extraction = extraction
        self._clock = clock
        self._redaction = redaction
        self._redacted = RedactedEvents(redaction) if redaction.reads_texts else None
        self._user_heard = False
        # Weak, for one that is watched for and then never awaited.
        self._phase_watchers: WeakSet[Callable[[Phase], None]] = WeakSet()
        self._followers: Mapping[str, Callable[[float], None]] = {
            "connected": self._connected,
            "interrupted": self._interrupted,
            "generation_complete": self._generated,
            "voice_activity_start": self._service_heard_start,
            "voice_activity_end": self._service_heard_end,
            "error": self._failed,
            "disconnected": self._ended,
        }

    # What the service says.

    def wants_raw(self) -> bool:
        """Return whether anybody asked for the service's messages verbatim, and may have them."""
        return self._redacted is None and self._hub.wanted("session.raw")

    def route(self, events: Iterable[SessionEvent]) -> None:
        """Tell and publish events, in order."""
        events = list(events)
        if self._redacted is not None:
            self._redacted.coming(events)
        for name, data in events:
            now, shown = self._clock(), data
            if self._redacted is not None:
                for held in self._redacted.held(name):
                    self._publish(*held)
                shown = self._redacted.shown(name, data)
            if isinstance(data, t.Audio):
                self._model_spoke(data, now)
            elif isinstance(data, t.TurnComplete):
                self._end_turn(data, now)
                continue
            elif name != "raw":
                self._account(name, data, shown, now)
            if self.stall is not None:
                self.stall.hear(name, now, self._plays_until(now))
            if self._redacted is None or not self._redacted.withholds(shown):
                self._publish(name, shown)
            if name in _EDGES and not self._hears_itself():
                self._heard(now, speaking=_EDGES[name])

    def _publish(self, name: str, data: Value) -> None:
        self._hub.publish(f"session.{name}", data)
        semantic = _SEMANTIC.get(name)
        if semantic is not None:
            self._hub.publish(semantic, data)

    def discreet(self, error: LiveHandleError) -> LiveHandleError:
        """Return the error as redaction leaves it: services quote, and programs too."""
        return redacted_error(error, self._redaction) if self._redaction.reads_texts else error

    def tell(self, error: LiveHandleError) -> None:
        """Publish an error that nobody waits for."""
        error = self.discreet(error)
        self.route([("error", msgspec.convert(error.to_json(), ErrorObject))])

    def _model_spoke(self, audio: t.Audio, now: float) -> None:
        chars = len(audio.data)
        self._telemetry.audio_out(chars)
        if self.sound is not None:
            self.sound.model(audio.data, audio.mime_type)
        self._telemetry.responded(now, "audio")
        self._model_began()
        if self.voice is not None:
            self.voice.model_spoke(chars, audio.mime_type, now)
            self._signals.plays_until(self._plays_until(now))

    def _plays_until(self, now: float) -> float:
        return now if self.voice is None else self.voice.playback.end(now) or now

    def _account(self, name: str, data: Value, shown: Value, now: float) -> None:
        match data:
            case t.Text() if name == "text_delta":
                self._model_wrote(data.text, now)
            case t.TranscriptDelta() if name == "input_transcription":
                self._transcript.user_said(data.text)
                self._user_spoke()
            case t.TranscriptDelta():
                self._model_said(data.text)
            case t.Usage():
                self._telemetry.usage(data)
            case t.ToolCalls():
                self._telemetry.tool_calls += len(data.function_calls)
                self._model_began()
                if self.tools is not None:
                    self.tools.called(data.function_calls)
            case t.CallIds() if self.tools is not None:
                self.tools.cancelled(data.ids)
            case t.Media():
                self._model_began()
            case t.PhaseChange():
                self._phase_changed(data.phase)
        if name not in _EDGES or not self._hears_itself():
            self._signals.hear(name, shown, now)
        follow = self._followers.get(name)
        if follow is not None:
            follow(now)

    def _model_began(self) -> None:
        self._transcript.model_began()
        self._go_on()

    def _model_wrote(self, text: str, now: float) -> None:
        self._telemetry.responded(now, "text")
        self._transcript.model_said(text)
        self._go_on()

    def _model_said(self, text: str) -> None:
        self._transcript.model_said(text)
        self._go_on()
        if self.voice is not None:
            self.voice.playback.words(text)
            if (cut := self.voice.playback.cut) is not None:  # words that came after the cut
                self._transcript.interrupted(cut)

    def _interrupted(self, now: float) -> None:
        self._telemetry.interrupted()
        if self.sound is not None:
            self.sound.cut()
        heard = None
        if self.voice is not None:
            played = self._hub.wanted("live.audio") or self._hub.wanted("session.audio_data")
            heard = self.voice.interrupted(now, played=played)
        self._transcript.interrupted(heard)

    def _generated(self, _now: float) -> None:
        self._telemetry.generation_complete()
        self._extraction.generation_completed()

    def _hears_itself(self) -> bool:
        return self.voice is not None and self.voice.hears_itself

    def _service_heard_start(self, now: float) -> None:
        if self.voice is not None:
            self.voice.service_heard(now, speaking=True)

    def _service_heard_end(self, now: float) -> None:
        if self.voice is None or self.voice.service_heard(now, speaking=False):
            self._telemetry.speech_ended(now, "server_vad")

    def _failed(self, _now: float) -> None:
        self._telemetry.errors += 1

    def _connected(self, _now: float) -> None:
        if self.voice is not None:
            self.voice.connected()

    def _ended(self, now: float) -> None:
        self._heard(now, speaking=False)  # whoever was told of a start is told of an end
        if self.voice is not None:
            self.voice.ended()
        if self.tools is not None:
            self.tools.session_over()

    def _user_spoke(self) -> None:
        if self.tools is not None:
            self.tools.user_spoke()

    def _go_on(self) -> None:
        if self.voice is not None:
            self.voice.go_on()

    def _end_turn(self, data: t.TurnComplete, now: float) -> None:
        figures = self._telemetry.turn_complete(now, data.turn)
        self._signals.hear("turn_complete", data, now)
        if self.stall is not None:
            self.stall.stop()
        if data.reason in _CUT_OFF:
            self._transcript.interrupted(None)  # all of it was said: nothing is cut
        turn = self._transcript.end_turn()
        if self.voice is not None:
            self.voice.turn_ended()
        if turn is not None:
            self._extraction.turn_completed(turn)
        self._hub.publish("session.turn_complete", data)
        self._hub.publish("live.turn_metrics", figures)
        self._hub.publish("live.turn_complete", _turn_ended(data, turn))

    # What the connection does.

    def dropped(self, events: Iterable[SessionEvent]) -> None:
        """Note that the connection is lost, and tell what ended with it."""
        if self.tools is not None:
            self.tools.connection_lost()
        self.route(events)
        if self.stall is not None:
            self.stall.stop()
        if not self._hears_itself():
            self._heard(self._clock(), speaking=False)  # the service will not tell of the end
        if self.voice is not None:
            self.voice.dropped()

    def resumed(self) -> None:
        """Note that another connection has taken the session up."""
        if self.voice is not None:
            self.voice.resumed()

    # What is sent.

    def text_sent(self) -> None:
        """Note that a typed turn is about to be sent (B1)."""
        self._telemetry.text_sent(self._clock())

    @property
    def next_note(self) -> int:
        """The number that the words of the next message will have in the transcript."""
        return self._transcript.next_note

    def user_typed(self, conversation: Conversation, *texts: str) -> None:
        """Note a message with words of the user that was sent (B1, B2)."""
        self._telemetry.text_turns_in += len(texts)
        self._transcript.user_typed(*texts)
        conversation.user_typed()
        self._user_spoke()
        self._go_on()

    def audio_sent(self, pcm: bytes) -> None:
        """Count microphone audio."""
        self._telemetry.audio_in(len(pcm))
        if self.sound is not None:
            self.sound.user(pcm)

    def video_sent(self) -> None:
        """Note that a picture was sent (Z11)."""
        self._telemetry.video_frames_in += 1
        self._signals.video_sent()

    def activity_ended(self, now: float) -> None:
        """Note that an activityEnd was written (Z13)."""
        self._telemetry.speech_ended(now, "activity_end")

    def tools_answered(
        self,
        conversation: Conversation,
        answered: Sequence[tuple[FunctionCall, object]],
        finished: Iterable[str],
    ) -> None:
        """Note answers to calls, and which calls they close."""
        for call, response in answered:
            self._transcript.tool_called(call.name, call.args, response)
            executed = t.ToolExecution(
                call_id=call.id,
                name=call.name,
                args=self._redaction.fields(call.args),
                result=self._redaction.fields(as_object(response)),
            )
            self._hub.publish("live.tool_execution", executed)
        if self.tools is not None:
            self.tools.closed(finished)
        self.route(conversation.answered(finished))
        self._extraction.tools_answered()

    # Who speaks.

    def playback_drained(self, now: float) -> None:
        """Note that the speaker has played everything: silence counts from here (L7)."""
        self._signals.plays_until(now)

    def user_speech(self, conversation: Conversation, now: float, *, speaking: bool) -> None:
        """Note an edge of the user's speech that was heard on this side."""
        self._signals.user_spoke(speaking=speaking, now=now)
        if speaking:
            self.route(conversation.speech_started())
        else:
            self._telemetry.speech_ended(now, "client_vad")
            self.route(conversation.speech_ended())
        self._heard(now, speaking=speaking)

    def _heard(self, now: float, *, speaking: bool) -> None:
        """Tell an edge of speech once, whoever heard it first (I5)."""
        if speaking != self._user_heard:
            self._user_heard = speaking
            if speaking:
                self._telemetry.speech_started(now)
                self._user_spoke()
            self._hub.publish("live.vad_start" if speaking else "live.vad_end", t.Nothing())

    # Who waits.

    def watch_phase(self, watcher: Callable[[Phase], None]) -> Callable[[], None]:
        """Call the watcher, while it is kept, at each change of phase; return what ends that."""
        self._phase_watchers.add(watcher)
        return lambda: self._phase_watchers.discard(watcher)

    def _phase_changed(self, phase: Phase) -> None:
        for watcher in tuple(self._phase_watchers):
            watcher(phase)

    def opened(self, voice: Hearer, *, new: bool = True) -> None:
        """Begin a session: of a new one, what the last left behind is no part."""
        self.voice = voice
        self._telemetry.session_opened()
        if new:
            self._transcript.clear()
        self._signals.opened(new=new)


def _turn_ended(data: t.TurnComplete, turn: TranscriptTurn | None) -> t.TurnEnded:
    return t.TurnEnded(
        turn=data.turn,
        turn_number=None if turn is None else turn.turn_number,
        user="" if turn is None else turn.user,
        model="" if turn is None else turn.model,
        interrupted=data.reason in _CUT_OFF or (turn is not None and turn.interrupted),
        reason=data.reason,
    )
