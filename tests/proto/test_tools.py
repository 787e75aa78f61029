"""Tools as clients declare and answer them."""

import msgspec
import pytest

from livehandle_proto.tools import ToolDeclaration, ToolInfo


@pytest.mark.parametrize("name", ["f", "_", "get_weather", "a.b:c-d", "x" * 128])
def test_names_of_functions_are_taken(name: str) -> None:
    assert msgspec.convert({"name": name}, ToolDeclaration).name == name


@pytest.mark.parametrize("name", ["", "1", ".a", "a b", "a\n", "ä", "a/b", "x" * 129])
def test_other_names_of_functions_are_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": name}, ToolDeclaration)


def test_who_carries_a_function_out_is_told_even_where_nobody_does() -> None:
    info = ToolInfo(
        name="f",
        description=None,
        client=None,
        connection=None,
        timeout_ms=None,
        pending=0,
        declared=True,
    )
    told = msgspec.json.decode(msgspec.json.encode(info))
    assert told.keys() == set(ToolInfo.__struct_fields__)
