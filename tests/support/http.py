"""A small HTTP server on loopback, in threads of its own: for what asks over blocking HTTP."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import trustme


class Asked(NamedTuple):
    """One request that came."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Answer(NamedTuple):
    """What is answered."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}


class Drip(NamedTuple):
    """This is answered, and then a byte at a time, for as long as anybody reads."""

    start: bytes


DRIPS = (
    Drip(b""),
    Drip(b"HTTP/1.1 200 OK\r\nX-Long: "),
    Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"),
    Drip(b"HTTP/1.1 500 No\r\nContent-Length: 60000\r\n\r\n"),
    Drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n"),
)
"""Answers that never end, each caught in another of its parts."""

_DRIP_S = 0.01


class HttpServer:
    """What a test knows of the server."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.asked: list[Asked] = []


def certified(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """Return what a server proves itself by, and the file that clients are to trust."""
    authority, trusted = trustme.CA(), directory / "ca.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(trusted))
    return context, trusted


@contextmanager
def http_server(
    answer: Callable[[Asked], Answer | Drip], *, tls: ssl.SSLContext | None = None
) -> Iterator[HttpServer]:
    """Run a server that answers each request as the function says."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            found.asked.append(asked)
            given = answer(asked)
            with suppress(OSError):  # who asked may read no more
                if isinstance(given, Drip):
                    self.drip(given.start)
                else:
                    self.reply(*given)

        do_CONNECT = do_POST  # noqa: N815 - as the base class looks for it

        def reply(self, body: bytes, status: int, more: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def drip(self, start: bytes) -> None:
            self.close_connection = True
            self.wfile.write(start)
            while not over.wait(_DRIP_S):
                self.wfile.write(b" ")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = HttpServer(server.server_address[1], "http" if tls is None else "https")
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        # It looks so often for the word that it is to stop.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            over.set()
            server.shutdown()
            thread.join()
