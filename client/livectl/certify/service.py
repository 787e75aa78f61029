"""The daemon that the certification pretends to be: what each call is answered, and judged by."""

from collections import deque
from typing import NamedTuple

from livectl.certify import messages
from livectl.certify.checks import LINE_BYTES, Results
from livectl.certify.judging import brief, difference, same, wrong_declaration
from livectl.certify.lines import Lines, Request, shown

MISSING = "state.no_such_key"
"""The name of the error that the certification answers with: no client knows it."""

TOPICS = {"live.text_delta", "live.turn_complete"}
_PHASE = "user_speaking"


class Write(NamedTuple):
    """Write bytes at once; if `apart`, when what was written before has been read."""

    connection: int
    data: bytes
    apart: bool = False


class EndWriting(NamedTuple):
    """Close the writing side alone: the client reads the end of file."""

    connection: int


class Close(NamedTuple):
    """Close the connection, after what was written."""

    connection: int


Action = Write | EndWriting | Close


class Due(NamedTuple):
    """A value that the client is to set, or a text that it is to send, for a check."""

    check: str
    value: object


class Call(NamedTuple):
    """A call of `add` that the client is to answer: with a sum, or where None with an error."""

    check: str
    sum: int | None


class Service:
    """Answers requests and judges them. What is to be written gathers in `actions`."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.actions: list[Action] = []
        self.client = ""
        """What the client calls itself."""
        self.connection: int | None = None
        """The open connection."""
        self.left = False
        """Set when the client has closed it."""
        self.ended: set[int] = set()
        """Connections whose other side the client has closed."""
        self.requests = 0
        self.called: set[str] = set()
        self.events = messages.Events("c1")
        self.subscription = ""
        self.since: str | None = None
        """What the next subscription has to begin from."""
        self.reset = False
        """Whether that is answered with a reset."""
        self.subscribing = "events.topics"
        """The check of the next subscription; empty where none is awaited."""
        self.registration = ""
        self.registering = "tools.declared"
        """The check of the next registration; empty where none is awaited."""
        self.registrations_kept = True
        self.due = {"app:error": Due("errors.name", MISSING)}
        self.due["app:phase"] = Due("answers.order", _PHASE)
        """The values that the client has still to set, by key."""
        self.told: set[str] = set()
        """The keys that it has set, and the texts that it has sent."""
        self.texts: deque[Due] = deque()
        """The texts that it has still to send."""
        self.calls: dict[str, Call] = {}
        self.responded: set[str] = set()
        self.ending = False
        """Set when nothing is left but to disconnect."""
        self._lines: dict[int, Lines] = {}
        self._line_bytes: dict[int, int] = {}
        self._done: int | None = None
        self._handlers = {
            "daemon.hello": self._hello,
            "daemon.ping": self._ping,
            "state.get": self._get,
            "state.set": self._set,
            "done": self._do_done,
            "phase": self._do_phase,
            "tools.register": self._register,
            "events": self._subscribe,
            "send_text": self._send_text,
            "tools.respond": self._respond,
            "disconnect": self._disconnect,
            "tools.unregister": self._ignore,  # a library may tidy up before it closes
            "unsubscribe": self._ignore,
        }

    def connected(self, connection: int) -> None:
        """Take a new connection."""
        if self.connection is not None:
            self.results.failed("calls.known", "another connection, while the first was open")
        self.connection = connection
        self.left = False
        self._lines[connection] = Lines(connection, self.results)

    def received(self, connection: int, data: bytes) -> list[Request]:
        """Take bytes in; return the requests they complete, each to be given to `answer`."""
        return self._lines[connection].receive(data)

    def closed(self, connection: int) -> None:
        """Take the end of what the client writes."""
        self.ended.add(connection)
        rest = self._lines[connection].rest
        if connection == self.connection:
            self.connection, self.left = None, True
            if rest:
                self.results.failed("framing.line", f"a line without an end: {shown(rest)}")

    def answer(self, request: Request) -> None:
        """Answer a request, and judge it."""
        self.requests += 1
        if request.method != "daemon.hello" and request.connection not in self._line_bytes:
            self._without_hello(request)
        handle = self._handlers.get(request.method)
        if handle is None:
            got = f"{request.method} {brief(request.params)}"
            self.results.failed("calls.known", got)
            self._fail(request, -32601, "wire.method_not_found", "Nothing here has that name.")
        else:
            handle(request)
        self.called.add(request.method)

    def write(self, *lines: bytes, apart: bool = False) -> None:
        """Write lines at once."""
        assert self.connection is not None
        self.actions.append(Write(self.connection, b"".join(lines), apart))

    def event(self, topic: str, data: object, **more: object) -> bytes:
        """Return the line of the subscription's next event."""
        return self.events.of(self.subscription, topic, data, **more)

    def drop(self) -> int:
        """Hold the open connection for lost; return which it was."""
        assert self.connection is not None
        lost, self.connection = self.connection, None
        return lost

    def reads_long_lines(self) -> bool:
        """Whether the client has raised the limit of its open connection far enough."""
        return self._line_bytes.get(self.connection or 0, 0) >= LINE_BYTES

    def _give(self, request: Request, result: object = None) -> None:
        if request.wants_answer:
            self._lines[request.connection].answered(request.id)
            line = messages.result(request.id, result)
            self.actions.append(Write(request.connection, line))

    def _fail(self, request: Request, code: int, name: str, message: str) -> None:
        if request.wants_answer:
            self._lines[request.connection].answered(request.id)
            line = messages.failure(request.id, code, name, message)
            self.actions.append(Write(request.connection, line))

    def _without_hello(self, request: Request) -> None:
        if request.connection == 1:
            self.results.failed("hello.first", f"the first call is {request.method}")
        elif request.method == "events":
            got = f"events on connection {request.connection}, and no daemon.hello before"
            self.results.failed("loss.hello", got)

    def _hello(self, request: Request) -> None:
        name, limit = request.params.get("client"), request.params.get("max_line_bytes")
        limit = limit if isinstance(limit, int) else 0
        if request.connection == 1:
            self.results.passed("hello.first")
            self.results.judge("hello.client", isinstance(name, str), "no `client`")
            self.client = str(name or "")
        check = "hello.limit" if request.connection == 1 else "loss.hello"
        got = f"`max_line_bytes` is {request.params.get('max_line_bytes', 'not given')}"
        self.results.judge(check, limit >= LINE_BYTES, got)
        self._line_bytes[request.connection] = limit
        self._give(request, messages.hello(self.events.instance, limit or 65_536))

    def _ping(self, request: Request) -> None:
        self.results.passed("ping")
        self._give(request)

    def _get(self, request: Request) -> None:
        if request.params != {"key": "app:missing"}:
            self.results.failed("calls.known", f"state.get {brief(request.params)}")
        self._fail(request, 1699, MISSING, "There is no such key: a newer daemon says so.")

    def _set(self, request: Request) -> None:
        key, value = str(request.params.get("key")), request.params.get("value")
        due = self.due.pop(key, None)
        if due is not None:
            got = f"{key} is {brief(value)}, and not {brief(due.value)}"
            self.results.judge(due.check, same(value, due.value), got)
            self.told.add(key)
        else:
            check = "calls.once" if key in self.told else "calls.known"
            self.results.failed(check, f"state.set {brief(request.params)}")
        self._give(request)

    def _do_done(self, request: Request) -> None:
        if self._done is not None:
            got = f"done, on connection {request.connection} as on {self._done}"
            self.results.failed("calls.once", got)
        self._done = request.connection  # it is never answered

    def _do_phase(self, request: Request) -> None:
        if self._done is None:
            got = "phase was called, and `done` was not in flight"
            self.results.failed("answers.order", got)
        self._give(request, {"phase": _PHASE, **messages.UNKNOWN})

    def _register(self, request: Request) -> None:
        presented = request.params.get("registration")
        if presented is not None:
            self._take_over(request, presented)
            return
        wrong = wrong_declaration(request.params.get("declarations"))
        if self.registering:
            wanted = self.registering != "loss.registration"
            got = wrong or "the declarations, where the registration would have done"
            self.results.judge(self.registering, wanted and wrong is None, got)
        else:
            self.results.failed("calls.once", "tools.register, which was done already")
        self.registration = f"r{request.connection}"
        self._registered(request)

    def _take_over(self, request: Request, presented: object) -> None:
        if not self.registrations_kept:
            message = "No such registration: register the functions anew."
            self._fail(request, 1204, "tools.unknown_registration", message)
            return
        right = presented == self.registration and request.params.get("declarations") is None
        got = f"tools.register {brief(request.params)}, the registration was {self.registration}"
        self.results.judge(self.registering or "calls.once", right, got)
        self._registered(request)

    def _registered(self, request: Request) -> None:
        self.registering = ""
        answer = {"registration": self.registration, "declared": "now", **messages.UNKNOWN}
        self._give(request, answer)

    def _subscribe(self, request: Request) -> None:
        check, self.subscribing = self.subscribing, ""
        if check:
            self._judge_subscription(check, request.params)
        else:
            self.results.failed("calls.known", f"events {brief(request.params)}")
        self.subscription = f"e{self.requests}"
        answer: dict[str, object] = {"subscription": self.subscription}
        answer |= {"cursor": self.events.cursor, **messages.UNKNOWN}
        if self.reset:
            answer |= {"reset": True, "snapshot": {**messages.SNAPSHOT, **messages.UNKNOWN}}
            self.reset = False
        self._give(request, answer)

    def _judge_subscription(self, check: str, params: dict[str, object]) -> None:
        topics = params.get("topics")
        named = set(topics) if isinstance(topics, list) else None
        got = f"events {brief(params)}"
        if named != TOPICS:
            self.results.failed("events.topics", got)
        given = params.get("since")
        want = "none was due" if self.since is None else f"{self.since!r} was due"
        self.results.judge(check, given == self.since, f"since {given!r}, and {want}")

    def _send_text(self, request: Request) -> None:
        text = request.params.get("text")
        if not self.texts or text in self.told:
            got = f"send_text {brief(text)}, a second time or without a live.turn_complete"
            self.results.failed("calls.once", got)
        else:
            due = self.texts.popleft()
            right = text == due.value
            got = "" if right else difference(text, str(due.value))
            self.results.judge(due.check, right, got)
            self.told.add(str(text))
        self._give(request)

    def _respond(self, request: Request) -> None:
        call_id = str(request.params.get("call_id"))
        call = self.calls.get(call_id)
        if call is None or call_id in self.responded:
            got = "it was answered before" if call else "the model made no such call"
            self.results.failed("tools.once", f"tools.respond to {shown(call_id)}: {got}")
            self._fail(request, 1200, "tools.unknown_call", "The model made no call of that id.")
            return
        self.responded.add(call_id)
        if call.check == "tools.cancelled":
            self._fail(request, 1201, "tools.call_expired", "The call was cancelled.")
            return
        params = request.params
        if call.sum is None:
            right = "too large" in str(params.get("error")) and "result" not in params
        else:
            right = same(params.get("result"), {"sum": call.sum}) and not params.get("error")
        self.results.judge(call.check, right, f"tools.respond {brief(params)}")
        self._give(request)

    def _disconnect(self, request: Request) -> None:
        got = "it came before the text of the last turn"
        self.results.judge("end.disconnect", self.ending, got)
        self._give(request)

    def _ignore(self, request: Request) -> None:
        self._give(request, {"declared": "now"} if request.method == "tools.unregister" else None)
