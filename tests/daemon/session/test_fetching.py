"""What is fetched over HTTP before a connection: by which way, and for how long."""

import threading

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.session.fetching import in_thread, passwords, proxies


@pytest.mark.parametrize(
    ("proxy", "url", "found"),
    [
        ("", "https://service.example/x", None),
        ("", "http://127.0.0.1:5/x", {}),
        ("", "http://localhost/x", {}),
        ("none", "https://service.example/x", {}),
        ("http://p:1", "https://service.example/x", {"http": "http://p:1", "https": "http://p:1"}),
        ("http://p:1", "http://127.0.0.1:5/x", {"http": "http://p:1", "https": "http://p:1"}),
    ],
)
def test_the_configured_proxy_is_taken_or_none_or_that_of_the_environment(
    proxy: str, url: str, found: dict[str, str] | None
) -> None:
    assert proxies(proxy, url) == found


@pytest.mark.parametrize(
    ("proxy", "found"),
    [
        ("", ()),
        ("none", ()),
        ("http://p:1", ()),
        ("http://user@p:1", ()),
        ("http://user:a%2Fb@p:1", ("a%2Fb", "a/b")),
        ("http://user:a@[x", ()),
    ],
)
def test_the_password_of_a_proxy_is_known_in_both_spellings(
    proxy: str, found: tuple[str, ...]
) -> None:
    assert passwords(proxy) == found


@pytest.mark.anyio
async def test_work_in_a_thread_has_its_result_or_its_error() -> None:
    def fail() -> None:
        raise LiveHandleError("auth.rejected", "No.")

    assert await in_thread(threading.get_ident, 5.0, "there") != threading.get_ident()
    with pytest.raises(LiveHandleError, match="No"):
        await in_thread(fail, 5.0, "there")


@pytest.mark.anyio
async def test_work_that_takes_too_long_is_left_behind() -> None:
    over = threading.Event()
    with pytest.raises(LiveHandleError, match=r"no answer within 0\.05 s") as caught:
        await in_thread(lambda: over.wait(10), 0.05, "there")
    over.set()
    assert caught.value.name == "upstream.unreachable"
