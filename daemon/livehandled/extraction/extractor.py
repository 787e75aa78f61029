"""The extractors of a session: when they run, on what, and where their results go (Q)."""

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from livehandle_proto import extractors
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import (
    ExtractionFailure,
    ExtractorInfo,
    ExtractorRun,
    ExtractorSpec,
    ExtractorTrigger,
    Promotion,
    bad_spec,
    check,
    specs_from_config,
)
from livehandle_proto.transcripts import TranscriptTurn
from livehandle_proto.values import Value
from livehandled.entries import check_key
from livehandled.extraction.promotion import Told, failed, keep, shown
from livehandled.extraction.regex_kind import Budget, Patterns
from livehandled.extraction.runner import Found, Look, Run, Runner, Start
from livehandled.extraction.window import fitting, text_of
from livehandled.redaction import NOTHING_REDACTED, Redaction
from livehandled.state import State
from livehandled.transcript import Transcript

MAX_EXTRACTORS = 64

CLIENTS = "clients"
"""The owner of extractors that outlive the client that registered them: they need nobody."""

CONFIGURATION = "configuration"
"""The owner of extractors that no client has registered."""

_TOPICS = {
    extractors.Extraction: "live.extraction",
    ExtractionFailure: "live.extraction_error",
    Promotion: "live.state_promotion",
}


@dataclass(slots=True)
class _Extractor:
    """One that is registered."""

    spec: ExtractorSpec
    owner: Hashable
    patterns: Patterns | None
    look: Look | None
    """Takes time, where `patterns` does not."""
    last_turn: int = 0

    def due(self, trigger: ExtractorTrigger, turn: int) -> bool:
        """Return whether to run (Q3). An interval counts from the last run, first from 0 (Q2)."""
        if self.spec.interval is not None:
            return trigger == "every_turn" and turn - self.last_turn >= self.spec.interval
        return self.spec.trigger == trigger


class _Occasion(NamedTuple):
    """One time that a trigger came."""

    number: int
    budget: Budget


class Extraction:
    """Runs extractors and keeps what they find. None of it ever holds the conversation up.

    Patterns are read at once, so that the state is right when others hear of the trigger;
    what takes time follows when it is there, in the order of registration (Q6). So patterns are
    applied before a client's or a model's result, wherever they were registered.

    `publish` takes the events of `live.extraction`, `live.extraction_error` and
    `live.state_promotion`. `start` starts a task in the owner's task group. `ask_model` runs
    extractors of the kind llm; without it they are refused.
    """

    def __init__(
        self,
        state: State,
        transcript: Transcript,
        *,
        publish: Callable[[str, Value], None],
        start: Start,
        ask_model: Callable[[ExtractorSpec], Look] | None = None,
        redaction: Redaction = NOTHING_REDACTED,
    ) -> None:
        self._state = state
        self._transcript = transcript
        self._publish = publish
        self._ask_model = ask_model
        self._redaction = redaction
        self._extractors: dict[str, _Extractor] = {}
        self._runner = Runner(start, self._done)
        self._run_ids = itertools.count(1)
        self._triggers = itertools.count(1)

    def register(
        self, spec: ExtractorSpec, look: Look | None = None, owner: Hashable = CLIENTS
    ) -> None:
        """Add an extractor, to run from the next trigger on.

        `look` is what runs one of the kind client. Raises `extraction.bad_spec`,
        `extraction.name_taken`, `extraction.too_many`, and `config.invalid` where the kind
        needs a package that is not installed.
        """
        check(spec)
        if spec.name in self._extractors:
            raise LiveHandleError(
                "extraction.name_taken",
                f"Choose another name or unregister it: there is an extractor {spec.name}.",
                param="name",
            )
        if len(self._extractors) >= MAX_EXTRACTORS:
            raise LiveHandleError(
                "extraction.too_many",
                f"Unregister an extractor first: {MAX_EXTRACTORS} are registered.",
            )
        patterns = _compiled(spec)
        if spec.kind == "llm":
            look = self._ask_model(spec) if self._ask_model else None
        if spec.kind == "regex":
            look = None
        elif look is None:
            raise _no_runner(spec)
        self._extractors[spec.name] = _Extractor(spec, owner, patterns, look)

    def unregister(self, name: str, *owners: Hashable) -> None:
        """Remove an extractor of one of these owners, by default of `CLIENTS`.

        A run under way fails. Raises `extraction.unknown`.
        """
        extractor = self._extractors.get(name)
        if extractor is None or extractor.owner not in (owners or (CLIENTS,)):
            raise LiveHandleError(
                "extraction.unknown",
                f"Name an extractor that is yours: {name[:64]!r} is none, or another's.",
                param="name",
            )
        del self._extractors[name]
        self._runner.drop(extractor.spec)

    def unregister_all(self, owner: Hashable) -> None:
        """Remove all extractors of an owner that has gone."""
        for name in [n for n, e in self._extractors.items() if e.owner == owner]:
            self.unregister(name, owner)

    def configure(self, table: Mapping[str, object]) -> None:
        """Have the extractors of the configuration's table, and none of an earlier one.

        Raises `config.invalid`, `extraction.name_taken` or `extraction.too_many`; then those
        there were are there still.
        """
        specs = specs_from_config(table)
        before = [e.spec for e in self._extractors.values() if e.owner == CONFIGURATION]
        if specs == before:
            return
        try:
            self._replace(specs)
        except LiveHandleError:
            self._replace(before)
            raise

    def _replace(self, specs: Sequence[ExtractorSpec]) -> None:
        self.unregister_all(CONFIGURATION)
        for spec in specs:
            with _as_configured(spec):
                self.register(spec, owner=CONFIGURATION)

    def registered(self) -> list[ExtractorInfo]:
        """Return all extractors, in the order of registration."""
        return [
            ExtractorInfo(
                spec=e.spec, owner="configuration" if e.owner == CONFIGURATION else "client"
            )
            for e in self._extractors.values()
        ]

    def latest(self, name: str) -> object:
        """Return the latest result of an extractor, or None (A23).

        It is read from the state: `derived:{name}` where the name itself has no value. Raises
        `state.bad_key` for what can be no name.
        """
        check_key(name, "name")
        return self._state.get(name)

    def turn_completed(self, turn: TranscriptTurn) -> None:
        """Run what is due at the end of a turn, which the transcript has as its last."""
        self._trigger("every_turn", turn.turn_number)

    def tools_answered(self) -> None:
        """Run what is due after the answers to tool calls."""
        self._trigger_within("after_tool_call")

    def generation_completed(self) -> None:
        """Run what is due when the model has produced all of its reply."""
        self._trigger_within("generation_complete")

    def restart(self) -> None:
        """Begin anew with a new conversation: what runs for the last one is cancelled, untold."""
        self._runner.clear()
        for extractor in self._extractors.values():
            extractor.last_turn = 0

    def close(self) -> None:
        """Forget all extractors; runs under way are cancelled, and nothing is told of them."""
        self._extractors.clear()
        self._runner.clear()

    def _trigger_within(self, trigger: ExtractorTrigger) -> None:
        newest = self._transcript.window_with_current(1)
        if newest:
            self._trigger(trigger, newest[-1].turn_number)

    def _trigger(self, trigger: ExtractorTrigger, turn: int) -> None:
        occasion = _Occasion(next(self._triggers), Budget())
        for extractor in tuple(self._extractors.values()):
            if extractor.due(trigger, turn):
                self._run(extractor, self._window(extractor.spec), occasion)

    def _window(self, spec: ExtractorSpec) -> list[TranscriptTurn]:
        if spec.trigger in {"every_turn", "interval"}:
            return self._transcript.window(spec.window)
        return self._transcript.window_with_current(spec.window)[-spec.window :]

    def _run(
        self, extractor: _Extractor, window: list[TranscriptTurn], occasion: _Occasion
    ) -> None:
        spec = extractor.spec
        if not window or len(window[-1].user.split()) < spec.min_words:  # (Q8)
            return
        turn = extractor.last_turn = window[-1].turn_number
        text = text_of(window)
        if extractor.patterns is not None:
            try:
                self._tell(spec, Found(extractor.patterns.find(text, occasion.budget)), turn)
            except LiveHandleError as error:
                self._tell(spec, error, turn)
        elif extractor.look is not None:
            request = ExtractorRun(
                run_id=f"{spec.name}-{next(self._run_ids)}",
                name=spec.name,
                turn=turn,
                window=fitting(window),
                text=text,
                deadline_ms=spec.timeout_ms,
            )
            self._runner.ask(spec, extractor.look, request, occasion.number)

    def _done(self, run: Run) -> None:
        assert run.outcome is not None
        self._tell(run.spec, run.outcome, run.request.turn)

    def _tell(self, spec: ExtractorSpec, outcome: Found | LiveHandleError, turn: int) -> None:
        if isinstance(outcome, LiveHandleError):
            self._publish_shown(spec, failed(spec.name, outcome, turn))
            return
        for told in keep(self._state, spec, outcome.value, turn):
            self._publish_shown(spec, told)

    def _publish_shown(self, spec: ExtractorSpec, told: Told) -> None:
        self._publish(_TOPICS[type(told)], shown(told, spec, self._redaction))


def check_table(table: Mapping[str, object]) -> None:
    """Raise `config.invalid` for a table that no `Extraction` takes, whoever has registered what.

    The package that the kind llm needs is not looked for.
    """
    specs = specs_from_config(table)
    if len(specs) > MAX_EXTRACTORS:
        at = "extraction.extractors"
        message = f"Leave {MAX_EXTRACTORS} extractors in {at}: there are {len(specs)}."
        raise LiveHandleError("config.invalid", message, param=at)
    for spec in specs:
        with _as_configured(spec):
            _compiled(spec)
            if spec.kind == "client":
                raise _no_runner(spec)


@contextmanager
def _as_configured(spec: ExtractorSpec) -> Iterator[None]:
    """Refuse a specification as the entry of the configuration that it is."""
    try:
        yield
    except LiveHandleError as error:
        if error.name != "extraction.bad_spec":
            raise
        at = f"extraction.extractors.{spec.name}.{error.data['param']}"
        raise LiveHandleError("config.invalid", error.message, param=at) from error


def _compiled(spec: ExtractorSpec) -> Patterns | None:
    return Patterns(spec) if spec.kind == "regex" else None


def _no_runner(spec: ExtractorSpec) -> LiveHandleError:
    return bad_spec(spec.name, "kind", f"there is nothing here to run the kind {spec.kind}")
