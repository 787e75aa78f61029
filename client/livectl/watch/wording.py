"""Events in words: what kind of line each is, and what it says."""

from collections.abc import Callable, Mapping

from livectl.results import as_json, plain
from livehandle.connection import Event

Data = Mapping[str, object]

GROWING: Mapping[str, str] = {
    "live.input_transcript": "you",
    "live.output_transcript": "model",
    "live.text_delta": "model",
    "live.thought": "thinks",
}
"""The kind of line that the pieces of a topic make up."""

COLOURS: Mapping[str, str] = {
    "you": "32",
    "model": "35",
    "thinks": "90",
    "tool": "33",
    "turn": "90",
    "phase": "90",
    "state": "36",
    "found": "36",
    "session": "34",
    "daemon": "34",
    "events": "31",
    "stop": "31",
    "error": "31",
}
"""The colour of each kind of line."""


def worded(event: Event) -> tuple[str, str]:
    """Return an event's kind of line and its text, for people."""
    kind, words = _WORDED.get(event.topic, ("", None))
    if words is not None:
        return kind, words(event.data)
    prefix, _, rest = event.topic.partition(".")
    return prefix, f"{rest} {fields(event)}".rstrip()


def fields(event: Event) -> str:
    """Return all that an event carries, as `key=value` words; of sound and pictures the size."""
    data = dict(event.data)
    if isinstance(data.get("data"), str) and event.topic.endswith((".audio", "_data", ".media")):
        data["data"] = f"({len(str(data['data'])) * 3 // 4} bytes)"
    if isinstance(data.get("text"), str):
        data["text"] = as_json(data["text"])  # so that a space at its end is seen
    return " ".join(f"{key}={plain(value)}" for key, value in data.items() if value is not None)


def _turn(data: Data) -> str:
    reason = data.get("reason")
    ended = "was interrupted" if data.get("interrupted") else "complete"
    return f"{data.get('turn')} {ended}{f' ({plain(reason)})' if reason else ''}"


def _metrics(data: Data) -> str:
    latency, asked, answered = (
        data.get(key) for key in ("latency_ms", "prompt_tokens", "response_tokens")
    )
    told = [] if latency is None else [f"answered after {latency} ms"]
    if asked is not None or answered is not None:
        told.append(f"{asked or 0} + {answered or 0} tokens")
    return f"{data.get('turn')} {', '.join(told)}".rstrip()


def _execution(data: Data) -> str:
    return f"{_call(data)} -> {as_json(data.get('result'))}"


def _calls(data: Data) -> str:
    given = data.get("function_calls")
    calls = given if isinstance(given, list) else []
    return f"the model calls {', '.join(_call(one) for one in calls if isinstance(one, dict))}"


def _call(data: Data) -> str:
    return f"{plain(data.get('name'))}({as_json(data.get('args'))})"


def _cancelled(data: Data) -> str:
    ids = data.get("ids")
    return f"no longer wanted: {', '.join(map(plain, ids)) if isinstance(ids, list) else ''}"


def _change(data: Data) -> str:
    key = plain(data.get("key"))
    return f"{key} removed" if data.get("removed") else f"{key} = {plain(data.get('value'))}"


def _phase(data: Data) -> str:
    return f"{data.get('previous')} -> {data.get('phase')}"


def _reconnecting(data: Data) -> str:
    cause = plain(data.get("cause"))
    return f"connecting anew in {data.get('delay_ms')} ms, attempt {data.get('attempt')}: {cause}"


def _resumed(data: Data) -> str:
    reason = data.get("reason")
    why = f", for {plain(reason)}" if reason else ""
    lost = f", {data.get('lost')} frames lost" if data.get("lost") else ""
    return f"goes on after {data.get('gap_ms')} ms: {data.get('restored')}{why}{lost}"


def _ended(data: Data) -> str:
    told = [data.get("reason"), data.get("code"), data.get("message")]
    return f"ended: {' '.join(plain(one) for one in told if one is not None)}"


def _going(data: Data) -> str:
    left = data.get("time_left_ms")
    return f"the service closes the connection{'' if left is None else f' in {left} ms'}"


def _error(data: Data) -> str:
    more = data.get("data")
    name = more.get("name") if isinstance(more, dict) else None
    return f"{plain(data.get('message'))}{f' [{plain(name)}]' if name else ''}"


def _found(data: Data) -> str:
    return f"{plain(data.get('name'))}: {as_json(data.get('value'))}"


def _said(words: str) -> Callable[[Data], str]:
    return lambda _data: words


_WORDED: Mapping[str, tuple[str, Callable[[Data], str]]] = {
    "live.text_complete": ("model", lambda data: plain(data.get("text"))),
    "live.vad_start": ("you", _said("(begin to speak)")),
    "live.vad_end": ("you", _said("(stop speaking)")),
    "live.interrupted": ("stop", _said("the user cut the model off")),
    "live.turn_complete": ("turn", _turn),
    "live.turn_metrics": ("turn", _metrics),
    "live.tool_execution": ("tool", _execution),
    "live.tool_cancelled": ("tool", _cancelled),
    "live.connected": ("session", _said("is set up")),
    "live.reconnecting": ("session", _reconnecting),
    "live.resumed": ("session", _resumed),
    "live.disconnected": ("session", _ended),
    "live.go_away": ("session", _going),
    "live.error": ("error", _error),
    "live.extraction": ("found", _found),
    "session.tool_call": ("tool", _calls),
    "session.phase_changed": ("phase", _phase),
    "tool.call": ("tool", lambda data: f"yours to answer: {_call(data)}"),
    "state.changed": ("state", _change),
    "daemon.stopping": ("daemon", lambda data: f"stops: {plain(data.get('reason'))}"),
    "daemon.bye": ("daemon", _said("says goodbye")),
    "events.lagged": ("events", lambda data: f"fell behind: {data.get('missed')} missed"),
    "events.dropped": ("events", lambda data: f"fell behind: {data.get('count')} dropped"),
}
