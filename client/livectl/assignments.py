"""`key=value` words of a command line to JSON values."""

import json
import sys
from collections.abc import Sequence

from livehandle_proto.errors import LiveHandleError


def usage(message: str) -> LiveHandleError:
    """Return the error for a command line that cannot be carried out."""
    return LiveHandleError("usage", message)


def tree(words: Sequence[str]) -> dict[str, object]:
    """Return `a.b=1 c=x` as `{"a": {"b": 1}, "c": "x"}`.

    A value that is JSON is taken as such, any other as text.
    """
    root: dict[str, object] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not all(key.split(".")):
            raise usage(f"{word!r} is no key=value.")
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
        text = sys.stdin.read() if words[0] == "-" else words[0]
        try:
            return json.loads(text)
        except ValueError as error:
            raise usage(f"The parameters are not JSON: {error}.") from error
    return tree(words)


def value(text: str) -> object:
    """Return the JSON value that a text is, or the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
