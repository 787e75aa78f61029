"""`help`: pages about errors, topics, methods, exit codes, the environment, or a command."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from textwrap import fill, indent

from livectl.arguments import parser_of, top_parser
from livectl.description import Topic, dashed, methods, topics
from livectl.exits import EXIT_CODES, exit_code
from livectl.methods import all_commands
from livectl.parser import WIDTH
from livectl.results import as_json, table
from livectl.usage import usage
from livehandle_proto.errors import ERRORS
from livehandle_proto.remedies import REMEDIES
from livehandle_proto.suggest import nearest

ENVIRONMENT: Mapping[str, str] = {
    "LIVEHANDLE_SOCKET": "the daemon's socket, as --socket",
    "LIVEHANDLE_INSTANCE": "the daemon's name, as --instance; by default `default`",
    "XDG_RUNTIME_DIR": "where the sockets of all instances are, in livehandle/",
    "XDG_STATE_HOME": "where livehandle/chat_history is, by default ~/.local/state",
    "NO_COLOR": "set and not empty: no colours; outside a terminal there are none anyway",
    "TERM": "dumb: no colours, and nothing is drawn anew in its place",
}
"""What livectl reads."""

DAEMON_ENVIRONMENT: Mapping[str, str] = {
    "GEMINI_API_KEY": "the key; GOOGLE_API_KEY does as well, and goes first",
    "CREDENTIALS_DIRECTORY": "set by systemd: the key may be a credential",
    "CONFIGURATION_DIRECTORY": "set by systemd: where config.toml is",
    "STATE_DIRECTORY": "set by systemd: where the session is kept",
    "NOTIFY_SOCKET": "set by systemd: who is told that the daemon is ready",
    "LIVEHANDLE_CONFIG": "the configuration file, as --config",
    "LIVEHANDLE_SECTION_KEY": "any value of the configuration, as LIVEHANDLE_SESSION_MODEL",
    "GOOGLE_GEMINI_BASE_URL": "as for the official SDK: session.base_url",
    "GOOGLE_VERTEX_BASE_URL": "the same for Vertex AI",
    "GOOGLE_GENAI_USE_VERTEXAI": "true: session.backend is vertex",
    "GOOGLE_GENAI_USE_ENTERPRISE": "the same",
    "GOOGLE_GENAI_API_VERSION": "session.api_version",
    "GOOGLE_CLOUD_PROJECT": "session.project, for Vertex AI",
    "GOOGLE_CLOUD_LOCATION": "session.location, for Vertex AI",
}
"""What the daemon reads; in the environment of a client it means nothing."""


def show(options: Namespace) -> int:
    """Print what is known of the subject. Raises `client.usage` where there is no such."""
    subject = options.subject
    if subject is None:
        print(top_parser().format_help(), end="")
    elif subject in SUBJECTS:
        known, page, listing = SUBJECTS[subject]
        if options.name is None:
            _print(options, known(), listing)
        else:
            _print(options, _named(known(), subject, options.name), page)
    elif options.name is None and (known_as := _subject_of(subject)) is not None:
        known, page, _ = SUBJECTS[known_as]
        _print(options, _named(known(), known_as, subject), page)
    elif options.name is not None:
        raise usage(f"{subject!r} has no pages of its own: leave {options.name!r} out")
    else:
        print(_command(subject), end="")
    return 0


def _subject_of(name: str) -> str | None:
    """Return the subject among which a name is that is no command; no two have one in common."""
    if dashed(name) in all_commands():
        return None
    return next((one for one in ("errors", "topics") if name in SUBJECTS[one][0]()), None)


def error_page(name: str) -> str:
    """Return all there is to say of an error."""
    told = _errors()[name]
    again = "the same request may succeed later" if told["retryable"] else "not to be repeated"
    wrapped = {key: _wrapped(str(told[key])) for key in ("meaning", "cause", "action")}
    parts = [
        f"{name}  (code {told['code']}; {again}; livectl exits {told['exit_code']})",
        wrapped["meaning"],
        f"cause:\n{wrapped['cause']}",
        f"what to do:\n{wrapped['action']}",
    ]
    answering = [method.name for method in methods().values() if name in method.errors]
    if answering:
        parts.append(f"methods that answer it:\n{_wrapped(' '.join(answering))}")
    return "\n\n".join(parts)


Page = Mapping[str, object]


def _errors() -> dict[str, dict[str, object]]:
    return {
        name: {
            "code": kind.code,
            "retryable": kind.retryable,
            "exit_code": exit_code(name),
            "meaning": kind.meaning,
            "cause": REMEDIES[name].cause,
            "action": REMEDIES[name].action,
            "methods": [method.name for method in methods().values() if name in method.errors],
        }
        for name, kind in ERRORS.items()
    }


def _topics() -> dict[str, dict[str, object]]:
    return {
        topic.name: {
            "meaning": topic.meaning,
            "delivery": topic.delivery,
            "given_by": _given_by(topic),
            "data": topic.data,
            "example": topic.example,
        }
        for topic in topics().values()
    }


def _given_by(topic: Topic) -> str:
    if topic.stream == "own":
        return "sent unasked, to the connection it concerns"
    if topic.stream is None:
        return "sent to those who name it"
    return f"sent by `{topic.stream}`, and to those who name it"


def _methods() -> dict[str, dict[str, object]]:
    return {
        method.name: {
            "command": method.command,
            "meaning": method.summary,
            "signature": method.signature,
        }
        for method in methods().values()
    }


def _exit_codes() -> dict[str, dict[str, object]]:
    return {str(code): {"meaning": meaning} for code, meaning in EXIT_CODES.items()}


def _environment() -> dict[str, dict[str, object]]:
    both = {"livectl": ENVIRONMENT, "livehandled": DAEMON_ENVIRONMENT}
    return {
        name: {"meaning": meaning, "read_by": program}
        for program, known in both.items()
        for name, meaning in known.items()
    }


def _listing(known: Mapping[str, Page]) -> str:
    return table([(name, str(one["meaning"])) for name, one in known.items()])


def _environment_listing(known: Mapping[str, Page]) -> str:
    parts = []
    for program in ("livectl", "livehandled"):
        read = [(n, str(one["meaning"])) for n, one in known.items() if one["read_by"] == program]
        parts.append(f"read by {program}:\n{table(read, indent='  ')}")
    return "\n\n".join(parts)


def _error_page(known: Mapping[str, Page]) -> str:
    return error_page(next(iter(known)))


def _method_page(known: Mapping[str, Page]) -> str:
    (described,) = known.values()
    return _command(str(described["command"])).rstrip("\n")


def _topic_page(known: Mapping[str, Page]) -> str:
    ((name, told),) = known.items()
    parts = [
        f"{name}  (delivery class {told['delivery']}; {told['given_by']})",
        _wrapped(str(told["meaning"])),
    ]
    data = told["data"]
    properties = data.get("properties") if isinstance(data, dict) else None
    if isinstance(data, dict) and data.get("description"):
        parts.append(f"data:\n{indent(str(data['description']), '  ')}")
    if isinstance(properties, dict) and properties:
        parts[-1] += f"\n{_wrapped('Its fields: ' + ', '.join(properties) + '.')}"
    if told["example"] is not None:
        parts.append(f"example:\n  {as_json(told['example'])}")
    return "\n\n".join(parts)


def _print(
    options: Namespace, known: Mapping[str, Page], in_words: Callable[[Mapping[str, Page]], str]
) -> None:
    if options.json:
        for name, told in known.items():
            print(as_json({"name": name, **told}))
    else:
        print(in_words(known))


def _named(known: Mapping[str, Page], subject: str, name: str) -> Mapping[str, Page]:
    if name in known:
        return {name: known[name]}
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"livectl help {subject} lists what there is"
    raise usage(f"There is no {name!r} among the {subject}: {hint}")


def _command(name: str) -> str:
    """Return the help of a command or a method. Raises `client.usage` where there is none."""
    wanted = dashed(name)
    if wanted not in all_commands():
        near = nearest(wanted, (*SUBJECTS, *all_commands(), *ERRORS, *topics()))
        hint = f"did you mean {near}?" if near else f"there are {', '.join(SUBJECTS)}, or a command"
        raise usage(f"There is no help on {name!r}: {hint}")
    return parser_of(wanted)[0].format_help()


def _wrapped(text: str) -> str:
    return indent(fill(text, WIDTH - 2, break_on_hyphens=False), "  ")


_Subject = tuple[
    Callable[[], Mapping[str, Page]],
    Callable[[Mapping[str, Page]], str],
    Callable[[Mapping[str, Page]], str],
]

SUBJECTS: Mapping[str, _Subject] = {
    "errors": (_errors, _error_page, _listing),
    "topics": (_topics, _topic_page, _listing),
    "methods": (_methods, _method_page, _listing),
    "exit-codes": (_exit_codes, _listing, _listing),
    "environment": (_environment, _listing, _environment_listing),
}
"""Each subject's entries, and how one of them and all of them are shown."""
