"""The completions, in the real shells where they are installed."""

import os
import subprocess
from pathlib import Path

import pytest

from livectl.__main__ import main
from livectl.help.completions import SHELLS, offers
from livectl.methods import all_commands
from support.terminals import OnTerminal
from support.toolchains import need

_TIMEOUT_S = 30.0

_BASH = """
. "$1"
while IFS= read -r line; do
  read -ra COMP_WORDS <<<"$line"
  [[ $line == *" " ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _livectl
  printf '%s\\n' "${COMPREPLY[*]}"
done
"""
_FISH = """
source $argv[1]
while read --local line
  set offered (complete -C $line | string replace -r '\\t.*' '')
  echo "$offered"
end
"""

LINES: list[tuple[str, set[str]]] = [
    ("livectl pha", {"phase"}),
    ("livectl state.g", {"state.get"}),
    ("livectl --socket /tmp/s state.k", {"state.keys"}),
    ("livectl sta", {"state", "status", "state.get", "state.set", "state.remove", "state.keys",
                     "state.clear-prefix", "state.forget", "state.mutations-since"}),
    ("livectl wait phase user_", {"user_speaking"}),
    ("livectl wait event live.vad", {"live.vad_start", "live.vad_end"}),
    ("livectl watch state.c", {"state.changed"}),
    ("livectl session.wait-for-phase act", {"active"}),
    ("livectl claim ", {"mic", "speaker"}),
    ("livectl claim mic --fo", {"--force"}),
    ("livectl help err", {"errors"}),
    ("livectl help errors upstream.q", {"upstream.quota"}),
    ("livectl completions z", {"zsh"}),
    ("livectl man livehandle-", {"livehandle-errors"}),
    ("livectl phase --js", {"--json"}),
    ("livectl daemon.fault close --at upg", {"upgrade"}),
    ("livectl daemon.fault close --pings ", {"true", "false"}),
    ("livectl done --timeout ", set()),
    ("livectl send-audio /etc/hostn", {"/etc/hostname"}),
]  # fmt: skip


def script_of(shell: str, folder: Path) -> Path:
    file = folder / f"livectl.{shell}"
    file.write_text(SHELLS[shell]())
    return file


def answered(command: list[str]) -> list[set[str]]:
    """Return what a shell offers for each of the lines."""
    text = "".join(f"{line}\n" for line, _ in LINES)
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
    )
    assert done.stderr == ""
    return [set(line.split()) for line in done.stdout.split("\n")[: len(LINES)]]


@pytest.mark.parametrize(("shell", "program"), [("bash", _BASH), ("fish", _FISH)])
def test_a_shell_offers_what_may_stand_there(shell: str, program: str, tmp_path: Path) -> None:
    need([shell])
    script = script_of(shell, tmp_path)
    flags = ["--norc", "-c", program, "bash"] if shell == "bash" else ["-N", "-c", program]
    offered = answered([shell, *flags, str(script)])
    assert dict(zip((line for line, _ in LINES), offered, strict=True)) == dict(LINES)


_ZSH = """\
unsetopt zle_bracketed_paste; fpath=({folder} $fpath); PS1='ready''> '
autoload -Uz compinit; compinit -D -u; bindkey '^I' complete-word
tell() {{ print -r -- "<$BUFFER>"; BUFFER=; }}; zle -N tell; bindkey '^W' tell
print be''gin
"""


def test_zsh_completes_a_line(tmp_path: Path) -> None:
    need(["zsh"])
    script_of("zsh", tmp_path).rename(tmp_path / "_livectl")
    environ = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(tmp_path)}
    with OnTerminal(["zsh", "-f", "-i"], environ) as zsh:
        zsh.type(_ZSH.format(folder=tmp_path))
        zsh.until("begin")
        zsh.until("ready> ")
        for line, offered in LINES:
            if len(offered) == 1:
                (word,) = offered
                zsh.type(f"{line}\t\x17")
                completed = zsh.until(">\r\n").rpartition("<")[2]
                assert completed.rstrip() == f"{line.rpartition(' ')[0]} {word}"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_and_has_every_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completions", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in all_commands())


@pytest.mark.parametrize(
    ("shell", "why"),
    [("zhs", "did you mean zsh?"), ("tcsh", "there are bash, zsh, fish")],
)
def test_a_shell_without_a_script_is_wrong_usage(
    shell: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completions", shell]) == 3
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_reads_the_script(shell: str, tmp_path: Path) -> None:
    need([shell])
    done = subprocess.run(
        [shell, "-n", str(script_of(shell, tmp_path))],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_argument_offers_its_choices_and_files() -> None:
    offered = {one.option or one.name: one for one in offers("daemon.fault")}
    assert "abort" in offered["DO"].words
    assert "turn_complete" in offered["--at"].words
    assert offers("send-audio")[-1].option == "--follow"
    assert [one.files for one in offers("send-video") if not one.option] == [True]
