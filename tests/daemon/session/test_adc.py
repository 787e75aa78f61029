"""Application default credentials, against a token service on loopback (wire 1.2)."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.closing import action_of
from livehandled.session.adc import ApplicationDefault
from support.http import DRIPS, Answer, Drip, HttpServer, http_server

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

    def written(token_uri: object, **changes: object) -> dict[str, str]:
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
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ):
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


async def test_a_machine_without_an_account_is_told_how_to_get_one() -> None:
    account = ApplicationDefault({"CLOUDSDK_CONFIG": "/nowhere"})
    error = await failure(account)
    assert error.name == "auth.missing_key"
    assert "gcloud auth application-default login" in error.message


# What a file can hold.

SECRET = "marked-0123456789"
USER = {
    "type": "authorized_user",
    "client_id": "c",
    "client_secret": SECRET,
    "refresh_token": SECRET,
}
EXTERNAL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/no/such/file"},
}
IMPERSONATED = {
    "type": "impersonated_service_account",
    "service_account_impersonation_url": "https://iamcredentials.googleapis.com/x:generate",
    "source_credentials": USER,
}
KEY_OF_ANOTHER_KIND = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (b"", "no JSON object"),
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'["service_account"]', "no JSON object"),
        (b'"service_account"', "no JSON object"),
        (b"\x00\xff\xfe\x80" * 1000, "no JSON object"),
        (b"-----BEGIN PRIVATE KEY-----", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
    ],
    ids=range(8),
)
async def test_a_file_without_an_object_is_refused_at_once(
    held: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(held)
    message = refused({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).message
    assert message == f"Put credentials into {path}: what it holds is {said}."


async def test_a_file_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, said in (
        ("none", "Make {} readable: No such file"),
        ("loop", "Make {} readable: Too many levels"),
        ("fifo", "Name a plain file for the credentials: {} is none"),
        (".", "Name a plain file for the credentials: {} is none"),
        ("\udcff", "Make {} readable: No such file"),
    ):
        path = tmp_path / name
        shown = str(path).replace("\udcff", "\\xff")
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
        assert said.format(shown) in refused(environ).message


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({}, ""),
        ({"type": None}, ""),
        ({"type": 5}, ""),
        ({"type": ["service_account"]}, ""),
        ({"type": "of tomorrow"}, ""),
        ({"type": "service_account"}, "missing fields "),
        ({"type": "service_account", "client_email": "\ud800"}, "missing fields token_uri"),
        (USER | {"refresh_token": None}, "refresh_token"),
        ({"type": "authorized_user", "client_id": "c", "client_secret": SECRET}, "refresh_token"),
        (USER | {"expiry": 5}, ""),
        (USER | {"scopes": 5}, ""),
        (USER | {"client_id": "\ud800"}, ""),
        ({"type": "external_account"}, ""),
        (EXTERNAL | {"credential_source": SECRET}, ""),
        (EXTERNAL | {"credential_source": {}}, ""),
        (EXTERNAL | {"credential_source": {"file": "/"}}, ""),
        (EXTERNAL | {"credential_source": {"file": [SECRET]}}, ""),
        (EXTERNAL | {"credential_source": {"executable": {"command": "true"}}}, ""),
        (EXTERNAL | {"audience": 5}, ""),
        (EXTERNAL | {"token_url": "http://[", "credential_source": {"file": "/dev/null"}}, ""),
        (EXTERNAL, "'/no/such/file' was not found"),
        ({"type": "external_account_authorized_user"}, ""),
        ({"type": "impersonated_service_account"}, ""),
        (IMPERSONATED | {"source_credentials": USER | {"type": "x"}}, ""),
        (IMPERSONATED | {"service_account_impersonation_url": [SECRET]}, ""),
        ({"type": "gdch_service_account"}, "missing fields "),
    ],
    ids=range(26),
)
async def test_an_account_that_cannot_be_used_is_told_in_one_sentence(
    account: dict[str, object], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    error = await failure(ApplicationDefault(environ, proxy="http://127.0.0.1:1"))
    assert error.name == "auth.missing_key"
    assert action_of(error) == "stop"
    assert f"(file {path} has none that can be used" in error.message
    assert said in error.message
    assert "\n" not in error.message
    assert SECRET not in str(error.to_json()) + caplog.text


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        None,
        5,
        [f"{SECRET} PRIVATE KEY"],
        {"PRIVATE KEY": SECRET},
        "\ud800",
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
        f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n",
        KEY_OF_ANOTHER_KIND.decode(),
    ],
    ids=range(10),
)
async def test_a_key_in_the_file_that_is_none_is_told(key: object, write: Write) -> None:
    error = await failure(ApplicationDefault(write("http://127.0.0.1:1/", private_key=key)))
    assert error.name == "auth.missing_key"
    assert error.message.endswith("account.json has none that can be used).")
    assert SECRET not in str(error.to_json())


@pytest.mark.parametrize(
    "uri", ["", "x", None, 5, ["x"], "ftp://x/", "http://", "http://[", "\ud800"]
)
async def test_an_address_in_the_file_that_is_none_is_told(uri: object, write: Write) -> None:
    error = await failure(ApplicationDefault(write(uri)))
    assert error.name == "auth.missing_key"
    assert "account.json has none that can be used: " in error.message
    error.message.encode()


@pytest.mark.parametrize("project", [5, ["x"], "é", "a b", "a\r\nX: y", "\ud800"])
async def test_a_billed_project_that_no_header_can_carry_is_told(
    project: object, tokens: HttpServer, tmp_path: Path
) -> None:
    environ = pool_user(tmp_path, tokens.url, quota_project_id=project)
    error = await failure(ApplicationDefault(environ))
    assert error.name == "auth.missing_key"
    assert "quota_project_id in the credentials (file " in error.message
    if isinstance(project, str):
        environ = pool_user(tmp_path, tokens.url) | {"GOOGLE_CLOUD_QUOTA_PROJECT": project}
        assert (await failure(ApplicationDefault(environ))).message == error.message


async def test_a_file_that_has_become_none_is_told(write: Write) -> None:
    account = ApplicationDefault(write("http://127.0.0.1:1/"))
    write("http://127.0.0.1:1/", private_key="x")
    assert "none that can be used" in (await failure(account)).message
    os.unlink(write("")["GOOGLE_APPLICATION_CREDENTIALS"])  # noqa: PTH108
    error = await failure(account)
    assert (error.name, error.message[-26:]) == ("auth.missing_key", "No such file or directory.")


async def test_a_home_that_is_none_has_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobodys(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobodys)
    assert ApplicationDefault({}).origin == "the machine's own account"


# What the token service can answer.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>sign in</html>",
        b"\xff\xfe",
        b"[]",
        b"5",
        b"null",
        b"[" * 60_000,
        b'{"access_token":null}',
        b'{"access_token":5}',
        b'{"access_token":"a\\r\\nX: y"}',
        b'{"access_token":"a","expires_in":"x"}',
        b'{"access_token":"a","expires_in":1e400}',
        b" " * 100_000 + b'{"access_token":"a"}',
    ],
    ids=range(13),
)
async def test_an_answer_that_makes_no_sense_is_the_services_fault(
    body: bytes, write: Write
) -> None:
    with http_server(lambda _: Answer(body)) as server:
        error = await failure(ApplicationDefault(write(server.url)))
    assert error.name == "upstream.unreachable"
    assert "its answer holds no token" in error.message


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "auth.rejected"),
        (403, "auth.rejected"),
        (429, "upstream.unreachable"),
        (500, "upstream.unreachable"),
        (502, "upstream.unreachable"),
        (503, "upstream.unreachable"),
    ],
)
@pytest.mark.parametrize("body", [b"<html>denied</html>", b'{"error":"denied"}', b""])
async def test_a_refusal_in_any_words_has_its_name(
    status: int, name: str, body: bytes, tmp_path: Path
) -> None:
    with http_server(lambda _: Answer(body, status)) as server:
        error = await failure(ApplicationDefault(pool_user(tmp_path, server.url)))
    assert error.name == name
    assert "denied" in error.message or not body


async def test_what_the_service_repeats_of_the_question_stays_out_of_sight(tmp_path: Path) -> None:
    with http_server(lambda asked: Answer(asked.body, 400)) as server:
        error = await failure(ApplicationDefault(pool_user(tmp_path, server.url)))
        (asked,) = server.asked
    assert SECRET.encode() in asked.body
    assert error.name == "auth.rejected"
    assert "refresh_token=***" in error.message
    assert SECRET not in str(error.to_json())


def pool_user(directory: Path, url: str, **more: object) -> dict[str, str]:
    """Write the file of a user of a workforce pool, whose token service may be any."""
    path = directory / "account.json"
    kind = {"type": "external_account_authorized_user", "token_url": url, "token_info_url": url}
    path.write_text(json.dumps(USER | kind | more))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


@pytest.mark.parametrize("drip", DRIPS)
async def test_a_token_service_that_drips_is_ended_with_the_deadline(
    drip: Drip, write: Write
) -> None:
    with http_server(lambda _: drip) as server:
        account = ApplicationDefault(write(server.url), timeout_s=0.2)
        for _ in range(3):
            assert (await failure(account)).name == "upstream.unreachable"
        # One at a time: no thread is left where the turn is free.
        assert account._fetching._turn.acquire(timeout=10)
        assert server.asked


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
