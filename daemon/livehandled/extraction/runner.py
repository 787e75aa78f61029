"""Runs that take time: side by side, their results taken in order (Q6).

Runs stand in one queue by the trigger that asked for them and, within a trigger, in the order
of registration; a result waits for those before it. An extractor has at most one run under
way, and at most one that waits for it, with the newest window. So the queue is bounded, and
every run has a deadline, so it moves.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

import anyio
import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, ExtractorSpec

Look = Callable[[ExtractorRun], Awaitable[object]]
"""Reads a window and returns any JSON, None where nothing was found."""

Start = Callable[[Callable[["Run"], Coroutine[object, object, None]], "Run"], object]
"""Starts a task, as `TaskGroup.start_soon` does."""

_MAX_RESULT_BYTES = 32_768
"""A result, its fields and where they came from are each told in a line of 64 KiB."""

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, frozen=True)
class Found:
    """What a run returned, as plain JSON."""

    value: object


@dataclass(slots=True, eq=False)
class Run:
    """One run, from its place in the queue to its outcome."""

    spec: ExtractorSpec
    look: Look
    request: ExtractorRun
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    begun: bool = False
    outcome: Found | LiveHandleError | None = None


class Runner:
    """The queue. `done` is given every run that has its outcome, in the queue's order."""

    def __init__(self, start: Start, done: Callable[[Run], None]) -> None:
        self._start = start
        self._done = done
        self._queue: list[Run] = []

    def ask(self, spec: ExtractorSpec, look: Look, request: ExtractorRun) -> None:
        """Run an extractor now, or once its last run's result is taken."""
        self._queue = [run for run in self._queue if run.begun or run.spec is not spec]
        self._queue.append(Run(spec, look, request))
        self._advance()

    def drop(self, spec: ExtractorSpec) -> None:
        """Fail the run of an extractor that is under way, and forget the one that waits."""
        self._queue = [run for run in self._queue if run.begun or run.spec is not spec]
        for run in self._queue:
            if run.spec is spec and run.outcome is None:
                run.outcome = LiveHandleError(
                    "extraction.failed",
                    f"Register the extractor {spec.name} again: it went while it was running.",
                )
                run.scope.cancel()
        self._advance()

    def clear(self) -> None:
        """Cancel every run and tell nothing."""
        for run in self._queue:
            run.scope.cancel()
        self._queue.clear()

    def _advance(self) -> None:
        """Hand over what is done at the queue's head, and begin what need wait no longer."""
        while self._queue and self._queue[0].outcome is not None:
            self._done(self._queue.pop(0))
        busy: list[ExtractorSpec] = []
        for run in self._queue:
            if not run.begun and not any(run.spec is spec for spec in busy):
                run.begun = True
                self._start(self._carry_out, run)
            busy.append(run.spec)

    async def _carry_out(self, run: Run) -> None:
        outcome: Found | LiveHandleError | None = None
        with run.scope:
            outcome = await _outcome(run)
        if run.outcome is None and run in self._queue:
            run.outcome = outcome
            self._advance()


async def _outcome(run: Run) -> Found | LiveHandleError:
    name, timeout_ms = run.spec.name, run.spec.timeout_ms
    with anyio.move_on_after(timeout_ms / 1000):
        try:
            return Found(_plain(name, await run.look(run.request)))
        except LiveHandleError as error:
            return error
        except Exception:  # noqa: BLE001 - a program's own function: the turn goes on (Q6)
            _log.exception("the extractor %s failed", name)
            return LiveHandleError(
                "extraction.failed", f"Correct the extractor {name}: the daemon's log says how."
            )
    return LiveHandleError(
        "extraction.failed",
        f"Raise timeout_ms of the extractor {name}: it gave no result within {timeout_ms} ms.",
    )


def _plain(name: str, value: object) -> object:
    """Return a copy in plain JSON. Raises `extraction.failed` for what is none, or too much."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise LiveHandleError(
            "extraction.failed", f"Return JSON from the extractor {name}, it returned what is none."
        ) from error
    if len(text) > _MAX_RESULT_BYTES:
        raise LiveHandleError(
            "extraction.failed",
            f"Return less from the extractor {name}: {len(text)} bytes of JSON are more than "
            f"{_MAX_RESULT_BYTES}.",
        )
    return msgspec.json.decode(text)
