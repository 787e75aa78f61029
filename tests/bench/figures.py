"""Percentiles, and how a figure is printed beside its baseline."""

from collections.abc import Sequence
from pathlib import Path


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` of all lie."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def median(samples: Sequence[float]) -> float:
    return percentile(samples, 0.5)


def compare(what: str, ours: float, baseline: float, unit: str) -> None:
    """Print our figure, the baseline's, and their ratio."""
    ratio = ours / baseline if baseline else float("nan")
    print(f"  {what:<36} {ours:10.1f} {unit:<4} baseline {baseline:10.1f} {unit:<4} {ratio:6.2f}x")


def cpu_seconds(pid: int) -> float:
    """Return the time a process has run, all its threads, to the nanosecond.

    The times in /proc/PID/stat are sampled by clock ticks, which paced work runs in step with.
    """
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
