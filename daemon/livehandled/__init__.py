"""livehandled: the daemon that holds a Gemini Live session for its clients.

As a library: `from livehandled import LiveHandle`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livehandled.handle import LiveHandle

__all__ = ["LiveHandle"]


def __getattr__(name: str) -> object:
    # Not imported before it is wanted: the emulator needs a part of this package, which opens
    # no socket and runs no loop.
    if name == "LiveHandle":
        from livehandled.handle import LiveHandle

        return LiveHandle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
