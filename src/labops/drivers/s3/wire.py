"""Signed S3 requests over plain sockets: the ones obstore cannot make.

Listing (lossless, a thousand keys a page, with the store's own words when it fails), asking whether a
bucket exists, and multipart uploads that outlive the process. Standard library only, so nothing is
imported for it that a short command would feel.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from labops.drivers.pace import Pace
from labops.drivers.s3.faults import Fault, Where, lab_error, read_answer, read_exception
from labops.drivers.s3.signing import Keys, quote_path, quote_query, sign

_ATTEMPTS = 5
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Everything needed to talk to one bucket. `keys` is called per request and may refresh; None: unsigned."""

    bucket: str
    endpoint: str
    """`scheme://host[:port][/path]`; holds the bucket's name when `is_virtual_hosted`."""
    kind: str = "s3"
    """`s3`, `gs` or `azure`; for the last two only `native` and the timeouts count."""
    region: str = "us-east-1"
    is_region_sure: bool = True
    """False on AWS when nobody said for this bucket: then AWS is asked, as botocore would follow it there."""
    is_virtual_hosted: bool = False
    keys: Callable[[], Keys] | None = field(default=None, repr=False)
    ca_file: str | None = None
    verifies_tls: bool = True
    put_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`x-amz-*` headers of every upload: acl, grants, server-side encryption."""
    customer_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SSE-C headers, needed for uploads and downloads alike."""
    native: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_seconds: float = 10.0
    read_seconds: float = 60.0


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
    headers: http.client.HTTPMessage
    body: bytes


class Wire:
    """Signed requests to one bucket; safe to use from many threads, which share a pool of connections."""

    def __init__(self, settings: BucketSettings, prefix: str, pace: Pace | None = None) -> None:
        self.settings = settings
        self.pace = pace or Pace()
        self._prefix = prefix
        self._url = urlsplit(settings.endpoint)
        self._pool: list[http.client.HTTPConnection] = []
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._tls = _tls(settings) if self._url.scheme == "https" else None
        self._finalizer = weakref.finalize(self, _close_all, self._pool)

    def close(self) -> None:
        """Close the idle connections."""
        _close_all(self._pool)

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
        for attempt in range(_ATTEMPTS):
            result = self._once(method, path, text, headers or {}, body, length)
            if isinstance(result, Answer) or not _is_passing(result) or attempt == _ATTEMPTS - 1:
                return result
            time.sleep(min(8.0, 0.1 * 2**attempt) * (0.5 + random.random()))  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")

    def region_header(self) -> str | None:
        """What one request for the bucket says about its region, allowed or not."""
        connection = self._connect()
        try:
            self._ready(connection)
            answer = _talk(connection, "HEAD", self._path(""), {"host": self._url.netloc}, None)
        except (OSError, http.client.HTTPException):
            return None  # whoever needs the bucket next will be told what is wrong
        finally:
            connection.close()
        return answer.headers.get("x-amz-bucket-region")

    def clock(self) -> float | None:
        """The time (unix seconds) at which the store says it answered one request, allowed or not."""
        connection = self._connect()
        try:
            self._ready(connection)
            answer = _talk(connection, "HEAD", self._path(""), {"host": self._url.netloc}, None)
            return parsedate_to_datetime(answer.headers.get("date") or "").timestamp()
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

    def _once(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: Callable[[], bytes | FileSlice] | None,
        length: int,
    ) -> Answer | Fault:
        content = body() if body else b""
        if isinstance(content, bytes):
            length = len(content)
            self.pace.take(length)
        else:
            content.pace = self.pace
        complete = {"host": self._url.netloc.rpartition("@")[2], **headers}
        if body and isinstance(content, bytes):
            complete["x-amz-content-sha256"] = hashlib.sha256(content).hexdigest()
        if self.settings.keys:
            keys = self.settings.keys()
            complete = sign(method, path, query, complete, keys, self.settings.region, datetime.now(UTC))
        if body or method in {"PUT", "POST"}:
            complete["content-length"] = str(length)
        target = f"{path}?{query}" if query else path
        return self._exchange(method, target, complete, content if body else None)

    def _exchange(
        self, method: str, target: str, headers: dict[str, str], content: bytes | FileSlice | None
    ) -> Answer | Fault:
        connection, is_reused = self._take()
        try:
            self._ready(connection)
            answer = _talk(connection, method, target, headers, content)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if is_reused and isinstance(content, bytes | None):
                # The server closed an idle connection: not a failure, unless a fresh one fails too.
                return self._exchange(method, target, headers, content)
            return read_exception(error)
        with self._lock:
            self._pool.append(connection)
        if 200 <= answer.status < 300:
            return answer
        region = answer.headers.get("x-amz-bucket-region", "")
        return read_answer(answer.status, answer.body, region if answer.status in {301, 307, 400} else "")

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._process != os.getpid():  # a forked child: these connections are its parent's
                self._pool, self._process = [], os.getpid()
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
        if self._tls is not None:
            if proxy:
                tunnel = http.client.HTTPSConnection(
                    proxy[0], proxy[1], timeout=seconds, context=self._tls, blocksize=_BLOCK
                )
                tunnel.set_tunnel(host, port or 443)
                return tunnel
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=self._tls, blocksize=_BLOCK)
        return http.client.HTTPConnection(host, port, timeout=seconds, blocksize=_BLOCK)


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


def _talk(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: dict[str, str],
    content: bytes | FileSlice | None,
) -> Answer:
    try:
        connection.request(method, target, body=content, headers=headers)
    except (BrokenPipeError, ConnectionResetError):
        # A store may refuse before it has read a large body; its reason is then already on its way.
        if not isinstance(content, FileSlice):
            raise
    response = connection.getresponse()
    body = response.read()
    if response.will_close:
        connection.close()
    return Answer(response.status, response.headers, body)


def _is_passing(fault: Fault) -> bool:
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
