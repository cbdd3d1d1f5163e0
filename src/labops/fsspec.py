"""`lab://`: an fsspec file system over a repository, so that pandas, pyarrow, torch and others read versions by name.

    pandas.read_csv("lab://labels@v3/train.csv", storage_options={"repo": "https://git.lab.example/registry"})

Read-only. Instances are cheap: all of a process share one open repository, and those that travel to other
processes open it there.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem

from labops.drivers import fs
from labops.errors import InvalidInput
from labops.model import Entry, Tracked
from labops.reading import Reader, Row
from labops.reading.readers import open_reader, repo_place

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

_POINTERS = ("Dvcfile", "dvc.yaml", ".dvcignore")


class ReadOnly(InvalidInput, OSError):
    """Something would write; `OSError` with `EROFS`, as from a disk that is mounted read-only."""


class LabFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """The files of a repository as fsspec gives them to other libraries.

    Paths are relative to the repository's root and may name a version: `dog_and_cat@v3/0001.jpg`. `repo` is a
    folder or a git url (None: the one around the current directory), `rev` a git revision (None: the working
    folder, elsewhere the default branch), `version` that of paths that name none. Errors are labops errors that are
    also `FileNotFoundError`, `IsADirectoryError`, `PermissionError`.
    """

    protocol: ClassVar[str | tuple[str, ...]] = "lab"
    root_marker = ""
    cachable = False  # instances are cheap, and one without `repo` depends on the current directory
    async_impl = False

    def __init__(
        self,
        repo: str | None = None,
        rev: str | None = None,
        *,
        version: str | None = None,
        remote: str | None = None,
        config: Mapping[str, object] | None = None,
        remote_config: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.repo = repo_place(repo)
        self.rev, self.version = rev, version
        self._options: dict[str, Any] = {"remote": remote, "config": config, "remote_config": remote_config}

    @property
    def reader(self) -> Reader:
        """The open repository, shared with every other use of it in this process."""
        reader = open_reader(self.repo, self.rev, **self._options)
        if not reader.source.is_local and self.rev is None:
            self.rev = reader.source.commit  # from now on, and in every process this is sent to, the same commit
        return reader

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        options = {"repo": self.repo, "rev": self.rev, "version": self.version, **self._options}
        return _make, (type(self), options)

    @property
    def fsid(self) -> str:
        """The same for equal file systems."""
        source = self.reader.source
        return f"lab_{source.name}_{source.commit}"

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look at the repository anew."""
        del path
        open_reader(self.repo, self.rev, **self._options, is_new=True)

    # -- looking --------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = os.fspath(path).removeprefix("lab://")
        if not cls.root_marker:
            return text.strip("/")
        return text.rstrip("/") or text[:1]

    def _find(self, path: str) -> Row:
        reader = self.reader
        text = self._inside(reader, self._strip_protocol(path))
        return reader.find(text, self.version if "@" not in text and text not in ("", ".") else None)

    def _inside(self, reader: Reader, path: str) -> str:
        del reader
        return path

    def _info(self, row: Row, name: str) -> dict[str, Any]:
        kind = "directory" if row.is_folder else "file"
        size = 0 if row.is_folder else row.size
        return {"name": name, "type": kind, "size": size, "oid": row.oid, "isexec": row.is_executable}

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """`name`, `type`, `size` (bytes; None while nobody here has the file), `oid`, `isexec`."""
        del options
        return self._info(self._find(path), self._strip_protocol(path))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What is directly in a folder, by name, without the pointer files (`dvcfiles=True` shows them)."""
        given = self._strip_protocol(path)
        row = self._find(path)
        found: list[Any] = []
        for child in self.reader.list(row):
            name = posixpath.join(given, child.name) if row.is_folder else given
            if row.is_folder and _is_pointer(child.name) and not options.get("dvcfiles"):
                continue
            if not options.get("dvc_only") or self._has_tracked(child):
                found.append(self._info(child, name) if detail else name)
        return found

    def _has_tracked(self, row: Row) -> bool:
        return row.tracked is not None or (row.is_folder and self.reader.source.paths.overlapping(row.path) is not None)

    def isdvc(self, path: str, **options: Any) -> bool:
        """True for what is tracked, and for what lies inside of that."""
        del options
        return bool(self.exists(path)) and self._find(path).tracked is not None

    def ukey(self, path: str) -> str:
        """Changes when the content does."""
        row = self._find(path)
        return row.oid or str(super().ukey(path))

    checksum = ukey

    # -- reading --------------------------------------------------------------------------------------

    def _open(self, path: str, mode: str = "rb", **options: Any) -> BinaryIO:
        del options
        if mode != "rb":
            raise _read_only(path)
        return self.reader.open(self._find(path))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """The bytes of a file, or those from `start` to before `end`; negative ones count from its end."""
        del options
        with self._open(path) as file:
            size = file.seek(0, os.SEEK_END)
            first, last, _ = slice(start, end).indices(size)
            file.seek(first)
            return file.read(max(0, last - first))

    def get(self, rpath: Any, lpath: Any, recursive: bool = False, **options: Any) -> None:
        """Copy files out; what is not on this machine is fetched together first."""
        for path in rpath if isinstance(rpath, list) else [rpath]:
            if recursive and self.isdir(path):
                self.fetch(path)
        super().get(rpath, lpath, recursive=recursive, **options)

    def fetch(self, path: str) -> None:
        """Bring everything at or below `path` to this machine, so that reading it later needs no network."""
        reader = self.reader
        wanted: dict[Tracked, list[Entry]] = {}
        for row in reader.walk(self._find(path)):
            if row.oid is not None and row.tracked is not None:
                wanted.setdefault(row.tracked, []).append(Entry(row.spot.inside, row.oid, row.size))
        for item, entries in wanted.items():
            reader.stock.fetch(item, entries)

    def get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: Any = None, **options: Any
    ) -> None:
        """Copy one file to the path (or open file) `lpath`; a folder is made."""
        del options
        row = self._find(rpath)
        target = outfile if outfile is not None else lpath
        if row.is_folder:
            fs.make_folder(os.fspath(lpath))
            return
        with self.reader.open(row) as source:
            callback.set_size(row.size)
            if hasattr(target, "write"):
                shutil.copyfileobj(source, target)
            else:
                fs.make_folder(os.path.dirname(os.path.abspath(target)))
                with fs.translating(os.fspath(target)), open(target, "wb") as out:
                    shutil.copyfileobj(source, out)
            callback.absolute_update(source.tell())

    # -- writing: never -------------------------------------------------------------------------------

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path)

    def rmdir(self, path: str) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path)

    def rm_file(self, path: str) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path2)

    def touch(self, path: str, truncate: bool = True, **options: Any) -> None:
        """Refused: `ReadOnly`."""
        raise _read_only(path)


class DVCFileSystem(LabFileSystem):
    """`dvc.api.DVCFileSystem`: the same arguments, paths (`/` is the root) and names.

    `subrepos` and `repo_factory` are taken and change nothing: nested projects are always seen.
    """

    root_marker = "/"

    def __init__(
        self,
        repo: str | os.PathLike[str] | None = None,
        rev: str | None = None,
        subrepos: bool = False,
        repo_factory: object = None,
        fo: str | None = None,
        target_options: object = None,
        target_protocol: object = None,
        config: Mapping[str, object] | None = None,
        remote: str | None = None,
        remote_config: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        del subrepos, repo_factory, target_options, target_protocol
        place = repo or fo or options.pop("url", None)
        version = options.pop("version", None)
        super().__init__(
            os.fspath(place) if place else None,
            rev,
            version=version,
            remote=remote,
            config=config,
            remote_config=remote_config,
            **options,
        )

    def _inside(self, reader: Reader, path: str) -> str:
        return path if path.startswith("/") else reader.inside(path)

    def find(self, path: str, *words: Any, **options: Any) -> Any:
        """Every file below `path`; of the whole repository as absolute paths."""
        return super().find(path or "/", *words, **options)

    def _info(self, row: Row, name: str) -> dict[str, Any]:
        info = super()._info(row, name)
        item = row.tracked
        if item is not None:
            stored = self.reader.stored(row)
            facts: dict[str, object] = {"isout": True, "isdvc": True, "isexec": row.is_executable, "type": info["type"]}
            if stored is not None and stored.oid is not None:
                facts[item.output.hash_name.value] = stored.oid
                facts["size"] = stored.size
                if info["oid"] is not None:
                    info[item.output.hash_name.value] = info["oid"]
            info["dvc_info"] = facts
        return info


def _make(kind: type[LabFileSystem], options: dict[str, Any]) -> LabFileSystem:
    return kind(**options)


def _is_pointer(name: str) -> bool:
    return name.endswith(".dvc") or name in _POINTERS


def _read_only(path: object) -> ReadOnly:
    error = ReadOnly(
        f"'{path}' cannot be written: a repository is only read here",
        code="read-only",
        hint="write it in the project's folder, then: lab add",
    )
    error.errno = errno.EROFS
    return error
