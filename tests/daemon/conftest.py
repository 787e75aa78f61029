"""What the tests that reach the service share."""

import logging
from collections.abc import Iterator

import pytest

from support.rigs import leaks, shorten_patience


@pytest.fixture
def no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where anything that is logged, at any level, shows the key."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not leaks(caplog)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a service that does not end its connection sooner than a daemon would."""
    shorten_patience(monkeypatch)
