"""`hello.py` with the asynchronous client."""

import sys

import anyio

from livehandle import AsyncClient


async def get_weather(city: str) -> dict[str, int]:
    """Tell the weather in a city."""
    print(f"tool: get_weather {city}")
    return {"temperature": 7}


async def main() -> None:
    """Talk once."""
    async with AsyncClient.open() as live:
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
        await live.register(get_weather, parameters=parameters)
        events = await live.events()
        text = sys.argv[1] if sys.argv[1:] else 'call get_weather {"city": "Oslo"}'
        await live.send_text(text=text)
        async for event in events:
            if event.topic == "live.output_transcript":
                print(event.data["text"], end="", flush=True)
            elif event.topic == "live.turn_complete" and event.data["model"]:
                print()
                break


anyio.run(main)
