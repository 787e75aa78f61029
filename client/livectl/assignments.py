"""`key=value` words of a command line to JSON values."""

import json
from collections.abc import Sequence

from livectl.usage import read_text, usage

_SHOWN_CHARS = 80


def tree(words: Sequence[str]) -> dict[str, object]:
    """Return `a.b=1 c=x` as `{"a": {"b": 1}, "c": "x"}`.

    A value that is JSON is taken as such, any other as text. Raises `client.usage` for a word
    that is no key=value, or that contradicts another.
    """
    root: dict[str, object] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not all(key.split(".")):
            raise usage(f"{word!r} is no key=value: give key=value.")
        *path, last = key.split(".")
        table = root
        for name in path:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                raise usage(f"{word!r} gives {name} a second meaning.")
            table = inner
        if last in table:
            raise usage(f"{key} is given twice.")
        table[last] = value(text)
    return root


def params(words: Sequence[str]) -> object:
    """Return a call's parameters: key=value words, one JSON object or array, or `-` to read it."""
    if len(words) == 1 and (words[0] == "-" or words[0].lstrip()[:1] in {"{", "["}):
        return as_json_value(read_text() if words[0] == "-" else words[0], "The parameters")
    return tree(words)


def as_json_value(text: str, what: str) -> object:
    """Return the JSON value that a text is. Raises `client.usage`, which names it `what`."""
    try:
        return _json(text)
    except ValueError as error:
        verb = "are" if what.endswith("s") else "is"
        raise usage(f"{what} {verb} not JSON: {error}.") from error


def value(text: str) -> object:
    """Return the JSON value that a text is, or the text.

    Raises `client.usage` for a text that begins as JSON and is none: it was cut or mistyped.
    """
    try:
        return _json(text)
    except ValueError as error:
        if text.lstrip()[:1] in {"{", "[", '"'}:
            cut = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
            raise usage(f"{cut!r} begins as JSON and is none: {error}.") from error
        return text


def _json(text: str) -> object:
    """Return the JSON value. Raises `ValueError`, also for NaN and Infinity, which are none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
