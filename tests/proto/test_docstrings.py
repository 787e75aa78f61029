"""What the catalogue's source says, for those who have no source."""

import pytest

from livehandle_proto import docstrings, states, values


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Who speaks (C1).", "Who speaks."),
        ("A rule (Q4, Q5).", "A rule."),
        ("Kept (Q1-Q8) for long.", "Kept for long."),
        ("A subset (wire 2.1.3).", "A subset."),
        ("Answers (sections 4.1 and 5).", "Answers."),
        ("A word (`state.get`), kept.", "A word (`state.get`), kept."),
        ("One (of 16 kHz).", "One (of 16 kHz)."),
        ("Since then; None before.", "Since then; null before."),
        ("Of it. None before.", "Of it. Null before."),
        ("None before.", "Null before."),
        ("Nonesuch.", "Nonesuch."),
        ("One.\n\n    Two.\n    ", "One.\n\nTwo."),
    ],
)
def test_references_are_left_out_and_none_is_null(written: str, told: str) -> None:
    assert docstrings.public(written) == told


def test_fields_and_names_are_found_by_the_text_below_them() -> None:
    fields = docstrings.of_fields(values.Session)
    assert fields["turns"] == "Turns completed."
    assert "phase" not in fields
    assert docstrings.of_names(states)["MutationOrigin"].startswith("How a mutation came about")
    assert docstrings.of_names(values)["Phase"] == "Where the session's connection stands (A22)."
