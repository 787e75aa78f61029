"""Go: exported names, types, doc comments and the columns that `gofmt` makes."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from generator.model import Description, Enum, Field, Method, Object, Topic, Type

FILE = "go/api.go"
TEMPLATE = "go.j2"

_RENAMED = {"Client": "ClientInfo", "ErrorObject": "Error"}
"""Types of the description whose names the hand-written half has, and what they are called."""

_OWN_BYTES = {("Audio", "data"), ("send_audio", "data"), ("send_video", "data")}
"""Base64 that is whole in itself, which `encoding/json` makes of bytes and reads into bytes."""

_INITIALS = {"id": "ID", "ids": "IDs", "pid": "PID", "uid": "UID", "url": "URL"}
_ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False}
_WIDTH = 96
_PLAIN_ARGUMENTS = 2
_KEYWORDS = {"type", "func", "range", "map", "var", "default", "select", "package", "interface"}


def exported(name: str) -> str:
    """Return the exported name: `tools.call_expired` is `ToolsCallExpired`."""
    words = re.split(r"[._]", name)
    return "".join(_INITIALS.get(word, word[:1].upper() + word[1:]) for word in words)


def typed(name: str) -> str:
    """Return the name of a type of the description."""
    return _RENAMED.get(name, name)


def doc(text: str, indent: str = "") -> str:
    """Return a comment of whole lines, without the last line's end."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        lines += ["", *textwrap.wrap(" ".join(paragraph.split()), _WIDTH - len(indent))]
    return "\n".join(f"{indent}// {line}".rstrip() for line in lines[1:])


def enum(kind: Enum) -> str:
    """Return a type of texts and its values."""
    rows = [
        (kind.name + exported(value.lower()), kind.name, f'= "{value}"') for value in kind.values
    ]
    return f"type {kind.name} string\n\nconst (\n{_columns(rows)}\n)"


def inline_enums(api: Description) -> Sequence[Enum]:
    """Return the enumerations without a name, each named by where it stands."""
    places = [(typed(one.name), one.fields) for one in api.objects]
    places += [(exported(method.name), method.params) for method in api.methods]
    return [
        Enum(owner + exported(field.name), field.type.values)
        for owner, fields in places
        for field in fields
        if field.type.kind == "enum"
    ]


def struct(one: Object, api: Description) -> str:
    """Return the fields of a type."""
    anything = "any" if one.name in _sent(api) else "json.RawMessage"
    return _fields(one.name, typed(one.name), one.fields, anything)


def params(method: Method, api: Description) -> str:
    """Return the fields of a method's parameters: an empty text is one that is left out."""
    texts = {one.name for one in api.enums}
    fields = [
        replace(param, type=replace(param.type, nullable=False), default=param.default or "")
        if not param.required and (param.type.kind == "string" or param.type.name in texts)
        else param
        for param in method.params
    ]
    return _fields(method.name, exported(method.name), fields, "any")


def errors(method: Method, api: Description) -> str:
    """Return the errors that not every method has."""
    common = set.intersection(*(set(one.errors) for one in api.methods))
    return ", ".join(error for error in method.errors if error not in common)


def has_params(method: Method) -> bool:
    """Return whether a method takes a struct: not for one or two that are all required."""
    required = all(param.required for param in method.params)
    return bool(method.params) and not (required and len(method.params) <= _PLAIN_ARGUMENTS)


def signature(method: Method) -> str:
    """Return what a method takes and returns."""
    name = exported(method.name)
    taken = ["ctx context.Context"]
    if has_params(method):
        taken.append(f"params {name}Params")
    else:
        taken += [
            f"{_argument(param)} {_type(method.name, name, param, 'any')}"
            for param in method.params
        ]
    if listens(method):
        given = "(*Subscription, error)"
    else:
        given = "error" if method.result.kind == "null" else f"({result(method)}, error)"
    return f"{name}({', '.join(taken)}) {given}"


def listens(method: Method) -> bool:
    """Return whether a method's result is a stream of events."""
    return method.result.name == "Subscribed"


def result(method: Method) -> str:
    """Return the type of a method's result."""
    return _plain_type(method.result, "", "json.RawMessage")


def sent(method: Method) -> str:
    """Return the expression that is sent as the parameters."""
    if has_params(method):
        return "params"
    if not method.params:
        return "nil"
    pairs = (f'"{param.name}": {_argument(param)}' for param in method.params)
    return f"map[string]any{{{', '.join(pairs)}}}"


def topic_constants(topics: Iterable[Topic]) -> str:
    """Return a constant of each topic, with what it means."""
    rows = [
        ("Topic" + exported(topic.name), f'= "{topic.name}"', f"// {topic.meaning}")
        for topic in topics
    ]
    return _columns(rows)


def topic_type(topic: Topic) -> str:
    """Return the declaration of a topic's own type; nothing where it is the type of its data."""
    name, data = exported(topic.name), typed(topic.data.name)
    if name == data:
        return ""
    about = doc(f"{name} is the data of {topic.name}. {topic.meaning}")
    return f"{about}\ntype {name} " + ("struct{ Error }" if data == "Error" else data)


def error_constants(api: Description) -> str:
    """Return a constant of each error's name, with what it means."""
    rows = [
        (f"Err{exported(error.name)}", "ErrorName", f'= "{error.name}"', f"// {error.meaning}")
        for error in api.errors
    ]
    return _columns(rows)


def _sent(api: Description) -> set[str]:
    """Return the objects that parameters hold: what is any JSON in them is written, not read."""
    fields = {one.name: one.fields for one in api.objects}
    found: set[str] = set()
    waiting = [param.type for method in api.methods for param in method.params]
    while waiting:
        kind = waiting.pop()
        if kind.inner is not None:
            waiting.append(kind.inner)
        if kind.name in fields and kind.name not in found:
            found.add(kind.name)
            waiting += [field.type for field in fields[kind.name]]
    return found


def _fields(owner: str, prefix: str, fields: Iterable[Field], anything: str) -> str:
    """Return the lines of a struct. A comment begins its columns anew, as `gofmt` has it."""
    blocks: list[str] = []
    rows: list[tuple[str, ...]] = []
    for field in fields:
        if meaning := _meaning(field):
            blocks += [_columns(rows), doc(meaning, "\t")]
            rows = []
        optional = "" if field.required else ",omitempty"
        tag = f'`json:"{field.name}{optional}"`'
        rows.append((exported(field.name), _type(owner, prefix, field, anything), tag))
    return "\n".join(block for block in [*blocks, _columns(rows)] if block)


def _meaning(field: Field) -> str:
    default = field.default
    if field.required or default in (None, "", 0, [], {}):
        return field.meaning
    shown = f"`{default}`" if isinstance(default, str) else str(default).lower()
    return f"{field.meaning} By default {shown}.".strip()


def _type(owner: str, prefix: str, field: Field, anything: str) -> str:
    """Return a field's type: a pointer where null, or nothing, is not the type's zero value."""
    if (owner.rpartition(".")[2], field.name) in _OWN_BYTES:
        return "[]byte"
    name = _plain_type(field.type, prefix + exported(field.name), anything)
    if field.type.kind in {"any", "list", "map"}:
        return name
    if field.type.nullable:
        return f"*{name}"
    if field.required or field.type.kind in {"ref", "enum"} or isinstance(field.default, str):
        return name
    return name if field.default == _ZERO.get(field.type.kind) else f"*{name}"


def _plain_type(kind: Type, place: str, anything: str) -> str:
    inner = anything if kind.inner is None else _plain_type(kind.inner, place, anything)
    names = {
        "any": anything,
        "string": "string",
        "integer": "int64",
        "number": "float64",
        "boolean": "bool",
        "list": f"[]{inner}",
        "map": f"map[string]{inner}",
        "ref": typed(kind.name),
        "enum": place,
    }
    return names[kind.kind]


def _argument(param: Field) -> str:
    first, *rest = param.name.split("_")
    name = first + "".join(exported(word) for word in rest)
    return f"{name}_" if name in _KEYWORDS else name


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Return lines with cells below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(f"\t{line}" for line in lines)


FILTERS: Mapping[str, Callable[..., object]] = {
    one.__name__: one
    for one in (
        doc,
        enum,
        error_constants,
        errors,
        exported,
        has_params,
        inline_enums,
        listens,
        params,
        result,
        sent,
        signature,
        struct,
        topic_constants,
        topic_type,
        typed,
    )
}
