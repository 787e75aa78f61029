"""What clients declare, checked before the service sees it: it would close the session (G13)."""

import re
from collections.abc import Sequence

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import NAME_IN_WORDS, ToolDeclaration
from livehandle_proto.wrong_values import WrongValueError, converted
from livehandled.gemini.content import MOST_LEVELS, is_deep
from livehandled.gemini.opening import Function
from livehandled.gemini.schemas import misfit, normalised

_SHOWN_CHARS = 120
_JSON_SCHEMA = re.compile("(parameters|response)_?json_?schema", re.IGNORECASE)


def declared(given: Sequence[object]) -> dict[str, Function]:
    """Return functions by name, in order, their schemas as the service has them.

    Raises `tools.bad_declaration`, with the place that is wrong as `param`.
    """
    functions: dict[str, Function] = {}
    for i, one in enumerate(given):
        place = f"declarations[{i}]"
        function = _function(one, place)
        name = str(function["name"])
        if name in functions:
            raise bad_declaration(f"{place}.name", f"{name} is declared twice")
        functions[name] = function
    if not functions:
        raise bad_declaration("declarations", "it must hold at least one function")
    return functions


def bad_declaration(at: str, why: str, near: str | None = None) -> LiveHandleError:
    """Return the error of a declaration that cannot be used."""
    at = at[:_SHOWN_CHARS]
    return LiveHandleError(
        "tools.bad_declaration", f"Correct {at}: {why}.", param=at, did_you_mean=near
    )


def _function(given: object, place: str) -> Function:
    if is_deep(given):
        raise bad_declaration(place, f"it has more than {MOST_LEVELS} levels")
    try:
        function = msgspec.to_builtins(converted(given, ToolDeclaration))
    except WrongValueError as wrong:
        raise _misfit(wrong, given, place) from wrong
    made = {name: value for name, value in function.items() if value is not None}
    for name in {"parameters", "response"} & made.keys():
        made[name] = normalised(made[name])
        if found := misfit(made[name], f"{place}.{name}"):
            raise bad_declaration(found.at, found.why, found.near)
    return made


def _misfit(wrong: WrongValueError, given: object, place: str) -> LiveHandleError:
    at = f"{place}.{wrong.path}" if wrong.path else place
    if found := _JSON_SCHEMA.fullmatch(wrong.path):
        name = found[1].lower()
        return bad_declaration(at, f"a live session does not read it; did you mean {name}", name)
    named = isinstance(given, dict) and isinstance(given.get("name"), str)
    words = f"it must be {NAME_IN_WORDS}" if wrong.path == "name" and named else wrong.words
    return bad_declaration(at, words, wrong.near)
