"""The description of the control socket: one OpenRPC 1.3 document, made of the catalogue.

What OpenRPC has no word for stands in fields of our own: `x-events` and `x-errors` at the top,
`x-since` with every method, topic and error. `openrpc.json` beside this module is its text, which
`rpc.discover` answers and the clients are made of; a test compares the two. Run
`python client/generator` after a change.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct

from livehandle_proto import API_LEVEL, __version__, docstrings
from livehandle_proto.errors import ERRORS
from livehandle_proto.examples import CALLS, EVENTS
from livehandle_proto.faults import MEANING, Fault
from livehandle_proto.methods import METHODS, Method
from livehandle_proto.tools import ToolDeclaration
from livehandle_proto.topics import OWN_TOPICS, RAW_STREAM, SEMANTIC_STREAM, TOPICS
from livehandle_proto.values import Params

Json = dict[str, object]

_REF = "#/components/schemas/"
_DESCRIPTION = (
    "JSON-RPC 2.0 over a Unix socket, one message a line. Events are notifications of one method, "
    "`event`, whose topics are in `x-events`; `data.name` of an error is its name in `x-errors`."
)


def document() -> Json:
    """Return the description, as JSON has it."""
    schemas = _Schemas()
    methods = [_method(name, method, schemas) for name, method in METHODS.items()]
    events = {
        name: {
            "summary": topic.meaning,
            "delivery": topic.delivery,
            "stream": _stream(name),
            "data": schemas.of(topic.data),
            "example": EVENTS[name],
            "x-since": topic.since,
        }
        for name, topic in TOPICS.items()
    }
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "livehandled",
            "description": _DESCRIPTION,
            "version": __version__,
            "license": {"name": "Apache-2.0"},
        },
        "x-api-level": API_LEVEL,
        "methods": methods,
        "components": {
            "schemas": schemas.components(),
            "errors": {name: _error(name) for name in ERRORS},
        },
        "x-events": events,
        "x-errors": {
            name: {
                "code": kind.code,
                "meaning": kind.meaning,
                "retryable": kind.retryable,
                "x-since": kind.since,
            }
            for name, kind in ERRORS.items()
        },
    }


def text() -> str:
    """Return the text of `openrpc.json`."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _method(name: str, method: Method, schemas: "_Schemas") -> Json:
    call = CALLS[name]
    return {
        "name": name,
        "summary": method.meaning,
        "description": schemas.description(method.params),
        "paramStructure": "either",
        "params": schemas.params(method.params),
        "result": {"name": "result", "schema": schemas.of(method.result)},
        "errors": [{"$ref": f"#/components/errors/{error}"} for error in method.errors],
        "examples": [
            {
                "name": name,
                "params": [{"name": key, "value": value} for key, value in call.params.items()],
                "result": {"name": "result", "value": call.result},
            }
        ],
        "x-since": method.since,
    }


def _error(name: str) -> Json:
    kind = ERRORS[name]
    return {"code": kind.code, "message": kind.meaning, "data": {"name": name}}


def _stream(topic: str) -> str | None:
    """Return which method gives the topic by default, or `own` for what comes unasked."""
    if topic in OWN_TOPICS:
        return "own"
    if topic in SEMANTIC_STREAM:
        return "events"
    return "subscribe" if topic in RAW_STREAM else None


class _Schemas:
    """JSON Schemas of all types that methods and topics name."""

    def __init__(self) -> None:
        types = [
            ToolDeclaration,
            *(method.params for method in METHODS.values()),
            *(method.result for method in METHODS.values()),
            *(topic.data for topic in TOPICS.values()),
        ]
        _, schemas = msgspec.json.schema_components(
            types, ref_template=_REF + "{name}", schema_hook=_any
        )
        self._schemas = {name: _plain(schema) for name, schema in schemas.items()}
        structs = {kind.__name__: kind for kind in _structs()}
        for name, schema in self._schemas.items():
            _describe(schema, structs[name])
        self._schemas |= {
            name: {"type": "string", "enum": list(enum.values), "description": enum.meaning}
            for name, enum in _enums().items()
        }
        self._used: set[str] = set()

    def description(self, kind: type[Struct]) -> str:
        """Return what a type says of itself."""
        return docstrings.public(kind.__doc__ or "")

    def of(self, kind: object) -> Json:
        """Return the schema of a type."""
        (schema,), _ = msgspec.json.schema_components(
            [kind], ref_template=_REF + "{name}", schema_hook=_any
        )
        plain = _plain(schema)
        self._use(plain)
        return plain

    def params(self, kind: type[Params]) -> list[Json]:
        """Return the content descriptors of a method's parameters, in their order."""
        schema = self._schemas[kind.__name__]
        properties, required = schema["properties"], schema["required"]
        assert isinstance(properties, dict)
        assert isinstance(required, list)
        self._use(properties)
        return [
            {"name": name, "required": name in required, "schema": value}
            for name, value in properties.items()
        ]

    def components(self) -> Mapping[str, Json]:
        """Return the schemas that what was asked for refers to, by name."""
        return {name: self._schemas[name] for name in sorted(self._used)}

    def _use(self, schema: object) -> None:
        for name in _refs(schema):
            if name not in self._used:
                self._used.add(name)
                self._use(self._schemas[name])


def _any(kind: type) -> Json:
    """Describe what any JSON may be; msgspec takes no empty schema here, so it is marked."""
    if kind is object:
        return {"x-any": True}
    raise NotImplementedError  # as msgspec asks of a hook that does not know the type


def _plain(schema: object) -> Json:
    """Return a schema without marks of ours, and enumerations by name."""
    plain = _without_marks(schema)
    assert isinstance(plain, dict)
    return plain


def _without_marks(schema: object) -> object:
    if isinstance(schema, list):
        return [_without_marks(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema == {"x-any": True}:
        return {}
    if "enum" in schema and (name := _enum_name(schema["enum"])):
        rest = {key: value for key, value in schema.items() if key != "enum"}
        return {"$ref": _REF + name, **rest}
    # What is called `title` is a type's own name, by which it is found.
    kept = {
        key: value for key, value in schema.items() if key != "title" or isinstance(value, dict)
    }
    return {key: _without_marks(value) for key, value in kept.items()}


def _enum_name(values: Iterable[str]) -> str | None:
    wanted = set(values)
    return next((name for name, enum in _enums().items() if set(enum.values) == wanted), None)


def _refs(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _refs(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield str(value).removeprefix(_REF)
            else:
                yield from _refs(value)


def _describe(schema: Json, kind: type[Struct]) -> None:
    """Give a struct and its fields the words that the catalogue has for them."""
    schema["description"] = docstrings.public(kind.__doc__ or "")
    properties = schema["properties"]
    assert isinstance(properties, dict)
    told = docstrings.of_fields(kind)
    if kind is Fault:
        told = {field: f"{words[0].upper()}{words[1:]}." for field, words in MEANING.items()}
    for field, encoded in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if field in told:
            properties[encoded]["description"] = docstrings.public(told[field])


def _structs() -> Iterator[type[Struct]]:
    """Yield every struct that the catalogue defines."""
    waiting = list(Struct.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("livehandle_proto."):
            yield kind


class _Enum(NamedTuple):
    values: tuple[str, ...]
    meaning: str


@cache
def _enums() -> Mapping[str, _Enum]:
    """Return the enumerations that the catalogue names."""
    # A module may be imported by a test alone: what the document is made of does not depend on it.
    modules = (sys.modules[name] for name in sorted({kind.__module__ for kind in _structs()}))
    return {
        name: _Enum(get_args(value), docstrings.public(words))
        for module in modules
        for name, words in docstrings.of_names(module).items()
        if get_origin(value := vars(module)[name]) is Literal
    }
