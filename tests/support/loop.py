"""The event loop, for tests that let it go on without a clock."""

from anyio.lowlevel import checkpoint

_TURNS = 50


async def settled() -> None:
    """Let every task that can go on do so, some turns of the loop long."""
    for _ in range(_TURNS):
        await checkpoint()
