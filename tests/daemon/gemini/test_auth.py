"""The key: where it is found, and how it stays out of sight (wire 1.2)."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.auth import Key, find_key, fingerprint, mask
from livehandled.gemini.closing import action_of

KEY = "AIzaNotAKey-0123456789_x"


def found(session: Session, environ: dict[str, str]) -> Key:
    key = find_key(session, environ)
    assert key is not None
    return key


def key_of(session: Session, environ: dict[str, str]) -> str:
    headers = found(session, environ).headers()
    assert list(headers) == ["x-goog-api-key"]
    return headers["x-goog-api-key"]


def refused(session: Session, environ: dict[str, str]) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as error:
        find_key(session, environ)
    assert error.value.name == "auth.missing_key"
    assert action_of(error.value) == "stop"
    assert KEY not in str(error.value.to_json())
    return error.value


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    directory = tmp_path / "credentials"
    directory.mkdir()
    return directory


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("backend", ["gemini", "vertex"])
@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"GEMINI_API_KEY": "a"}, "a"),
        ({"GOOGLE_API_KEY": "b"}, "b"),
        ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "b"),
        ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": ""}, "a"),
        ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": " \n"}, "a"),
        ({"GEMINI_API_KEY": " a\n"}, "a"),
    ],
)
def test_the_environment_has_the_key_as_for_the_official_sdk(
    backend: str, environ: dict[str, str], key: str
) -> None:
    session = Session(backend="vertex" if backend == "vertex" else "gemini")
    assert key_of(session, environ) == key


@pytest.mark.parametrize(
    "name", ["GEMINI_API_KEY", "GOOGLE_API_KEY", "gemini-api-key", "google-api-key"]
)
def test_systemds_credentials_directory_has_the_key(systemd: Path, name: str) -> None:
    (systemd / name).write_text(f"{KEY}\n")
    (systemd / name).chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(systemd)}
    assert key_of(Session(), environ) == KEY
    assert found(Session(), environ).origin == f"file {systemd / name}"


def test_the_environment_comes_before_systemd_and_systemd_before_the_key_file(
    systemd: Path, key_file: Path
) -> None:
    (systemd / "GEMINI_API_KEY").write_text("of-systemd")
    session = Session(key_file=str(key_file))
    environ = {"GEMINI_API_KEY": "of-environment", "CREDENTIALS_DIRECTORY": str(systemd)}
    assert key_of(session, environ) == "of-environment"
    del environ["GEMINI_API_KEY"]
    assert key_of(session, environ) == "of-systemd"
    (systemd / "GEMINI_API_KEY").write_text("\n")
    assert key_of(session, environ) == KEY
    assert key_of(session, {}) == KEY


def test_a_key_file_may_be_in_the_home_directory(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    assert key_of(Session(key_file="~/key"), {}) == KEY


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_key_file_is_read(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert key_of(Session(key_file=str(key_file)), {}) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_key_file_that_others_can_reach_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert f"chmod 600 {key_file}" in refused(Session(key_file=str(key_file)), {}).message


def test_a_key_file_that_is_missing_or_empty_is_named(key_file: Path) -> None:
    session = Session(key_file=str(key_file))
    key_file.write_text("\n")
    assert str(key_file) in refused(session, {}).message
    key_file.unlink()
    assert str(key_file) in refused(session, {}).message


def test_a_key_file_that_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "plain file" in refused(Session(key_file=str(tmp_path / "fifo")), {}).message
    assert "plain file" in refused(Session(key_file=str(tmp_path)), {}).message


def test_a_key_file_that_cannot_be_opened_is_refused_with_the_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "symbolic links" in refused(Session(key_file=str(loop)), {}).message


@pytest.mark.parametrize("path", ["~no.such.user/key", "/no/such/key", "/a\0b"])
def test_a_key_file_that_cannot_be_is_named(path: str) -> None:
    message = refused(Session(key_file=path), {}).message
    assert f"Put an API key into {path}: session.key_file names it" in message


def test_a_key_file_that_cannot_be_read_is_refused_with_the_reason() -> None:
    # A plain file of mode 0600, with nothing at its beginning.
    assert "Input/output error" in refused(Session(key_file="/proc/self/mem"), {}).message


@pytest.mark.parametrize("key", [f"{KEY}\nx", f"{KEY} x", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_refused(key_file: Path, key: str) -> None:
    key_file.write_text(key)
    assert str(key_file) in refused(Session(key_file=str(key_file)), {}).message
    assert "env GEMINI_API_KEY" in refused(Session(), {"GEMINI_API_KEY": key}).message


@pytest.mark.parametrize("backend", ["gemini", "vertex"])
def test_without_a_key_there_is_none(backend: str) -> None:
    session = Session(backend="vertex" if backend == "vertex" else "gemini")
    assert find_key(session, {"GEMINI_API_KEY": " "}) is None


def test_the_emulator_needs_no_key_and_is_not_sent_a_real_one() -> None:
    key = found(Session(backend="emulator"), {"GEMINI_API_KEY": KEY})
    assert key.headers() == {"x-goog-api-key": "emulator"}
    assert key.secrets() == ()


def test_a_key_does_not_show_itself() -> None:
    key = found(Session(), {"GEMINI_API_KEY": KEY})
    assert key.secrets() == (KEY,)
    assert KEY not in repr(key) + str(key) + f"{key}"
    assert not hasattr(key, "__dict__")


def test_a_key_that_is_an_ephemeral_token_travels_as_one() -> None:
    token = found(Session(), {"GEMINI_API_KEY": f"auth_tokens/{KEY}"})
    assert token.is_token
    assert token.headers() == {"Authorization": f"Token auth_tokens/{KEY}"}
    assert not found(Session(), {"GEMINI_API_KEY": KEY}).is_token


@pytest.mark.anyio
async def test_a_key_is_the_same_at_every_request() -> None:
    key = Key(KEY, "test")
    assert await key.authorise() == await key.authorise(reuse=True) == {"x-goog-api-key": KEY}


def test_a_fingerprint_tells_keys_apart_and_tells_nothing_of_them() -> None:
    prints = {Key(text, "test").fingerprint for text in (KEY, KEY + "x", KEY[:-1])}
    assert len(prints) == 3
    assert all(len(p) == 16 and int(p, 16) >= 0 and p not in KEY for p in prints)
    assert Key(KEY, "here").fingerprint == Key(KEY, "there").fingerprint
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"key {KEY}!", "key ***!"),
        (f"{KEY}{KEY}", "******"),
        (f"?key={quote('a/b+c&d12')}&x", "?key=a/b%2Bc%26d12&x"),
        (f"API key {KEY[:-1]}", "API key ***"),
        (f"API key {KEY[:8]}", "API key ***"),
        (f"API key {KEY[:7]}", f"API key {KEY[:7]}"),
        (f"{KEY[:8]} is the beginning", f"{KEY[:8]} is the beginning"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_a_secret_is_masked_also_where_a_text_was_cut(text: str, masked: str) -> None:
    assert mask(text, [KEY]) == masked


def test_a_secret_is_masked_also_as_a_url_spells_it() -> None:
    assert mask("wss://x?key=a%2Fb%2Bc", ["a/b+c"]) == "wss://x?key=***"


def test_of_two_secrets_the_longer_one_is_masked_whole() -> None:
    assert mask("abcdef", ["abc", "abcdef", ""]) == "***"
    assert mask("x", []) == "x"


@given(
    secret=st.text("abcXYZ-_0/+", min_size=8, max_size=40),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
    cut=st.integers(1, 123),
)
def test_no_masked_text_holds_the_secret(secret: str, before: str, after: str, cut: int) -> None:
    text = before + secret + after
    assert secret not in mask(text, [secret])
    assert not any(mask(text[:cut], [secret]).endswith(secret[:n]) for n in range(8, len(secret)))
