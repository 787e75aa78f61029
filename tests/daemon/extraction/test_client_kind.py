"""Extractors in client processes."""

from collections.abc import Callable

import anyio
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, Respond
from livehandled.extraction.client_kind import ClientRuns
from support.loop import settled

pytestmark = pytest.mark.anyio

RUN = ExtractorRun(run_id="Order-1", name="Order", turn=0, window=[], text="", deadline_ms=10)


class Asking:
    """A run in a task of its own, and what came of it."""

    def __init__(self) -> None:
        self.sent: list[ExtractorRun] = []
        self.taken_back = 0
        self.runs = ClientRuns(self._send)
        self.came: list[object] = []

    def _send(self, run: ExtractorRun) -> Callable[[], None]:
        self.sent.append(run)
        return self._take_back

    def _take_back(self) -> None:
        self.taken_back += 1

    async def ask(self) -> None:
        try:
            self.came.append(await self.runs(RUN))
        except LiveHandleError as error:
            self.came.append((error.name, error.message))


async def answered(answer: Respond) -> list[object]:
    asking = Asking()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asking.ask)
        await settled()
        assert asking.sent == [RUN]
        asking.runs.respond(answer)
        with pytest.raises(LiveHandleError, match="waits for an answer") as caught:
            asking.runs.respond(answer)
        assert caught.value.name == "extraction.unknown_run"
    with pytest.raises(LiveHandleError, match="waits for an answer"):
        asking.runs.respond(answer)
    assert asking.taken_back == 1
    return asking.came


@pytest.mark.parametrize("value", [{"item": "latte"}, None, 0, []])
async def test_the_value_of_the_answer_is_the_result(value: object) -> None:
    assert await answered(Respond(run_id="Order-1", value=value)) == [value]


async def test_q6_an_error_fails_in_the_client_s_words() -> None:
    came = await answered(Respond(run_id="Order-1", error="no idea"))
    assert came == [("extraction.failed", "Correct the client's extractor Order, it said: no idea")]


@pytest.mark.parametrize(
    "answer", [Respond(run_id="Order-1"), Respond(run_id="Order-1", value=1, error="x")]
)
async def test_an_answer_is_either_a_value_or_an_error(answer: Respond) -> None:
    with pytest.raises(LiveHandleError) as caught:
        Asking().runs.respond(answer)
    assert caught.value.name == "wire.invalid_params"


async def test_a_run_that_is_given_up_is_unknown() -> None:
    asking = Asking()
    with anyio.move_on_after(0):
        await asking.ask()
    assert asking.taken_back == 1
    with pytest.raises(LiveHandleError) as caught:
        asking.runs.respond(Respond(run_id="Order-1", value=1))
    assert caught.value.data["param"] == "run_id"
