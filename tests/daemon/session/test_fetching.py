"""What is fetched over HTTP before a connection: by which way, and for how long."""

import threading
from http.client import HTTPConnection

import anyio
import anyio.to_thread
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.session.fetching import Fetching, Sockets, passwords, proxies
from support.http import DRIPS, Answer, Drip, HttpServer, http_server


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
    def fail(_: Sockets) -> None:
        raise LiveHandleError("auth.rejected", "No.")

    fetching = Fetching(5.0, "there")
    assert await fetching.run(lambda _: threading.get_ident()) != threading.get_ident()
    with pytest.raises(LiveHandleError, match="No"):
        await fetching.run(fail)
    assert await fetching.run(lambda _: 1) == 1


class Work:
    """Asks a server, by the library of the standard, and notes when it has come to its end."""

    def __init__(self, server: HttpServer) -> None:
        self.host = server.url.removeprefix("http://")
        self.begun = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)

    def __call__(self, sockets: Sockets) -> bytes:
        self.begun.release()
        connection = sockets.watched(HTTPConnection)(self.host, timeout=30)
        try:
            connection.request("POST", "/")
            return connection.getresponse().read()
        finally:
            connection.close()
            self.ended.release()


def worker_threads() -> int:
    return sum(thread.name == "AnyIO worker thread" for thread in threading.enumerate())


@pytest.mark.anyio
@pytest.mark.parametrize("drip", DRIPS)
async def test_what_drips_is_ended_with_the_deadline_and_leaves_no_thread(drip: Drip) -> None:
    before = worker_threads()
    with http_server(lambda _: drip) as server:
        work, fetching = Work(server), Fetching(0.1, "there")
        for _ in range(5):
            with pytest.raises(LiveHandleError, match=r"no answer within 0\.1 s") as caught:
                await fetching.run(work)
            assert caught.value.name == "upstream.unreachable"
            assert worker_threads() <= before + 3  # two that are ending, and the next
        while work.begun.acquire(blocking=False):
            assert work.ended.acquire(timeout=10)


@pytest.mark.anyio
async def test_who_is_cancelled_leaves_no_thread_either() -> None:
    with http_server(lambda _: DRIPS[0]) as server:
        work = Work(server)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Fetching(30.0, "there").run, work)
            await anyio.to_thread.run_sync(work.begun.acquire)
            tasks.cancel_scope.cancel()
        assert work.ended.acquire(timeout=10)


def test_what_connects_after_the_end_is_ended_at_once() -> None:
    sockets = Sockets()
    sockets.shut()
    with http_server(lambda _: Answer(b"late")) as server, pytest.raises(OSError):
        Work(server)(sockets)


@pytest.mark.anyio
async def test_what_cannot_be_ended_is_the_only_one_until_it_ends() -> None:
    over, begun = threading.Event(), threading.Semaphore(0)

    def wait(_: Sockets) -> bool:
        begun.release()
        return over.wait(30)

    before, fetching = worker_threads(), Fetching(0.05, "there")
    for _ in range(5):
        with pytest.raises(LiveHandleError, match=r"no answer within 0\.05 s"):
            await fetching.run(wait)
    assert begun.acquire(blocking=False)
    assert not begun.acquire(blocking=False)
    # That one, the one whose wait for it has just ended, and the one before that.
    assert worker_threads() <= before + 3
    over.set()
    assert fetching._turn.acquire(timeout=10)
