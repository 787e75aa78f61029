"""Events for whoever holds the handle: bounded, in order, and never lost in silence."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.states import StateChange
from livehandled import listening
from livehandled.hub import Event, Hub
from livehandled.listening import Events

pytestmark = pytest.mark.anyio

LOG, STREAM, STATE = "session.text_delta", "session.audio_data", "state.changed"
TOPICS = (LOG, STREAM, STATE)


@pytest.fixture
def hub() -> Hub:
    return Hub(ring_events=10, wall_ms=lambda: 0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_MAX_WAITING", 3)
    monkeypatch.setattr(listening, "_MAX_KEYS", 4)


def say(hub: Hub, text: str) -> None:
    hub.publish(LOG, t.Text(text=text))


def sound(hub: Hub, data: str) -> None:
    hub.publish(STREAM, t.Audio(data=data, mime_type="audio/pcm;rate=24000"))


def change(hub: Hub, key: str, new: object) -> None:
    data = StateChange(key=key, value=new, removed=False, sequence=0, origin="set")
    hub.publish(STATE, data, key=key)


def told(event: Event) -> object:
    match event.data:
        case t.Text(text=text):
            return text
        case t.Audio(data=data):
            return f"~{data}"
        case StateChange(key=key, value=new):
            return f"{key}={new}"
        case other:
            return other


async def waiting(events: Events, count: int) -> list[object]:
    with anyio.fail_after(5):
        return [told(await anext(events)) for _ in range(count)]


async def test_events_come_in_order_from_the_beginning_of_the_block(hub: Hub) -> None:
    say(hub, "before")
    with Events(hub, TOPICS) as events:
        say(hub, "a")
        sound(hub, "b")
        change(hub, "k", 1)
        hub.publish("session.thought", t.Text(text="of no interest"))
        assert await waiting(events, 3) == ["a", "~b", "k=1"]


async def test_who_waits_is_woken(hub: Hub) -> None:
    got: list[object] = []
    with Events(hub, TOPICS) as events:

        async def read() -> None:
            got.extend(await waiting(events, 2))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            say(hub, "a")
            await anyio.wait_all_tasks_blocked()
            say(hub, "b")
    assert got == ["a", "b"]


async def test_a_state_that_waits_gives_way_to_the_newest_of_its_key(hub: Hub) -> None:
    with Events(hub, TOPICS) as events:
        change(hub, "k", 1)
        change(hub, "other", 1)
        say(hub, "a")
        change(hub, "k", 2)
        assert await waiting(events, 3) == ["other=1", "a", "k=2"]
        change(hub, "k", 3)
        assert await waiting(events, 1) == ["k=3"]


async def test_a_stream_drops_its_oldest_and_counts_them(hub: Hub, small: None) -> None:
    with Events(hub, TOPICS) as events:
        say(hub, "a")
        for data in "vwxyz":
            sound(hub, data)
        assert events.dropped == 2
        assert await waiting(events, 4) == ["a", "~x", "~y", "~z"]
        sound(hub, "1")
        assert await waiting(events, 1) == ["~1"]


async def test_i3_too_many_of_the_log_class_end_the_iteration_after_those_that_wait(
    hub: Hub, small: None
) -> None:
    with Events(hub, TOPICS) as events:
        for text in "abcde":
            say(hub, text)
        change(hub, "k", 1)
        assert await waiting(events, 3) == ["a", "b", "c"]
        for _ in range(2):
            with pytest.raises(LiveHandleError) as caught:
                await anext(events)
            assert caught.value.name == "events.lagged"
            assert caught.value.message.startswith("3 events")


async def test_neither_sound_nor_states_ever_end_the_iteration_for_a_full_log(
    hub: Hub, small: None
) -> None:
    with Events(hub, TOPICS) as events:
        for text in "abc":
            say(hub, text)
        sound(hub, "x")
        change(hub, "k", 1)
        change(hub, "k", 2)
        assert await waiting(events, 5) == ["a", "b", "c", "~x", "k=2"]
        assert events.dropped == 0


async def test_a_log_event_finds_room_beside_sound_and_states(hub: Hub, small: None) -> None:
    with Events(hub, TOPICS) as events:
        for data in "xyz":
            sound(hub, data)
            change(hub, data, 1)
        for text in "abc":
            say(hub, text)
        assert len(await waiting(events, 9)) == 9
        assert events.dropped == 0


async def test_keys_without_end_end_the_iteration(hub: Hub, small: None) -> None:
    with Events(hub, TOPICS) as events:
        for key in "abcde":
            change(hub, key, 1)
        assert await waiting(events, 4) == ["a=1", "b=1", "c=1", "d=1"]
        with pytest.raises(LiveHandleError) as caught:
            await anext(events)
        assert caught.value.name == "events.lagged"


async def test_a_state_costs_the_same_however_many_events_wait(hub: Hub) -> None:
    with Events(hub, TOPICS) as events:
        for i in range(4000):
            say(hub, str(i))
        with anyio.fail_after(5):  # a search through all of them would take minutes
            for i in range(20_000):
                change(hub, f"k{i % 2}", i)
                await checkpoint() if i % 1000 == 0 else None
        got = await waiting(events, 4002)
        assert got[-2:] == ["k0=19998", "k1=19999"]


async def test_two_readers_share_the_events_and_none_is_left_asleep(hub: Hub) -> None:
    got: list[object] = []
    with Events(hub, TOPICS) as events:

        async def read() -> None:
            got.extend(await waiting(events, 1))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            say(hub, "a")
            await anyio.wait_all_tasks_blocked()
            say(hub, "b")
    assert got == ["a", "b"]


async def test_a_reader_that_stops_waiting_loses_nothing(hub: Hub) -> None:
    got: list[object] = []
    with Events(hub, TOPICS) as events:

        async def read() -> None:
            got.append(told(await anext(events)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            say(hub, "a")  # it is woken, and cancelled before it runs
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(0):
            await read()
        say(hub, "b")
        got += await waiting(events, 2 - len(got))
    assert got == ["a", "b"]


async def test_outside_the_block_nothing_is_listened_to_and_that_is_said(hub: Hub) -> None:
    events = Events(hub, TOPICS)
    with pytest.raises(RuntimeError, match="use `with"):
        await anext(events)
    with events, pytest.raises(RuntimeError, match="already"):
        events.__enter__()
    with pytest.raises(RuntimeError, match="already"):
        events.__enter__()


async def test_the_end_of_the_block_ends_the_iteration(hub: Hub) -> None:
    with Events(hub, TOPICS) as events:
        say(hub, "a")
    assert [event async for event in events] == []
    assert not hub.wanted(STREAM)


async def test_the_end_of_the_block_wakes_who_waits(hub: Hub) -> None:
    got: list[object] = []
    events = Events(hub, TOPICS)

    async def read() -> None:
        got.extend([told(event) async for event in events])
        got.append("over")

    async with anyio.create_task_group() as tasks:
        with events:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            while not got:
                await checkpoint()
    assert got == ["over"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["log", "stream", "read"]), st.just("")),
        st.tuples(st.just("state"), st.sampled_from("abc")),
    ),
    max_size=60,
)


@given(STEPS)
async def test_what_comes_is_in_order_and_what_does_not_is_accounted_for(
    steps: list[tuple[str, str]],
) -> None:
    most = 3
    hub = Hub(ring_events=10, wall_ms=lambda: 0)
    expected: list[Event] = []
    dropped, lagged = 0, False
    with pytest.MonkeyPatch.context() as patch, Events(hub, TOPICS) as events:
        patch.setattr(listening, "_MAX_WAITING", most)
        published: list[Event] = []
        hub.attach(published.append, TOPICS)
        for number, (kind, key) in enumerate(steps):
            if kind == "read":
                if expected:
                    assert await anext(events) is expected.pop(0)
                continue
            if kind == "log":
                say(hub, str(number))
            elif kind == "stream":
                sound(hub, str(number))
            else:
                change(hub, key, number)
            event = published[-1]
            same = [e for e in expected if e.delivery == event.delivery]
            if lagged or (kind == "log" and len(same) >= most):
                lagged = True
                continue
            if kind == "stream" and len(same) >= most:
                expected.remove(same[0])
                dropped += 1
            expected = [e for e in expected if kind != "state" or e.key != event.key]
            expected.append(event)
        for event in expected:
            assert await anext(events) is event
        assert events.dropped == dropped
        assert bool(events._missed) is lagged
        assert not events._waiting
        assert not events._states
        assert not events._streams


async def test_i2_the_end_of_the_handle_ends_the_iteration_after_what_waits(hub: Hub) -> None:
    with Events(hub, {LOG}) as events:
        say(hub, "last")
        hub.close()
        assert [told(event) async for event in events] == ["last"]
