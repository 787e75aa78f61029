"""What the fuzz campaign writes to the control socket: generated lines, and a corpus by hand.

The generator knows the catalogue. It makes valid requests from the types of the parameters, then
breaks some: another type, a missing or an unknown name, numbers without end, keys twice, depth,
bytes that are no UTF-8.
"""

import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from msgspec import inspect

from campaign.inside import INSTANCE
from livehandle_proto.envelope import MAX_BATCH, MAX_ID_BYTES
from livehandle_proto.methods import METHODS
from livehandle_proto.topics import TOPICS
from livehandle_proto.values import PHASES
from support.bad_input import GOOD, plain

LINE_BYTES = 8192
"""The longest line that the fuzzed daemons read."""

LAST = b'{"jsonrpc":"2.0","id":"last","method":"daemon.ping"}'
"""The end of an input that is not cut off: when it is answered, all before it has begun."""

FUZZED = (
    *("rpc.discover", "daemon.hello", "daemon.ping", "daemon.status", "daemon.reload"),
    *("daemon.fault", "daemon.faults"),
    *("connect", "disconnect", "done", "phase", "session", "session.config"),
    *("send_audio", "send_text", "send_video", "send_tool_response", "update_instruction"),
    *("playback_drained", "user_speech_started", "user_speech_ended", "flush_deferred_prompt"),
    *("voice_state", "input_vad_state", "queue_context", "pending_context"),
    *("writer", "writer.send_audio", "writer.send_text", "writer.send_video"),
    *("writer.send_tool_response", "writer.send_client_content", "writer.update_instruction"),
    *("writer.signal_activity_start", "writer.signal_activity_end", "writer.disconnect"),
    *("session.send_audio", "session.send_text", "session.send_video"),
    *("session.send_tool_response", "session.send_client_content", "session.update_instruction"),
    *("session.signal_activity_start", "session.signal_activity_end", "session.disconnect"),
    *("session.wait_for_phase", "session.resume_handle", "transcript"),
    *("state", "state.get", "state.set", "state.remove", "state.keys", "state.clear_prefix"),
    "state.forget",
    *("state.mutations_since", "extracted", "extractors.register", "extractors.unregister"),
    *(
        "extractors.list",
        "extractors.respond",
        "events",
        "subscribe",
        "unsubscribe",
        "telemetry",
        "metrics",
    ),
    *("tools.register", "tools.unregister", "tools.list", "tools.respond"),
    *("claim", "release", "claims"),
    *("recording", "recording.list", "recording.stop"),
)
"""The methods that inputs call."""

EXEMPT: Mapping[str, str] = {
    "recording.start": "each writes files; test_recorder begins them rightly and wrongly",
    "daemon.shutdown": "one input would end the daemon for all after it; test_service stops it",
}
"""The methods that no input calls, and why."""

_METHODS = [name for name in FUZZED if name in METHODS]

Ending = Literal["close", "half-close", "vanish"]


class Input(NamedTuple):
    """What one connection writes, and how it ends.

    It reads all answers and then closes; or closes its writing side first; or is cut off anywhere
    and gone without a look at what comes.
    """

    data: bytes
    ending: Ending


_JPEG = "/9j/4AAQSkZJRg=="
_CONFIGS: list[object] = [
    {},
    {"session": {"model": "gemini-3.8-live"}},
    {"session": {"modality": "text", "setup": {}}},
    {"session": {"modality": "telepathy"}},
    {"voice": {"vad": "off", "authority": "client"}},
    {"context": {"delivery": "deferred"}},
    {"session": {"setup": {"a": {"b": [1, None, "\u2028"]}}}},
    {"nonsense": 1},
    {"limits": {"ring_events": 1}},
]
_CURSORS = [f"{INSTANCE}:{seq}" for seq in (0, 1, 3, 60, 99, 10**9)]
# By the name of the parameter: what means something to the daemon, or nearly. `connect` gets whole
# configurations, none of which names another service.
_WORDS: Mapping[str, list[object]] = {
    "config": _CONFIGS,
    "data": ["AAAAAA==", "AA==", "AAA", "", "!!!!", "A" * 4000, _JPEG, "AAAA\n", "-_-_"],
    "text": ["hi", "", " ", "call f {}", "\x00", "\u200b", "\U0001f600" * 50, "\ud800"],
    "instruction": ["Be brief.", "", "x" * 3000],
    "topics": [["*"], ["live.*", "live.audio"], list(TOPICS)[:9], ["live.audi"], ["tool.call"], []],
    "since": [*_CURSORS, "x:1", "0:0", "", ":", "a:" + "9" * 30, "\u0661:\u0661"],
    "subscription": ["e1", "s1", "s2", "e0", ""],
    "phase": list(PHASES),
    "key": ["app:theme", "user:a", "a", "temp:x", "derived:x", "turn:t", "", "k" * 300, "\x7f"],
    "prefix": ["app:", "", "user:", "a", "turn:"],
    "cursor": [0, 1, 5, 2**31, 2**63 - 1],
    "timeout_ms": [0, 2**31 - 1],
    "name": ["Order", "f", "Mine", "", "x" * 70],
    "kind": ["regex", "client", "llm"],
    "patterns": [{"item": "(la)tte"}, {"a": "("}, {"a": "(a*)*b"}, {"a": r"(?P<a>\p{L}+)"}],
    "registration": ["", "none", "x" * 100],
    "bytes": [0, 1, 1000],  # an emulator would make a message so large
}
_ODD: list[object] = [
    *(None, True, False, 0, -1, 1.5, -0.0, 2**31, 2**53 + 1, 2**63, 2**64, -(2**70), 10**40),
    *("", "x", "\x00", "\ud800", "\udfff\ud800", "\ufeff", "\u2028", "é" * 100, "x" * 5000),
    *([], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": 1}}}, ["x"] * 300),
]
_DEEP = (b"[" * 600 + b"]" * 600, b'{"a":' * 500 + b"1" + b"}" * 500)
_SPLICES = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\\ud800", b"\\u0000", b"\\x41", b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\r"),
    *(b"\x1b[2J", b"NaN", b"-Infinity", b"1e400", b"0" * 50, b"9" * 400, b"/**/", b"\n", b"\t"),
)

_PING = LAST.replace(b'"last"', b'"ping"')

CORPUS = (
    *(b"", b" ", b"\t\r", b"\x0b\x0c", b"null", b"true", b"0", b"-", b'"', b'""', b"{}", b"[]"),
    *(b"{", b"}", b"[", b"]", b"[[]]", b"[1,2]", b"[{}]", b"[[[]],{}]", b"\x00", b"\xff\xfe"),
    *(b"\xef\xbb\xbf" + _PING, _PING + b" x", _PING * 2, _PING + b"\x00", b"\x00" + _PING),
    *(b" \t" + _PING + b"\r ", _PING[:-1], _PING[1:]),
    b'{"jsonrpc":"2.0","method":"phase"}',
    b'{"jsonrpc":"2.0","method":"no.such"}',
    b'{"jsonrpc":"2.0","method":"phase","params":null,"id":1}',
    b'{"jsonrpc":"2.0","method":"phase","params":5}',
    b'{"jsonrpc":"1.0","method":"phase","id":1}',
    b'{"jsonrpc":2.0,"method":"phase","id":1}',
    b'{"method":"phase","id":1}',
    b'{"id":1}',
    b'{"jsonrpc":"2.0","method":5,"id":"five"}',
    b'{"jsonrpc":"2.0","method":"","id":"empty"}',
    b'{"jsonrpc":"2.0","method":"phase","id":null}',
    b'{"jsonrpc":"2.0","method":"phase","id":[1]}',
    b'{"jsonrpc":"2.0","method":"phase","id":{"a":1}}',
    b'{"jsonrpc":"2.0","method":"phase","id":true}',
    b'{"jsonrpc":"2.0","method":"phase","id":1e5}',
    b'{"jsonrpc":"2.0","method":"phase","id":-0}',
    b'{"jsonrpc":"2.0","method":"phase","id":01}',
    b'{"jsonrpc":"2.0","method":"phase","id":"\\ud800"}',
    b'{"jsonrpc":"2.0","method":"phase","id":"\xff"}',
    b'{"jsonrpc":"2.0","method":"phase","id":"\\u0041\\n"}',
    b'{"jsonrpc":"2.0","method":"phase","id":"a","id":"b"}',
    b'{"jsonrpc":"2.0","method":"phase","method":"no.such","id":"twice"}',
    b'{"jsonrpc":"2.0","method":"ph\\u0061se","id":"escaped"}',
    b'{"jsonrpc":"2.0","method":"phase","id":"%b"}' % (b"x" * (MAX_ID_BYTES - 2)),
    b'{"jsonrpc":"2.0","method":"phase","id":"%b"}' % (b"x" * (MAX_ID_BYTES - 1)),
    b'{"jsonrpc":"2.0","method":"phase","id":%b}' % (b"1" * 200),
    b'{"jsonrpc":"2.0","method":"%b","id":"long"}' % (b"x" * 4000),
    b'{"jsonrpc":"2.0","method":"state.set","params":{"key":"app:d","value":%b},"id":"d"}'
    % _DEEP[0],
    b'{"jsonrpc":"2.0","method":"phase","x":%b,"id":"deep"}' % _DEEP[1],
    b'{"jsonrpc":"2.0","method":"state.set","params":["app:p",1],"id":"positions"}',
    b'{"jsonrpc":"2.0","method":"state.set","params":["app:p",1,2],"id":"too many"}',
    b'{"jsonrpc":"2.0","result":null,"id":"an answer"}',
    b"[" + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]",
    b"[" + b",".join([_PING] * MAX_BATCH) + b"]",
    b"[" + b",".join([b'{"jsonrpc":"2.0","method":"phase"}'] * 9) + b"]",
    b" [ ] ",
    b"[" + _PING + b",]",
    b"GET / HTTP/1.1",  # not the first line, so no web client
    b"{" + b'"a":1,' * 1000 + b'"jsonrpc":"2.0","method":"phase","id":"wide"}',
)
"""Lines that have broken such daemons before, or might."""

_STARTS = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /", b"PRI * HTTP/2.0\r\n\r\n", b"GET /\n{}")
_NEARLY = (b"GE", b"GET", b"PRI", b"POST", b"PUT / HTTP/1.1\r\n", b"G\n", b"POSTS\n", b"get / \n")


class Maker:
    """Makes an input from a seed, the same from the same."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._ids = 0

    def input(self, lines: int) -> Input:
        """Return what a connection writes: so many lines, with what may come between them."""
        chance = self._random.random
        pieces = [self._line() for _ in range(lines)]
        if chance() < 0.05:
            pieces.insert(self._random.randrange(lines), b"x" * (LINE_BYTES + 1))
        ends = self._random.choice((b"\n", b"\n", b"\r\n", b"\n\n", b"\n \n"))
        start = b""
        if chance() < 0.08:
            start = self._random.choice(_STARTS if chance() < 0.5 else _NEARLY)
        data = start + b"".join(piece + ends for piece in pieces)
        ending: Ending = self._random.choice(("close", "close", "half-close", "vanish"))
        if ending == "vanish":
            return Input(data[: self._random.randrange(len(data) + 1)], ending)
        return Input(data + LAST + (b"\n" if ending == "close" else b""), ending)

    def _line(self) -> bytes:
        chance = self._random.random()
        if chance < 0.08:
            return self._random.choice(CORPUS)
        if chance < 0.16:
            return self._batch()
        line = self._request()
        return self._spliced(line) if chance > 0.85 else line

    def _batch(self) -> bytes:
        count = self._random.choice((1, 2, 3, 5, 8))
        members = [
            self._random.choice(CORPUS) if self._random.random() < 0.05 else self._request()
            for _ in range(count)
        ]
        return b"[" + b",".join(members) + b"]"

    def _request(self) -> bytes:
        method = self._random.choice(_METHODS)
        params = self._params(method)
        if self._random.random() < 0.3:
            params = self._broken(method, params)
        members = [b'"jsonrpc":"2.0"', b'"method":' + self._json(method), *self._id()]
        if params or self._random.random() < 0.5:
            members.append(b'"params":' + self._text(params))
        if self._random.random() < 0.05:
            members = self._odd_members(members)
        self._random.shuffle(members)
        return b"{" + b",".join(members) + b"}"

    def _odd_members(self, members: list[bytes]) -> list[bytes]:
        """Leave a member out, put one in, or have one twice."""
        change = self._random.randrange(4)
        if change == 0:
            return self._random.sample(members, len(members) - 1)
        if change == 1:
            return [*members, b'"extra":' + self._text(self._random.choice(_ODD))]
        if change == 2:
            return [*members, self._random.choice(members)]
        return [b'"jsonrpc":' + self._text(self._random.choice(_ODD)), *members[1:]]

    def _id(self) -> list[bytes]:
        """Return the id, mostly one that no other request of the connection has."""
        self._ids += 1
        number = self._ids
        return self._random.choice(
            (
                [b'"id":%d' % number],
                [b'"id":%d' % number],
                [b'"id":"r%d"' % number],
                [b'"id":"\\u00e9 \\"%d"' % number],
                [b'"id":%d.50' % number],
                [b'"id":-%d00000000000000000000000000' % number],
                [b'"id":null'] if number == 7 else [],
                [b'"id":' + self._text(self._random.choice(_ODD))]
                if self._random.random() < 0.2
                else [b'"id": "s%d" ' % number],
            )
        )

    def _params(self, method: str) -> object:
        """Return parameters that are right, by what they are called or by their types."""
        if self._random.random() < 0.5:
            return GOOD[method]
        made = self._struct(_struct_of(method))
        return list(made.values()) if self._random.random() < 0.1 else made

    def _broken(self, method: str, params: object) -> object:
        if not isinstance(params, dict) or self._random.random() < 0.2:
            return self._random.choice(_ODD)
        broken = dict(params)
        names = [field.encode_name for field in _struct_of(method).fields] or ["x"]
        name = self._random.choice(names)
        change = self._random.randrange(5)
        if change == 0:
            broken.pop(name, None)
        elif change == 1:
            broken[name[::-1]] = 1
        elif change == 2 and name != "bytes":
            broken[name] = [broken.get(name)]
        elif name not in {"bytes", "config"}:
            broken[name] = self._random.choice(_ODD)
        return broken

    def _struct(self, struct: inspect.StructType) -> dict[str, object]:
        return {
            field.encode_name: self._value(field.encode_name, field.type)
            for field in struct.fields
            if field.required or self._random.random() < 0.5
        }

    def _value(self, name: str, kind: inspect.Type, depth: int = 0) -> object:
        """Return a value of a type, for a parameter of that name."""
        if name in _WORDS and (name == "timeout_ms" or self._random.random() < 0.9):
            return self._random.choice(_WORDS[name])
        match plain(kind):
            case inspect.StructType() as struct:
                return self._struct(struct)
            case inspect.ListType(item_type=item):
                count = self._random.choice((0, 1, 1, 2))
                return [self._value("", item, depth + 1) for _ in range(count)]
            case inspect.DictType(value_type=value):
                return {n: self._value("", value, depth + 1) for n in ("a", "text")[: 2 - depth]}
            case inspect.LiteralType(values=values):
                return self._random.choice(values)
            case inspect.BoolType():
                return self._random.random() < 0.5
            case inspect.IntType(ge=low, le=high) | inspect.FloatType(ge=low, le=high):
                return self._random.choice((low or 0, 1, min(high or 1000, 1000)))
            case inspect.StrType():
                return self._random.choice(("a", "Order", "x:y", "é", ""))
            case _:
                return self._random.choice(_ODD)

    def _text(self, value: object) -> bytes:
        """Return JSON, at times with something that no encoder would write."""
        chance = self._random.random()
        if chance < 0.01:
            return self._random.choice(_DEEP)
        text = self._json(value)
        if chance < 0.03 and text[:1] == b"{" and len(text) > 2:
            return text[:-1] + b"," + text[1:]  # every key twice
        return text

    def _json(self, value: object) -> bytes:
        plain_ascii = self._random.random() < 0.5
        text = json.dumps(value, ensure_ascii=plain_ascii, separators=(",", ":"))
        return text.encode(errors="surrogatepass")  # which is no UTF-8

    def _spliced(self, line: bytes) -> bytes:
        """Return a line with bytes put in, taken out or overwritten."""
        at = self._random.randrange(len(line))
        what = self._random.choice(_SPLICES)
        change: Callable[[], bytes] = self._random.choice(
            (
                lambda: line[:at] + what + line[at:],
                lambda: line[:at] + what + line[at + len(what) :],
                lambda: line[:at],
                lambda: line[:at] + line[at + 1 :],
                lambda: line[:at] + line[at:][::-1],
            )
        )
        return change()


@cache
def _struct_of(method: str) -> inspect.StructType:
    struct = inspect.type_info(METHODS[method].params)
    assert isinstance(struct, inspect.StructType)
    return struct
