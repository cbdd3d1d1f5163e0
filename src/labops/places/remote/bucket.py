"""A remote in a bucket: S3 and compatible stores, GCS, Azure."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from labops.drivers.s3 import Bucket, Row, checksums, copy, copy_all, download, upload
from labops.errors import AccessDenied, NotFound
from labops.model import Event, HashName, Oid, OnEvent, ignore
from labops.places.remote.asking import FEW, PAGE_KEYS, every_prefix, pages_estimate, prefers_heads, prefixes
from labops.places.remote.knowledge import Knowledge
from labops.places.remote.layout import NOTES, TRASH, Access, ContentCheck, base_of, oid_at, other, tail_of
from labops.places.trash import Stored, Trashed, trash_tail, trashed_at
from labops.planning.proof import Held

_PHASE: Final = "query"

_Take = Callable[[Oid, Row], object]
"""What is done with each object that is seen."""


class BucketRemote:
    """Objects of one layout in a bucket. Safe to use from many threads."""

    is_read_only = False
    forks: Final = "requests"

    def __init__(
        self, name: str, url: str, bucket: Bucket, prefix: str, hash_name: HashName, knowledge: Knowledge
    ) -> None:
        self.name, self.url = name, url
        self._bucket = bucket
        self._hash_name = hash_name
        self._base = base_of(prefix, hash_name)
        self._top = f"{prefix}/" if prefix else ""
        self._knowledge = knowledge
        self.requests = 0
        self._lock = threading.Lock()
        bucket.honours_ranges = knowledge.get("ranges") != "ignored"

    def __repr__(self) -> str:
        return f"BucketRemote({self.name!r}, {self.url!r}, {self._hash_name})"

    # -- many objects ---------------------------------------------------------------------------------

    def contains(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> set[Oid]:
        """Which of `oids` the remote holds, each one seen in a listing or asked for by name."""
        found: set[Oid] = set()
        self._find(set(oids), lambda oid, _: found.add(oid), on_event)
        return found

    def fingerprints(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> dict[Oid, Held]:
        """Size and etag of each object that is there, from the same listings or questions."""
        found: dict[Oid, Held] = {}
        self._find(set(oids), lambda oid, row: found.setdefault(oid, Held(row.size, row.etag)), on_event)
        return found

    def _find(self, wanted: set[Oid], take: _Take, on_event: OnEvent) -> None:
        if not wanted:
            return
        on_event(Event("started", _PHASE, total=len(wanted)))
        try:
            if len(wanted) <= FEW:
                self._heads(wanted, take)
            else:
                self._listed(wanted, take)
        finally:
            on_event(Event("finished", _PHASE))

    def _listed(self, wanted: set[Oid], take: _Take) -> None:
        try:
            last = self._first_page(lambda oid, row: take(oid, row) if oid in wanted else None)
        except AccessDenied as refusal:
            if refusal.code != "access-denied":
                raise
            # Whoever may read but not list knows every name already: ask for each.
            self._heads(wanted, take, refusal)
            return
        if last is None:
            return
        rest = {oid for oid in wanted if oid > last}
        pages = pages_estimate(last)
        if prefers_heads(len(rest), pages):
            self._heads(rest, take)
            return
        for page in self._bucket.list_each(self._full(prefixes(rest, pages, is_folder_only=self._is_folder_only))):
            self._count(-(-len(page) // PAGE_KEYS) or 1)
            for oid, row in self._objects(page):
                if oid in rest:
                    take(oid, row)

    def _count(self, requests: int = 1) -> None:
        with self._lock:
            self.requests += requests

    def _first_page(self, take: _Take) -> Oid | None:
        """`take` the first page's objects; None when there is no more, else the last oid that it covers."""
        pages = self._bucket.list(self._base)
        first = next(pages, [])
        self._count()
        covered: Oid | None = None
        for oid, row in self._objects(first):
            take(oid, row)
            covered = oid
        if len(first) < PAGE_KEYS:
            # Some stores serve shorter pages, so an end is only believed when there is no second page.
            second = next(pages, None)
            if second is None:
                return None
            self._count()
            for oid, row in self._objects(second):
                take(oid, row)
                covered = oid
        return covered or Oid("0" * 32)

    @property
    def _is_folder_only(self) -> bool:
        return not self._bucket.is_s3 or self._hash_name is not HashName.MD5

    def _full(self, tails: Sequence[str]) -> list[str]:
        return [self._base + tail for tail in tails]

    def _objects(self, page: Sequence[Row]) -> Iterator[tuple[Oid, Row]]:
        cut = len(self._base)
        for row in page:
            oid = oid_at(row.key[cut:])
            if oid is not None:
                yield oid, row

    def _heads(self, wanted: Collection[Oid], take: _Take, refusal: AccessDenied | None = None) -> None:
        keys = {self._key(oid): oid for oid in wanted}
        self._count(len(keys))
        answers = self._bucket.heads(keys)
        found = {keys[key]: row for key, row in answers.items() if isinstance(row, Row)}
        refused = next((answer for answer in answers.values() if isinstance(answer, AccessDenied)), None)
        if refused and not found:
            # Without the right to list, absence and refusal look alike; nothing at all readable is refusal.
            raise refusal or refused
        for oid, row in found.items():
            take(oid, row)

    def list(self) -> Iterator[tuple[Oid, int]]:
        """Every object of the layout with its size in bytes, in no order; foreign keys are skipped."""
        return ((oid, row.size) for oid, row in self._everything())

    def inventory(self) -> Iterator[Stored]:
        """The same with the time at which the store took each."""
        return (Stored(oid, row.size, _seconds(row.modified)) for oid, row in self._everything())

    def _everything(self) -> Iterator[tuple[Oid, Row]]:
        start: list[tuple[Oid, Row]] = []
        last = self._first_page(lambda oid, row: start.append((oid, row)))
        yield from start
        if last is None:
            return
        tails = every_prefix(pages_estimate(last), is_folder_only=self._is_folder_only)
        for page in self._bucket.list_each(self._full(tails)):
            yield from ((oid, row) for oid, row in self._objects(page) if oid > last)

    def delete(self, oids: Collection[Oid]) -> None:
        """Delete objects; absent ones are no error."""
        self._bucket.delete([self._key(oid) for oid in oids])

    # -- the trash ------------------------------------------------------------------------------------

    def trash(self, sizes: Mapping[Oid, int], day: str) -> None:
        """Set objects aside: all are copied by the store, then all are deleted."""
        self._move({self._key(oid): (self._trash_key(oid, day), size) for oid, size in sizes.items()})

    def trashed(self) -> Iterator[Trashed]:
        """Every object of the layout in the trash."""
        start = f"{self._top}{TRASH}/"
        for page in self._bucket.list(start):
            for row in page:
                found = trashed_at(row.key[len(start) :], row.size, self._hash_name)
                if found is not None:
                    yield found

    def restore(self, items: Collection[Trashed]) -> None:
        """Bring objects back: all are copied by the store, then all are deleted from the trash."""
        self._move({self._trash_key(item.oid, item.day): (self._key(item.oid), item.size) for item in items})

    def purge(self, items: Collection[Trashed]) -> None:
        """Delete objects of the trash for good."""
        self._bucket.delete([self._trash_key(item.oid, item.day) for item in items])

    def _move(self, moves: Mapping[str, tuple[str, int]]) -> None:
        try:
            copy_all(self._bucket, moves)
        except NotFound as error:
            if error.code != "no-such-object":
                raise
            present = self._bucket.heads(moves)  # somebody else was faster with some of them
            moves = {key: row for key, row in moves.items() if isinstance(present[key], Row)}
            copy_all(self._bucket, moves)
        self._bucket.delete(list(moves))

    def _trash_key(self, oid: Oid, day: str) -> str:
        return f"{self._top}{TRASH}/{trash_tail(oid, day, self._hash_name)}"

    # -- notes ----------------------------------------------------------------------------------------

    def notes(self, kind: str) -> dict[str, bytes]:
        """The small files of labops of one kind, by name."""
        start = f"{self._top}{NOTES}/{kind}/"
        rows = [row for page in self._bucket.list(start) for row in page]
        return {row.key[len(start) :]: self._bucket.get(row.key) for row in rows}

    def put_note(self, kind: str, name: str, data: bytes) -> None:
        """Write one of them."""
        self._bucket.put(f"{self._top}{NOTES}/{kind}/{name}", data)

    def remove_note(self, kind: str, name: str) -> None:
        """Remove one of them."""
        self._bucket.delete([f"{self._top}{NOTES}/{kind}/{name}"])

    # -- one object -----------------------------------------------------------------------------------

    def upload(self, oid: Oid, source: str, size: int) -> None:
        """Store the file `source`; raises `Corrupt` (`corrupt-object`) before the object gets its name."""
        check = ContentCheck(oid, self._hash_name, "corrupt-object", source)
        upload(self._bucket, self._key(oid), source, size, check, self._knowledge.journal("up", oid))

    def upload_bytes(self, oid: Oid, data: bytes) -> None:
        """Store `data`, after the same check."""
        check = ContentCheck(oid, self._hash_name, "corrupt-object", "memory")
        check.update(data)
        check.finish()
        self._bucket.put(self._key(oid), data)

    def adopt(self, oid: Oid, size: int) -> None:
        """Let the store copy the other layout's object of that name."""
        source = base_of(self._top.removesuffix("/"), other(self._hash_name)) + tail_of(oid)
        copy(self._bucket, source, self._key(oid), size)

    @property
    def can_expect(self) -> bool:
        """By requests of our own."""
        return self._bucket.is_s3

    def expect(self, oid: Oid) -> None:
        """The request is sent."""
        self._bucket.expect(self._key(oid))

    def download(self, oid: Oid, target: str, *, mode: int = 0o666) -> int:
        """Fetch into the new file `target`; raises `Corrupt` (`corrupt-download`), and leaves none, otherwise."""
        partial = self._knowledge.journal("down", oid)
        size = download(self._bucket, self._key(oid), target, lambda: self._download_check(oid), partial, mode=mode)
        if not self._bucket.honours_ranges:
            self._knowledge.put("ranges", "ignored")
        return size

    def _download_check(self, oid: Oid) -> ContentCheck:
        return ContentCheck(oid, self._hash_name, "corrupt-download", self.url)

    def read(self, oid: Oid) -> bytes:
        """The bytes of a small object, checked."""
        data = self._bucket.get(self._key(oid))
        check = self._download_check(oid)
        check.update(data)
        check.finish()
        return data

    def checksums(self, oid: Oid) -> Mapping[str, str]:
        """Digests that the store keeps beside the object."""
        self._count()
        return checksums(self._bucket, self._key(oid))

    def verify(self, oid: Oid) -> int:
        """Read the whole object, in one request and in constant memory; its bytes."""
        self._count()
        check = self._download_check(oid)
        size, _ = self._bucket.stream(self._key(oid), check.update)
        check.finish()
        return size

    def finish(self, forked: Collection[Oid] = ()) -> None:
        """Nothing to wait for: a store answers when the object is safe."""

    def check(self) -> None:
        """One request: reachable, the bucket exists, the credentials work."""
        self._bucket.check()

    def access(self) -> Access:
        """Bucket, prefix, endpoint, region and key id."""
        settings = self._bucket.wire.settings
        key_id = settings.keys().key_id if settings.keys else ""
        return Access(settings.bucket, self._top.rstrip("/"), settings.endpoint, settings.region, key_id)

    def clock(self) -> float | None:
        """The time that the store puts on its answers (S3)."""
        return self._bucket.wire.clock() if self._bucket.is_s3 else None

    def close(self) -> None:
        """Close idle connections."""
        self._bucket.close()

    def _key(self, oid: Oid) -> str:
        return self._base + tail_of(oid)


def _seconds(text: str) -> float:
    """A listing's time as unix seconds; infinite where there is none, so that it counts as young."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return math.inf
