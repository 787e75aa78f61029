"""The functions that a session's model knows of, and those that it is to know of."""

import pytest

from livehandled.gemini.auth import Key
from livehandled.gemini.models import traits_of
from livehandled.session.declarations import Declarations
from livehandled.session.plan import Plan

MODEL = "gemini-3.8-live"


@pytest.fixture
def declarations() -> Declarations:
    setup: dict[str, object] = {
        "tools": [{"functionDeclarations": [{"name": "own", "behavior": "BLOCKING"}]}]
    }
    plan = Plan("ws://x", setup, 1.0, 1.0, Key("k", "test"), traits=traits_of(MODEL, "gemini"))
    return Declarations(plan)


def names(tools: object) -> list[str]:
    assert isinstance(tools, list)
    return [one["name"] for tool in tools for one in tool["functionDeclarations"]]


def test_at_first_it_is_those_of_the_configuration(declarations: Declarations) -> None:
    assert names(declarations.told) == names(declarations.tools) == ["own"]


def test_a_setup_has_those_of_clients_too_and_the_model_once_it_is_taken(
    declarations: Declarations,
) -> None:
    declarations.functions = [{"name": "f"}]
    asked = declarations.asked()
    assert names(asked) == ["own", "f"]
    assert names(declarations.told) == ["own"]
    declarations.taken(asked)
    assert names(declarations.told) == ["own", "f"]


def test_whether_the_model_waits_is_as_it_was_told(declarations: Declarations) -> None:
    declarations.functions = [{"name": "own", "behavior": "NON_BLOCKING"}]
    assert declarations.block("own")
    declarations.taken(declarations.asked())
    assert not declarations.block("own")
    assert not declarations.block("unheard of")  # as the model does by itself


def test_what_is_refused_goes_back_to_what_was_taken_before(declarations: Declarations) -> None:
    declarations.functions = [{"name": "good"}]
    declarations.taken(declarations.asked())
    declarations.functions = [{"name": "good"}, {"name": "bad"}]
    declarations.asked()
    assert declarations.go_back() == ["good", "bad"]
    assert declarations.functions == [{"name": "good"}]


def test_a_refusal_of_what_was_taken_before_is_not_for_the_functions(
    declarations: Declarations,
) -> None:
    declarations.functions = [{"name": "good"}]
    declarations.taken(declarations.asked())
    declarations.asked()
    assert declarations.go_back() == []
    assert declarations.functions == [{"name": "good"}]
