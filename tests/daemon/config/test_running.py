"""A configuration that is read again while the daemon runs."""

from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import Reloaded
from livehandled.config.keys import KEYS
from livehandled.config.layers import PER_SESSION
from livehandled.config.loader import Loaded, load, overrides, with_overrides
from livehandled.config.running import AT_ONCE, AT_RESTART, Running

_CLIENTS = ["control.uids", "control.max_clients"]


class Rig:
    """A configuration in a file, and whoever is told of a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("")
        self.told: list[Loaded] = []
        self.running = Running(self.read(), self.read)
        self.running.on_change = self.told.append

    def read(self) -> Loaded:
        return load(self.path, {}, {"voice.vad": "off"})

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def reload(self, text: str) -> Reloaded:
        self.write(text)
        return self.running.reload()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "config.toml")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ('[log]\nlevel = "debug"', {"applied": ["log.level"]}),
        ("[control]\nuids = [7]\nmax_clients = 9", {"applied": _CLIENTS}),
        ('[session]\nvoice = "Puck"', {"at_connect": ["session.voice"]}),
        ("[tools]\ngrace_ms = 5", {"at_connect": ["tools.grace_ms"]}),
        ('[session]\nbackend = "emulator"', {"at_restart": ["session.backend"]}),
        ("[control]\nmode = '0660'", {"at_restart": ["control.mode"]}),
        ("[limits]\nring_events = 5", {"at_restart": ["limits.ring_events"]}),
        ('[voice]\nvad = "energy"', {}),
        ("", {}),
    ],
)  # fmt: skip
def test_each_change_is_told_by_when_it_counts(
    rig: Rig, text: str, when: dict[str, list[str]]
) -> None:
    nothing: dict[str, list[str]] = {"applied": [], "at_connect": [], "at_restart": []}
    assert rig.reload(text) == Reloaded(**{**nothing, **when})


def test_what_counts_from_the_next_start_keeps_its_value_and_is_told_each_time(rig: Rig) -> None:
    text = "[control]\nmode = '0660'\nmax_clients = 9"
    assert rig.reload(text).at_restart == ["control.mode"]
    assert rig.reload(text) == Reloaded(applied=[], at_connect=[], at_restart=["control.mode"])
    assert rig.running.config.control.mode == 0o600
    assert rig.running.config.control.max_clients == 9
    assert rig.running.loaded.sources["control.mode"] == "default"
    assert rig.running.loaded.sources["control.max_clients"] == f"file {rig.path}:3"
    assert rig.reload("").at_restart == []


def test_it_stays_so_for_a_session_of_its_own_configuration(rig: Rig) -> None:
    rig.reload('[session]\nbackend = "emulator"\n[tools]\ngrace_ms = 5')
    own = with_overrides(rig.running.loaded, {"session": {"language": "no-NO"}})
    assert own.config.session.backend == "gemini"
    assert own.config.tools.grace_ms == 5
    assert overrides(own) == {"session": {"language": "no-NO"}}


def test_with_another_backend_the_whole_session_waits_for_the_next_start(rig: Rig) -> None:
    text = '[session]\nbackend = "vertex"\nmodel = "m"\nproject = "p"\n[tools]\ngrace_ms = 5'
    for at_connect in (["tools.grace_ms"], []):
        told = rig.reload(text)
        assert told.at_connect == at_connect
        assert set(told.at_restart) == {"session.backend", "session.model", "session.project"}
    session = rig.running.config.session
    assert (session.backend, session.project) == ("gemini", "")
    assert session.model != "m"


def test_whoever_has_a_part_in_it_is_told(rig: Rig) -> None:
    rig.reload("[control]\nmax_clients = 9")
    (told,) = rig.told
    assert told is rig.running.loaded
    assert told.config.control.max_clients == 9


def test_a_wrong_file_is_refused_as_a_whole(rig: Rig) -> None:
    before = rig.running.loaded
    with pytest.raises(LiveHandleError) as refused:
        rig.reload("[control]\nmax_clients = 9\n\n[log]\nlevle = 'debug'")
    assert refused.value.name == "config.invalid"
    assert refused.value.data["line"] == 5
    assert refused.value.data["did_you_mean"] == "log.level"
    assert rig.running.loaded is before
    assert rig.told == []


def test_the_moments_are_of_keys_that_exist() -> None:
    assert KEYS.keys() >= AT_ONCE | AT_RESTART
    assert all(name.partition(".")[0] not in PER_SESSION for name in AT_ONCE)
    assert all(name.partition(".")[0] in PER_SESSION for name in AT_RESTART)
