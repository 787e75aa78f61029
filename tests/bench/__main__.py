"""Run all benchmarks, or those named: `python -m bench [NAME ...]`, the names as in `ALL`."""

import importlib
import sys

ALL = ("round_trip", "audio", "start", "cli", "vad")

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        importlib.import_module(f"bench.{name}").main()
