"""livehandle: talk to a Gemini Live session through the local daemon.

```python
from livehandle import Connection

with Connection.open() as live:
    live.call("events")
    live.call("send_text", text="Say hello.")
    for event in live.events():
        print(event.topic, event.data)
```
"""

from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

__all__ = ["Connection", "Event", "LiveHandleError"]
