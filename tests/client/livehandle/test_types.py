"""What the type checker knows of the clients. mypy reads this file; here it only runs."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import assert_type, get_args, get_type_hints

import pytest

from livehandle import AsyncClient, Client, types
from livehandle.feeds import TypedEvent
from livehandle.types import (
    AnyEvent,
    ClientConnected,
    Dropped,
    ErrorName,
    PhaseNow,
    Snapshot,
    Text,
    Topic,
    TurnEnded,
)
from livehandle_proto.errors import ERRORS
from livehandle_proto.topics import TOPICS


def checked(event: AnyEvent) -> str:
    """Return a word of an event, whose type the topic tells."""
    if event.topic == "live.text_delta":
        assert_type(event.data, Text)
        return event.data["text"]
    if event.topic == "live.turn_complete":
        assert_type(event.data, TurnEnded)
        return event.data["model"]
    if event.topic == "events.dropped":
        assert_type(event.data, Dropped)
        return str(event.data["from"])
    if event.topic == "client.reset":
        assert_type(event.data, Snapshot)
        return event.data["phase"]
    if event.topic == "client.connected":
        assert_type(event.data, ClientConnected)
        return str(event.data["attempt"])
    return event.cursor


def refused(event: AnyEvent, live: Client) -> None:
    """Each of these lines is an error to the type checker, or its comment would be one."""
    if event.topic == "live.text_delta":
        event.data["txt"]  # type: ignore[typeddict-item] # no such field
    live.send_text("positional")  # type: ignore[call-arg] # parameters go by name
    live.claim(role="speakers")  # type: ignore[arg-type] # no such role
    event.topic == "live.text_dleta"  # type: ignore[comparison-overlap] # noqa: B015 - no such topic


async def both(live: Client, asynchronous: AsyncClient) -> None:
    assert_type(live.phase(), PhaseNow)
    assert_type(await asynchronous.phase(), PhaseNow)
    for event in live.events():
        assert_type(event, AnyEvent)
    async for event in await asynchronous.events():
        assert_type(event, AnyEvent)


def test_the_topic_tells_the_data() -> None:
    params = {"topic": "live.text_delta", "data": {"text": "a"}, "cursor": "k:1"}
    event: AnyEvent = TypedEvent(params)
    assert checked(event) == "a"


def test_all_topics_and_errors_are_there() -> None:
    own = {"client.connected", "client.disconnected", "client.reset"}
    assert set(get_args(Topic)) == TOPICS.keys() | own
    assert set(get_args(ErrorName)) == ERRORS.keys()
    assert len(get_args(AnyEvent)) == len(TOPICS) + len(own)


@pytest.mark.parametrize(
    "name", [name for name, value in vars(types).items() if hasattr(value, "__total__")]
)
def test_every_annotation_can_be_read_while_the_program_runs(name: str) -> None:
    assert get_type_hints(getattr(types, name), vars(types)) is not None


@pytest.mark.parametrize("module", ["methods", "types", "client", "async_client"])
def test_the_clients_need_nothing_but_what_is_there(module: str) -> None:
    path = Path(types.__file__).with_name(f"{module}.py")
    roots = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    own = {"livehandle", "livehandle_proto"} | ({"anyio"} if module == "async_client" else set())
    assert roots - own <= sys.stdlib_module_names


def test_each_name_imports_only_what_it_needs() -> None:
    script = (
        "import sys, livehandle; livehandle.LiveHandleError; "
        "assert 'livehandle.connection' not in sys.modules; livehandle.Connection; "
        "assert 'typing' not in sys.modules; livehandle.Client; "
        "heavy = {'anyio', 'asyncio', 'msgspec', 'numpy', 'websockets', 'livehandle.types'}; "
        "print(heavy & set(sys.modules)); livehandle.AsyncClient; "
        "heavy -= {'anyio', 'asyncio'}; print(heavy & set(sys.modules))"
    )
    roots = [Path(types.__file__).parents[1], Path(types.__file__).parents[2] / "proto"]
    paths = [*map(str, roots), *(path for path in sys.path if "site-packages" in path)]
    script = f"import sys; sys.path += {paths!r}; {script}"
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (done.stdout.split("\n")[:2], done.stderr) == (["set()", "set()"], "")
