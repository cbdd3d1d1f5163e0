"""A toy S3 in this process, for faults that a real server does not offer on demand.

It knows PUT, GET, HEAD, DELETE, listing (V1 and V2) and multipart uploads of one bucket at a time, checks no
signature, and does as told: answer 500, cut a body short, or hold an answer until a test lets go. Real
servers prove that our S3 is right; this one proves what happens when S3 is wrong.
"""

from __future__ import annotations

import hashlib
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape

Verdict = Literal["serve", "error", "cut", "hold", "corrupt"]


def always_serve(_method: str, _key: str) -> Verdict:
    """The default: no fault."""
    return "serve"


@dataclass
class ToyS3:
    """The server's memory. `decide` is asked before each object request, from several threads."""

    port: int = 0
    held: dict[str, bytes] = field(default_factory=dict)
    """Raw request path, `/bucket/key` → bytes."""
    log: list[tuple[str, str]] = field(default_factory=list)
    """Method and raw path of every object request, in order of arrival."""
    decide: Callable[[str, str], Verdict] = always_serve
    honours_ranges: bool = True
    """Without, a request for a part is answered with the whole, as HTTP allows."""
    holding: threading.Event = field(default_factory=threading.Event)
    """Set once a request is being held."""
    release: threading.Event = field(default_factory=threading.Event)
    """Set it to let held requests go."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def gets(self) -> list[str]:
        return [path for method, path in self.log if method == "GET"]

    def remote_options(self) -> dict[str, str]:
        """What `remote modify` needs."""
        return {
            "endpointurl": self.endpoint,
            "access_key_id": "AK",
            "secret_access_key": "SK",
            "region": "us-east-1",
            "use_ssl": "false",
        }


def _handler(toy: ToyS3) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: C901 - one table of methods
    lock = threading.Lock()
    uploads: dict[str, dict[int, bytes]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes = b"", *, cut: bool = False, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            if cut:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def xml(self, name: str, inner: str, status: int = 200) -> None:
            text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'
            self.answer(status, text.encode(), Content_Type="application/xml")

        def split(self) -> tuple[str, dict[str, str]]:
            path, _, query = self.path.partition("?")
            return path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

        def body(self) -> bytes:
            if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def refused(self, path: str) -> Verdict | None:
            """Log an object request and play its fault; None when it has been answered already."""
            with lock:
                toy.log.append((self.command, path))
            verdict = toy.decide(self.command, path)
            if verdict == "error":
                self.close_connection = True
                self.xml("Error", "<Code>InternalError</Code><Message>told to</Message>", 500)
                return None
            if verdict == "hold":
                toy.holding.set()
                toy.release.wait()
            return verdict

        def listing(self, path: str, ask: dict[str, str]) -> None:
            bucket = path.strip("/")
            prefix, delimiter = ask.get("prefix", ""), ask.get("delimiter", "")
            rows, folders = [], set()
            with lock:
                held = {urllib.parse.unquote(raw): data for raw, data in toy.held.items()}
            for raw in sorted(held):
                key = raw.removeprefix(f"/{bucket}/")
                if key == raw or not key.startswith(prefix):
                    continue
                rest = key[len(prefix) :]
                if delimiter and delimiter in rest:
                    folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                    continue
                data = held[raw]
                etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
                rows.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>&quot;{etag}&quot;</ETag><Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
            rows += [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)]
            self.xml(
                "ListBucketResult",
                f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(rows)}</KeyCount>"
                f"<MaxKeys>1000000</MaxKeys><IsTruncated>false</IsTruncated>{''.join(rows)}",
            )

        def do_GET(self) -> None:
            path, ask = self.split()
            if len(path.strip("/").split("/")) < 2:
                if self.command == "HEAD":
                    self.answer(200)
                else:
                    self.listing(path, ask)
                return
            verdict = self.refused(path)
            if verdict is None:
                return
            with lock:
                data = toy.held.get(path)
            if data is None:
                self.xml("Error", "<Code>NoSuchKey</Code><Message>no such key</Message>", 404)
                return
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
            status, shown = 200, data
            headers = {
                "ETag": f'"{etag}"',
                "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
                "Accept_Ranges": "bytes",
                "Content_Type": "application/octet-stream",
            }
            asked = self.headers.get("Range", "")
            if asked.startswith("bytes=") and toy.honours_ranges:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start = int(first) if first else max(0, len(data) - int(last))
                stop = min(int(last), len(data) - 1) if last and first else len(data) - 1
                status, shown = 206, data[start : stop + 1]
                headers["Content_Range"] = f"bytes {start}-{stop}/{len(data)}"
            if verdict == "corrupt":
                shown = bytes(byte ^ 1 for byte in shown)
            self.answer(status, shown, cut=verdict == "cut", **headers)

        do_HEAD = do_GET

        def do_PUT(self) -> None:
            path, ask = self.split()
            data = self.body()
            if self.refused(path) is None:
                return
            with lock:
                if "partNumber" in ask:
                    uploads.setdefault(ask["uploadId"], {})[int(ask["partNumber"])] = data
                else:
                    toy.held[path] = data
            self.answer(200, ETag=f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"')

        def do_POST(self) -> None:
            path, ask = self.split()
            body = self.body()
            if "delete" in ask:
                keys = [part.split("</Key>")[0] for part in body.decode().split("<Key>")[1:]]
                with lock:
                    for key in keys:
                        toy.held.pop(f"{path.rstrip('/')}/{key}", None)
                self.xml("DeleteResult", "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys))
            elif "uploads" in ask:
                with lock:
                    upload = str(len(uploads))
                    uploads[upload] = {}
                key = path.strip("/").partition("/")[2]
                self.xml("InitiateMultipartUploadResult", f"<Key>{escape(key)}</Key><UploadId>{upload}</UploadId>")
            else:
                with lock:
                    parts = uploads.pop(ask["uploadId"])
                    toy.held[path] = b"".join(parts[number] for number in sorted(parts))
                self.xml("CompleteMultipartUploadResult", "<ETag>&quot;x-1&quot;</ETag>")

        def do_DELETE(self) -> None:
            path, ask = self.split()
            if self.refused(path) is None:
                return
            with lock:
                if "uploadId" in ask:
                    uploads.pop(ask["uploadId"], None)
                else:
                    toy.held.pop(path, None)
            self.answer(204)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the parent
            """Quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client was killed, as the test meant it to be

    return Handler


@contextmanager
def toy_s3() -> Iterator[ToyS3]:
    """Serve on a free loopback port until the block ends."""
    toy = ToyS3()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(toy))
    server.daemon_threads = True
    server.block_on_close = False
    toy.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield toy
    finally:
        toy.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
