"""The two spellings of a name."""

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.gemini.client import ClientMessage
from livehandled.gemini.content import Message
from livehandled.gemini.names import UnknownNameError, _fields, _message_in, camelised
from livehandled.gemini.server import ServerMessage


def messages(root: type[Message], seen: set[type[Message]]) -> Iterator[type[Message]]:
    """Every message type that can stand inside a message type, itself included."""
    if root not in seen:
        seen.add(root)
        yield root
        for field in msgspec.structs.fields(root):
            if inner := _message_in(field.type):
                yield from messages(inner, seen)


_seen: set[type[Message]] = set()
ALL = [*messages(ClientMessage, _seen), *messages(ServerMessage, _seen)]


SCALARS = (1, "my_own", True)
FREE = ({"my_own": {"client_content": 1}}, ["my_own", {"turn_complete": 1}])


def in_two_spellings(message: type[Message], random: Random, depth: int) -> tuple[Any, Any]:
    """Return a random message in camelCase, and the same with each name spelled at random."""
    camel: dict[str, Any] = {}
    mixed: dict[str, Any] = {}
    infos = msgspec.structs.fields(message)
    for info in random.sample(infos, min(len(infos), random.randint(0, 3))):
        inner = _message_in(info.type)
        if inner and depth:
            many = [in_two_spellings(inner, random, depth - 1) for _ in range(random.randint(1, 2))]
            values = random.choice([many[0], tuple(map(list, zip(*many, strict=True)))])
        else:
            values = (random.choice(SCALARS if inner else (*SCALARS, *FREE)),) * 2
        camel[info.encode_name] = values[0]
        mixed[random.choice([info.encode_name, info.name])] = values[1]
    return camel, mixed


@given(random=st.randoms(use_true_random=False))
@pytest.mark.parametrize("message", [ClientMessage, ServerMessage])
def test_the_spelling_makes_no_difference(message: type[Message], random: Random) -> None:
    camel, mixed = in_two_spellings(message, random, 6)
    assert camelised(mixed, message, strict=True) == camel
    assert camelised(camel, message, strict=True) == camel


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["setup", "server_content", "modelTurn", "parts", "a_b", "tools", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(value=json_values)
@pytest.mark.parametrize("message", [ClientMessage, ServerMessage])
def test_any_json_is_camelised_once_and_for_all(message: type[Message], value: object) -> None:
    once = camelised(value, message)
    assert camelised(once, message) == once


@pytest.mark.parametrize("message", ALL, ids=[message.__name__ for message in ALL])
def test_no_two_fields_of_a_message_share_a_spelling(message: type[Message]) -> None:
    infos = msgspec.structs.fields(message)
    spellings = {spelling for info in infos for spelling in (info.encode_name, info.name)}
    table = _fields(message)
    assert set(table) == spellings
    assert len({field.camel for field in table.values()}) == len(infos)


def test_a_message_type_inside_a_list_or_an_option_is_found() -> None:
    names = {message.__name__ for message in ALL}
    assert {"Setup", "FunctionDeclaration", "FunctionResponse", "Blob", "ModalityTokens"} <= names


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (
            {"client_content": {"turns": [{"parts": [{"inline_data": {"mime_type": "x"}}]}]}},
            {"clientContent": {"turns": [{"parts": [{"inlineData": {"mimeType": "x"}}]}]}},
        ),
        (
            {"tool_response": {"function_responses": [{"response": {"user_id": {"turns": 1}}}]}},
            {"toolResponse": {"functionResponses": [{"response": {"user_id": {"turns": 1}}}]}},
        ),
        (
            {"setup": {"tools": [{"function_declarations": [{"parameters": {"a_b": {}}}]}]}},
            {"setup": {"tools": [{"functionDeclarations": [{"parameters": {"a_b": {}}}]}]}},
        ),
        ({"setup": {"labels": {"my_label": "x"}}}, {"setup": {"labels": {"my_label": "x"}}}),
        ({"brand_new": {"client_content": 1}}, {"brand_new": {"client_content": 1}}),
        ({"setup": None}, {"setup": None}),
        ({"setup": 5}, {"setup": 5}),
        ([], []),
        (None, None),
    ],
)
def test_names_of_the_protocol_change_and_the_users_own_stay(
    tree: object, expected: object
) -> None:
    assert camelised(tree, ClientMessage) == expected


@pytest.mark.parametrize(
    ("tree", "name", "at"),
    [
        ({"setUp": {}}, "setUp", ""),
        ({"setup": {"proactivityy": 1}}, "proactivityy", "setup"),
        (
            {"setup": {"generationConfig": {"top_pp": 1}}},
            "top_pp",
            "setup.generation_config",
        ),
        (
            {"setup": {"tools": [{}, {"functionDeclarations": [{"nme": 1}]}]}},
            "nme",
            "setup.tools[1].function_declarations[0]",
        ),
        ({"realtimeInput": {"activityStart": {"now": 1}}}, "now", "realtime_input.activity_start"),
    ],
)
def test_a_strict_reader_says_which_name_is_unknown_and_where(
    tree: dict[str, object], name: str, at: str
) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        camelised(tree, ClientMessage, strict=True)
    assert (unknown.value.name, unknown.value.at) == (name, at)
    assert camelised(tree, ClientMessage) is not None
