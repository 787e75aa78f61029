"""The description as the templates read it: methods, types, topics and errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "any", "null", "string", "integer", "number", "boolean", "list", "map", "ref", "enum"
]


@dataclass(frozen=True)
class Type:
    """A type: of JSON itself, or one that the description names."""

    kind: Kind
    name: str = ""
    """Of a `ref`: the type that is meant."""
    inner: "Type | None" = None
    """Of a `list` or a `map` (from texts): what is in it."""
    values: tuple[str, ...] = ()
    """Of an `enum` without a name."""
    nullable: bool = False
    """Whether it may be null as well."""


@dataclass(frozen=True)
class Field:
    """A field of an object, or a parameter of a method."""

    name: str
    type: Type
    required: bool
    """Whether it is always there. Else it may be left out, which is its default."""
    default: object
    """What it is where it is left out; None too where there is no default."""
    meaning: str


@dataclass(frozen=True)
class Object:
    """A named type with fields."""

    name: str
    meaning: str
    fields: Sequence[Field]


@dataclass(frozen=True)
class Enum:
    """A named type that is one of several texts."""

    name: str
    values: Sequence[str]
    meaning: str = ""


@dataclass(frozen=True)
class Example:
    """A call of a method."""

    params: Mapping[str, object]
    result: object


@dataclass(frozen=True)
class Method:
    """A method of the socket."""

    name: str
    meaning: str
    """In one sentence."""
    description: str
    params: Sequence[Field]
    """Those that are required come first."""
    result: Type
    errors: Sequence[str]
    since: int
    example: Example


@dataclass(frozen=True)
class Topic:
    """What all events of one topic have in common."""

    name: str
    meaning: str
    delivery: Literal["state", "log", "stream"]
    stream: Literal["events", "subscribe", "own"] | None
    """Which method gives it by default; `own` comes unasked, None only to who names it."""
    data: Type
    since: int
    example: Mapping[str, object]


@dataclass(frozen=True)
class Error:
    """An error of the catalogue."""

    name: str
    code: int
    meaning: str
    retryable: bool
    since: int


@dataclass(frozen=True)
class Description:
    """All of it."""

    version: str
    methods: Sequence[Method]
    objects: Sequence[Object]
    enums: Sequence[Enum]
    topics: Sequence[Topic]
    errors: Sequence[Error]


Json = Mapping[str, Any]


def read(text: str) -> Description:
    """Read the text of `openrpc.json`."""
    document: Json = json.loads(text)
    schemas: Json = document["components"]["schemas"]
    return Description(
        version=document["info"]["version"],
        methods=[_method(method) for method in document["methods"]],
        objects=[_object(name, s) for name, s in schemas.items() if "enum" not in s],
        enums=[
            Enum(name, s["enum"], s["description"]) for name, s in schemas.items() if "enum" in s
        ],
        topics=[_topic(name, topic) for name, topic in document["x-events"].items()],
        errors=[_error(name, error) for name, error in document["x-errors"].items()],
    )


def _method(method: Json) -> Method:
    params = [
        _field(param["name"], param["schema"], required=param["required"])
        for param in method["params"]
    ]
    return Method(
        name=method["name"],
        meaning=method["summary"],
        description=method["description"],
        params=sorted(params, key=lambda param: not param.required),
        result=_type(method["result"]["schema"]),
        errors=[error["$ref"].rpartition("/")[2] for error in method["errors"]],
        since=method["x-since"],
        example=_example(method["examples"][0]),
    )


def _example(example: Json) -> Example:
    params = {param["name"]: param["value"] for param in example["params"]}
    return Example(params, example["result"]["value"])


def _object(name: str, schema: Json) -> Object:
    fields = [
        _field(field, given, required=field in schema["required"])
        for field, given in schema["properties"].items()
    ]
    return Object(name, schema["description"], fields)


def _topic(name: str, topic: Json) -> Topic:
    return Topic(
        name=name,
        meaning=topic["summary"],
        delivery=topic["delivery"],
        stream=topic["stream"],
        data=_type(topic["data"]),
        since=topic["x-since"],
        example=topic["example"],
    )


def _error(name: str, error: Json) -> Error:
    return Error(name, error["code"], error["meaning"], error["retryable"], error["x-since"])


def _field(name: str, schema: Json, *, required: bool) -> Field:
    return Field(
        name=name,
        type=_type(schema),
        required=required,
        default=schema.get("default"),
        meaning=schema.get("description", ""),
    )


def _type(schema: Json) -> Type:
    if "$ref" in schema:
        return Type("ref", name=schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return Type("enum", values=tuple(schema["enum"]))
    if "anyOf" in schema:
        (one,) = (s for s in schema["anyOf"] if s.get("type") != "null")
        inner = _type(one)
        return Type(inner.kind, inner.name, inner.inner, inner.values, nullable=True)
    match schema.get("type"):
        case None:
            return Type("any")
        case "array":
            return Type("list", inner=_type(schema["items"]))
        case "object":
            return Type("map", inner=_type(schema.get("additionalProperties", {})))
        case "null" | "string" | "integer" | "number" | "boolean" as kind:
            return Type(kind)
        case other:
            raise ValueError(f"no type is made of {other!r}: {schema}")
