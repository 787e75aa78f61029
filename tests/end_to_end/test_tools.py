"""Functions of the model in client processes: a real daemon, the emulator, real processes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.daemon import DaemonProcess, private_directory, running_daemon
from support.emulator import running_emulator
from support.wire import Message, WireClient, request

NEW, LEGACY = "gemini-3.8-live", "gemini-3.1-flash-live-preview"
KEY = {"GEMINI_API_KEY": "x" * 30}

# A tool in the shell: it needs nothing but a way to the socket.
SHELL = r"""
coproc DAEMON { exec $1 "$2"; }
request() { echo '{"jsonrpc":"2.0","id":1,"method":"'$1'","params":'$2'}' >&${DAEMON[1]}; }
request tools.register '{"declarations":[{"name":"'$3'"}]}'
while read -r line <&${DAEMON[0]}; do
  case $line in
    *'"declared"'*) echo registered ;;
    *'"topic":"tool.call"'*)
      id=${line#*'"call_id":"'} id=${id%%'"'*}
      a=${line#*'"a":'} a=${a%%[,\}]*}
      b=${line#*'"b":'} b=${b%%[,\}]*}
      request tools.respond '{"call_id":"'$id'","result":'$((a + b))'}' ;;
  esac
done
"""

# A tool as a process: it registers, tells what it reads, and answers if it is to.
PYTHON = """
import json, socket, sys
path, answers, params = sys.argv[1], sys.argv[2] == "answers", sys.argv[3]
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
def ask(method, params):
    line = '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\\n' % (method, params)
    connection.sendall(line.encode())
ask("tools.register", params)
for line in connection.makefile():
    print(line, end="", flush=True)
    message = json.loads(line)
    if message.get("method") == "event" and answers:
        answer = {"call_id": message["params"]["data"]["call_id"], "result": 42}
        ask("tools.respond", json.dumps(answer))
"""


class Tool:
    """A tool in a process of its own."""

    def __init__(self, daemon: DaemonProcess, *, answers: bool, **params: object) -> None:
        answering = "answers" if answers else "never"
        arguments = [str(daemon.path), answering, json.dumps(params)]
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", PYTHON, *arguments], stdout=subprocess.PIPE, text=True
        )
        self.token = self.read()["result"]["registration"]

    def read(self) -> Message:
        """Return what it read next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the tool's process has ended"
        return dict(json.loads(line))

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def tool(daemon: DaemonProcess, *, answers: bool, **params: object) -> Iterator[Tool]:
    running = Tool(daemon, answers=answers, **params)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def conversing(*settings: str, model: str = NEW) -> Iterator[DaemonProcess]:
    """Run a daemon whose model answers in no time."""
    with private_directory() as directory, running_emulator(directory) as emulator:
        given = [f"session.base_url={emulator.url}", f"session.model={model}", *settings]
        flags = [word for setting in given for word in ("--set", setting)]
        with running_daemon(*flags, environ=KEY) as daemon, daemon.client() as client:
            client.result("connect")
            yield daemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    """Give a daemon that all share: each has functions of other names, for they stay a while."""
    with conversing("tools.grace_ms=50", "tools.max_repeats=2") as daemon:
        yield daemon


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[WireClient]:
    """Give a client that hears what the model says, and what comes of its calls."""
    with listening(daemon) as client:
        yield client


@contextmanager
def listening(daemon: DaemonProcess) -> Iterator[WireClient]:
    with daemon.client() as client:
        client.result("events", topics=["live.output_transcript", "live.tool_execution"])
        yield client


def said(client: WireClient, words: str) -> None:
    """Wait until the model has said some words."""
    heard = ""
    while words not in heard:
        heard += client.event_of("live.output_transcript")["data"]["text"]


def declarations(*names: str, **more: object) -> list[Message]:
    return [{"name": name, **more} for name in names]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("nc -U", marks=pytest.mark.skipif(not shutil.which("nc"), reason="needs nc")),
        pytest.param(
            "socat -", marks=pytest.mark.skipif(not shutil.which("socat"), reason="needs socat")
        ),
    ],
)
def test_a_tool_may_be_a_shell_script(daemon: DaemonProcess, client: WireClient, way: str) -> None:
    target = f"UNIX-CONNECT:{daemon.path}" if "socat" in way else str(daemon.path)
    name = f"add_by_{way.split()[0]}"
    command = ["bash", "-c", SHELL, "tool", way, target, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shell:
        try:
            assert shell.stdout is not None
            assert shell.stdout.readline() == "registered\n"
            client.result("send_text", text=f'call {name} {{"a": 40, "b": 2}}')
            said(client, f"{name} answered 42.")
        finally:
            shell.kill()


def test_a_killed_tool_s_call_is_answered_within_the_grace(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with tool(daemon, answers=False, declarations=declarations("find")) as finder:
        client.result("send_text", text="call find")
        finder.read()
        finder.kill()
        said(client, "find failed: The client that carried find out is gone.")
    assert "find" not in str(client.result("tools.list"))
    client.result("send_text", text="call find")
    said(client, "There is no function find.")  # the model was told


@pytest.fixture(scope="module")
def patient() -> Iterator[DaemonProcess]:
    """Give a daemon that waits long for a client that has gone."""
    with conversing("tools.grace_ms=60000") as daemon:
        yield daemon


@pytest.mark.parametrize("by", ["token", "name"])
def test_another_process_takes_a_killed_tool_s_call_over(patient: DaemonProcess, by: str) -> None:
    name = f"find_by_{by}"
    with listening(patient) as client:
        with tool(patient, answers=False, declarations=declarations(name)) as finder:
            client.result("send_text", text=f"call {name}")
            asked = finder.read()["params"]["data"]
        until_gone(client, name)
        heirs: dict[str, Message] = {
            "token": {"registration": finder.token},
            "name": {"declarations": declarations(name)},
        }
        with tool(patient, answers=True, **heirs[by]) as heir:
            again = heir.read()["params"]["data"]
            assert (again["call_id"], again["name"]) == (asked["call_id"], name)
            assert (heir.token == finder.token) == (by == "token")
            assert client.event_of("live.tool_execution")["data"]["result"] == {"output": 42}
            said(client, f"{name} answered 42.")


def until_gone(client: WireClient, name: str) -> None:
    """Wait until the daemon knows that a function's client has gone."""
    while True:
        tools = client.result("tools.list")["tools"]
        if [one["connection"] for one in tools if one["name"] == name] == [None]:
            return


def test_a_hundred_calls_at_a_time_are_each_answered_once(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with daemon.client() as worker:
        worker.result("tools.register", declarations=declarations("count"))
        lines = [f'call count {{"n": {number}}}' for number in range(100)]
        client.result("send_text", text="\n".join(lines[:50]))
        for line in lines[50:]:
            client.result("send_text", text=line)
        asked = [worker.event_of("tool.call")["data"] for _ in lines]
        for number, one in enumerate(reversed(asked)):
            worker.send(request("tools.respond", number, call_id=one["call_id"], result="ok"))
        for number in range(100):
            assert worker.answer(number)["result"] is None
        executed = [client.event_of("live.tool_execution")["data"] for _ in lines]
        assert sorted(one["args"]["n"] for one in executed) == list(range(100))
        assert len({one["call_id"] for one in executed}) == 100
        assert client.result("events", snapshot=True)["snapshot"]["pending_tools"] == []


def test_a_barge_in_cancels_the_call_that_the_model_waits_for(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with daemon.client() as worker:
        worker.result("tools.register", declarations=declarations("book", behavior="BLOCKING"))
        client.result("send_text", text="call book")
        call_id = worker.event_of("tool.call")["data"]["call_id"]
        client.result("send_text", text="Never mind.")
        cancelled = worker.event_of("tool.cancel")["data"]
        assert cancelled == {"call_id": call_id, "reason": "cancelled"}
        error = worker.error("tools.respond", call_id=call_id, result=1)
        assert error["data"]["name"] == "tools.call_expired"
        said(client, "Never mind.")


def test_the_model_knows_at_once_what_is_registered_and_unregistered(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with daemon.client() as worker:
        registered = worker.result("tools.register", declarations=declarations("now"))
        assert registered["declared"] == "now"
        client.result("send_text", text="call now")
        call_id = worker.event_of("tool.call")["data"]["call_id"]
        assert worker.result("tools.unregister") == {"declared": "now"}
        assert worker.event_of("tool.cancel")["data"]["call_id"] == call_id
        said(client, "now failed: There is no function now any more.")
        client.result("send_text", text="call now")
        said(client, "There is no function now.")
        assert client.result("session")["reconnects"] == 0


def test_the_legacy_model_knows_with_the_next_connection() -> None:
    with conversing(model=LEGACY) as daemon, listening(daemon) as client:
        register = {"declarations": declarations("f")}
        with daemon.client() as worker:
            assert worker.result("tools.register", **register)["declared"] == "rotation"
            client.result("send_text", text="call f")
            said(client, "There is no function f.")
            worker.result("events", topics=["live.resumed"])
            registered = worker.result("tools.register", **register, reconnect=True)
            assert registered["declared"] == "reconnect"
            worker.event_of("live.resumed")
            client.result("send_text", text="call f")
            call_id = worker.event_of("tool.call")["data"]["call_id"]
            worker.result("tools.respond", call_id=call_id, result="ok")
            said(client, "f answered ok.")


def test_runaway_repetition_is_capped(daemon: DaemonProcess, client: WireClient) -> None:
    with daemon.client() as worker:
        worker.result("tools.register", declarations=declarations("look"))
        client.result("send_text", text="call look\ncall look\ncall look")
        for _ in range(2):
            call_id = worker.event_of("tool.call")["data"]["call_id"]
            worker.result("tools.respond", call_id=call_id, result={})
        executed = [client.event_of("live.tool_execution")["data"] for _ in range(3)]
        assert [one["result"].get("reason") for one in executed].count("repeated") == 1
        client.result("send_text", text="call look")  # the user asks for it
        worker.event_of("tool.call")


def test_arguments_that_do_not_fit_the_client_s_line_are_an_error_and_not_silence(
    daemon: DaemonProcess, client: WireClient
) -> None:
    with daemon.client() as worker:
        worker.result("tools.register", declarations=declarations("take"))
        text = "call take " + json.dumps({"a": "x" * 70_000})
        client.result("send_text", text=text)
        said(client, "take failed: The arguments of take are too large.")
        worker.result("daemon.hello", max_line_bytes=200_000)
        worker.max_line = 200_000
        client.result("send_text", text=text)
        assert len(worker.event_of("tool.call")["data"]["args"]["a"]) == 70_000
