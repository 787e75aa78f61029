"""What every test may use."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, however slow the machine; a longer campaign is one
# `--hypothesis-profile campaign` away.
SLOW = [HealthCheck.too_slow]
settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "campaign", max_examples=10_000, deadline=None, suppress_health_check=SLOW
)
settings.load_profile("suite")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the daemon does."""
    return "asyncio"


def pytest_xdist_auto_num_workers() -> int:
    """Use more processes than cores: end to end, much of the time is waited for."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Take what was collected, thousands of tests, out of the collector's sight."""
    gc.collect()
    gc.freeze()
