"""A web server of this machine that fails on purpose: each path has a row of answers, the last of which is given for ever."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Handler"], None]
OLD = "Mon, 01 Jan 2024 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """Answers as its server was told, and notes what was asked."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((self.path, dict(self.headers.items())))
        answers = self.server.answers.get(path, [status(404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = True
        with contextlib.suppress(OSError):
            answer(self)

    def begin(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Made by `serving`."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.scheme = "http"
        self.over = threading.Event()

    def says(self, path: str, *answers: Answer) -> str:
        """Its address for that path, which is answered so."""
        self.answers[path] = list(answers)
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.server_address[1]}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


@contextlib.contextmanager
def serving(*, host: str = "127.0.0.1", certificate: Path | None = None) -> Iterator[Server]:
    """A server for the length of a test; with a certificate (and its key in the same file) it speaks TLS."""
    server = Server(host)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def file(
    body: bytes, *, etag: str = "", modified: str = "", pace: float = 0.0, most: int = 2**62, **more: str
) -> Answer:
    """A file as a good server gives it: parts and conditions are understood. `pace` seconds lie between pieces of 64 kB.

    After `most` bytes the connection ends.
    """

    def answer(to: Handler) -> None:
        headers = {
            "Content-Type": "text/csv",
            **({"ETag": etag} if etag else {}),
            **({"Last-Modified": modified} if modified else {}),
        }
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        asked = to.headers
        if (etag and asked.get("If-None-Match") == etag) or (
            not etag and modified and asked.get("If-Modified-Since") == modified
        ):
            to.begin(304, headers)
            return
        start, code = 0, 200
        whole = asked.get("If-Range") in {None, etag or modified}
        if whole and (asked.get("Range") or "").startswith("bytes="):
            start, code = int(asked["Range"][6:].rstrip("-")), 206
            if start >= len(body):
                to.begin(416, {"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        to.begin(code, {"Content-Length": str(len(body) - start), **headers})
        end = min(len(body), start + most)
        for at in range(start, end, 2**16):
            to.wfile.write(body[at : min(at + 2**16, end)])
            if pace and to.server.over.wait(pace):
                return

    return answer


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """An answer without data."""

    def answer(to: Handler) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        to.begin(code, {"Content-Length": str(len(body)), **told})
        to.wfile.write(body)

    return answer


def cut(body: bytes, at: int, *, claimed: int | None = None, **headers: str) -> Answer:
    """The connection ends in the middle of the body."""

    def answer(to: Handler) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        to.begin(200, {"Content-Type": "text/csv", "Content-Length": str(claimed or len(body)), **told})
        to.wfile.write(body[:at])

    return answer


def drip(body: bytes, seconds: float) -> Answer:
    """A byte now and then, for ever: no single read takes long."""

    def answer(to: Handler) -> None:
        to.begin(200, {"Content-Type": "text/csv", "Content-Length": "1000000"})
        to.wfile.write(body)
        while not to.server.over.wait(seconds):
            to.wfile.write(b"1")
            to.wfile.flush()

    return answer


def drip_headers(seconds: float) -> Answer:
    """The same before the body has begun."""

    def answer(to: Handler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not to.server.over.wait(seconds):
            to.wfile.write(b"X-A: b\r\n")
            to.wfile.flush()

    return answer


def hang(to: Handler) -> None:
    """No answer at all."""
    to.server.over.wait(30)
