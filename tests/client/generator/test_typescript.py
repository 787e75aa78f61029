"""TypeScript: how a type, a method and a comment are written."""

import pytest

from generator.languages import typescript
from generator.model import Example, Field, Method, Type

TEXT = Type("string")
KEY = Field("key", TEXT, True, None, "Which.")
LAST = Field("turns", Type("integer", nullable=True), False, None, "")


def method(name: str, *params: Field, errors: tuple[str, ...] = ()) -> Method:
    result = Type("ref", name="Done")
    return Method(name, "Does.", "All.", params, result, errors, 1, Example({}, None))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (Type("any", nullable=True), "unknown"),
        (Type("integer", nullable=True), "number | null"),
        (Type("list", inner=Type("enum", values=("a", "b"))), 'Array<"a" | "b">'),
        (Type("map", inner=Type("ref", name="X", nullable=True)), "Record<string, X | null>"),
    ],
)
def test_types_are_those_of_json(given: Type, written: str) -> None:
    assert typescript.FILTERS["written"](given) == written


def test_methods_are_called_by_their_names_on_the_socket() -> None:
    call, signature = typescript.FILTERS["call"], typescript.FILTERS["signature"]
    known, short, bare = method("a.set_it", KEY), method("a.last", LAST), method("a")
    assert call(known) == 'this.call("a.set_it", params, options)'
    assert call(short) == 'this.call("a.last", params ?? {}, options)'
    assert call(bare) == 'this.call("a", {}, options)'
    assert signature(known) == "(params: ASetItParams, options?: CallOptions): Promise<Done>"
    assert signature(short) == "(params?: ALastParams, options?: CallOptions): Promise<Done>"
    assert typescript.FILTERS["camel"]("a.set_it") == "setIt"


def test_errors_of_all_methods_are_not_told_of_each() -> None:
    methods = [method("a", errors=("x", "y")), method("b", errors=("x",))]
    assert (
        typescript.FILTERS["about"](methods[0], methods) == "Does.\n\n@throws {LiveHandleError} y"
    )


def test_a_comment_cannot_end_early() -> None:
    assert typescript.FILTERS["doc"]("a */ b") == "/** a *\\/ b */"
