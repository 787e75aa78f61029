"""Values from a file or a request to structs, and what is wrong with them in words."""

import re
from typing import TypeVar

import msgspec
from msgspec import Struct, inspect

from livehandle_proto.expectations import expected_in_words, given_in_words
from livehandle_proto.suggest import nearest

S = TypeVar("S", bound=Struct)

_SHOWN_CHARS = 60

# msgspec says what is wrong in words alone. These are its forms.
_AT = r"(?: - at `\$\.?(?P<at>.*)`)?"
_NAME = re.compile(
    rf"Object (?P<what>contains unknown|missing required) field `(?P<name>.*?)`{_AT}", re.DOTALL
)
_NO_CHOICE = re.compile(rf"Invalid enum value (?P<got>.*?){_AT}", re.DOTALL)
_WRONG = re.compile(rf"Expected (?P<expected>.*?)(?:, got `(?P<got>.*?)`)?{_AT}", re.DOTALL)


class WrongValueError(ValueError):
    """A value that a struct does not take."""

    def __init__(self, path: str, words: str, near: str | None = None) -> None:
        super().__init__(path, words)
        self.path = path
        """Where it stands, such as `fault[0].at`; empty for the whole."""
        self.words = words
        """What is wrong: a clause without its full stop."""
        self.near = near
        """The name or choice that was probably meant; then `words` ask for it."""


def converted(tree: object, struct: type[S]) -> S:
    """Return the struct that a tree of plain values describes. Raises `WrongValueError`."""
    try:
        return msgspec.convert(tree, struct)
    except msgspec.ValidationError as error:
        raise _told(str(error), struct) from error


def _told(why: str, struct: type[Struct]) -> WrongValueError:
    if found := _NAME.fullmatch(why):
        path = ".".join(filter(None, (found["at"], found["name"])))
        if found["what"].startswith("missing"):
            return WrongValueError(path, "it is missing")
        return _hinted(path, "there is no such key", found["name"], _names(struct, found["at"]))
    if found := _NO_CHOICE.fullmatch(why):
        choices = _choices(struct, found["at"])
        listed = f"it must be one of {', '.join(choices)}"
        near = nearest(found["got"].strip("'"), choices)
        words = f"{listed}; did you mean {near}" if near else listed
        return WrongValueError(found["at"] or "", words, near)
    if found := _WRONG.fullmatch(why):
        choices = _choices(struct, found["at"])
        words = expected_in_words(found["expected"].replace("`", ""), {})
        wanted = f"one of {', '.join(choices)}" if choices else words
        got = f", not {given_in_words(found['got'])}" if found["got"] else ""
        return WrongValueError(found["at"] or "", f"it must be {wanted}{got}")
    return WrongValueError("", why.replace("`", "").replace("$.", ""))


def _hinted(path: str, words: str, name: str, known: tuple[str, ...]) -> WrongValueError:
    near = nearest(name, known)
    hint = f"did you mean {near}" if near else f"known are {', '.join(known)}"
    return WrongValueError(path[:_SHOWN_CHARS], f"{words}; {hint}", near)


def _names(struct: type[Struct], at: str | None) -> tuple[str, ...]:
    kind = _type_at(struct, at or "")
    fields = kind.fields if isinstance(kind, inspect.StructType) else ()
    return tuple(field.encode_name for field in fields)


def _choices(struct: type[Struct], at: str | None) -> tuple[str, ...]:
    kind = _type_at(struct, at or "")
    values = kind.values if isinstance(kind, inspect.LiteralType) else ()
    return tuple(str(value) for value in values)


def _type_at(struct: type[Struct], at: str) -> inspect.Type:
    """Return the type of what a path such as `fault[0].at` names, null beside it left out."""
    kind: inspect.Type = inspect.type_info(struct)
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", at):
        if isinstance(kind, inspect.StructType):
            kind = next((f.type for f in kind.fields if f.encode_name == step), kind)
        elif isinstance(kind, inspect.ListType):
            kind = kind.item_type
        if isinstance(kind, inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
    return kind
