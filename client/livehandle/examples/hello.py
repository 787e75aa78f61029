"""Ask the model for the weather, carry out its call, and print what it says."""

import sys

from livehandle import Client


def get_weather(city: str) -> dict[str, int]:
    """Tell the weather in a city."""
    print(f"tool: get_weather {city}")
    return {"temperature": 7}


with Client.open() as live:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    live.register(get_weather, parameters=parameters)
    events = live.events()
    live.send_text(text=sys.argv[1] if sys.argv[1:] else 'call get_weather {"city": "Oslo"}')
    for event in events:
        if event.topic == "live.output_transcript":
            print(event.data["text"], end="", flush=True)
        elif event.topic == "live.turn_complete" and event.data["model"]:
            print()
            break
