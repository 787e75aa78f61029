"""The recipes of client/shell/README.md, each run as it stands there against a real daemon."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, private_directory, running_daemon
from support.emulator import running_emulator
from support.languages import CLIENT, insisted
from support.wire import WireClient

SHELL = CLIENT / "shell"
README = (SHELL / "README.md").read_text()
RECIPES = dict(re.findall(r"<!-- (\w+) -->\n```(?:ba)?sh\n(.*?)```", README, re.DOTALL))
MISSING = [tool for tool in ("bash", "jq", "nc", "socat") if shutil.which(tool) is None]
KEY = {"GEMINI_API_KEY": "x" * 30}

pytestmark = pytest.mark.skipif(
    bool(MISSING) and not insisted(),
    reason=f"not installed: {', '.join(MISSING)} (.ci/run installs them)",
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    """Give a daemon whose model takes no time."""
    with private_directory() as directory, running_emulator(directory) as emulator:
        given = (f"session.base_url={emulator.url}", "voice.vad=off")
        flags = [word for setting in given for word in ("--set", setting)]
        with running_daemon(*flags, environ=KEY) as daemon:
            yield daemon


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[WireClient]:
    with daemon.client() as client:
        yield client


class Script:
    """Recipes under way in one bash, in the folder of the shell's client."""

    def __init__(self, daemon: DaemonProcess, *names: str, folder: Path = SHELL) -> None:
        self.process = subprocess.Popen(
            ["bash", "-c", "\n".join(RECIPES[name] for name in ("socket", *names))],
            cwd=folder,
            env={**os.environ, "LIVEHANDLE_SOCKET": str(daemon.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> str:
        """Wait for its end; return what it printed."""
        out, err = self.process.communicate(timeout=30)
        assert (self.process.returncode, err) == (0, ""), out
        return out

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        return line.rstrip("\n")


@contextmanager
def running(daemon: DaemonProcess, *names: str) -> Iterator[Script]:
    """Run recipes that go on until they are ended."""
    script = Script(daemon, *names)
    try:
        yield script
    finally:
        os.killpg(script.process.pid, signal.SIGKILL)
        script.process.communicate()


def test_one_question_prints_the_phase(daemon: DaemonProcess, client: WireClient) -> None:
    client.result("disconnect")
    assert Script(daemon, "phase").end() == "disconnected\n"


def test_the_function_prints_results_and_errors(daemon: DaemonProcess) -> None:
    script = Script(daemon, "call", "state")
    out, err = script.process.communicate(timeout=30)
    assert out == "null\ntrue\n"
    assert re.fullmatch(r"[A-Z].* \[text\.empty\]\n", err)
    assert script.process.returncode != 0


@pytest.mark.parametrize("call", ["call state.get '{bad'", "SOCKET=/nonexistent call phase"])
def test_the_function_fails_where_nothing_was_asked_or_answers(
    daemon: DaemonProcess, call: str
) -> None:
    RECIPES["failing"] = call
    script = Script(daemon, "call", "failing")
    out, err = script.process.communicate(timeout=30)
    assert (out, bool(err)) == ("", True)
    assert script.process.returncode != 0


def test_waiting_for_a_phase_ends_when_it_comes(daemon: DaemonProcess, client: WireClient) -> None:
    client.result("disconnect")
    assert Script(daemon, "call", "wait").end() == "active\n"


def test_the_reply_is_printed_as_it_comes(daemon: DaemonProcess) -> None:
    assert Script(daemon, "say").end() == "You typed: Is anybody there?\n"


def test_what_happens_is_followed(daemon: DaemonProcess, client: WireClient) -> None:
    before = connections(client)
    with running(daemon, "follow") as script:
        subscribed(client, before)
        client.result("state.set", key="app:seen", value="it")
        line = script.line()
        while not line.startswith("state.changed "):
            line = script.line()
    assert '"key":"app:seen"' in line


def test_a_cursor_goes_on_over_a_restart_or_says_what_was_missed() -> None:
    with running_daemon("--emulator") as daemon, running(daemon, "cursor") as script:
        assert re.fullmatch(r"from \w+:\d+", script.line())
        with daemon.client() as client:
            client.result("state.set", key="app:one", value=1)
        assert script.line() == "app:one is 1"
        daemon.stop(signal.SIGKILL)
        again = DaemonProcess(daemon.path, "--emulator")
        try:
            again.wait_for("listening on")
            assert script.line() == "something was missed"
            with again.client() as client:
                client.result("state.set", key="app:two", value=2)
            assert script.line() == "app:two is 2"
        finally:
            again.close()


def test_a_recording_is_heard_and_answered(tmp_path: Path) -> None:
    shutil.copy(CLIENT / "livectl/data/hello.wav", tmp_path / "speech.wav")
    RECIPES["quick"] = RECIPES["wav"].replace("sleep 0.1", "sleep 0.01")
    with private_directory() as directory, running_emulator(directory) as emulator:
        flags = ("--set", f"session.base_url={emulator.url}")
        with running_daemon(*flags, environ=KEY) as daemon:
            out = Script(daemon, "quick", folder=tmp_path).end()
    assert re.fullmatch(r"you: .*speech.*\nmodel: .+\n", out), out


def test_a_call_of_the_model_is_answered(daemon: DaemonProcess, client: WireClient) -> None:
    client.result("events", topics=["live.tool_execution"])
    with running(daemon, "tool"):
        registered(client, "get_time")
        client.result("send_text", text="call get_time")
        execution = client.event_of("live.tool_execution")["data"]
    assert re.fullmatch(r"[0-9]{2}:[0-9]{2}", execution["result"]["time"])


def test_the_house_switches_lights_and_hears_the_doorbell(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with running(daemon, "house") as script:
        assert script.line() == "the house listens"
        client.result("send_text", text='call set_light {"room": "kitchen", "on": true}')
        assert script.line() == "light in the kitchen: on"
        assert script.line() == 'set_light answered {"done": true}.'
        client.result("state.set", key="app:doorbell", value=1)
        assert script.line() == "You typed: The doorbell rings: tell us."


def test_hello_is_in_the_readme_as_it_is() -> None:
    assert RECIPES["hello"] == (SHELL / "examples/hello.sh").read_text()


def test_every_recipe_is_tried() -> None:
    source = Path(__file__).read_text()
    blocks = len(re.findall(r"^```(?:ba)?sh$", README, re.MULTILINE))
    assert len(RECIPES.keys() - {"quick", "failing"}) == blocks
    assert all(f'"{name}"' in source for name in RECIPES)


def test_hello_without_a_daemon_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(SHELL / "examples/hello.sh")],
        env={**os.environ, "LIVEHANDLE_SOCKET": str(tmp_path / "s")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"No daemon answers at {tmp_path / 's'}: start one with livehandled.\n"


def registered(client: WireClient, name: str) -> None:
    """Wait until a script has registered its function."""
    while name not in {tool["name"] for tool in client.result("tools.list")["tools"]}:
        pass


def subscribed(client: WireClient, before: set[str]) -> None:
    """Wait until a connection has subscribed that was not there before."""
    while not connections(client, subscribed=True) - before:
        pass


def connections(client: WireClient, *, subscribed: bool = False) -> set[str]:
    """Return the daemon's connections, or those that have subscribed."""
    clients = client.result("daemon.status")["clients"]
    return {one["connection"] for one in clients if one["subscriptions"] or not subscribed}
