"""The parts of jsonrpcserver: there without the rest, which stays whole for whoever wants it."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_daemon_starts_without_a_validator_an_http_server_and_numpy() -> None:
    unused = ("jsonschema", "http.server", "numpy", "re2")
    code = f"import sys, livehandled.service; print([n for n in {unused} if n in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.parametrize("before", ["", "import jsonrpcserver; "])
def test_the_package_is_whole_for_others(before: str) -> None:
    code = f"""{before}
from livehandled.control.jsonrpc import Success, call_now
import jsonrpcserver
from jsonrpcserver.dispatcher import call
assert jsonrpcserver.Success is Success and call is call_now
print(jsonrpcserver.dispatch('{{"jsonrpc": "2.0", "method": "no", "id": 1}}'))"""
    assert "Method not found" in run(code)
