"""What an operator types, and what he sees."""

import json
from pathlib import Path
from typing import Any

import pytest

from livectl.__main__ import main
from support.livectl import Done


class Operator:
    """Types `livectl` in this process, for one daemon."""

    def __init__(self, socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._socket = socket
        self._capsys = capsys

    def types(self, *words: str) -> Done:
        """Run one command to its end."""
        self._capsys.readouterr()
        code = main(["--socket", str(self._socket), *words])
        return Done(code, *self._capsys.readouterr())

    def asks(self, *words: str) -> Any:
        """Run one command that succeeds; return what it prints as JSON."""
        done = self.types("--json", *words)
        assert done.code == 0, done
        return json.loads(done.out)

    def finds(self) -> dict[str, tuple[str, str]]:
        """Return what `doctor` finds wrong, by check: what was found, and the remedy."""
        checks = json.loads(self.types("--json", "doctor").out)["checks"]
        wrong = (one for one in checks if one["state"] == "wrong")
        return {one["name"]: (one["found"], one["remedy"]) for one in wrong}

    def metric(self, sample: str) -> float:
        """Return a metric by its name and labels; 0 where there is none yet."""
        lines = self.types("metrics").out.splitlines()
        values = (line.rpartition(" ") for line in lines)
        return next((float(value) for name, _, value in values if name == sample), 0.0)
