"""What an event costs by the length of the history that is kept: it should make no difference.

`Hub.publish` of a text, in this process, to one subscriber that does nothing, with a ring that
already holds so many events and may hold one more. The baseline is a ring of one.
"""

import time

from bench.figures import compare, median
from livehandle_proto.topics import Text
from livehandled.hub import Hub

KEPT = (1, 100, 1000, 10_000)
ROUNDS, EVENTS = 40, 500


def main() -> None:
    print("an event published to one subscriber, by the events in the ring, against one")
    hubs = {kept: full(kept) for kept in KEPT}
    times: dict[int, list[float]] = {kept: [] for kept in KEPT}
    for _ in range(ROUNDS):
        for kept, hub in hubs.items():
            times[kept].append(publish(hub, EVENTS))
    for kept in KEPT:
        compare(f"{kept} events kept", median(times[kept]), median(times[1]), "us")


def full(kept: int) -> Hub:
    hub = Hub(ring_events=kept, wall_ms=lambda: 0)
    hub.attach(lambda _event: None, ["live.text_delta"])
    publish(hub, kept)
    return hub


def publish(hub: Hub, count: int) -> float:
    """Return the microseconds that each takes."""
    data = Text(text="Hel")
    begun = time.perf_counter()
    for _ in range(count):
        hub.publish("live.text_delta", data)
    return (time.perf_counter() - begun) / count * 1e6
