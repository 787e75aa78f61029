"""The conversation of the certification, from the first call to the last."""

import base64
import hashlib
import json
from collections.abc import Callable, Generator
from typing import NamedTuple

from livectl.certify import messages
from livectl.certify.service import Call, Close, Due, EndWriting, Service

STEP_S = 10.0
"""How long a client may take for one step."""


class Wait(NamedTuple):
    """What is waited for, as part of which check, and what is missing until it is there."""

    check: str
    met: Callable[[], bool]
    missing: str
    seconds: float | None = STEP_S
    """None: for as long as it takes."""
    vital: bool = False
    """Whether nothing can follow without it."""
    may_leave: bool = False
    """Whether the client may close the connection meanwhile."""


Script = Generator[Wait, bool, None]
"""A conversation: it waits, and is told whether what it waits for came in time."""

_AS_IT_IS = "Grüße, 世界 \U0001f399, two\u2028lines\u2029or\x85more; "
_ESCAPED = 'a "quote", a back\\slash, a /slash, a\ttab, a\nline, ü \U0001f399 \u0007.'


def script(service: Service, first_s: float | None) -> Script:
    """Yield each wait of the conversation. `first_s` is how long the first connection may take."""
    yield Wait("hello.first", lambda: service.connection is not None, "a connection", first_s, True)
    yield from _begin(service)
    yield from _framing(service)
    yield from _loss(service)
    yield from _lag(service)
    yield from _end_of_file(service)
    yield from _tools(service)
    yield from _end(service)


def _begin(service: Service) -> Script:
    """Hear steps 1 to 4: what the client does by itself."""
    yield Wait("ping", lambda: "daemon.ping" in service.called, "daemon.ping")
    told = service.told
    yield Wait("errors.name", lambda: "app:error" in told, "state.set of app:error")
    yield Wait("answers.order", lambda: "app:phase" in told, "state.set of app:phase")
    yield Wait("tools.declared", lambda: not service.registering, "tools.register")
    yield Wait("events.topics", lambda: not service.subscribing, "events", vital=True)


def _framing(service: Service) -> Script:
    """Step 4a: whatever a line may look like."""
    yield from _turn(service, "text.plain", "Hello, ", "world.")
    service.texts.append(Due("text.unicode", _AS_IT_IS + _ESCAPED))
    service.write(_delta(service, _AS_IT_IS), _escaped(_delta(service, _ESCAPED)))
    service.write(_complete(service))
    yield from _echo(service, "text.unicode")
    yield from _unknown(service)
    service.texts.append(Due("text.bytes", "Lettre à lettre."))
    for byte in _delta(service, "Lettre à lettre.") + _complete(service):
        service.write(bytes([byte]), apart=True)
    yield from _echo(service, "text.bytes")
    yield from _together(service)
    if service.reads_long_lines():  # what it cannot read was said of hello.limit
        yield from _turn(service, "text.long", _long_text())


def _unknown(service: Service) -> Script:
    service.texts.append(Due("text.unknown", "Known."))
    delta = _delta(service, "Known.", **messages.UNKNOWN)
    service.write(
        service.event("live.hologram", {"depth": [1, None], "of": {"text": "unknown"}}),
        # Members stand in any order, and JSON has room between them.
        delta.replace(b'{"jsonrpc":"2.0","method":"event",', b'{ "x": {"method": null},\t').replace(
            b"}}}\n", b'} } , "method" : "event", "jsonrpc": "2.0"}\r\n'
        ),
        service.events.own("daemon.novelty", {"text": "unknown"}),
        service.event("events.dropped", {"count": 3, "from": 1, "to": 5, **messages.UNKNOWN}),
        _complete(service),
    )
    yield from _echo(service, "text.unknown")


def _together(service: Service) -> Script:
    service.texts += (Due("text.together", "One turn."), Due("text.together", "And another."))
    last = _complete(service)
    service.write(
        *(_delta(service, "One "), _delta(service, "turn."), _complete(service)),
        *(_delta(service, "And "), _delta(service, "another."), last[:40]),
    )
    service.write(last[40:], apart=True)
    yield from _echo(service, "text.together")


def _loss(service: Service) -> Script:
    """Step 4b: the connection is closed in the middle of a line."""
    service.due["app:lost"] = Due("loss.error", "daemon.unreachable")
    service.write(_delta(service, "Lost "))
    service.since = service.events.cursor
    half, _, _ = _delta(service, "und gefúnden.").partition("ú".encode())
    service.write(half + "ú".encode()[:1])
    service.registering, service.subscribing = "loss.registration", "loss.since"
    service.actions.append(Close(service.drop()))
    service.events.cursor = service.since
    there = lambda: service.connection is not None  # noqa: E731
    yield Wait("loss.returns", there, "another connection", vital=True)
    service.results.passed("loss.returns")
    # A half line that is kept spoils the first line of the new connection: hello's answer.
    registers = "tools.register after hello (is the half line thrown away?)"
    yield Wait("loss.registration", lambda: not service.registering, registers)
    yield Wait("loss.since", lambda: not service.subscribing, "events {since}", vital=True)
    yield from _turn(service, "loss.text", "und gefúnden.", before="Lost ")
    yield Wait("loss.error", lambda: "app:lost" in service.told, "state.set of app:lost")


def _lag(service: Service) -> Script:
    """Step 4c: the subscription fell behind."""
    service.due["app:lagged"] = Due("lag.told", 7)
    service.subscribing = "lag.since"
    delta = _delta(service, "Slow, ")
    service.since = service.events.cursor
    lagged = {"last_seq": service.events.last_seq, "missed": 7}
    service.write(delta, service.events.notice(service.subscription, "events.lagged", lagged))
    yield Wait("lag.since", lambda: not service.subscribing, "events", vital=True)
    yield from _turn(service, "lag.text", "but all of it.", before="Slow, ")
    yield Wait("lag.told", lambda: "app:lagged" in service.told, "state.set of app:lagged")


def _end_of_file(service: Service) -> Script:
    """Step 4d: the server ends its writing side, and does not know what was before."""
    service.due["app:reset"] = Due("reset.told", True)
    service.write(_delta(service, "This is forgotten. "))
    service.since = service.events.cursor
    service.registering, service.registrations_kept = "reset.registers", False
    service.subscribing, service.reset = "eof.returns", True
    lost = service.drop()
    service.actions.append(EndWriting(lost))
    service.events = messages.Events("c2")
    there = lambda: service.connection is not None  # noqa: E731
    yield Wait("eof.returns", there, "another connection", vital=True)
    yield Wait("reset.registers", lambda: not service.registering, "tools.register {declarations}")
    yield Wait("eof.returns", lambda: not service.subscribing, "events {since}", vital=True)
    yield Wait("eof.closes", lambda: lost in service.ended, "the end of the old connection")
    if lost in service.ended:
        service.results.passed("eof.closes")
    service.actions.append(Close(lost))
    yield from _turn(service, "reset.text", "A fresh start.")
    yield Wait("reset.told", lambda: "app:reset" in service.told, "state.set of app:reset")


def _tools(service: Service) -> Script:
    """Step 4e: calls of the model."""
    calls, done = service.calls, service.responded
    calls |= {"c1": Call("tools.result", 3), "c2": Call("tools.result", 999)}
    service.write(_call(service, "c1", 1, 2), _call(service, "c2", 1000, -1))
    yield Wait("tools.result", lambda: {"c1", "c2"} <= done, "tools.respond to both calls")
    calls["c3"] = Call("tools.error", None)
    service.write(_call(service, "c3", 1001, 1))
    yield Wait("tools.error", lambda: "c3" in done, "tools.respond {call_id, error}")
    calls["c4"] = Call("tools.cancelled", None)
    cancel = service.events.own("tool.cancel", {"call_id": "c4", "reason": "cancelled"})
    service.write(_call(service, "c4", 5, 6), cancel)
    yield from _turn(service, "tools.cancelled", "Still here.")
    yield from _turn(service, "tools.cancelled", "Here after the answer as well.")
    service.results.passed("tools.once")


def _end(service: Service) -> Script:
    """Step 5: the client ends by itself."""
    yield from _turn(service, "end.text", "That is all.")
    service.ending = True
    disconnected = lambda: "disconnect" in service.called  # noqa: E731
    yield Wait("end.disconnect", disconnected, "disconnect")
    left = yield Wait("end.closes", lambda: service.left, "the end of file", may_leave=True)
    if left:
        service.results.passed("end.closes")


def _turn(service: Service, check: str, *deltas: str, before: str = "") -> Script:
    """Write the rest of a turn, and wait for the text of all of it."""
    service.texts.append(Due(check, before + "".join(deltas)))
    service.write(*(_delta(service, delta) for delta in deltas), _complete(service))
    yield from _echo(service, check)


def _echo(service: Service, check: str) -> Script:
    yield Wait(check, lambda: not service.texts, "send_text after live.turn_complete")
    service.texts.clear()  # what did not come is not waited for again


def _delta(service: Service, text: str, **more: object) -> bytes:
    return service.event("live.text_delta", {"text": text, **more}, **more)


def _complete(service: Service) -> bytes:
    data = {"turn": 1, "turn_number": 1, "user": "", "model": "", "interrupted": False}
    return service.event("live.turn_complete", {**data, "reason": None})


def _call(service: Service, call_id: str, a: int, b: int) -> bytes:
    call = {"call_id": call_id, "registration": service.registration, "name": "add"}
    args = {"a": a, "b": b}
    return service.events.own("tool.call", {**call, "args": args, "deadline_ms": 30_000})


def _escaped(line: bytes) -> bytes:
    r"""Write what is not ASCII as `\uXXXX`, in pairs where JSON needs them, and `/` as `\/`."""
    return json.dumps(json.loads(line)).replace("/", "\\/").encode() + b"\n"


def _long_text() -> str:
    """Return 900,000 characters without a pattern."""
    return base64.b64encode(hashlib.shake_128().digest(675_000)).decode()
