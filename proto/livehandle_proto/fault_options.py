"""Faults on a command line: the same words for every command that makes one."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import get_args

from livehandle_proto.faults import MEANING, OWN_FIELDS, Do, Fault, fault_from, fields_given
from livehandle_proto.wrong_values import WrongValueError

OPTIONS: Mapping[str, str] = {
    f"--{name.replace('_', '-')}": name for name in Fault.__struct_fields__ if name != "do"
}
"""The field of each option; each takes a value."""

_WORDS: Mapping[str, Do] = {do.replace("_", ""): do for do in get_args(Do)}
"""What happens, by its name without separators: go-away, go_away and goaway are one."""

_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m)")
_MS = {"ms": 1, "s": 1000, "m": 60_000}


def add_options(parser: ArgumentParser) -> None:
    """Add what a fault takes: what happens, its own values in order, and an option a field."""
    listed = ", ".join(do.replace("_", "-") for do in get_args(Do))
    parser.add_argument("do", metavar="WHAT", help=f"one of {listed}")
    parser.add_argument(
        "values",
        nargs="*",
        metavar="VALUE",
        help="its own values, such as CODE REASON of close; times may be 50s or 500ms",
    )
    for option, name in OPTIONS.items():
        parser.add_argument(option, metavar="VALUE", help=MEANING[name])


def fault_of(options: Namespace) -> Fault:
    """Return the fault that a command line describes.

    Raises `WrongValueError` whose path is the option, or the word, that is wrong.
    """
    do = _WORDS.get(options.do.lower().replace("-", "").replace("_", ""), options.do)
    tree: dict[str, object] = {"do": do, **_by_order(do, options.values)}
    for name in OPTIONS.values():
        value = getattr(options, name)
        if value is not None:
            tree[name] = value.replace("-", "_") if name in ("at", "when") else value
    try:
        return fault_from({name: _value(name, value) for name, value in tree.items()}, strict=False)
    except WrongValueError as wrong:
        wrong.path = "WHAT" if wrong.path == "do" else f"--{wrong.path.replace('_', '-')}"
        raise


def described(fault: Fault) -> dict[str, object]:
    """Return a fault as plain values, what is at its default left out."""
    return {name: getattr(fault, name) for name in fields_given(fault)}


def in_words(fault: Fault) -> str:
    """Return a fault as it would be asked for: what happens, and the options given."""
    given = [name for name in fields_given(fault) if name != "do"]
    shown = ((name.replace("_", "-"), quote(str(getattr(fault, name)))) for name in given)
    options = (f"--{name} {value}" for name, value in shown)
    return " ".join([fault.do.replace("_", "-"), *options])


def _by_order(do: str, values: Sequence[str]) -> dict[str, object]:
    if do not in _WORDS.values():
        return {}  # that is what is wrong, whatever its values
    names = next((names for known, names in OWN_FIELDS.items() if known == do), ())
    if len(values) > len(names):
        takes = f"takes {' '.join(names).upper()}" if names else "takes no values"
        raise WrongValueError(values[len(names)], f"{do.replace('_', '-')} {takes}")
    return dict(zip(names, values, strict=False))


def _value(name: str, value: object) -> object:
    """Return a time in milliseconds where it was given with a unit, all else as it is."""
    found = _DURATION.fullmatch(str(value)) if name.endswith("_ms") else None
    return round(float(found["number"]) * _MS[found["unit"]]) if found else value
