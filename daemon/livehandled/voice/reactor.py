"""The voice reactor: what a turn of the voice has sent or held back (C1 to C15, D, Z3, Z9).

A pure step: the state takes the event in, then rules look at both, in order, and say what is to
be done. Nothing here does it: one executor carries effects out, and no other part of the daemon
writes activity marks.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from livehandled.gemini.content import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceState:
    """Who speaks, and what waits for that (C1). Times are monotonic seconds."""

    user_speaking: bool = False
    playback_active: bool = False
    """The model's speech is being played: from the first audio of a reply (Z9)."""
    prompt_pending: bool = False
    """Whether a prompt was armed, as the last event found it."""
    prompt_epoch: int = 0
    """How often speech overtook a pending prompt (C9)."""
    last_barge_in_at: float | None = None
    last_playback_drained_at: float | None = None
    activity_open: bool = False
    """Whether the last mark was a start: starts and ends alternate (Z3)."""


@dataclass(frozen=True, slots=True)
class PlaybackBegan:
    """Speech of the model is on its way to the speaker (Z9)."""


@dataclass(frozen=True, slots=True)
class PlaybackDrained:
    """The speaker has played everything."""

    prompt_pending: bool


@dataclass(frozen=True, slots=True)
class PlaybackOverdue:
    """The speaker should have reported by now, and has not (Z9)."""

    prompt_pending: bool


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    """The user began to speak. `marked`: the service is to be told, if it listens for marks."""

    prompt_pending: bool
    marked: bool = True


@dataclass(frozen=True, slots=True)
class UserSpeechEnded:
    """The user stopped speaking."""

    prompt_pending: bool
    marked: bool = True


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The service cut the model off, for it heard the user."""

    prompt_pending: bool


@dataclass(frozen=True, slots=True)
class ActivityMarked:
    """A client asks for a mark alone."""

    start: bool


VoiceEvent = (
    PlaybackBegan
    | PlaybackDrained
    | PlaybackOverdue
    | UserSpeechStarted
    | UserSpeechEnded
    | Interrupted
    | ActivityMarked
)


@dataclass(frozen=True, slots=True)
class PromptModel:
    """Send the context that waits, then the armed prompt (D1 to D3)."""


@dataclass(frozen=True, slots=True)
class CancelDeferredPrompt:
    """Disarm the prompt; the context stays (D4)."""


@dataclass(frozen=True, slots=True)
class SignalUserActivityStart:
    """Write an activityStart."""


@dataclass(frozen=True, slots=True)
class SignalUserActivityEnd:
    """Write an activityEnd."""


@dataclass(frozen=True, slots=True)
class UpdateInstruction:
    """Give the model another instruction (D5)."""

    instruction: str


@dataclass(frozen=True, slots=True)
class SendContext:
    """Add turns to the model's history; none writes nothing (D7)."""

    turns: Sequence[Content]


@dataclass(frozen=True, slots=True)
class Run:
    """Do something of the rule's own. What it returns is awaited by the reaction's policy.

    While a blocking action runs, nothing else that rules want is done: give it a timeout.
    """

    action: Callable[[], Awaitable[None]]


Effect = (
    PromptModel
    | CancelDeferredPrompt
    | SignalUserActivityStart
    | SignalUserActivityEnd
    | UpdateInstruction
    | SendContext
    | Run
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How an effect is carried out (D8, D9)."""

    mode: Literal["blocking", "concurrent"] = "blocking"
    """Blocking effects run one after another, and an error ends the rest; a concurrent one runs
    beside them, and its error is told by an event."""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """One thing to be done, and the rule that wants it."""

    source: str
    effect: Effect
    policy: Policy = Policy()


Rule = Callable[[VoiceState, VoiceEvent], Sequence[Reaction]]
"""Looks at an event and at the state after it; it changes nothing, and never raises."""


def step(
    state: VoiceState, event: VoiceEvent, now: float, rules: Sequence[Rule]
) -> tuple[VoiceState, list[Reaction]]:
    """Return the state after an event, and what the rules have done about it, in their order.

    Of activity marks at most one is kept, the first of the kind that the event calls for, and
    none where it would repeat the last (Z3).
    """
    after = _updated(state, event, now)
    due = _mark_due(state, after)
    reactions: list[Reaction] = []
    for reaction in (reaction for rule in rules for reaction in rule(after, event)):
        if isinstance(reaction.effect, _MARKS):
            if reaction.effect != due:
                continue
            due = None
        reactions.append(reaction)
    if due is not None:  # no rule wants it, so it is not written
        after = replace(after, activity_open=state.activity_open)
    return after, reactions


def _updated(state: VoiceState, event: VoiceEvent, now: float) -> VoiceState:
    match event:
        case PlaybackBegan():
            return replace(state, playback_active=True)
        case PlaybackDrained(prompt_pending=pending):
            return replace(
                state, playback_active=False, prompt_pending=pending, last_playback_drained_at=now
            )
        case PlaybackOverdue(prompt_pending=pending):
            return replace(state, playback_active=False, prompt_pending=pending)
        case UserSpeechStarted(prompt_pending=pending, marked=marked):
            state = _barged_in(state, pending, now)
            return replace(state, user_speaking=True, activity_open=state.activity_open or marked)
        case UserSpeechEnded(prompt_pending=pending, marked=marked):
            return replace(
                state,
                user_speaking=False,
                prompt_pending=pending and not state.playback_active,
                activity_open=state.activity_open and not marked,
            )
        case Interrupted() if state.user_speaking:
            # By speech that has been taken in: what was armed since waits for its end (C7).
            return replace(state, playback_active=False)
        case Interrupted(prompt_pending=pending):
            return _barged_in(state, pending, now)
        case ActivityMarked(start=start):
            return replace(state, activity_open=start)


def _barged_in(state: VoiceState, pending: bool, now: float) -> VoiceState:
    """Return the state once the user has cut playback off.

    C9: an epoch for a prompt that was pending, whether this event or an earlier one found it so.
    """
    return replace(
        state,
        playback_active=False,
        prompt_pending=False,
        prompt_epoch=state.prompt_epoch + (pending or state.prompt_pending),
        last_barge_in_at=now,
    )


_MARKS = (SignalUserActivityStart, SignalUserActivityEnd)


def _mark_due(before: VoiceState, after: VoiceState) -> Effect | None:
    """Return the one mark that a step may write: whatever the rules want, marks alternate."""
    if before.activity_open == after.activity_open:
        return None
    return SignalUserActivityStart() if after.activity_open else SignalUserActivityEnd()


def prompt_on_playback_drained(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
    """Send the pending prompt once playback has ended, unless the user speaks (C3, C4, C7)."""
    if not isinstance(event, PlaybackDrained | PlaybackOverdue):
        return ()
    if not state.prompt_pending or state.user_speaking:
        return ()
    return (Reaction("prompt_on_playback_drained", PromptModel()),)


def user_speech_activity(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
    """Mark the user's speech; it holds a prompt back, and its end lets it go (C5 to C7, C15)."""
    source = "user_speech_activity"
    match event:
        case UserSpeechStarted():
            return (
                Reaction(source, CancelDeferredPrompt()),
                Reaction(source, SignalUserActivityStart()),
            )
        case UserSpeechEnded():
            end = Reaction(source, SignalUserActivityEnd())
            if state.prompt_pending:
                return (end, Reaction(source, PromptModel()))
            return (end,)
        case Interrupted() if not state.user_speaking:
            return (Reaction(source, CancelDeferredPrompt()),)
        case ActivityMarked(start=start):
            mark = SignalUserActivityStart() if start else SignalUserActivityEnd()
            return (Reaction(source, mark),)
        case _:
            return ()


DEFAULT_RULES: Sequence[Rule] = (prompt_on_playback_drained, user_speech_activity)
"""In the order of C2."""
