"""What every test may use."""

import pytest
from hypothesis import settings

# The same examples in every run; a longer campaign is one `--hypothesis-profile` away.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("campaign", max_examples=10_000, deadline=None)
settings.load_profile("suite")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the daemon does."""
    return "asyncio"
