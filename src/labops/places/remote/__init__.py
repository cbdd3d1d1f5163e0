"""A remote: a project's objects somewhere that others reach too — a bucket, a shared folder, a web server.

The remote alone decides how to find out what it has; nobody above knows. Importing this module is cheap: the
libraries behind each kind of remote are loaded when one is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from labops.errors import InvalidInput, Unsupported
from labops.model import Forks, HashName, Oid, OnEvent, RemoteSettings, ignore
from labops.places.remote.layout import Access
from labops.places.trash import Stored, Trashed
from labops.planning.proof import Held

__all__ = ["Access", "Remote", "open_remote"]


class Remote(Protocol):
    """Objects of one layout, for many threads at once. Every failure is one of `labops.errors`."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def forks(self) -> Forks | None:
        """How forked children may upload and download: files alone, by requests, or not at all."""
        ...

    @property
    def requests(self) -> int:
        """Requests that `fingerprints`, `checksums` and `verify` have sent so far, tries again not counted."""
        ...

    def contains(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> set[Oid]:
        """Which of `oids` are there: each was seen or asked for, none is inferred from a tree object.

        Raises `NotFound` (`no-such-bucket`, `no-such-folder`) rather than saying 'none'.
        """
        ...

    def upload(self, oid: Oid, source: str, size: int) -> None:
        """Store the file `source` of `size` bytes as `oid`; storing again is harmless.

        Others see the whole object or none. Raises `Corrupt` (`corrupt-object`) when the file is not what
        `oid` promises, before the object has a name. See `finish`.
        """
        ...

    def upload_bytes(self, oid: Oid, data: bytes) -> None:
        """Like `upload`, from memory."""
        ...

    @property
    def can_expect(self) -> bool:
        """True when `expect` does anything."""
        ...

    def expect(self, oid: Oid) -> None:
        """`download` of this small object comes soon: ask for it already. Never fails."""
        ...

    def download(self, oid: Oid, target: str, *, mode: int = 0o666) -> int:
        """Fetch `oid` into the new file `target`, made with `mode` and the umask; returns its bytes.

        Bytes are hashed as they come; on a mismatch `target` is removed and `Corrupt` (`corrupt-download`)
        raised. Not durable when it returns.
        """
        ...

    def read(self, oid: Oid) -> bytes:
        """The bytes of a small object (a tree object), checked against its hash."""
        ...

    def fingerprints(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> dict[Oid, Held]:
        """What the store says about those of `oids` that are there; the others have no row.

        Asks like `contains`, but never reads an object: presence says nothing about content here.
        """
        ...

    def checksums(self, oid: Oid) -> Mapping[str, str]:
        """Digests of the whole object that the store keeps: name (`sha256` …) → hex; empty when it keeps none."""
        ...

    def verify(self, oid: Oid) -> int:
        """Read all of `oid` without keeping it; returns its bytes. Raises as `download` does."""
        ...

    def list(self) -> Iterator[tuple[Oid, int]]:
        """Every object of the layout with its size in bytes, in no order; foreign names are skipped."""
        ...

    def delete(self, oids: Collection[Oid]) -> None:
        """Delete objects; absent ones are no error."""
        ...

    def inventory(self) -> Iterator[Stored]:
        """Like `list`, with the time at which each object got its name."""
        ...

    def trash(self, sizes: Mapping[Oid, int], day: str) -> None:
        """Set objects aside below `.lab-trash/<day>/`, in the order given, each gone only when it is safe there.

        Absent ones are no error. An error leaves the rest where it is; what was set aside stays so.
        """
        ...

    def trashed(self) -> Iterator[Trashed]:
        """Every object of the layout in the trash."""
        ...

    def restore(self, items: Collection[Trashed]) -> None:
        """Put objects of the trash back, in the order given."""
        ...

    def purge(self, items: Collection[Trashed]) -> None:
        """Delete objects of the trash for good; absent ones are no error."""
        ...

    def adopt(self, oid: Oid, size: int) -> None:
        """Store the object that the *other* layout of this remote holds under the same name, without download.

        The caller knows that its name is right in this layout too. A folder hashes it all the same.
        """
        ...

    def notes(self, kind: str) -> dict[str, bytes]:
        """The small files of labops below `.lab/<kind>/`, by name; one listing and one request for each."""
        ...

    def put_note(self, kind: str, name: str, data: bytes) -> None:
        """Write one of them."""
        ...

    def remove_note(self, kind: str, name: str) -> None:
        """Remove one of them; absent is no error."""
        ...

    def finish(self, forked: Collection[Oid] = ()) -> None:
        """Wait until everything uploaded so far is safe: call it before the tree objects, and at the end.

        `forked` names what children of this process may have uploaded (see `forks`).
        """
        ...

    def check(self) -> None:
        """At most two requests: the remote is reachable, exists, and the credentials work."""
        ...

    def access(self) -> Access:
        """How the remote is reached. No request, but perhaps one for the bucket's region."""
        ...

    def clock(self) -> float | None:
        """The time (unix seconds) by the clock of the other side, None where it does not tell; one request."""
        ...

    def close(self) -> None:
        """Let go of idle connections; the remote can still be used."""
        ...


def open_remote(
    settings: RemoteSettings, hash_name: HashName, *, state_dir: str | None = None, is_looking: bool = False
) -> Remote:
    """The remote that `settings` describe, seen through the layout of `hash_name`. Sends no request.

    `state_dir` is a writable folder for what makes interrupted transfers go on; None keeps nothing. With
    `is_looking` asking leaves no trace anywhere. Raises
    `Unsupported` (`unsupported-remote`), `InvalidInput` for options that cannot be, or what is wrong with the
    credentials where that is known without asking anyone.
    """
    scheme, separator, _ = settings.url.partition("://")
    if not separator:
        return _open_folder(settings, hash_name, is_looking=is_looking)
    if scheme in {"http", "https"}:
        from labops.drivers.http import Site
        from labops.places.remote.web import WebRemote

        return WebRemote(settings.name, settings.url, Site(settings.url, settings.options), hash_name)
    if scheme in {"s3", "gs", "azure"}:
        from labops.places.remote.opening import open_bucket

        return open_bucket(settings, hash_name, None if is_looking else state_dir)
    raise Unsupported(
        f"labops does not reach '{scheme}' remotes such as '{settings.name}'",
        code="unsupported-remote",
        hint="use `dvc` for this remote, or mirror it to a bucket or folder",
        remote=settings.name,
    )


def _open_folder(settings: RemoteSettings, hash_name: HashName, *, is_looking: bool) -> Remote:
    from labops.places.remote.folder import FolderRemote

    if not settings.url.startswith("/"):
        raise InvalidInput(
            f"'{settings.url}' is neither an absolute path nor a url", code="bad-remote-url", remote=settings.name
        )
    is_shared = settings.options.get("shared") == "group"
    return FolderRemote(settings.name, settings.url, hash_name, is_shared=is_shared, is_looking=is_looking)
