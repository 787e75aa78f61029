"""Python: what crosses the socket, as TypedDicts, Literals and a union of all events."""

import keyword
from collections.abc import Callable, Mapping
from textwrap import fill

from generator.model import Field, Object, Type

FILE = "livehandle/types.py"
TEMPLATE = "python_types.j2"

_PLAIN = {
    "any": "object",
    "null": "None",
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
}
_WIDTH = 100


def annotation(given: Type) -> str:
    """Return the annotation of what is received."""
    match given.kind:
        case "list":
            text = f"list[{_inner(given)}]"
        case "map":
            text = f"dict[str, {_inner(given)}]"
        case "ref":
            text = given.name
        case "enum":
            text = literal(given.values)
        case plain:
            text = _PLAIN[plain]
    return f"{text} | None" if given.nullable else text


def literal(values: tuple[str, ...]) -> str:
    """Return the type that is one of these texts."""
    return f"Literal[{', '.join(quoted(value) for value in values)}]"


def quoted(text: str) -> str:
    """Return a text as the formatter writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def documented(text: str, indent: int = 0) -> str:
    """Return a docstring, wrapped, without the indentation of its first line."""
    space = " " * indent
    paragraphs = text.replace("\\", "\\\\").strip().split("\n\n")
    if len(paragraphs) == 1 and len(text.strip()) + indent + 6 <= _WIDTH:
        return f'"""{paragraphs[0]}"""'
    whole = f"\n\n{space}".join(
        fill(
            " ".join(paragraph.split()),
            _WIDTH - indent - 3,
            break_long_words=False,
            break_on_hyphens=False,
        ).replace("\n", f"\n{space}")
        for paragraph in paragraphs
    )
    return f'"""{whole}\n{space}"""'


def field(given: Field) -> str:
    """Return the annotation of a field; in quotes, for types may be in any order."""
    text = annotation(given.type)
    if given.type.kind not in _PLAIN:
        text = quoted(text) if '"' not in text else text
    return text if given.required else f"NotRequired[{text}]"


def is_functional(given: Object) -> str:
    """Return whether a field has the name of a keyword: yes, or nothing."""
    return "yes" if any(keyword.iskeyword(each.name) for each in given.fields) else ""


def _inner(given: Type) -> str:
    assert given.inner is not None
    return annotation(given.inner)


FILTERS: Mapping[str, Callable[..., str]] = {
    "annotation": annotation,
    "documented": documented,
    "field": field,
    "is_functional": is_functional,
    "quoted": quoted,
}
