"""`python -m campaign.counted FILE FLAG...`: livehandled, which counts what it holds on SIGUSR1."""

import asyncio
import gc
import json
import signal
import sys
from pathlib import Path

from livehandled.__main__ import main


def counts() -> dict[str, int]:
    """Return how many objects there are, and how many tasks that have not ended."""
    gc.collect()
    objects = gc.get_objects()
    tasks = [one for one in objects if issubclass(type(one), asyncio.Task) and not one.done()]
    return {"tasks": len(tasks), "objects": len(objects)}


def count_into(path: Path) -> None:
    """Write the counts to a file whenever SIGUSR1 comes."""

    def write(*_: object) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(counts()))
        new.replace(path)

    signal.signal(signal.SIGUSR1, write)


if __name__ == "__main__":
    count_into(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
