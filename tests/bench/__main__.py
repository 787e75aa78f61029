"""Run all benchmarks, or those named: `python -m bench [round_trip] [audio] [start] [cli]`."""

import importlib
import sys

ALL = ("round_trip", "audio", "start", "cli")

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        importlib.import_module(f"bench.{name}").main()
