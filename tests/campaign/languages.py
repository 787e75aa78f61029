"""The small program in every language, all at the same time against one running daemon.

Each program connects through a relay of its own that gives its function another name, for names of
functions are one to a daemon. All but the last send a text that has the model call a function
which does not answer: so they are connected, and wait, when the last one's text has the model call
the functions of all. Then each carries its own out, and all print the same words.
"""

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from support.daemon import DaemonProcess, environment, private_directory, running_daemon
from support.emulator import running_emulator
from support.languages import Language
from support.relay import NAME, relaying
from support.wire import WireClient

_END_S = 30.0


class Spoken(NamedTuple):
    """What one program printed."""

    language: Language
    code: int
    out: str
    err: str


def run(languages: list[Language]) -> list[Spoken]:
    """Run the programs together. Raises `NotReadyError` where one cannot be built."""
    with ExitStack() as stack:
        directory = stack.enter_context(private_directory())
        commands = [language.program("hello", directory) for language in languages]
        emulator = stack.enter_context(running_emulator(directory))
        flags = ("--set", f"session.base_url={emulator.url}")
        key = {"GEMINI_API_KEY": "x" * 30}
        daemon = stack.enter_context(running_daemon(*flags, environ=key))
        with daemon.client() as client:
            client.result("connect")
            client.result("tools.register", declarations=[{"name": "hold"}], timeout_ms=60_000)
            return _together(stack, directory, daemon, client, languages, commands)


def function(language: Language) -> str:
    """Return what a language's function is called in the daemon."""
    return f"{NAME}_{language.name.lower()}"


def words(languages: list[Language]) -> list[str]:
    """Return what the model says of each function's answer."""
    return [f'{function(one)} answered {{"temperature": 7}}.' for one in languages]


def table(spoken: list[Spoken]) -> str:
    """Return the table in Markdown: lines of each program, and what it printed."""
    rows = ["| language | lines of code | all lines | it printed |", "|---|---|---|---|"]
    for language, code, out, err in spoken:
        lines = len(language.file("hello").read_text().splitlines())
        told = "<br>".join(f"`{line}`" for line in out.splitlines())
        if code:
            told += f" (exit code {code}: {err.strip()})"
        rows.append(f"| {language.name} | {language.lines('hello')} | {lines} | {told} |")
    return "\n".join(rows)


def _together(
    stack: ExitStack,
    directory: Path,
    daemon: DaemonProcess,
    client: WireClient,
    languages: list[Language],
    commands: list[list[str]],
) -> list[Spoken]:
    running = []
    for language, command in zip(languages, commands, strict=True):
        path = directory / f"{language.name}.sock"
        stack.enter_context(relaying(path, daemon.path, function(language)))
        text = f'call hold {{"by": "{language.name}"}}'
        if language is languages[-1]:
            text = "\n".join(f'call {function(one)} {{"city": "Oslo"}}' for one in languages)
        process = stack.enter_context(
            subprocess.Popen(
                [*command, text],
                env=environment(directory, {"LIVEHANDLE_SOCKET": str(path)}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.kill)
        running.append(process)
        if language is not languages[-1]:
            by = language.name
            client.event(lambda one, by=by: one["data"].get("args") == {"by": by})  # type: ignore[misc]
    spoken = []
    for language, process in zip(languages, running, strict=True):
        out, err = process.communicate(timeout=_END_S)
        spoken.append(Spoken(language, process.returncode, out, err))
    return spoken
