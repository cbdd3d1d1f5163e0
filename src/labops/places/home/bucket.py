"""A home in a bucket: S3 and compatible stores, GCS and Azure."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from labops.drivers.hands import each_ready
from labops.drivers.s3 import Bucket, DatedRow, copy, plain, sign_address, stale, storing
from labops.places.home.metadata import from_metadata, stored_md5, stored_run, to_metadata
from labops.places.home.words import ABSENT, CREATE, MATCH, Address, Got, Source, Stored, Version

PAGE: Final = 1000
_LISTERS: Final = 8
_SIDE_BY_SIDE_FROM: Final = 2 * PAGE
"""Known keys from which pages are asked for side by side."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_LAST: Final = "\U0010ffff"


class _Unordered(Exception):
    """The store does not list in key order, or not from where it was asked to."""


class BucketStore:
    """One bucket as a store of homes. Safe to use from many threads."""

    forks: Final = "requests"

    def __init__(self, bucket: Bucket, prefix: str, *, conditions: frozenset[str] | None = None) -> None:
        """`prefix` is where a probe may be written; `conditions` are those known from an earlier probe."""
        self._bucket = bucket
        self._prefix = prefix
        self._conditions = conditions
        self._is_azure = bucket.settings.kind == "azure"
        """There names of metadata are words of a programming language, without hyphens."""
        self._keeps: bool | None = None
        self._lock = threading.Lock()

    @property
    def conditions(self) -> frozenset[str]:
        """Found out once by a probe (S3); GCS and Azure are known to refuse what they should."""
        with self._lock:
            if self._conditions is None:
                if self._bucket.is_s3:
                    self._conditions = storing.probe(self._bucket, f"{self._prefix}.trash/.probe-{os.urandom(8).hex()}")
                else:
                    self._conditions = frozenset({MATCH, CREATE})
            return self._conditions

    @property
    def keeps_versions(self) -> bool:
        """Asked once."""
        with self._lock:
            if self._keeps is None:
                self._keeps = plain.keeps_versions(self._bucket)
            return self._keeps

    # -- listing ----------------------------------------------------------------------------------------

    def pages(self, prefix: str, known: Sequence[str] = (), skip: str = "") -> Iterator[Sequence[Stored]]:
        """Raw pages, so that no key is bent. With many `known` keys their borders are guessed from them.

        When nothing changed each page then ends just where the next one was asked to begin: as many requests as
        pages, and all of them under way at once.
        """
        if len(known) < _SIDE_BY_SIDE_FROM or not self._bucket.is_s3:
            for page in self._range("", None, prefix, skip):
                yield self._stored(page)
            return
        borders = ["", *known[PAGE - 1 : -1 : PAGE]]
        ranges = list(zip(borders, [*borders[1:], None], strict=True))
        try:
            for pages in each_ready(
                lambda ends: [self._stored(page) for page in self._range(*ends, prefix, skip)],
                ranges,
                most=_LISTERS,
                name="labops-list",
            ):
                yield from pages
        except _Unordered:
            for page in self._range("", None, prefix, skip):
                yield self._stored(page)

    def _range(self, after: str, until: str | None, prefix: str, skip: str) -> Iterator[list[DatedRow]]:
        """Rows with keys in (`after`, `until`]."""
        is_ordered_needed = bool(after) or until is not None
        while True:
            jumps = False
            for page, is_cut in plain.pages(self._bucket, prefix, after):
                rows = page
                if is_ordered_needed:
                    _require_order(page, after)
                    after = page[-1].key if page else after
                if until is not None and rows and rows[-1].key > until:
                    rows = [row for row in rows if row.key <= until]
                if skip and any(row.key.startswith(skip) for row in rows):
                    jumps = is_cut and page[-1].key.startswith(skip)
                    rows = [row for row in rows if not row.key.startswith(skip)]
                yield rows
                if jumps or (until is not None and page and page[-1].key >= until):
                    break
            if not jumps or (until is not None and until <= skip + _LAST):
                return
            after, is_ordered_needed = skip + _LAST, True

    def _stored(self, page: Sequence[DatedRow]) -> list[Stored]:
        is_s3 = self._bucket.is_s3
        return [
            Stored(key, size, etag, etag if is_s3 and len(etag) == 32 else "", modified)
            for key, size, etag, modified in page
        ]

    # -- one object -------------------------------------------------------------------------------------

    def look(self, key: str, version: str = "") -> Got | None:
        """One HEAD."""
        found = plain.look(self._bucket, key, version)
        return None if found is None else self._got(found, "")

    def _got(self, found: plain.Found, digest: str) -> Got:
        meta = found.meta
        if self._is_azure:
            meta = {name.replace("_", "-"): value for name, value in meta.items()}
        if not digest:
            digest = stored_md5(meta)
            if not digest and self._bucket.is_s3 and _MD5.fullmatch(found.etag):
                digest = found.etag
        return Got(found.size, found.etag, digest, from_metadata(meta), found.modified, stored_run(meta))

    def read(self, key: str, write: Callable[[bytes | memoryview], None]) -> int:
        """One streamed request."""
        return self._bucket.stream(key, write)[0]

    def sign(self, key: str, seconds: int) -> Address:
        """No request is sent: whether the object exists shows when the address is used."""
        return Address(*sign_address(self._bucket, key, seconds))

    @property
    def can_expect(self) -> bool:
        """By requests of our own."""
        return self._bucket.is_s3

    def expect(self, key: str) -> None:
        """The request is sent."""
        self._bucket.expect(key)

    def get(self, key: str, target: str, *, version: str = "", partial: str | None = None) -> Got:
        """Hashed on arrival."""
        found, digest = plain.fetch(self._bucket, key, target, version=version, partial=partial)
        return self._got(found, digest)

    def put(self, key: str, source: Source, condition: str | None, journal: str | None = None) -> Got:
        """One request, or parts for a large file."""
        settled = storing.Settled(source.size, source.check)
        meta = to_metadata(source.facts, source.run)
        if self._is_azure:
            meta = {name.replace("-", "_"): value for name, value in meta.items()}
        etag, digest = storing.store(self._bucket, key, source.content, settled, meta, condition, journal)
        return Got(source.size, etag, digest, source.facts)

    def copy(self, key: str, new_key: str, size: int, condition: str | None, new_condition: str | None) -> None:
        """Inside the store: no byte travels."""
        copy(self._bucket, key, new_key, size, condition, is_new=new_condition == ABSENT)

    can_rename = False

    def rename(self, *_: object) -> None:
        """Buckets cannot."""
        raise AssertionError("a bucket cannot rename")

    def delete(self, key: str, condition: str | None) -> None:
        """One request."""
        storing.delete(self._bucket, key, condition)

    def versions(self, prefix: str) -> Iterator[Version]:
        """What the bucket kept; a version ends where the next one (or a deletion) began."""
        last_key, last_began = "", 0.0
        for rows in plain.versions(self._bucket, prefix):
            for row in rows:
                began = _seconds(row.modified)
                ended = last_began if row.key == last_key else 0.0
                last_key, last_began = row.key, began
                if not row.is_deletion:
                    yield Version(row.key, row.size, began, ended, row.version)

    def sweep(self, prefix: str, before: float) -> None:
        """Uploads in parts, of which the store would keep and charge for the parts."""
        for one in list(stale.unfinished(self._bucket, prefix)):
            if 0 < one.began < before:
                stale.abort(self._bucket, one)

    def finish(self) -> None:
        """Nothing to wait for: a store answers when the object is safe."""

    def check(self) -> None:
        """One request."""
        self._bucket.check()

    def close(self) -> None:
        """Close idle connections."""
        self._bucket.close()


def _require_order(page: Sequence[DatedRow], after: str) -> None:
    last = after
    for row in page:
        if row.key <= last and last:
            raise _Unordered
        last = row.key


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return 0.0
