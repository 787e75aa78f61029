"""Runs that take time: side by side, their results in the order of registration (Q6).

The order holds within a trigger, and for as long as it costs little: a result waits for those
before it that are still being looked for, one second at most. An extractor has at most one run
under way, one that waits to begin, with the newest window, and one whose result waits. So what
is kept here is bounded, and no extractor's next run waits for another's.
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

_PATIENCE_S = 1.0
"""How long a result waits for earlier ones: a small model has answered, a pause is not noticed.

A client may take ten minutes, and the results of others are not to wait for that.
"""

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
    trigger: int
    """Number of the occasion: results of one occasion have an order."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    begun: bool = False
    outcome: Found | LiveHandleError | None = None
    over: anyio.Event = field(default_factory=anyio.Event)
    """Set when the run has left the queue."""

    @property
    def under_way(self) -> bool:
        """Whether it has begun and has no outcome yet."""
        return self.begun and self.outcome is None


class Runner:
    """The queue, in which runs stand as they were asked for. `done` is given each with its outcome.

    Of one extractor they are given in that order, whatever others do.
    """

    def __init__(self, start: Start, done: Callable[[Run], None]) -> None:
        self._start = start
        self._done = done
        self._queue: list[Run] = []

    def ask(self, spec: ExtractorSpec, look: Look, request: ExtractorRun, trigger: int) -> None:
        """Run an extractor now, or once its last run has its outcome."""
        self._forget_waiting(spec)
        self._queue.append(Run(spec, look, request, trigger))
        self._begin()

    def drop(self, spec: ExtractorSpec) -> None:
        """Fail the run of an extractor that is under way, and forget the one that waits."""
        self._forget_waiting(spec)
        for run in [run for run in self._queue if run.spec is spec]:
            if run.outcome is None:
                run.outcome = LiveHandleError(
                    "extraction.failed",
                    f"Register the extractor {spec.name} again: it went while it was running.",
                )
                run.scope.cancel()
            self._hand_over(run)
        self._hand_over_ready()

    def clear(self) -> None:
        """Cancel every run and tell nothing."""
        for run in self._queue:
            run.scope.cancel()
            run.over.set()
        self._queue.clear()

    def _forget_waiting(self, spec: ExtractorSpec) -> None:
        self._queue = [run for run in self._queue if run.begun or run.spec is not spec]

    def _begin(self) -> None:
        """Begin the runs whose extractor has none under way."""
        busy = {run.spec.name for run in self._queue if run.under_way}
        for run in self._queue:
            if not run.begun and run.spec.name not in busy:
                run.begun = True
                self._start(self._carry_out, run)

    async def _carry_out(self, run: Run) -> None:
        outcome: Found | LiveHandleError | None = None
        with run.scope:
            outcome = await _outcome(run)
        if run.over.is_set():
            return
        for earlier in [r for r in self._queue if r.spec is run.spec and r.outcome is not None]:
            self._set_free(earlier)
        run.outcome = outcome
        self._begin()
        self._hand_over_ready()
        with anyio.move_on_after(_PATIENCE_S):
            await run.over.wait()
        self._set_free(run)

    def _hand_over_ready(self) -> None:
        """Hand over the results for which no earlier one of their trigger is being looked for."""
        while (run := self._ready()) is not None:
            self._hand_over(run)

    def _ready(self) -> Run | None:
        held: set[int] = set()
        for run in self._queue:
            if run.under_way:
                held.add(run.trigger)
            elif run.outcome is not None and run.trigger not in held:
                return run
        return None

    def _set_free(self, run: Run) -> None:
        """Hand over a result that is to wait no longer, after those of its trigger before it."""
        until = self._queue.index(run) + 1 if run in self._queue else 0
        for one in self._queue[:until]:
            if one.trigger == run.trigger and one.outcome is not None:
                self._hand_over(one)

    def _hand_over(self, run: Run) -> None:
        if not run.over.is_set():
            run.over.set()
            self._queue.remove(run)
            self._done(run)


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
