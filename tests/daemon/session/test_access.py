"""Which credentials a session has, and what they decide on the way to the service (wire 1.2)."""

import json
from pathlib import Path
from typing import Literal

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.auth import Credentials, Key
from livehandled.gemini.closing import action_of
from livehandled.session import adc
from livehandled.session.access import credentials, routed
from livehandled.session.adc import ApplicationDefault
from livehandled.session.minted import Minted

KEY = {"GEMINI_API_KEY": "marked-key-0123456789"}
TOKEN = {"GEMINI_API_KEY": "auth_tokens/marked-0123456789"}


@pytest.fixture
def account(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"type": "service_account", "client_email": "a@b.example"}))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def refused(session: Session, environ: dict[str, str]) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        routed(session, credentials(session, environ))
    return caught.value


@pytest.mark.parametrize(
    ("session", "environ", "kind"),
    [
        (Session(), KEY, Key),
        (Session(credentials="key"), KEY, Key),
        (Session(credentials="token"), KEY, Minted),
        (Session(credentials="token"), TOKEN, Key),  # it is one
        (Session(credentials="adc"), KEY, ApplicationDefault),
        (Session(backend="vertex"), KEY, Key),
        (Session(backend="vertex"), {}, ApplicationDefault),
        # As for the official SDK, a project stands above a key of the environment.
        (Session(backend="vertex", project="p"), KEY, ApplicationDefault),
        (Session(backend="vertex", project="p", credentials="key"), KEY, Key),
        (Session(backend="vertex", credentials="adc"), KEY, ApplicationDefault),
        (Session(backend="emulator"), KEY, Key),
        (Session(backend="emulator", credentials="token"), KEY, Key),
        (Session(backend="emulator", credentials="adc"), {}, Key),
    ],
)
def test_the_configuration_and_what_is_there_decide_on_the_kind(
    session: Session, environ: dict[str, str], kind: type[object], account: dict[str, str]
) -> None:
    assert type(credentials(session, environ | account)) is kind


def test_the_emulator_is_never_sent_real_credentials() -> None:
    for kind in ("", "key", "token", "adc"):
        session = Session(backend="emulator", credentials=kind)
        found = credentials(session, KEY | {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"})
        assert isinstance(found, Key)
        assert found.headers() == {"x-goog-api-key": "emulator"}


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (Session(), ["GEMINI_API_KEY", "--emulator"]),
        (Session(credentials="token"), ["GEMINI_API_KEY"]),
        (Session(backend="vertex", credentials="key"), ["GOOGLE_API_KEY", "adc"]),
    ],
)
def test_without_a_key_the_error_says_what_to_do(session: Session, words: list[str]) -> None:
    error = refused(session, {})
    assert error.name == "auth.missing_key"
    assert action_of(error) == "stop"
    assert all(word in error.message for word in words)


def test_a_service_without_a_key_is_told_of_its_credential(tmp_path: Path) -> None:
    error = refused(Session(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "gemini-api-key, mode 0600, in /etc/livehandle" in error.message


def test_without_the_package_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, account: dict[str, str]
) -> None:
    monkeypatch.setattr(adc, "find_spec", lambda _name: None)
    error = refused(Session(backend="vertex", project="p"), KEY | account)
    assert error.name == "auth.missing_key"
    assert "livehandle[vertex]" in error.message


def test_vertex_has_no_ephemeral_tokens() -> None:
    error = refused(Session(backend="vertex", credentials="token"), KEY)
    assert (error.name, error.data["param"]) == ("config.invalid", "session.credentials")


# What they decide on the way.


def test_a_key_for_vertex_is_an_express_key_whose_project_is_its_own() -> None:
    session = Session(backend="vertex", project="p", location="us-central1", credentials="key")
    on_its_way = routed(session, credentials(session, KEY))
    assert (on_its_way.project, on_its_way.location) == ("", "")


@pytest.mark.parametrize("version", ["", "v1alpha"])
@pytest.mark.parametrize(
    ("kind", "environ"), [("", TOKEN), ("key", TOKEN), ("token", TOKEN), ("token", KEY)]
)
def test_an_ephemeral_token_is_of_one_version(
    kind: Literal["", "key", "token"], environ: dict[str, str], version: str
) -> None:
    session = Session(credentials=kind, api_version=version)
    found = credentials(session, environ)
    assert found.is_token
    assert routed(session, found).api_version == "v1alpha"
    other = Session(credentials=kind, api_version="v1beta")
    assert refused(other, environ).data["param"] == "session.api_version"


def test_a_plain_key_changes_nothing_on_the_way() -> None:
    session = Session(api_version="v1", project="p", location="eu")
    found = credentials(session, KEY)
    assert not found.is_token
    assert routed(session, found) is session


def on_vertex(account: dict[str, str], **values: str) -> Session:
    session = Session(backend="vertex", **values)  # type: ignore[arg-type]  # each test gives keys of the section
    found: Credentials = credentials(session, account)
    return routed(session, found)


@pytest.mark.parametrize(
    "values",
    [
        {"project": "p"},
        {"base_url": "https://gateway.example"},
        {"model": "projects/p/locations/eu/publishers/google/models/m"},
    ],
)
def test_an_account_needs_a_project(account: dict[str, str], values: dict[str, str]) -> None:
    session = Session(backend="vertex", **values)  # type: ignore[arg-type]  # each row gives keys of the section
    assert on_vertex(account, **values) == session
    error = refused(Session(backend="vertex"), account)
    assert (error.name, error.data["param"]) == ("config.invalid", "session.project")
    assert "GOOGLE_CLOUD_PROJECT" in error.message
