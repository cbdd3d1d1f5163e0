"""A file or folder that no repository tracks: on this machine, behind a web server, in a bucket."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from labops.drivers import fs
from labops.errors import Corrupt, NotFound, Unsupported
from labops.model import HERE, RelPath, RemoteSettings, parse_relpath


class OutsideFile(NamedTuple):
    """One file: its path below the url (`HERE` for the url itself), bytes (-1: unknown), and the place's tag for it."""

    path: RelPath
    size: int
    etag: str = ""
    is_executable: bool = False


class Outside(Protocol):
    """A url that was opened. Every failure is one of `labops.errors`."""

    @property
    def url(self) -> str: ...

    def files(self) -> list[OutsideFile]:
        """Everything at or below the url, sorted; raises `NotFound` (`no-such-url`)."""
        ...

    def fetch(self, file: OutsideFile, target: str, partial: str = "") -> None:
        """Copy one file to the new file `target`; an interrupted one goes on from `partial` where that can be."""
        ...

    def local_path(self, file: OutsideFile) -> str:
        """Where the file lies on this machine; empty when elsewhere."""
        ...

    def stamp(self, files: Sequence[OutsideFile]) -> dict[str, object]:
        """What a DVC file says to know the content again without reading it; empty where only its hash tells."""
        ...


def is_folder(files: Sequence[OutsideFile]) -> bool:
    """True unless the url is itself one file."""
    return [file.path for file in files] != [HERE]


def name_of(url: str) -> str:
    """The last part of a url's or file's path."""
    path = urlsplit(url).path if "://" in url else url
    return unquote(os.path.basename(os.path.normpath(path))) if path.strip("/") else ""


def open_outside(url: str, options: Mapping[str, str], state_dir: str | None = None) -> Outside:
    """The place that `url` names: an absolute path, `file://`, `http(s)://` or `s3://`. Sends no request.

    `options` are those of a dvc remote of the same kind. Raises `Unsupported` (`unsupported-url`) for others.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Folder(url, os.path.abspath(os.path.expanduser(url)))
    if scheme == "file":
        return Folder(url, unquote("/" + rest.partition("/")[2] if not rest.startswith("/") else rest))
    if scheme in ("http", "https"):
        return Page(url, options)
    if scheme == "s3":
        return Prefix(url, options, state_dir)
    raise Unsupported(
        f"labops does not read from '{scheme}' urls",
        code="unsupported-url",
        hint=f"use dvc for it: dvc get-url '{url}'",
        url=url,
    )


def _absent(url: str) -> NotFound:
    return NotFound(f"there is nothing at '{url}'", code="no-such-url", hint="check the address", url=url)


class Folder:
    """A file or folder of this machine; its content is told by its hash alone."""

    def __init__(self, url: str, path: str) -> None:
        self.url, self._path = url, path

    def files(self) -> list[OutsideFile]:
        """Links to folders are not entered, links to files are the files they lead to."""
        if os.path.isfile(self._path):
            is_executable = bool((fs.mode_of(self._path) or 0) & 0o111)
            return [OutsideFile(HERE, fs.stat(self._path).size, is_executable=is_executable)]
        if not os.path.isdir(self._path):
            raise _absent(self.url)
        found, waiting = [], [""]
        while waiting:
            folder = waiting.pop()
            listing = fs.list_folder(os.path.join(self._path, folder))
            for index, name in enumerate(listing.names):
                path = parse_relpath(os.path.join(folder, name))
                found.append(OutsideFile(path, listing.stats[4 * index], "", name in listing.executables))
            waiting += [os.path.join(folder, name) for name in listing.folders]
        return sorted(found)

    def local_path(self, file: OutsideFile) -> str:
        return os.path.join(self._path, file.path) if file.path else self._path

    def fetch(self, file: OutsideFile, target: str, partial: str = "") -> None:
        del partial
        fs.copy_hashing(self.local_path(file), target, mode=0o666)

    def stamp(self, files: Sequence[OutsideFile]) -> dict[str, object]:
        del files
        return {}


class Page:
    """A file behind a web server, which lists nothing."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        from labops.drivers.http import Site

        self.url = url
        self._site = Site(url, options)

    def files(self) -> list[OutsideFile]:
        found = self._site.describe(self.url)
        if found is None:
            raise _absent(self.url)
        return [OutsideFile(HERE, *found)]

    def local_path(self, file: OutsideFile) -> str:
        del file
        return ""

    def fetch(self, file: OutsideFile, target: str, partial: str = "") -> None:
        """With `partial` and a server that says how to know the content, an earlier part is kept and gone on from."""
        place = partial if partial and file.etag else target
        start = fs.stat(place).size if os.path.exists(place) else 0
        if start > max(file.size, 0):
            fs.remove(place)
            start = 0
        if start < file.size or file.size < 0 or not os.path.exists(place):
            with fs.appending(place) as write:
                start = self._site.stream(self.url, write, start=start)
        if file.size >= 0 and start != file.size:
            fs.remove(place)
            raise Corrupt(
                f"'{self.url}' is {file.size} bytes, but {start} arrived",
                code="short-download",
                hint="run the command again",
            )
        if place != target:
            fs.move(place, target)

    def stamp(self, files: Sequence[OutsideFile]) -> dict[str, object]:
        ((_, size, etag, _),) = files
        known = {"checksum": etag} if etag else {}
        return known | ({"size": size} if size >= 0 else {})


class Prefix:
    """An object, or everything below a prefix, in a bucket."""

    def __init__(self, url: str, options: Mapping[str, str], state_dir: str | None) -> None:
        from labops.places.remote.opening import bucket_at

        self.url = url
        self._bucket, self._key, _ = bucket_at(RemoteSettings("url", url, options), "outside", state_dir)

    def files(self) -> list[OutsideFile]:
        if self._key and not self.url.endswith("/"):
            first = next(iter(self._bucket.list(self._key)), ())
            for row in first:
                if row[0] == self._key:
                    return [OutsideFile(HERE, row[1], row[2])]
        start = self._key + "/" if self._key else ""
        rows = [row for page in self._bucket.list(start) for row in page if not row[0].endswith("/")]
        if not rows:
            raise _absent(self.url)
        return sorted(OutsideFile(parse_relpath(key[len(start) :]), size, etag) for key, size, etag in rows)

    def local_path(self, file: OutsideFile) -> str:
        del file
        return ""

    def fetch(self, file: OutsideFile, target: str, partial: str = "") -> None:
        from labops.drivers.s3 import download

        key = f"{self._key}/{file.path}".lstrip("/") if file.path else self._key
        download(self._bucket, key, target, _Count, partial or None)
        if fs.stat(target).size != file.size:
            fs.remove(target)
            raise Corrupt(f"'{self.url}' changed while it was read", code="short-download", hint="run it again")

    def stamp(self, files: Sequence[OutsideFile]) -> dict[str, object]:
        if not is_folder(files):
            return {"etag": files[0].etag, "size": files[0].size}
        listing = [{"etag": file.etag, "relpath": file.path} for file in files]
        digest = hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest()
        return {"md5": f"{digest}.dir", "size": sum(file.size for file in files), "nfiles": len(files)}


class _Count:
    """Nothing is known about the bytes of a foreign object before they are here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take them as they come."""

    def finish(self) -> None:
        """Say nothing."""
