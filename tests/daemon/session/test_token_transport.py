"""The transport of google-auth: by which way, how much of an answer, and what it knows of it."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from google.auth.exceptions import TransportError

from livehandled.session.fetching import MAX_ANSWER_BYTES, Sockets
from livehandled.session.token_transport import TokenTransport
from support.http import DRIPS, Answer, Asked, Drip, certified, http_server


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    held = Sockets()
    yield held
    held.shut()


@pytest.fixture
def request_(sockets: Sockets) -> Iterator[TokenTransport]:
    with closing(transport(sockets)) as made:
        yield made


def transport(sockets: Sockets, proxy: str = "none") -> TokenTransport:
    return TokenTransport(sockets, proxy=proxy, timeout_s=5.0)


def asked(request: TokenTransport, url: str) -> tuple[int, bytes]:
    answer = request(url, method="POST", body=b"x")
    return answer.status, answer.data


def ending(sockets: Sockets, drip: Drip) -> Callable[[Asked], Drip]:
    """Return what answers by a drip, once the deadline of who asked is over."""

    def answer(_: Asked) -> Drip:
        sockets.shut()
        return drip

    return answer


def test_an_answer_is_handed_on_with_its_status(request_: TokenTransport) -> None:
    with http_server(lambda _: Answer(b"no", 403)) as server:
        assert (request_.asked, request_.status) == (False, None)
        assert asked(request_, server.url) == (403, b"no")
        assert (request_.asked, request_.status) == (True, 403)
        assert asked(request_, server.url) == (403, b"no")
    assert [each.body for each in server.asked] == [b"x", b"x"]


def test_a_url_that_is_none_is_not_asked(request_: TokenTransport) -> None:
    with pytest.raises(TransportError):
        asked(request_, "x")
    assert (request_.asked, request_.status) == (False, None)


@pytest.mark.parametrize(("encoding", "pack"), [("identity", bytes), ("gzip", gzip.compress)])
def test_no_more_of_an_answer_is_read_than_a_token_takes(
    encoding: str, pack: Callable[[bytes], bytes], request_: TokenTransport
) -> None:
    long = Answer(pack(bytes(5_000_000)), headers={"content-encoding": encoding})
    with http_server(lambda _: long) as server:
        assert asked(request_, server.url) == (200, bytes(MAX_ANSWER_BYTES))


def test_an_answer_that_breaks_off_is_an_error_of_the_transport(request_: TokenTransport) -> None:
    short = Answer(b"{", headers={"content-length": "10"})
    with http_server(lambda _: short) as server, pytest.raises(TransportError):
        asked(request_, server.url)


@pytest.mark.parametrize("drip", DRIPS)
def test_an_answer_that_drips_can_be_ended(
    drip: Drip, sockets: Sockets, request_: TokenTransport
) -> None:
    with http_server(ending(sockets, drip)) as server, pytest.raises(TransportError):
        asked(request_, server.url)


@pytest.mark.parametrize("url", ["http://token.example/", "https://token.example/"])
def test_a_proxy_that_drips_can_be_ended(url: str, sockets: Sockets) -> None:
    with (
        http_server(ending(sockets, DRIPS[1])) as server,
        closing(transport(sockets, server.url)) as request,
        pytest.raises(TransportError),
    ):
        asked(request, url)
    assert len(server.asked) == 1


def test_over_tls_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sockets: Sockets
) -> None:
    context, trusted = certified(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with closing(transport(sockets, "")) as request:
        with http_server(lambda _: Answer(b"y"), tls=context) as server:
            assert asked(request, server.url) == (200, b"y")
        with (
            http_server(ending(sockets, DRIPS[2]), tls=context) as server,
            pytest.raises(TransportError),
        ):
            asked(request, server.url)
