"""The finished commands of livectl against a daemon with its emulator."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.__main__ import main
from livectl.description import Method, methods
from livectl.methods import example_line
from livehandle_proto import __version__
from support.daemon import DaemonProcess, environment, running_daemon
from support.livectl import Running, livectl
from support.screens import rows_of
from support.terminals import OnTerminal
from support.wire import WireClient

FAST = (
    *("--emulator", "--set", "resumption.store=false"),
    *("--set", "session.model=gemini-2.0-flash-live-001", "--set", "session.modality=text"),
)


def subscriptions(client: WireClient) -> int:
    return sum(int(one["subscriptions"]) for one in client.result("daemon.status")["clients"])


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon(*FAST) as daemon:
        yield daemon


def test_a_question_is_asked_watched_and_waited_for(daemon: DaemonProcess) -> None:
    command = [sys.executable, "-m", "livectl", "--socket", str(daemon.path), "watch"]
    environ = environment(daemon.path.parent, {"TERM": "xterm"})
    with OnTerminal(command, environ, columns=60) as watch:
        waiting = Running(daemon.path, "wait", "turn", "--timeout", "30", "--json")
        # Both have subscribed once the daemon says so: a call of another comes after them.
        with daemon.client() as client:
            while subscriptions(client) < 2:
                time.sleep(0.02)  # nothing tells of a subscription
        words = "What do you say to a line that is longer than the terminal is wide?"
        assert livectl(daemon.path, "ask", *words.split()) == (0, f"You typed: {words}\n", "")
        assert livectl(daemon.path, "state.set", "app:theme", "dark") == (0, "", "")
        watch.until("app:theme = dark")
        watch.type("\x03")
        assert watch.end() == 130
    code, out, err = waiting.end()
    assert (code, err) == (0, "")
    assert json.loads(out)["data"]["user"] == words
    seen = [re.sub(r"^[\d:.]{12} ", "", row).strip() for row in rows_of(watch.seen)]
    assert "\033[35mmodel" in watch.seen
    at = next(n for n, row in enumerate(seen) if row.startswith("model"))
    assert seen[at].startswith("model    You typed: What do")
    told = " ".join([seen[at].removeprefix("model    "), *seen[at + 1 : at + 4]])
    assert words in told
    assert f"you      (typed) {words}"[:60] in " ".join(seen)
    assert re.fullmatch(r"livectl: go on with --since [0-9a-f]+:\d+", seen[-1])


def test_the_session_is_waited_for_and_its_answers_are_json(daemon: DaemonProcess) -> None:
    assert livectl(daemon.path, "ask", "Hello", "--json").code == 0
    assert livectl(daemon.path, "wait", "phase", "active", "--timeout", "30").out == "active\n"
    answer = json.loads(livectl(daemon.path, "ask", "Hi there", "--json").out)
    assert (answer["text"], answer["interrupted"]) == ("You typed: Hi there", False)


def test_the_doctor_finds_nothing_wrong(daemon: DaemonProcess) -> None:
    code, out, err = livectl(daemon.path, "doctor", "--json")
    told = json.loads(out)
    assert (code, err, told["ok"]) == (0, "", True), out
    found = {check["name"]: check["found"] for check in told["checks"]}
    assert f"livehandled {__version__}" in found["versions"]
    assert str(daemon.process.pid) in found["daemon"]
    assert found["key"] == "The emulator needs none."


def test_the_readme_s_commands_run_as_they_stand(daemon: DaemonProcess) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    found = re.search(r"<!-- livectl -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {"LIVEHANDLE_SOCKET": str(daemon.path), "PATH": path}
    done = subprocess.run(
        ["sh", "-eu", "-c", found[1]],
        env=environment(daemon.path.parent, environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for told in ("You typed: What is", "active\n", '"value": "dark"', "ok  daemon", "(code 1301"):
        assert told in done.stdout


def test_a_daemon_whose_key_does_not_count_is_found_out() -> None:
    base = ("--set", "session.base_url=ws://127.0.0.1:9/")
    with running_daemon(*base) as daemon:
        environ = {"GEMINI_API_KEY": "key-of-the-client"}
        code, out, _ = livectl(daemon.path, "doctor", environ=environ)
    assert code == 1
    assert "!!  key" in out
    assert "Connection refused" in out
    assert "key-of-the-client" not in out


_APART = {
    # They end what the others need, wait for what does not come by itself, or hold on.
    *("daemon.shutdown", "disconnect", "session.disconnect", "writer.disconnect"),
    *("session.wait_for_phase", "done", "events", "subscribe"),
    *("claim", "tools.register"),
}


def test_the_example_of_every_method_is_a_command_that_the_daemon_understands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running_daemon(*FAST) as daemon:
        for method in methods().values():
            if method.name in _APART or (line := _example(method)) is None:
                continue
            code = main(["--socket", str(daemon.path), "--json", *shlex.split(line)[1:]])
            told = capsys.readouterr().err
            error = json.loads(told)["error"]["data"]["name"] if told else None
            assert (error is None) is (code == 0)
            # What an example names may not be there; that it is misunderstood would be a mistake.
            assert error is None or error in set(method.errors) - _MISUNDERSTOOD, told
        assert main(["--socket", str(daemon.path), "daemon.shutdown"]) == 0
        assert daemon.exit_code() == 0


_MISUNDERSTOOD = {"wire.invalid_params", "wire.method_not_found", "wire.internal"}


def _example(method: Method) -> str | None:
    """Return the command line of a method's example, None where it is too long to be shown."""
    line = example_line(method, method.examples[0][0])
    return None if "…" in line else line
