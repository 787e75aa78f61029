"""What msgspec expected, in words for people."""

import re
from collections.abc import Mapping

_EXPECTED = re.compile(
    r"(?P<kinds>\w+(?: \| \w+)*)(?: of length)?"
    r"(?: (?P<limit>[<>]=?) (?P<number>-?[0-9.]+)| matching regex (?P<pattern>'.*'))?",
    re.DOTALL,
)
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_UNITS = {"str": "character", "array": "entry", "object": "entry"}
_LIMITS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def expected_in_words(expected: str, patterns: Mapping[str, str]) -> str:
    """Return what a value must be: of `int | null`, a whole number.

    Null is left out: to leave the value out is the same. `patterns` has words for regular
    expressions. What msgspec says in another form is returned as it stands.
    """
    found = _EXPECTED.fullmatch(expected)
    kinds = [kind for kind in found["kinds"].split(" | ") if kind != "null"] if found else []
    if found is None or not kinds or not all(kind in _KINDS for kind in kinds):
        return expected
    words = " or ".join(_KINDS[kind] for kind in kinds)
    if found["pattern"]:
        named = {repr(pattern): said for pattern, said in patterns.items()}
        return named.get(found["pattern"], f"{words} of another form")
    if found["limit"]:
        return f"{words} of {_LIMITS[found['limit']]} {_counted(found['number'], kinds[0])}"
    return words


def given_in_words(kind: str) -> str:
    """Return what a value is: of `str`, text."""
    return "a number with a fraction" if kind == "float" else _KINDS.get(kind, kind)


def _counted(number: str, kind: str) -> str:
    unit = _UNITS.get(kind)
    if unit is None:
        return number
    plural = unit[:-1] + "ies" if unit.endswith("y") else unit + "s"
    return f"{number} {unit if number == '1' else plural}"
