"""What the catalogue's source says of its names, for those who have no source."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from types import ModuleType

from msgspec import Struct

_PACKAGE = __name__.partition(".")[0] + "."
_SOURCES = re.compile(
    r"\s+\((?:[A-Z]\d+(?:[-, ]+[A-Z]\d+)*|(?:wire|sections?) \d[\d., and]*)\)(?=[\s.:;,]|$)"
)


def public(words: str) -> str:
    """Return a docstring in JSON's words, without references to what only this project has."""
    plain = _SOURCES.sub("", inspect.cleandoc(words))
    plain = re.sub(r"(?:(?<=\. )|^)None\b", "Null", plain)
    return re.sub(r"\bNone\b", "null", plain)


def of_fields(kind: type[Struct]) -> Mapping[str, str]:
    """Return the docstrings of a struct's fields, those it has inherited among them."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith(_PACKAGE):
            found |= _classes(base.__module__)[base.__name__]
    return found


def of_names(module: ModuleType) -> Mapping[str, str]:
    """Return the docstrings of a module's names."""
    return dict(_documented(_tree(module.__name__).body))


@cache
def _classes(module: str) -> Mapping[str, Mapping[str, str]]:
    classes = (node for node in _tree(module).body if isinstance(node, ast.ClassDef))
    return {node.name: dict(_documented(node.body)) for node in classes}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each name with the text below it."""
    for named, words in pairwise(body):
        match named, words:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, text
