"""The voice of one session: its microphone, its reactor, and the time they wait for.

Everything a client or the service says about who speaks comes through here, and everything that
follows from it for the wire goes out through the one executor (Z3).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.context import PendingContext
from livehandled.effects import Executor, Pending, Start
from livehandled.gemini import frames
from livehandled.session.outbox import Message
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.voice.microphone import Audio, Committed, Heard, Microphone, Step
from livehandled.voice.playback import Playback, seconds_of
from livehandled.voice.reactor import (
    ActivityMarked,
    Interrupted,
    PlaybackBegan,
    PlaybackDrained,
    PlaybackOverdue,
    Rule,
    SendContext,
    UserSpeechEnded,
    UserSpeechStarted,
    VoiceEvent,
    VoiceState,
    step,
)

_SPEAKER_GRACE_S = 3.0
"""How long after all should have been played the speaker's report is waited for (Z9)."""


class Voice:
    """Who speaks in a session, and what that does to what is sent."""

    def __init__(
        self,
        session: Session,
        *,
        context: PendingContext,
        router: Router,
        rules: Sequence[Rule],
        clock: Callable[[], float],
        start: Start,
        look: Callable[[], None],
        commits: bool,
        soft_turn_s: float,
    ) -> None:
        self.state = VoiceState()
        self.playback = Playback()
        self.microphone: Microphone | None = None
        """Plugged in at the first audio, for it needs numpy."""
        self._session = session
        self._context = context
        self._router = router
        self._rules = rules
        self._clock = clock
        self._executor = Executor(self, start=start, tell=session.tell)
        self._look = look
        """To be called after a deadline may have come nearer."""
        self._commits = commits
        self._soft_turn_s = soft_turn_s
        self._soft_turn_at: float | None = None
        self._speech_ends_at = 0.0
        self._late_ends = 0
        """Of speech that ended here, how many ends the service has yet to tell in this turn."""
        self._activity_told = False
        """Whether the last mark that was written is a start."""

    # What clients say.

    def plug_in(self, microphone: Microphone) -> None:
        """Take the session's microphone, which comes with the first audio."""
        self.microphone = microphone
        self._session.conversation.hears_itself = self.hears_itself
        if self.state.activity_open:
            self._by_hand(self._clock(), start=True)

    def hear(self, data: str, pcm: bytes) -> Pending | None:
        """Take microphone audio, its base64 and its bytes: marks, frames and edges in order (B6).

        Context that waits goes first, so before a mark too.
        """
        microphone = self.microphone
        assert microphone is not None
        now = self._clock()
        self._context.flush(self._session.put)
        speaking = self._session.conversation.phase == "model_speaking"
        before = microphone.deadline
        steps = microphone.push(data, pcm, now, model_speaking=speaking)
        deadline = microphone.deadline
        if deadline is not None and (before is None or deadline < before):
            self._look()
        return self._take(steps, now)

    def playback_drained(self) -> Pending | None:
        """Note that the speaker has played everything (C3, C4, C14)."""
        now = self._clock()
        self.playback.drained(now)
        self._router.playback_drained(now)
        return self._react(PlaybackDrained(self._context.prompt_armed), now)

    def user_speech_started(self) -> Pending | None:
        """Note that a client heard the user begin to speak (C5, C12)."""
        now = self._clock()
        self._user_speech(now, speaking=True)
        pending = self._react(UserSpeechStarted(self._context.prompt_armed), now)
        self._by_hand(now, start=True)
        return pending

    def user_speech_ended(self) -> Pending | None:
        """Note that a client heard the user stop (C6, C7)."""
        now = self._clock()
        self._user_speech(now, speaking=False)
        self._by_hand(now, start=False)
        return self._react(UserSpeechEnded(self._context.prompt_armed), now)

    def marked(self, *, start: bool) -> Pending | None:
        """Write an activity mark for a client, if it is one's turn."""
        now = self._clock()
        pending = self._react(ActivityMarked(start=start), now)
        self._by_hand(now, start=start)
        return pending

    # What the service says.

    def model_spoke(self, base64_chars: int, mime_type: str, now: float) -> None:
        """Note speech of the model on its way to the speaker (Z9)."""
        self.playback.audio(seconds_of(base64_chars, mime_type), now)
        self._speech_ends_at = self.playback.end(now) or now
        if not self.state.playback_active:
            self._unasked(lambda: self._react(PlaybackBegan(), now))
            self._look()

    def interrupted(self, now: float, *, played: bool) -> int | None:
        """Note that the user cut the model off; return how many characters of it were heard.

        None leaves its words whole. `played` says whether anybody takes the audio at all (O3).
        """
        heard = self.playback.interrupted(now, reported=played)
        self._unasked(lambda: self._react(Interrupted(self._context.prompt_armed), now))
        return heard

    @property
    def hears_itself(self) -> bool:
        """Whether a detector on this side tells of the user's speech, not the service."""
        return self.microphone is not None and self.microphone.detector is not None

    def service_heard(self, now: float, *, speaking: bool) -> bool:
        """Note an edge that the service heard: the user's, unless this side hears by itself.

        Return whether nobody can have told of the same edge before. Where this side hears, that
        is the end of speech that goes on here.
        """
        if self.hears_itself:
            return not speaking and self._ended_early()
        self._user_goes_on(now, speaking=speaking)
        if speaking != self.state.user_speaking:
            self._unasked(lambda: self._speech(speaking, now, marked=False))
        return True

    def _ended_early(self) -> bool:
        """Take the service's end of speech for the oldest that ended here, if one is left."""
        if self._late_ends > 0:
            self._late_ends -= 1
            return False
        detector = None if self.microphone is None else self.microphone.detector
        early = detector is not None and detector.speaking
        if early:
            self._late_ends = -1  # its end here is yet to come, and has been told
        return early

    def go_on(self) -> None:
        """Note that the model answers, or that the user says more: no turn ends softly here."""
        self._soft_turn_at = None

    def turn_ended(self) -> None:
        """Note the end of the turn, whoever ended it."""
        if not self._session.conversation.turn_open:  # else it is the next one that is waited for
            self._soft_turn_at = None
        self._late_ends = 0
        self.playback.turn_ended()

    # What time brings.

    @property
    def deadline(self) -> float | None:
        """When `due` is to be called next: monotonic seconds, None if nothing is waited for."""
        microphone = None if self.microphone is None else self.microphone.deadline
        waits = (microphone, self._soft_turn_at, self._overdue_at())
        return min((at for at in waits if at is not None), default=None)

    def due(self, now: float) -> None:
        """Do what the time has come for. What fails is told as an event, for nobody called."""
        microphone = self.microphone
        if microphone is not None and _has_come(microphone.deadline, now):
            steps = microphone.fell_silent(now)
            self._unasked(lambda: self._take(steps, now))
        if _has_come(self._overdue_at(), now):
            overdue = PlaybackOverdue(self._context.prompt_armed)
            self._unasked(lambda: self._react(overdue, now))
        if _has_come(self._soft_turn_at, now):
            self._soft_turn_at = None
            self._router.route(self._session.conversation.end_softly())

    def _unasked(self, act: Callable[[], object]) -> None:
        try:
            act()
        except LiveHandleError as error:
            self._session.tell(error)

    def _overdue_at(self) -> float | None:
        if not self.state.playback_active:
            return None
        return self._speech_ends_at + _SPEAKER_GRACE_S

    # What the reactor wants (effects.Outlet).

    def prompt_model(self) -> None:
        """Send the context that waits, then the armed prompt (D1 to D3)."""
        if self._context.prompt_armed:
            self._router.text_sent()  # what the model says next answers the prompt
        self._context.prompt(self._session.put)

    def cancel_prompt(self) -> None:
        """Disarm the prompt; the context stays (D4)."""
        self._context.prompt_armed = False

    def mark(self, *, start: bool) -> None:
        """Write an activity mark, unless the service detects activity by itself (B13).

        Where it cannot be written the activity stays as the service knows it: the same edge
        may be told again, and marks alternate on the wire whatever failed.
        """
        if not self._session.plan.takes_marks or start == self._activity_told:
            return
        try:
            frame = frames.activity_start() if start else frames.activity_end()
            self._session.put(Message(frame, "mark"))
        except LiveHandleError:
            self.state = replace(self.state, activity_open=self._activity_told)
            if self.microphone is not None:
                self.microphone.activity_closed()
            raise
        self._activity_told = start
        if not start:
            self._router.activity_ended(self._clock())

    def update_instruction(self, instruction: str) -> None:
        """Give the model another instruction (D5)."""
        self._session.instruct(instruction)

    def send_context(self, effect: SendContext) -> None:
        """Add turns to the history (D7)."""
        if effect.turns:
            frame = frames.client_content(effect.turns, turn_complete=False)
            self._session.put(Message(frame, "context", effect.turns))

    def connected(self) -> None:
        """Note that the session is set up."""
        self._context.session_set_up()

    def dropped(self) -> None:
        """Note that the connection is lost: what its service was told is worth nothing now."""
        self._activity_told = False
        self._late_ends = 0
        if not self.hears_itself and self.state.user_speaking and not self.state.activity_open:
            now = self._clock()
            self._unasked(lambda: self._speech(False, now, marked=False))

    def resumed(self) -> None:
        """Begin an activity that goes on once more, for the service that takes it up (Z3)."""
        told = self._activity_told  # of speech that began between the two connections
        if self.state.activity_open and self._session.plan.takes_marks and not told:
            self._activity_told = True
            self._session.put_before_media(Message(frames.activity_start(), "mark"))

    def ended(self) -> None:
        """Note the end of the session: context that waited was for it, if it ever was set up."""
        self.state = replace(
            self.state,
            user_speaking=False,
            playback_active=False,
            prompt_pending=False,
            activity_open=False,
        )
        if self._session.id is None:
            self._context.session_failed()
        elif self._session.stop_reason != "stopped":  # the next daemon goes on with it
            self._context.clear()

    # What is told.

    def snapshot(self) -> v.VoiceState:
        """Return the state, with instants as milliseconds ago (C1)."""
        return shown(self.state, self._clock())

    def _take(self, steps: Sequence[Step], now: float) -> Pending | None:
        """Carry out all steps, and raise the first error only then: no edge is lost by one."""
        pending: Pending | None = None
        failure: LiveHandleError | None = None
        for one in steps:
            try:
                # The executor ends what an earlier step waits for before a later one's.
                pending = self._carry_out(one, now) or pending
            except LiveHandleError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return pending

    def _carry_out(self, one: Step, now: float) -> Pending | None:
        match one:
            case Audio(data=data):
                self._session.put(Message(frames.audio(data), "media"))
            case Heard(speaking=speaking):
                self._late_ends += not speaking
                self._user_speech(now, speaking=speaking)
                if not self._commits:
                    return self._speech(speaking, now, marked=False)
            case Committed(speaking=speaking):
                return self._speech(speaking, now, marked=True)
        return None

    def _by_hand(self, now: float, *, start: bool) -> None:
        """Tell the microphone that a client opened or closed the activity."""
        if self.microphone is None:
            return
        if start:
            self._take(self.microphone.activity_opened(), now)
        else:
            self.microphone.activity_closed()

    def _speech(self, speaking: bool, now: float, *, marked: bool) -> Pending | None:
        armed = self._context.prompt_armed
        event = UserSpeechStarted(armed, marked) if speaking else UserSpeechEnded(armed, marked)
        return self._react(event, now)

    def _user_speech(self, now: float, *, speaking: bool) -> None:
        self._user_goes_on(now, speaking=speaking)
        self._router.user_speech(self._session.conversation, now, speaking=speaking)

    def _user_goes_on(self, now: float, *, speaking: bool) -> None:
        """Wait for the user, or from the end of speech on for the model, up to a timeout (Z11)."""
        if speaking or not self._soft_turn_s:
            self.go_on()
        else:
            self._soft_turn_at = now + self._soft_turn_s
            self._look()

    def _react(self, event: VoiceEvent, now: float) -> Pending | None:
        self.state, reactions = step(self.state, event, now, self._rules)
        return self._executor.carry_out(reactions) if reactions else None


def shown(state: VoiceState, now: float) -> v.VoiceState:
    """Return the state as clients see it, with instants as milliseconds ago (C1)."""
    return v.VoiceState(
        user_speaking=state.user_speaking,
        playback_active=state.playback_active,
        prompt_pending=state.prompt_pending,
        prompt_epoch=state.prompt_epoch,
        last_barge_in_ms_ago=_ms_since(state.last_barge_in_at, now),
        last_playback_drained_ms_ago=_ms_since(state.last_playback_drained_at, now),
    )


def _has_come(at: float | None, now: float) -> bool:
    return at is not None and now >= at


def _ms_since(instant: float | None, now: float) -> int | None:
    return None if instant is None else max(0, round((now - instant) * 1000))
