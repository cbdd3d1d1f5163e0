"""A remote behind a web server: whoever reads a published dataset needs no account."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from labops.drivers import fs
from labops.drivers.http import Site
from labops.errors import AccessDenied, LabError, Unsupported
from labops.model import Event, HashName, Oid, OnEvent, ignore
from labops.places.remote.layout import Access, ContentCheck, base_of, tail_of
from labops.places.trash import Stored, Trashed
from labops.planning.proof import Held


class WebRemote:
    """Objects of one layout behind http(s), read-only. Safe to use from many threads."""

    is_read_only = True
    forks: Final = None

    def __init__(self, name: str, url: str, site: Site, hash_name: HashName) -> None:
        self.name, self.url = name, url
        self._site = site
        self._hash_name = hash_name
        self._base = base_of(url.rstrip("/"), hash_name)
        self.requests = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"WebRemote({self.name!r}, {self.url!r}, {self._hash_name})"

    def contains(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> set[Oid]:
        """Which of `oids` the server has: one HEAD each, since a web server lists nothing.

        A server that answers 403 for what it does not have is believed once it has shown anything at all.
        """
        return set(self.fingerprints(oids, on_event=on_event))

    def fingerprints(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> dict[Oid, Held]:
        """That an object is there, and no more: what a web server says about sizes cannot be relied on."""
        urls = {self._url(oid): oid for oid in oids}
        if not urls:
            return {}
        on_event(Event("started", "query", total=len(urls)))
        self._count(len(urls))
        sizes = self._site.sizes(urls)
        on_event(Event("finished", "query"))
        found = {urls[url]: Held(None) for url, size in sizes.items() if isinstance(size, int)}
        refused = next((size for size in sizes.values() if isinstance(size, AccessDenied)), None)
        if refused and not found:
            raise refused
        return found

    can_expect = False

    def expect(self, oid: Oid) -> None:
        """Nothing."""

    def download(self, oid: Oid, target: str, *, mode: int = 0o666) -> int:
        """Fetch into the new file `target`; `Corrupt` (`corrupt-download`), and no file, when it is damaged."""
        check = ContentCheck(oid, self._hash_name, "corrupt-download", self.url)
        with fs.new_file(target, mode) as write:

            def both(data: bytes) -> None:
                check.update(data)
                write(data)

            size = self._site.stream(self._url(oid), both)
            check.finish()
        return size

    def read(self, oid: Oid) -> bytes:
        """The bytes of a small object, checked."""
        check = ContentCheck(oid, self._hash_name, "corrupt-download", self.url)
        parts: list[bytes] = []
        self._site.stream(self._url(oid), parts.append)
        data = b"".join(parts)
        check.update(data)
        check.finish()
        return data

    def _count(self, requests: int = 1) -> None:
        with self._lock:
            self.requests += requests

    def checksums(self, oid: Oid) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """A web server's etag means nothing to others."""
        return {}

    def verify(self, oid: Oid) -> int:
        """Read the whole object, in constant memory; its bytes."""
        self._count()
        check = ContentCheck(oid, self._hash_name, "corrupt-download", self.url)
        size = self._site.stream(self._url(oid), check.update)
        check.finish()
        return size

    def list(self) -> Iterator[tuple[Oid, int]]:
        """Raises `Unsupported`: a web server does not list."""
        raise Unsupported(
            f"remote '{self.name}' cannot be listed: it is a web server",
            code="listing-unsupported",
            hint="name what you need, or use a bucket or folder remote",
        )

    def upload(self, oid: Oid, source: str, size: int) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def upload_bytes(self, oid: Oid, data: bytes) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def delete(self, oids: Collection[Oid]) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def inventory(self) -> Iterator[Stored]:
        """Raises `Unsupported`."""
        self.list()
        raise AssertionError("unreachable")

    def trash(self, sizes: Mapping[Oid, int], day: str) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def trashed(self) -> Iterator[Trashed]:
        """Raises `Unsupported`."""
        raise self._read_only()

    def restore(self, items: Collection[Trashed]) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def purge(self, items: Collection[Trashed]) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def adopt(self, oid: Oid, size: int) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def notes(self, kind: str) -> dict[str, bytes]:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def put_note(self, kind: str, name: str, data: bytes) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def remove_note(self, kind: str, name: str) -> None:  # noqa: ARG002 - the protocol's
        """Raises `Unsupported`."""
        raise self._read_only()

    def finish(self, forked: Collection[Oid] = ()) -> None:
        """Nothing to wait for."""

    def check(self) -> None:
        """One request: somebody answers. What a folder answers to says little, so 403 and 404 will do."""
        self._site.sizes([self._base])

    def access(self) -> Access:
        """Only an address."""
        return Access(endpoint=self.url)

    def clock(self) -> float | None:
        """Not asked for: nothing we send a web server depends on it."""
        return None

    def close(self) -> None:
        """Close idle connections."""
        self._site.close()

    def _read_only(self) -> LabError:
        return Unsupported(
            f"remote '{self.name}' is a web server: labops only reads from it",
            code="read-only-remote",
            hint="push to a bucket or folder remote, or use `dvc push` with this one",
        )

    def _url(self, oid: Oid) -> str:
        return self._base + tail_of(oid)
