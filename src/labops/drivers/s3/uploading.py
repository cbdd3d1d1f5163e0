"""Files into a bucket: in one piece, streamed, or in parts that a killed upload need not send again."""

from __future__ import annotations

import base64
import hashlib
import os
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import escape

from labops.agreement import part_size
from labops.drivers.hands import settle
from labops.drivers.s3.bucket import SMALL, Bucket, Watch
from labops.drivers.s3.faults import Fault, disk_error, lab_error
from labops.drivers.s3.journal import Journal
from labops.drivers.s3.wire import Answer, FileSlice
from labops.errors import Conflict, Corrupt

MULTIPART_FROM: Final = 100 << 20
"""Bytes from which an upload is made in parts, as dvc does."""
_MIB: Final = 1 << 20


def upload(bucket: Bucket, key: str, source: str, size: int, watch: Watch, journal_path: str | None = None) -> None:
    """Store the file `source` of `size` bytes under `key`, if `watch` accepts its bytes.

    The object appears whole or not at all. With a `journal_path` an upload of `MULTIPART_FROM` bytes or more
    that was killed goes on where it stopped (S3 only). Raises what `watch` raises before the object exists.
    """
    if size <= min(SMALL, bucket.pace.piece):
        data = whole_file(source, size)
        watch.update(data)
        watch.finish()
        bucket.put(key, data)
        return
    part = part_size(size)
    if bucket.is_s3 and size >= MULTIPART_FROM:
        Parts(bucket, key, source, size, part, watch, journal_path).run()
        return
    whole = hashlib.md5()
    for data in _pieces(source, size):
        watch.update(data)
        whole.update(data)
    watch.finish()
    if bucket.is_s3:
        bucket.put_stream(key, source, size, _base64(whole.digest()))
    else:
        bucket.put_native(key, source, part)


def whole_file(source: str, size: int) -> bytes:
    """The bytes of a small file; `Conflict` (`changed-while-read`) when there are not `size` of them."""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)  # `open` would ask for its size as well
        try:
            data = os.read(fd, size + 1)
            while len(data) < size and (more := os.read(fd, size + 1 - len(data))):
                data += more
        finally:
            os.close(fd)
    except OSError as error:
        raise disk_error(error, source) from error
    if len(data) != size:
        raise changed(source)
    return data


def _pieces(source: str, size: int, part: int = 1 << 60) -> Iterator[bytes]:
    """The bytes of a file of `size` bytes, none of them across the border of two parts."""
    got = 0
    try:
        with open(source, "rb", buffering=0) as file:
            while data := file.read(min(_MIB, part - got % part)):
                got += len(data)
                yield data
    except OSError as error:
        raise disk_error(error, source) from error
    if got != size:
        raise changed(source)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def changed(source: str) -> Conflict:
    """The error for a file that moved under its reader."""
    return Conflict(f"'{source}' changed while it was read", code="changed-while-read", hint="run the command again")


class Parts:
    """One multipart upload over raw requests.

    Parts leave as soon as they are read: each with the digest of just those bytes, by which the store checks
    it. The object only gets its name when the watch has accepted the whole, and then only if `conditions`
    (headers such as `if-match`) hold. `headers` come with the first request.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        source: str,
        size: int,
        part: int,
        watch: Watch,
        path: str | None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        conditions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._headers, self._conditions = headers, conditions
        self._bucket, self._wire, self._key = bucket, bucket.wire, key
        self._source, self._size, self._part, self._watch = source, size, part, watch
        self._journal = Journal(path, {"key": key, "bucket": bucket.settings.bucket, "size": size, "part": part})

    def run(self) -> str:
        """Send what is missing, then give the object its name; returns its etag where the store told it."""
        if self._journal.abandoned:  # of a file that has changed since: the store would keep its parts
            self._wire.attempt("DELETE", self._key, [("uploadId", self._journal.abandoned)])
        held = self._held_parts() if self._journal.note else None
        if held is None:
            self._journal.restart(self._begin())
            held = {}
        try:
            etags = self._opened(held)
        except (Corrupt, Conflict):
            self._abort()
            raise
        etag = self._complete(etags)
        self._journal.forget()
        return etag

    def _begin(self) -> str:
        settings = self._bucket.settings
        headers = {**settings.put_headers, **settings.customer_headers, **self._headers}
        answer = self._wire.request("POST", self._key, [("uploads", "")], action="s3:PutObject", headers=headers)
        return _text(answer.body, "UploadId")

    def _abort(self) -> None:
        """Let the store forget the parts, which it would charge for; if it will not, its lifecycle rules do."""
        self._wire.attempt("DELETE", self._key, [("uploadId", self._journal.note)])
        self._journal.forget()

    def _held_parts(self) -> dict[int, tuple[int, str]] | None:
        """Size and etag of each part that the store holds; None when it forgot the upload."""
        found: dict[int, tuple[int, str]] = {}
        marker = "0"
        while marker:
            query = [("uploadId", self._journal.note), ("part-number-marker", marker)]
            answer = self._wire.attempt("GET", self._key, query)
            if isinstance(answer, Fault):
                if answer.status in {403, 404, 405, 501}:
                    return None
                raise lab_error(answer, self._wire.where("s3:ListMultipartUploadParts"))
            rows, marker = _read_parts(answer.body)
            found |= {number: (size, etag) for number, size, etag in rows}
        return found

    def _is_right(self, number: int, length: int, md5: str, held: tuple[int, str] | None) -> bool:
        if held is None or held[0] != length:
            return False
        # Encrypted stores have other etags: then only a part that we saw accepted counts.
        return held[1] == md5 or self._journal.parts.get(number) == f"{md5} {held[1]}"

    def _opened(self, held: dict[int, tuple[int, str]]) -> dict[int, str]:
        try:
            fd = os.open(self._source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, self._source) from error
        try:
            return self._send(fd, held)
        finally:
            os.close(fd)

    def _send(self, fd: int, held: dict[int, tuple[int, str]]) -> dict[int, str]:
        """Read the file once, sending each part that is not `held`; the etags of all parts."""
        etags: dict[int, str] = {}
        futures: dict[int, Future[str]] = {}
        waiting: deque[Future[str]] = deque()
        try:
            for number, length, md5 in self._read():
                if self._is_right(number, length, md5, held.get(number)):
                    etags[number] = held[number][1]
                else:
                    futures[number] = self._bucket.movers.submit(self._send_one, fd, number, length, md5)
                    waiting.append(futures[number])
                _drain(waiting)
            return etags | {number: future.result() for number, future in futures.items()}
        finally:
            settle(futures.values())

    def _read(self) -> Iterator[tuple[int, int, str]]:
        """Number, length and md5 of each part in order; judges the whole at the end."""
        number, length, piece = 1, 0, hashlib.md5()
        for data in _pieces(self._source, self._size, self._part):
            self._watch.update(data)
            piece.update(data)
            length += len(data)
            if length == self._part:
                yield number, length, piece.hexdigest()
                number, length, piece = number + 1, 0, hashlib.md5()
        if length:
            yield number, length, piece.hexdigest()
        self._watch.finish()

    def _send_one(self, fd: int, number: int, length: int, md5: str) -> str:
        start = (number - 1) * self._part
        answer = self._wire.request(
            "PUT",
            self._key,
            [("partNumber", str(number)), ("uploadId", self._journal.note)],
            action="s3:PutObject",
            headers={"content-md5": _base64(bytes.fromhex(md5)), **self._bucket.settings.customer_headers},
            body=lambda: FileSlice(fd, start, length),
            length=length,
        )
        etag = (answer.headers.get("etag") or "").strip('"')
        self._journal.done(number, f"{md5} {etag}")
        return etag

    def _complete(self, etags: dict[int, str]) -> str:
        rows = "".join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>"{escape(etags[number])}"</ETag></Part>'
            for number in sorted(etags)
        )
        body = (
            f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</CompleteMultipartUpload>'
        )
        query = [("uploadId", self._journal.note)]
        answer = self._wire.attempt("POST", self._key, query, headers=self._conditions, body=body.encode)
        if isinstance(answer, Answer) and b"<Error>" not in answer.body:
            return _text(answer.body, "ETag").strip('"')
        if isinstance(answer, Fault) and answer.status == 412:
            self._abort()
            raise lab_error(answer, self._wire.where("s3:PutObject"))
        # A completion whose answer was lost looks like an unknown upload when it is asked for again.
        row = None if self._conditions else self._bucket.head(self._key)
        if row is not None and row.size == self._size:
            return ""
        self._journal.forget()
        fault = answer if isinstance(answer, Fault) else Fault(500, "InternalError")
        raise lab_error(fault, self._wire.where("s3:PutObject"))


def _drain(waiting: deque[Future[str]]) -> None:
    """Drop what has ended from the front, raising its error: a refused upload must not read on for an hour."""
    while waiting and waiting[0].done():
        waiting.popleft().result()


def _text(body: bytes, name: str) -> str:
    root = ET.fromstring(body)  # noqa: S314 - expat refuses entity bombs; the store is the user's own
    return next((item.text or "" for item in root.iter() if item.tag.rpartition("}")[2] == name), "")


def _read_parts(body: bytes) -> tuple[list[tuple[int, int, str]], str]:
    """Rows (number, size, etag) of one ListParts answer, and the next marker ('' at the end)."""
    root = ET.fromstring(body)  # noqa: S314 - as above
    space = root.tag.removesuffix("ListPartsResult")
    rows = list(_part_rows(root, space))
    is_cut = root.findtext(f"{space}IsTruncated", "false") == "true"
    return rows, (root.findtext(f"{space}NextPartNumberMarker", "") if is_cut else "")


def _part_rows(root: ET.Element, space: str) -> Iterator[tuple[int, int, str]]:
    for item in root.iterfind(f"{space}Part"):
        yield (
            int(item.findtext(f"{space}PartNumber", "0")),
            int(item.findtext(f"{space}Size", "0")),
            item.findtext(f"{space}ETag", "").strip('"'),
        )
