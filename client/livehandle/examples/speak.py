"""Speak a recording (WAV, 16-bit mono at 16 kHz) to the model, and print what it answers."""

import base64
import sys
import time
import wave

from livehandle import Client, LiveHandleError, Subscription

SILENCE = bytes(32_000)
"""A second after which the model knows that the speaker has finished."""


def speak(live: Client, path: str) -> None:
    """Send the recording as a microphone would: a tenth of a second at a time."""
    with wave.open(path) as recording:
        sound = recording.readframes(recording.getnframes()) + SILENCE
    for start in range(0, len(sound), 3200):
        live.send_audio(data=base64.b64encode(sound[start : start + 3200]).decode())
        time.sleep(0.1)


def print_reply(events: Subscription) -> None:
    """Print the model's words as they come, and what happens to the connection."""
    for event in events:
        if event.topic == "live.output_transcript":
            print(event.data["text"], end="", flush=True)
        elif event.topic == "live.turn_complete" and event.data["model"]:
            print()
            return
        elif event.topic == "events.lagged":
            print(f"[reading too slowly: {event.data['missed']} events come again]")
        elif event.topic == "client.disconnected":
            print(f"[{event.data['error']['message']}]")
        elif event.topic == "client.reset":
            print("[the daemon is another one: what was said meanwhile is lost]")


try:
    with Client.open() as live:
        events = live.events()
        speak(live, sys.argv[1])
        print_reply(events)
except KeyboardInterrupt:
    pass  # `with` has closed the client
except LiveHandleError as error:
    sys.exit(f"{error.name}: {error.message}")
