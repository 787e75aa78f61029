"""What happens in a session, as the log tells it: from the events, and nothing they do not show."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

from livehandle_proto import topics as t
from livehandle_proto.extractors import ExtractionFailure
from livehandle_proto.roles import ClaimChange
from livehandle_proto.values import Close, Ended, ErrorObject, Value
from livehandled.gemini.endpoints import public
from livehandled.hub import Event, Hub
from livehandled.log import Id, ids
from livehandled.session.conversation import Conversation
from livehandled.session.plan import Plan

_log = logging.getLogger(__name__)

_MOST_CALLS = 256
_MOST_CHARS = 4_000
"""Of each side of a turn: journald cuts a line at 48 KiB."""
_OWN_REASONS = frozenset({"client_gone", "unknown_tool", "too_large", "repeated", "timeout"})
"""Why the daemon itself answered a call; another reason may be anybody's words."""


class Talk(Protocol):
    """The session, as far as the log tells of it."""

    id: str | None
    plan: Plan
    generation: int
    conversation: Conversation
    last_close: Close | None


class Chronicle:
    """Logs what a hub publishes of sessions, turns, calls and roles: never a frame of audio.

    `session` is the current one, `dropped` the number of media frames dropped so far, `clock`
    monotonic seconds. With `transcripts` the log also tells what was said.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        session: Callable[[], Talk | None],
        dropped: Callable[[], int],
        clock: Callable[[], float],
        transcripts: bool,
    ) -> None:
        self._session = session
        self._dropped = dropped
        self._dropped_before = 0
        self._clock = clock
        self._transcripts = transcripts
        self._calls: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """The calls that wait, by their ids: the function, and when it was called."""
        self._metrics: t.TurnMetrics | None = None
        self._tellers: Mapping[str, Callable[[Value], None]] = {
            "live.connected": self._connected,
            "live.resumed": self._resumed,
            "live.reconnecting": self._reconnecting,
            "live.disconnected": self._disconnected,
            "live.go_away": self._go_away,
            "live.interrupted": self._interrupted,
            "live.stalled": self._stalled,
            "live.turn_metrics": self._measured,
            "live.turn_complete": self._turn_complete,
            "session.tool_call": self._called,
            "live.tool_execution": self._answered,
            "live.tool_cancelled": self._cancelled,
            "live.extraction_error": self._extraction_failed,
            "live.error": self._failed,
            "daemon.claim_changed": self._claim_changed,
        }
        hub.attach(self._take, self._tellers)

    def _take(self, event: Event) -> None:
        self._tellers[event.topic](event.data)

    def _line(
        self, level: int, text: str, *words: object, turn: int | None = None, **more: Id
    ) -> None:
        session = self._session()
        if session is not None:
            more = {"session": session.id, "gen": session.generation or None, **more}
        _log.log(level, text, *words, extra=ids(turn=turn, **more))

    def _connected(self, _data: Value) -> None:
        session = self._session()
        if session is not None:
            plan = session.plan
            self._line(logging.INFO, "session opened", model=plan.model, url=public(plan.url))

    def _stalled(self, data: Value) -> None:
        assert isinstance(data, t.Stalled)
        session = self._session()
        turn = None if session is None else session.conversation.turns
        self._line(
            logging.WARNING, "model silent amid a reply", turn=turn, silent_ms=data.silent_ms
        )

    def _resumed(self, data: Value) -> None:
        assert isinstance(data, t.Resumed)
        self._line(
            logging.INFO,
            "session resumed",
            restored=data.restored,
            gap_ms=data.gap_ms,
            lost=data.lost or None,
            why=data.reason,
        )
        self._tell_dropped()

    def _reconnecting(self, data: Value) -> None:
        assert isinstance(data, t.Reconnecting)
        rotated = data.cause.startswith("rotation")
        session = self._session()
        close = None if session is None or rotated else session.last_close
        self._line(
            logging.INFO if rotated else logging.WARNING,
            "session reconnecting",
            attempt=data.attempt,
            delay_ms=data.delay_ms,
            code=None if close is None else close.code,
            cause=data.cause,
        )

    def _disconnected(self, data: Value) -> None:
        assert isinstance(data, Ended)
        wanted = data.reason not in {"failed", "closed"}
        self._line(
            logging.INFO if wanted else logging.WARNING,
            "session closed",
            cause=data.reason,
            code=data.code,
            why=data.message,
        )
        self._calls.clear()
        self._tell_dropped()

    def _go_away(self, data: Value) -> None:
        assert isinstance(data, t.GoAway)
        self._line(
            logging.INFO, "the service will close the connection", time_left_ms=data.time_left_ms
        )

    def _interrupted(self, _data: Value) -> None:
        session = self._session()
        turn = None if session is None else session.conversation.turns
        self._line(logging.INFO, "the model was interrupted", turn=turn)

    def _measured(self, data: Value) -> None:
        assert isinstance(data, t.TurnMetrics)
        self._metrics = data

    def _turn_complete(self, data: Value) -> None:
        assert isinstance(data, t.TurnEnded)
        figures, self._metrics = self._metrics, None
        self._line(
            logging.INFO,
            "turn complete",
            turn=data.turn,
            latency_ms=None if figures is None else figures.latency_ms,
            prompt_tokens=None if figures is None else figures.prompt_tokens,
            response_tokens=None if figures is None else figures.response_tokens,
            interrupted="yes" if data.interrupted else None,
            reason=data.reason,
        )
        if self._transcripts and data.turn_number is not None:
            user, model = data.user[:_MOST_CHARS], data.model[:_MOST_CHARS]
            self._line(logging.INFO, "what was said", turn=data.turn, user=user, model=model)
        self._tell_dropped()

    def _called(self, data: Value) -> None:
        assert isinstance(data, t.ToolCalls)
        for call in data.function_calls:
            self._calls[call.id] = (call.name, self._clock())
            if len(self._calls) > _MOST_CALLS:
                self._calls.popitem(last=False)

    def _answered(self, data: Value) -> None:
        assert isinstance(data, t.ToolExecution)
        outcome, reason = "answered", data.result.get("reason")
        if "error" in data.result:
            outcome = str(reason) if reason in _OWN_REASONS else "failed"
        self._call_over(data.call_id, outcome)

    def _cancelled(self, data: Value) -> None:
        assert isinstance(data, t.CallIds)
        for call_id in data.ids:
            if call_id in self._calls:
                self._call_over(call_id, "cancelled")

    def _call_over(self, call_id: str, outcome: str) -> None:
        name, began = self._calls.pop(call_id, (None, None))
        self._line(
            logging.INFO if outcome in {"answered", "cancelled"} else logging.WARNING,
            "tool call over",
            call=call_id[:80],
            tool=None if name is None else name[:80],
            outcome=outcome,
            ms=None if began is None else round((self._clock() - began) * 1000),
        )

    def _extraction_failed(self, data: Value) -> None:
        assert isinstance(data, ExtractionFailure)
        error = str(data.error.data.get("name"))
        self._line(
            logging.WARNING, "extractor failed", turn=data.turn, extractor=data.name, error=error
        )

    def _failed(self, data: Value) -> None:
        assert isinstance(data, ErrorObject)
        # One kind of line for each error: many of one are not to leave out the others.
        self._line(logging.WARNING, f"%s [{data.data.get('name')}]", data.message)

    def _claim_changed(self, data: Value) -> None:
        assert isinstance(data, ClaimChange)
        holder, previous = data.holder, data.previous
        more = {
            "role": data.role,
            "cause": data.reason,
            "name": None if holder is None else holder.client or None,
            "previous": None if previous is None else previous.connection,
        }
        client = None if holder is None else holder.connection
        _log.info("role changed hands", extra=ids(client=client, **more))

    def _tell_dropped(self) -> None:
        dropped = self._dropped()
        if dropped > self._dropped_before:
            self._line(logging.WARNING, "media dropped", frames=dropped - self._dropped_before)
        self._dropped_before = dropped
