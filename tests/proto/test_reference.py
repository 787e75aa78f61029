"""The reference that is generated for people: whole, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from support import described

README = Path(__file__).parents[2] / "proto/README.md"
TEXT = README.read_text(encoding="utf-8")
HEADINGS = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.MULTILINE)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_method_topic_and_type_has_a_place() -> None:
    types = [f"{name} (type)" for name in described.DOCUMENT["components"]["schemas"]]
    wanted = [*described.METHODS, *described.TOPICS, *types]
    assert [name for name in wanted if HEADINGS.count(name) != 1] == []


def test_every_error_is_told() -> None:
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \| (-?\d+) \|", TEXT, re.MULTILINE)
    errors = described.DOCUMENT["x-errors"].items()
    assert rows == [(name, str(error["code"])) for name, error in errors]


def test_links_lead_to_headings_and_files() -> None:
    slugs = [_slug(heading) for heading in HEADINGS]
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert slugs.count(target[1:]) == 1, target
        else:
            assert (README.parent / target).exists(), target


@pytest.mark.parametrize("name", described.METHODS)
def test_a_methods_errors_and_example_are_told(name: str) -> None:
    _, place = re.split(rf"^### {re.escape(name)}$", TEXT, maxsplit=1, flags=re.MULTILINE)
    place = re.split(r"^##+ ", place, maxsplit=1, flags=re.MULTILINE)[0]
    assert f'"method": "{name}"' in place
    shared = TEXT.split("## The methods")[1].split("### ")[0]
    for error in described.METHODS[name]["errors"]:
        assert f"`{error['$ref'].rpartition('/')[2]}`" in shared + place


def test_no_line_of_the_frame_is_left_over() -> None:
    assert not re.search(r"\{[{%#]|[}%#]\}", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
    assert "\n\n\n" not in TEXT
