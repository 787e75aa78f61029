"""What `livectl certify` runs a client against, with the asynchronous client."""

import anyio

from livehandle import AsyncClient, LiveHandleError


async def add(a: int, b: int) -> dict[str, int]:
    """Add two integers."""
    if a > 1000:
        raise ValueError("too large")
    return {"sum": a + b}


PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


async def name_of_the_error(live: AsyncClient) -> str:
    """Ask for what is answered with an error."""
    try:
        await live.state_get(key="app:missing")
    except LiveHandleError as error:
        return error.name
    return "none"


async def tell_if_lost(live: AsyncClient) -> None:
    """Wait for the session's end, and tell how that fails."""
    try:
        await live.done(timeout_ms=60_000)
    except LiveHandleError as error:
        await live.state_set(key="app:lost", value=error.name)


async def echo(live: AsyncClient) -> None:
    """Say every turn back, to the last one."""
    gathered = ""
    async for event in await live.events(topics=["live.text_delta", "live.turn_complete"]):
        if event.topic == "live.text_delta":
            gathered += event.data["text"]
        elif event.topic == "live.turn_complete":
            await live.send_text(text=gathered)
            if "That is all." in gathered:
                return
            gathered = ""
        elif event.topic == "client.reset":
            gathered = ""
            await live.state_set(key="app:reset", value=True)
        elif event.topic == "events.lagged":
            await live.state_set(key="app:lagged", value=event.data["missed"])


async def main() -> None:
    """Do what the certification asks for."""
    async with (
        AsyncClient.open(client="certify python-async") as live,
        anyio.create_task_group() as tasks,
    ):
        await live.daemon_ping()
        await live.state_set(key="app:error", value=await name_of_the_error(live))
        tasks.start_soon(tell_if_lost, live)
        await anyio.lowlevel.checkpoint()  # `done` goes first
        await live.state_set(key="app:phase", value=(await live.phase())["phase"])
        await live.register(add, parameters=PARAMETERS)
        await echo(live)
        await live.disconnect()
        tasks.cancel_scope.cancel()


anyio.run(main)
