"""A remote: a project's objects somewhere that others reach too — a bucket, a shared folder, a web server.

The remote alone decides how to find out what it has; nobody above knows. Importing this module is cheap: the
libraries behind each kind of remote are loaded when one is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from labops.errors import InvalidInput, Unsupported
from labops.model import HashName, Oid, OnEvent, RemoteSettings, ignore
from labops.planning.proof import Held

__all__ = ["Remote", "open_remote"]


class Remote(Protocol):
    """Objects of one layout, for many threads at once. Every failure is one of `labops.errors`."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def is_read_only(self) -> bool: ...
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

    def download(self, oid: Oid, target: str) -> int:
        """Fetch `oid` into the new file `target`; returns its bytes.

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

    def finish(self) -> None:
        """Wait until everything uploaded so far is safe: call it before the tree objects, and at the end."""
        ...

    def check(self) -> None:
        """At most two requests: the remote is reachable, exists, and the credentials work."""
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
