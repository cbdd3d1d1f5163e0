"""A proxy before an object store that counts requests and, when told so, breaks them.

Signatures cover the host name the client sees, which is passed on, so the store accepts them.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """One request that went through, with its query flags and the bytes of its body."""

    method: str
    path: str
    query: str
    size: int

    @property
    def kind(self) -> str:
        """`LIST` for listings, `PART` for multipart pieces, else the method."""
        flags = parse_qs(self.query, keep_blank_values=True)
        if "list-type" in flags:
            return "LIST"
        if "uploadId" in flags or "uploads" in flags:
            return {"PUT": "PART", "GET": "PARTS"}.get(self.method, "MULTIPART")
        return "DELETE" if "delete" in flags else self.method


Rule = Callable[[Asked], int | None]
"""None lets a request through; a status answers in the store's place; 0 cuts the connection; -1 cuts the
answer in the middle of its body."""


@dataclass
class Proxy:
    """The running proxy: `asked` grows; `rule` may be changed at any time."""

    endpoint: str = ""
    asked: list[Asked] = field(default_factory=list)
    rule: Rule = lambda _: None

    def counts(self) -> Counter[str]:
        """How many requests of each kind since `asked` was last cleared."""
        return Counter(item.kind for item in self.asked)


@contextlib.contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A proxy before the http endpoint `target`."""
    shared = Proxy()

    class Handler(_Handler):
        state = shared
        upstream = urlsplit(target).netloc

    server = _Server(("127.0.0.1", 0), Handler)
    shared.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield shared
    finally:
        server.shutdown()
        server.end_connections()
        server.server_close()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, *args: object) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def end_connections(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what these tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Proxy
    upstream: str
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)
        self.back = http.client.HTTPConnection(self.upstream, timeout=30)

    def finish(self) -> None:
        self.back.close()
        self.server.open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the test run is the only reader."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        asked = Asked(self.command, parts.path, parts.query, len(body))
        self.state.asked.append(asked)
        verdict = self.state.rule(asked)
        if verdict == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if verdict is not None and verdict > 0:
            self._answer(verdict, [("content-length", "0")], b"")
            return
        self.back.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.back.putheader(name, value)
        self.back.endheaders(body)
        response = self.back.getresponse()
        data = response.read()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP]
        if self.command != "HEAD":
            kept.append(("content-length", str(len(data))))
        self._answer(response.status, kept, data[: len(data) // 2] if verdict == -1 else data)
        if verdict == -1:
            self.close_connection = True

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if not (self.command != "HEAD" and name.lower() == "content-length" and (name, value) != headers[-1]):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - http.server's names


_HOP = {"connection", "transfer-encoding", "keep-alive"}
