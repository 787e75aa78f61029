"""A recording of a conversation, played back to another daemon: it tells the same."""

import re
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import running_daemon
from support.emulator import running_emulator
from support.livectl import livectl
from support.wire import Message, WireClient

KEY = "the-key-that-nobody-may-see"
LONG = "Please tell me the story of the lighthouse keeper once more, and this time slowly."
SCENARIO = """
timing = { reply_delay_ms = 20, stream_speed = 50.0, playback_speed = 20.0 }
fault = [{ do = "go_away", at = "turn_complete", skip = 2, time_left_ms = 60_000 }]
"""
TOPICS = ["live.*", "live.audio", "session.*", "session.audio_data"]
STATES = {"session.phase_changed"}
TIMES = {"gap_ms", "delay_ms", "latency_ms"}


@contextmanager
def client_of(url: str, directory: Path | None = None) -> Iterator[WireClient]:
    """Run a daemon with the service at a URL, and connect to it."""
    flags = ["--set", f"session.base_url={url}"]
    if directory is not None:
        flags += ["--set", f"recording.directory={directory}"]
    with running_daemon(*flags, environ={"GEMINI_API_KEY": KEY}) as daemon:
        with daemon.client() as client:
            client.max_line = 2**20
            yield client
        if directory is not None:
            found = livectl(daemon.path, "recording", "show", "call")
            assert "interrupted" in found.out, found
        assert KEY not in "".join(daemon.log)


def converse(client: WireClient) -> list[tuple[str, Message]]:
    """A turn, one that is interrupted, a rotation, a turn. Return the events, times aside."""
    told: list[Message] = []

    def until(topic: str) -> None:
        while not told or told[-1]["topic"] != topic:
            told.append(client.event())

    client.result("events", topics=TOPICS)
    client.result("connect")
    client.result("send_text", text="Good morning.")
    until("live.turn_complete")
    client.result("send_text", text=LONG)
    until("live.output_transcript")
    client.result("send_text", text="Stop.")
    until("live.interrupted")
    until("live.resumed")
    client.result("send_text", text="And now?")
    until("live.turn_complete")
    client.result("disconnect")
    until("live.disconnected")
    return [
        (one["topic"], {key: value for key, value in one["data"].items() if key not in TIMES})
        for one in told
        if one["topic"] not in STATES
    ]


def test_a_recorded_conversation_is_replayed_with_the_same_events(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    with (
        running_emulator(tmp_path, scenario=SCENARIO) as emulator,
        client_of(emulator.url, shelf) as client,
    ):
        client.result("recording.start", name="call")
        recorded = converse(client)
        summary = client.result("recording.stop")
    wire = Path(summary["wire"])
    assert (summary["dropped"], wire.stat().st_size) == (0, summary["wire_bytes"])
    text = wire.read_text()
    assert KEY not in text
    handles = re.findall(r'"(?:newHandle|handle)":"([^"]*)"', text)
    assert handles
    assert all(re.fullmatch(r"handle-\d+", handle) for handle in handles)
    with wave.open(summary["audio"]) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 24_000)
        assert abs(sound.getnframes() / 24 - summary["duration_ms"]) < 1500

    flags = ("--replay", str(wire.parent), "--speed", "0")
    with (
        running_emulator(tmp_path, scenario=None, flags=flags) as emulator,
        client_of(emulator.url) as client,
    ):
        replayed = converse(client)
    assert replayed == recorded
    topics = {topic for topic, _ in recorded}
    assert {"live.interrupted", "live.go_away", "live.resumed", "live.audio"} <= topics
