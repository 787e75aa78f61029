"""The TypeScript client: its own tests, and its package in use with a real daemon."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, environment, running_daemon
from support.toolchains import need

FOLDER = Path(__file__).parents[3] / "client" / "typescript"
SAID = 'tool: get_weather Oslo\nget_weather answered {"temperature": 7}.\n'
OUTLIVES = """
import { LiveHandle } from "livehandle";
const live = await LiveHandle.open();
const handler = ({ city }) => console.log("asked for", city) ?? { temperature: 7 };
await live.registerTools([{ name: "get_weather", handler }]);
const events = live.events({ topics: ["live.tool_execution"] });
await live.daemon.ping();
console.log("ready");
for await (const { topic, data } of events) {
  console.log(topic);
  if (topic === "client.reset") await live.sendText({ text: process.argv[1] });
  if (topic === "live.tool_execution") break;
}
console.log(JSON.stringify((await live.state.get({ key: "app:none" }))));
live.close();
"""


STRICT = """
import { LiveHandle, LiveHandleError, type EventStream, type Phase } from "livehandle";
const live = await LiveHandle.open({ client: "strict", signal: AbortSignal.timeout(60_000) });
const stream: EventStream<"live.*"> = live.events({ topics: ["live.*"] });
for await (const event of stream) {
  if (event.topic !== "live.turn_complete") continue;
  const { phase }: { phase: Phase } = await live.phase();
  // @ts-expect-error the data of an event is not `any`
  event.data.nothing(phase, LiveHandleError);
  stream.close();
}
live.close();
"""


def run(*command: str, cwd: Path, extra: dict[str, str] | None = None) -> str:
    environ = environment(cwd, {"npm_config_offline": "true", **(extra or {})})
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(directory: Path) -> None:
    """Build and pack a copy; install that into an empty folder, as its users do."""
    copy, empty = directory / "copy", directory / "empty"
    made = shutil.ignore_patterns("node_modules", "dist", "build")
    shutil.copytree(FOLDER, copy, ignore=made)
    (copy / "node_modules").symlink_to(FOLDER / "node_modules")
    run("npm", "run", "--silent", "pretest", cwd=copy)
    packed = run("npm", "pack", "--silent", "--ignore-scripts", cwd=copy).splitlines()[-1]
    empty.mkdir()
    (empty / "package.json").write_text('{"type": "module"}')
    run("npm", "install", "--silent", "--no-audit", "--no-fund", str(copy / packed), cwd=empty)
    shutil.copy(copy / "build/examples/hello.js", empty)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    modules = FOLDER / "node_modules"
    need(
        ["node", "npm"],
        found=modules.is_dir(),
        install="npm ci in client/typescript",
        compiles=True,
    )
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one worker builds, the others wait for it
        directory = shared / "typescript"
        if not (directory / "installed").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            installed(directory)
            (directory / "installed").touch()
    return directory


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


def test_its_own_tests_pass(package: Path) -> None:
    tests = sorted(str(path) for path in (package / "copy/build/test").glob("*.test.js"))
    assert len(tests) == len(list((FOLDER / "test").glob("*.test.ts")))
    said = run("node", "--test", *tests, cwd=package / "copy")
    assert int(re.findall(r"^# pass (\d+)$", said, re.MULTILINE)[0]) > 50


def test_the_package_holds_the_library_and_its_types(package: Path) -> None:
    held = package / "empty/node_modules/livehandle"
    assert {path.name for path in held.iterdir()} == {"README.md", "dist", "package.json"}
    modules = {path.stem for path in (FOLDER / "src").glob("*.ts")}
    for suffix in (".js", ".d.ts"):
        assert {path.name.removesuffix(suffix) for path in held.glob(f"dist/*{suffix}")} == modules


def test_a_strict_program_compiles_against_the_package_alone(package: Path) -> None:
    """Without the types of Node, and with those of the package checked too."""
    strict = package / "empty/strict.ts"
    strict.write_text(STRICT)
    compiler = FOLDER / "node_modules/.bin/tsc"
    how = "--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --noEmit"
    run(str(compiler), *how.split(), "--module", "nodenext", str(strict), cwd=package / "empty")


def test_the_hello_program_carries_out_a_call_and_prints_the_reply(
    package: Path, daemon: DaemonProcess
) -> None:
    where = {"LIVEHANDLE_SOCKET": str(daemon.path)}
    empty = package / "empty"
    assert run("node", "hello.js", cwd=empty, extra=where) == SAID
    assert run("node", "hello.js", "Hi", cwd=empty, extra=where) == "You typed: Hi\n"


def test_a_program_outlives_its_daemon(package: Path, daemon: DaemonProcess) -> None:
    command = ["node", "--input-type=module", "-e", OUTLIVES, 'call get_weather {"city": "Rome"}']
    program = subprocess.Popen(
        command,
        cwd=package / "empty",
        env=environment(package, {"LIVEHANDLE_SOCKET": str(daemon.path)}),
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        daemon.stop(signal.SIGKILL)
        again = DaemonProcess(daemon.path, "--emulator")
        try:
            said = program.communicate(timeout=40)[0].splitlines()
        finally:
            program.kill()
            again.close()
    assert program.returncode == 0
    assert said == [
        "client.disconnected",
        "client.connected",
        "client.reset",
        "asked for Rome",
        "live.tool_execution",
        '{"value":null,"present":false}',
    ]


# What needs no Node


def test_the_readme_shows_the_hello_program_as_it_is() -> None:
    blocks = re.findall(r"```ts\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    assert blocks == [(FOLDER / "examples/hello.ts").read_text()]


def test_the_package_has_the_version_that_it_was_made_of() -> None:
    version = re.findall(r'VERSION = "(.*)"', (FOLDER / "src/api.ts").read_text())
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    package = json.loads((FOLDER / "package.json").read_text())
    assert version == [package["version"]] == [lock["version"]]
    assert "dependencies" not in package


def test_what_the_tests_install_is_pinned_and_comes_from_the_public_registry() -> None:
    package = json.loads((FOLDER / "package.json").read_text())
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    for name, version in package["devDependencies"].items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    found = {entry.get("resolved", "") for entry in lock["packages"].values()}
    assert all(not one or one.startswith("https://registry.npmjs.org/") for one in found)


def test_the_transport_is_short() -> None:
    parts = ("client.ts", "wire.ts", "stream.ts")
    texts = [(FOLDER / "src" / part).read_text() for part in parts]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    assert sum(1 for line in lines if line and not line.startswith(("/*", "*", "//"))) < 300
