"""The words of a home: what a folder holds here, what its home holds there, what both last agreed on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

PART: Final = 50 << 20
_MAX_PARTS: Final = 10_000
_MIB: Final = 1 << 20
_OF_PARTS = re.compile(r"[0-9a-f]{32}-([1-9]\d*)")


class Known(NamedTuple):
    """What both sides agreed on for one path; the first four are the file's fingerprint here."""

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    """0 for a file that may have changed again within one tick of the clock: it is read again."""
    digest: str
    """md5 of the content, 32 hex digits; or that of its parts, as `digest_of_parts` says it."""
    mark: str
    """The object's mark there: it changes whenever the content does."""


class Here(NamedTuple):
    """A file of the folder as one look at it saw it; the first four are its fingerprint."""

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    digest: str = ""
    """md5 of the content where it was read, else empty."""
    is_link: bool = False


class There(NamedTuple):
    """An object of the home as the listing shows it."""

    size: int
    mark: str
    digest: str = ""
    """md5 of the content where the listing or a look at the object tells it, else empty."""


def part_size(size: int) -> int:
    """Bytes per part of a large content: 50 MiB, or as many more whole MiB as keep the number of parts at 10,000."""
    least = -(-size // _MAX_PARTS)
    return max(PART, -(-least // _MIB) * _MIB)


def digest_of_parts(md5s: Iterable[bytes]) -> str:
    """The digest of a large content from the md5 of each part: what S3 makes the etag of an object sent so.

    Parts are hashed side by side, which one md5 over all of them cannot be.
    """
    found = list(md5s)
    return f"{hashlib.md5(b''.join(found)).hexdigest()}-{len(found)}"


def is_of_parts(text: str, size: int) -> bool:
    """True for a digest, or an etag, of so many parts as a content of `size` bytes has."""
    match = _OF_PARTS.fullmatch(text)
    return match is not None and int(match[1]) == -(-size // part_size(size))


def is_comparable(one: str, other: str) -> bool:
    """True when two digests are of one kind: only then do different ones tell of different contents."""
    return ("-" in one) == ("-" in other)
