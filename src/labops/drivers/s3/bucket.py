"""One bucket: bytes in, bytes out, listings, over obstore and (for S3) over requests of our own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from labops.drivers.hands import Hands, each_ready
from labops.drivers.pace import Pace, PacedFile
from labops.drivers.s3 import direct
from labops.drivers.s3.faults import (
    Fault,
    Where,
    disk_error,
    is_absence,
    lab_error,
    read_exception,
)
from labops.drivers.s3.listing import Row, read_page, row_of
from labops.drivers.s3.settings import BucketSettings
from labops.drivers.s3.stores import open_store
from labops.drivers.s3.wire import FileSlice, Wire, find_region, in_region
from labops.errors import AccessDenied, LabError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_Q = TypeVar("_Q")
_T = TypeVar("_T")

SMALL: Final = 8 << 20
"""Bytes up to which an object travels as one piece of memory."""
RANGED: Final = 64 << 20
"""Bytes from which an object is fetched by parallel ranges."""
_CHUNK: Final = 4 << 20
_BULK: Final = 1000
_ASKERS: Final = 32
_MOVERS: Final = 8


class Watch(Protocol):
    """Sees every byte of an object in order, then raises when they are not the right ones."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def finish(self) -> None: ...


class Bucket:
    """One bucket of S3 (or a compatible store), GCS or Azure; safe to use from many threads.

    `prefix` only serves error messages; keys are always whole. Every failure is one of our errors.
    """

    def __init__(
        self,
        settings: BucketSettings,
        prefix: str = "",
        on_region: Callable[[str], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        """`on_region` hears the bucket's region when it had to be asked for (`is_region_sure` is False)."""
        self.settings = settings
        self.pace = pace or Pace()
        self.is_s3 = settings.kind == "s3"
        self.honours_ranges = True
        """Turned off for good once the store was seen to answer a range with something else."""
        self._prefix = prefix
        self._on_region = on_region
        self._wire: Wire | None = None
        self._store: ObjectStore | None = None
        self._is_proven = False
        self._lock = threading.Lock()
        self._movers: Hands | None = None

    def __repr__(self) -> str:
        return f"Bucket({self.settings.kind}://{self.settings.bucket})"

    @property
    def wire(self) -> Wire:
        """Requests of our own."""
        return self._wire or self._connect()

    @property
    def store(self) -> ObjectStore:
        """obstore's own client of the bucket, for the modules of this room.

        Made when it is first needed: beside its threads no child can be forked that needs them too.
        """
        if self._store is None:
            self._connect()
            return self._open()
        return self._store

    def _open(self) -> ObjectStore:
        with self._lock:
            if self._store is None:
                self._store = open_store(self.settings)
            return self._store

    def _connect(self) -> Wire:
        with self._lock:
            if self._wire is None:
                if not self.settings.is_region_sure:
                    region = find_region(self.settings) or self.settings.region
                    self.settings = in_region(self.settings, region)
                    self._on_region(region)
                self._wire = Wire(self.settings, self._prefix, self.pace)
            return self._wire

    @property
    def movers(self) -> Hands:
        """The threads that move parts of large objects; shared, so that many large objects do not add up."""
        with self._lock:
            if self._movers is None:
                self._movers = Hands(_MOVERS, "labops-part")
            return self._movers

    def close(self) -> None:
        """Close idle connections and end idle threads."""
        if self._wire is not None:
            self._wire.close()
        with self._lock:
            movers, self._movers = self._movers, None
        if movers is not None:
            movers.close()

    # -- one object -----------------------------------------------------------------------------------

    def head(self, key: str) -> Row | None:
        """The object `key` as a listing shows it, or None when it is absent; raises when the *bucket* is absent."""
        if self.is_s3:
            row = direct.head(self.wire, key)
            if isinstance(row, Row):
                return row
            if not is_absence(row):
                raise self._explained(row, "s3:GetObject")
        else:
            import obstore

            try:
                return row_of(obstore.head(self.store, key))
            except Exception as error:
                fault = read_exception(error)
                if not is_absence(fault):
                    raise self._explained(fault, "s3:GetObject", error) from error
        self.prove()
        return None

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there."""
        if self.is_s3:
            self._put_raw(key, lambda: data, len(data), base64.b64encode(hashlib.md5(data).digest()).decode())
            return
        import obstore

        self.pace.take(len(data))
        with self.translated("s3:PutObject"):
            obstore.put(self.store, key, data, use_multipart=False)

    def put_stream(self, key: str, source: str, size: int, md5: str) -> None:
        """Store the first `size` bytes of the file `source` in one request; `md5` is their base64 digest."""
        try:
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, source) from error
        try:
            self._put_raw(key, lambda: FileSlice(fd, 0, size), size, md5)
        finally:
            os.close(fd)

    def _put_raw(self, key: str, body: Callable[[], bytes | FileSlice], size: int, md5: str) -> None:
        headers = {"content-md5": md5, **self.settings.put_headers, **self.settings.customer_headers}
        self.wire.request("PUT", key, action="s3:PutObject", headers=headers, body=body, length=size)

    def put_native(self, key: str, source: str, part: int) -> None:
        """Store a large file by obstore's own multipart upload (GCS, Azure): parallel, not resumable."""
        import obstore

        with self.translated("s3:PutObject"), PacedFile(source, self.pace) as file:
            obstore.put(self.store, key, file, use_multipart=True, chunk_size=part, max_concurrency=4)

    def get(self, key: str) -> bytes:
        """The whole object `key`, for small ones."""
        if self.is_s3:  # a listing is read before its files are fetched, and obstore must not be awake then
            return direct.whole(self.wire, key)
        import obstore

        with self.translated("s3:GetObject"):
            return bytes(obstore.get(self.store, key).bytes())

    def expect(self, key: str) -> None:
        """`stream` of this small object comes soon: ask for it already (S3). Never fails."""
        if self.is_s3:
            self.wire.expect(key, headers=self.settings.customer_headers)

    def stream(
        self, key: str, write: Callable[[bytes | memoryview], None], *, below: int | None = None
    ) -> tuple[int, bool]:
        """Fetch `key` in one request; `write` gets its bytes in order. Returns its size, and True when fetched.

        An object of `below` bytes or more is left alone: the answer is then (size, False). What `write` raises
        passes through.
        """
        if self.is_s3:
            fetched = direct.fetch(self.wire, key, write, below=below)
            return fetched.size, fetched.is_fetched
        import obstore

        with self.translated("s3:GetObject"):
            result = obstore.get(self.store, key)
            size = result.meta["size"]
            if below is not None and size >= below:
                return size, False
            if size <= min(SMALL, self.pace.piece):
                chunks: Iterator[bytes | memoryview] = iter((memoryview(result.bytes()),))
            else:
                least = min(_CHUNK, self.pace.piece)
                chunks = (memoryview(chunk) for chunk in result.stream(min_chunk_size=least))
        got = 0
        while (chunk := self._next(chunks)) is not None:
            self.pace.take(len(chunk))
            got += len(chunk)
            write(chunk)
        if got != size:
            raise lab_error(Fault(0, "ShortBody"), self.wire.where("s3:GetObject"))
        return size, True

    def _next(self, chunks: Iterator[bytes | memoryview]) -> bytes | memoryview | None:
        with self.translated("s3:GetObject"):
            return next(chunks, None)

    # -- many objects ---------------------------------------------------------------------------------

    def heads(self, keys: Collection[str]) -> dict[str, Row | AccessDenied | None]:
        """Each key as a listing shows it, None for the absent ones, asked one by one in parallel.

        Where the store hides absence (403 without the right to list) the value is the refusal.
        """

        def ask(key: str) -> tuple[str, Row | AccessDenied | None]:
            try:
                return key, self.head(key)
            except AccessDenied as refusal:
                if refusal.code != "access-denied":
                    raise
                return key, refusal

        return dict(self._parallel(ask, keys))

    def list(self, prefix: str) -> Iterator[Sequence[Row]]:
        """Pages of up to a thousand objects whose keys start with `prefix`, in key order.

        The next page is asked for only when it is wanted. GCS and Azure want a prefix that ends with `/`.
        """
        if not self.is_s3:
            yield from self._list_native(prefix)
            return
        query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")]
        token = ""
        while True:
            page = [*query, ("continuation-token", token)] if token else query
            body = self.wire.request("GET", query=page, action="s3:ListBucket").body
            rows, token = read_page(body)
            self._is_proven = True
            yield rows
            if not token:
                return

    def list_each(self, prefixes: Sequence[str]) -> Iterator[Sequence[Row]]:
        """Pages under each of `prefixes`, listed in parallel, in no order."""
        yield from self._parallel(lambda prefix: [row for page in self.list(prefix) for row in page], prefixes)

    def _list_native(self, prefix: str) -> Iterator[Sequence[Row]]:
        import obstore

        pages = iter(obstore.list(self.store, prefix, chunk_size=_BULK))
        while True:
            with self.translated("s3:ListBucket"):
                page = next(pages, None)
            if page is None:
                return
            yield [row_of(item) for item in page]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete `keys`; absent ones are no error. Falls back to one by one where bulk deletion is refused."""
        import obstore

        odd = [key for key in keys if self.is_s3 and direct.is_odd(key)]  # obstore refuses them
        list(self._parallel(self._delete_one, odd))
        keys = [key for key in keys if not direct.is_odd(key)] if odd else keys
        for start in range(0, len(keys), _BULK):
            some = list(keys[start : start + _BULK])
            try:
                list(self._parallel(lambda bulk: obstore.delete(self.store, bulk), [some]))
            except Exception as error:
                fault = read_exception(error)
                if not self.is_s3 and is_absence(fault):
                    self.prove()
                    continue
                if not self.is_s3 or fault.status not in {0, 400, 403, 404, 405, 501} or fault.code == "NoSuchBucket":
                    raise self._error(error, "s3:DeleteObject") from error
                # Ceph wants the right on the bucket itself for a bulk request; others do not know it at all.
                list(self._parallel(self._delete_one, some))

    def _delete_one(self, key: str) -> None:
        direct.delete(self.wire, key)

    def _parallel(self, ask: Callable[[_Q], _T], questions: Iterable[_Q]) -> Iterator[_T]:
        """`ask` each question on a few threads; the first error ends it. Results come as they are ready."""
        # Even a single one: the caller's thread, blocked inside obstore, would be deaf to Ctrl-C.
        return each_ready(ask, questions, most=_ASKERS, name="labops-ask")

    # -- the bucket itself ----------------------------------------------------------------------------

    def prove(self) -> None:
        """Return if the bucket is known to exist; asks at most once. Raises `no-such-bucket` otherwise."""
        if self._is_proven:
            return
        fault = self._probe() if self.is_s3 else None
        if fault and fault.code == "NoSuchBucket":
            raise lab_error(fault, self.wire.where("s3:ListBucket"))
        if not self.is_s3:
            next(self._list_native(self._prefix + "/"), None)
        self._is_proven = True

    def check(self) -> None:
        """One request: the bucket exists and may be listed below the prefix; raises what is wrong otherwise."""
        if self.is_s3:
            if fault := self._probe():
                raise lab_error(fault, self.wire.where("s3:ListBucket"))
            self._is_proven = True
        else:
            next(self._list_native(self._prefix + "/" if self._prefix else ""), None)

    def _probe(self) -> Fault | None:
        prefix = self._prefix + "/" if self._prefix else ""
        query = [("list-type", "2"), ("max-keys", "1"), ("prefix", prefix)]
        answer = self.wire.attempt("GET", query=query)
        return answer if isinstance(answer, Fault) else None

    # -- errors ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def translated(self, action: str) -> Iterator[None]:
        """Turn whatever the block raises into one of our errors."""
        try:
            yield
        except LabError:
            raise
        except Exception as error:
            raise self._error(error, action) from error

    def _error(self, error: Exception, action: str) -> LabError:
        if isinstance(error, LabError):
            return error
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            return disk_error(error, str(error.filename))
        return self._explained(read_exception(error), action, error)

    def _explained(self, fault: Fault, action: str, error: Exception | None = None) -> LabError:
        """`fault` as our error. An answer to HEAD has no body, so the store is asked once more for its reason."""
        if isinstance(error, LabError):
            return error
        if self.is_s3 and not fault.code and fault.status in {301, 307, 400, 403}:
            reason = self._probe()
            if reason and reason.code not in {"", "AccessDenied", "NoSuchKey"}:
                fault = reason
        return lab_error(fault, self._where(action))

    def _where(self, action: str) -> Where:
        where = self.wire.where(action)
        return where if self.is_s3 else where._replace(scheme=self.settings.kind)
