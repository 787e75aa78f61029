"""The rows of bad input that follow from what the parameters mean, written by hand."""

import base64
from collections.abc import Iterator, Sequence

from support.bad_input import (
    ANSWER,
    BIG,
    CALL,
    GOOD,
    MANY,
    MEGABYTE,
    ODD_NAME,
    OTHERS,
    SPEC,
    SUBSCRIPTION,
    TAKEN,
    TURN,
    UNREADABLE,
    Json,
    Kind,
    Row,
)


def from_meaning() -> list[Row]:
    """Return the rows."""
    return [
        *_of_sends(),
        *_of_the_session(),
        *_of_the_daemon(),
        *_of_the_state(),
        *_of_extractors(),
        *_of_tools(),
        *_of_roles(),
        *_of_events(),
    ]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _of_sends() -> Iterator[Row]:
    for method, params in GOOD.items():
        name = method.rpartition(".")[2]
        if name == "send_audio":
            yield from _audio(method)
        elif name == "send_video":
            yield from _video(method)
        elif name == "send_text":
            yield from _words(method, "text", params)
        elif name == "update_instruction":
            yield from _words(method, "instruction", params)
        elif name == "send_tool_response":
            yield from _answers(method)
        elif name == "send_client_content":
            yield from _turns(method, {"turn_complete": True})
    yield from _turns("queue_context", {})
    for method in ("writer.send_client_content", "session.send_client_content"):
        nothing: Json = {"turns": [], "turn_complete": False}
        yield Row(method, "empty", "turns", nothing, param="turns")
        yield Row(method, "empty", "turns", {**nothing, "turn_complete": True}, None)
    idle_talk: list[Json] = [{}, {"turns": []}, {"prompt": False}, {"role": "user"}]
    for nothing in idle_talk:
        yield Row("queue_context", "empty", "turns", nothing, param="turns")
    yield Row("queue_context", "legal", "prompt", {"prompt": True}, None)
    for role in ("user", "model"):
        yield Row("queue_context", "legal", "role", {"text": "hi", "role": role}, None)
    yield from _words("queue_context", "text", {})
    yield Row("queue_context", "empty", "text", {"turns": [TURN], "text": ""}, "text.empty", "text")


def _audio(method: str) -> Iterator[Row]:
    def row(kind: Kind, data: str, error: str | None) -> Row:
        return Row(method, kind, "data", {"data": data}, error, "data" if error else None)

    yield row("empty", "", "audio.empty")
    yield row("huge", b64(bytes(MEGABYTE)), None)
    yield row("huge", b64(bytes(MEGABYTE + 1)), "audio.misaligned")
    yield row("meaning", b64(b"\1"), "audio.misaligned")
    yield row("meaning", b64(b"\1\2\3"), "audio.misaligned")
    for data in _NO_BASE64:
        yield row("meaning", data, "audio.bad_base64")


def _video(method: str) -> Iterator[Row]:
    def row(kind: Kind, data: str, error: str | None) -> Row:
        return Row(method, kind, "data", {"data": data}, error, "data" if error else None)

    yield row("empty", "", "video.not_jpeg")
    yield row("huge", b64(b"\xff\xd8\xff" + bytes(MEGABYTE)), None)
    yield row("huge", b64(bytes(MEGABYTE)), "video.not_jpeg")
    for picture in (b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"\xff\xd8", b"hello"):
        yield row("meaning", b64(picture), "video.not_jpeg")
    for data in _NO_BASE64:
        yield row("meaning", data, "video.not_jpeg")


_NO_BASE64 = (
    "_-8=",  # the alphabet for URLs
    "/9j _w==",
    " AAA=",
    "AAA=\n",
    "AAAA\r\nAAA=",
    "AAA",  # no padding
    "A",
    "A===",
    "====",
    "AA==AA==",
    "AA=A",
    "data:audio/pcm;base64,AAA=",
    "ÄÄÄ=",
    "AA\0=",
    "!" * MEGABYTE,
)


def _words(method: str, param: str, good: Json) -> Iterator[Row]:
    for empty in ("", " ", "\n\t \u2003"):
        yield Row(method, "empty", param, {**good, param: empty}, "text.empty", param)
    yield Row(method, "huge", param, {**good, param: BIG}, None)
    yield Row(method, "huge", param, {**good, param: " " * MEGABYTE}, "text.empty", param)
    yield Row(method, "legal", param, {**good, param: "\0\x1b\u200b\U0001f600"}, None)
    for bytes_ in (rb"\ud800", b"\xff", rb"\x41", b"\0"):
        yield Row(method, "meaning", param, b'{"%b":"%b"}' % (param.encode(), bytes_), UNREADABLE)


def _answers(method: str) -> Iterator[Row]:
    unknown = "tools.unknown_call"

    def row(kind: Kind, answers: list[Json], error: str | None, *, idle: bool = False) -> Row:
        param = None if error in {None, "session.not_connected"} else "responses"
        return Row(method, kind, "responses", {"responses": answers}, error, param, idle=idle)

    yield row("meaning", [{**ANSWER, "id": "c2"}], unknown)
    yield row("meaning", [ANSWER, {**ANSWER, "id": "c2"}], unknown)
    yield row("meaning", [ANSWER, ANSWER], unknown)
    yield row("empty", [{**ANSWER, "id": ""}], unknown)
    yield row("empty", [{"id": "", "name": "", "response": None}], unknown)
    yield row("huge", [{**ANSWER, "id": "c" * MEGABYTE}], unknown)
    yield row("huge", [{**ANSWER, "id": f"c{i}"} for i in range(MANY)], unknown)
    yield row("huge", [{**ANSWER, "response": BIG}], None)
    yield row("meaning", [ANSWER], "session.not_connected", idle=True)
    legal: list[object] = [None, 5, "", [], {}, {"a": [None]}]
    for response in legal:
        yield row("legal", [{**ANSWER, "response": response}], None)
    yield row("legal", [{**ANSWER, "scheduling": "SILENT", "will_continue": False}], None)
    yield row("legal", [{**ANSWER, "will_continue": True}, ANSWER], None)


def _turns(method: str, rest: Json) -> Iterator[Row]:
    def row(
        kind: Kind, turns: Sequence[object], param: str | None = None, near: str | None = None
    ) -> Row:
        error = "wire.invalid_params" if param else None
        return Row(method, kind, "turns", {**rest, "turns": turns}, error, param, near)

    def part(part: object, inside: str | None = "", near: str | None = None) -> Row:
        param = None if inside is None else f"turns[0].parts[0]{inside}"
        return row("meaning", [{"role": "user", "parts": [part]}], param, near)

    picture = {"mime_type": "image/jpeg", "data": "/9j/"}
    yield part({})
    yield part({"text": None})
    yield part({"thought": True})
    yield part({"text": "a", "inline_data": picture})
    yield part({"text": "a", "function_call": {"name": "f"}})
    yield part({ODD_NAME: 1}, f".{ODD_NAME}")
    yield part({"text": "a", ODD_NAME: 1}, f".{ODD_NAME}")
    yield part({"n" * MEGABYTE: 1}, "." + "n" * MEGABYTE)
    yield part({"tex": "a"}, ".tex", "text")
    yield part({"Text": "a"}, ".Text", "text")
    yield part({"inline_dat": picture}, ".inline_dat", "inline_data")
    yield part({"inlineDat": picture}, ".inlineDat", "inlineData")
    yield part({"text": 5}, ".text")
    yield part({"text": []}, ".text")
    yield part({"inline_data": "/9j/"}, ".inline_data")
    yield part({"inline_data": {"data": "/9j/"}}, ".inline_data.mime_type")
    yield part({"inline_data": {**picture, "data": "_9j_"}}, ".inline_data.data")
    yield part({"inline_data": {**picture, "data": "/9j"}}, ".inline_data.data")
    yield part({"inline_data": {**picture, "data": 5}}, ".inline_data.data")
    mistyped = {"mime_typ": "image/jpeg", "data": "/9j/"}
    yield part({"inline_data": mistyped}, ".inline_data.mime_typ", "mime_type")
    yield part({"inlineData": {"mimeType": 5, "data": "/9j/"}}, ".inline_data.mime_type")
    yield part({"function_call": {"name": "f", "args": []}}, ".function_call.args")
    yield part({"text": "a"}, None)
    yield part({"text": "a", "thought": None}, None)
    yield part({"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}}, None)
    yield part({"inline_data": picture, "media_resolution": {"level": "LOW"}}, None)
    yield row("meaning", [TURN, {"role": "model", "parts": [{}]}], "turns[1].parts[0]")
    yield row("meaning", [{"role": "user", "parts": [{"text": "a"}, {}]}], "turns[0].parts[1]")
    yield row("meaning", [{"role": "system", "parts": [{"text": "a"}]}], "turns[0].role")
    fits = None if method != "queue_context" else "session.queue_full"
    yield Row(method, "huge", "turns", {**rest, "turns": [TURN] * MANY}, fits)
    yield row("legal", [TURN] * 256)
    yield row("huge", [TURN] * MANY + [{"role": "user", "parts": [{}]}], f"turns[{MANY}].parts[0]")
    yield row("huge", [{"role": "user", "parts": [{"text": "a"}] * MANY}])
    yield row("huge", [{"role": "user", "parts": [{"text": BIG}]}])


def _of_the_session() -> Iterator[Row]:
    configs: list[Json] = [{}, {"config": {}}, {"config": {"session": {"voice": "Puck"}}}]
    for config in configs:
        yield Row("connect", "legal", "config", config, "session.already_connected")
        yield Row("connect", "legal", "config", config, None, idle=True)
    yield Row("connect", "empty", "config", {"config": {}}, None, idle=True)
    yield from _configurations()
    ended = "session.not_connected"
    waits: list[Json] = [{}, {"timeout_ms": 0}, {"timeout_ms": None}, {"timeout_ms": 2**31 - 1}]
    for params in waits:
        yield Row("done", "meaning", "timeout_ms", params, ended, idle=True)
    moments: list[Json] = [{"timeout_ms": 0}, {"timeout_ms": 1}]
    for params in moments:
        yield Row("done", "legal", "timeout_ms", params, "session.timeout")
        params = {**params, "phase": "interrupted"}
        yield Row("session.wait_for_phase", "legal", "timeout_ms", params, "session.timeout")
    yield Row(
        "session.wait_for_phase", "legal", "phase", {"phase": "disconnected"}, None, idle=True
    )
    for turns in (0, 1, 10**20, 10**400, None):
        yield Row("transcript", "huge", "turns", {"turns": turns}, None)
    yield Row("transcript", "huge", "turns", b'{"turns":1e400}', param="turns")
    yield Row("transcript", "huge", "turns", b'{"turns":1%b}' % (b"0" * 5000), param="turns")
    for method in ("playback_drained", "flush_deferred_prompt", "user_speech_ended"):
        yield Row(method, "meaning", "", {}, ended, idle=True)


def _configurations() -> Iterator[Row]:
    def row(kind: Kind, config: Json, param: str, near: str | None = None) -> Row:
        params = {"config": config}
        return Row("connect", kind, "config", params, "config.invalid", param, near, idle=True)

    yield row("meaning", {"sesion": {}}, "sesion", "session")
    yield row("meaning", {"moon": {}}, "moon")
    yield row("meaning", {"session": 5}, "session")
    yield row("meaning", {"session": {"modle": "x"}}, "session.modle", "session.model")
    yield row("meaning", {"session": {"delivery": "x"}}, "session.delivery", "context.delivery")
    yield row("meaning", {"session": {"backend": "vertx"}}, "session.backend", "vertex")
    yield row("meaning", {"session": {"backend": "moon"}}, "session.backend")
    yield row("meaning", {"session": {"model": 5}}, "session.model")
    yield row("meaning", {"session": {"model": None}}, "session.model")
    yield row("meaning", {"session": {"base_url": "http://h"}}, "session.base_url")
    yield row("meaning", {"limits": {"ring_events": 5}}, "limits.ring_events")
    yield row("meaning", {"voice": {"vad": "enrgy"}}, "voice.vad", "energy")
    yield row("meaning", {"context": {"delivery": "late"}}, "context.delivery")
    yield row("empty", {"": {}}, "")
    yield row("empty", {"session": {"": 1}}, "session.")
    yield row("huge", {"s" * MEGABYTE: {}}, "s" * MEGABYTE)
    yield row("huge", {"session": {"voice": ["x"] * MANY}}, "session.voice")
    wrong: Json = {"Order": {"kind": "regx"}}
    at = "extraction.extractors.Order.kind"
    yield row("meaning", {"extraction": {"extractors": wrong}}, at)
    huge: Json = {"O" * MEGABYTE: {"kind": "client"}}
    at = "extraction.extractors." + "O" * MEGABYTE
    yield row("huge", {"extraction": {"extractors": huge}}, at)


def _of_the_daemon() -> Iterator[Row]:
    too_large = "wire.result_too_large"
    yield Row("rpc.discover", "huge", "", {}, too_large, "max_line_bytes")
    for client in ("", "x" * 64, None):
        yield Row("daemon.hello", "empty", "client", {"client": client}, None)
    for line_bytes in (65_536, 2**30, None):
        yield Row("daemon.hello", "legal", "max_line_bytes", {"max_line_bytes": line_bytes}, None)
    yield from _of_faults()


def _of_faults() -> Iterator[Row]:
    wrong: dict[str, Json] = {
        "code": {"do": "close", "code": 1006, "at": "audio"},
        "reason": {"do": "abort", "reason": "x", "at": "audio"},
        "bytes_per_s": {"do": "slow", "at": "audio"},
        "at": {"do": "go_away", "at": "go_away"},
        "when": {"do": "close", "when": "before"},
        "skip": {"do": "close", "skip": 1},
        "times": {"do": "close", "times": 0},
        "after_ms": {"do": "forget", "after_ms": 1},
    }
    for param, params in wrong.items():
        yield Row("daemon.fault", "meaning", param, params, "config.invalid", param)
    # The session of this daemon is with another service: the emulator has no connection.
    yield Row("daemon.fault", "meaning", "", {"do": "close"}, "session.not_connected")
    for field, do in (("reason", "close"), ("body", "refuse")):
        params = {"do": do, "at": "upgrade", field: ""}
        yield Row("daemon.fault", "empty", field, params, None)
    yield Row("daemon.faults", "legal", "clear", {"clear": True}, None)


def _of_the_state() -> Iterator[Row]:
    bad_keys = ("", "a\n", "\0", "a\x7f", "\x85", "x" * 257, BIG)
    for method in ("state.get", "state.set", "state.remove"):
        value: Json = {"value": 1} if method == "state.set" else {}
        for key in bad_keys:
            kind: Kind = "huge" if len(key) > 256 else "meaning" if key else "empty"
            yield Row(method, kind, "key", {"key": key, **value}, "state.bad_key", "key")
        for key in ("x" * 256, "ä b", "no:such:scope", ":", "__proto__"):
            yield Row(method, "legal", "key", {"key": key, **value}, None)
        error = None if method == "state.get" else "state.bad_key"
        param = error and "key"
        yield Row(method, "meaning", "key", {"key": "derived:x", **value}, error, param)
        yield Row(method, "meaning", "key", {"key": "derived:", **value}, error, param)
    yield from _values()
    for prefix in ("", BIG, "derived:", "\0"):
        kind = "huge" if len(prefix) > 256 else "legal" if prefix else "empty"
        yield Row("state.keys", kind, "prefix", {"prefix": prefix}, None)
    for prefix in ("", BIG, "deriv", "\0"):
        kind = "huge" if len(prefix) > 256 else "legal" if prefix else "empty"
        yield Row("state.clear_prefix", kind, "prefix", {"prefix": prefix}, None)
    for prefix in ("derived:", "derived:x", "derived:" + BIG):
        params = {"prefix": prefix}
        yield Row("state.clear_prefix", "meaning", "prefix", params, "state.bad_key", "prefix")
    for cursor in (0, 1, 10**20, 10**400):
        yield Row("state.mutations_since", "huge", "cursor", {"cursor": cursor}, None)


def _values() -> Iterator[Row]:
    def nested(depth: int) -> bytes:
        return b'{"key":"a","value":%b%b}' % (b"[" * depth, b"]" * depth)

    bad_value, full = "state.bad_value", "state.full"
    for text in (b"NaN", b"Infinity", b"-Infinity", b"0x1", b"01", b"'a'", b"undefined", b""):
        params = b'{"key":"a","value":%b}' % text
        yield Row("state.set", "meaning", "value", params, "wire.parse_error")
    yield Row("state.set", "meaning", "value", b'{"key":"a","value":1e400}', param="value")
    yield Row("state.set", "meaning", "value", nested(101), bad_value, "value")
    yield Row("state.set", "meaning", "value", nested(500), bad_value, "value")
    yield Row("state.set", "huge", "value", nested(200_000), UNREADABLE)
    yield Row("state.set", "legal", "value", nested(100), None)
    yield Row("state.set", "huge", "value", {"key": "a", "value": BIG}, full, "value")
    huge = {"key": "a", "value": "x" * (MEGABYTE - 2)}
    yield Row("state.set", "huge", "value", huge, None)
    yield Row("state.set", "huge", "value", {"key": "a", "value": [1] * MANY}, None)
    legal: list[object] = [None, "", [], {}, 0, 10**20, 1.5, {"a": None}]
    for value in legal:
        yield Row("state.set", "empty", "value", {"key": "a", "value": value}, None)


def _of_extractors() -> Iterator[Row]:
    for method in ("extracted", "extractors.unregister"):
        name = "extraction.unknown" if method == "extractors.unregister" else "state.bad_key"
        yield Row(method, "empty", "name", {"name": ""}, name, "name")
        yield Row(method, "huge", "name", {"name": BIG}, name, "name")
        yield Row(method, "meaning", "name", {"name": "a\n"}, name, "name")
    unknown = "extraction.unknown"
    yield Row("extracted", "legal", "name", {"name": "NoSuch"}, None)
    for name in ("NoSuch", OTHERS):
        yield Row("extractors.unregister", "meaning", "name", {"name": name}, unknown, "name")
    yield from _specs()
    yield from _responses()


def _specs() -> Iterator[Row]:
    method, client = "extractors.register", {"name": "New", "kind": "client"}
    invalid, bad = "wire.invalid_params", "extraction.bad_spec"

    def row(kind: Kind, about: str, spec: Json, error: str, param: str) -> Row:
        return Row(method, kind, about, spec, error, param)

    for name in ("a b", "1a", "a:b", "derived:x", "Order\n", "x" * 65, "ä", "Taken\0"):
        yield row("meaning", "name", {**client, "name": name}, invalid, "name")
    for name in (TAKEN, OTHERS):
        yield row("meaning", "name", {**client, "name": name}, "extraction.name_taken", "name")
    for pattern in ("(", "[", "a(?=b)", r"(a)\1", "a{2000}", "a{400}", "*", "(?P<a", r"\p{Moon}"):
        spec = {**SPEC, "patterns": {"item": pattern}}
        yield row("meaning", "patterns", spec, bad, "patterns.item")
    yield row("empty", "patterns", {**SPEC, "patterns": {"item": ""}}, invalid, "patterns.item")
    long = {**SPEC, "patterns": {"item": "x" * 1001}}
    yield row("huge", "patterns", long, invalid, "patterns.item")
    odd_field = {**SPEC, "patterns": {"fine": "x", "a b": "x"}}
    yield row("meaning", "patterns", odd_field, invalid, "patterns.a b")
    no_patterns: Json = {"name": "New", "kind": "regex"}
    yield row("meaning", "patterns", no_patterns, bad, "patterns")
    yield row("meaning", "patterns", {**no_patterns, "patterns": None}, bad, "patterns")
    yield row("meaning", "patterns", {**client, "patterns": {"a": "b"}}, bad, "patterns")
    yield row("meaning", "schema", {**client, "schema": {"type": "object"}}, bad, "schema")
    yield row("meaning", "prompt", {**client, "prompt": "look"}, bad, "prompt")
    yield row("meaning", "model", {**client, "model": "m"}, bad, "model")
    yield row("empty", "schema", {**client, "schema": {}}, bad, "schema")
    yield row("empty", "schema", {"name": "New", "kind": "llm", "schema": {}}, bad, "schema")
    no_objects: list[object] = ["array", "nonsense", 5, []]
    for no_object in no_objects:
        odd: Json = {"name": "New", "kind": "llm", "prompt": "look", "schema": {"type": no_object}}
        yield row("meaning", "schema", odd, bad, "schema.type")
    odd = {"name": "New", "kind": "llm", "schema": {"type": "object", "properties": [1]}}
    yield row("meaning", "schema", odd, bad, "schema.properties")
    empties: list[Json] = [{}, {"prompt": ""}, {"schema": None}]
    for empty in empties:
        yield row("empty", "schema", {"name": "New", "kind": "llm", **empty}, bad, "prompt")
    yield Row(method, "empty", "prompt", {**client, "prompt": "", "model": ""}, None)
    yield Row(method, "empty", "model", {**client, "prompt": "", "model": ""}, None)
    schema = {"type": "object", "properties": {f"f{i}": {"type": "string"} for i in range(MANY)}}
    yield Row(method, "huge", "schema", {"name": "New", "kind": "llm", "schema": schema}, None)
    yield row("meaning", "interval", {**client, "trigger": "interval"}, bad, "interval")
    yield row("meaning", "interval", {**client, "interval": 2}, bad, "interval")
    yield Row(method, "legal", "interval", {**client, "trigger": "interval", "interval": 2}, None)
    yield Row(method, "empty", "promote", {**client, "promote": []}, None)
    for key in ("derived:x", "state_meta:x", "moon:x", "a b", "app:", ":x", "x" * 73):
        promote = [{"field": "item"}, {"field": "item", "key": key}]
        yield row("meaning", "promote", {**client, "promote": promote}, invalid, "promote[1].key")
    for one_of in ([], [1] * MANY):
        spec = {**client, "promote": [{"field": "item", "one_of": one_of}]}
        yield row("meaning", "promote", spec, invalid, "promote[0].one_of")


def _responses() -> Iterator[Row]:
    method, unknown = "extractors.respond", "extraction.unknown_run"
    for run_id in ("", "no such", "\0", BIG):
        kind: Kind = "huge" if len(run_id) > 256 else "meaning" if run_id else "empty"
        params: Json = {"run_id": run_id, "value": {"item": "latte"}}
        yield Row(method, kind, "run_id", params, unknown, "run_id")
    values: list[tuple[Kind, object]] = [("huge", BIG), ("huge", [1] * MANY)]
    empties: list[object] = [None, "", [], {}]
    values += [("empty", empty) for empty in empties]
    for kind, value in values:
        yield Row(method, kind, "value", {"run_id": "r", "value": value}, unknown, "run_id")
    for error in ("I failed.", BIG):
        kind = "huge" if len(error) > 256 else "meaning"
        yield Row(method, kind, "error", {"run_id": "r", "error": error}, unknown, "run_id")
    yield Row(method, "meaning", "value", {"run_id": "r"}, param="value")
    yield Row(method, "meaning", "value", {"run_id": "r", "error": None}, param="value")
    both = {"run_id": "r", "value": 1, "error": "e"}
    yield Row(method, "meaning", "value", both, param="value")


def _of_tools() -> Iterator[Row]:
    yield from _declarations()
    unknown = "tools.unknown_registration"
    for method in ("tools.register", "tools.unregister"):
        for token in ("", "no such", "\0", BIG):
            kind: Kind = "huge" if len(token) > 256 else "meaning" if token else "empty"
            params: Json = {"registration": token}
            yield Row(method, kind, "registration", params, unknown, "registration")
            yield Row(method, kind, "registration", params, unknown, "registration", idle=True)
    yield Row("tools.unregister", "meaning", "", {}, unknown, "registration", idle=True)
    yield from _tool_answers()


def _declarations() -> Iterator[Row]:
    method, bad = "tools.register", "tools.bad_declaration"

    def row(kind: Kind, given: object, param: str, near: str | None = None) -> Row:
        return Row(method, kind, "declarations", {"declarations": given}, bad, param, near)

    yield row("empty", [], "declarations")
    yield row("huge", [{"name": f"f{i}"} for i in range(MANY)], "declarations")
    yield row("meaning", [{"name": "a"}, {"name": "a"}], "declarations[1].name")
    no_objects: list[object] = [5, "f", []]
    for no_object in no_objects:
        yield row("meaning", [{"name": "a"}, no_object], "declarations[1]")
        schema = {"name": "a", "parameters": no_object}
        yield row("meaning", [schema], "declarations[0].parameters")
    yield row("meaning", [None], "declarations[0]")
    yield row("meaning", [{}], "declarations[0].name")
    for key, near in (("nmae", "name"), ("parametersJsonSchema", "parameters"), ("moon", None)):
        yield row("meaning", [{"name": "a", key: {}}], f"declarations[0].{key}", near)
    for name in ("", "1a", "a b", "a\n", "ä", "x" * 129, BIG, None, 5):
        yield row("meaning", [{"name": name}], "declarations[0].name")
    yield row("meaning", [{"name": "a", "description": 5}], "declarations[0].description")
    lower = [{"name": "a", "behavior": "blocking"}]
    yield row("meaning", lower, "declarations[0].behavior", "BLOCKING")
    for nothing in ({}, {"declarations": None}):
        yield Row(method, "empty", "declarations", nothing, param="declarations")
    taken: Json = {"declarations": [{"name": OTHERS}]}
    yield Row(method, "meaning", "declarations", taken, "tools.name_taken", "declarations")
    for name in (TAKEN, "x" * 128, "a.b:c-d_e"):
        yield Row(method, "legal", "declarations", {"declarations": [{"name": name}]}, None)
    many = [{"name": f"f{i}", "description": "x" * 1000} for i in range(100)]
    yield Row(method, "legal", "declarations", {"declarations": many}, None, idle=True)


def _tool_answers() -> Iterator[Row]:
    method, unknown = "tools.respond", "tools.unknown_call"
    for call_id in ("", "no such", "\0", BIG, CALL):
        kind: Kind = "huge" if len(call_id) > 256 else "meaning" if call_id else "empty"
        params: Json = {"call_id": call_id, "result": 1}
        yield Row(method, kind, "call_id", params, unknown, "call_id")
    values: list[tuple[Kind, object]] = [("huge", BIG), ("huge", [1] * MANY)]
    empties: list[object] = [None, "", [], {}]
    values += [("empty", empty) for empty in empties]
    for kind, value in values:
        params = {"call_id": "t", "result": value}
        yield Row(method, kind, "result", params, unknown, "call_id")
    for error in ("It failed.", BIG):
        kind = "huge" if len(error) > 256 else "meaning"
        yield Row(method, kind, "error", {"call_id": "t", "error": error}, unknown, "call_id")
    yield Row(method, "meaning", "result", {"call_id": "t"}, param="result")
    yield Row(method, "meaning", "result", {"call_id": "t", "error": None}, param="result")
    both: Json = {"call_id": "t", "result": None, "error": "e"}
    yield Row(method, "meaning", "result", both, param="result")


def _of_roles() -> Iterator[Row]:
    yield Row("release", "meaning", "role", {"role": "mic"}, "roles.not_held")
    for role in ("mic", "speaker"):
        params: Json = {"role": role}
        yield Row("release", "meaning", "role", params, "roles.not_held", idle=True)
        yield Row("claim", "legal", "force", {**params, "force": True}, None)
        yield Row("claim", "legal", "role", params, None, idle=True)


def _of_events() -> Iterator[Row]:
    cursors = ("", "nonsense", ":5", "a:", "a:-1", "a:1.5", "a: 1", "a:٣", "a:" + "9" * MEGABYTE)
    topics = (
        ("live.audi", "live.audio"),
        ("Live.audio", "live.audio"),
        ("liv.*", "live.*"),
        ("no.such.topic", None),
        ("events.lagged", None),
        ("extractor.run", None),
        ("", None),
        ("**", None),
        (BIG, None),
    )
    for method in ("events", "subscribe"):
        for topic, near in topics:
            kind: Kind = "huge" if len(topic) > 256 else "meaning" if topic else "empty"
            for named in ([topic], ["live.text_delta", topic]):
                params: Json = {"topics": named}
                yield Row(method, kind, "topics", params, "events.unknown_topic", "topics", near)
        many: Json = {"topics": [f"topic{i}" for i in range(MANY)]}
        yield Row(method, "huge", "topics", many, "events.unknown_topic", "topics")
        for legal in (["*"] * MANY, ["live.audio"], ["live.*", "daemon.*"], None):
            yield Row(method, "legal", "topics", {"topics": legal}, None)
        for since in cursors:
            kind = "huge" if len(since) > 256 else "meaning" if since else "empty"
            yield Row(method, kind, "since", {"since": since}, "events.bad_cursor", "since")
        yield Row(method, "legal", "since", {"since": "another:5"}, None)
        yield Row(method, "legal", "snapshot", {"snapshot": True}, None)
    for name, near in (
        ("", None),
        ("e2", SUBSCRIPTION),
        ("E1", SUBSCRIPTION),
        ("no such", None),
        (BIG, None),
    ):
        kind = "huge" if len(name) > 256 else "meaning" if name else "empty"
        error = "events.unknown_subscription"
        params = {"subscription": name}
        yield Row("unsubscribe", kind, "subscription", params, error, "subscription", near)
