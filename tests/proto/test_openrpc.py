"""The description: made of the catalogue, kept in a file, and valid by OpenRPC's own rules."""

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from livehandle_proto import API_LEVEL, __version__, openrpc
from livehandle_proto.description import FILE
from livehandle_proto.errors import ERRORS
from livehandle_proto.examples import CALLS, EVENTS
from livehandle_proto.methods import COMMON_ERRORS, METHODS, MIN_LINE_BYTES
from livehandle_proto.topics import TOPICS
from support import described, toolchains

Json = dict[str, Any]

VALIDATOR = Path(__file__).parents[1] / "openrpc"
DOCUMENT = described.DOCUMENT


def test_the_file_is_what_the_catalogue_makes_today() -> None:
    assert FILE.read_text(encoding="utf-8") == openrpc.text(), "run `python client/generator`"


def test_the_document_says_which_version_and_level_it_is_of() -> None:
    assert DOCUMENT["info"]["version"] == __version__
    assert DOCUMENT["x-api-level"] == API_LEVEL


def test_every_method_topic_and_error_is_described_in_the_catalogues_order() -> None:
    assert [method["name"] for method in DOCUMENT["methods"]] == list(METHODS)
    assert list(DOCUMENT["x-events"]) == list(TOPICS)
    assert list(DOCUMENT["x-errors"]) == list(DOCUMENT["components"]["errors"]) == list(ERRORS)
    assert CALLS.keys() == METHODS.keys()
    assert EVENTS.keys() == TOPICS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_described_with_its_errors_its_level_and_an_example(name: str) -> None:
    method = described.METHODS[name]
    assert (method["summary"], method["x-since"]) == (METHODS[name].meaning, METHODS[name].since)
    assert method["description"]
    errors = [error["$ref"].rpartition("/")[2] for error in method["errors"]]
    assert errors == list(METHODS[name].errors)
    assert len(errors) == len(set(errors))
    assert set(COMMON_ERRORS) <= set(errors) <= set(ERRORS)
    (example,) = method["examples"]
    params = {param["name"]: param["value"] for param in example["params"]}
    assert described.problems(described.params(name), params) == []
    assert described.problems(described.result(name), example["result"]["value"]) == []


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_described_with_its_class_its_level_and_an_example(name: str) -> None:
    topic = described.TOPICS[name]
    assert topic["delivery"] == TOPICS[name].delivery
    assert (topic["summary"], topic["x-since"]) == (TOPICS[name].meaning, TOPICS[name].since)
    assert described.problems(described.data(name), topic["example"]) == []
    assert len(json.dumps(topic["example"])) < MIN_LINE_BYTES


def test_an_example_with_a_wrong_name_or_value_would_be_seen() -> None:
    assert described.problems(described.data("live.vad_start"), {"text": "x"})
    assert described.problems(described.data("live.text_delta"), {"text": 5})
    assert described.problems(described.result("phase"), {"phase": "asleep"})
    assert described.problems(described.params("send_text"), {"txt": "Hello"})


def _schemas(tree: object) -> Iterator[Json]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    for inner in tree if isinstance(tree, list) else ():
        yield from _schemas(inner)


def test_the_schemas_are_schemas_and_refer_to_one_another() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft7Validator.check_schema(schema)
    named = [found["$ref"] for found in _schemas(DOCUMENT) if "$ref" in found]
    used = {name.removeprefix("#/components/schemas/") for name in named if "/schemas/" in name}
    assert used == schemas.keys()


def test_every_type_and_enumeration_says_what_it_is() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema["description"]] == []


def test_the_words_are_for_those_who_have_no_source() -> None:
    words = [str(found["description"]) for found in _schemas(DOCUMENT) if "description" in found]
    inside = re.compile(r"\((?:[A-Z]\d+|wire|section)|\bNone\b|`MEANING`|[a-z]\.py\b|msgspec")
    assert [text for text in words if inside.search(text)] == []


# The OpenRPC project's own validator.


def _validated(document: Json) -> subprocess.CompletedProcess[str]:
    toolchains.need(
        ["node"],
        found=(VALIDATOR / "node_modules").is_dir(),
        install="npm ci --prefix tests/openrpc",
    )
    return subprocess.run(
        ["node", str(VALIDATOR / "validate.mjs")],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_document_is_valid_by_the_openrpc_projects_own_validator() -> None:
    done = _validated(DOCUMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_openrpc_projects_own_validator_sees_what_is_wrong() -> None:
    without_params = copy.deepcopy(DOCUMENT)
    del without_params["methods"][0]["params"]
    assert _validated(without_params).returncode == 1
    wrong_example = copy.deepcopy(DOCUMENT)
    example = next(m for m in wrong_example["methods"] if m["name"] == "claim")["examples"][0]
    example["params"][0]["value"] = "screen"
    assert "claim: " in _validated(wrong_example).stdout
