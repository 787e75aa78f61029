"""What breaks at night, what the morning shows, and what repairs it: the README's walk-through.

Each test breaks one thing while a session is open and a client connected, looks where an operator
looks first (the log, `livectl doctor`, the metrics), repairs it as told there, and goes on.
"""

import base64
import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.doctor import checks
from livectl.doctor.checks import Finding
from livehandled.saver import RETRY_S
from livehandled.store import Store, snapshot_path
from support.daemon import DaemonProcess, private_directory, refused_daemon, running_daemon
from support.emulator import running_emulator
from support.faketime import FakeTime, library
from support.house import TIMING, House, house_before
from support.operating import Operator
from support.small_disk import SmallDisk, small_disk
from support.way import Way, way_to
from support.wire import Message, WireClient

MODEL = ("session.model=gemini-live-2.5-flash-preview", "session.modality=text")
OLD_KEY, NEW_KEY = "an-old-key-0123456789", "a-new-key-0123456789"
NOWHERE = ".".join(["nowhere"] * 40)
"""Longer than a name may be: it is not found, and no server of names is asked."""
HOUR_S, DAY_S = 3600, 86_400
TOPICS = ["live.*", "session.*", "state.*", "daemon.*"]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The emulator, which all tests share; they are told apart by their sessions."""
    with private_directory() as directory, running_emulator(directory, scenario=TIMING) as emulator:
        yield emulator.url


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `doctor` look at neither sound cards nor the units of whoever runs the tests."""
    monkeypatch.setattr(checks, "audio", lambda: Finding("audio", "ok", "Not looked at."))
    monkeypatch.setattr(checks, "systemd", lambda _environ: Finding("systemd", "ok", "Nor this."))


@pytest.fixture
def made(service: str) -> Iterator[House]:
    with house_before(service) as made:
        yield made


@pytest.fixture
def operator(made: House, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(made.path, capsys)


def converse(daemon: DaemonProcess, *words: str) -> WireClient:
    """Connect to a daemon, hear all that happens from now on, and say something."""
    client = daemon.client()
    client.result("events", topics=TOPICS)
    for each in words:
        say(client, each)
    return client


def say(client: WireClient, words: str) -> None:
    """Send a typed turn; return once it is answered, and a handle covers it."""
    client.result("send_text", text=words)
    assert client.event_of("live.turn_complete")["data"]["user"] == words
    client.event_of("session.resume_update")


def goes_on(client: WireClient, *words: str) -> Message:
    """Check that the transcript is whole; return how the session was taken up again."""
    instance = client.result("daemon.hello")["instance"]
    client.result("events", topics=["session.resumed"], since=f"{instance}:0")
    resumed = client.event_of("session.resumed")["data"]
    assert [turn["user"] for turn in client.result("transcript")["turns"]] == list(words)
    return dict(resumed)


def tool_call(program: WireClient) -> Message:
    """Return the next call that a program is asked to carry out."""
    return dict(program.event_of("tool.call")["data"])


def lines(daemon: DaemonProcess, *texts: str) -> int:
    """Return how many lines of the log hold all these texts."""
    return sum(all(text in line for text in texts) for line in daemon.log)


# The key is revoked.


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(OLD_KEY)
    file.chmod(0o600)
    return file


def revoked(way: Way, client: WireClient) -> None:
    """Have the key refused at the next connection, and wait for that."""
    way.close()
    client.event_of("session.reconnecting")
    client.result("send_text", text="In the gap")
    way.revoke(OLD_KEY)
    way.open()
    ended = client.event_of("session.disconnected")["data"]
    assert "API key expired" in ended["message"]


def test_a_key_is_revoked_and_a_new_one_put_in_its_file(
    made: House, operator: Operator, key_file: Path
) -> None:
    values = (*MODEL, f"session.key_file={key_file}")
    with way_to(made.url) as way:
        daemon = made.start(*values, f"session.base_url={way.url}", key="")
        with converse(daemon, "One") as client:
            client.result("state.set", key="session:order", value="latte")
            revoked(way, client)
            daemon.wait_for("API key expired. Please renew the API key.")
            assert lines(daemon, "Check the API key", "[auth.rejected]") == 1
            found, remedy = operator.finds()["session"]
            assert ("Check the API key" in found, "livectl connect" in remedy) == (True, True)
            assert operator.metric('livehandle_errors_by_name_total{name="auth.rejected"}') == 1
            assert operator.types("connect").code == 4  # it is still the old one

            key_file.write_text(NEW_KEY)
            assert operator.types("connect").code == 0
            client.event_of("session.connected")
            assert client.event_of("live.turn_complete")["data"]["user"] == "In the gap"
            assert operator.finds() == {}
            resumed = goes_on(client, "One", "In the gap")
            assert (resumed["restored"], resumed["lost"]) == ("reseeded", 0)
            assert "another key" in resumed["reason"]
            assert client.result("state.get", key="session:order")["value"] == "latte"
            assert operator.asks("session")["connection"]["generation"] == 2
        assert [words for words in made.words() if words == "In the gap"] == ["In the gap"]
        assert not lines(daemon, OLD_KEY) + lines(daemon, NEW_KEY)


def test_a_revoked_key_in_the_environment_takes_a_restart_that_loses_nothing(made: House) -> None:
    with way_to(made.url) as way:
        where = f"session.base_url={way.url}"
        first = made.start(*MODEL, where, key=OLD_KEY)
        with converse(first, "One") as client:
            revoked(way, client)
        first.stop()
        with made.start(*MODEL, where, key=NEW_KEY).client() as client:
            client.result("events", topics=["live.*"])
            assert client.event_of("live.turn_complete")["data"]["user"] == "In the gap"
            assert goes_on(client, "One", "In the gap")["restored"] == "reseeded"


# The network is gone.


def test_the_network_goes_and_comes_back(made: House, operator: Operator) -> None:
    with way_to(made.url) as way:
        daemon = made.start(*MODEL, f"session.base_url={way.url}")
        with converse(daemon, "One") as client:
            way.close()
            client.event(lambda e: "Cannot reach" in str(e["data"].get("cause")))
            client.result("send_text", text="In the gap")
            daemon.wait_for("Check the network, a proxy, and session.base_url.")
            found, remedy = operator.finds()["endpoint"]
            assert ("Connection refused" in found, "Check the network" in remedy) == (True, True)
            assert "Cannot reach" in operator.asks("session")["connection"]["cause"]
            assert operator.metric("livehandle_connections_lost_total") >= 2

            way.open()
            done = operator.types("connect")  # unless it has come back by itself just now
            assert done.code == 0 or "already_connected" in done.err
            resumed = client.event_of("session.resumed")["data"]
            assert (resumed["restored"], resumed["lost"]) == ("handle", 0)
            assert client.event_of("live.turn_complete")["data"]["user"] == "In the gap"
            assert operator.finds() == {}
            assert operator.metric('livehandle_reconnections_total{restored="handle"}') == 1
        assert made.words() == ["One", "In the gap"]


def test_a_name_that_is_not_found_is_corrected_and_read_again(
    made: House, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[session]\nbase_url = "https://{NOWHERE}"\nmodality = "text"\n')
    key = {"GEMINI_API_KEY": OLD_KEY}
    with running_daemon("--config", str(file), environ=key) as daemon:
        operator = Operator(daemon.path, capsys)
        done = operator.types("connect")
        assert (done.code, NOWHERE in done.err) == (5, True)
        daemon.wait_for("Name or service not known")
        found, remedy = operator.finds()["endpoint"]
        assert ("Name or service not known" in found, "session.base_url" in remedy) == (True, True)
        assert operator.metric('livehandle_errors_by_name_total{name="upstream.unreachable"}') == 1

        file.write_text(file.read_text().replace(f"https://{NOWHERE}", made.url))
        assert operator.types("daemon.reload").code == 0
        assert operator.types("connect").code == 0
        assert operator.finds() == {}


# The disk is full.

LONG = "Two" * 2000

SOON = f"import sys, livehandled.saver as s; s.RETRY_S = {RETRY_S / 50}; "
MAIN = "from livehandled.__main__ import main; sys.exit(main())"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, kib=256) as disk:
        if disk is None:
            pytest.skip("mounting a small disk takes root")
        yield disk


def test_the_disk_is_full_and_has_room_again(
    made: House, operator: Operator, disk: SmallDisk
) -> None:
    daemon = made.start(
        *MODEL,
        f"recording.directory={disk.path}/recordings",
        environ={"STATE_DIRECTORY": str(disk.path)},
        command=(sys.executable, "-c", SOON + MAIN),
    )
    store = Store(snapshot_path(made.path, {"STATE_DIRECTORY": str(disk.path)}))
    made.store = store
    try:
        with converse(daemon, "One") as client, daemon.client() as other:
            assert operator.types("recording.start").code == 0
            other.result("events", topics=["daemon.recording_changed"])
            disk.fill()
            say(client, LONG)
            told = other.event()["data"]
            assert told["reason"] == "failed"
            assert ("see to the disk" in told["message"], told["recording"]["dropped"]) == (True, 0)
            daemon.wait_for("[recording.failed]")
            daemon.wait_for("[daemon.snapshot]")
            assert operator.types("recording").out.startswith("No recording runs")
            found, remedy = operator.finds()["snapshot"]
            assert ("No space left" in found, "Make room" in remedy) == (True, True)
            assert operator.metric("livehandle_snapshot_failing") == 1
            say(client, "Three")

            disk.make_room()
            daemon.wait_for("snapshot is written again")
            assert lines(daemon, "No space left on device", "[daemon.snapshot]") == 1
            assert operator.finds() == {}
            assert operator.metric("livehandle_snapshot_failing") == 0
            made.until_kept(lambda s: s.turns == 3)
            assert operator.types("recording.start").code == 0
            assert operator.types("recording.stop").code == 0
        daemon.stop(signal.SIGKILL)
        again = made.start(*MODEL, environ={"STATE_DIRECTORY": str(disk.path)})
        with again.client() as client:
            words = ("One", LONG, "Three")
            assert goes_on(client, *words)["restored"] == "handle"
    finally:
        for each in made.daemons:
            each.close()


# The clock jumps.


@pytest.fixture
def clock(tmp_path: Path) -> FakeTime:
    found = library()
    if found is None:
        pytest.skip("libfaketime is not installed")
    return FakeTime(found, tmp_path / "clock")


def jump(clock: FakeTime, client: WireClient, seconds: int) -> Message:
    """Set a daemon's clock; return the event of something that is done then."""
    clock.jump_to(seconds)
    client.result("state.set", key="app:clock", value=seconds)
    return client.event(lambda e: e["data"].get("key") == "app:clock")


def test_the_clock_jumps_and_nothing_is_early_or_lost(made: House, clock: FakeTime) -> None:
    daemon = made.start(*MODEL, "voice.vad=off", environ=clock.environ)
    silence = base64.b64encode(bytes(640)).decode()
    with converse(daemon) as client, daemon.client() as program:
        program.result("tools.register", declarations=[{"name": "light"}])
        say(client, "One")
        client.result("send_audio", data=silence)
        client.result("send_text", text="call light {}")
        call = tool_call(program)
        before = jump(clock, client, 0)
        ahead = jump(clock, client, HOUR_S)
        behind = jump(clock, client, -DAY_S)
        daemon.wait_for(f"the clock jumped forward by {HOUR_S} s")
        daemon.wait_for(f"the clock jumped back by {HOUR_S + DAY_S} s")
        assert lines(daemon, "the clock jumped") == 2
        assert before["seq"] < ahead["seq"] < behind["seq"]
        assert ahead["ts_ms"] - before["ts_ms"] >= HOUR_S * 1000
        assert ahead["ts_ms"] - behind["ts_ms"] >= DAY_S * 1000
        assert client.result("claims")["mic"] is not None
        program.result("tools.respond", call_id=call["call_id"], result="on")
        client.event_of("live.turn_complete")
        assert client.result("session")["reconnects"] == 0
    assert not lines(daemon, "timeout") + lines(daemon, "session reconnecting")


def test_handles_grow_old_by_the_clock_of_the_day(made: House, clock: FakeTime) -> None:
    words: list[str] = []
    for ahead, restored in ((0, None), (-DAY_S, "handle")):
        daemon = made.start(*MODEL, environ=clock.ahead(ahead))
        with converse(daemon) as client:
            if restored is not None:
                assert goes_on(client, *words)["restored"] == restored
            words.append(f"It is {ahead}")
            say(client, words[-1])
        daemon.stop()
    with made.start(*MODEL, environ=clock.ahead(3 * HOUR_S - DAY_S)).client() as client:
        resumed = goes_on(client, *words)
        assert resumed["restored"] == "reseeded"
        assert "older than 2 hours" in resumed["reason"]


# The process is killed, and its configuration broken; its socket is removed.


def test_a_killed_daemon_with_a_broken_configuration(
    made: House, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made.path.parent / ".config/livehandle/config.toml"
    file.parent.mkdir(parents=True)
    daemon = made.start(*MODEL)
    with converse(daemon, "One"):
        made.until_kept(lambda s: s.turns == 1 and s.handle is not None)
        daemon.stop(signal.SIGKILL)
    assert operator.types("session").code == 2
    assert "No daemon answers" in operator.finds()["daemon"][0]

    file.write_text("[session]\nmodel = 'm'\n[limits]\nring_event = 9\n")
    with refused_daemon(made.path) as refused:
        assert refused.exit_code() == 3
        [sentence] = refused.log
    expected = f"Correct limits.ring_event (file {file}:4): there is no such key; did you mean"
    assert expected in sentence
    monkeypatch.setenv("HOME", str(made.path.parent))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    checked = operator.types("config", "check")
    assert (checked.code != 0, expected in checked.err) == (True, True)

    file.unlink()
    with made.start(*MODEL).client() as client:
        assert goes_on(client, "One")["restored"] == "handle"
    assert operator.finds() == {}


def test_the_socket_is_removed_with_its_directory(
    made: House, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made.path = made.path.parent / "run" / "s"
    operator = Operator(made.path, capsys)
    state = {"STATE_DIRECTORY": str(tmp_path)}
    daemon = made.start(*MODEL, environ=state)
    with converse(daemon, "One") as client:
        shutil.rmtree(made.path.parent)
        say(client, "Two")  # who is connected stays so
        assert operator.types("session").code == 2
        found, remedy = operator.finds()["socket"]
        assert ("was removed" in found, "Stop that daemon" in remedy) == (True, True)
        daemon.stop()
    with made.start(*MODEL, environ=state).client() as client:
        assert goes_on(client, "One", "Two")["restored"] == "handle"
    assert json.loads(operator.types("--json", "doctor").out)["checks"][0]["state"] == "ok"
