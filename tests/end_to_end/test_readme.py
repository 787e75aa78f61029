"""What the README shows is run as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehandle_proto.methods import METHODS
from support.daemon import DaemonProcess, environment, running_daemon
from support.emulator import running_emulator

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
WHAT_IT_SAYS = "You typed: Hello"


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


def output_of(command: list[str], path: Path, stdin: str = "") -> str:
    environ = {**os.environ, "SOCKET": str(path), "LIVEHANDLE_SOCKET": str(path)}
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environ, timeout=30, check=True
    )
    return done.stdout


def test_the_bare_python_example_prints_the_reply_and_is_short(daemon: DaemonProcess) -> None:
    bare = EXAMPLES[0]
    assert "livehandle" not in bare
    assert len([line for line in bare.splitlines() if line.strip()]) <= 16
    assert output_of([sys.executable, "-c", bare], daemon.path) == WHAT_IT_SAYS


def test_the_library_example_prints_every_event_of_the_turn(daemon: DaemonProcess) -> None:
    printed = output_of([sys.executable, "-c", EXAMPLES[1]], daemon.path).splitlines()
    words = re.findall(r"live.output_transcript \{'text': '([^']*)'", "\n".join(printed))
    assert "".join(words) == WHAT_IT_SAYS
    assert printed[-1].startswith("live.turn_complete")


def test_the_example_without_a_daemon_does_the_same_and_is_short(tmp_path: Path) -> None:
    found = re.search(r"<!-- library -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    lines = [line for line in found[1].splitlines() if line.strip()]
    assert len(lines) < 15
    with running_emulator(tmp_path) as emulator:
        port = emulator.url.rpartition(":")[2]
        program = "\n".join(lines).replace(":9000", f":{port}")
        environ = environment(tmp_path, {"GEMINI_API_KEY": "any"})
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            env=environ,
            timeout=30,
            check=True,
        )
    words = re.findall(r"live.output_transcript .*text='([^']*)'", done.stdout)
    assert "".join(words) == WHAT_IT_SAYS
    assert done.stdout.splitlines()[-1].startswith("live.turn_complete")


def test_the_faults_of_the_readme_do_what_it_says(daemon: DaemonProcess) -> None:
    found = re.search(r"<!-- faults -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None
    binaries = Path(sys.executable).parent
    environ = {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "LIVEHANDLE_SOCKET": str(daemon.path),
    }
    done = subprocess.run(
        ["sh", "-c", found[1]], capture_output=True, text=True, env=environ, timeout=30, check=True
    )
    assert done.stdout.startswith("You typed: Hi\n")
    assert done.stdout.endswith("You typed: And now?\n")
    lost = r"livectl: The connection was lost .* \[upstream.unreachable\]\n"
    assert re.fullmatch(lost, done.stderr)
    session = subprocess.run(
        ["livectl", "session", "--json"], capture_output=True, text=True, env=environ, check=True
    )
    # One, where the go-away came before the handle and waited for the end of the next turn.
    assert json.loads(session.stdout)["reconnects"] in {1, 2}


@pytest.mark.skipif(shutil.which("nc") is None, reason="needs nc (netcat-openbsd)")
def test_the_tool_in_bash_answers_the_model(daemon: DaemonProcess) -> None:
    found = re.search(r"<!-- tool -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert found is not None
    environ = {**os.environ, "SOCKET": str(daemon.path)}
    with subprocess.Popen(["bash", "-c", found[1]], env=environ) as tool, daemon.client() as client:
        try:
            while not client.result("tools.list")["tools"]:
                assert tool.poll() is None, "the tool has ended"
            client.result("events", topics=["live.tool_execution"])
            client.result("send_text", text="call get_time")
            execution = client.event_of("live.tool_execution")["data"]
        finally:
            daemon.stop()  # and the tool ends with it
            tool.wait(10)
    assert re.fullmatch(r"[0-9]{2}:[0-9]{2}", execution["result"]["output"])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_in_the_readme(method: str) -> None:
    a_writers = "writer." + method.partition(".")[2] in METHODS  # there as `writer.*`
    assert a_writers or f"`{method}`" in README


@pytest.mark.skipif(shutil.which("nc") is None, reason="needs nc (netcat-openbsd)")
def test_nc_gets_an_answer_to_a_line_without_an_end(daemon: DaemonProcess) -> None:
    command = re.search(r"\$ (printf .*\| nc .*)", README)
    assert command is not None
    answer = '{"jsonrpc":"2.0","result":{"phase":"disconnected"},"id":1}\n'
    assert output_of(["sh", "-c", command[1]], daemon.path) == answer


@pytest.mark.skipif(shutil.which("socat") is None, reason="needs socat")
def test_socat_gets_answers_and_then_events(daemon: DaemonProcess) -> None:
    command = re.search(r"\$ (socat .*)\n((?:\{.*\n)+)", README)
    assert command is not None
    waiting = [
        "sh",
        "-c",
        command[1].replace("socat ", "socat -t 10 ") + " | grep -m1 live.output_transcript",
    ]
    assert '"text":"You "' in output_of(waiting, daemon.path, command[2])


@pytest.mark.parametrize("folder", ["proto", "daemon", "client", "systemd", "tests"])
def test_every_folder_of_the_house_is_in_the_readme(folder: str) -> None:
    assert f"\n{folder}/" in README
    assert (Path(__file__).parents[2] / folder).is_dir()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (Path(__file__).parents[2] / target).exists()


def test_the_extractor_of_the_readme_finds_the_latte(daemon: DaemonProcess) -> None:
    found = re.search(r"```console\n(\$ livectl call extractors.*?)```", README, re.DOTALL)
    assert found is not None
    commands = [line[2:] for line in found[1].splitlines() if line.startswith("$ ")]
    shown = "\n".join(found[1].splitlines()[len(commands) :])
    livectl = Path(sys.executable).with_name("livectl")
    printed = [
        output_of(["sh", "-c", command.replace("livectl", str(livectl), 1)], daemon.path)
        for command in commands
    ]
    assert printed[-1].strip() == shown.strip()
