"""Snapshots that earlier versions have written are read by this one."""

from pathlib import Path

import pytest

from livehandled.migrations import VERSION
from livehandled.store import Store

WRITTEN = Path(__file__).parent / "snapshots"
"""By daemons of those versions, after `state.set app:theme dark` and a typed turn."""


def test_there_is_one_of_each_earlier_version() -> None:
    assert {path.stem for path in WRITTEN.iterdir()} == {str(n) for n in range(1, VERSION)}


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_snapshot_of_each_earlier_version_goes_on(version: int, tmp_path: Path) -> None:
    kept = tmp_path / "s.snapshot"
    kept.touch(0o600)
    kept.write_bytes((WRITTEN / f"{version}.snapshot").read_bytes())
    store = Store(kept)
    found = store.load()
    assert store.complaint == ""
    assert found is not None
    assert bytes(found.state.values["app:theme"]) == b'"dark"'
    assert [turn.user for turn in found.transcript.turns] == ["Remember the lighthouse."]
    assert found.handle is not None
    assert found.telemetry.turn_count == 1
    assert found.telemetry.stalls == 0
