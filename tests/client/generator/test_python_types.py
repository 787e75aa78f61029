"""Python's types: how each form is written."""

import pytest

from generator.languages import python_types as types
from generator.model import Field, Object, Type

TEXT = Type("string")
HOLDER = Type("ref", name="Holder", nullable=True)


@pytest.mark.parametrize(
    ("given", "annotation"),
    [
        (Type("any"), "object"),
        (Type("null"), "None"),
        (TEXT, "str"),
        (Type("number", nullable=True), "float | None"),
        (Type("integer"), "int"),
        (Type("boolean"), "bool"),
        (Type("list", inner=TEXT), "list[str]"),
        (Type("map", inner=Type("any"), nullable=True), "dict[str, object] | None"),
        (Type("list", inner=Type("map", inner=Type("integer"))), "list[dict[str, int]]"),
        (HOLDER, "Holder | None"),
        (Type("enum", values=("a", 'b"')), 'Literal["a", "b\\""]'),
    ],
)
def test_a_type_is_annotated(given: Type, annotation: str) -> None:
    assert types.annotation(given) == annotation


def field(given: Type, *, required: bool, name: str = "a") -> Field:
    return Field(name, given, required, None, "")


def test_a_field_may_be_left_out_and_may_name_what_comes_later() -> None:
    assert types.field(field(TEXT, required=True)) == "str"
    assert types.field(field(TEXT, required=False)) == "NotRequired[str]"
    assert types.field(field(HOLDER, required=False)) == 'NotRequired["Holder | None"]'
    enum = Type("enum", values=("a",))
    assert types.field(field(enum, required=True)) == 'Literal["a"]'


def test_a_field_with_the_name_of_a_keyword_needs_another_form() -> None:
    given = [field(TEXT, required=True, name=name) for name in ("count", "from")]
    assert types.is_functional(Object("Dropped", "", given))
    assert not types.is_functional(Object("Dropped", "", given[:1]))


def test_a_docstring_is_wrapped_and_whole() -> None:
    assert types.documented("Short.") == '"""Short."""'
    assert types.documented("A\\b.") == '"""A\\\\b."""'
    text = types.documented("One.\n\nTwo " + "words " * 30, 4)
    first, empty, *rest, last = text.split("\n")
    assert (first, empty, last) == ('"""One.', "", '    """')
    assert all(line.startswith("    ") and len(line) <= 100 for line in rest)
    assert " ".join(text.split()).count("words") == 30


@pytest.mark.parametrize("length", range(80, 100))
def test_no_docstring_is_too_wide(length: int) -> None:
    text = types.documented("x " * (length // 2), 4)
    assert max(len(line) + 4 * (not n) for n, line in enumerate(text.split("\n"))) <= 100
