"""Plain objects with their metadata, looked at and fetched: what a home asks of a bucket."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from labops.drivers.hands import behind
from labops.drivers.s3 import direct
from labops.drivers.s3.bucket import RANGED, SMALL, Bucket
from labops.drivers.s3.downloading import by_ranges
from labops.drivers.s3.faults import Fault, disk_error, is_absence, lab_error
from labops.drivers.s3.listing import DatedRow, Version, read_dated_page, read_versions
from labops.drivers.s3.parts import Filling
from labops.drivers.s3.wire import Answer
from labops.errors import Corrupt, LabError

META: Final = "x-amz-meta-"
_STREAM: Final = 4 << 20
PARTS_FROM: Final = 100 << 20
"""Bytes from which a content is hashed in parts, where the store tells no md5 of the whole."""
_MD5 = re.compile(r"[0-9a-f]{32}")


class Found(NamedTuple):
    """One object: its user metadata has lower-case names without `x-amz-meta-`."""

    size: int
    etag: str
    meta: Mapping[str, str]
    modified: float
    """Seconds since 1970; 0 where the store does not say."""


class Digest:
    """Hashes what passes; `finish` asks whether the file stayed as it was."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.md5 = hashlib.md5()
        self._check = check

    def update(self, data: bytes | memoryview, /) -> None:
        self.md5.update(data)

    def finish(self) -> None:
        self._check()

    @property
    def digest(self) -> str:
        """md5 of what passed."""
        return self.md5.hexdigest()


# -- looking --------------------------------------------------------------------------------------------


def pages(bucket: Bucket, prefix: str, after: str = "", most: int = 1000) -> Iterator[tuple[list[DatedRow], bool]]:
    """Pages below `prefix` in key order, beginning behind the key `after`, and whether more follow.

    Lossless for S3, whatever the keys hold. The next page is asked for only when it is wanted.
    """
    if not bucket.is_s3:
        yield from _native_pages(bucket, prefix, after)
        return
    query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url"), ("max-keys", str(most))]
    more = [("start-after", after)] if after else []
    while True:
        body = bucket.wire.request("GET", query=[*query, *more], action="s3:ListBucket").body
        try:
            rows, is_cut, token = read_dated_page(body)
        except (ET.ParseError, KeyError, ValueError) as error:
            raise _unreadable(bucket, prefix) from error
        yield rows, is_cut
        if not is_cut:
            return
        more = [("continuation-token", token)] if token else [("start-after", rows[-1].key)]


def _unreadable(bucket: Bucket, prefix: str) -> Corrupt:
    return Corrupt(
        f"the listing of '{bucket.settings.kind}://{bucket.settings.bucket}/{prefix}' cannot be read",
        code="bad-listing",
        hint="the store lists names that are no XML; ask its administrator for url encoding of listings",
    )


def _native_pages(bucket: Bucket, prefix: str, after: str) -> Iterator[tuple[list[DatedRow], bool]]:
    import obstore

    listing = iter(obstore.list(bucket.store, prefix or None, offset=after or None, chunk_size=1000))
    while True:
        with bucket.translated("s3:ListBucket"):
            page = next(listing, None)
        if page is None:
            return
        rows = [
            DatedRow(item["path"], item["size"], (item["e_tag"] or "").strip('"'), item["last_modified"].isoformat())
            for item in page
        ]
        yield rows, True


def versions(bucket: Bucket, prefix: str) -> Iterator[list[Version]]:
    """Every version of every object below `prefix`, newest first for each key (S3 with versioning)."""
    key, version = "", ""
    while True:
        query = [("versions", ""), ("prefix", prefix), ("encoding-type", "url")]
        query += [("key-marker", key)] if key else []
        query += [("version-id-marker", version)] if version else []
        body = bucket.wire.request("GET", query=query, action="s3:ListBucketVersions").body
        rows, key, version = read_versions(body)
        yield rows
        if not key:
            return


def keeps_versions(bucket: Bucket) -> bool:
    """True when the bucket keeps what is overwritten or deleted; False too where it may not be asked."""
    if not bucket.is_s3:
        return False
    answer = bucket.wire.attempt("GET", query=[("versioning", "")])
    return isinstance(answer, Answer) and b"<Status>Enabled</Status>" in answer.body


def look(bucket: Bucket, key: str, version: str = "") -> Found | None:
    """One object, or an older version of it, without its bytes; None when it is absent."""
    if bucket.is_s3:
        query = [("versionId", version)] if version else []
        answer = bucket.wire.attempt("HEAD", key, query, headers=bucket.settings.customer_headers)
        if isinstance(answer, Answer):
            return _found(answer.headers, int(answer.headers.get("content-length") or 0))
        if is_absence(answer):
            return None
        raise lab_error(answer, bucket.wire.where("s3:GetObject"))
    import obstore

    try:
        result = obstore.get(bucket.store, key, options={"head": True})
    except FileNotFoundError:
        return None
    except Exception as error:
        with bucket.translated("s3:GetObject"):
            raise error from None
    return _native_found(result)


def _found(headers: Mapping[str, str], size: int) -> Found:
    meta = {name[len(META) :]: value for name, value in headers.items() if name.startswith(META)}
    return Found(size, headers.get("etag", "").strip('"'), meta, _moment(headers.get("last-modified", "")))


@functools.lru_cache  # many were stored in the same second
def _moment(text: str) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return parsedate_to_datetime(text).timestamp()
    return 0.0


def _native_found(result: Any) -> Found:
    meta = {str(name).lower(): str(value) for name, value in result.attributes.items()}
    facts = result.meta
    return Found(facts["size"], (facts["e_tag"] or "").strip('"'), meta, facts["last_modified"].timestamp())


# -- bytes out ------------------------------------------------------------------------------------------


def fetch(bucket: Bucket, key: str, target: str, *, version: str = "", partial: str | None = None) -> tuple[Found, str]:
    """Fetch `key` into the new file `target`; what it is, and the md5 of the bytes that came (or that of parts).

    A large object comes by ranges of one and the same etag; with `partial` (a path) a killed download goes on.
    """
    try:
        if bucket.is_s3:
            return _fetch(bucket, key, target, version, partial)
        return _fetch_native(bucket, key, target, partial)
    except OSError as error:
        if isinstance(error, LabError):
            raise
        raise disk_error(error, target) from error


def _fetch(bucket: Bucket, key: str, target: str, version: str, partial: str | None) -> tuple[Found, str]:
    if partial and not version and bucket.honours_ranges:  # it is known to be large
        seen = look(bucket, key)
        if seen and seen.size >= RANGED and (by_parts := _by_ranges(bucket, key, target, seen, partial)):
            return seen, by_parts
    query = [("versionId", version)] if version else []
    below = RANGED if bucket.honours_ranges and not version else None
    digest = hashlib.md5()
    with _new(target) as write, behind(digest.update) as hash_:

        def take(data: bytes) -> None:
            hash_(data)
            write(data)

        fetched = direct.fetch(bucket.wire, key, take, query, below=below)
        if not fetched.is_fetched:
            os.unlink(target)
    found = _found(fetched.headers, fetched.size)
    if fetched.is_fetched:
        return found, digest.hexdigest()
    by_parts = _by_ranges(bucket, key, target, found, partial)
    return (found, by_parts) if by_parts else _fetch(bucket, key, target, version, partial)


def _fetch_native(bucket: Bucket, key: str, target: str, partial: str | None) -> tuple[Found, str]:
    import obstore

    with bucket.translated("s3:GetObject"):
        result = obstore.get(bucket.store, key)
        found = _native_found(result)
        data = memoryview(result.bytes()) if found.size <= min(SMALL, bucket.pace.piece) else None
    if data is not None:
        bucket.pace.take(len(data))
        _require(bucket, len(data), found.size)
        with _new(target) as write:
            write(data)
        return found, hashlib.md5(data).hexdigest()
    is_ranged = found.size >= RANGED and bucket.honours_ranges
    if is_ranged and (by_parts := _by_ranges(bucket, key, target, found, partial)):
        return found, by_parts
    digest, got = hashlib.md5(), 0
    chunks = iter(result.stream(min_chunk_size=min(_STREAM, bucket.pace.piece)))
    with _new(target) as write:
        while True:
            with bucket.translated("s3:GetObject"):
                chunk = next(chunks, None)
            if chunk is None:
                break
            bucket.pace.take(len(chunk))
            view = memoryview(chunk)
            digest.update(view)
            write(view)
            got += len(view)
        _require(bucket, got, found.size)
    return found, digest.hexdigest()


def _by_ranges(bucket: Bucket, key: str, target: str, found: Found, partial: str | None) -> str:
    """The digest of a large object that came by ranges of one etag; empty where the store does not honour them."""
    judges: list[Digest | Filling] = []

    def judge() -> Digest | Filling:
        judges.append(_judge(bucket, found))
        return judges[-1]

    return judges[-1].digest if by_ranges(bucket, key, target, found.size, judge, partial, found.etag) else ""


def _judge(bucket: Bucket, found: Found) -> Digest | Filling:
    """An etag that is the md5 of the whole is all the store says to compare with, and is compared, slow as it is."""
    is_whole = bucket.is_s3 and _MD5.fullmatch(found.etag) is not None
    return Digest() if is_whole or found.size < PARTS_FROM else Filling(found.size)


def _require(bucket: Bucket, got: int, size: int) -> None:
    if got != size:
        raise lab_error(Fault(0, "ShortBody"), bucket.wire.where("s3:GetObject"))


@contextlib.contextmanager
def _new(target: str) -> Iterator[Callable[[bytes | memoryview], None]]:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    try:
        yield write
    except BaseException:
        os.unlink(target)
        raise
    finally:
        os.close(fd)
