"""The exit codes of livectl (protocol section 7)."""

import pytest

from livectl.exits import EXIT_CODES, exit_code
from livehandle_proto.errors import ERRORS

CASES = [
    ("daemon.unreachable", 2),
    ("client.usage", 3),
    ("auth.missing_key", 4),
    ("auth.rejected", 4),
    ("upstream.rejected", 5),
    ("upstream.quota", 5),
    ("session.timeout", 6),
    ("session.not_connected", 1),
    ("config.invalid", 1),
    ("wire.internal", 1),
    ("a.name.of.a.newer.daemon", 1),
]


@pytest.mark.parametrize(("name", "code"), CASES)
def test_an_error_has_its_exit_code(name: str, code: int) -> None:
    assert exit_code(name) == code


@pytest.mark.parametrize("name", ERRORS)
def test_no_error_is_a_success_and_each_code_has_its_words(name: str) -> None:
    assert exit_code(name) in EXIT_CODES.keys() - {0}
