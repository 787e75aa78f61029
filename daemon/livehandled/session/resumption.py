"""How the next connection takes the session up: what restores it, and what is sent again.

Sans-I/O, but for the wall clock that handles grow old by.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.gemini import frames
from livehandled.gemini.content import Content, text_content
from livehandled.gemini.server import SessionResumptionUpdate
from livehandled.session.connection import Plan
from livehandled.session.handles import Handles, Kept
from livehandled.session.history import Turn, history
from livehandled.session.ledger import Ledger
from livehandled.session.outbox import Message, Outbox
from livehandled.transcript import KEPT_TURNS, Transcript


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
    pending: Sequence[Message] = ()
    """What must arrive and may not have."""
    owed: Sequence[Message] = ()
    """What the handle covers, and is still to be answered."""
    told: Sequence[Content] = ()
    """The context that was told, which no transcript has."""
    calls: Sequence[FunctionCall] = ()
    """Calls that clients may still answer."""
    lost_at_ms: int | None = None
    """Wall clock: when it was last connected."""


class Resumption:
    """The newest handle, what it covers, and what was sent since."""

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
        self.ledger = Ledger()
        self.ledger.restore(before.owed, before.told)
        transcript.cover(before.covered_turns)
        self._open_turn: int | None = None
        """The last of those, where a handle came in the middle of it."""
        self._open_tools = 0
        """How many of its tools the handle covers."""
        self._covered_chars = 0
        """Of the user's words in the turn after those."""
        self._progressed = True
        """Whether the conversation has gone on since what the handle did not cover was told."""
        self._plan = plan
        self._transcript = transcript
        self._policy = policy
        self._now_ms = now_ms

    @property
    def covered_turns(self) -> int:
        """How many turns of the transcript the newest handle covers."""
        return self._transcript.covered_turns

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
            elif uncovered and plan.traits.typed_turn == "realtime":
                # It takes no turns but at its beginning (wire 4.5).
                reason = "the handle does not cover what was said last, and the model takes no more"
            else:
                return Way("handle", handle=usable, seed=uncovered)
        seed = history(self.ledger.known, self._transcript.window(KEPT_TURNS))
        return Way("reseeded" if seed else "fresh", seed=seed, reason=reason)

    def reply_began(self, now: float) -> None:
        """Note the first output of a reply."""
        self._progressed = True
        self.ledger.reply_began(now)

    def turn_completed(self, now: float) -> None:
        """Note the end of a turn."""
        self._progressed = True
        self.ledger.turn_completed(now)

    def lost(self) -> None:
        """Note that the connection is gone: the handle's validity counts from here."""
        self.handles.touch(self._now_ms())

    def messages(self, way: Way, outbox: Outbox) -> list[Message]:
        """Return what goes first on a connection that has taken the session up, in order.

        What waits in the outbox for the old connection, or has been told now, is taken out.
        """
        late = outbox.purge("tool")
        resumed = way.restored == "handle"

        def told(note: int) -> bool:
            turn = self._transcript.turn_of(note)
            if turn is None or way.restored == "fresh":  # nobody tells of it
                return False
            return not resumed or turn >= self.covered_turns

        again, owed = self.ledger.take_back(resumed=resumed, told=told)
        owed |= any(message.kind == "text" for message in outbox.take_out(told))
        asks = "text" in outbox.kinds()
        results = [message for message in again if message.kind == "tool"]
        first = [
            *(Message(frame, "seed") for frame in self._seeds(way)),
            *(self.late(call, answer) for m in (*results, *late) for call, answer in m.answers),
            *(message for message in again if message.kind != "tool"),
        ]
        if owed and not asks and not any(message.kind == "text" for message in first):
            # Owed again, it is asked for again.
            first.append(Message(frames.client_content((), turn_complete=True), "seed"))
        self._progressed = way.restored != "handle" or not way.seed
        for i, message in enumerate(first):
            if message.kind == "text":
                first[i] = message._replace(at_rest=True)  # nothing goes on there yet
                break
        if way.restored != "handle":
            self.handles.failed()  # it restores a session that is over
            self._transcript.cover()
        return first

    def late(self, call: FunctionCall, answer: ToolAnswer) -> Message:
        """Return the result of a call as text; a silent one asks for no reply (wire 4.3)."""
        text = late_result(call, answer)
        if answer.scheduling == "SILENT":
            turns = [text_content(text, "user")]
            frame = frames.client_content(turns, turn_complete=False)
            return Message(frame, "context", turns, answers=[(call, answer)])
        return Message(frames.text_turn(text, self._plan.traits), "text", answers=[(call, answer)])

    def keep_handle(self, update: SessionResumptionUpdate, *, replied: bool) -> bool:
        """Take the service's update; return whether it brought a handle.

        `replied` is whether the model has begun to answer in the open turn.
        """
        plan = self._plan
        if not self.handles.update(
            update.new_handle,
            update.resumable,
            self._now_ms(),
            model=plan.model,
            backend=plan.backend,
            fingerprint=plan.credentials.fingerprint,
        ):
            return False
        if not self._progressed:
            return True  # it knows no more than the last
        self._transcript.cover()
        self.ledger.handle_came(self._transcript.open_notes if replied else ())
        open_turn = self._transcript.current
        # What comes of calls in a turn that goes on is not what the handle was cut with.
        self._open_turn = self._transcript.number if replied else None
        self._open_tools = len(open_turn.tool_calls) if open_turn is not None else 0
        current = None if replied else open_turn
        sure = current is not None and not any(m.note for m in self.ledger.pending())
        self._covered_chars = len(current.user) if current is not None and sure else 0
        return True

    def last_words(self) -> tuple[str, str]:
        """Return what user and model last said, as far as the service knows by the handle."""
        turns = self._transcript.window(KEPT_TURNS)
        known = [turn for turn in reversed(turns) if turn.turn_number < self.covered_turns]
        user = next((turn.user for turn in known if turn.user), "")
        return user, next((turn.model for turn in known if turn.model), "")

    def _seeds(self, way: Way) -> list[bytes]:
        traits = self._plan.traits
        if way.restored != "handle":
            return frames.seed(way.seed, traits)
        if not way.seed:
            return []
        turns = [text_content(text, role) for role, text in way.seed]
        return [frames.client_content(turns, turn_complete=False)]

    def _uncovered(self) -> list[Turn]:
        """Return the turns that began after the newest handle was cut."""
        turns = self._transcript.window(KEPT_TURNS)
        newer = [turn for turn in turns if turn.turn_number >= self.covered_turns]
        cut = next((turn for turn in turns if turn.turn_number == self._open_turn), None)
        later = cut.tool_calls[self._open_tools :] if cut is not None else []
        if newer and newer[0].turn_number == self.covered_turns:
            words = newer[0].user[self._covered_chars :]
            newer[0] = msgspec.structs.replace(newer[0], user=words)
        if cut is not None and later and cut.turn_number < self.covered_turns:
            newer = [msgspec.structs.replace(cut, user="", model="", tool_calls=later), *newer]
        return history((), newer)


def late_result(call: FunctionCall, answer: ToolAnswer) -> str:
    """Return what came of a call that no service waits for any more, in words for the model."""
    args, result = (msgspec.json.encode(value).decode() for value in (call.args, answer.response))
    return (
        f"The connection was lost while the function {call.name} was running with {args}. "
        f"It has returned: {result}"
    )
