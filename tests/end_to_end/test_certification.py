"""Every client that ships passes the certification, as its author would run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.languages import LANGUAGES, Language, NotReadyError, insisted

_RUN_S = 60.0


@pytest.mark.timeout(300)  # Rust compiles for a minute, the first time
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_the_client_is_certified(language: Language, tmp_path: Path) -> None:
    try:
        command = language.program("certify", tmp_path)
    except NotReadyError as error:
        if insisted():
            raise
        pytest.skip(str(error))
    certify = [sys.executable, "-m", "livectl", "certify", "--json", "--", *command]
    done = subprocess.run(certify, capture_output=True, text=True, timeout=_RUN_S, check=False)
    report = json.loads(done.stdout)
    wrong = [check for check in report["checks"] if check["verdict"] != "passed"]
    assert (wrong, done.returncode) == ([], 0), done.stderr
    assert report["language"].lower() == language.name.lower()
    assert report["checks"][-1]["name"] == "end.exit"
