"""LiveHandle's functions in client processes, with a service that follows a script."""

from collections.abc import Callable, Mapping, Sequence

import anyio
import pytest

from livehandle_proto.tools import Declared, ToolsRegister, ToolsRespond, ToolsUnregister
from support.rigs import HandleRig, handle, refused
from support.service import Call, converse, one_by_one, saying, tool_call
from support.tools import ToolClient

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

NEW, LEGACY = "gemini-3.8-live", "gemini-3.1-flash-live-preview"


class Waiter(ToolClient):
    """A client that can be waited for."""

    def __init__(self, id_: str = "c1") -> None:
        super().__init__(id_)
        self._news = anyio.Event()

    def ask(self, topic: str, data: object) -> Callable[[], bool]:
        take_back = super().ask(topic, data)  # type: ignore[arg-type]  # it is looked at there
        self._stir()
        return take_back

    def tell(self, topic: str, data: object) -> None:
        super().tell(topic, data)  # type: ignore[arg-type]  # as above
        self._stir()

    async def until(self, count: int) -> None:
        """Wait until it has so many events."""
        while len(self.events) < count:
            await self._news.wait()

    def _stir(self) -> None:
        self._news.set()
        self._news = anyio.Event()


def register(
    rig: HandleRig, client: ToolClient, *names: str, reconnect: bool = False, **more: object
) -> Declared:
    declarations: list[object] = [{"name": name, **more} for name in names]
    params = ToolsRegister(declarations=declarations, reconnect=reconnect)
    return rig.handle.tools().register(params, client).declared


def respond(rig: HandleRig, client: ToolClient, call_id: str, result: object) -> None:
    rig.handle.tools().respond(ToolsRespond(call_id=call_id, result=result), client)


def responses(frame: Mapping[str, object]) -> Sequence[tuple[str, object]]:
    """Return the answers in a frame: each one's id and response."""
    answer = frame["toolResponse"]
    assert isinstance(answer, dict)
    return [(one["id"], one["response"]) for one in answer["functionResponses"]]


def tools_of(call: Call) -> Sequence[str]:
    """Return the functions of a connection's setup."""
    setup = call.heard[0]["setup"]
    assert isinstance(setup, dict)
    tools = setup.get("tools", [])
    return [one["name"] for tool in tools for one in tool["functionDeclarations"]]


async def test_a_call_goes_to_its_client_and_what_comes_of_it_to_the_model() -> None:
    async with handle(saying(tool_call("1", "2"))) as rig:
        client = Waiter()
        assert register(rig, client, "f") == "connect"
        await rig.handle.connect()
        await client.until(2)
        respond(rig, client, "2", [1])
        respond(rig, client, "1", {"a": None})
        frames = await rig.heard(2)
        assert responses(frames[1]) == [("2", {"output": [1]}), ("1", {"a": None})]
        assert len(rig.told.data("live.tool_execution")) == 2
        assert rig.handle.open_calls() == []


async def test_a_hundred_calls_at_a_time_of_two_clients_are_each_answered_once() -> None:
    ids = [str(number) for number in range(100)]

    async def calling(call: Call) -> None:
        await call.set_up()
        await call.say(tool_call(*ids[:50]))
        for id_ in ids[50:]:
            called = {"id": id_, "name": "g", "args": {}}
            await call.say({"toolCall": {"functionCalls": [called]}})
        await call.hear_all()

    async with handle(calling, tools__max_repeats="100") as rig:
        one, two = Waiter("c1"), Waiter("c2")
        register(rig, one, "f")
        register(rig, two, "g")
        await rig.handle.connect()
        for client in (two, one):
            await client.until(50)
            for asked in reversed(client.asked):
                respond(rig, client, asked.call_id, "ok")
        frames = await rig.heard(52)
        sizes = [len(responses(frame)) for frame in frames[1:]]
        assert sizes == [1] * 50 + [50]
        answered = [id_ for frame in frames[1:] for id_, _ in responses(frame)]
        assert sorted(answered, key=int) == ids


async def test_calls_and_the_deadline_are_told_without_anybody_asking() -> None:
    async with handle(saying(tool_call("1")), tools__timeout_ms="1") as rig:
        client = Waiter()
        register(rig, client, "f")
        await rig.handle.connect()
        frames = await rig.heard(2)
        assert "'reason': 'timeout'" in str(responses(frames[1]))


async def test_what_nobody_has_declared_is_answered_at_once() -> None:
    async with handle(saying(tool_call("1")), session__setup="{}") as rig:
        await rig.handle.connect()
        frames = await rig.heard(2)
        assert "unknown_tool" in str(responses(frames[1]))


async def test_what_only_the_configuration_declares_is_answered_by_hand() -> None:
    async with handle(saying(tool_call("1")), tools__timeout_ms="1") as rig:
        register(rig, Waiter(), "other")
        await rig.handle.connect()
        await rig.told.until("session.tool_call")
        assert [one.id for one in rig.handle.open_calls()] == ["1"]


async def test_what_a_session_begins_with_is_the_configuration_s_and_the_clients() -> None:
    async with handle() as rig:
        register(rig, Waiter(), "g", "h")
        await rig.handle.connect()
        assert tools_of(await rig.service.call()) == ["f", "g", "h"]
        listed = rig.handle.tools().listed().tools
        assert [(one.name, one.connection, one.declared) for one in listed] == [
            ("f", None, True),
            ("g", "c1", True),
            ("h", "c1", True),
        ]


async def test_before_there_is_a_session_nothing_is_declared_and_all_is_listed() -> None:
    async with handle() as rig:
        register(rig, Waiter(), "h")
        listed = rig.handle.tools().listed().tools
        assert [(one.name, one.declared) for one in listed] == [
            ("f", False),
            ("g", False),
            ("h", False),
        ]


@pytest.mark.parametrize(
    ("model", "reconnect", "declared"),
    [(NEW, False, "now"), (NEW, True, "now"), (LEGACY, False, "rotation")],
)
async def test_while_connected_the_model_is_told_as_it_can_be(
    model: str, *, reconnect: bool, declared: str
) -> None:
    async with handle(session__model=model) as rig:
        await rig.handle.connect()
        client = Waiter()
        assert register(rig, client, "h", reconnect=reconnect) == declared
        listed = {one.name: one.declared for one in rig.handle.tools().listed().tools}
        assert listed["h"] == (declared == "now")
        if declared == "now":
            frames = await rig.heard(2)
            assert '"h"' in str(frames[1]).replace("'", '"')
            assert "contextUpdate" in frames[1]
            rig.handle.tools().unregister(ToolsUnregister(), client)
            frames = await rig.heard(3)
            assert "'h'" not in str(frames[2])


async def test_the_legacy_model_is_told_at_once_by_another_connection() -> None:
    async with handle(session__model=LEGACY) as rig:
        await rig.handle.connect()
        assert register(rig, Waiter(), "h", reconnect=True) == "reconnect"
        await rig.told.until("session.resumed")
        assert tools_of(await rig.service.call(1)) == ["f", "g", "h"]
        assert all(one.declared for one in rig.handle.tools().listed().tools)


async def test_functions_outlast_the_session() -> None:
    async with handle() as rig:
        register(rig, Waiter(), "h")
        await rig.handle.connect()
        await rig.handle.disconnect()
        assert not any(one.declared for one in rig.handle.tools().listed().tools)
        await rig.handle.connect()
        assert "h" in tools_of(await rig.service.call(1))


async def test_functions_that_the_next_session_would_not_take_stop_it_from_being_opened() -> None:
    async with handle() as rig:
        client = Waiter()
        register(rig, client, "h", behavior="BLOCKING")
        setup = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
        other = {"session": {"model": "gemini-3.8-live-extended-thinking", "setup": setup}}
        with refused("upstream.unsupported"):
            await rig.handle.connect(other)
        rig.handle.tools().unregister(ToolsUnregister(), client)
        await rig.handle.connect(other)


async def test_a_refused_function_is_not_declared() -> None:
    async with handle() as rig:
        with refused("tools.bad_declaration"):
            register(rig, Waiter(), "h", parameters={"type": "objekt"})
        await rig.handle.connect()
        assert tools_of(await rig.service.call()) == ["f", "g"]


async def test_a_call_whose_connection_is_lost_is_told_as_text() -> None:
    async def abort(call: Call) -> None:
        await call.set_up()
        await call.say(tool_call("1"))
        await call.hear()  # what the test says once it has seen the call
        call.websocket.transport.abort()

    async with handle(one_by_one(abort, converse)) as rig:
        client = Waiter()
        register(rig, client, "f")
        await rig.handle.connect()
        await client.until(1)
        rig.handle.send_audio(bytes(640))
        await rig.told.until("session.resumed")
        assert client.cancelled == []
        respond(rig, client, "1", "late")
        call = await rig.service.call(1)
        await call.until(lambda c: len(c.heard) > 1)
        assert 'It has returned: \\"late\\"' in str(call.heard[-1]).replace('"', '\\"')


async def test_a_call_that_the_model_makes_again_is_not_carried_out_twice() -> None:
    async def abort(call: Call) -> None:
        await call.set_up()
        await call.say(tool_call("1"))
        await call.hear()
        call.websocket.transport.abort()

    async with handle(one_by_one(abort, saying(tool_call("2")))) as rig:
        client = Waiter()
        register(rig, client, "f")
        await rig.handle.connect()
        await client.until(1)
        rig.handle.send_audio(bytes(640))
        await rig.told.until("session.tool_call", 2)
        respond(rig, client, "1", "late")
        call = await rig.service.call(1)
        await call.until(lambda c: "toolResponse" in c.heard[-1])
        assert responses(call.heard[-1]) == [("2", {"output": "late"})]
        assert len(client.events) == 1


async def test_a_model_that_is_told_of_a_client_s_end_is_told_in_time() -> None:
    async with handle(session__model=NEW, tools__grace_ms="1") as rig:
        await rig.handle.connect()
        client = Waiter()
        register(rig, client, "h")
        rig.handle.tools().left(client)
        frames = await rig.heard(3)
        assert [str(frame).count("'h'") for frame in frames[1:]] == [1, 0]
        with refused("tools.unknown_registration"):
            rig.handle.tools().unregister(ToolsUnregister(), client)


async def test_calls_end_with_the_session() -> None:
    async with handle(saying(tool_call("1"))) as rig:
        client = Waiter()
        register(rig, client, "f")
        await rig.handle.connect()
        await client.until(1)
        await rig.handle.disconnect()
        assert client.cancelled == [("1", "cancelled")]
        with refused("tools.call_expired"):
            respond(rig, client, "1", "late")


@pytest.mark.parametrize("speaks", [False, True])
async def test_the_same_call_again_and_again_is_capped_until_the_user_speaks(
    *, speaks: bool
) -> None:
    async def repeating(call: Call) -> None:
        await call.set_up()
        for number in range(3):
            await call.say(tool_call(str(number)))
            while "toolResponse" not in await call.hear():
                pass
            if speaks:
                await call.say({"serverContent": {"inputTranscription": {"text": "Again!"}}})
        await call.hear_all()

    async with handle(repeating, tools__max_repeats="2") as rig:
        client = Waiter()
        register(rig, client, "f")
        await rig.handle.connect()
        for number in range(3 if speaks else 2):
            await client.until(number + 1)
            respond(rig, client, str(number), "ok")
        frames = await rig.heard(4)
        said = [str(responses(frame)) for frame in frames[1:]]
        assert ["repeated" in one for one in said] == [False, False, not speaks]
