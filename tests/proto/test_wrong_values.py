"""Plain values to structs, and what is said of those that are wrong."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from livehandle_proto.wrong_values import WrongValueError, converted


class Inner(Struct, forbid_unknown_fields=True):
    colour: Literal["red", "green"]
    share: Annotated[float, Meta(gt=0, le=1)] | None = None


class Outer(Struct, forbid_unknown_fields=True):
    inner: Inner
    several: list[Inner] = []
    count: Annotated[int, Meta(ge=1)] = 1
    on: bool = False


RED = {"colour": "red"}


@pytest.mark.parametrize(
    ("tree", "path", "words", "near"),
    [
        (3, "", "it must be an object, not a whole number", None),
        ({}, "inner", "it is missing", None),
        ({"inner": {}}, "inner.colour", "it is missing", None),
        ({"inner": RED, "cuont": 2}, "cuont", "there is no such key; did you mean count", "count"),
        (
            {"inner": {**RED, "x": 1}},
            "inner.x",
            "there is no such key; known are colour, share",
            None,
        ),
        (
            {"inner": RED, "several": [RED, {"colour": "gren"}]},
            "several[1].colour",
            "it must be one of green, red; did you mean green",
            "green",
        ),
        ({"inner": {"colour": "blue"}}, "inner.colour", "it must be one of green, red", None),
        (
            {"inner": {"colour": 5}},
            "inner.colour",
            "it must be one of green, red, not a whole number",
            None,
        ),
        ({"inner": RED, "count": 0}, "count", "it must be a whole number of at least 1", None),
        ({"inner": RED, "count": "1"}, "count", "it must be a whole number, not text", None),
        ({"inner": RED, "on": 1}, "on", "it must be true or false, not a whole number", None),
        (
            {"inner": {**RED, "share": 0.0}},
            "inner.share",
            "it must be a number of more than 0.0",
            None,
        ),
        ({"inner": {**RED, "share": 2}}, "inner.share", "it must be a number of at most 1.0", None),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tree: object, path: str, words: str, near: str | None
) -> None:
    with pytest.raises(WrongValueError) as caught:
        converted(tree, Outer)
    assert (caught.value.path, caught.value.words, caught.value.near) == (path, words, near)


def test_what_is_right_is_a_struct() -> None:
    tree = {"inner": RED, "several": [RED], "count": 7}
    assert converted(tree, Outer) == Outer(Inner("red"), [Inner("red")], 7)
