"""Python's methods: how a call is written."""

from generator.languages import python_methods as methods
from generator.model import Description, Error, Example, Field, Method, Type

TEXT = Type("string")


def field(name: str, given: Type, *, required: bool = False, meaning: str = "") -> Field:
    return Field(name, given, required, None, meaning)


def method(*params: Field, name: str = "state.set", errors: tuple[str, ...] = ()) -> Method:
    result = Type("ref", name="Done")
    return Method(name, "Does.", "All.", params, result, errors, 1, Example({}, None))


KEY = field("key", TEXT, required=True, meaning="Which.")
VALUE = field("value", Type("any"))
LIST = field("topics", Type("list", inner=TEXT, nullable=True))


def test_parameters_go_by_name_and_may_be_left_out() -> None:
    assert methods.signature(method()) == "self"
    lines = methods.signature(method(KEY, VALUE, LIST)).split("\n")
    assert [line.strip() for line in lines] == [
        "",
        "self,",
        "*,",
        "key: str,",
        "value: object = _LEFT_OUT,",
        "topics: Sequence[str] | None = None,",
        "",
    ]


def test_what_is_required_is_called_with_at_once() -> None:
    assert methods.arguments(method()) == '"state.set"'
    assert methods.gathered(method(KEY)) == ""
    assert methods.arguments(method(KEY)) == '"state.set", key=key'


def test_what_may_be_left_out_is_gathered() -> None:
    given = method(KEY, VALUE, LIST)
    assert methods.arguments(given) == '"state.set", **params'
    assert [line.strip() for line in methods.gathered(given).splitlines()] == [
        '{"key": key, "value": value},',
        "topics=topics,",
    ]


def described(*given: Method) -> Description:
    errors = [Error(name, 1, f"{name} it is.", False, 1) for name in ("a.b", "c.d")]
    return Description("1", given, [], [], [], errors)


def test_errors_that_all_methods_have_are_told_once() -> None:
    first, second = method(KEY, errors=("a.b", "c.d")), method(errors=("a.b",))
    description = described(first, second)
    assert methods.common(description) == "`a.b`."
    assert methods.meanings(description) == {"c.d": "c.d it is."}
    told = methods.meaning(first, methods.meanings(description))
    assert told.startswith('"""Does.\n\n        All.\n\n        `key`: Which.\n\n')
    assert "Raises `c.d` (c.d it is)." in told
    assert methods.meaning(second, methods.meanings(description)) == '"""Does."""'


def test_what_the_transport_says_itself_is_left_out_with_its_types() -> None:
    wait = method(field("phase", Type("list", inner=Type("ref", name="Phase"))), name="done")
    hello = method(field("x", Type("ref", name="Other")), name="daemon.hello")
    description = described(hello, wait)
    assert methods.generated(description) == [wait]
    assert methods.imported(description) == ["Done", "Phase"]
