"""Signed S3 requests over connections of our own: everything that S3 is asked for but bulk deletions.

Lossless listings, objects of any key and any size, multipart uploads that outlive the process, all with the
store's own words when they fail. Standard library only, so nothing is imported for it that a short command would feel.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import random
import ssl
import threading
import time
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from labops.drivers.pace import Pace
from labops.drivers.s3.channel import Reply, send
from labops.drivers.s3.faults import Fault, Where, lab_error, read_answer, read_exception
from labops.drivers.s3.settings import BucketSettings
from labops.drivers.s3.signing import quote_path, quote_query, sign
from labops.errors import LabError

_ATTEMPTS = 5


class FileSlice:
    """`length` bytes of an open file from `start`, readable once by `http.client`."""

    def __init__(self, fd: int, start: int, length: int) -> None:
        self._fd, self._at, self._end = fd, start, start + length
        self.length = length
        self.pace = Pace()

    def read(self, size: int = -1) -> bytes:
        want = self._end - self._at if size < 0 else min(size, self._end - self._at, self.pace.piece)
        self.pace.take(want)
        data = os.pread(self._fd, want, self._at)
        self._at += len(data)
        return data


class Answer(NamedTuple):
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: bytes


class Opened:
    """A successful answer whose body is still to come."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.status = reply.status
        self.headers = reply.headers
        self.length = reply.length
        """Bytes of the body; None where the store does not say."""

    def read(self, size: int | None = None) -> bytes | Fault:
        """All that is left, or at most `size` bytes of it, none only at the end; else what broke the connection."""
        try:
            return self._reply.read(size)
        except (OSError, http.client.HTTPException) as error:
            return read_exception(error)


class Wire:
    """Signed requests to one bucket; safe to use from many threads, which share a pool of connections."""

    def __init__(self, settings: BucketSettings, prefix: str, pace: Pace | None = None) -> None:
        self.settings = settings
        self.pace = pace or Pace()
        self._prefix = prefix
        self._url = urlsplit(settings.endpoint)
        self._pool: list[http.client.HTTPConnection] = []
        self._expected: dict[str, http.client.HTTPConnection] = {}
        """Path of an object → the connection on which it was asked for."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._tls = _tls(settings) if self._url.scheme == "https" else None
        self._finalizer = weakref.finalize(self, _close_all, self._pool)

    def close(self) -> None:
        """Close the idle connections, and those whose answers nobody wants any more."""
        _close_all(self._pool)
        _close_all(list(self._expected.values()))

    def where(self, action: str, key_id: str | None = None) -> Where:
        """The words for an error about `action`."""
        if key_id is None:
            key_id = self._key_id()
        return Where(self.settings.bucket, self._prefix, key_id, action, endpoint=self.settings.endpoint)

    def _key_id(self) -> str:
        return self.settings.keys().key_id if self.settings.keys else ""

    def request(
        self,
        method: str,
        key: str = "",
        query: Sequence[tuple[str, str]] = (),
        *,
        action: str,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], bytes | FileSlice] | None = None,
        length: int = 0,
    ) -> Answer:
        """One request, tried again while the store is unreachable or overloaded.

        `body` is called for each attempt. Raises one of our errors for anything but a 2xx answer.
        """
        answer = self.attempt(method, key, query, headers=headers, body=body, length=length)
        if isinstance(answer, Answer):
            return answer
        raise lab_error(answer, self.where(action))

    def attempt(
        self,
        method: str,
        key: str = "",
        query: Sequence[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], bytes | FileSlice] | None = None,
        length: int = 0,
    ) -> Answer | Fault:
        """Like `request`, but hands back the fault, for callers that have a use for it."""
        path = self._path(key)
        text = quote_query(query)
        for is_last in tries():
            with self._opened(self._once(method, path, text, headers or {}, body, length)) as opened:
                result = opened if isinstance(opened, Fault) else _complete(opened)
            if is_last or isinstance(result, Answer) or not is_passing(result):
                return result
        raise AssertionError("unreachable")

    def open(
        self, key: str, query: Sequence[tuple[str, str]] = (), *, headers: Mapping[str, str]
    ) -> contextlib.AbstractContextManager[Opened | Fault]:
        """A context with the answer to one GET, tried once. Leaving it early gives the connection up."""
        path, text = self._path(key), quote_query(query)
        expected = None if text or "range" in headers else self._expected_answer(path)
        return self._opened(expected or self._once("GET", path, text, headers, None, 0))

    def expect(self, key: str, *, headers: Mapping[str, str]) -> None:
        """Ask for the object already that `open` will be called for soon, with the same headers.

        So one thread keeps many requests under way, and has no others to hand the interpreter to. For small
        objects: what has come waits in the connection. Never fails: `open` will.
        """
        path = self._path(key)
        with contextlib.suppress(LabError):
            complete = self._signed("GET", path, "", headers)
            connection, _ = self._take()
            try:
                self._ready(connection)
                send(connection.sock, "GET", path, complete, None)
            except (OSError, http.client.HTTPException):
                connection.close()
            else:
                with self._lock:
                    self._expected[path] = connection

    def _expected_answer(self, path: str) -> tuple[http.client.HTTPConnection, Reply] | None:
        with self._lock:
            connection = self._expected.pop(path, None)
        if connection is None:
            return None
        try:
            reply = Reply(connection.sock, "GET")
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        if 200 <= reply.status < 300:
            return connection, reply
        connection.close()
        return None  # it is asked again, with all that is done about a refusal

    def region_header(self) -> str | None:
        """What one request for the bucket says about its region, allowed or not."""
        connection = self._connect()
        try:
            self._ready(connection)
            fields = _ask(connection, "HEAD", self._path(""), {"host": self._url.netloc}, None).headers
        except (OSError, http.client.HTTPException):
            return None  # whoever needs the bucket next will be told what is wrong
        finally:
            connection.close()
        return fields.get("x-amz-bucket-region")

    def clock(self) -> float | None:
        """The time (unix seconds) at which the store says it answered one request, allowed or not."""
        connection = self._connect()
        try:
            self._ready(connection)
            fields = _ask(connection, "HEAD", self._path(""), {"host": self._url.netloc}, None).headers
            return parsedate_to_datetime(fields.get("date", "")).timestamp()
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def target(self, key: str) -> tuple[str, str]:
        """The host, and the quoted path, of the object `key`."""
        return self._url.netloc.rpartition("@")[2], self._path(key)

    def _path(self, key: str) -> str:
        root = self._url.path.rstrip("/")
        if not self.settings.is_virtual_hosted:
            root += f"/{self.settings.bucket}"
        return quote_path(f"{root}/{key}" if key or self.settings.is_virtual_hosted else root)

    @contextlib.contextmanager
    def _opened(self, result: tuple[http.client.HTTPConnection, Reply] | Fault) -> Iterator[Opened | Fault]:
        if isinstance(result, Fault):
            yield result
            return
        connection, reply = result
        try:
            yield Opened(reply)
        finally:
            self._give_back(connection, reply)

    def _once(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: Callable[[], bytes | FileSlice] | None,
        length: int,
    ) -> tuple[http.client.HTTPConnection, Reply] | Fault:
        content = body() if body else b""
        if isinstance(content, bytes):
            length = len(content)
            self.pace.take(length)
        else:
            content.pace = self.pace
        if body and isinstance(content, bytes):
            headers = {**headers, "x-amz-content-sha256": hashlib.sha256(content).hexdigest()}
        complete = self._signed(method, path, query, headers)
        if body or method in {"PUT", "POST"}:
            complete["content-length"] = str(length)
        return self._exchange(method, f"{path}?{query}" if query else path, complete, content if body else None)

    def _signed(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, str]:
        complete = {"host": self._url.netloc.rpartition("@")[2], **headers}
        if self.settings.keys is None:
            return complete
        return sign(method, path, query, complete, self.settings.keys(), self.settings.region, datetime.now(UTC))

    def _exchange(
        self, method: str, target: str, headers: dict[str, str], content: bytes | FileSlice | None
    ) -> tuple[http.client.HTTPConnection, Reply] | Fault:
        connection, is_reused = self._take()
        try:
            self._ready(connection)
            reply = _ask(connection, method, target, headers, content)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if is_reused and isinstance(content, bytes | None):
                # The server closed an idle connection: not a failure, unless a fresh one fails too.
                return self._exchange(method, target, headers, content)
            return read_exception(error)
        if 200 <= reply.status < 300:
            return connection, reply
        answer = _complete(Opened(reply))
        self._give_back(connection, reply)
        if isinstance(answer, Fault):
            return answer
        region = answer.headers.get("x-amz-bucket-region", "")
        return read_answer(answer.status, answer.body, region if answer.status in {301, 307, 400} else "")

    def _give_back(self, connection: http.client.HTTPConnection, reply: Reply) -> None:
        if not reply.leaves_open:
            connection.close()
        with self._lock:
            self._pool.append(connection)

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._process != os.getpid():  # a forked child: these connections are its parent's
                self._pool, self._process = [], os.getpid()
                self._expected = {}
            if self._pool:
                return self._pool.pop(), True
        return self._connect(), False

    def _ready(self, connection: http.client.HTTPConnection) -> None:
        """Connect under the short timeout, talk under the long one."""
        if getattr(connection, "sock", None) is None:
            connection.connect()
            connection.sock.settimeout(self.settings.read_seconds)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        proxy = _proxy(self._url.scheme, host)
        seconds = self.settings.connect_seconds
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=self._tls)
        tunnel = http.client.HTTPSConnection(proxy[0], proxy[1], timeout=seconds, context=self._tls)
        tunnel.set_tunnel(host, port or 443)
        return tunnel


def tries() -> Iterator[bool]:
    """Once a try, True for the last one; waits a while before all but the first."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(min(8.0, 0.05 * 2**attempt) * (0.5 + random.random()))  # noqa: S311 - spreads retries
        yield attempt == _ATTEMPTS - 1


def find_region(settings: BucketSettings) -> str | None:
    """The region the store says the bucket is in, which it tells anyone; None when it does not say."""
    wire = Wire(replace(settings, keys=None), "")
    try:
        return wire.region_header()
    finally:
        wire.close()


def in_region(settings: BucketSettings, region: str) -> BucketSettings:
    """`settings` for the same AWS bucket in `region`."""
    endpoint = settings.endpoint.replace(f"s3.{settings.region}.", f"s3.{region}.")
    return replace(settings, region=region, endpoint=endpoint, is_region_sure=True)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: dict[str, str],
    content: bytes | FileSlice | None,
) -> Reply:
    try:
        send(connection.sock, method, target, headers, content)
    except (BrokenPipeError, ConnectionResetError):
        # A store may refuse before it has read a large body; its reason is then already on its way.
        if not isinstance(content, FileSlice):
            raise
    return Reply(connection.sock, method)


def _complete(opened: Opened) -> Answer | Fault:
    """The answer with its whole body."""
    body = opened.read()
    return body if isinstance(body, Fault) else Answer(opened.status, opened.headers, body)


def is_passing(fault: Fault) -> bool:
    """True for what a second attempt may cure."""
    if fault.status == 0:
        return fault.code != "UntrustedCertificate"
    return fault.status in {429, 500, 502, 503, 504} or fault.code in {"RequestTimeout", "SlowDown"}


def _tls(settings: BucketSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    if not settings.verifies_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    """The https proxy that the environment asks for; plain http goes direct, as a lab's own store wants it."""
    if scheme != "https" or urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies().get("https")
    parts = urlsplit(found) if found else None
    return (parts.hostname, parts.port or 3128) if parts and parts.hostname else None


def _close_all(pool: list[http.client.HTTPConnection]) -> None:
    while pool:
        with contextlib.suppress(OSError, IndexError):
            pool.pop().close()
