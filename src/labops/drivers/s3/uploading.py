"""Files into a bucket: in one piece, streamed, or in parts that a killed upload need not send again."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from labops.drivers.s3.bucket import SMALL, Bucket, Watch
from labops.drivers.s3.faults import Fault, disk_error, lab_error
from labops.drivers.s3.journal import Journal
from labops.drivers.s3.wire import Answer, FileSlice
from labops.errors import Conflict

MULTIPART_FROM: Final = 100 << 20
"""Bytes from which an upload is made in parts, as dvc does."""
PART: Final = 50 << 20
_MAX_PARTS: Final = 10_000
_READ: Final = 1 << 20
_MD5_ETAG = re.compile(r"[0-9a-f]{32}")


class _Digests(NamedTuple):
    whole: str
    parts: tuple[str, ...]
    """Base64 md5 of each part, as `Content-MD5` wants it."""


def upload(bucket: Bucket, key: str, source: str, size: int, watch: Watch, journal_path: str | None = None) -> None:
    """Store the file `source` of `size` bytes under `key`, if `watch` accepts its bytes.

    The object appears whole or not at all. With a `journal_path` an upload of `MULTIPART_FROM` bytes or more
    that was killed goes on where it stopped (S3 only). Raises what `watch` raises before the object exists.
    """
    if size <= SMALL:
        bucket.put(key, _read(source, size, watch))
        return
    part = part_size(size)
    digests = _examine(source, size, part, watch)
    if not bucket.is_s3:
        bucket.put_native(key, source, part)
    elif size < MULTIPART_FROM:
        bucket.put_stream(key, source, size, digests.whole)
    else:
        _Parts(bucket, key, source, size, part, digests, journal_path).run()


def part_size(size: int) -> int:
    """Bytes per part: 50 MiB, or as many more whole MiB as keep the number of parts at 10,000."""
    return max(PART, -(-size // _MAX_PARTS // (1 << 20) + 1) * (1 << 20) if size > PART * _MAX_PARTS else 0)


def _read(source: str, size: int, watch: Watch) -> bytes:
    try:
        with open(source, "rb", buffering=0) as file:
            data = file.read(size + 1) or b""
    except OSError as error:
        raise disk_error(error, source) from error
    if len(data) != size:
        raise _changed(source)
    watch.update(data)
    watch.finish()
    return data


def _examine(source: str, size: int, part: int, watch: Watch) -> _Digests:
    """One pass over the file: what the watch says of it, and the digests by which the store checks us."""
    whole, parts, got = hashlib.md5(), [], 0
    try:
        with open(source, "rb", buffering=0) as file:
            piece = hashlib.md5()
            while data := file.read(min(_READ, part - got % part)):
                got += len(data)
                watch.update(data)
                whole.update(data)
                piece.update(data)
                if got % part == 0 or got == size:
                    parts.append(_base64(piece.digest()))
                    piece = hashlib.md5()
    except OSError as error:
        raise disk_error(error, source) from error
    if got != size:
        raise _changed(source)
    watch.finish()
    return _Digests(_base64(whole.digest()), tuple(parts))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _changed(source: str) -> Conflict:
    return Conflict(f"'{source}' changed while it was read", code="changed-while-read", hint="run the command again")


class _Parts:
    """One multipart upload over raw requests."""

    def __init__(
        self, bucket: Bucket, key: str, source: str, size: int, part: int, digests: _Digests, path: str | None
    ) -> None:
        self._bucket, self._wire, self._key = bucket, bucket.wire, key
        self._source, self._size, self._part, self._digests = source, size, part, digests
        subject: dict[str, str | int] = {"key": key, "bucket": bucket.settings.bucket}
        subject |= {"size": size, "part": part, "md5": digests.whole}
        self._journal = Journal(path, subject)

    def run(self) -> None:
        """Send what is missing, then give the object its name."""
        finished = self._finished_parts() if self._journal.note else None
        if finished is None:
            self._journal.restart(self._begin())
            finished = {}
        etags = finished | self._send([n for n in range(1, len(self._digests.parts) + 1) if n not in finished])
        self._complete(etags)
        self._journal.forget()

    def _begin(self) -> str:
        headers = {**self._bucket.settings.put_headers, **self._bucket.settings.customer_headers}
        answer = self._wire.request("POST", self._key, [("uploads", "")], action="s3:PutObject", headers=headers)
        return _text(answer.body, "UploadId")

    def _finished_parts(self) -> dict[int, str] | None:
        """Etags of the parts that the store holds and that are right; None when it forgot the upload."""
        found: dict[int, str] = {}
        marker = "0"
        while marker:
            query = [("uploadId", self._journal.note), ("part-number-marker", marker)]
            answer = self._wire.attempt("GET", self._key, query)
            if isinstance(answer, Fault):
                if answer.status in {403, 404, 405, 501}:
                    return None
                raise lab_error(answer, self._wire.where("s3:ListMultipartUploadParts"))
            rows, marker = _read_parts(answer.body)
            found |= {number: etag for number, size, etag in rows if self._is_right(number, size, etag)}
        return found

    def _is_right(self, number: int, size: int, etag: str) -> bool:
        if not 1 <= number <= len(self._digests.parts) or size != self._length(number):
            return False
        if _MD5_ETAG.fullmatch(etag) and _base64(bytes.fromhex(etag)) == self._digests.parts[number - 1]:
            return True
        # Encrypted stores have other etags: then only a part that we saw accepted counts.
        return self._journal.parts.get(number) == etag

    def _length(self, number: int) -> int:
        return min(self._part, self._size - (number - 1) * self._part)

    def _send(self, numbers: list[int]) -> dict[int, str]:
        try:
            fd = os.open(self._source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, self._source) from error
        futures: list[Future[str]] = []
        try:
            futures = [self._bucket.movers.submit(self._send_one, fd, number) for number in numbers]
            return {number: future.result() for number, future in zip(numbers, futures, strict=True)}
        finally:
            for future in futures:
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    future.exception()
            os.close(fd)

    def _send_one(self, fd: int, number: int) -> str:
        start, length = (number - 1) * self._part, self._length(number)
        answer = self._wire.request(
            "PUT",
            self._key,
            [("partNumber", str(number)), ("uploadId", self._journal.note)],
            action="s3:PutObject",
            headers={"content-md5": self._digests.parts[number - 1], **self._bucket.settings.customer_headers},
            body=lambda: FileSlice(fd, start, length),
            length=length,
        )
        etag = (answer.headers.get("etag") or "").strip('"')
        self._journal.done(number, etag)
        return etag

    def _complete(self, etags: dict[int, str]) -> None:
        rows = "".join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>"{escape(etags[number])}"</ETag></Part>'
            for number in sorted(etags)
        )
        body = (
            f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</CompleteMultipartUpload>'
        )
        query = [("uploadId", self._journal.note)]
        answer = self._wire.attempt("POST", self._key, query, body=body.encode)
        if isinstance(answer, Answer) and b"<Error>" not in answer.body:
            return
        # A completion whose answer was lost looks like an unknown upload when it is asked for again.
        if self._bucket.head(self._key) == self._size:
            return
        self._journal.forget()
        fault = answer if isinstance(answer, Fault) else Fault(500, "InternalError")
        raise lab_error(fault, self._wire.where("s3:PutObject"))


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
