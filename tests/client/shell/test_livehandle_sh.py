"""client/shell/livehandle.sh: what it answers to wrong use, and what it goes on with."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, private_directory, running_daemon
from support.languages import CLIENT, insisted

LIBRARY = CLIENT / "shell" / "livehandle.sh"
MISSING = [tool for tool in ("bash", "jq", "socat") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING) and not insisted(),
    reason=f"not installed: {', '.join(MISSING)} (.ci/run installs them)",
)

NAME = "jq -r .data.name <<<$REPLY"


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


def run(path: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has sourced the library, with unset variables as errors."""
    return subprocess.run(
        ["bash", "-c", f"set -u; source {LIBRARY}; {script}"],
        env={**os.environ, "LIVEHANDLE_SOCKET": str(path), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


WRONG_USE = {
    "a call before it is open": (f"live_call phase || {NAME}", "daemon.unreachable"),
    "the next event before it is open": ("live_next || echo none", "none"),
    "closing before it is open": ("live_close && echo closed", "closed"),
    "a call after it is closed": (
        f"live_open x; live_close; live_close; live_call phase || {NAME}",
        "daemon.unreachable",
    ),
    "parameters that are not JSON": (
        f"live_open x; live_call state.get '{{bad' || {NAME}; live_begin phase '}}' || {NAME}",
        "wire.invalid_params\nwire.invalid_params",
    ),
    "a topic that there is not": (
        f"live_open x; live_subscribe '[\"nope\"]' || {NAME}; live_call daemon.ping && echo on",
        "events.unknown_topic\non",
    ),
    "a name with quotes": ("live_open 'a\"b'; live_call daemon.ping; echo $REPLY", "null"),
    "a failed call under set -e, with a trap": (
        """live_open x; set -e; trap 'jq -r .message <<<"$REPLY"' ERR
        live_call send_text '{}'; echo on""",
        "send_text needs the parameter `text`.",
    ),
}


@pytest.mark.parametrize("use", WRONG_USE)
def test_wrong_use_is_answered(daemon: DaemonProcess, use: str) -> None:
    script, expected = WRONG_USE[use]
    done = run(daemon.path, script)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


def test_a_program_dies_of_a_broken_pipe_as_ever(daemon: DaemonProcess) -> None:
    done = run(daemon.path, "live_open x; yes | head -n 1")
    assert (done.stdout, done.stderr) == ("y\n", "")


def test_another_subscription_ends_the_one_before(daemon: DaemonProcess) -> None:
    done = run(
        daemon.path,
        """live_open x
        live_subscribe '["state.changed"]'; live_subscribe '["state.changed"]'
        for value in 1 2; do live_call state.set '{"key":"app:n","value":'$value'}'; done
        for _ in 1 2; do live_next; jq .value <<<"$LIVE_DATA"; done""",
    )
    assert (done.stdout, done.stderr) == ("1\n2\n", "")


def test_a_subshell_notifies_and_does_not_hold_the_connection(daemon: DaemonProcess) -> None:
    done = run(
        daemon.path,
        """live_open x; live_subscribe '["state.changed"]'
        coproc SLOW { live_notify state.set '{"key": "app:by", "value": "notice"}'; read -r _; }
        live_next; jq -r .value <<<"$LIVE_DATA"
        live_notify nope; live_next; echo "$LIVE_TOPIC"
        live_close; kill "$SLOW_PID" && echo closed""",
    )
    assert done.stdout == "notice\ndaemon.notification_failed\nclosed\n", done.stderr


@pytest.mark.parametrize("answer", ["", '{"jsonrpc":"2.0","id":1,"result":null}', "HTTP/1.1 400"])
def test_what_is_not_the_daemon_is_told(answer: str) -> None:
    with private_directory() as directory:
        path = directory / "s"
        code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])\n"
        code += "s.listen(); print(flush=True); c, _ = s.accept(); c.recv(9999)\n"
        code += "c.sendall(sys.argv[2].encode() + b'\\n'); c.close()"
        with subprocess.Popen(
            ["python3", "-c", code, str(path), answer], stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            server.stdout.readline()
            done = run(path, "live_open x")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    assert "107 bytes" in run(tmp_path / ("x" * 120), "live_open x").stderr


def test_a_tool_that_is_not_installed_is_named(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "bash").symlink_to(bash)
    done = run(tmp_path / "s", "live_open x", PATH=str(tmp_path))
    assert done.stderr == "livehandle.sh needs jq: install it.\n"


def test_all_that_was_registered_is_registered_again() -> None:
    script = """live_open x
        live_register '[{"name": "one"}]'; live_register '[{"name": "two"}]'; echo ready
        while live_next; do [[ $LIVE_TOPIC != client.connected ]] || break; done
        live_call tools.list; jq -c '[.tools[] | select(.client == "x").name]' <<<"$REPLY\""""
    with (
        running_daemon("--emulator") as daemon,
        subprocess.Popen(
            ["bash", "-c", f"source {LIBRARY}; {script}"],
            env={**os.environ, "LIVEHANDLE_SOCKET": str(daemon.path)},
            stdout=subprocess.PIPE,
            text=True,
        ) as program,
    ):
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        daemon.stop(signal.SIGKILL)
        again = DaemonProcess(daemon.path, "--emulator")
        try:
            again.wait_for("listening on")
            assert sorted(json.loads(program.stdout.readline())) == ["one", "two"]
        finally:
            again.close()
