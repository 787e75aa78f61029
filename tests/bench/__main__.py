"""Run all benchmarks, or those named: `python -m bench [NAME ...]`, the names as in `ALL`."""

import importlib
import os
import sys
import tempfile

ALL = ("round_trip", "audio", "start", "cli", "vad")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # the daemons keep their sessions in no home
        for name in sys.argv[1:] or ALL:
            importlib.import_module(f"bench.{name}").main()
