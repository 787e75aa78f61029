"""Extractors in client processes: asked by an event, answered by a call."""

from collections.abc import Callable

import anyio
from msgspec import UNSET

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, Respond


class ClientRuns:
    """What one client has been asked and has not answered. Called with a run, it asks.

    `send` hands an `extractor.run` event to the client's connection. It returns what takes the
    event back as long as it has not been written.
    """

    def __init__(self, send: Callable[[ExtractorRun], Callable[[], object]]) -> None:
        self._send = send
        self._asked: dict[str, _Asked] = {}

    async def __call__(self, run: ExtractorRun) -> object:
        """Ask, and return the answer's value. Raises `extraction.failed` where it is an error."""
        take_back = self._send(run)
        asked = self._asked[run.run_id] = _Asked()
        try:
            await asked.done.wait()  # the run's deadline ends it
        finally:
            take_back()
            del self._asked[run.run_id]
        if asked.answer is None or asked.answer.error is not None:
            said = "nothing" if asked.answer is None else asked.answer.error
            raise LiveHandleError(
                "extraction.failed", f"Correct the client's extractor {run.name}, it said: {said}"
            )
        return asked.answer.value

    def respond(self, answer: Respond) -> None:
        """Take an answer.

        Raises `extraction.unknown_run` for a run that is none of this client's, or over; and
        `wire.invalid_params` unless it is either a value or an error.
        """
        if (answer.value is UNSET) == (answer.error is None):
            raise LiveHandleError(
                "wire.invalid_params",
                "Give extractors.respond either `value` or `error`.",
                param="value",
            )
        asked = self._asked.get(answer.run_id)
        if asked is None or asked.answer is not None:
            raise LiveHandleError(
                "extraction.unknown_run",
                f"No run {answer.run_id[:64]!r} waits for an answer of this client: answer each "
                "extractor.run once, within its deadline_ms.",
                param="run_id",
            )
        asked.answer = answer
        asked.done.set()


class _Asked:
    """A run that waits for its answer."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: Respond | None = None
