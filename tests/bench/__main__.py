"""Run all benchmarks, or those named: `python -m bench [NAME ...]`, the names as in `ALL`."""

import importlib
import os
import sys
import tempfile

ALL = ("round_trip", "audio", "fan_out", "history", "start", "cli", "vad")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder  # the daemons keep their sessions in no home
        # All that is started finds its bytecode compiled, as an installed program does.
        os.environ["PYTHONDONTWRITEBYTECODE"] = ""
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        for name in sys.argv[1:] or ALL:
            importlib.import_module(f"bench.{name}").main()
