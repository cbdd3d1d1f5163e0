"""Archives, unpacked as if an enemy had made them: nothing leaves the folder, nothing is a link, nothing explodes."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from labops.drivers.fs.failures import translate, translating
from labops.drivers.fs.folders import make_folder
from labops.errors import Corrupt, InvalidInput, LabError
from labops.model import RelPath, parse_relpath

GROWTH = 250
"""An archive that unpacks to more than this many times its size is taken for a bomb; honest data stays far below."""
FLOOR_BYTES = 64 << 20
"""Up to this many bytes nobody is hurt."""
_MEMBERS = 20_000_000
_CHUNK = 1 << 20
_PRIVATE = frozenset({".git", ".dvc", ".hg"})
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RuntimeError)


class _Member(NamedTuple):
    name: str
    is_executable: bool
    stream: IO[bytes]


def unpack(archive: str, folder: str) -> None:
    """Unpack the zip or tar file `archive` into the empty folder `folder`: regular files and folders only.

    Raises `InvalidInput` (`unsafe-archive`) for a path that leads out or is there twice, for links and devices
    (`not-an-archive` for anything else), `archive-bomb` when it grows too large, and `Corrupt`
    (`broken-archive`). What was written until then is the caller's to remove.
    """
    room = max(FLOOR_BYTES, GROWTH * os.path.getsize(archive))
    try:
        for count, member in enumerate(_members(archive)):
            if count > _MEMBERS:
                raise _bomb(archive)
            path = _safe(member.name, archive)
            room = _write(member, os.path.join(folder, path), archive, room)
    except (*_BROKEN, OSError) as error:
        if isinstance(error, LabError):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise translate(error, folder) from error
        raise Corrupt(
            f"'{os.path.basename(archive)}' cannot be unpacked: it is damaged or encrypted",
            code="broken-archive",
            hint="download it again, or unpack it yourself and track the folder: lab add",
        ) from error


def _members(archive: str) -> Iterator[_Member]:
    with translating(archive):
        if zipfile.is_zipfile(archive):
            yield from _of_zip(archive)
        elif tarfile.is_tarfile(archive):
            yield from _of_tar(archive)
        else:
            raise InvalidInput(
                f"'{os.path.basename(archive)}' is neither a zip nor a tar file",
                code="not-an-archive",
                hint="leave out --extract",
            )


def _of_zip(archive: str) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                if info.filename.strip("./"):
                    _safe(info.filename.rstrip("/"), archive)
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise _unsafe(info.filename, archive)
            with opened.open(info) as stream:
                yield _Member(info.filename, bool(mode & 0o100), stream)


def _of_tar(archive: str) -> Iterator[_Member]:
    with tarfile.open(archive, "r:*") as opened:
        for info in opened:
            if info.isdir():
                continue
            stream = opened.extractfile(info) if info.isreg() else None
            if stream is None:
                raise _unsafe(info.name, archive)
            yield _Member(info.name, bool(info.mode & 0o100), stream)


def _safe(name: str, archive: str) -> RelPath:
    while name.startswith("./"):
        name = name[2:]
    try:
        path = parse_relpath(name)
        path.encode()
    except (InvalidInput, UnicodeEncodeError):
        raise _unsafe(name, archive) from None
    if not _PRIVATE.isdisjoint(path.lower().split("/")):
        raise _unsafe(name, archive)
    return path


def _write(member: _Member, place: str, archive: str, room: int) -> int:
    """Write one file, counting what really comes out; the room that is left."""
    make_folder(os.path.dirname(place))
    try:
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if member.is_executable else 0o666)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _unsafe(member.name, archive) from None
    with os.fdopen(fd, "wb") as out:
        while block := member.stream.read(_CHUNK):
            room -= len(block)
            if room < 0:
                raise _bomb(archive)
            out.write(block)
    return room


def _unsafe(name: str, archive: str) -> InvalidInput:
    return InvalidInput(
        f"'{os.path.basename(archive)}' holds '{name[:200]}', which is not safe to unpack: a link, a device, "
        f"a private folder, a name that is there twice, or one that leads out",
        code="unsafe-archive",
        hint="do not trust where it came from; nothing of it was kept",
    )


def _bomb(archive: str) -> InvalidInput:
    return InvalidInput(
        f"'{os.path.basename(archive)}' unpacks to more than {GROWTH} times its size, as bombs do",
        code="archive-bomb",
        hint="if you trust it, unpack it yourself and track the folder: lab add",
    )
