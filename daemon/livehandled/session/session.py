"""One conversation with the model, over as many connections as it takes."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import anyio
from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.tools import Declared
from livehandled.gemini import frames
from livehandled.gemini.auth import mask
from livehandled.gemini.codec import Decoded
from livehandled.gemini.endpoints import public
from livehandled.gemini.opening import Function
from livehandled.session.conversation import Conversation, time_left_ms
from livehandled.session.declarations import Declarations, Tools
from livehandled.session.ledger import Again
from livehandled.session.outbox import Message, Outbox
from livehandled.session.plan import Plan, refusal
from livehandled.session.raw import raw_message
from livehandled.session.repeats import Repeats
from livehandled.session.resumption import Resumption, TakenUp, Way, tools_in
from livehandled.session.rotation import Quiet
from livehandled.session.router import Router
from livehandled.session.wiretap import Wiretap
from livehandled.transcript import Transcript

if TYPE_CHECKING:
    from livehandled.session.link import Link

_STOP_GRACE_S = 0.8
_HEARING_S = 2.0
"""How long after a sound the service may still answer it, and not have told of it."""
_REPEATS_S = 5.0
"""How long after a resume the service may say again what it said before."""


class Session:
    """One conversation with the model, from `start` to `ended`.

    Its task is the supervisor's. Everything else is called from the same event loop and never
    waits, but `settled` and `done`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        router: Router,
        outbox: Outbox,
        transcript: Transcript,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
        policy: Literal["handle", "reseed", "fresh"] = "handle",
        greet: Callable[["Session"], None] = lambda _session: None,
        look: Callable[[], None] = lambda: None,
        on_send: Callable[[], None] = lambda: None,
        patient: bool = False,
        taken_up: TakenUp | None = None,
        wiretap: Wiretap | None = None,
    ) -> None:
        before = taken_up or TakenUp()
        self.plan = plan
        self.id = before.session_id
        self.conversation = Conversation(
            transcript_is_text=plan.transcript_is_text, turns=before.turns
        )
        self.conversation.lost_calls |= {c.id: c for c in before.calls}
        self.resumption = Resumption(
            plan, transcript=transcript, policy=policy, now_ms=now_ms, before=before
        )
        self.instruction = before.instruction
        """What `update_instruction` said last, None before: every setup carries it."""
        self.declarations = Declarations(plan)
        self.generation = before.generation
        self.reconnects = before.reconnects
        self.state: v.ConnectionState | None = None
        self.ended: v.Ended | None = None
        self.last_close: v.Close | None = None
        self.patient = patient
        """Whether its first connection is tried until it succeeds: nobody waits for that."""
        self.established = False
        """Whether the session was set up, by this daemon."""
        self.outbox = outbox
        self.wiretap = wiretap or Wiretap()
        """Where its connections can be listened to."""
        self.unfinished = False
        """Whether it ended for want of credentials, and `connect` goes on with it."""
        self.scope = anyio.CancelScope()
        """What the supervisor runs in."""
        self.stop_reason: Literal["disconnected", "stopped"] | None = None
        self._taken_up = taken_up
        self._greet = greet
        self._on_send = on_send
        self._look_at_time = look
        """To be called after `deadline` may have come nearer."""
        self._left = Again([], [], owed=False)
        self._router = router
        self._transcript = transcript
        self._clock = clock
        self._link: Link | None = None
        self._began_at: float | None = None
        self._lost_at = clock() if before.lost_at is None else before.lost_at
        if before.lost_at_ms is not None:
            self._lost_at -= max(0, now_ms() - before.lost_at_ms) / 1000
        self._dropped_before = outbox.dropped
        self._turn_ended_at: float | None = None
        self._handle_at: float | None = None
        self._holds = False
        self._media_at = -math.inf
        self._retry: tuple[int, float, str] | None = None
        """The attempt that is made or to be made, its time, and why the last connection ended."""
        self._reconnects = False
        """Whether tools that the next setup misses are worth another connection."""
        self._hurried = anyio.Event()
        self._error: LiveHandleError | None = None
        self._settled = anyio.Event()
        self._done = anyio.Event()
        outbox.put_first(*before.unsent, now=clock())

    # For everybody.

    @property
    def open(self) -> bool:
        """Whether the session takes what is to be sent: it has not ended and is not ending."""
        return self.ended is None and self.stop_reason is None

    def put(self, *messages: Message) -> None:
        """Queue messages for the model, all or none, whatever the connection does.

        Raises `session.queue_full`, and `session.ended` once the session is not `open`: the
        outbox is the next session's too.
        """
        if not self.open:
            raise LiveHandleError("session.ended", "The session has ended: call connect.")
        now = self._clock()
        if messages[0].kind == "media":
            self._media_at = now
            self.outbox.put(*messages, now=now)
            self._wake()
            return
        if messages[-1].kind == "text" and self._at_rest():
            messages = (*messages[:-1], messages[-1]._replace(at_rest=True))
        number = self._transcript.number
        messages = tuple(message._replace(turn=number) for message in messages)
        self.outbox.put(*messages, now=now)
        if messages[0].must_arrive:
            self._on_send()
        self._wake()

    def put_before_media(self, message: Message) -> None:
        """Queue a message before all media that waits."""
        self.outbox.put_before_media(message, now=self._clock())
        self._wake()

    def instruct(self, instruction: str) -> None:
        """Give the model another instruction, in the way it takes one (B17, wire 4.6).

        A model that takes none while it runs is given a new connection at the next boundary.
        """
        how = self.plan.traits.instruction
        if how == "reconnect":
            if self._link is not None:
                self._link.rotation.ask()
                self._link.look()
        else:
            self.put(Message(frames.instruction(instruction, how), "instruction"))
        self.instruction = instruction
        self._on_send()

    def declare(self, functions: Sequence[Function], *, reconnect: bool) -> Declared:
        """Have the model know of these functions beside those of the configuration; return when.

        Where it takes no other tools while it runs that is with the next connection; `reconnect`
        asks for one at the next boundary.
        """
        self.declarations.functions = functions
        if self._link is None:
            self._reconnects |= reconnect
            return "connect"
        return self._tell_tools(self._link, reconnect=reconnect)

    def _tell_tools(self, link: "Link", *, reconnect: bool) -> Declared:
        declared, tools = self.declarations, self.declarations.tools
        if tools == declared.told:
            return "now"
        if self.plan.traits.updates_tools:
            # One list waits at most, so it needs no room of its own.
            self.outbox.purge("tools")
            self.put_before_media(Message(frames.tools(tools), "tools"))
            declared.told = tools
            return "now"
        if not reconnect:
            return "rotation"
        link.rotation.ask()
        link.look()
        return "reconnect"

    def answer(self, answers: Sequence[tuple[v.FunctionCall, ToolAnswer]]) -> None:
        """Answer calls, all that are open in one frame (B18).

        What came of those that were lost with their connection is told as text (wire 4.3).
        """
        talk = self.conversation
        lost = [a for a in answers if a[0].id not in talk.open_calls]
        open_ = [a for a in answers if a not in lost]
        messages = [self.resumption.late(call, answer) for call, answer in lost]
        if open_:
            frame = frames.tool_response([answer for _, answer in open_], self.plan.traits)
            messages.append(Message(frame, "tool", answers=open_))
        self.put(*messages)

    def answered(self) -> None:
        """Note that calls were answered: audio that was held back for them may pass."""
        self._hold()
        self._look()

    async def settled(self) -> None:
        """Wait until the session is set up. Raises why it could not be."""
        # Bounded by the deadlines of connecting and of the setup.
        await self._settled.wait()
        if self._error is not None:
            raise LiveHandleError(self._error.name, self._error.message, **self._error.data)
        if not self.established:
            raise LiveHandleError("session.ended", "The session was ended before it was set up.")

    async def done(self) -> v.Ended:
        """Wait until the session has ended, and return how (decision Z1: every waiter is told)."""
        if self.ended is None:  # what is known is told, even where no time is left to wait
            # As long as the session lasts: whoever calls sets the deadline.
            await self._done.wait()
        assert self.ended is not None
        return self.ended

    def hurry(self) -> None:
        """Have the next attempt made now, where one waits for its time."""
        self._hurried.set()

    def stop(self, reason: Literal["disconnected", "stopped"]) -> None:
        """Begin to end the session; `done` tells when it has."""
        if reason == "disconnected":
            self.unfinished = False
        if self.open:
            self.stop_reason = reason
            if self.conversation.phase != "disconnected":  # as it is between two connections
                self._router.route(self.conversation.move("disconnecting"))
            if self._link is not None:
                # What was sent before goes out first, as far as it goes out at all.
                self._link.stop()
                self.scope.deadline = anyio.current_time() + _STOP_GRACE_S
            else:
                self.scope.cancel()

    def tell(self, error: LiveHandleError) -> None:
        """Publish an error that nobody waits for."""
        self._router.tell(error)

    def describe(self, *, backend: str, model: str) -> v.Session:
        """Return the session as clients see it."""
        talk = self.conversation
        since = self._began_at if self.ended is None else None
        state = self.state
        if state == "ready" and self._link is not None and self._link.rotation.draining:
            state = "draining"
        return v.Session(
            session_id=self.id,
            phase=talk.phase,
            backend=backend,
            model=model,
            connected_ms=None if since is None else int((self._clock() - since) * 1000),
            connection=None if state is None else self._connection(state),
            resumable=self.ended is None and self.resumption.handles.resumable,
            reconnects=self.reconnects,
            current_turn=talk.turns if talk.turn_open and self.ended is None else None,
            turns=talk.turns,
            last_close=self.last_close,
        )

    @property
    def turn_ended_at(self) -> float | None:
        """When the service last ended a turn, monotonic seconds."""
        return self._turn_ended_at

    @property
    def deadline(self) -> float | None:
        """When `due` is to be called, None if nothing waits."""
        repeats = self.conversation.repeats
        return repeats.until if repeats is not None and repeats.holding else None

    def due(self, now: float) -> None:
        """Tell what was held back as a possible repeat for too long."""
        repeats = self.conversation.repeats
        if repeats is not None and now >= repeats.until:
            self._router.route(self.conversation.release())

    def again(self) -> Again:
        """Return what another connection, of this daemon's or of the next, has to be told."""
        return self._left if self.ended is not None else self.resumption.again(self.outbox)

    def left(self) -> TakenUp:
        """Return what another session needs to go on from where this one stands or has ended."""
        again, resumption = self.again(), self.resumption
        return TakenUp(
            session_id=self.id,
            turns=self.conversation.turns,
            reconnects=self.reconnects,
            covered_turns=resumption.covered_turns,
            instruction=self.instruction,
            handle=resumption.kept,
            unsent=again.messages,
            owed=again.owed,
            told=list(resumption.ledger.told),
            since=again.since,
            calls=self.answerable(),
            lost_at=self._lost_at,
            generation=self.generation,
        )

    def answerable(self) -> list[v.FunctionCall]:
        """Return the calls that clients may still answer, be it as text alone."""
        return list((self.conversation.lost_calls | self.conversation.open_calls).values())

    # For the supervisor.

    @property
    def first(self) -> bool:
        """Whether there was no connection yet, of this daemon's or another's."""
        return not self.established and self._taken_up is None

    def discreet(self, error: LiveHandleError) -> LiveHandleError:
        """Return the error without what the service may have said again.

        That is a resumption handle, or what redaction masks.
        """
        data = {
            name: mask(value, self._handles) if isinstance(value, str) else value
            for name, value in error.data.items()
        }
        masked = LiveHandleError(error.name, mask(error.message, self._handles), **data)
        return self._router.discreet(masked)

    @property
    def _handles(self) -> list[str]:
        return self.resumption.handles.known

    def suspect(self) -> bool:
        """Take out what the service may not have liked for the second time, and tell of it.

        Return whether there was anything.
        """
        rejected = self.resumption.ledger.suspect()
        self._transcript.give_up({message.note for message in rejected})
        for message in rejected:
            self.tell(
                LiveHandleError(
                    "upstream.rejected",
                    f"Correct what was sent: the service closed twice upon a {message.kind} of "
                    f"{len(message.frame)} bytes, and it is not sent again.",
                )
            )
        return bool(rejected)

    def undeclare(self) -> bool:
        """Go back to the functions that the service took before; return whether there were others.

        So what one client declares ends the conversation for no other.
        """
        names = [name[:80] for name in self.declarations.go_back()]
        if not names:
            return False
        self.tell(
            LiveHandleError(
                "upstream.rejected",
                "Correct the functions that were registered last: the service refused a setup with "
                f"{', '.join(names)[:400]}, and goes on without what it did not know.",
            )
        )
        return True

    def connecting(self) -> None:
        """Note that a connection is being opened."""
        if self._retry is not None:
            self._retry = (self._retry[0], self._clock(), self._retry[2])
        self.state = "connecting"
        self._router.route(self.conversation.move("connecting"))

    def handshaking(self) -> None:
        """Note that the connection is open and its setup is being sent, the instruction in it."""
        self.state = "handshaking"
        self.outbox.purge("instruction")
        self._router.route(self.conversation.move("setup_sent"))

    def set_up(self, answer: Decoded, way: Way) -> None:
        """Note that the service has taken the setup: what was lost on the way is sent again."""
        now = self._clock()
        first, self.state, self._retry = self.first, "ready", None
        self.generation += 1
        complete = answer.message.setup_complete
        if self.id is None:  # the session's own, whatever later connections are called
            self.id = (complete.session_id if complete is not None else None) or str(uuid4())
        self._began_at = now if self._began_at is None else self._began_at
        self._router.route(self.conversation.move("active"))
        if not self.established:
            self.established = True
            self._router.route([("connected", t.SessionStarted(session_id=self.id))])
        if not first:
            self._resumed(way, now)
        self._settled.set()

    def conversing(self, link: "Link", instruction: str | None, tools: Tools) -> None:
        """Note the connection that carries the session from here on, and what its setup said."""
        self._link = link
        self.declarations.taken(tools)
        reconnect, self._reconnects = self._reconnects, False
        self._tell_tools(link, reconnect=reconnect)  # they may have changed meanwhile
        if instruction != self.instruction and self.plan.traits.instruction == "reconnect":
            link.rotation.ask()  # it was changed while the setup was under way

    def take(self, frame: bytes, decoded: Decoded) -> None:
        """Tell what a message says."""
        message, now = decoded.message, self._clock()
        if self._router.wants_raw():
            self._router.route([("raw", raw_message(frame, (*self.plan.secrets, *self._handles)))])
        for field in decoded.skipped:
            self.tell(LiveHandleError("upstream.bad_message", f"Passed over {field}."))
        if refused := refusal(message, self.plan):
            self.tell(self.discreet(refused))
        if self.stop_reason is not None:
            return
        talk = self.conversation
        replies, turns = talk.replies, talk.turns
        ledger, content = self.resumption.ledger, message.server_content
        interrupted = content is not None and bool(content.interrupted)
        events = talk.receive(message, now, by_context=interrupted and ledger.cuts_off)
        if interrupted and not talk.user_speaking:
            ledger.interrupted(now, heard=self._may_be_heard(now))
        if talk.replies != replies:
            ledger.reply_began(now)
        self._router.route(events)
        if talk.repeats is not None and talk.repeats.holding:
            self._look_at_time()
        if talk.turns != turns:
            self._turn_ended_at = now
            ledger.turn_completed(now)
        update = message.session_resumption_update
        if update is not None and self.resumption.keep_handle(update, replied=talk.replied):
            self._handle_at = now
        if message.go_away is not None and self._link is not None:
            left_ms = time_left_ms(message.go_away)
            self._link.rotation.go_away(None if left_ms is None else left_ms / 1000, now)
        if message.tool_call is not None or message.tool_call_cancellation is not None:
            self._hold()

    def quiet(self) -> Quiet:
        """Return what stands against giving the connection up."""
        talk = self.conversation
        return Quiet(
            turn_open=talk.turn_open,
            user_speaking=talk.user_speaking,
            calls_open=bool(talk.open_calls),
            sending=self.outbox.owing > 0 or self.resumption.ledger.unread,
            turn_ended_at=self._turn_ended_at,
            handle_at=self._handle_at,
            wants_handle=self.resumption.wants_handle,
        )

    def dropped(self, error: LiveHandleError | None) -> None:
        """Note that the connection is gone, and the session is to go on with another."""
        now = self._clock()
        if error is not None and (close := close_of(error)).code is not None:
            self.last_close = close
        self._lost_at, self._dropped_before = now, self.outbox.dropped
        self._link = None
        # Results that may not have arrived stand in the turn in which they are told again.
        tools = tools_in(self.again().messages)
        self._transcript.take_back_tools(tools)
        # The user's words that are sent again are not to be told as a finished turn as well.
        stays = bool(self._transcript.waiting)
        self._router.dropped(self.conversation.drop(turn_stays=stays))
        self._transcript.give_back_tools(tools)
        self.resumption.lost(self.outbox)
        self._hold()
        self.state = "reconnecting"

    def reconnecting(self, attempt: int, delay_s: float, cause: str) -> None:
        """Tell that the session has no connection just now."""
        self.state = "reconnecting"
        self._retry = (attempt, self._clock() + delay_s, cause)
        self._hurried = anyio.Event()
        told = t.Reconnecting(attempt=attempt, delay_ms=round(delay_s * 1000), cause=cause)
        self._router.route([("reconnecting", told)])

    async def hurried(self) -> None:
        """Wait until somebody does not want to wait for the next attempt any longer."""
        await self._hurried.wait()  # whoever calls sets the deadline

    def refused(self, error: LiveHandleError) -> None:
        """Note that a connection was not set up."""
        if (close := close_of(error)).code is not None:
            self.last_close = close
        if self.conversation.phase != "disconnected":
            self._router.route(self.conversation.move("disconnected"))

    def finish(self, ended: v.Ended, error: LiveHandleError | None = None) -> None:
        """End the session, and tell everybody who waits."""
        self._error = error if not self.established else None
        self._left = self.again()
        if error is not None and not self.first:
            # What else an earlier session cannot be taken up for is as little its own fault.
            self.unfinished = error.name.startswith("auth.") or not self.established
        self.ended = ended
        self.state = "failed" if ended.reason in {"failed", "closed"} else None
        self._link = self._retry = None
        self.outbox.clear()
        if error is not None:
            self.tell(error)
        if self.stop_reason != "stopped" and not self.unfinished:  # for good, with what is open
            self._router.route(self.conversation.end())
        if self.conversation.phase != "disconnected":
            self._router.route(self.conversation.move("disconnected"))
        self._router.route([("disconnected", ended)])
        self._settled.set()
        self._done.set()

    # Within.

    def _connection(self, state: v.ConnectionState) -> v.Connection:
        shown = v.Connection(state=state, generation=self.generation, url=public(self.plan.url))
        if self._retry is None:
            return replace(shown, cause=None if self.ended is None else self.ended.message)
        attempt, at, cause = self._retry
        left_ms = max(0, round((at - self._clock()) * 1000))
        return replace(shown, attempt=attempt, retry_in_ms=left_ms, cause=cause)

    def _resumed(self, way: Way, now: float) -> None:
        self.outbox.expire(now)
        self._router.resumed()  # an activity that goes on begins anew, behind what follows
        self.resumption.resumed(way, self.outbox)
        if way.restored == "handle":
            user, model = self.resumption.last_words()
            self.conversation.repeats = Repeats(user, model, until=now + _REPEATS_S)
        self.reconnects += 1
        told = t.Resumed(
            restored=way.restored,
            reason=way.reason,
            gap_ms=round((now - self._lost_at) * 1000),
            lost=self.outbox.dropped - self._dropped_before,
        )
        self._router.route([("resumed", told)])
        if way.restored == "fresh" and not self.outbox.pending():
            self._greet(self)

    def _hold(self) -> None:
        """Hold audio back while the model waits for a call, where it would close for it."""
        plan = self.plan
        policy = plan.traits.audio_during_call
        calls = self.conversation.open_calls.values()
        holds = policy != "pass" and any(self.declarations.block(call.name) for call in calls)
        if holds != self._holds:
            self._holds = holds
            frames_held = self.outbox.hold(policy if holds else "pass", self._clock())
            told = t.AudioHeld(policy=policy, held=holds, frames=frames_held)
            self._router.route([("audio_held", told)])
            self._wake()

    def _at_rest(self) -> bool:
        talk = self.conversation
        waits = talk.turn_open or talk.open_calls or self.resumption.ledger.unanswered
        return not (waits or self.outbox.owing or self._may_be_heard(self._clock()))

    def _may_be_heard(self, now: float) -> bool:
        """Return whether the user may be speaking: a service that listens tells of it later."""
        return not self.conversation.hears_itself and now - self._media_at < _HEARING_S

    def _wake(self) -> None:
        if self._link is not None:
            self._link.wake()

    def _look(self) -> None:
        if self._link is not None:
            self._link.look()


def close_of(error: LiveHandleError) -> v.Close:
    """Return the close that an error tells of; without a code where it tells of none."""
    code, reason = error.data.get("close_code"), error.data.get("close_reason")
    return v.Close(
        code=code if isinstance(code, int) else None,
        reason=reason if isinstance(reason, str) else None,
    )
