"""Application default credentials, against a token service on loopback (wire 1.2)."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.closing import action_of
from livehandled.session.adc import ApplicationDefault
from support.http import Answer, HttpServer, http_server

pytestmark = pytest.mark.anyio

Write = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def tokens() -> Iterator[HttpServer]:
    """Give out ya29.1, ya29.2 and so on."""
    numbers = count(1)

    def answer(_: object) -> Answer:
        token = {"access_token": f"ya29.{next(numbers)}", "expires_in": 3600}
        return Answer(json.dumps(token).encode(), headers={"content-type": "application/json"})

    with http_server(answer) as server:
        yield server


@pytest.fixture
def write(tmp_path: Path, private_key: str) -> Write:
    """Write a service account's file and return the environment that names it."""

    def written(token_uri: str, **changes: object) -> dict[str, str]:
        path = tmp_path / "account.json"
        account = {
            "type": "service_account",
            "project_id": "p",
            "client_email": "robot@p.example",
            "private_key_id": "1",
            "private_key": private_key,
            "token_uri": token_uri,
        }
        path.write_text(json.dumps(account | changes))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}

    return written


@pytest.fixture(autouse=True)
def no_machine_has_an_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


async def failure(account: ApplicationDefault) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        await account.authorise()
    assert "PRIVATE KEY" not in str(caught.value.to_json())
    return caught.value


def refused(environ: dict[str, str]) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        ApplicationDefault(environ)
    assert caught.value.name == "auth.missing_key"
    return caught.value


async def test_every_connection_gets_a_fresh_token(tokens: HttpServer, write: Write) -> None:
    account = ApplicationDefault(write(tokens.url))
    assert await account.authorise() == {"Authorization": "Bearer ya29.1"}
    assert await account.authorise() == {"Authorization": "Bearer ya29.2"}
    assert len(tokens.asked) == 2
    assert account.secrets() == ("ya29.1", "ya29.2")


async def test_what_asks_often_gets_the_token_that_still_holds(
    tokens: HttpServer, write: Write
) -> None:
    account = ApplicationDefault(write(tokens.url))
    headers = [await account.authorise(reuse=True) for _ in range(3)]
    assert headers == [{"Authorization": "Bearer ya29.1"}] * 3
    assert len(tokens.asked) == 1


async def test_only_the_newest_tokens_are_kept(tokens: HttpServer, write: Write) -> None:
    account = ApplicationDefault(write(tokens.url))
    for _ in range(5):
        await account.authorise()
    assert account.secrets() == ("ya29.3", "ya29.4", "ya29.5")


async def test_the_project_that_is_billed_is_named(tokens: HttpServer, write: Write) -> None:
    environ = write(tokens.url) | {"GOOGLE_CLOUD_QUOTA_PROJECT": "bill"}
    headers = await ApplicationDefault(environ).authorise()
    assert headers == {"Authorization": "Bearer ya29.1", "x-goog-user-project": "bill"}


async def test_a_renewed_file_is_read_for_the_next_connection(
    tokens: HttpServer, write: Write
) -> None:
    account = ApplicationDefault(write("http://127.0.0.1:1/"))
    assert (await failure(account)).name == "upstream.unreachable"
    write(tokens.url)
    assert await account.authorise() == {"Authorization": "Bearer ya29.1"}


async def test_a_token_service_that_refuses_ends_it(write: Write) -> None:
    said = {"error": "invalid_grant", "error_description": "Account not found"}
    body = json.dumps(said).encode()
    with http_server(lambda _: Answer(body, 400)) as server:
        error = await failure(ApplicationDefault(write(server.url)))
    assert error.name == "auth.rejected"
    assert action_of(error) == "stop"
    assert "invalid_grant" in error.message


async def test_a_token_service_that_is_not_there_may_be_later(write: Write) -> None:
    error = await failure(ApplicationDefault(write("http://127.0.0.1:1/")))
    assert error.name == "upstream.unreachable"
    assert error.retryable


async def test_a_token_service_that_stays_silent_is_given_up(write: Write) -> None:
    over = threading.Event()

    def stall(_: object) -> Answer:
        over.wait(10)
        return Answer(b"{}")

    with http_server(stall) as server:
        account = ApplicationDefault(write(server.url), timeout_s=0.3)
        error = await failure(account)
        over.set()
    assert error.name == "upstream.unreachable"


async def test_a_key_in_the_file_that_is_none_is_told(write: Write) -> None:
    error = await failure(ApplicationDefault(write("http://127.0.0.1:1/", private_key="x")))
    assert error.name == "auth.missing_key"
    assert "account.json" in error.message


async def test_a_machine_without_an_account_is_told_how_to_get_one() -> None:
    account = ApplicationDefault({"CLOUDSDK_CONFIG": "/nowhere"})
    error = await failure(account)
    assert error.name == "auth.missing_key"
    assert "gcloud auth application-default login" in error.message


async def test_a_file_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    assert f"{path} readable: No such file" in refused(environ).message
    for text in ("", "[]", "x", "[" * 100_000):
        path.write_text(text)
        assert f"credentials into {path}" in refused(environ).message
    path.write_text('{"type": "of tomorrow"}')
    assert (await failure(ApplicationDefault(environ))).name == "auth.missing_key"


async def test_gclouds_own_file_is_found_where_it_keeps_it(
    tmp_path: Path, tokens: HttpServer, write: Write
) -> None:
    written = write(tokens.url)["GOOGLE_APPLICATION_CREDENTIALS"]
    shutil.move(written, tmp_path / "application_default_credentials.json")
    account = ApplicationDefault({"CLOUDSDK_CONFIG": str(tmp_path)})
    assert account.origin.endswith("application_default_credentials.json")
    assert await account.authorise() == {"Authorization": "Bearer ya29.1"}


async def test_a_configured_proxy_stands_above_that_of_the_environment(
    tokens: HttpServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    environ = write("http://token.example/token")
    await ApplicationDefault(environ, proxy=tokens.url).authorise()
    assert tokens.asked[0].target == "http://token.example/token"
    await ApplicationDefault(write(tokens.url), proxy="none").authorise()
    assert len(tokens.asked) == 2


async def test_the_password_of_a_proxy_stays_out_of_sight(write: Write) -> None:
    proxy = "http://user:secret@127.0.0.1:1"
    error = await failure(ApplicationDefault(write("http://token.example/"), proxy=proxy))
    assert error.name == "upstream.unreachable"
    assert "secret" not in str(error.to_json())


async def test_the_fingerprint_is_of_the_account_and_the_billed_project(write: Write) -> None:
    def of(quota: str = "", **changes: object) -> str:
        environ = write("http://127.0.0.1:1/", **changes) | {"GOOGLE_CLOUD_QUOTA_PROJECT": quota}
        return ApplicationDefault(environ).fingerprint

    first = of()
    assert first == of(private_key="renewed", private_key_id="2")
    others = {of(client_email="other@p.example"), of(quota="bill"), of(quota_project_id="bill")}
    assert first not in others
    assert ApplicationDefault({"CLOUDSDK_CONFIG": "/nowhere"}).fingerprint != first
    assert len(first) == 16
