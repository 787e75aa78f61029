"""How the next connection takes the session up: what restores it, and what is sent again.

Sans-I/O, but for the wall clock that handles grow old by.
"""

from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Literal, NamedTuple

import msgspec

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.transcripts import ToolUse
from livehandle_proto.values import FunctionCall
from livehandled.gemini import frames
from livehandled.gemini.content import text_content
from livehandled.gemini.server import SessionResumptionUpdate
from livehandled.session.handles import Handles, Kept
from livehandled.session.history import Told, Turn, clipped, history
from livehandled.session.ledger import Again, Ledger, context_of
from livehandled.session.outbox import SUPERSEDED, Message, Outbox
from livehandled.session.plan import Plan
from livehandled.transcript import Transcript, tool_use


class Way(NamedTuple):
    """How a connection takes up the session."""

    restored: Literal["handle", "reseeded", "fresh"]
    handle: str | None = None
    seed: Sequence[Turn] = ()
    reason: str | None = None
    """Why not by a handle."""

    def __repr__(self) -> str:
        return f"Way({self.restored!r}, reason={self.reason!r}, ***)"


class TakenUp(NamedTuple):
    """What a session was when it was last seen: of an earlier daemon's, or nothing."""

    session_id: str | None = None
    turns: int = 0
    reconnects: int = 0
    covered_turns: int = 0
    """Turns of the transcript that the newest handle covers."""
    instruction: str | None = None
    handle: Kept | None = None
    unsent: Sequence[Message] = ()
    """What must arrive and may not have, in order."""
    owed: bool = False
    """Whether the model owes a reply beside those that they ask for."""
    told: Sequence[Told] = ()
    """The context that the handle covers, which no transcript has."""
    since: Sequence[Told] = ()
    """The context that was told after it."""
    calls: Sequence[FunctionCall] = ()
    """Calls that clients may still answer."""
    lost_at_ms: int | None = None
    """Wall clock: when an earlier daemon was last connected."""
    lost_at: float | None = None
    """Monotonic seconds: when this daemon was last connected."""
    generation: int = 0
    """Connections that this daemon has set up for it."""


class Resumption:
    """The newest handle whose extent is known, and what was said and sent since."""

    def __init__(
        self,
        plan: Plan,
        *,
        transcript: Transcript,
        policy: Literal["handle", "reseed", "fresh"],
        now_ms: Callable[[], int],
        before: TakenUp,
    ) -> None:
        self.handles = Handles(before.handle)
        self.ledger = Ledger(before.told, before.since)
        self.covered_turns = before.covered_turns
        """How many turns of the transcript the handle covers."""
        self._owed = before.owed
        self._plan = plan
        self._transcript = transcript
        self._policy = policy
        self._now_ms = now_ms

    @property
    def wants_handle(self) -> bool:
        """Whether the next connection is to be opened with a handle."""
        return self._policy == "handle" and self._plan.traits.resumption

    def way(self, *, first: bool) -> Way:
        """Return how the next connection takes the session up; the `first` has none to take up."""
        if first or self._policy == "fresh":
            return Way("fresh", reason=None if first else "resumption.policy is fresh")
        reason = "resumption.policy is reseed"
        if self._policy == "handle":
            plan = self._plan
            usable = self.handles.use(
                plan.model, plan.backend, plan.credentials.fingerprint, self._now_ms()
            )
            uncovered = self._uncovered()
            if not isinstance(usable, str):
                reason = usable.words
            elif uncovered is None:
                reason = "more was said since the handle came than is kept"
            elif uncovered and plan.traits.typed_turn == "realtime":
                # It takes no turns but at its beginning (wire 4.5).
                reason = "the handle does not cover what was said last, and the model takes no more"
            else:
                return Way("handle", handle=usable, seed=uncovered)
        known = [*self.ledger.told, *self.ledger.since]
        said = history(known, self._transcript.said())
        seed = clipped([*said, *self._beside()])
        return Way("reseeded" if seed else "fresh", seed=seed, reason=reason)

    def again(self, outbox: Outbox) -> Again:
        """Return what becomes of what was sent and waits, should the connection be lost.

        What stands in a turn of the transcript that is over is told from there.
        """
        waiting, anew = self._transcript.waiting, self._policy == "fresh"
        messages, since, owed = self.ledger.again(waiting, anew=anew)
        for message in outbox.pending():
            told = message.note and message.note not in waiting and not anew
            if not (told or message.only_asks):
                messages.append(message)
                continue
            since += context_of(message)
            owed |= message.kind == "text"
        return Again(messages, [*self.ledger.since, *since], owed or self._owed)

    def lost(self, outbox: Outbox) -> None:
        """Note that the connection is gone, and its open turn over: what it took is sent again."""
        self.handles.touch(self._now_ms())  # its validity counts from here
        messages, since, self._owed = self.again(outbox)
        self.ledger.lost(since)
        outbox.purge("text", "context", "tool", *SUPERSEDED)
        outbox.put_first(*messages, now=0.0)

    def resumed(self, way: Way, outbox: Outbox) -> None:
        """Put what goes first on a connection that has taken the session up into the outbox."""
        results = [late for m in outbox.purge("tool") for late in starmap(self.late, m.answers)]
        first = [*(Message(frame, "seed") for frame in self._seeds(way)), *results]
        waiting = [*results, *outbox.pending()]
        if self._owed and not any(message.kind == "text" for message in waiting):
            # Behind the context: on models before 3.8 that would cut the reply off.
            first += outbox.purge("context")
            first.append(Message(frames.ask(self._plan.traits), "text"))
        self._owed = False
        outbox.put_first(*first, now=0.0)
        self.ledger.connected()
        if way.restored != "handle":
            self.handles.begin_anew()

    def late(self, call: FunctionCall, answer: ToolAnswer) -> Message:
        """Return the result of a call as text; a silent one asks for no reply (wire 4.3)."""
        text = late_result(call, answer)
        if answer.scheduling == "SILENT":
            turns = [text_content(text, "user")]
            frame = frames.client_content(turns, turn_complete=False)
            return Message(frame, "context", turns, answers=[(call, answer)])
        return Message(frames.text_turn(text, self._plan.traits), "text", answers=[(call, answer)])

    def keep_handle(self, update: SessionResumptionUpdate, *, replied: bool) -> bool:
        """Take the service's update; return whether it brought a handle to keep.

        Nothing says what a handle covers, so one is kept only where nothing goes on that it may
        or may not cover: `replied` is whether the model has begun to answer in the open turn.
        Otherwise the one before it stays, and what was said since is told again.
        """
        plan = self._plan
        if update.last_consumed_client_message_index is not None:
            self.ledger.consumed(update.last_consumed_client_message_index)
        script = self._transcript
        if replied or script.current or script.waiting or not self.ledger.settled:
            self.handles.pass_over(update.new_handle, update.resumable)
            return False
        if not self.handles.update(
            update.new_handle,
            update.resumable,
            self._now_ms(),
            model=plan.model,
            backend=plan.backend,
            fingerprint=plan.credentials.fingerprint,
        ):
            return False
        self.ledger.covered()
        self.covered_turns = script.number
        return True

    @property
    def kept(self) -> Kept | None:
        """The handle, if everything is known that it does not cover."""
        return self.handles.kept if self.ledger.whole else None

    def last_words(self) -> tuple[str, str]:
        """Return what user and model last said, as far as the service knows by the handle."""
        turns = self._transcript.said()
        known = [turn for turn in reversed(turns) if turn.turn_number < self.covered_turns]
        user = next((turn.user for turn in known if turn.user), "")
        return user, next((turn.model for turn in known if turn.model), "")

    def _seeds(self, way: Way) -> list[bytes]:
        return frames.seed(way.seed, self._plan.traits, announced=way.restored != "handle")

    def _beside(self) -> list[Turn]:
        """Return what the user said aloud in the turn whose typed words are sent again."""
        words = self._transcript.spoken.strip()
        return [("user", words)] if words and self._transcript.waiting else []

    def _uncovered(self) -> list[Turn] | None:
        """Return the turns since the newest handle; None where not all are known any more."""
        turns = self._transcript.said()
        newer = [turn for turn in turns if turn.turn_number >= self.covered_turns]
        if not self.ledger.whole or self._transcript.number - self.covered_turns > len(newer):
            return None
        return [*history(self.ledger.since, newer), *self._beside()]


def late_result(call: FunctionCall, answer: ToolAnswer) -> str:
    """Return what came of a call that no service waits for any more, in words for the model."""
    args, result = (msgspec.json.encode(value).decode() for value in (call.args, answer.response))
    return (
        f"The connection was lost while the function {call.name} was running with {args}. "
        f"It has returned: {result}"
    )


def tools_in(messages: Sequence[Message]) -> list[ToolUse]:
    """Return the answers to calls in messages, as the transcript has them."""
    answers = [one for message in messages for one in message.answers]
    return [tool_use(call.name, call.args, answer.response) for call, answer in answers]
