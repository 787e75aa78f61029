"""The text that Prometheus reads, read by its own parser."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from livehandled.metrics.prometheus import Family, Sample, exposition, histogram


def read(families: Sequence[Family]) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """Return the samples of each family, as Prometheus' parser has them."""
    return {
        family.name: [(s.name, dict(s.labels), s.value) for s in family.samples]
        for family in text_string_to_metric_families(exposition(families))
    }


def test_a_family_is_its_meaning_its_kind_and_its_samples() -> None:
    family = Family("a_total", "counter", "All of it.", [Sample(3), Sample(0.5, {"b": "c"})])
    assert exposition([family]) == (
        '# HELP a_total All of it.\n# TYPE a_total counter\na_total 3\na_total{b="c"} 0.5\n'
    )


def test_a_family_without_samples_is_known_all_the_same() -> None:
    assert exposition([Family("a", "gauge", "B.", [])]) == "# HELP a B.\n# TYPE a gauge\n"


@given(
    label=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20),
    value=st.floats(allow_nan=False, allow_infinity=False),
)
def test_every_label_and_every_value_comes_out_as_it_went_in(label: str, value: float) -> None:
    family = Family("a", "gauge", "B\nand \\ c.", [Sample(value, {"label": label})])
    assert read([family]) == {"a": [("a", {"label": label}, value)]}


@pytest.mark.parametrize("number", [0, 1, 1e15, 1.5e-7, -3])
def test_numbers_are_exact(number: float) -> None:
    assert read([Family("a", "gauge", "B.", [Sample(number)])])["a"] == [("a", {}, number)]


def test_a_histogram_counts_up_to_each_bound() -> None:
    samples = histogram([0.1, 2], [3, 0, 4], 12.5, {"of": "x"})
    told = read([Family("h_seconds", "histogram", "How long.", samples)])["h_seconds"]
    assert told == [
        ("h_seconds_bucket", {"of": "x", "le": "0.1"}, 3),
        ("h_seconds_bucket", {"of": "x", "le": "2"}, 3),
        ("h_seconds_bucket", {"of": "x", "le": "+Inf"}, 7),
        ("h_seconds_sum", {"of": "x"}, 12.5),
        ("h_seconds_count", {"of": "x"}, 7),
    ]
