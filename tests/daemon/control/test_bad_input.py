"""Every method and every parameter of it, given what is wrong: refused in words, no harm done."""

import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import inspect

from livehandle_emulator.faults import Faults
from livehandle_proto.extractors import ExtractorSpec
from livehandle_proto.methods import METHODS, Reloaded
from livehandle_proto.tools import ToolsRegister
from livehandled.config.schema import Config, Limits
from livehandled.control.calls import Calls
from livehandled.control.claims import Claims
from livehandled.control.credentials import credentials_of
from livehandled.control.dispatch import Dispatcher
from livehandled.control.peer import Peer
from livehandled.control.readers import Readers
from livehandled.control.surroundings import Surroundings
from livehandled.extraction.extractor import CONFIGURATION
from support.bad_input import (
    CALL,
    OTHERS,
    SUBSCRIPTION,
    TAKEN,
    UNREADABLE,
    Row,
    from_types,
    plain,
)
from support.bad_meaning import from_meaning
from support.control import WAIT_S, LoopClient, connected
from support.rigs import HandleRig, handle, sent_text
from support.service import Call, tool_call
from support.wire import request

ROWS = [*from_types(), *from_meaning()]
REFUSED = [row for row in ROWS if row.error is not None]
ACCEPTED = [row for row in ROWS if row.error is None]

ERROR_BYTES = 3000
"""No error is longer, whatever it was given."""


class Talk:
    """A handle, a connection to it, and what must not change."""

    def __init__(
        self, rig: HandleRig, client: LoopClient, peer: Peer, other: Peer, claims: Claims
    ) -> None:
        self.rig = rig
        self.handle = rig.handle
        self.client = client
        self.peer = peer
        self.other = other
        """Another connection."""
        self.claims = claims
        self._heard = 1  # the setup

    async def call(self, method: str, params: bytes = b"{}") -> dict[str, Any]:
        """Call a method; return its answer. Events are passed over."""
        line = b'{"jsonrpc":"2.0","id":7,"method":"%b","params":%b}\n'
        await self.client.send(line % (method.encode(), params))
        while "method" in (answer := await self.client.read()):
            pass
        return dict(answer)

    async def prepare(self) -> None:
        """Open the session, with a call of the model open, and have something of everything."""
        others = ToolsRegister(declarations=[{"name": OTHERS}])
        self.handle.tools().register(others, self.other)
        for line in (
            request("tools.register", declarations=[{"name": TAKEN}]),
            request("claim", role="speaker"),
            request("connect"),
            request("state.set", key="app:theme", value="dark"),
            request("extractors.register", name=TAKEN, kind="client"),
            request("events", topics=["live.go_away"]),
        ):
            assert "result" in await self.client.ask(line)
        assert list(self.peer.subscriptions) == [SUBSCRIPTION]
        await self.rig.told.until("session.tool_call")
        spec = ExtractorSpec(name=OTHERS, kind="regex", patterns={"a": "b"})
        self.handle.extractors().register(spec, owner=CONFIGURATION)

    def picture(self) -> dict[str, object]:
        """Return everything that a refused call must leave as it was."""
        live = self.handle
        session = {name: getattr(live.session().describe(), name) for name in _SESSION}
        context = live.pending_context()
        return {
            "session": session,
            "config": live.config(),
            # What is of the session: may be computed from the clock; the journal has the rest.
            "state": {k: live.state().get(k) for k in live.state().keys("app:")},
            "journal": live.state().cursor,
            "transcript": live.transcript(),
            "context": (list(context.turns), context.prompt_armed),
            "voice": live.voice_state(),
            "calls": live.open_calls(),
            "extractors": live.extractors().registered(),
            "tools": live.tools().listed(),
            "claims": self.claims.holders(),
            "subscriptions": list(self.peer.subscriptions),
            "client": (self.peer.client, self.peer.line_bytes),
            "events": self.rig.told.topics,
            "connections": len(self.rig.service.calls),
        }

    async def sent_since(self) -> list[object]:
        """Return the frames that were sent since the last time it was asked."""
        call = await self.rig.service.call()
        mark = f"still here {len(call.heard)}"
        params = json.dumps({"text": mark}).encode()
        assert await self.call("session.send_text", params) == OK
        with anyio.fail_after(WAIT_S):
            await call.until(lambda c: c.heard[-1:] == [sent_text(mark)])
        *sent, _ = call.heard[self._heard :]
        self._heard = len(call.heard)
        return list(sent)


_SESSION = ("session_id", "phase", "model", "connection", "turns", "current_turn", "last_close")
OK = {"jsonrpc": "2.0", "result": None, "id": 7}


async def one_call_open(call: Call) -> None:
    await call.set_up()
    await call.say(tool_call(CALL))
    await call.hear_all()


@asynccontextmanager
async def talk(*, idle: bool) -> AsyncIterator[Talk]:
    """Run a handle with a connection, and unless `idle` with a live session."""
    live = handle(one_call_open, session__connect="manual" if idle else "first_use")
    with connected() as (ours, theirs):
        async with live as rig, anyio.create_task_group() as tasks:
            claims = Claims(mic_idle_s=5.0, tell=lambda _change: None, look=lambda: None)
            dispatcher = _dispatcher(rig, claims)
            peer, other = (_peer(rig, ours, name, dispatcher) for name in ("c1", "c2"))
            tasks.start_soon(peer.run)
            it = Talk(rig, LoopClient(theirs), peer, other, claims)
            if not idle:
                await it.prepare()
            yield it
            peer.close()
            theirs.close()


def _dispatcher(rig: HandleRig, claims: Claims) -> Dispatcher[Peer]:
    around = Surroundings(
        socket="/run/s",
        config_file="/home/ada/config.toml",
        config=Config,
        started=0.0,
        clock=lambda: 1.0,
        claims=claims,
        peers=list,
        shut_down=lambda: None,
        reload=lambda: Reloaded(applied=[], at_connect=[], at_restart=[]),
        faults=Faults(),
    )
    return Dispatcher(Calls(rig.handle, rig.handle._hub, around).handlers())


def _peer(
    rig: HandleRig, ours: socket.socket, connection_id: str, dispatcher: Dispatcher[Peer]
) -> Peer:
    return Peer(
        ours,
        connection_id=connection_id,
        who=credentials_of(ours),
        dispatcher=dispatcher,
        hub=rig.handle._hub,
        limits=Limits(),
        readers=Readers(),
    )


@pytest.mark.anyio
@pytest.mark.parametrize("method", METHODS)
async def test_what_is_wrong_is_refused_in_words_and_changes_nothing(method: str) -> None:
    problems: list[str] = []
    for idle in (False, True):
        wrong = [row for row in REFUSED if row.method == method and row.idle == idle]
        if wrong:
            async with talk(idle=idle) as it:
                for row in wrong:
                    problems += [f"{row}: {problem}" for problem in await _refuse(it, row)]
    assert not problems, "\n".join(problems)


async def _refuse(it: Talk, row: Row) -> list[str]:
    """Call what is to be refused; return what is wrong with that."""
    before = it.picture()
    answer = await it.call(row.method, row.text)
    problems = _faults(row, answer)
    now = it.picture()
    problems += [f"{name} has changed" for name in now if now[name] != before[name]]
    if row.idle:
        assert it.rig.service.requests == []
        assert await it.call("daemon.ping") == OK
    else:
        problems += [f"a frame was sent: {str(sent)[:200]}" for sent in await it.sent_since()]
    return problems


def _faults(row: Row, answer: dict[str, Any]) -> list[str]:
    """Return how an answer differs from the row's error, told in one sentence of its own."""
    if "error" not in answer:
        return [f"it was accepted: {str(answer)[:200]}"]
    error = answer["error"]
    data, message = error["data"], error["message"]
    documented = METHODS[row.method].errors
    unreadable = {"wire.parse_error", "wire.invalid_params"}
    names = unreadable if row.error == UNREADABLE else {row.error}
    found = {
        "not documented": data["name"] not in documented,
        "another name": data["name"] not in names,
        "another param": _begin(data.get("param")) != _begin(row.param),
        "another did_you_mean": data.get("did_you_mean") != row.did_you_mean,
        "no end of a sentence": not message.endswith((".", "?")),
        "several sentences": re.search(r"[.?!] [A-Z]", message),
        "inner workings": re.search(r"Traceback|\.py\b|Error\b|msgspec|\$\.", message),
        "a pattern of our own": re.search(r"matching regex|\(\?!", json.dumps(error)),
        "repeats what was given": len(json.dumps(error)) > ERROR_BYTES,
    }
    return [f"{what}: {json.dumps(error)[:300]}" for what, is_so in found.items() if is_so]


def _begin(param: str | None) -> str | None:
    """Return a parameter as far as it is told: of a huge name, the beginning."""
    return param and param[:60]


@pytest.mark.anyio
@pytest.mark.parametrize("row", ACCEPTED, ids=str)
async def test_what_is_legal_is_accepted(row: Row) -> None:
    async with talk(idle=row.idle) as it:
        answer = await it.call(row.method, row.text)
        assert "result" in answer, answer


def test_every_method_and_every_parameter_of_it_has_its_rows() -> None:
    there = {(row.method, row.about, row.kind) for row in ROWS}
    wanted = {one for method in METHODS for one in _wanted(method)}
    assert wanted - there == set()


def _wanted(method: str) -> list[tuple[str, str, str]]:
    struct = inspect.type_info(METHODS[method].params)
    assert isinstance(struct, inspect.StructType)
    wanted = [(method, "", "extra")]
    for field in struct.fields:
        kinds = ["near name", *_KINDS[type(plain(field.type))]]
        if field.required:
            kinds.append("missing")
        wanted += [(method, field.encode_name, kind) for kind in kinds]
    return wanted


_SIZED = ("wrong type", "empty", "huge")
_KINDS: dict[type[inspect.Type], tuple[str, ...]] = {
    inspect.AnyType: ("empty", "huge"),
    inspect.BoolType: ("wrong type",),
    inspect.IntType: ("wrong type", "out of range"),
    inspect.LiteralType: ("wrong type", "unknown choice", "near choice"),
    inspect.StrType: _SIZED,
    inspect.ListType: _SIZED,
    inspect.DictType: _SIZED,
}


def test_every_row_is_about_a_method_and_a_parameter_that_there_is() -> None:
    for row in ROWS:
        names = {field.encode_name for field in _struct(row.method).fields}
        assert row.about in names | {""}, row


def _struct(method: str) -> inspect.StructType:
    struct = inspect.type_info(METHODS[method].params)
    assert isinstance(struct, inspect.StructType)
    return struct
