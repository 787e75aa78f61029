"""Where values come from. Each layer says what it sets, and refuses what is not a key."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.suggest import nearest
from livehandled.config import toml_file
from livehandled.config.keys import KEYS, SECTIONS, Key

PER_SESSION = ("session", "context", "resumption", "tools", "voice", "extraction")
"""The sections `connect {config}` may set."""

SET_AT_START = frozenset(
    {
        "session.connect",
        "session.base_url",
        "session.allow_plaintext",
        "session.key_file",
        "session.credentials",
        "session.proxy",
        "resumption.store",
    }
)
"""Keys of those sections it may not set: most say which key the daemon sends, and where to."""

VARIABLES: Mapping[str, str] = {
    f"LIVEHANDLE_{name.replace('.', '_').upper()}": name for name in KEYS
}
"""Environment variables and the keys they set."""

SDK_VARIABLES = frozenset(
    {
        "GOOGLE_GENAI_USE_ENTERPRISE",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_API_VERSION",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_VERTEX_BASE_URL",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
    }
)
"""The official SDK's variables that mean here what they mean there (wire 1.4)."""

_NOT_KEYS = frozenset({"LIVEHANDLE_SOCKET", "LIVEHANDLE_INSTANCE", "LIVEHANDLE_CONFIG"})


class Origin(NamedTuple):
    """Where a value stands."""

    text: str
    """`file PATH:LINE`, `env NAME`, `flag --set`, `program`, `connect` or `default`."""
    file: str | None = None
    line: int | None = None


class Entry(NamedTuple):
    """A value, read, and where it stands."""

    value: object
    origin: Origin


Layer = Mapping[str, Entry]
"""Entries by the name of their key."""

DEFAULT = Origin("default")
"""Where a value stands that nobody gave."""

DEFAULTS: Layer = {name: Entry(key.default, DEFAULT) for name, key in KEYS.items()}


def refusal(
    param: str, origin: Origin, expected: str, *, did_you_mean: str | None = None
) -> LiveHandleError:
    """Return the error for a value that cannot be used. The value itself is not repeated."""
    return _refusal(param, origin, f"it must be {expected}", expected, did_you_mean)


def from_file(path: Path) -> Layer:
    """Return what a TOML file sets. Raises `config.invalid`, and FileNotFoundError."""
    tree, lines = toml_file.read(path)

    def origin(*names: str) -> Origin:
        line = lines.get(names)
        return Origin(f"file {path}:{line}", str(path), line)

    return _from_tree(tree, origin)


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Return what `LIVEHANDLE_<SECTION>_<KEY>` variables set. Raises `config.invalid`."""
    layer: dict[str, Entry] = {}
    for variable in sorted(environ):
        if not variable.startswith("LIVEHANDLE_") or variable in _NOT_KEYS:
            continue
        origin = Origin(f"env {variable}")
        if variable not in VARIABLES:
            raise _unknown(variable, origin, nearest(variable, [*VARIABLES, *_NOT_KEYS]))
        key = KEYS[VARIABLES[variable]]
        layer[key.name] = _read_text(key, environ[variable], origin)
    return layer


def from_flags(flags: Mapping[str, str]) -> Layer:
    """Return what `--set KEY=VALUE` flags set, keys dotted. Raises `config.invalid`."""
    origin = Origin("flag --set")
    layer: dict[str, Entry] = {}
    for name, text in flags.items():
        key = _key(name, origin)
        layer[name] = _read_text(key, text, origin)
    return layer


def from_program(tree: Mapping[str, object]) -> Layer:
    """Return what a program sets for a handle of its own. Raises `config.invalid`."""
    origin = Origin("program")
    return _from_tree(tree, lambda *_: origin)


def from_connect(tree: Mapping[str, object]) -> Layer:
    """Return what `connect {config}` sets. Raises `config.invalid`, also for what it may not."""
    origin = Origin("connect")
    layer = _from_tree(tree, lambda *_: origin)
    for name in layer:
        if name.split(".")[0] not in PER_SESSION or name in SET_AT_START:
            raise LiveHandleError(
                "config.invalid",
                f"Leave {name} out of connect: it is set when the daemon starts.",
                param=name,
                expected="a key that may differ from session to session",
            )
    return layer


def from_sdk(environ: Mapping[str, str], backend: str) -> Layer:
    """Return what the official SDK's variables set for a backend (wire 1.4).

    Raises `config.invalid` where a value is not what the key takes.
    """
    vertex = backend == "vertex"
    variables = {"session.api_version": "GOOGLE_GENAI_API_VERSION"}
    if vertex:
        variables["session.project"] = "GOOGLE_CLOUD_PROJECT"
        variables["session.location"] = "GOOGLE_CLOUD_LOCATION"
        variables["session.base_url"] = "GOOGLE_VERTEX_BASE_URL"
    elif backend == "gemini":
        variables["session.base_url"] = "GOOGLE_GEMINI_BASE_URL"
    layer: dict[str, Entry] = {}
    for name, variable in variables.items():
        text = environ.get(variable)
        if not text:
            continue  # the SDK takes an empty variable for an unset one
        if name == "session.api_version" and text == "beta":
            text = "v1beta1" if vertex else "v1beta"
        layer[name] = _read_text(KEYS[name], text, Origin(f"env {variable}"))
    return layer


def backend_of_sdk(environ: Mapping[str, str], below: str) -> Layer:
    """Return the backend the SDK's variables choose; `below` is what it is without them.

    They choose between Vertex AI and the Gemini API, so "not Vertex" leaves the emulator be.
    """
    for variable in ("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"):
        text = environ.get(variable)
        if text:
            chosen = "vertex" if text.lower() in {"true", "1"} else "gemini"
            if chosen == "gemini" and below != "vertex":
                return {}
            return {"session.backend": Entry(chosen, Origin(f"env {variable}"))}
    return {}


def _from_tree(tree: Mapping[str, object], origin: Callable[..., Origin]) -> dict[str, Entry]:
    """Return the entries of a tree. `origin` finds where a path into it stands."""
    layer: dict[str, Entry] = {}
    for section, table in tree.items():
        if section not in SECTIONS:
            raise _unknown(section, origin(section), nearest(section, SECTIONS))
        if not isinstance(table, Mapping):
            raise refusal(section, origin(section), "a table of keys and values")
        for name, value in table.items():
            where = origin(section, name)
            key = _key(f"{section}.{name}", where)
            layer[key.name] = _read(key, value, where)
    return layer


def _read(key: Key, given: object, origin: Origin) -> Entry:
    try:
        return Entry(key.read(given), origin)
    except (ValueError, RecursionError) as error:
        meant = nearest(given, key.choices) if isinstance(given, str) else None
        raise refusal(key.name, origin, key.expected, did_you_mean=meant) from error


def _read_text(key: Key, text: str, origin: Origin) -> Entry:
    try:
        return Entry(key.read_text(text), origin)
    except (ValueError, RecursionError) as error:
        meant = nearest(text, key.choices)
        raise refusal(key.name, origin, key.expected, did_you_mean=meant) from error


def _key(name: str, origin: Origin) -> Key:
    if name in KEYS:
        return KEYS[name]
    last = name.rpartition(".")[2]
    elsewhere = (other for other in KEYS if other.endswith(f".{last}"))
    raise _unknown(name, origin, nearest(name, KEYS) or next(elsewhere, None))


def _unknown(name: str, origin: Origin, did_you_mean: str | None) -> LiveHandleError:
    section = name.partition(".")[0]
    if name.startswith("LIVEHANDLE_"):
        expected = "LIVEHANDLE_<SECTION>_<KEY> for a key of the configuration"
    elif section in SECTIONS:
        expected = "one of " + ", ".join(key for key in KEYS if key.startswith(f"{section}."))
    else:
        expected = "in one of the sections " + ", ".join(SECTIONS)
    problem = "there is no such key"
    if not did_you_mean:
        problem += f", it must be {expected}"
    return _refusal(name, origin, problem, expected, did_you_mean)


def _refusal(
    param: str, origin: Origin, problem: str, expected: str, did_you_mean: str | None
) -> LiveHandleError:
    hint = f"; did you mean {did_you_mean}?" if did_you_mean else "."
    return LiveHandleError(
        "config.invalid",
        f"Correct {param[:80]} ({origin.text}): {problem}{hint}",
        file=origin.file,
        line=origin.line,
        param=param,
        expected=expected,
        did_you_mean=did_you_mean,
    )
