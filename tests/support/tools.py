"""Tools with a model and clients that do as a test says, and a clock moved by hand."""

from collections.abc import Callable, Sequence

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.tools import (
    Declared,
    ToolCall,
    ToolCancel,
    ToolsRegister,
    ToolsRegistered,
    ToolsRespond,
)
from livehandle_proto.values import FunctionCall, Value
from livehandled.config.schema import Tools as Config
from livehandled.gemini.opening import Function
from livehandled.tools.tools import Tools

TIMEOUT_S = 30.0
GRACE_S = 2.0


def call(id_: str, name: str = "f", **args: object) -> FunctionCall:
    """Return a call as the model makes it."""
    return FunctionCall(id=id_, name=name, args=args)


class ToolClient:
    """A connection. While it is `stuck` what it is asked waits, and can be taken back."""

    def __init__(self, id_: str, name: str = "") -> None:
        self.id = id_
        self.client = name or f"client {id_}"
        self.gone = False
        self.stuck = False
        self.line_bytes = 65_536
        self.events: list[Value] = []
        """What it has read, in order."""
        self._waiting: list[Value] = []

    def ask(self, topic: str, data: Value) -> Callable[[], bool]:
        assert topic == "tool.call"
        assert isinstance(data, ToolCall)
        assert not self.gone
        if len(str(data.args)) >= self.line_bytes:
            raise LiveHandleError("wire.result_too_large", "The line is too long.")
        self._waiting.append(data)
        self._read()

        def take_back() -> bool:
            waits = data in self._waiting
            if waits:
                self._waiting.remove(data)
            return waits

        return take_back

    def tell(self, topic: str, data: Value) -> None:
        assert topic == "tool.cancel"
        assert not self.gone
        self.events.append(data)

    def flows(self) -> None:
        """Read again."""
        self.stuck = False
        self._read()

    @property
    def waiting(self) -> int:
        """How much it is asked that it has not read."""
        return len(self._waiting)

    @property
    def asked(self) -> list[ToolCall]:
        return [event for event in self.events if isinstance(event, ToolCall)]

    @property
    def cancelled(self) -> list[tuple[str, str]]:
        return [(e.call_id, e.reason) for e in self.events if isinstance(e, ToolCancel)]

    def _read(self) -> None:
        if not self.stuck:
            self.events += self._waiting
            self._waiting.clear()


class ToolRig:
    """Tools, the model they tell, and the frames that reach it."""

    def __init__(self, *, configured: Sequence[str] = (), max_repeats: int = 1_000_000) -> None:
        self.now = 100.0
        self.looks = 0
        self.frames: list[list[ToolAnswer]] = []
        """The answers that were sent, frame by frame."""
        self.unknown: set[str] = set()
        """Ids of calls that the session does not know."""
        self.failing: LiveHandleError | None = None
        """What sending fails with."""
        self.refused: LiveHandleError | None = None
        """What declarations are refused for."""
        self.checked: list[str] = []
        """The names that it was last asked about."""
        self.declarations: list[list[str]] = []
        """The names that the model was told, each time."""
        self._configured: list[Function] = [{"name": name} for name in configured]
        self._functions: Sequence[Function] = ()
        config = Config(
            timeout_ms=round(TIMEOUT_S * 1000),
            grace_ms=round(GRACE_S * 1000),
            max_repeats=max_repeats,
        )
        self.tools = Tools(
            self,
            lambda: config,
            answer=self.answer,
            clock=lambda: self.now,
            look=self._look,
        )

    # The model.

    def check(self, functions: Sequence[Function]) -> None:
        self.checked = [str(one["name"]) for one in functions]
        if self.refused is not None:
            raise self.refused

    def declare(self, functions: Sequence[Function], *, reconnect: bool) -> Declared:
        self._functions = functions
        self.declarations.append([str(one["name"]) for one in functions])
        return "reconnect" if reconnect else "now"

    def configured(self) -> Sequence[Function]:
        return self._configured

    def told(self) -> Sequence[Function]:
        return [*self._configured, *self._functions]

    def answer(self, answers: Sequence[ToolAnswer]) -> None:
        """Take a frame, and tell of it as the session does."""
        if self.failing is not None:
            raise self.failing
        if any(answer.id in self.unknown for answer in answers):
            raise LiveHandleError("tools.unknown_call", "Nobody waits.")
        self.frames.append(list(answers))
        self.tools.closed([answer.id for answer in answers])

    # What tests do.

    def register(
        self,
        client: ToolClient,
        *names: str,
        token: str | None = None,
        timeout_ms: int | None = None,
        reconnect: bool = False,
    ) -> ToolsRegistered:
        """Register functions, by names alone; without names, those of the token."""
        declarations: list[object] | None = [{"name": name} for name in names] or None
        params = ToolsRegister(
            declarations=declarations,
            registration=token,
            timeout_ms=timeout_ms,
            reconnect=reconnect,
        )
        return self.tools.register(params, client)

    def respond(self, client: ToolClient, call_id: str, result: object = "ok") -> None:
        self.tools.respond(ToolsRespond(call_id=call_id, result=result), client)

    def call(self, *calls: FunctionCall | str) -> None:
        """Have the model call, in one message; a string is the id of a call of f."""
        self.tools.called([call(one) if isinstance(one, str) else one for one in calls])

    def leave(self, client: ToolClient) -> None:
        client.gone = True
        self.tools.left(client)

    def settle(self) -> None:
        """Have done what is due now."""
        while (at := self.tools.deadline) is not None and at <= self.now:
            self.tools.due(self.now)
            after = self.tools.deadline
            assert after is None or after > self.now, "it would be called for ever"

    def after(self, seconds: float) -> None:
        """Let time pass, and have done what it brings, each thing at its time."""
        until = self.now + seconds
        self.settle()
        while (at := self.tools.deadline) is not None and at <= until:
            self.now = max(self.now, at)
            self.settle()
        self.now = until

    @property
    def answers(self) -> list[list[tuple[str, object]]]:
        """Id and response of what was sent, frame by frame; of an error its reason alone."""
        return [[(a.id or a.name, _brief(a.response)) for a in frame] for frame in self.frames]

    def _look(self) -> None:
        self.looks += 1


def _brief(response: object) -> object:
    if isinstance(response, dict) and "reason" in response:
        return response["reason"]
    return response
