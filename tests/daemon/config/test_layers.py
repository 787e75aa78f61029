"""Where values come from, and what each source refuses."""

from pathlib import Path
from typing import Any

import pytest

from livehandle_proto.errors import ERRORS, LiveHandleError
from livehandled.config import layers
from livehandled.config.keys import KEYS
from livehandled.config.layers import Layer


def values(layer: Layer) -> dict[str, object]:
    return {name: entry.value for name, entry in layer.items()}


def sources(layer: Layer) -> dict[str, str]:
    return {name: entry.origin.text for name, entry in layer.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def refused_file(path: Path, text: str) -> LiveHandleError:
    path.write_text(text)
    with pytest.raises(LiveHandleError) as refused:
        layers.from_file(path)
    return refused.value


def test_a_file_sets_what_it_says_and_every_value_knows_its_line(path: Path) -> None:
    path.write_text('[session]\nmodel = "m"\n\n[control]\nmode = "0660"\nuids = [1]\n')
    layer = layers.from_file(path)
    assert values(layer) == {"session.model": "m", "control.mode": 0o660, "control.uids": (1,)}
    assert sources(layer) == {
        "session.model": f"file {path}:2",
        "control.mode": f"file {path}:5",
        "control.uids": f"file {path}:6",
    }


REFUSED_IN_A_FILE = [
    ("[sesion]\n", 1, "sesion", "session", "there is no such key"),
    ("\n[nonsense]\n", 2, "nonsense", None, "one of the sections session, context"),
    ("session = 5\n", 1, "session", None, "a table"),
    ("[[session]]\n", 1, "session", None, "a table"),
    ("[session]\nmodle = 1\n", 2, "session.modle", "session.model", "there is no such key"),
    ("[session]\nvad = 'off'\n", 2, "session.vad", "voice.vad", "there is no such key"),
    ("[context]\nlength = 1\n", 2, "context.length", None, "one of context.delivery, "),
    ("[session]\n\nmodel = 5\n", 3, "session.model", None, "the id of a model"),
    ("[session]\nmodality='audoi'\n", 2, "session.modality", "audio", 'one of "audio", "text"'),
    ("[session]\nallow_plaintext=1\n", 2, "session.allow_plaintext", None, "true or false"),
    ("limits.ring_events = 0", 1, "limits.ring_events", None, "whole number from 1 to 1000000"),
    ("voice.start_threshold_db = 97", 1, "voice.start_threshold_db", None, "from 0 to 96"),
    ("session.setup = 'x'", 1, "session.setup", None, "a table of JSON values"),
    ("[session.setup]\nx = 2026-01-01", 1, "session.setup", None, "a table of JSON values"),
    ("control.mode = 600", 1, "control.mode", None, "permission bits"),
    ("control.uids = [-1]", 1, "control.uids", None, "a list of user numbers"),
]


@pytest.mark.parametrize(("text", "line", "param", "meant", "said"), REFUSED_IN_A_FILE)
def test_a_file_is_refused_with_file_line_expectation_and_suggestion(
    path: Path, text: str, line: int, param: str, meant: str | None, said: str
) -> None:
    error = refused_file(path, text)
    data: dict[str, Any] = error.data
    assert error.name == "config.invalid"
    assert (data["file"], data["line"], data["param"]) == (str(path), line, param)
    assert data.get("did_you_mean") == meant
    assert said in error.message
    assert data["expected"]
    assert error.message.startswith(f"Correct {param} (file {path}:{line}): ")
    assert ("did you mean" in error.message) == (meant is not None)


@pytest.mark.parametrize("name", KEYS)
def test_every_single_dropped_letter_of_a_key_is_recognised(path: Path, name: str) -> None:
    section, key = name.split(".")
    for i in range(len(key)):
        typo = key[:i] + key[i + 1 :]
        data = refused_file(path, f"[{section}]\n{typo} = 1\n").data
        assert data["did_you_mean"] == name


def test_a_refusal_does_not_repeat_the_value(path: Path) -> None:
    for key in ("key_file", "location", "api_version", "base_url", "modality"):
        error = refused_file(path, f'[session]\n{key} = "AIza/secret"\n')
        assert "AIza" not in str(error.to_json())


def test_the_environment_sets_any_key_by_its_variable() -> None:
    layer = layers.from_environment(
        {
            "LIVEHANDLE_SESSION_ALLOW_PLAINTEXT": "1",
            "LIVEHANDLE_CONTROL_UIDS": "5,6",
            "LIVEHANDLE_SESSION_SETUP": '{"labels": {}}',
            "LIVEHANDLE_SOCKET": "/x",
            "LIVEHANDLE_INSTANCE": "x",
            "LIVEHANDLE_CONFIG": "/x",
            "livehandle_session_model": "x",
            "HOME": "/root",
        }
    )
    assert values(layer) == {
        "session.allow_plaintext": True,
        "control.uids": (5, 6),
        "session.setup": {"labels": {}},
    }
    assert sources(layer)["control.uids"] == "env LIVEHANDLE_CONTROL_UIDS"


def test_every_key_has_a_variable_of_its_own() -> None:
    assert sorted(layers.VARIABLES.values()) == sorted(KEYS)
    assert layers.VARIABLES["LIVEHANDLE_LIMITS_MAX_LINE_BYTES"] == "limits.max_line_bytes"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("LIVEHANDLE_SESION_MODEL", "LIVEHANDLE_SESSION_MODEL"),
        ("LIVEHANDLE_SESSION_MODLE", "LIVEHANDLE_SESSION_MODEL"),
        ("LIVEHANDLE_SOCKT", "LIVEHANDLE_SOCKET"),
        ("LIVEHANDLE_session_model", "LIVEHANDLE_SESSION_MODEL"),
        ("LIVEHANDLE_NONSENSE", None),
        ("LIVEHANDLE_", None),
    ],
)
def test_an_unknown_variable_of_ours_is_refused(variable: str, meant: str | None) -> None:
    with pytest.raises(LiveHandleError, match=f"Correct {variable} ") as refused:
        layers.from_environment({variable: "x"})
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == variable
    assert refused.value.data.get("did_you_mean") == meant


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("session.modality", "adio", "audio"),
        ("session.modality", "video", None),
        ("limits.ring_events", "many", None),
        ("session.setup", "[" * 100_000, None),
    ],
)
def test_a_wrong_text_is_refused_by_the_name_of_the_key(
    name: str, text: str, meant: str | None
) -> None:
    variable = f"LIVEHANDLE_{name.replace('.', '_').upper()}"
    for read, given, source in (
        (layers.from_environment, {variable: text}, f"env {variable}"),
        (layers.from_flags, {name: text}, "flag --set"),
    ):
        with pytest.raises(LiveHandleError) as refused:
            read(given)
        assert refused.value.message.startswith(f"Correct {name} ({source}): it must be ")
        assert refused.value.data.get("did_you_mean") == meant
        assert "file" not in refused.value.data


def test_flags_set_keys_by_their_dotted_names() -> None:
    layer = layers.from_flags({"voice.vad": "off", "log.level": "debug"})
    assert values(layer) == {"voice.vad": "off", "log.level": "debug"}
    assert set(sources(layer).values()) == {"flag --set"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("session.modle", "session.model"), ("model", "session.model"), ("", None), ("a.b.c", None)],
)
def test_an_unknown_flag_key_is_refused(name: str, meant: str | None) -> None:
    with pytest.raises(LiveHandleError) as refused:
        layers.from_flags({name: "x"})
    assert refused.value.data["param"] == name
    assert refused.value.data.get("did_you_mean") == meant


def test_connect_sets_what_may_differ_from_session_to_session() -> None:
    tree = {
        "session": {"model": "m", "setup": {"a": None}},
        "context": {"compression": False},
        "voice": {"hangover_frames": 3},
    }
    layer = layers.from_connect(tree)
    assert values(layer) == {
        "session.model": "m",
        "session.setup": {"a": None},
        "context.compression": False,
        "voice.hangover_frames": 3,
    }
    assert set(sources(layer).values()) == {"connect"}


@pytest.mark.parametrize(
    "name", [*(name for name in KEYS if name.split(".")[0] not in layers.PER_SESSION)]
)
def test_connect_may_not_set_a_section_of_the_daemon(name: str) -> None:
    section, key = name.split(".")
    value = KEYS[name].shown(KEYS[name].default)
    with pytest.raises(LiveHandleError, match="set when the daemon starts") as refused:
        layers.from_connect({section: {key: value}})
    assert (refused.value.name, refused.value.data["param"]) == ("config.invalid", name)


@pytest.mark.parametrize("name", sorted(layers.SET_AT_START))
def test_connect_may_not_say_which_key_is_sent_or_where_to(name: str) -> None:
    section, key = name.split(".")
    with pytest.raises(LiveHandleError, match="set when the daemon starts"):
        layers.from_connect({section: {key: KEYS[name].default}})


@pytest.mark.parametrize(
    ("tree", "param", "meant"),
    [
        ({"sesion": {}}, "sesion", "session"),
        ({"session": {"modle": "x"}}, "session.modle", "session.model"),
        ({"session": {"modality": "txt"}}, "session.modality", "text"),
        ({"session": {"modality": None}}, "session.modality", None),
        ({"session": None}, "session", None),
        ({"session": []}, "session", None),
        ({"voice": {"hangover_frames": "3"}}, "voice.hangover_frames", None),
        ({"session.model": "x"}, "session.model", None),
    ],
)
def test_connect_refuses_as_the_file_does(
    tree: dict[str, object], param: str, meant: str | None
) -> None:
    with pytest.raises(LiveHandleError) as refused:
        layers.from_connect(tree)
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == param
    assert refused.value.data.get("did_you_mean") == meant
    assert "(connect)" in refused.value.message


SDK = {
    "GOOGLE_GENAI_API_VERSION": "v1",
    "GOOGLE_GEMINI_BASE_URL": "https://gemini.example",
    "GOOGLE_VERTEX_BASE_URL": "https://vertex.example",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "eu",
}


@pytest.mark.parametrize(
    ("backend", "set_by_sdk"),
    [
        ("gemini", {"session.api_version": "v1", "session.base_url": "https://gemini.example"}),
        (
            "vertex",
            {
                "session.api_version": "v1",
                "session.base_url": "https://vertex.example",
                "session.project": "p",
                "session.location": "eu",
            },
        ),
        ("emulator", {"session.api_version": "v1"}),
    ],
)
def test_the_sdks_variables_mean_what_they_mean_there(
    backend: str, set_by_sdk: dict[str, str]
) -> None:
    layer = layers.from_sdk(SDK, backend)
    assert values(layer) == set_by_sdk
    assert sources(layer)["session.api_version"] == "env GOOGLE_GENAI_API_VERSION"


@pytest.mark.parametrize(
    ("backend", "text", "version"),
    [
        ("gemini", "beta", "v1beta"),
        ("vertex", "beta", "v1beta1"),
        ("gemini", "v1alpha", "v1alpha"),
    ],
)
def test_beta_is_the_beta_of_the_backend(backend: str, text: str, version: str) -> None:
    layer = layers.from_sdk({"GOOGLE_GENAI_API_VERSION": text}, backend)
    assert values(layer) == {"session.api_version": version}


def test_an_empty_variable_of_the_sdk_is_an_unset_one() -> None:
    empty = dict.fromkeys(layers.SDK_VARIABLES, "")
    assert layers.from_sdk(empty, "vertex") == {}
    assert layers.backend_of_sdk(empty, "vertex") == {}


def test_a_variable_of_the_sdk_is_checked_like_any_value() -> None:
    with pytest.raises(LiveHandleError, match=r"\(env GOOGLE_GEMINI_BASE_URL\)") as refused:
        layers.from_sdk({"GOOGLE_GEMINI_BASE_URL": "gateway"}, "gemini")
    assert refused.value.data["param"] == "session.base_url"


ENTERPRISE, VERTEXAI = "GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"


@pytest.mark.parametrize(
    ("environ", "below", "backend"),
    [
        ({VERTEXAI: "true"}, "gemini", "vertex"),
        ({VERTEXAI: "True"}, "emulator", "vertex"),
        ({VERTEXAI: "1"}, "gemini", "vertex"),
        ({VERTEXAI: "false"}, "vertex", "gemini"),
        ({VERTEXAI: "yes"}, "vertex", "gemini"),
        ({VERTEXAI: "false"}, "gemini", None),
        ({VERTEXAI: "false"}, "emulator", None),
        ({ENTERPRISE: "true", VERTEXAI: "false"}, "gemini", "vertex"),
        ({ENTERPRISE: "0", VERTEXAI: "true"}, "vertex", "gemini"),
        ({ENTERPRISE: "0", VERTEXAI: "true"}, "gemini", None),
        ({}, "vertex", None),
    ],
)
def test_the_sdk_chooses_between_vertex_and_the_gemini_api_alone(
    environ: dict[str, str], below: str, backend: str | None
) -> None:
    chosen = values(layers.backend_of_sdk(environ, below)).get("session.backend")
    assert chosen == backend


def test_the_error_of_the_configuration_is_in_the_catalogue() -> None:
    assert ERRORS["config.invalid"].retryable is False
