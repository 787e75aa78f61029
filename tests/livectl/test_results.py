"""Results as text."""

import io

import pytest

from livectl.results import as_json, rows, table


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({}, []),
        ({"a": 1, "b": "x y", "c": None}, [("a", "1"), ("b", "x y")]),
        ({"a": {"b": {"c": True}}}, [("a.b.c", "true")]),
        ({"a": {}, "b": []}, [("a", "{}"), ("b", "[]")]),
        ({"a": ["é"]}, [("a", '["é"]')]),
        ({"a": [{"b": 1}, {"b": []}]}, [("a[0]", '{"b": 1}'), ("a[1]", '{"b": []}')]),
        ({"a": "x\x1b[2J\n"}, [("a", '"x\\u001b[2J\\n"')]),
    ],
)
def test_a_result_is_rows_of_dotted_names(
    tree: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert rows(tree) == expected


def test_rows_are_aligned() -> None:
    assert table([("a", "1"), ("long", "2")], indent="> ") == "> a     1\n> long  2"
    assert table([]) == ""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", '{"a": "é"}'), ("UTF-16", '{"a": "é"}'), ("latin-1", '{"a": "\\u00e9"}')],
)
def test_json_is_whole_whatever_the_terminal_can_show(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert as_json({"a": "é"}) == shown
