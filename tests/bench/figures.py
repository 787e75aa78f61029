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
    """Return the user and system time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # clock ticks are 1/100 s on Linux


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
