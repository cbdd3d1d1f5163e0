"""Where an object lies in a remote, and how its bytes are checked against its name."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from labops.errors import Corrupt
from labops.formats.dos2unix import CHUNK_BYTES, to_unix
from labops.model import HashName, Oid, is_tree_oid

_OBJECT = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")
HEX: Final = "0123456789abcdef"
FANS: Final = tuple(a + b for a in HEX for b in HEX)
"""The 256 folders of a layout."""

TRASH: Final = ".lab-trash"
"""Below a remote's url. dvc takes nothing there for an object: it lies too deep."""
NOTES: Final = ".lab"
"""Below a remote's url: small files of labops, in a folder for each kind."""


def base_of(url_path: str, hash_name: HashName) -> str:
    """What the keys of this layout start with, below the remote's own path; ends with `/` unless empty."""
    inside = "files/md5/" if hash_name is HashName.MD5 else ""
    return f"{url_path}/{inside}" if url_path else inside


def other(hash_name: HashName) -> HashName:
    """The other of the two layouts."""
    return HashName.MD5_DOS2UNIX if hash_name is HashName.MD5 else HashName.MD5


def tail_of(oid: Oid) -> str:
    """`xx/yyyy…`: where the object lies below its layout's base."""
    return f"{oid[:2]}/{oid[2:]}"


def oid_at(tail: str) -> Oid | None:
    """The oid of the object at `tail` below the base, or None for a foreign file."""
    match = _OBJECT.fullmatch(tail)
    return Oid(match[1] + match[2]) if match else None


class Access(NamedTuple):
    """How a remote is reached, for people: no secret is in it. Empty where it does not apply."""

    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    key_id: str = ""


class ContentCheck:
    """Sees an object's bytes in order; `finish` raises `Corrupt` unless they are those its oid promises."""

    def __init__(self, oid: Oid, hash_name: HashName, code: str, place: str) -> None:
        self._oid, self._code, self._place = oid, code, place
        self._is_plain = hash_name is HashName.MD5 or is_tree_oid(oid)
        self._digest = hashlib.md5()
        self._rest = b""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes, in pieces of any length."""
        if self._is_plain:
            self._digest.update(data)
            return
        # The 2.x rule judges each MiB of the file on its own, so pieces are gathered to whole ones.
        self._rest += data
        while len(self._rest) >= CHUNK_BYTES:
            self._digest.update(to_unix(self._rest[:CHUNK_BYTES]))
            self._rest = self._rest[CHUNK_BYTES:]

    def finish(self) -> None:
        """No more bytes: judge."""
        if self._rest:
            self._digest.update(to_unix(self._rest))
            self._rest = b""
        if self._digest.hexdigest() != self._oid[:32]:
            raise corrupt(self._oid, self._code, self._place)


def corrupt(oid: Oid, code: str, place: str) -> Corrupt:
    """The error for bytes that do not have the hash of `oid`."""
    hint = "fetch again; if it stays so, push this object again from a good copy"
    if code == "corrupt-object":
        hint = "the local copy is damaged: mend it (lab verify --repair), then push"
    return Corrupt(f"object '{oid}' in '{place}' is damaged", code=code, hint=hint, oid=oid, place=place)
