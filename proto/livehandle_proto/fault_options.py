"""Faults on a command line: the same words for every command that makes one.

Names are shown with hyphens there, and taken in any case and with any separator or none.
"""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from shlex import quote
from textwrap import fill, indent
from typing import get_args

from livehandle_proto.faults import (
    MAX_TIME_MS,
    MEANING,
    OWN_FIELDS,
    Fault,
    FaultKind,
    FaultMoment,
    FaultTiming,
    fault_from,
    fields_given,
)
from livehandle_proto.suggest import nearest
from livehandle_proto.wrong_values import WrongValueError

OPTIONS: Mapping[str, str] = {
    f"--{name.replace('_', '-')}": name for name in Fault.__struct_fields__ if name != "do"
}
"""The field of each option; each takes a value."""

_NAMES: Mapping[str, Sequence[str]] = {
    "do": get_args(FaultKind),
    "at": get_args(FaultMoment),
    "when": get_args(FaultTiming),
}
"""The fields that take one of several names."""

_TEXTS = ("reason", "body")
_OWN: Mapping[str, Sequence[str]] = {do: OWN_FIELDS.get(do, ()) for do in get_args(FaultKind)}

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_TIME = re.compile(r"(?P<number>[0-9]{1,10}(?:\.[0-9]+(?=[a-z]))?)(?P<unit>ms|s|m|)")
_MS = {"": 1, "ms": 1, "s": 1000, "m": 60_000}

_SHOWN_CHARS = 60
_HELP_WIDTH = 88
_INDENT = "  "


def add_options(parser: ArgumentParser) -> None:
    """Add what a fault takes: what happens, its own values in order, and an option a field.

    The lines of the epilog are to be shown as they are.
    """
    parser.add_argument("do", metavar="WHAT", help="what happens, see below")
    parser.add_argument(
        "values",
        nargs="*",
        default=[],  # without it, argparse says that it is missing where WHAT is
        metavar="VALUE",
        help="its own values, in order; a time is in ms, or such as 500ms, 5s or 2m",
    )
    for option, name in OPTIONS.items():
        parser.add_argument(option, metavar="VALUE", help=_spelt(MEANING[name]))
    parser.epilog = f"{_whats()}\n\n{_moments()}"


def fault_of(options: Namespace) -> Fault:
    """Return the fault that a command line describes.

    Raises `WrongValueError` whose path is the option, or the word, that is wrong.
    """
    do = _named("do", options.do)
    words: dict[str, str] = {}
    for name in OPTIONS.values():
        if (word := getattr(options, name)) is not None:
            words[name] = word
    for name, word in _by_order(do, options.values).items():
        if name in words:
            both = f"{_shown(word)} and as {_shown(words[name])}"
            raise WrongValueError(_option(name), f"it is given twice, as {both}; leave one out")
        words[name] = word
    values = {name: _value(name, word) for name, word in words.items()}
    try:
        return fault_from({"do": do, **values})
    except WrongValueError as wrong:
        raise _told(wrong, words.get(wrong.path)) from wrong


def described(fault: Fault) -> dict[str, object]:
    """Return a fault as plain values, what is at its default left out."""
    return {name: getattr(fault, name) for name in fields_given(fault)}


def in_words(fault: Fault) -> str:
    """Return a fault as it would be asked for: what happens, and the options given."""
    given = [name for name in fields_given(fault) if name != "do"]
    options = (f"{_option(name)} {_word(name, getattr(fault, name))}" for name in given)
    return " ".join([_spelt(fault.do), *options])


def _by_order(do: str, values: Sequence[str]) -> dict[str, str]:
    names = _OWN[do]
    if len(values) > len(names):
        takes = _own_values(do) or "no values"
        raise WrongValueError(_shown(values[len(names)]), f"{_spelt(do)} takes {takes}")
    return dict(zip(names, values, strict=False))


def _value(name: str, word: str) -> object:
    """Return what a word means for its field. Whether that is in its bounds is not checked."""
    kind = "a whole number"
    value: object = int(word) if _NUMBER.fullmatch(word) else None
    if name in _NAMES:
        return _named(name, word)
    if name in _TEXTS:
        kind, value = "UTF-8 text", word if _is_utf8(word) else None
    elif name == "pings":
        kind, value = "true or false", {"true": True, "false": False}.get(word.lower())
    elif name.endswith("_ms"):
        kind, value = "a length of time up to 24 days, such as 500ms, 5s or 2m", _ms(word)
    if value is None:
        raise WrongValueError(_option(name), f"it must be {kind}, not {_shown(word)}")
    return value


def _ms(word: str) -> int | None:
    found = _TIME.fullmatch(word)
    ms = round(float(found["number"]) * _MS[found["unit"]]) if found else None
    return ms if ms is not None and ms <= MAX_TIME_MS else None


def _is_utf8(word: str) -> bool:
    # Python hides the bytes of the command line that are none in lone surrogates.
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def _named(field: str, word: str) -> str:
    """Return the name that a word stands for."""
    names = {_plain(name): name for name in _NAMES[field]}
    if name := names.get(_plain(word)):
        return name
    near = nearest(_plain(word), names)
    if near is None:
        known = ", ".join(map(_spelt, _NAMES[field]))
        raise WrongValueError(_option(field), f"there is no {_shown(word)}; known are {known}")
    meant = _spelt(names[near])
    raise WrongValueError(
        _option(field), f"there is no {_shown(word)}; did you mean {meant}", meant
    )


def _told(wrong: WrongValueError, word: str | None) -> WrongValueError:
    """Return what is wrong in the command line's terms, with the word that is out of bounds."""
    said = _spelt(wrong.words)
    if word is not None and said.startswith("it must be"):
        said += f", not {_shown(word)}"
    return WrongValueError(_option(wrong.path), said)


def _whats() -> str:
    lines = "\n".join(f"{_spelt(do)} {_own_values(do)}".rstrip() for do in _OWN)
    return f"WHAT, with its own values:\n{indent(lines, _INDENT)}"


def _moments() -> str:
    names = ", ".join(map(_spelt, _NAMES["at"]))
    lines = fill(names, _HELP_WIDTH - len(_INDENT), break_on_hyphens=False)
    return f"the moments of --at:\n{indent(lines, _INDENT)}"


def _own_values(do: str) -> str:
    return " ".join(_spelt(name).upper() for name in _OWN[do])


def _option(name: str) -> str:
    return "WHAT" if name == "do" else f"--{_spelt(name)}"


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _spelt(str(value)) if name in _NAMES else quote(str(value))


def _spelt(name: str) -> str:
    return name.replace("_", "-")


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN_CHARS else f"{word[:_SHOWN_CHARS]}...")
