"""Values read by the type of their key, from TOML, JSON and text."""

import datetime as dt

import pytest

from livehandled.config.keys import KEYS

TYPED = [
    ("session.backend", "vertex", "vertex"),
    ("session.setup", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ("session.allow_plaintext", True, True),
    (
        "session.base_url",
        "https://gateway.example/prefix?x=1",
        "https://gateway.example/prefix?x=1",
    ),
    ("session.base_url", "ws://[::1]:8080", "ws://[::1]:8080"),
    ("session.api_version", "v1alpha", "v1alpha"),
    ("session.location", "us-central1", "us-central1"),
    ("session.project", "example.com:my-project-1", "example.com:my-project-1"),
    ("session.key_file", "~/key", "~/key"),
    ("voice.start_threshold_db", 9, 9.0),
    ("control.uids", [0, 1000], (0, 1000)),
    ("control.mode", "0600", 0o600),
    ("control.mode", "660", 0o660),
    ("control.mode", "0o666", 0o666),
    ("control.mode", 0o600, 0o600),
    ("control.mode", 0o660, 0o660),
]

TYPED_WRONG = [
    ("session.backend", "Vertex"),
    ("session.backend", None),
    ("session.model", ""),
    ("session.model", 5),
    ("session.setup", []),
    ("session.setup", {"when": dt.date(2026, 1, 1)}),
    ("session.setup", {"when": {"at": [dt.time(1)]}}),
    ("session.setup", {"x": float("nan")}),
    ("session.setup", {"x": float("inf")}),
    ("session.allow_plaintext", "true"),
    ("session.allow_plaintext", 1),
    ("session.base_url", "gateway.example"),
    ("session.base_url", "ftp://gateway.example"),
    ("session.base_url", "https://"),
    ("session.base_url", "https://gateway.example/#x"),
    ("session.base_url", "https://gateway.example/a b"),
    ("session.base_url", "https://gateway.example\n"),
    ("session.api_version", "beta"),
    ("session.api_version", "v1/../x"),
    ("session.location", "evil.example/"),
    ("session.location", "us-central1\n"),
    ("session.project", "a/b"),
    ("session.key_file", "key"),
    ("session.connect_timeout_ms", 5.0),
    ("session.connect_timeout_ms", True),
    ("session.connect_timeout_ms", "5"),
    ("voice.start_threshold_db", float("nan")),
    ("voice.start_threshold_db", float("inf")),
    ("control.uids", 5),
    ("control.uids", [-1]),
    ("control.uids", ["root"]),
    ("control.mode", "0700"),
    ("control.mode", "0601"),
    ("control.mode", "01666"),
    ("control.mode", "rw"),
    ("control.mode", ""),
    ("control.mode", "0608"),
    ("control.mode", 0o700),
    ("control.mode", 600),
    ("control.mode", 400),
    ("control.mode", 0),
    ("control.mode", -384),
    ("control.mode", True),
    ("control.mode", 384.0),
    ("control.mode", None),
]

TEXTS = [
    ("session.model", " x ", " x "),
    ("session.voice", "", ""),
    ("session.instruction", "null", "null"),
    ("session.modality", "text", "text"),
    ("session.setup", '{"a": null}', {"a": None}),
    ("session.allow_plaintext", "true", True),
    ("session.allow_plaintext", "1", True),
    ("session.allow_plaintext", "false", False),
    ("session.allow_plaintext", "0", False),
    ("limits.ring_events", " 7 ", 7),
    ("voice.start_threshold_db", "12.5", 12.5),
    ("control.uids", "1000, 1001", (1000, 1001)),
    ("control.uids", "", ()),
    ("control.mode", "0660", 0o660),
    ("control.mode", "660", 0o660),
]

TEXTS_WRONG = [
    ("session.modality", "Text"),
    ("session.model", ""),
    ("session.setup", "[]"),
    ("session.setup", "{"),
    ("session.setup", '{"x": NaN}'),
    ("session.setup", ""),
    ("session.allow_plaintext", "yes"),
    ("session.allow_plaintext", ""),
    ("limits.ring_events", "many"),
    ("limits.ring_events", "1.5"),
    ("limits.ring_events", ""),
    ("limits.ring_events", "0"),
    ("voice.start_threshold_db", "nan"),
    ("control.uids", "root"),
    ("control.uids", "1000;1001"),
    ("control.mode", "384"),
    ("control.mode", "-600"),
]


@pytest.mark.parametrize(("name", "given", "value"), TYPED)
def test_a_typed_value_is_read(name: str, given: object, value: object) -> None:
    read = KEYS[name].read(given)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("name", "given"), TYPED_WRONG)
def test_a_typed_value_that_the_key_does_not_take_is_refused(name: str, given: object) -> None:
    with pytest.raises(ValueError):
        KEYS[name].read(given)


@pytest.mark.parametrize(("name", "text", "value"), TEXTS)
def test_a_text_is_read_by_the_type_of_its_key(name: str, text: str, value: object) -> None:
    read = KEYS[name].read_text(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("name", "text"), TEXTS_WRONG)
def test_a_text_that_the_key_does_not_take_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        KEYS[name].read_text(text)


def test_every_key_is_shown_in_a_form_it_may_be_given_in() -> None:
    for key in KEYS.values():
        assert key.read(key.shown(key.default)) == key.default


def test_permission_bits_are_shown_in_octal_and_lists_as_lists() -> None:
    assert KEYS["control.mode"].shown(0o660) == "0660"
    assert KEYS["control.uids"].shown((1, 2)) == [1, 2]
