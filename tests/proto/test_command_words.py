"""The words of a command line, sorted."""

import pytest

from livehandle_proto.command_words import options_first


@pytest.mark.parametrize(
    ("line", "sorted_line"),
    [
        ("", ""),
        ("a --json b", "--json a b"),
        ("a --at b c", "--at=b a c"),
        ("a --at -5s", "--at=-5s a"),
        ("a --at=b", "--at=b a"),
        ("a -5s --json", "--json -- a -5s"),
        ("a -h", "-h a"),
        ("a -- --at b", "-- a --at b"),
        ("a --at", "--at -- a"),
        ("a --at --json", "--at --json -- a"),
        ("a --at -- b", "--at -- a b"),
    ],
)
def test_options_come_first_with_their_values(line: str, sorted_line: str) -> None:
    assert options_first(line.split(), {"--at"}) == sorted_line.split()
