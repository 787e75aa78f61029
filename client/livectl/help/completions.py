"""`completions`: scripts for bash, zsh and fish, made of the command table and the description."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from livectl.arguments import parser_of, top_parser
from livectl.description import Param, methods, topics
from livectl.help.command import SUBJECTS
from livectl.help.manual import PAGES
from livectl.methods import METHOD_OF, all_commands, by_command
from livectl.table import COMMANDS
from livectl.usage import usage
from livehandle_proto.errors import ERRORS
from livehandle_proto.suggest import nearest


class Offer:
    """One argument of a command, and what may stand there."""

    def __init__(self, command: str, argument: argparse.Action) -> None:
        names = argument.option_strings
        self.option = names[-1] if names else ""
        """Empty for what stands in order."""
        self.meaning = str(argument.help or "").partition(";")[0]
        self.takes_value = argument.nargs != 0
        self.many = argument.nargs in {"*", "+"}
        self.name = str(argument.metavar or argument.dest)
        self.files = self.name in {"FILE", "PATH"}
        self.words = _words(command, argument) if self.takes_value else ()


def completions(options: argparse.Namespace) -> int:
    """Print a shell's script. Raises `client.usage` where there is none for it."""
    make = SHELLS.get(options.shell)
    if make is None:
        near = nearest(options.shell, SHELLS)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(SHELLS)}"
        raise usage(f"There are no completions for {options.shell!r}: {hint}")
    print(make(), end="")
    return 0


def meaning_of(command: str) -> str:
    """Return what a command does, in a sentence."""
    if command in COMMANDS:
        return COMMANDS[command].meaning
    return by_command()[command].summary


def offers(command: str) -> list[Offer]:
    """Return what a command takes."""
    return [Offer(command, argument) for argument in parser_of(command)[0].arguments]


def _words(command: str, argument: argparse.Action) -> Sequence[str]:
    """Return the words that may stand there, where they are known."""
    if argument.choices is not None:
        return tuple(map(str, argument.choices))
    known = _KNOWN.get(f"{command} {argument.dest}") or _KNOWN.get(str(argument.metavar))
    if known is not None:
        return tuple(known())
    method = by_command().get(METHOD_OF.get(command, command).replace("_", "-"))
    param = argument.dest.removeprefix("param_")
    found = [one for one in (method.params if method else ()) if one.name == param]
    return _values(found[0]) if found else ()


def _values(param: Param) -> Sequence[str]:
    return ("true", "false") if param.kind == "boolean" else param.choices


def _topics() -> list[str]:
    named = [topic.name for topic in topics().values() if topic.stream != "own"]
    return [*named, *sorted({f"{name.partition('.')[0]}.*" for name in named})]


def _phases() -> Sequence[str]:
    return methods()["session.wait_for_phase"].params[0].choices


_KNOWN: Mapping[str, Callable[[], Sequence[str]]] = {
    "TOPIC": _topics,
    "LIST": _topics,
    "METHOD": lambda: list(methods()),
    "SHELL": lambda: list(SHELLS),
    "PAGE": lambda: list(PAGES),
    "help subject": lambda: [*SUBJECTS, *all_commands()],
    "help name": lambda: [*ERRORS, *topics(), *methods()],
    "wait names": lambda: [*_phases(), *_topics()],
}
"""Words by the command and the argument, or by the argument's name in the help."""


def _bash() -> str:
    cases, values = [], []
    for command in all_commands():
        offered = offers(command)
        ordered = [one for one in offered if not one.option]
        options = " ".join(one.option for one in offered if one.option)
        words = " ".join(word for one in ordered for word in one.words)
        cases.append(_bash_case(command, options, words, any(one.files for one in ordered)))
        values += [
            _bash_case(f"{command}/{one.option}", "", " ".join(one.words), one.files)
            for one in offered
            if one.option and one.takes_value and one.option not in _COMMON
        ]
    top = " ".join(one.option for one in (Offer("", a) for a in top_parser().arguments))
    return f"""\
# bash completion for livectl: . <(livectl completions bash)
_livectl() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  local command= at=1 options={quote(top)} words={quote(" ".join(all_commands()))} files=0
  while ((at < COMP_CWORD)); do
    case ${{COMP_WORDS[at]}} in
      --socket|--instance) ((at += 2)) ;;
      -*) ((at += 1)) ;;
      *) command=${{COMP_WORDS[at]}}; break ;;
    esac
  done
  case $command in
    "") ;;
{chr(10).join(cases)}
    *) options= words= ;;
  esac
  case $command/$prev in
    */--socket) options= words= files=1 ;;
    */--instance) options= words= files=0 ;;
{chr(10).join(values)}
  esac
  [[ $cur == -* ]] && words=$options files=0
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$cur"
    ((files)) && compgen -f -- "$cur"
  )
}}
complete -o filenames -F _livectl livectl
"""


def _bash_case(pattern: str, options: str, words: str, files: bool) -> str:
    return f"    {pattern}) options={quote(options)} words={quote(words)} files={files:d} ;;"


def _zsh() -> str:
    described = "\n".join(f"    {quote(f'{name}:{meaning_of(name)}')}" for name in all_commands())
    cases = "\n".join(
        f"        {name}) _arguments {' '.join(_zsh_spec(one) for one in offers(name))} ;;"
        for name in all_commands()
    )
    top = " ".join(_zsh_spec(Offer("", argument)) for argument in top_parser().arguments)
    return f"""\
#compdef livectl
# zsh completion for livectl: a file _livectl in a directory of $fpath
_livectl() {{
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
{described}
  )
  _arguments -C {top} '1: :->command' '*:: :->arguments'
  case $state in
    command) _describe -t commands command commands ;;
    arguments)
      case $words[1] in
{cases}
      esac ;;
  esac
}}
if [[ $funcstack[1] == _livectl ]]; then
  _livectl "$@"
else
  compdef _livectl livectl
fi
"""


def _zsh_spec(offer: Offer) -> str:
    """Return an argument in the language of `_arguments`."""
    action = ""
    if offer.files:
        action = "_files"
    elif offer.words:
        action = f"({' '.join(word.replace('*', chr(92) + '*') for word in offer.words)})"
    value = f":{offer.name.replace(':', ' ')}:{action or ' '}"
    if not offer.option:
        return quote(f"*{value}" if offer.many else value)
    meaning = "".join(f"\\{c}" if c in "[]:\\" else c for c in offer.meaning)
    return quote(f"{offer.option}[{meaning}]{value if offer.takes_value else ''}")


def _fish() -> str:
    lines = [
        "# fish completion for livectl: ~/.config/fish/completions/livectl.fish",
        "complete -c livectl -f",
    ]
    names = " ".join(all_commands())
    lines += [f"set -g __livectl_commands {names}"]
    no_command = "not __fish_seen_subcommand_from $__livectl_commands"
    for name in all_commands():
        lines.append(
            f"complete -c livectl -n {_fish_word(no_command)} -a {name} "
            f"-d {_fish_word(meaning_of(name))}"
        )
    lines += [_fish_line(Offer("", one), "") for one in top_parser().arguments]
    for name in all_commands():
        seen = f"__fish_seen_subcommand_from {name}"
        lines += [
            _fish_line(one, seen)
            for one in offers(name)
            if one.option not in _COMMON and (one.option or one.words or one.files)
        ]
    return "\n".join(lines) + "\n"


def _fish_line(offer: Offer, seen: str) -> str:
    parts = ["complete -c livectl"]
    if seen:
        parts.append(f"-n {_fish_word(seen)}")
    if offer.option:
        parts += [f"-l {offer.option[2:]}", f"-d {_fish_word(offer.meaning)}"]
    if offer.option and offer.takes_value:
        parts.append("-r" if offer.files else "-x")
    if offer.files:
        parts.append("-F")
    elif offer.words:
        parts.append(f"-a {_fish_word(' '.join(offer.words))}")
    return " ".join(parts)


def _fish_word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_COMMON = {"--help", "--socket", "--instance", "--json", "--quiet"}

SHELLS: Mapping[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""The script of each shell."""
