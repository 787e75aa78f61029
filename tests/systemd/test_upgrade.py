"""An upgrade: one version stops, another starts at the same place, and nobody hangs up."""

from pathlib import Path
from typing import Any

from livehandle import Client
from livehandle.subscriptions import Subscription
from support.house import House, house
from support.toolchains import need
from support.versions import copy, environment_of, wheel

MODEL = ("session.model=gemini-2.5-flash-live", "session.modality=text")
WAIT_S = 20.0


def installed(folder: Path, version: str) -> tuple[str]:
    """Install a version as a wheel into an environment of its own; return its daemon's command."""
    programs = environment_of(wheel(copy(folder / version, version)), folder / f"venv-{version}")
    return (str(programs / "livehandled"),)


def event_of(events: Subscription, topic: str) -> dict[str, Any]:
    """Return the data of the next event of a topic."""
    while (event := events.next_event(WAIT_S)) is not None:
        if event.topic == topic:
            return dict(event.data)
    raise AssertionError(f"no {topic} came")


def say(client: Client, events: Subscription, words: str) -> None:
    """Send a typed turn; wait for its end, and for a handle that covers it."""
    client.send_text(text=words)
    event_of(events, "live.turn_complete")
    event_of(events, "session.resume_update")


def interrupt(made: House, events: Subscription) -> None:
    """Have the model hang up, and take no connection until its faults are cleared."""
    made.ask("faults", {"do": "refuse", "times": 0})
    made.ask("faults", {"do": "abort"})
    event_of(events, "session.reconnecting")


def test_the_session_its_clients_and_what_was_not_sent_yet_go_on(tmp_path: Path) -> None:
    need((), compiles=True)
    old, new = installed(tmp_path, "1.0"), installed(tmp_path, "1.1")
    with house() as made:
        first = made.start(*MODEL, command=old)
        with Client.open(str(made.path)) as client:
            assert client.daemon["version"] == "1.0"
            events = client.events(topics=["live.*", "session.*"])
            say(client, events, "One")
            interrupt(made, events)
            client.send_text(text="In the gap")
            assert first.stop() == 0
            made.start(*MODEL, command=new)

            now = event_of(events, "client.reset")
            assert [turn["user"] for turn in now["transcript"]["turns"]] == ["One"]
            assert client.daemon["version"] == "1.1"
            made.ask("faults/clear")
            assert event_of(events, "session.resumed")["restored"] == "handle"
            assert event_of(events, "live.turn_complete")["user"] == "In the gap"
            say(client, events, "Two")
        assert made.words() == ["One", "In the gap", "Two"]
        assert len(made.sessions) == 1
