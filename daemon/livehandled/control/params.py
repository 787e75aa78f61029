"""Parameters to typed values, and what is wrong with them in words."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import NamedTuple

import msgspec
from msgspec import Raw, inspect

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.expectations import expected_in_words, given_in_words
from livehandle_proto.extractors import PATTERNS_IN_WORDS
from livehandle_proto.methods import METHODS
from livehandle_proto.suggest import nearest
from livehandle_proto.values import Params

_positional = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode

_SHOWN_CHARS = 60
"""Of what a client has sent, in a sentence that is sent back."""


class _Shape(NamedTuple):
    method: str
    params: type[Params]
    decoder: msgspec.json.Decoder[Params]
    names: tuple[str, ...]


@cache
def params_decoder(method: str) -> Callable[[Raw], Params]:
    """Return what decodes the parameters of a method of the catalogue.

    They may be given by name or by position. It raises `wire.invalid_params` with the parameter,
    what was expected, and a near name or value.
    """
    params = METHODS[method].params
    names = tuple(field.encode_name for field in msgspec.structs.fields(params))
    shape = _Shape(method, params, msgspec.json.Decoder(params), names)
    by_name = shape.decoder.decode

    def decode(text: Raw) -> Params:
        try:
            return by_name(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _decode_again(shape, text)

    return decode


def _decode_again(shape: _Shape, text: Raw) -> Params:
    """Decode what is no readable object of parameters: by position, or say what is wrong."""
    method = shape.method
    try:
        if bytes(text)[:1] == b"[":
            text = Raw(_encode(_named(method, shape.names, _positional.decode(text))))
        return shape.decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _refusal(shape, text, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LiveHandleError(
            "wire.invalid_params", f"The parameters of {method} cannot be read: {error}."
        ) from error


def _named(method: str, names: tuple[str, ...], values: list[Raw]) -> dict[str, Raw]:
    if len(values) > len(names):
        raise LiveHandleError(
            "wire.invalid_params",
            f"{len(values)} parameters are too many for {method}: it takes {_listed(names)}.",
            expected=f"at most {len(names)}",
        )
    return dict(zip(names, values, strict=False))


# msgspec says what is wrong in words alone. These are its forms; what has another form is
# passed on as it stands.
_AT = r" - at (?P<key>`key` in )?`\$\.?(?P<at>.*)`"
_UNKNOWN = re.compile(rf"Object contains unknown field `(?P<name>.*?)`(?:{_AT})?", re.DOTALL)
_MISSING = re.compile(rf"Object missing required field `(?P<name>.*?)`(?:{_AT})?", re.DOTALL)
_NO_CHOICE = re.compile(rf"Invalid enum value '(?P<got>.*)'{_AT}", re.DOTALL)
_WRONG = re.compile(rf"Expected (?P<expected>.*?)(?:, got `(?P<got>.*?)`)?{_AT}", re.DOTALL)
_TOO_LARGE = re.compile(rf"(?:Number|Integer value) out of range{_AT}")


def _refusal(shape: _Shape, text: Raw, why: str) -> LiveHandleError:
    method = shape.method
    if found := _UNKNOWN.fullmatch(why):
        return _unknown(shape, found["at"] or "", found["name"])
    if found := _MISSING.fullmatch(why):
        param = ".".join(filter(None, (found["at"], found["name"])))
        return _error(f"{method} needs the parameter `{param}`.", param, "a value", None)
    if found := _NO_CHOICE.fullmatch(why):
        return _no_choice(shape, found["at"], found["got"])
    if found := _TOO_LARGE.fullmatch(why):
        message = f"The number `{found['at']}` of {method} is out of range: give a smaller one."
        return _error(message, found["at"], "a number in range", None)
    if found := _WRONG.fullmatch(why):
        at = found["at"]
        choices = _choices(shape.params, at)
        said = found["expected"].replace("`", "")
        words = expected_in_words(said, PATTERNS_IN_WORDS)
        expected = f"one of {', '.join(choices)}" if choices else words
        if found["key"] or "[...]" in at:
            at = _entry(shape.params, text, at)
        subject = f"The name `{at}`" if found["key"] else f"The parameter `{at}`"
        got = f", not {given_in_words(found['got'])}" if found["got"] else ""
        return _error(f"{subject} of {method} must be {expected}{got}.", at, expected, None)
    return _error(f"The parameters of {method} are wrong: {_short(why)}.", None, None, None)


def _unknown(shape: _Shape, at: str, name: str) -> LiveHandleError:
    names = _names(shape.params, at)
    near = nearest(name, names)
    param = ".".join(filter(None, (at, _short(name))))
    whole = f"`{at}` of {shape.method}" if at else shape.method
    hint = f"did you mean `{near}`?" if near else f"it takes {_listed(names)}."
    return _error(f"{whole} has no parameter `{_short(name)}`: {hint}", param, None, near)


def _no_choice(shape: _Shape, at: str, got: str) -> LiveHandleError:
    choices = _choices(shape.params, at)
    near = nearest(got, choices)
    expected = f"one of {', '.join(choices)}"
    hint = f": did you mean {near}?" if near else f", not {_short(got)!r}."
    message = f"The parameter `{at}` of {shape.method} must be {expected}{hint}"
    return _error(message, at, expected, near)


def _error(
    message: str, param: str | None, expected: str | None, near: str | None
) -> LiveHandleError:
    return LiveHandleError(
        "wire.invalid_params", message, param=param, expected=expected, did_you_mean=near
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


# What msgspec does not say: which names and values there are where it found another.


def _names(params: type[Params], at: str) -> tuple[str, ...]:
    kind = _type_at(params, at)
    fields = kind.fields if isinstance(kind, inspect.StructType) else ()
    return tuple(field.encode_name for field in fields)


def _choices(params: type[Params], at: str) -> tuple[str, ...]:
    kind = _type_at(params, at)
    values = kind.values if isinstance(kind, inspect.LiteralType) else ()
    return tuple(str(value) for value in values)


def _type_at(params: type[Params], at: str) -> inspect.Type:
    """Return the type of what a path such as `turns[0].role` names, null beside it left out."""
    kind = inspect.type_info(params)
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", at):
        if isinstance(kind, inspect.StructType):
            # A name of the client's own making can look like a path.
            kind = next((f.type for f in kind.fields if f.encode_name == step), kind)
        elif isinstance(kind, inspect.ListType):
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
        if isinstance(kind, inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
    return kind


def _entry(params: type[Params], text: Raw, at: str) -> str:
    """Return the path with the name of the entry that is wrong, where msgspec has `[...]`."""
    field = at.partition("[...]")[0]
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # further on in it
        given = msgspec.json.decode(text, type=dict[str, object])
        entries = given[field]
        assert isinstance(entries, dict)  # else msgspec would have complained of that
        for name, value in entries.items():
            try:
                msgspec.convert({**given, field: {name: value}}, params)
            except msgspec.ValidationError:
                return f"{field}.{_short(name)}"
    return at
