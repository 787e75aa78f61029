"""The configuration in force."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import default_config_file
from livehandled.config import loader
from livehandled.config.keys import KEYS
from livehandled.config.loader import Loaded
from livehandled.config.schema import Config


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # platformdirs reads the process's own environment.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "named.toml"


def load(
    path: Path | None = None,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    if path is not None and text is not None:
        path.write_text(text)
    return loader.load(path, environ or {}, flags or {})


def test_with_nothing_given_every_value_is_its_default() -> None:
    loaded = load()
    assert loaded.config == Config()
    assert loaded.sources == dict.fromkeys(KEYS, "default")


def test_the_default_file_is_read_if_there_is_one(config_home: Path) -> None:
    default = config_home / "livehandle" / "config.toml"
    assert Path(default_config_file({})) == default
    default.parent.mkdir()
    default.write_text('[session]\nvoice = "Puck"\n')
    loaded = load()
    assert loaded.config.session.voice == "Puck"
    assert loaded.sources["session.voice"] == f"file {default}:2"


def test_the_directory_that_systemd_gives_has_the_default_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[session]\nvoice = "Puck"\n')
    loaded = load(environ={"CONFIGURATION_DIRECTORY": f"{tmp_path}:/elsewhere"})
    assert loaded.sources["session.voice"] == f"file {tmp_path}/config.toml:2"


def test_a_default_file_that_is_wrong_is_refused(config_home: Path) -> None:
    (config_home / "livehandle").mkdir()
    (config_home / "livehandle" / "config.toml").write_text("[")
    with pytest.raises(LiveHandleError, match="not TOML"):
        load()


def test_a_named_file_must_exist(path: Path) -> None:
    with pytest.raises(LiveHandleError, match="Name a configuration file that exists") as refused:
        load(path)
    assert refused.value.name == "config.invalid"
    assert refused.value.data["file"] == str(path)


FILE = '[session]\nmodel = "file"\nvoice = "file"\nlanguage = "file"\n'


def test_flags_win_over_the_environment_over_the_file_over_defaults(path: Path) -> None:
    environ = {"LIVEHANDLE_SESSION_MODEL": "env", "LIVEHANDLE_SESSION_VOICE": "env"}
    loaded = load(path, FILE, environ, {"session.model": "flag"})
    session = loaded.config.session
    assert (session.model, session.voice, session.language) == ("flag", "env", "file")
    assert session.instruction == ""
    assert loaded.sources["session.model"] == "flag --set"
    assert loaded.sources["session.voice"] == "env LIVEHANDLE_SESSION_VOICE"
    assert loaded.sources["session.language"] == f"file {path}:4"
    assert loaded.sources["session.instruction"] == "default"


def test_our_variables_win_over_the_sdks_and_these_over_the_file(path: Path) -> None:
    text = '[session]\nbackend = "gemini"\nproject = "file"\nlocation = "file"\n'
    environ = {
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_CLOUD_PROJECT": "sdk",
        "GOOGLE_CLOUD_LOCATION": "sdk",
        "LIVEHANDLE_SESSION_LOCATION": "ours",
    }
    session = load(path, text, environ).config.session
    assert (session.backend, session.project, session.location) == ("vertex", "sdk", "ours")


BASES = {
    "GOOGLE_GEMINI_BASE_URL": "https://gemini.example",
    "GOOGLE_VERTEX_BASE_URL": "https://vertex.example",
}


@pytest.mark.parametrize(
    ("environ", "flags", "base_url"),
    [
        ({}, {}, "https://gemini.example"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "1"}, {}, "https://vertex.example"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "1"}, {"session.backend": "emulator"}, ""),
        ({"LIVEHANDLE_SESSION_BACKEND": "vertex"}, {}, "https://vertex.example"),
        ({"LIVEHANDLE_SESSION_BASE_URL": "https://ours.example"}, {}, "https://ours.example"),
    ],
)
def test_the_sdks_base_url_is_that_of_the_backend_in_force(
    environ: dict[str, str], flags: dict[str, str], base_url: str
) -> None:
    loaded = load(environ=BASES | environ, flags=flags)
    assert loaded.config.session.base_url == base_url


def test_the_free_table_of_a_stronger_source_replaces_the_weaker_one(path: Path) -> None:
    text = "[session.setup]\na = 1\nb = 2\n"
    assert load(path, text).config.session.setup == {"a": 1, "b": 2}
    environ = {"LIVEHANDLE_SESSION_SETUP": '{"a": null}'}
    assert load(path, text, environ).config.session.setup == {"a": None}


@pytest.mark.parametrize(
    ("text", "param", "line"),
    [
        ("voice.stop_threshold_db = 16", "voice.stop_threshold_db", 1),
        ("[voice]\nstart_threshold_db = 7", "voice.start_threshold_db", 2),
        ("[voice]\nstop_threshold_db = 9\nstart_threshold_db = 8", "voice.stop_threshold_db", 2),
    ],
)
def test_speech_cannot_stop_above_where_it_starts(
    path: Path, text: str, param: str, line: int
) -> None:
    with pytest.raises(LiveHandleError, match="threshold") as refused:
        load(path, text)
    data = refused.value.data
    assert (refused.value.name, data["param"], data["line"]) == ("config.invalid", param, line)


def test_equal_thresholds_are_allowed(path: Path) -> None:
    assert load(path, "[voice]\nstart_threshold_db = 8").config.voice.start_threshold_db == 8


def test_connect_overrides_one_session_and_leaves_the_daemons_configuration(path: Path) -> None:
    loaded = load(path, FILE, flags={"session.model": "flag"})
    first = loader.with_overrides(loaded, {"session": {"model": "mine"}})
    assert (first.config.session.model, first.config.session.voice) == ("mine", "file")
    assert first.sources["session.model"] == "connect"
    assert loaded.config.session.model == "flag"
    second = loader.with_overrides(first, {"session": {"voice": "Puck"}})
    assert (second.config.session.model, second.config.session.voice) == ("flag", "Puck")
    assert loader.with_overrides(first, {}) == loaded


def test_a_backend_by_connect_brings_its_variables_of_the_sdk() -> None:
    loaded = load(environ=BASES | {"GOOGLE_CLOUD_PROJECT": "p"})
    assert loaded.config.session.project == ""
    session = loader.with_overrides(loaded, {"session": {"backend": "vertex"}}).config.session
    assert (session.base_url, session.project) == ("https://vertex.example", "p")


@pytest.mark.parametrize(
    "tree",
    [
        {"voice": {"stop_threshold_db": 20}},
        {"session": {"modle": "x"}},
        {"log": {"level": "debug"}},
        {"session": {"key_file": "/etc/shadow"}},
        {"session": {"base_url": "https://elsewhere.example"}},
    ],
)
def test_connect_with_a_wrong_configuration_changes_nothing(tree: dict[str, object]) -> None:
    loaded = load()
    with pytest.raises(LiveHandleError) as refused:
        loader.with_overrides(loaded, tree)
    assert refused.value.name == "config.invalid"
    assert loader.with_overrides(loaded, {}) == loaded


def test_the_effective_configuration_names_every_value_and_its_source(path: Path) -> None:
    shown = loader.effective(load(path, '[control]\nmode = "0660"\nuids = [5]\n'))
    assert [f"{section}.{key}" for section in shown for key in shown[section]] == list(KEYS)
    assert shown["control"]["mode"] == {"value": "0660", "source": f"file {path}:2"}
    assert shown["control"]["uids"] == {"value": [5], "source": f"file {path}:3"}
    assert shown["session"]["model"] == {"value": "gemini-3.8-live", "source": "default"}


@pytest.mark.parametrize("spelling", ["sessionResumption", "session_resumption"])
def test_a_resumption_handle_is_masked_in_the_effective_configuration(spelling: str) -> None:
    setup = {spelling: {"handle": "secret-handle", "transparent": True}, "labels": {"a": "b"}}
    loaded = loader.with_overrides(load(), {"session": {"setup": setup}})
    shown = loader.effective(loaded)["session"]["setup"]["value"]
    assert shown == {spelling: {"handle": "***", "transparent": True}, "labels": {"a": "b"}}
    assert loaded.config.session.setup == setup


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://gw.example/p", "https://gw.example/p"),
        ("https://me:secret@gw.example:1/p?key=secret", "https://***@gw.example:1/p?***"),
        ("wss://secret@gw.example", "wss://***@gw.example"),
        ("wss://gw.example?secret", "wss://gw.example?***"),
        ("", ""),
    ],
)
def test_a_base_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    loaded = load(flags={"session.base_url": url})
    assert loader.effective(loaded)["session"]["base_url"]["value"] == shown


@pytest.mark.parametrize(
    "flag",
    [
        ("session.instruction", "\udcff"),
        ("session.model", "gemini-live-\udcff"),
        ("session.greeting", "\ud800"),
        ("session.setup", '{"systemInstruction": {"parts": [{"text": "\\ud800"}]}}'),
        ("session.setup", '{"\\ud800": 1}'),
    ],
)
def test_text_that_has_no_utf_8_is_refused_before_it_could_not_be_sent(
    flag: tuple[str, str],
) -> None:
    with pytest.raises(LiveHandleError) as refused:
        loader.load(None, {}, dict([flag]))
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == flag[0]


def test_a_programs_tree_stands_over_the_environment_and_the_file(config_home: Path) -> None:
    default = config_home / "livehandle" / "config.toml"
    default.parent.mkdir()
    default.write_text(FILE)
    environ = {"LIVEHANDLE_SESSION_MODEL": "env", "LIVEHANDLE_SESSION_VOICE": "env"}
    loaded = loader.from_tree({"session": {"model": "mine"}}, environ)
    session = loaded.config.session
    assert (session.model, session.voice, session.language) == ("mine", "env", "file")
    assert loaded.sources["session.model"] == "program"
    over = loader.with_overrides(loaded, {"session": {"model": "theirs"}})
    assert (over.config.session.model, over.config.session.voice) == ("theirs", "env")
    assert loader.with_overrides(over, {}).config.session.model == "mine"


def test_a_program_may_correct_what_stands_below(config_home: Path) -> None:
    environ = {"LIVEHANDLE_VOICE_START_THRESHOLD_DB": "5"}
    with pytest.raises(LiveHandleError):
        loader.from_tree({}, environ)
    assert loader.from_tree({"voice": {"stop_threshold_db": 4}}, environ)


@pytest.mark.parametrize(
    ("tree", "param", "meant"),
    [
        ({"context": {"delivery": "defered"}}, "context.delivery", "deferred"),
        ({"voice": {"autority": "client"}}, "voice.autority", "voice.authority"),
        ({"extracton": {}}, "extracton", "extraction"),
        ({"metrics": {"interval_ms": -1}}, "metrics.interval_ms", None),
        ({"metrics": {"interval_ms": 0.5}}, "metrics.interval_ms", None),
        ({"extraction": {"extractors": []}}, "extraction.extractors", None),
        ({"session": []}, "session", None),
    ],
)
def test_a_programs_mistake_is_named(
    tree: dict[str, object], param: str, meant: str | None
) -> None:
    with pytest.raises(LiveHandleError, match=r"\(program\)") as refused:
        loader.from_tree(tree, {})
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == param
    assert refused.value.data.get("did_you_mean") == meant


def test_extractors_come_from_any_source_and_a_stronger_one_replaces_them(path: Path) -> None:
    text = '[extraction.extractors.Order]\nkind = "regex"\npatterns.item = "a (\\\\w+)"\n'
    loaded = load(path, text)
    order = {"kind": "regex", "patterns": {"item": r"a (\w+)"}}
    assert loaded.config.extraction.extractors == {"Order": order}
    environ = {"LIVEHANDLE_EXTRACTION_EXTRACTORS": '{"Name": {"kind": "llm", "prompt": "?"}}'}
    loaded = load(path, text, environ)
    assert loaded.config.extraction.extractors.keys() == {"Name"}
    over = loader.with_overrides(loaded, {"extraction": {"extractors": {}}})
    assert over.config.extraction.extractors == {}


def test_the_interval_of_the_metrics_is_not_a_sessions() -> None:
    with pytest.raises(LiveHandleError, match=r"Leave metrics\.interval_ms out of connect"):
        loader.with_overrides(load(), {"metrics": {"interval_ms": 1000}})


# Quirks of a model, and the proxy.


def quirky(path: Path, text: str) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        load(path, f"[session.quirks]\n{text}\n")
    assert caught.value.name == "config.invalid"
    assert caught.value.data["file"] == str(path)
    return caught.value


def test_quirks_of_a_model_are_taken_by_trait(path: Path) -> None:
    loaded = load(path, '[session.quirks]\ntyped_turn = "realtime"\nresumption = false\n')
    assert loaded.config.session.quirks == {"typed_turn": "realtime", "resumption": False}


def test_a_quirk_that_is_no_trait_is_refused_with_the_nearest(path: Path) -> None:
    error = quirky(path, 'typed_turns = "realtime"')
    assert error.data["param"] == "session.quirks"
    assert error.data["did_you_mean"] == "typed_turn"
    assert "audio_during_call" in str(error.data["expected"])


def test_a_value_that_its_trait_has_not_is_refused_with_the_nearest(path: Path) -> None:
    error = quirky(path, 'audio_during_call = "buffers"')
    assert error.data["param"] == "session.quirks.audio_during_call"
    assert error.data["did_you_mean"] == "buffer"
    assert error.data["expected"] == "one of pass, drop, buffer"
    assert quirky(path, "resumption = 1").data["expected"] == "one of true, false"


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://user:secret@proxy.example:8080", "http://***@proxy.example:8080"),
        ("socks5://proxy.example:1080", "socks5://proxy.example:1080"),
        ("none", "none"),
        ("", ""),
        ("http://user:secret@[x", "***"),
    ],
)
def test_the_password_of_a_proxy_is_masked_in_the_effective_configuration(
    proxy: str, shown: str
) -> None:
    loaded = load(flags={"session.proxy": proxy})
    assert loaded.config.session.proxy == proxy
    assert loader.effective(loaded)["session"]["proxy"]["value"] == shown


@pytest.mark.parametrize(
    "proxy",
    ["None", "proxy.example:8080", "ftp://proxy.example", "http://", "http://x/path", "http://x?y"],
)
def test_what_is_no_proxy_is_refused_without_being_repeated(proxy: str) -> None:
    with pytest.raises(LiveHandleError) as caught:
        load(flags={"session.proxy": proxy})
    assert caught.value.data["param"] == "session.proxy"


@pytest.mark.parametrize("name", ["session.credentials", "session.proxy", "resumption.store"])
def test_what_the_daemon_sends_and_keeps_is_not_for_connect_to_say(name: str) -> None:
    section, key = name.split(".")
    value = {"session.credentials": "key", "session.proxy": "none"}.get(name, False)
    with pytest.raises(LiveHandleError) as caught:
        loader.with_overrides(load(), {section: {key: value}})
    assert caught.value.data["param"] == name


def test_connect_may_say_how_to_resume_and_what_a_call_does_to_audio() -> None:
    overrides = {"resumption": {"policy": "fresh"}, "tools": {"audio_during_call": "drop"}}
    config = loader.with_overrides(load(), overrides).config
    assert config.resumption.policy == "fresh"
    assert config.tools.audio_during_call == "drop"


# Patterns of redaction.

PATTERNS = """[log]
level = "info"

[redaction.patterns]
mail = '[a-z]+@[a-z]+'
card = '{}'
"""


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "RE2 refuses it, missing )"),
        ("a(?=b)", "RE2 refuses it, invalid perl operator"),
        ("a*", "it matches where there is nothing, and so everywhere"),
    ],
)
def test_what_is_no_pattern_is_refused_by_its_name_and_line(
    path: Path, pattern: str, why: str
) -> None:
    with pytest.raises(LiveHandleError) as refused:
        load(path, PATTERNS.format(pattern))
    error = refused.value
    assert error.name == "config.invalid"
    assert error.message.startswith(f"Correct redaction.patterns.card (file {path}:6): {why}")
    assert (error.data["file"], error.data["line"]) == (str(path), 6)
    assert error.data["param"] == "redaction.patterns.card"


def test_a_pattern_of_a_flag_is_refused_by_its_name() -> None:
    with pytest.raises(LiveHandleError) as refused:
        load(flags={"redaction.patterns": '{"card": "("}'})
    assert refused.value.message.startswith("Correct redaction.patterns.card (flag --set): ")
    assert "file" not in refused.value.data


def test_patterns_and_keys_are_read_from_a_file_and_from_texts(path: Path) -> None:
    environ = {"LIVEHANDLE_REDACTION_KEYS": "pin, card"}
    config = load(path, PATTERNS.replace("{}", "[0-9]{16}"), environ).config
    assert config.redaction.patterns == {"mail": "[a-z]+@[a-z]+", "card": "[0-9]{16}"}
    assert config.redaction.keys == ("pin", "card")
