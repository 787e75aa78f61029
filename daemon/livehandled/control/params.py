"""Parameters to typed values, and what is wrong with them in words."""

import re
from functools import cache
from typing import NamedTuple

import msgspec
from msgspec import Raw

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import METHODS, Params
from livehandle_proto.suggest import nearest

_positional = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode


class _Shape(NamedTuple):
    decoder: msgspec.json.Decoder[Params]
    names: tuple[str, ...]


@cache
def _shape(method: str) -> _Shape:
    params = METHODS[method].params
    names = tuple(field.encode_name for field in msgspec.structs.fields(params))
    return _Shape(msgspec.json.Decoder(params), names)


def decode_params(method: str, text: Raw) -> Params:
    """Return the parameters of a method of the catalogue, given by name or by position.

    Raises `wire.invalid_params` with the parameter, what was expected, and a near name.
    """
    shape = _shape(method)
    try:
        if bytes(text)[:1] == b"[":
            text = Raw(_encode(_named(method, shape.names, _positional.decode(text))))
        return shape.decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _refusal(method, shape.names, str(error)) from error
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
_AT = r" - at `\$\.?(?P<at>.*)`"
_UNKNOWN = re.compile(rf"Object contains unknown field `(?P<name>.*?)`(?:{_AT})?", re.DOTALL)
_MISSING = re.compile(rf"Object missing required field `(?P<name>.*?)`(?:{_AT})?", re.DOTALL)
_WRONG = re.compile(rf"Expected (?P<expected>.*?)(?:, got `(?P<got>.*?)`)?{_AT}", re.DOTALL)


def _refusal(method: str, names: tuple[str, ...], why: str) -> LiveHandleError:
    if found := _UNKNOWN.fullmatch(why):
        return _unknown(method, names, found["at"], found["name"])
    if found := _MISSING.fullmatch(why):
        param = ".".join(filter(None, (found["at"], found["name"])))
        return _error(f"{method} needs the parameter `{param}`.", param, "a value", None)
    if found := _WRONG.fullmatch(why):
        expected = found["expected"].replace("`", "")
        got = f", not {found['got']}" if found["got"] else ""
        message = f"The parameter `{found['at']}` of {method} must be {expected}{got}."
        return _error(message, found["at"], expected, None)
    return _error(f"The parameters of {method} are wrong: {why}.", None, None, None)


def _unknown(method: str, names: tuple[str, ...], inside: str | None, name: str) -> LiveHandleError:
    if inside:
        param = f"{inside}.{name}"
        return _error(f"{method} has no parameter `{param}`: leave it out.", param, None, None)
    near = nearest(name, names)
    hint = f"did you mean `{near}`?" if near else f"it takes {_listed(names)}."
    return _error(f"{method} has no parameter `{name}`: {hint}", name, None, near)


def _error(
    message: str, param: str | None, expected: str | None, near: str | None
) -> LiveHandleError:
    return LiveHandleError(
        "wire.invalid_params", message, param=param, expected=expected, did_you_mean=near
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
