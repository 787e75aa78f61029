"""The configuration in force: layers put on one another, the strongest last (protocol 9)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import default_config_file
from livehandle_proto.suggest import nearest
from livehandled.config import layers, toml_file
from livehandled.config.keys import KEYS
from livehandled.config.layers import Entry, Layer, Origin
from livehandled.config.schema import Config
from livehandled.gemini.models import TRAITS, misfit
from livehandled.redaction import PatternError, Redaction

MASK = "***"
"""Stands where a secret stood."""


class _Layers(NamedTuple):
    """What each source said, from the weakest to the strongest but for the defaults."""

    file: Layer
    sdk: Mapping[str, str]
    """The environment that the SDK's variables are read from: what they mean depends on the
    backend that is chosen in the end."""
    environment: Layer
    flags: Layer
    """Of the daemon's command line, or of the program that holds the handle."""
    connect: Layer


class Loaded(NamedTuple):
    """A configuration and where each of its values came from."""

    config: Config
    sources: Mapping[str, str]
    """By key: `default`, `file PATH:LINE`, `env NAME`, `flag --set`, `program` or `connect`."""
    given: _Layers


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Loaded:
    """Return the daemon's configuration: flags over environment over file over defaults.

    `file` must exist; if it is None the default file is read, if there is one. `flags` are the
    texts of `--set` by dotted key. Raises `config.invalid` for the first thing that is unknown,
    of the wrong type or out of range, with `file`, `line`, `param`, `expected` and
    `did_you_mean` where they are known.
    """
    return _resolved(_given(file, environ, layers.from_flags(flags)))


def from_tree(tree: Mapping[str, object], environ: Mapping[str, str]) -> Loaded:
    """Return a program's own configuration: the tree over the environment over the file.

    Raises `config.invalid` as `load` does.
    """
    return _resolved(_given(None, environ, layers.from_program(tree)))


def with_overrides(loaded: Loaded, overrides: Mapping[str, object]) -> Loaded:
    """Return the configuration of one session: `connect {config}` over what was loaded.

    Overrides of an earlier session do not stay. Raises `config.invalid` as `load` does, and
    for a key that is set when the daemon starts.
    """
    return _resolved(loaded.given._replace(connect=layers.from_connect(overrides)))


def value_of(loaded: Loaded, name: str) -> object:
    """Return the value of a key."""
    section, _, field = name.partition(".")
    return getattr(getattr(loaded.config, section), field)


def with_pinned(loaded: Loaded, pinned: Loaded, names: Iterable[str]) -> Loaded:
    """Return a configuration in which some keys have the value and the source of another."""
    kept = {n: Entry(value_of(pinned, n), Origin(pinned.sources[n])) for n in names}
    return _resolved(loaded.given._replace(flags={**loaded.given.flags, **kept}))


def overrides(loaded: Loaded) -> dict[str, object]:
    """Return the tree that `with_overrides` was given, as far as it says anything."""
    tree: dict[str, dict[str, object]] = {}
    for name, entry in loaded.given.connect.items():
        section, _, field = name.partition(".")
        tree.setdefault(section, {})[field] = entry.value
    return dict(tree)


Shown = dict[str, dict[str, dict[str, object]]]
"""By section and key: its value and its source."""


def effective(loaded: Loaded) -> Shown:
    """Return the tree for `session.config`: `{"value", "source"}` of each key, secrets masked."""
    session = loaded.config.session
    masked = {
        "session.base_url": _masked_url(session.base_url),
        "session.proxy": _masked_url(session.proxy),
        "session.setup": _masked_handle(session.setup),
    }
    shown: Shown = {}
    for name, key in KEYS.items():
        section, _, field = name.partition(".")
        value = masked.get(name, key.shown(value_of(loaded, name)))
        entry = {"value": value, "source": loaded.sources[name]}
        shown.setdefault(section, {})[field] = entry
    return shown


def _given(file: Path | None, environ: Mapping[str, str], flags: Layer) -> _Layers:
    return _Layers(
        file=_file_layer(file, environ),
        sdk={name: value for name, value in environ.items() if name in layers.SDK_VARIABLES},
        environment=layers.from_environment(environ),
        flags=flags,
        connect={},
    )


def _file_layer(file: Path | None, environ: Mapping[str, str]) -> Layer:
    path = Path(default_config_file(environ)) if file is None else file
    try:
        return layers.from_file(path)
    except FileNotFoundError as error:
        if file is None:
            return {}
        raise LiveHandleError(
            "config.invalid",
            f"Name a configuration file that exists: there is no {path}.",
            file=str(path),
            expected="a file that exists",
        ) from error


def _resolved(given: _Layers) -> Loaded:
    below = {**layers.DEFAULTS, **given.file}
    above = {**given.environment, **given.flags, **given.connect}
    chosen = layers.backend_of_sdk(given.sdk, str(below["session.backend"].value))
    backend = str({**below, **chosen, **above}["session.backend"].value)
    entries = {**below, **chosen, **layers.from_sdk(given.sdk, backend), **above}
    tree: dict[str, dict[str, object]] = {}
    for name, entry in entries.items():
        section, _, field = name.partition(".")
        tree.setdefault(section, {})[field] = entry.value
    sources = {name: entry.origin.text for name, entry in entries.items()}
    config = msgspec.convert(tree, Config)
    _check_thresholds(config, entries)
    _check_quirks(config, entries)
    _check_patterns(config, entries)
    return Loaded(config, sources, given)


def _check_thresholds(config: Config, entries: Layer) -> None:
    start, stop = config.voice.start_threshold_db, config.voice.stop_threshold_db
    if stop <= start:
        return
    name, expected = "voice.stop_threshold_db", f"at most the start threshold, {start}"
    if entries[name].origin == layers.DEFAULT:
        name, expected = "voice.start_threshold_db", f"at least the stop threshold, {stop}"
    raise layers.refusal(name, entries[name].origin, expected)


def _check_quirks(config: Config, entries: Layer) -> None:
    quirks = config.session.quirks
    wrong = misfit(quirks)
    if wrong is None:
        return
    trait, values = wrong
    origin = entries["session.quirks"].origin
    if values is None:
        expected, meant = "one of " + ", ".join(TRAITS), nearest(trait, TRAITS)
        raise layers.refusal("session.quirks", origin, expected, did_you_mean=meant)
    value = quirks[trait]
    expected = "one of " + ", ".join(values)
    meant = nearest(value, values) if isinstance(value, str) else None
    raise layers.refusal(f"session.quirks.{trait}", origin, expected, did_you_mean=meant)


def _check_patterns(config: Config, entries: Layer) -> None:
    """Refuse what is no pattern by its own name, and the line it stands on."""
    try:
        Redaction(config.redaction.patterns)
    except PatternError as error:
        key = "redaction.patterns"
        file, line = entries[key].origin.file, None
        if file is not None:
            lines = toml_file.read(Path(file)).lines
            line = lines.get((*key.split("."), error.name), entries[key].origin.line)
        where = entries[key].origin.text if file is None else f"file {file}:{line}"
        raise LiveHandleError(
            "config.invalid",
            f"Correct {key}.{error.name[:80]} ({where}): {error}.",
            file=file,
            line=line,
            param=f"{key}.{error.name[:80]}",
            expected="a regular expression as RE2 takes it, of at least one character",
        ) from error


def _masked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets around what is no IPv6 address
        return MASK
    userinfo, at, host = parts.netloc.rpartition("@")
    netloc = f"{MASK}@{host}" if at and userinfo else host
    return urlunsplit(parts._replace(netloc=netloc, query=MASK if parts.query else ""))


def _masked_handle(setup: dict[str, object]) -> dict[str, object]:
    """Return a setup whose resumption handle is masked, in either spelling."""
    masked = dict(setup)
    for name in ("sessionResumption", "session_resumption"):
        inner = masked.get(name)
        if isinstance(inner, dict) and inner.get("handle"):
            masked[name] = {**inner, "handle": MASK}
    return masked
