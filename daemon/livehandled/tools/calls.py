"""Every call of a function that a client carries out is answered once (protocol section 6).

Sans-I/O: what is to be written is written by `due`, once `deadline` has come. So nothing is
written while the session tells of an event, and a registration is answered before its first call.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from msgspec import UNSET

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.tools import CancelReason, ToolCall, ToolCancel, ToolsRespond
from livehandle_proto.values import FunctionCall
from livehandled.gemini.content import is_deep
from livehandled.log import ids
from livehandled.session import payload
from livehandled.tools.pending import Batch, Pending, PendingCalls
from livehandled.tools.registry import Client, Table
from livehandled.tools.repetition import Repetition

_log = logging.getLogger(__name__)

_RETRY_S = 0.1
_MOST_OVER = 1024


class Calls:
    """The calls that wait for clients, and the answers that wait for each other.

    `answer` sends answers to the model, all in one frame. Times are monotonic seconds.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Sequence[ToolAnswer]], object],
        clock: Callable[[], float],
        max_repeats: Callable[[], int],
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._pending = PendingCalls()
        self._repetition = Repetition(max_repeats)
        self._batches: dict[Batch, None] = {}
        """Those with an answer to be sent."""
        self._over: OrderedDict[str, None] = OrderedDict()
        """Calls that wait no more, by the clients' ids."""
        self._retry_at = 0.0

    @property
    def deadline(self) -> float | None:
        """When `due` is to be called; None if nothing waits."""
        at = [pending.deadline for pending in self._pending]
        if any(pending.unasked is not None for pending in self._pending):
            at.append(self._clock())
        if any(batch.due for batch in self._batches):
            at.append(self._retry_at)
        return min(at, default=None)

    def waiting(self, name: str) -> int:
        """Return how many calls of a function wait."""
        return sum(pending.call.name == name for pending in self._pending)

    def take(
        self, calls: Sequence[FunctionCall], table: Table, left_out: Collection[object]
    ) -> None:
        """Take calls that came in one message.

        Those of functions that are `left_out` and nobody's in the table are answered elsewhere.
        """
        batch = Batch()
        for call in calls:
            if call.name in table or call.name not in left_out:
                self._take(call, table, batch)

    def respond(self, params: ToolsRespond, client: Client) -> None:
        """Take a client's answer to a call.

        Raises `tools.unknown_call` for what was never asked of this client, and
        `tools.call_expired` for a call that is over.
        """
        if (params.result is UNSET) == (params.error is None):
            raise LiveHandleError(
                "wire.invalid_params",
                "Give tools.respond either `result` or `error`.",
                param="result",
            )
        payload.shallow(params.result, "result")
        pending = self._pending.get(params.call_id)
        if pending is None or pending.registration.client is not client:
            raise self._not_waiting(params.call_id, pending, client)
        self._finish(pending)
        pending.taken_back()  # whoever has taken over may know of it already
        response = params.result if params.error is None else {"error": params.error}
        call = pending.call
        pending.batch.answer(
            ToolAnswer(id=call.id, name=call.name, response=response, scheduling=params.scheduling)
        )
        self._batches[pending.batch] = None
        self._send(pending.batch)

    def left(self, client: Client) -> None:
        """Note that a client has gone: there is nobody to be told."""
        for pending in self._pending:
            if pending.asked is client:
                pending.taken_back()

    def adopt(self, table: Table) -> None:
        """Have calls carried out by whoever carries their function out from now on."""
        for pending in self._pending:
            tool = table.get(pending.call.name)
            if tool is None:
                gone = pending.registration.client is None
                self._withdraw(pending, "cancelled")
                if gone:
                    why = f"The client that carried {pending.call.name} out is gone."
                    self._give_up(pending, "client_gone", why)
                else:
                    why = f"There is no function {pending.call.name} any more."
                    self._fail_of(pending, "unknown_tool", why)
                continue
            pending.registration = tool.registration
            if pending.asked is not tool.registration.client:
                self._tell(pending, "taken_over")

    def cancelled(self, keys: Collection[str]) -> None:
        """Note that the model wants no answer to some calls."""
        for pending in self._pending.known_as(keys):
            if not pending.lost:  # of those nobody but the daemon tells
                self._withdraw(pending, "cancelled")
        for batch in tuple(self._batches):
            if not batch.lost:
                self._forget(batch, keys)

    def closed(self, keys: Collection[str]) -> None:
        """Note that calls were answered, be it by `send_tool_response`."""
        for pending in self._pending.known_as(keys):
            self._withdraw(pending, "answered")
        for batch in tuple(self._batches):
            self._forget(batch, keys)

    def connection_lost(self) -> None:
        """Note that no service waits for any call there is (wire 4.3).

        Clients go on: should the model make a call again meanwhile it is the same one, else what
        comes of it is told as text.
        """
        for batch in {*self._batches, *(pending.batch for pending in self._pending)}:
            batch.lose()
            self._forget(batch, ())

    def session_over(self) -> None:
        """Note that there is no session any more, nor anybody to answer."""
        for pending in self._pending:
            self._withdraw(pending, "cancelled")
        self._batches.clear()
        self._repetition.user_spoke()

    def user_spoke(self) -> None:
        """Note words of the user: the model may be asked for the same again."""
        self._repetition.user_spoke()

    def due(self, now: float) -> None:
        """Give up what took too long, ask clients, and send what is to be sent."""
        for pending in self._pending:
            if pending.deadline <= now:
                self._time_out(pending)
            elif (client := pending.unasked) is not None:
                self._ask(pending, client, now)
        for batch in tuple(self._batches):
            self._send(batch)

    def _take(self, call: FunctionCall, table: Table, batch: Batch) -> None:
        tool = table.get(call.name)
        if tool is None:
            self._fail(call, batch, "unknown_tool", f"There is no function {call.name[:80]}.")
        elif is_deep(call.args):
            self._fail(call, batch, "too_large", f"The arguments of {call.name} are too deep.")
        elif (again := self._pending.repeated_by(call)) is not None:
            again.made_again(call, batch)
        elif self._repetition.exceeded(call):
            why = f"{call.name} was called too often with the same arguments: tell the user so."
            self._fail(call, batch, "repeated", why)
        elif self._gives_way(call.id):
            deadline = self._clock() + tool.registration.timeout_s
            self._pending.add(Pending(call, tool.registration, batch, deadline), self._over)
        else:
            _log.warning(
                "two calls of %s have one id: one is carried out",
                call.name[:80],
                extra=ids(call=call.id[:80]),
            )

    def _gives_way(self, key: str) -> bool:
        """Return whether the model means no other call by the id that it gives a call.

        Another connection may count anew: a lost call of the id cannot be answered apart.
        """
        for other in self._pending.known_as({key}):
            if not other.lost:
                return False
            self._withdraw(other, "cancelled")
        return True

    def _ask(self, pending: Pending, client: Client, now: float) -> None:
        call = pending.call
        asked = ToolCall(
            call_id=pending.call_id,
            registration=pending.registration.token,
            name=call.name,
            args=call.args,
            deadline_ms=round((pending.deadline - now) * 1000),
        )
        try:
            take_back = client.ask("tool.call", asked)
        except LiveHandleError as error:
            _log.warning(
                "a client cannot be asked for %s: %s",
                call.name[:80],
                error.message,
                extra=ids(client=client.id, call=call.id[:80]),
            )
            self._finish(pending)
            self._fail_of(pending, "too_large", f"The arguments of {call.name} are too large.")
            return
        pending.told(client, take_back)

    def _time_out(self, pending: Pending) -> None:
        took_ms = round(pending.registration.timeout_s * 1000)
        self._withdraw(pending, "timeout")
        self._give_up(pending, "timeout", f"{pending.call.name} gave no answer in {took_ms} ms.")

    def _give_up(self, pending: Pending, reason: str, why: str) -> None:
        """Answer a call that no client answers any more, and wait for no other beside it."""
        pending.batch.hurried = True
        self._fail_of(pending, reason, why)

    def _fail_of(self, pending: Pending, reason: str, why: str) -> None:
        if not pending.lost:
            self._fail(pending.call, pending.batch, reason, why)

    def _fail(self, call: FunctionCall, batch: Batch, reason: str, why: str) -> None:
        """Answer a call with an error that says enough not to be asked for again (wire 4.1)."""
        response = {"error": why, "reason": reason, "retryable": reason == "client_gone"}
        answer = ToolAnswer(id=call.id, name=call.name, response=response)
        batch.answer(answer, made_here=True)
        self._batches[batch] = None

    def _send(self, batch: Batch) -> None:
        """Send what of a batch is to be sent now."""
        if not batch.due:
            return
        answers, batch.answers = batch.answers, {}
        del self._batches[batch]
        try:
            self._answer(list(answers.values()))
        except LiveHandleError as error:
            if error.name == "session.queue_full":
                batch.answers = answers
                self._batches[batch] = None
                self._retry_at = self._clock() + _RETRY_S
            elif len(answers) > 1:  # one that nobody waits for is to take no other with it
                for answer in answers.values():
                    self._send_alone(answer)
            else:
                _log.warning("an answer went nowhere: %s [%s]", error.message, error.name)

    def _send_alone(self, answer: ToolAnswer) -> None:
        batch = Batch()
        batch.answer(answer)
        self._batches[batch] = None
        self._send(batch)

    def _forget(self, batch: Batch, keys: Collection[str]) -> None:
        for key in keys:
            batch.forget(key)
        if not batch.answers:
            self._batches.pop(batch, None)

    def _withdraw(self, pending: Pending, reason: CancelReason) -> None:
        """Wait for a call no more, and tell its client."""
        self._finish(pending)
        self._tell(pending, reason)

    def _finish(self, pending: Pending) -> None:
        self._pending.remove(pending)
        self._over[pending.call_id] = None
        if len(self._over) > _MOST_OVER:
            self._over.popitem(last=False)

    def _tell(self, pending: Pending, reason: CancelReason) -> None:
        """Tell a client that a call is not its to carry out, if it was told that it is."""
        client = pending.asked
        if client is not None and not pending.taken_back():
            client.tell("tool.cancel", ToolCancel(call_id=pending.call_id, reason=reason))

    def _not_waiting(
        self, call_id: str, pending: Pending | None, client: Client
    ) -> LiveHandleError:
        """Return why a call is not this client's to answer. It may be pending for another."""
        over = call_id in self._over if pending is None else client.id in pending.asked_before
        if over:
            return LiveHandleError(
                "tools.call_expired",
                f"The call {call_id[:80]!r} is over: it was answered, cancelled or too late. "
                "Answer each once, within its deadline_ms.",
                param="call_id",
            )
        return LiveHandleError(
            "tools.unknown_call",
            f"No call {call_id[:80]!r} was made of this client: give the call_id of a tool.call "
            "event.",
            param="call_id",
        )
