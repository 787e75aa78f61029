"""The description of the socket as livectl reads it: `openrpc.json`, which the catalogue makes.

Nothing that runs without help or a method of the generic kind reads it: that takes milliseconds.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import livehandle_proto

Json = Mapping[str, object]

_FILE = os.path.join(os.path.dirname(livehandle_proto.__file__), "openrpc.json")  # noqa: PTH118, PTH120 - pathlib would be a tenth of the start


class Param:
    """One parameter of a method."""

    def __init__(self, described: Json) -> None:
        schema = _object(described.get("schema"))
        self.name = str(described["name"])
        self.required = described.get("required") is True
        self.default = schema.get("default")
        self.meaning = str(schema.get("description", "")).partition("\n\n")[0].replace("\n", " ")
        self.schema = _resolved(schema)
        """What a value must be, null left out."""

    @property
    def option(self) -> str:
        """The option that gives it."""
        return f"--{dashed(self.name)}"

    @property
    def choices(self) -> Sequence[str]:
        """The values of an enumeration."""
        return tuple(map(str, _list(self.schema.get("enum"))))

    @property
    def kind(self) -> str:
        """Its type: `string`, `integer`, `boolean`, `array`, `object`, or `any` JSON."""
        return "string" if self.choices else str(self.schema.get("type", "any"))

    @property
    def words(self) -> str:
        """What it is, for people."""
        kinds = {"array": "JSON array", "object": "JSON object", "any": "any JSON, or text"}
        bounds = [
            f"{word} {self.schema[key]}"
            for key, word in (("minimum", "from"), ("maximum", "to"))
            if key in self.schema
        ]
        kind = " | ".join(self.choices) or kinds.get(self.kind, self.kind)
        told = [" ".join([kind, *bounds]), self.meaning]
        if self.default not in (None, [], {}, "", False):
            told.append(f"default {as_word(self.default)}")
        return "; ".join(filter(None, (one.rstrip(".") for one in told)))


class Method:
    """One method."""

    def __init__(self, described: Json) -> None:
        self.name = str(described["name"])
        self.command = dashed(self.name)
        """Its name on the command line."""
        self.summary = str(described.get("summary", ""))
        self.description = str(described.get("description", ""))
        self.params = tuple(Param(_object(one)) for one in _list(described.get("params")))
        self.result = _object(_object(described.get("result")).get("schema"))
        self.errors = tuple(_error_name(_object(one)) for one in _list(described.get("errors")))
        self.examples = tuple(_example(_object(one)) for one in _list(described.get("examples")))
        """Parameters and result of each."""

    @property
    def signature(self) -> str:
        """Its name with its parameters and what it answers, in one line."""
        given = ", ".join(f"{p.name}{'' if p.required else '?'}" for p in self.params)
        result = str(self.result.get("$ref", "")).rpartition("/")[2]
        kind = result or str(self.result.get("type", "any JSON"))
        return f"{self.name}({given}) -> {kind}"


class Topic:
    """One topic of events."""

    def __init__(self, name: str, described: Json) -> None:
        self.name = name
        self.meaning = str(described.get("summary", ""))
        self.delivery = str(described.get("delivery", ""))
        self.stream = described.get("stream")
        """`events`, `subscribe`, `own` for what comes unasked, None for what must be named."""
        self.data = _resolved(_object(described.get("data")))
        self.example = described.get("example")


@cache
def methods() -> Mapping[str, Method]:
    """Return every method by its name."""
    return {one.name: one for one in (Method(_object(d)) for d in _list(_document()["methods"]))}


@cache
def topics() -> Mapping[str, Topic]:
    """Return every topic by its name."""
    described = _object(_document()["x-events"])
    return {name: Topic(name, _object(one)) for name, one in described.items()}


def text() -> str:
    """Return the whole document."""
    with open(_FILE, encoding="utf-8") as file:  # noqa: PTH123 - as above
        return file.read()


def dashed(name: str) -> str:
    """Return a name as the command line spells it."""
    return name.replace("_", "-")


def as_word(value: object) -> str:
    """Return a value as one word of the command line, not yet quoted."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@cache
def _document() -> Json:
    return _object(json.loads(text()))


def _example(described: Json) -> tuple[Mapping[str, object], object]:
    given = {str(_object(p)["name"]): _object(p).get("value") for p in _list(described["params"])}
    return given, _object(described.get("result")).get("value")


def _error_name(described: Json) -> str:
    return str(described.get("$ref", "")).rpartition("/")[2]


def _resolved(schema: Json) -> Json:
    """Return a schema without references and without null beside it."""
    if "$ref" in schema:
        schemas = _object(_object(_document()["components"])["schemas"])
        return _resolved(_object(schemas[str(schema["$ref"]).rpartition("/")[2]]))
    either = [one for one in map(_object, _list(schema.get("anyOf"))) if one.get("type") != "null"]
    return _resolved(either[0]) if len(either) == 1 else schema


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()
