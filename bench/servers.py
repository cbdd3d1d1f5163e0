"""An S3 server on loopback (rclone, in memory), and a proxy that counts the requests going through it."""

from __future__ import annotations

import http.client
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, SECRET = "bench-key", "bench-secret"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


@contextmanager
def rclone_s3(rclone: str) -> Iterator[int]:
    """A fresh in-memory S3 server; yields its port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address, keys = f"127.0.0.1:{port}", f"{KEY},{SECRET}"
    process = subprocess.Popen(
        [rclone, "--config", "", "serve", "s3", "--addr", address, "--auth-key", keys, ":memory:"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the S3 server did not start")


class _Counting(BaseHTTPRequestHandler):
    """Passes each request on unchanged, its Host header included (it is part of the signature)."""

    protocol_version = "HTTP/1.1"
    upstream: int
    seen: Counter[str]

    def _forward(self) -> None:
        query = self.path.partition("?")[2]
        self.seen[
            "LIST" if self.command == "GET" and ("list-type" in query or "prefix=" in query) else self.command
        ] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, text in self.headers.items():
            server.putheader(name, text)
        server.endheaders(body)
        answer = server.getresponse()
        content = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, text in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, text)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if is_head else str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        server.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward

    def log_message(self, *_: object) -> None:
        """Say nothing: the counter is the log."""


@contextmanager
def counting_proxy(upstream: int) -> Iterator[tuple[int, Counter[str]]]:
    """A proxy before the server at port `upstream`; yields its own port and the living counter."""
    seen: Counter[str] = Counter()
    handler = type("Counting", (_Counting,), {"upstream": upstream, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()
