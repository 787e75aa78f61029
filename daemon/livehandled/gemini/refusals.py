"""Setups refused before they are sent, by the table of `livehandled.gemini.refusal_rows`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.suggest import nearest
from livehandled.config.schema import Session
from livehandled.gemini.endpoints import version_of
from livehandled.gemini.models import Traits
from livehandled.gemini.refusal_rows import ROWS, Row, at
from livehandled.gemini.schemas import misfit


def refused(
    setup: Mapping[str, object], session: Session, traits: Traits
) -> LiveHandleError | None:
    """Return why the service would not take a setup, None if nothing speaks against it.

    The error is `upstream.unsupported`, with `field`, `model` and `why`.
    """
    if not traits.checks:
        return None
    asker = _Asker(session, traits)
    row, field, value = next(_all(setup, asker), (None, "", None))
    return None if row is None else _error(row, field, value, asker.model)


def refused_tools(
    tools: Sequence[Mapping[str, object]], session: Session, traits: Traits
) -> LiveHandleError | None:
    """Return why the service would not take a tool list, as `refused` does for a setup."""
    asker = _Asker(session, traits)
    for row, field, value in _all({"tools": tools}, asker) if traits.checks else ():
        if field.startswith("tools"):
            return _error(row, field, value, asker.model)
    return None


def _all(setup: Mapping[str, object], asker: "_Asker") -> Iterator[tuple[Row, str, object]]:
    found = chain.from_iterable(_found(row, setup) for row in ROWS if asker.is_meant(row))
    return chain(found, _of_schemas(setup))


class _Asker:
    """For whom rows are looked up."""

    def __init__(self, session: Session, traits: Traits) -> None:
        self.model = session.model.rpartition("/")[2]
        self._backend = "vertex" if session.backend == "vertex" else "gemini"
        self._version = version_of(session)
        self._traits = traits

    def is_meant(self, row: Row) -> bool:
        """Return whether a row is about this backend, version and model."""
        return (
            row.backend in {"", self._backend}
            and self._version not in row.versions
            and re.search(row.model, self.model) is not None
            and (self._traits.speech_only or not row.speaks_only)
        )


def _found(row: Row, setup: Mapping[str, object]) -> Iterator[tuple[Row, str, object]]:
    """Yield where a row's field stands and is wrong, and its value."""
    holder = row.field if row.holder is None else row.holder
    for place, value in _values(setup, holder.split(".") if holder else []):
        if row.wrong(value):
            yield row, (place if row.holder is None else row.field), value


def _of_schemas(setup: Mapping[str, object]) -> Iterator[tuple[Row, str, object]]:
    """Yield what the service would not read in the schemas of functions (wire 2.1.3, G13)."""
    for name in ("parameters", "response"):
        path = ["tools[]", "functionDeclarations[]", name]
        for place, schema in _values(setup, path):
            if wrong := misfit(schema, place):
                advice = "Correct {field}"
                source = "wire 2.1.3; G13"
                yield (
                    Row(wrong.at, source, wrong.why, advice=advice, near=wrong.near),
                    wrong.at,
                    None,
                )


def _values(value: object, path: list[str], place: str = "") -> Iterator[tuple[str, object]]:
    """Yield what stands at a path, and the path as it was walked."""
    if not path:
        if value is not None:
            yield place, value
        return
    name = path[0].removesuffix("[]")
    inner = at(value, name)
    inside = f"{place}.{name}" if place else name
    if name == path[0]:
        yield from _values(inner, path[1:], inside)
        return
    for i, item in enumerate(_items(inner)):
        yield from _values(item, path[1:], f"{inside}[{i}]")


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _error(row: Row, field: str, value: object, model: str) -> LiveHandleError:
    names = list(row.expected)
    expected = " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    advice = row.advice.format(field=field, expected=expected)
    return LiveHandleError(
        "upstream.unsupported",
        f"{advice}: {row.why} ({model[:80]}).",
        field=field,
        model=model,
        why=row.why,
        expected=expected or None,
        did_you_mean=row.near or (nearest(value, names) if isinstance(value, str) else None),
    )
