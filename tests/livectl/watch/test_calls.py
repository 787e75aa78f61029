"""The calls that a reply waits for."""

import pytest

from livectl.watch.calls import Calls
from livehandle.connection import Connection, Event
from support.scripted_daemon import result, scripted_daemon

TOOLS = [
    {"name": "mine", "connection": "c9", "timeout_ms": None},
    {"name": "away", "connection": None, "timeout_ms": 30_000},
    {"name": "declared", "connection": None, "timeout_ms": None},
]


def happened(topic: str, **data: object) -> Event:
    return Event({"topic": topic, "data": data})


def called(*names: str) -> Event:
    calls = [{"id": f"id of {name}", "name": name} for name in names]
    return happened("session.tool_call", function_calls=calls)


def executed(name: str) -> Event:
    return happened("live.tool_execution", call_id=f"id of {name}")


CANCELLED = happened("live.tool_cancelled", ids=["id of mine"])


@pytest.mark.parametrize(
    ("events", "awaited", "answered"),
    [
        ([], False, False),
        ([called("mine")], True, False),
        ([called("away")], True, False),
        ([called("declared", "unknown")], False, False),
        ([called("mine"), executed("mine")], True, True),
        ([called("mine", "away"), executed("mine")], True, False),
        ([called("mine"), CANCELLED], False, False),
        ([executed("mine")], False, False),
    ],
)
def test_those_that_clients_carry_out_are_awaited(
    events: list[Event], awaited: bool, answered: bool
) -> None:
    calls = Calls()
    with (
        scripted_daemon({"tools.list": result({"tools": TOOLS})}) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        for one in events:
            calls.take(one, connection)
    assert (calls.awaited, calls.answered) == (awaited, answered)
    calls.spoken()
    assert not calls.answered


def test_the_others_are_told_of() -> None:
    with (
        scripted_daemon({"tools.list": result({"tools": TOOLS})}) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        manual = Calls().take(called("mine", "declared"), connection)
    assert manual == [{"id": "id of declared", "name": "declared"}]
