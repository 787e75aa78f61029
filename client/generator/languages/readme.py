"""Markdown: the reference that people read."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

from generator.model import Example, Field, Method, Topic, Type

FILE = "../proto/README.md"
TEMPLATE = "readme.j2"

_WIDTH = 110
_KINDS = {"null": "null", "any": "any JSON", "integer": "integer", "boolean": "true or false"}
_GROUPS = {
    "": "The session",
    "writer": "The user-facing writer",
    "session": "The session, past the context that waits",
    "state": "The shared state",
    "extractors": "Extractors",
    "tools": "Functions of the model, carried out by clients",
    "recording": "Recordings",
    "daemon": "The daemon",
    "rpc": "The description",
}


def typed(given: Type) -> str:
    """Return a type in words, with a link where it has a place of its own."""
    match given.kind:
        case "list":
            text = f"list of {_inner(given)}"
        case "map":
            text = f"object of {_inner(given)}" if given.inner and given.inner.name else "object"
        case "ref":
            text = f"[{given.name}](#{slug(given.name + ' type')})"
        case "enum":
            text = " or ".join(f"`{value}`" for value in given.values)
        case plain:
            text = _KINDS.get(plain, plain)
    return f"{text} or null" if given.nullable else text


def _inner(given: Type) -> str:
    assert given.inner is not None
    return typed(given.inner)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def cell(text: str) -> str:
    """Return a text as a table holds it: one line."""
    return " ".join(text.split()).replace("|", "\\|")


def default(given: Field) -> str:
    """Return what is said of a parameter that may be left out."""
    if given.required:
        return "required"
    return "" if given.default is None else f"`{json.dumps(given.default)}`"


def grouped(methods: Sequence[Method]) -> Iterator[tuple[str, list[Method]]]:
    """Yield the methods by area."""
    areas = [method.name.rpartition(".")[0] for method in methods]
    for area in dict.fromkeys(sorted(areas, key=list(_GROUPS).index)):
        chosen = zip(areas, methods, strict=True)
        yield _GROUPS[area], [method for found, method in chosen if found == area]


def areas(topics: Sequence[Topic]) -> Iterator[tuple[str, list[Topic]]]:
    """Yield the topics by their first word."""
    for area in dict.fromkeys(topic.name.partition(".")[0] for topic in topics):
        yield area, [topic for topic in topics if topic.name.partition(".")[0] == area]


def common(methods: Sequence[Method]) -> list[str]:
    """Return the errors that every method can answer."""
    every = reduce(set.intersection, (set(method.errors) for method in methods))
    return [error for error in methods[0].errors if error in every]


def exchange(method: Method) -> str:
    """Return an example as it crosses the socket."""
    call: Example = method.example
    head = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method.name})[:-1]
    request = _ended(head, "params", call.params) if call.params else head + "}"
    answer = _ended('{"jsonrpc": "2.0", "id": 1', "result", call.result)
    return f"--> {request}\n<-- {answer}"


def _ended(head: str, name: str, value: object) -> str:
    """Return an object whose last member is in the same line where it fits."""
    line = f"{head}, {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}}}"
    if len(line) + 4 <= _WIDTH:
        return line
    return f"{head}, {json.dumps(name)}:\n    {_shown(value)}}}"


def event(topic: Topic) -> str:
    """Return the data of an example."""
    return _shown(topic.example)


def _shown(value: object, indent: int = 4) -> str:
    """Return JSON in one line where it fits, else with a line for what does not."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    space = " " * indent
    if isinstance(value, dict):
        named = (f"{json.dumps(key)}: {_shown(one, indent + 2)}" for key, one in value.items())
        inner = f",\n{space}  ".join(named)
        return f"{{\n{space}  {inner}\n{space}}}"
    inner = f",\n{space}  ".join(_shown(one, indent + 2) for one in value)
    return f"[\n{space}  {inner}\n{space}]"


_STREAMS = {
    "events": "`events` gives it by default",
    "subscribe": "`subscribe` gives it by default",
    "own": "comes unasked to the connection that it concerns",
    None: "comes to those who name it",
}


def given_by(topic: Topic) -> str:
    """Return who gets a topic."""
    return _STREAMS[topic.stream]


FILTERS: Mapping[str, Callable[..., object]] = {
    "areas": areas,
    "cell": cell,
    "common": common,
    "default": default,
    "event": event,
    "exchange": exchange,
    "given_by": given_by,
    "grouped": grouped,
    "slug": slug,
    "typed": typed,
}
