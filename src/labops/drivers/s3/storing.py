"""Plain objects with their metadata, stored, copied and deleted, each request with the condition it may carry.

A condition is the etag that an object must still have, or `ABSENT`; `None` asks for none. Where it does not
hold the answer is `Conflict` (`changed-there`) and nothing was written.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from labops.agreement import part_size
from labops.drivers.pace import PacedFile
from labops.drivers.s3 import direct
from labops.drivers.s3.bucket import SMALL, Bucket
from labops.drivers.s3.faults import Fault, disk_error, is_absence, lab_error
from labops.drivers.s3.parts import HashedParts
from labops.drivers.s3.plain import META, Digest, look
from labops.drivers.s3.uploading import MULTIPART_FROM, whole_file
from labops.drivers.s3.wire import FileSlice
from labops.errors import LabError

if TYPE_CHECKING:
    from obstore import PutMode

ABSENT: Final = ""
_STREAM: Final = 4 << 20


class Settled(NamedTuple):
    """How to see that a file is still the one that was looked at: called before an object gets its name."""

    size: int
    check: Callable[[], None]


def store(
    bucket: Bucket,
    key: str,
    source: str | bytes,
    settled: Settled,
    meta: Mapping[str, str],
    condition: str | None = None,
    journal: str | None = None,
) -> tuple[str, str]:
    """Store the file (or the bytes) `source` as `key`; returns its etag and the md5 of what was sent.

    Of a large file that goes to S3 in parts it is the digest of these parts.

    The store checks the bytes by their md5. The object has its name only when `settled.check` passed after the
    last byte was read. With `journal` (a path) a killed upload of a large file goes on where it stopped.
    """
    if isinstance(source, bytes) or settled.size <= min(SMALL, bucket.pace.piece):
        data = source if isinstance(source, bytes) else _whole(source, settled)
        md5 = hashlib.md5(data)
        return _store_small(bucket, key, data, md5.digest(), meta, condition), md5.hexdigest()
    digest = Digest(settled.check)
    headers, conditions = meta_headers(meta), condition_headers(condition)
    if bucket.is_s3 and settled.size >= MULTIPART_FROM:
        parts = HashedParts(
            bucket, key, source, settled.size, part_size(settled.size), digest, journal,
            headers=headers, conditions=conditions,
        )  # fmt: skip
        return _etag_held(bucket, key, parts.run(), meta), parts.digest
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            at = 0
            while data := os.pread(fd, _STREAM, at):
                digest.update(data)
                at += len(data)
            digest.finish()
            if not bucket.is_s3:
                return _store_native(bucket, key, source, settled.size, meta, condition), digest.md5.hexdigest()
            headers["content-md5"] = base64.b64encode(digest.md5.digest()).decode()
            etag = _put(bucket, key, lambda: FileSlice(fd, 0, settled.size), settled.size, {**headers, **conditions})
            return etag, digest.md5.hexdigest()
        finally:
            os.close(fd)
    except OSError as error:
        if isinstance(error, LabError):
            raise
        raise disk_error(error, source) from error


def _whole(source: str, settled: Settled) -> bytes:
    data = whole_file(source, settled.size)
    settled.check()
    return data


def _etag_held(bucket: Bucket, key: str, said: str, meta: Mapping[str, str]) -> str:
    """The etag by which the store lists an object that it put together from parts and then called `said`.

    Some say none (Ceph), or another one (`rclone serve s3`: later it is the md5 of the whole). What is there counts
    only when it is ours, which its metadata tells: somebody may have replaced it by now.
    """
    found = look(bucket, key)
    is_ours = found is not None and meta.items() <= found.meta.items()
    return found.etag if found is not None and is_ours else said


def _store_small(
    bucket: Bucket, key: str, data: bytes, md5: bytes, meta: Mapping[str, str], condition: str | None
) -> str:
    if bucket.is_s3:
        headers = {**meta_headers(meta), "content-md5": base64.b64encode(md5).decode(), **condition_headers(condition)}
        return _put(bucket, key, lambda: data, len(data), headers)
    import obstore

    bucket.pace.take(len(data))
    with bucket.translated("s3:PutObject"):
        result = obstore.put(bucket.store, key, data, attributes=dict(meta), mode=_mode(condition), use_multipart=False)
    return (result["e_tag"] or "").strip('"')


def _mode(condition: str | None) -> PutMode:
    if condition is None:
        return "overwrite"
    return "create" if condition == ABSENT else {"e_tag": f'"{condition}"'}


def _store_native(
    bucket: Bucket, key: str, source: str, size: int, meta: Mapping[str, str], condition: str | None
) -> str:
    """GCS and Azure: one request where there is a condition, else obstore's own parallel parts."""
    import obstore

    with bucket.translated("s3:PutObject"), PacedFile(source, bucket.pace) as file:
        result = obstore.put(
            bucket.store, key, file, attributes=dict(meta), mode=_mode(condition),
            use_multipart=condition is None, chunk_size=part_size(size), max_concurrency=4,
        )  # fmt: skip
    return (result["e_tag"] or "").strip('"')


def _put(bucket: Bucket, key: str, body: Callable[[], bytes | FileSlice], size: int, headers: dict[str, str]) -> str:
    headers = {**bucket.settings.put_headers, **bucket.settings.customer_headers, **headers}
    answer = bucket.wire.request("PUT", key, action="s3:PutObject", headers=headers, body=body, length=size)
    return (answer.headers.get("etag") or "").strip('"')


def meta_headers(meta: Mapping[str, str]) -> dict[str, str]:
    """User metadata as headers of S3."""
    return {META + name: value for name, value in meta.items()}


def condition_headers(condition: str | None, prefix: str = "") -> dict[str, str]:
    """A condition on the etag (`ABSENT`: on absence) as a header of S3; `prefix` is put before its name."""
    if condition is None:
        return {}
    if condition == ABSENT:
        return {f"{prefix}if-none-match": "*"}
    return {f"{prefix}if-match": f'"{condition}"'}


# -- inside the store -----------------------------------------------------------------------------------


def delete(bucket: Bucket, key: str, condition: str | None = None) -> None:
    """Delete one object, if it still has the etag `condition`; an absent one is no error."""
    if not bucket.is_s3:
        bucket.delete([key])
        return
    if condition is None:
        direct.delete(bucket.wire, key)
        return
    answer = bucket.wire.attempt("DELETE", key, headers=condition_headers(condition))
    if isinstance(answer, Fault) and not is_absence(answer):
        raise lab_error(answer, bucket.wire.where("s3:DeleteObject"))


def probe(bucket: Bucket, key: str) -> frozenset[str]:
    """What conditions the store honours, found out by writing and deleting the object `key` and a neighbour (S3).

    `create`: it refuses to overwrite under If-None-Match; `match`: a write unless the etag is the right one;
    `delete`: a deletion; `copy`: a copy of another source; `copy-create`: to overwrite by a copy. A store that
    refuses the right etag too (Ceph does, for a write) does not know the condition.
    """
    settings = bucket.settings
    plain = {**settings.put_headers, **settings.customer_headers}
    source = {"x-amz-copy-source": quote(f"/{settings.bucket}/{key}", safe="/-_.~")}
    neighbour = key + "2"
    found = set()

    def status(method: str, at: str, headers: Mapping[str, str]) -> int:
        body = (lambda: b"") if method == "PUT" else None
        answer = bucket.wire.attempt(method, at, headers=headers, body=body)
        return answer.status

    def tells_apart(method: str, at: str, headers: Mapping[str, str], prefix: str = "") -> bool:
        other = condition_headers(hashlib.md5(b"another").hexdigest(), prefix)
        return (
            status(method, at, {**headers, **other}) == 412 and status(method, at, {**headers, **right(prefix)}) < 300
        )

    def right(prefix: str) -> dict[str, str]:
        return condition_headers(etag, prefix)

    etag = _put(bucket, key, lambda: b"", 0, {})
    try:
        if status("PUT", key, plain | condition_headers(ABSENT)) == 412:
            found.add("create")
        if tells_apart("PUT", key, plain):
            found.add("match")
        if tells_apart("PUT", neighbour, plain | source, "x-amz-copy-source-"):
            found.add("copy")
        _put(bucket, neighbour, lambda: b"2", 1, {})
        if status("PUT", neighbour, plain | source | condition_headers(ABSENT)) == 412:
            found.add("copy-create")
        if tells_apart("DELETE", key, {}):
            found.add("delete")
    finally:
        direct.delete(bucket.wire, key)
        direct.delete(bucket.wire, neighbour)
    return frozenset(found)
