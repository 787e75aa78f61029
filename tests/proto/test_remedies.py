"""The page of every error."""

import re

import pytest

from livehandle_proto.errors import ERRORS
from livehandle_proto.methods import METHODS
from livehandle_proto.remedies import REMEDIES
from livehandled.config.keys import KEYS


def test_every_error_of_the_catalogue_has_its_page() -> None:
    assert REMEDIES.keys() == ERRORS.keys()


@pytest.mark.parametrize("name", REMEDIES)
def test_a_page_says_when_it_comes_and_what_to_do(name: str) -> None:
    remedy = REMEDIES[name]
    for text in (remedy.cause, remedy.action):
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")
        assert text.count("`") % 2 == 0
    assert remedy.cause != remedy.action


@pytest.mark.parametrize("name", REMEDIES)
def test_what_a_page_names_is_there(name: str) -> None:
    """Errors, methods and keys of the configuration that are named in the texts exist."""
    named = re.findall(r"`([a-z]+\.[a-z_]+)`", f"{REMEDIES[name].cause} {REMEDIES[name].action}")
    topics = {"tool.call", "session.tool_call", "extractor.run", "live.extraction_error"}
    for one in named:
        assert one in METHODS or one in ERRORS or one in KEYS or one in topics, one
