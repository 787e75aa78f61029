"""The description of the control socket, as tests check what crosses it."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft7Validator

from livehandle_proto.description import FILE

Json = dict[str, Any]

DOCUMENT: Json = json.loads(FILE.read_text(encoding="utf-8"))
METHODS: Mapping[str, Json] = {method["name"]: method for method in DOCUMENT["methods"]}
TOPICS: Mapping[str, Json] = DOCUMENT["x-events"]


def strict(schema: Json) -> Json:
    """Return a schema that takes no field but those it names, with the schemas it refers to."""
    closed = _closed(schema)
    assert isinstance(closed, dict)
    return {**closed, "components": {"schemas": _types()}}


@cache
def _types() -> object:
    return {name: _closed(schema) for name, schema in DOCUMENT["components"]["schemas"].items()}


def _closed(schema: object) -> object:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def result(method: str) -> Draft7Validator:
    """Return what checks a result of a method."""
    return Draft7Validator(strict(METHODS[method]["result"]["schema"]))


@cache
def data(topic: str) -> Draft7Validator:
    """Return what checks the data of an event."""
    return Draft7Validator(strict(TOPICS[topic]["data"]))


@cache
def params(method: str) -> Draft7Validator:
    """Return what checks the parameters of a method, given by name."""
    given = METHODS[method]["params"]
    schema = {
        "type": "object",
        "properties": {one["name"]: one["schema"] for one in given},
        "required": [one["name"] for one in given if one["required"]],
    }
    return Draft7Validator(strict(schema))


def problems(validator: Draft7Validator, value: object) -> list[str]:
    """Return what is wrong with a value."""
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]
