"""What is compared with what was expected, and how it is told."""

import json
from itertools import takewhile

from livectl.certify.lines import shown

_LONGEST_TEXT = 200


def wrong_declaration(declarations: object) -> str | None:
    """Return what is wrong with the declaration of `add`, if anything."""
    if not isinstance(declarations, list) or len(declarations) != 1:
        return f"declarations {brief(declarations)}, and not one function"
    declared = declarations[0]
    parameters = declared.get("parameters") if isinstance(declared, dict) else None
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if isinstance(properties, dict) and declared.get("name") == "add":
        types = [
            str(given.get("type")).lower() if isinstance(given, dict) else ""
            for given in (properties.get("a"), properties.get("b"))
        ]
        if types == ["integer", "integer"]:
            return None
    return f"declarations {brief(declarations)}"


def same(value: object, expected: object) -> bool:
    """Whether two JSON values are the same: true is not 1."""
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)


def difference(text: object, expected: str) -> str:
    """Return where a text departs from what was expected."""
    if not isinstance(text, str):
        return f"text {shown(brief(text))}"
    if len(text) + len(expected) < _LONGEST_TEXT:
        return f"text {text!r}, and not {expected!r}"
    pairs = zip(text, expected, strict=False)
    right = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return f"a text of {len(text)} characters, not {len(expected)}; the first {right} are right"


def brief(value: object) -> str:
    """Return a value as JSON, cut for a message."""
    return shown(json.dumps(value, ensure_ascii=False))
