"""The keys as a flat table, and values read by their types."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import inspect

from livehandled.config.schema import Config

_OCTAL = re.compile(r"0?o?[0-7]{3}")
_OCTAL_LOOKING = re.compile(r"[0246]+")


class Key(NamedTuple):
    """One key of the configuration."""

    name: str
    """Section and key with a dot between them: `session.model`."""
    annotation: type
    default: object
    description: str
    expected: str
    """What a value must be, in words."""
    choices: tuple[str, ...]
    """The values there are, where there are few."""
    is_octal: bool

    def read(self, value: object) -> object:
        """Return a value that came typed, from TOML or JSON. Raises ValueError."""
        if self.is_octal:
            value = _permission_bits(value)
        elif isinstance(self.default, dict):
            _require_json(value)
        return _converted(value, self.annotation, strict=True)

    def read_text(self, text: str) -> object:
        """Return a value that came as text: lists by comma, tables as JSON. Raises ValueError."""
        if isinstance(self.default, str):
            return self.read(text)
        if isinstance(self.default, dict):
            return self.read(json.loads(text))
        if isinstance(self.default, tuple):
            parts = [part.strip() for part in text.split(",") if part.strip()]
            return _converted(parts, self.annotation, strict=False)
        if self.is_octal:
            return self.read(text.strip())
        return _converted(text.strip(), self.annotation, strict=False)

    def shown(self, value: object) -> object:
        """Return the value as JSON has it, in the form it may be given in."""
        if isinstance(value, tuple):
            return list(value)
        return f"{value:04o}" if self.is_octal else value


def _converted(value: object, annotation: type, *, strict: bool) -> object:
    if isinstance(value, str):
        value.encode()  # what has no UTF-8 is a ValueError: it could not be sent
    try:
        return msgspec.convert(value, annotation, strict=strict)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _permission_bits(value: object) -> int:
    """Return the bits of `"0660"`, or of a TOML number such as `0o660`.

    A number whose decimal digits read as permissions (400 is 0620) is refused: its writer
    meant octal, and it would open the socket to somebody else.
    """
    if isinstance(value, str) and _OCTAL.fullmatch(value):
        bits = int(value.replace("o", ""), 8)
    elif type(value) is int and value > 0 and not _OCTAL_LOOKING.fullmatch(str(value)):
        bits = value
    else:
        raise ValueError("not permission bits")
    if bits & ~0o666:
        raise ValueError("not permission bits of a socket")
    return bits


def _require_json(value: object) -> None:
    """Refuse what JSON or UTF-8 has not: dates, times, nan, inf, half a surrogate pair."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError("not a value of JSON") from error


def _expectation(kind: inspect.Type, extra: Mapping[str, object]) -> str:
    """Return in words what a value of the type must be."""
    match kind:
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case inspect.IntType(ge=low, le=high):
            words = f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            words = f"a number from {low} to {high}"
        case inspect.BoolType():
            words = "true or false"
        case inspect.DictType():
            words = "a table of JSON values"
        case _:
            words = "text"
    return str(extra.get("expected", words))


def _keys() -> Iterator[Key]:
    for section in msgspec.structs.fields(Config):
        for field in msgspec.structs.fields(section.type):
            name = f"{section.name}.{field.name}"
            meta = inspect.type_info(field.type)
            if not isinstance(meta, inspect.Metadata):
                raise TypeError(f"{name} has no description")
            default = {} if field.default_factory is dict else field.default
            extra = meta.extra or {}
            choices = meta.type.values if isinstance(meta.type, inspect.LiteralType) else ()
            yield Key(
                name=name,
                annotation=field.type,
                default=default,
                description=str((meta.extra_json_schema or {}).get("description", "")),
                expected=_expectation(meta.type, extra),
                choices=tuple(str(choice) for choice in choices),
                is_octal=bool(extra.get("octal")),
            )


KEYS: Mapping[str, Key] = {key.name: key for key in _keys()}
"""Every key by its name, in the order of the schema."""

SECTIONS: tuple[str, ...] = Config.__struct_fields__
