"""Ephemeral tokens, minted over real HTTP for one connection each (wire 1.2)."""

import json
import socket
import threading
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import Key
from livehandled.gemini.closing import action_of
from livehandled.session.minted import Minted, mint_url
from support.http import DRIPS, Answer, Asked, Drip, certified, http_server

pytestmark = pytest.mark.anyio

KEY = "marked-key-0123456789abcdef"
PATH = "/v1alpha/auth_tokens"


BROKEN = b'{"name":"auth_tokens/a\\r\\nX: y"}'


def token(number: int = 1) -> bytes:
    return json.dumps({"name": f"auth_tokens/t-{number}"}).encode()


def minting(url: str, *, proxy: str = "", timeout_s: float = 5.0) -> Minted:
    return Minted(Key(KEY, "env"), url + PATH, proxy=proxy, timeout_s=timeout_s)


async def failure(minted: Minted) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        await minted.authorise()
    assert KEY not in str(caught.value.to_json())
    return caught.value


async def failure_of(answer: Answer) -> LiveHandleError:
    with http_server(lambda _: answer) as server:
        error = await failure(minting(server.url))
        assert len(server.asked) == 1
        return error


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("wss://generativelanguage.googleapis.com/ws/google.ai.x", "https://{}" + PATH),
        ("ws://127.0.0.1:5/ws/google.ai.x", "http://127.0.0.1:5" + PATH),
        ("wss://gateway.example/a/b/ws/google.ai.x?k=v", "https://gateway.example/a/b{}?k=v"),
    ],
)
async def test_tokens_are_minted_beside_the_service(service: str, url: str) -> None:
    host = "generativelanguage.googleapis.com"
    assert mint_url(service) == url.format(PATH if "gateway" in url else host)


async def test_each_connection_gets_a_token_of_its_own_for_one_use() -> None:
    numbers = count(1)
    with http_server(lambda _: Answer(token(next(numbers)))) as server:
        minted = minting(server.url)
        headers = [await minted.authorise(), await minted.authorise(reuse=True)]
        first, _ = server.asked
    assert headers == [
        {"Authorization": "Token auth_tokens/t-1"},
        {"Authorization": "Token auth_tokens/t-2"},
    ]
    assert (first.method, first.target) == ("POST", PATH)
    assert first.headers["x-goog-api-key"] == KEY
    asked = json.loads(first.body)
    assert asked.keys() == {"uses", "expireTime"}
    assert asked["uses"] == 1
    # Longer than a connection may live, which the default of half an hour is not.
    left = datetime.fromisoformat(asked["expireTime"]) - datetime.now(UTC)
    assert timedelta(minutes=56) < left <= timedelta(hours=1)


async def test_the_key_and_the_newest_tokens_are_secrets_and_the_key_the_identity() -> None:
    numbers = count(1)
    with http_server(lambda _: Answer(token(next(numbers)))) as server:
        minted = minting(server.url)
        assert minted.secrets() == (KEY,)
        for _ in range(5):
            await minted.authorise()
    assert minted.secrets() == (KEY, *(f"auth_tokens/t-{number}" for number in (3, 4, 5)))
    assert minted.fingerprint == Key(KEY, "elsewhere").fingerprint
    assert minted.origin == "env"
    assert KEY not in repr(minted)


@pytest.mark.parametrize(
    ("status", "said", "name", "action"),
    [
        (400, "API key not valid. Please pass a valid API key.", "auth.rejected", "stop"),
        (401, "no", "auth.rejected", "stop"),
        (403, f"The key {KEY} was reported as leaked", "auth.rejected", "stop"),
        (404, "no", "upstream.rejected", "stop"),
        (429, "no", "upstream.quota", "slow"),
        (500, "no", "upstream.unreachable", "retry"),
        (503, "no", "upstream.unreachable", "retry"),
    ],
)
async def test_a_refusal_has_its_name(status: int, said: str, name: str, action: str) -> None:
    body = json.dumps({"error": {"message": said}}).encode()
    error = await failure_of(Answer(body, status))
    assert error.name == name
    assert action_of(error) == action
    assert said.replace(KEY, "***") in error.message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"name":5}', b'{"name":"x"}', BROKEN, b"\xff", b"[" * 60_000],
)
async def test_an_answer_without_a_token_is_told(body: bytes) -> None:
    error = await failure_of(Answer(body))
    assert error.name == "upstream.unreachable"
    assert "no token" in error.message


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    with http_server(lambda _: Answer(token())) as other:
        moved = Answer(b"", 307, {"location": other.url + PATH})
        error = await failure_of(moved)
        assert other.asked == []
    assert error.name == "upstream.rejected"


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        error = await failure(minting(url))
    assert error.name == "upstream.unreachable"
    assert url in error.message


async def test_a_host_that_is_no_name_is_unreachable() -> None:
    error = await failure(minting("http://user:secret@" + "a" * 64 + ".example", proxy="none"))
    assert error.name == "upstream.unreachable"
    assert "secret" not in error.message


@pytest.mark.parametrize("proxy", ["http://user:secret@127.0.0.1:1", "http://user:secret@[x"])
async def test_the_password_of_a_proxy_stays_out_of_sight(proxy: str) -> None:
    minted = minting("http://service.example", proxy=proxy)
    error = await failure(minted)
    assert error.name == "upstream.unreachable"
    assert "secret" not in str(error.to_json())


async def test_a_gateways_user_and_password_travel_in_a_header() -> None:
    with http_server(lambda _: Answer(token())) as server:
        await minting(server.url.replace("//", "//user:sec%2Fret@")).authorise()
    (asked,) = server.asked
    assert b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"user:sec/ret"
    assert asked.headers["x-goog-api-key"] == KEY


async def test_a_service_that_is_silent_is_given_up() -> None:
    over = threading.Event()

    def stall(_: Asked) -> Answer:
        over.wait(10)
        return Answer(token())

    with http_server(stall) as server:
        error = await failure(minting(server.url, timeout_s=0.1))
        over.set()
    assert error.name == "upstream.unreachable"


@pytest.mark.parametrize("drip", DRIPS)
async def test_a_service_that_drips_is_ended_with_the_deadline(drip: Drip) -> None:
    with http_server(lambda _: drip) as server:
        minted = minting(server.url, timeout_s=0.2)
        for _ in range(3):
            assert (await failure(minted)).name == "upstream.unreachable"
        # One at a time: no thread is left where the turn is free.
        assert minted._fetching._turn.acquire(timeout=10)
        assert server.asked


async def test_a_proxy_that_drips_is_ended_with_the_deadline() -> None:
    with http_server(lambda _: DRIPS[1]) as proxy:
        minted = minting("https://service.example", proxy=proxy.url, timeout_s=0.2)
        assert (await failure(minted)).name == "upstream.unreachable"
        assert minted._fetching._turn.acquire(timeout=10)
    assert [asked.method for asked in proxy.asked] == ["CONNECT"]


async def test_a_refusal_that_breaks_off_is_one_all_the_same() -> None:
    short = Answer(b"{", 403, {"content-length": "10"})
    assert (await failure_of(short)).name == "auth.rejected"
    broken = Answer(b"x", 403, {"transfer-encoding": "chunked"})
    assert (await failure_of(broken)).name == "upstream.unreachable"


async def test_tokens_are_minted_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with http_server(lambda _: Answer(token()), tls=context) as server:
        headers = await minting(server.url).authorise()
    assert headers == {"Authorization": "Token auth_tokens/t-1"}


async def test_a_proxy_is_asked_where_one_is_configured() -> None:
    with http_server(lambda _: Answer(token())) as proxy:
        minted = minting("http://service.example", proxy=proxy.url)
        assert await minted.authorise() == {"Authorization": "Token auth_tokens/t-1"}
    assert proxy.asked[0].target == "http://service.example" + PATH


@pytest.mark.parametrize("proxy", ["", "none"])
async def test_a_local_service_is_reached_without_the_environments_proxy(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http_server(lambda _: Answer(token())) as server:
        await minting(server.url, proxy=proxy).authorise()
        assert len(server.asked) == 1
