"""Metrics as Prometheus reads them: its text format, version 0.0.4."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One value of a family."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""
    """Of a histogram: `_bucket`, `_sum` or `_count`."""


class Family(NamedTuple):
    """A metric with all its samples."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    samples: Sequence[Sample]


def exposition(families: Iterable[Family]) -> str:
    """Return the text. A family without samples is told all the same: it is known, and empty."""
    return "".join(_family(family) for family in families)


def histogram(
    bounds: Sequence[float], counts: Sequence[int], total: float, labels: Mapping[str, str]
) -> list[Sample]:
    """Return the samples of one histogram.

    `counts` has one entry for each bound and one for what is above all; they do not include each
    other, as the format's do. `total` is the sum of what was measured.
    """
    samples, below = [], 0
    for bound, count in zip([*map(_number, bounds), "+Inf"], counts, strict=True):
        below += count
        samples.append(Sample(below, {**labels, "le": bound}, "_bucket"))
    return [*samples, Sample(total, labels, "_sum"), Sample(below, labels, "_count")]


def _family(family: Family) -> str:
    lines = [
        f"# HELP {family.name} {_escaped(family.meaning, quotes=False)}",
        f"# TYPE {family.name} {family.kind}",
        *(
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ),
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
