"""From a result to the state, and the events that tell of it (Q1, Q4-Q6)."""

from collections.abc import Iterator, Mapping
from typing import TypeGuard

import msgspec
from msgspec.structs import replace

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import (
    Extraction,
    ExtractionFailure,
    ExtractorSpec,
    Name,
    Promotion,
    PromotionRule,
)
from livehandle_proto.values import ErrorObject
from livehandled.redaction import Redaction
from livehandled.state import State

Told = Extraction | ExtractionFailure | Promotion

_NULL = "extracted value was null"
_KNOWN = "an equivalent value is already known"
_REJECTED = "promotion predicate rejected the value"
_KEPT = "existing state value was kept"
_ACCEPTED = "promotion rule accepted the value"

_MAX_FIELDS = 64
"""Of a result that are promoted without rules."""


def failed(name: str, error: LiveHandleError, turn: int) -> ExtractionFailure:
    """Return the event for an extraction, or a field of one, that failed."""
    return ExtractionFailure(
        name=name, error=msgspec.convert(error.to_json(), ErrorObject), turn=turn
    )


def shown(told: Told, spec: ExtractorSpec, redaction: Redaction) -> Told:
    """Return an event as redaction leaves it: values of masked keys, and texts (M7)."""
    if not (redaction.reads_texts or redaction.hides_keys):
        return told
    match told:
        case ExtractionFailure():
            message = redaction.text(told.error.message)
            return replace(told, error=replace(told.error, message=message))
        case Promotion():
            return replace(told, value=_shown(told.state_key, told.value, redaction))
    keys = {rule.field: rule.state_key for rule in spec.promote or ()}
    field = told.name.removeprefix(f"{spec.name}.")
    if told.name == spec.name and isinstance(told.value, Mapping):
        fields = told.value.items()
        value = {f: _shown(keys.get(str(f), str(f)), found, redaction) for f, found in fields}
        return replace(told, value=redaction.state(spec.name, value))
    return replace(told, value=_shown(keys.get(field, field), told.value, redaction))


def _shown(key: str, value: object, redaction: Redaction) -> object:
    return redaction.state(key, redaction.value(value))


def keep(state: State, spec: ExtractorSpec, value: object, turn: int) -> Iterator[Told]:
    """Write a result and its fields to the state, and yield what is to be told, in order.

    A result of null is none: nothing is written (Q6). What the state refuses becomes an
    `ExtractionFailure`, of that field alone.
    """
    if value is None:
        return
    try:
        state.set(spec.name, value)
    except LiveHandleError as error:
        yield failed(spec.name, error, turn)
        return
    yield Extraction(name=spec.name, value=value, turn=turn)
    if not isinstance(value, Mapping):
        return
    if spec.promote:
        for rule in spec.promote:
            if rule.field in value:
                yield from _by_rule(state, spec, rule, value[rule.field], turn)
    else:
        yield from _by_name(state, spec, value, turn)


def _by_name(
    state: State, spec: ExtractorSpec, value: Mapping[str, object], turn: int
) -> Iterator[Told]:
    """Write every field that is not null under its own name (Q1)."""
    if len(value) > _MAX_FIELDS:
        yield failed(spec.name, _unpromotable(f"more than {_MAX_FIELDS} fields"), turn)
        return
    for field, found in value.items():
        if found is None:
            continue
        name = f"{spec.name}.{field}"
        try:
            _check_field(spec, field)
            state.set(field, found)
        except LiveHandleError as error:
            yield failed(name, error, turn)
        else:
            yield Extraction(name=name, value=found, turn=turn)


def _by_rule(
    state: State, spec: ExtractorSpec, rule: PromotionRule, found: object, turn: int
) -> Iterator[Told]:
    """Write a field if its rule accepts it, with where it is from (Q4); tell what became of it."""
    name = f"{spec.name}.{rule.field}"
    key = rule.state_key
    reason = _refusal(state, rule, found)
    if reason is None:
        source = {"source": "extraction", "extractor": spec.name, "field": rule.field}
        try:
            state.set(key, found)
            state.set(f"state_meta:{key}", source)
        except LiveHandleError as error:
            yield failed(name, error, turn)
            return
        yield Extraction(name=name, value=found, turn=turn)
    yield Promotion(
        extractor=spec.name,
        field=rule.field,
        state_key=key,
        accepted=reason is None,
        reason=reason or _ACCEPTED,
        value=found,
    )


def _refusal(state: State, rule: PromotionRule, found: object) -> str | None:
    """Return why the value is not promoted, by the first reason there is (Q5)."""
    if found is None:
        return _NULL
    known = state.contains(rule.state_key)
    if known and equivalent(state.get(rule.state_key), found):
        return _KNOWN
    if not _passes(rule, found):
        return _REJECTED
    return _KEPT if known and not rule.overwrite else None


def _passes(rule: PromotionRule, found: object) -> bool:
    if rule.min is not None and not (_is_number(found) and found >= rule.min):
        return False
    return rule.one_of is None or any(equivalent(found, one) for one in rule.one_of)


def equivalent(a: object, b: object) -> bool:
    """Return whether two JSON values say the same: strings without case and spacing."""
    if isinstance(a, str) and isinstance(b, str):
        return " ".join(a.casefold().split()) == " ".join(b.casefold().split())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equivalent, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equivalent(a[key], b[key]) for key in a)
    return isinstance(a, bool) == isinstance(b, bool) and a == b  # True == 1 in Python alone


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_field(spec: ExtractorSpec, field: str) -> None:
    """Refuse a name that would leave the unscoped keys, or hide the result itself.

    Fields may be what a model made of what a user said.
    """
    try:
        msgspec.convert(field, Name)
    except msgspec.ValidationError as error:
        raise _unpromotable(f"a field named {field[:64]!r}") from error
    if field == spec.name:
        raise _unpromotable("a field of the extractor's own name")


def _unpromotable(what: str) -> LiveHandleError:
    return LiveHandleError(
        "extraction.failed", f"Name in promote what is to be written: the result has {what}."
    )
