"""Extractors: what reads the conversation turn by turn, and what they find (Q1-Q8)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.expectations import expected_in_words, given_in_words
from livehandle_proto.suggest import nearest
from livehandle_proto.transcripts import TranscriptTurn
from livehandle_proto.values import ErrorObject, Params, Value

# Ends a pattern. `$` would let a final newline through, and JSON Schema has no `\Z`.
_END = r"(?![\s\S])"
_PLAIN = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"

_NAME = rf"^{_PLAIN}{_END}"
_SCOPED_KEY = rf"^((app|user|temp|session|turn|bg):)?{_PLAIN}{_END}"

PATTERNS_IN_WORDS = {
    _NAME: "1 to 64 letters, digits and _ . -, the first a letter or _",
    _SCOPED_KEY: "1 to 64 letters, digits and _ . -, the first a letter or _, with or without "
    "a scope (app: user: temp: session: turn: bg:) before them",
}
"""What a name must be, for those who got it wrong."""

Name = Annotated[str, Meta(pattern=_NAME)]
"""A key of the state without a scope."""

ScopedKey = Annotated[str, Meta(pattern=_SCOPED_KEY, max_length=72)]
"""A key of the state that may be written, with or without a scope (M10)."""

Pattern = Annotated[str, Meta(min_length=1, max_length=1000)]
"""A regular expression in RE2's syntax: no look-around and no backreferences."""

ExtractorKind = Literal["regex", "llm", "client"]
"""What reads: patterns, a model answering by a JSON schema, or a client."""

ExtractorTrigger = Literal["every_turn", "interval", "after_tool_call", "generation_complete"]
"""When it reads (Q3). The window of the last two includes the open turn."""


class PromotionRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One field of the result that may become a key of the state (Q4, Q5).

    `min` and `one_of` are its predicate: a value passes if it is a number of at least `min` and
    equals one of `one_of`, as far as they are given. Strings are compared without regard to case
    and spacing.
    """

    field: Name
    key: ScopedKey | None = None
    """The key to write; by default the field's name."""
    overwrite: bool = True
    """Whether a value that the key has already is replaced."""
    min: float | None = None
    one_of: Annotated[list[object], Meta(min_length=1, max_length=256)] | None = None

    @property
    def state_key(self) -> str:
        """The key to write."""
        return self.key or self.field


class ExtractorSpec(Params, frozen=True, kw_only=True):
    """An extractor: what `extractors.register` takes, and under its name the configuration.

    Without `promote` every field of the result that is not null is written to the state under
    its own name; with it, only what the rules let through (Q1, Q4).
    """

    name: Name
    """The state's key for the result."""
    kind: ExtractorKind
    trigger: ExtractorTrigger = "every_turn"
    interval: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Turns from one run to the next, for the trigger `interval`."""
    window: Annotated[int, Meta(ge=1, le=50)] = 3
    """The most turns to read."""
    min_words: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Not run where the user said fewer words than that in the newest turn."""
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 10_000
    """How long a model or a client may take, milliseconds."""
    patterns: Annotated[dict[Name, Pattern], Meta(min_length=1, max_length=32)] | None = None
    """Kind `regex`: a pattern for each field, read against the formatted turns, their last 4 KiB.

    The last match gives the value: its group of the field's name, else its first group, else
    all of it.
    """
    schema: dict[str, object] | None = None
    """Kind `llm`: the JSON schema of the result, of an object. Its properties are made nullable
    (Q7)."""
    prompt: Annotated[str, Meta(max_length=20_000)] = ""
    """Kind `llm`: what to look for."""
    model: Annotated[str, Meta(max_length=200)] = ""
    """Kind `llm`: the model that reads; empty: a small one of the service."""
    promote: Annotated[list[PromotionRule], Meta(max_length=64)] = []


class Respond(Params, frozen=True, kw_only=True):
    """What a client's extractor found: `value`, or why it could not look, `error`."""

    run_id: str
    value: object | UnsetType = UNSET
    """Any JSON, as a rule an object. Null: nothing was found."""
    error: Annotated[str, Meta(min_length=1)] | None = None


class ExtractorInfo(Value, frozen=True, kw_only=True, omit_defaults=False):
    """An extractor that is registered, and by whom."""

    spec: ExtractorSpec
    owner: Literal["configuration", "client"]


class ExtractorRun(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Asks a client's extractor to look; answered with `extractors.respond`."""

    run_id: str
    name: str
    turn: int
    """The newest turn of the window."""
    window: list[TranscriptTurn]
    text: str
    """The window as lines of text (N6); of a long one, its end."""
    deadline_ms: int
    """How long the answer may take, milliseconds."""


class Extraction(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A result, under the extractor's name, or one field of it, as in `Order.item` (Q1)."""

    name: str
    value: object
    turn: int
    """The newest turn it was read from; later turns may have begun since."""


class ExtractionFailure(Value, frozen=True, kw_only=True, omit_defaults=False):
    """An extractor that failed; the conversation goes on without it (Q6)."""

    name: str
    error: ErrorObject
    turn: int


class Promotion(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What became of one field that a rule is for, with the reason in words (Q5)."""

    extractor: str
    field: str
    state_key: str
    accepted: bool
    reason: str
    value: object


_KIND_OF: Mapping[str, ExtractorKind] = {
    "patterns": "regex",
    "schema": "llm",
    "prompt": "llm",
    "model": "llm",
}
"""Fields that one kind alone has."""
_OBJECT = ("object", "null")
_SAYS_OBJECT = {"type", "properties", "$ref"}


def check(spec: ExtractorSpec) -> None:
    """Check what one field demands of another. Raises `extraction.bad_spec` with the field."""
    for field, kind in _KIND_OF.items():
        if getattr(spec, field) not in (None, "") and spec.kind != kind:
            raise bad_spec(spec.name, field, f"only the kind {kind} has it: leave it out")
    if spec.kind == "regex" and not spec.patterns:
        raise bad_spec(spec.name, "patterns", "the kind regex needs a pattern for each field")
    if spec.kind == "llm" and not spec.prompt and spec.schema is None:
        raise bad_spec(spec.name, "prompt", "the kind llm needs a prompt, a schema or both")
    if spec.schema is not None:
        _check_schema(spec.name, spec.schema)
    if (spec.interval is None) == (spec.trigger == "interval"):
        raise bad_spec(spec.name, "interval", "the trigger interval needs it, and no other has it")


def _check_schema(name: str, schema: Mapping[str, object]) -> None:
    """Refuse a schema that is of no object: the service would, at every turn."""
    kinds = schema.get("type")
    listed = kinds if isinstance(kinds, list) else [kinds]
    if "type" in schema and ("object" not in listed or any(k not in _OBJECT for k in listed)):
        raise bad_spec(name, "schema.type", "the result is an object, so it must be object")
    if not isinstance(schema.get("properties", {}), Mapping):
        raise bad_spec(name, "schema.properties", "it must be a table of schemas by field")
    if not schema.keys() & _SAYS_OBJECT:
        raise bad_spec(name, "schema", "the result is an object, so give it the type object")


def bad_spec(name: str, field: str, problem: str) -> LiveHandleError:
    """Return the error for a field of an extractor that cannot be used."""
    return LiveHandleError(
        "extraction.bad_spec", f"Correct {field} of the extractor {name}: {problem}.", param=field
    )


def specs_from_config(table: Mapping[str, object]) -> list[ExtractorSpec]:
    """Return the extractors of `extraction.extractors`: tables by name, without the name.

    Raises `config.invalid`, with the path of the entry that is wrong as `param`.
    """
    return [_spec(name, entry) for name, entry in table.items()]


class _Place(NamedTuple):
    """A struct of the specification, and where in the tree it stands."""

    struct: type[Struct]
    table: object
    at: str


def _spec(name: str, entry: object) -> ExtractorSpec:
    at = f"extraction.extractors.{name}"
    if not isinstance(entry, Mapping):
        raise _invalid(at, "it must be a table")
    if "name" in entry:
        raise _invalid(f"{at}.name", "the table's own name is the extractor's: leave it out")
    for place in _places(entry, at):
        known = [f for f in place.struct.__struct_fields__ if f != "name"]
        for key in place.table if isinstance(place.table, Mapping) else ():
            if key not in known:
                near = nearest(str(key), known)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                raise _invalid(f"{place.at}.{key}", f"there is no such key, {hint}", near)
    try:
        spec = msgspec.convert({"name": name, **entry}, ExtractorSpec)
        check(spec)
    except msgspec.ValidationError as error:
        said, _, where = str(error).replace("`", "").partition(" - at ")
        where = where.removeprefix("key in ").removeprefix("$")
        path = at if where in {"", ".name"} else at + where
        raise _invalid(path, _in_words(said)) from error
    except LiveHandleError as error:
        raise _invalid(f"{at}.{error.data['param']}", error.message) from error
    return spec


def _in_words(said: str) -> str:
    expected, _, got = said.removeprefix("Expected ").partition(", got ")
    if expected == said:
        return said
    words = expected_in_words(expected, PATTERNS_IN_WORDS)
    return f"it must be {words}" + (f", not {given_in_words(got)}" if got else "")


def _places(entry: Mapping[str, object], at: str) -> Iterator[_Place]:
    yield _Place(ExtractorSpec, entry, at)
    rules = entry.get("promote")
    for i, rule in enumerate(rules if isinstance(rules, list) else ()):
        yield _Place(PromotionRule, rule, f"{at}.promote[{i}]")


def _invalid(path: str, problem: str, near: str | None = None) -> LiveHandleError:
    problem = problem.rstrip(".?")
    ending = "?" if near else "."
    return LiveHandleError(
        "config.invalid", f"Correct {path[:120]}: {problem}{ending}", param=path, did_you_mean=near
    )
