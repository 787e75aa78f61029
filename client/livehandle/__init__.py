"""livehandle: talk to a Gemini Live session through the local daemon.

```python
from livehandle import Client

with Client.open() as live:
    events = live.events()
    live.send_text(text="Say hello.")
    for event in events:
        if event.topic == "live.output_transcript":
            print(event.data["text"], end="")
        if event.topic == "live.turn_complete":
            break
```

`AsyncClient` does the same for asyncio and trio, `Connection` is one plain connection, and
`livehandle.types` has the types of all that crosses the socket.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livehandle.async_client import AsyncClient
    from livehandle.calls import Call
    from livehandle.client import Client
    from livehandle.connection import Connection, Event
    from livehandle.subscriptions import AsyncSubscription, Subscription
    from livehandle.types import AnyEvent
    from livehandle_proto.errors import LiveHandleError

__all__ = [
    "AnyEvent",
    "AsyncClient",
    "AsyncSubscription",
    "Call",
    "Client",
    "Connection",
    "Event",
    "LiveHandleError",
    "Subscription",
]

_WHERE = {
    "AnyEvent": "livehandle.types",
    "AsyncClient": "livehandle.async_client",
    "AsyncSubscription": "livehandle.subscriptions",
    "Call": "livehandle.calls",
    "Client": "livehandle.client",
    "Connection": "livehandle.connection",
    "Event": "livehandle.connection",
    "LiveHandleError": "livehandle_proto.errors",
    "Subscription": "livehandle.subscriptions",
}


def __getattr__(name: str) -> object:
    # Each is imported when it is asked for: a command line has no time for what it does not use.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
