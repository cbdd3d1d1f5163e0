"""What can be said about an object without reading it, and which objects a sample takes: pure arithmetic."""

from __future__ import annotations

import enum
import random
from collections.abc import Collection
from typing import Final, NamedTuple

from labops.model import Oid

_MIB: Final = 1 << 20
_USUAL_PARTS: Final = tuple(n * _MIB for n in (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512))
"""Part sizes of the programs people upload with: aws 8 MiB, rclone 5, s5cmd and dvc 50, and round numbers."""
_MOST_PARTS: Final = 10_000


class Held(NamedTuple):
    """What a store says about one object without sending it.

    `size` is in bytes, None where it does not say; `tag` is its etag without quotes, empty for a folder.
    """

    size: int | None
    tag: str = ""


class Verdict(enum.StrEnum):
    """What is known about one object."""

    GOOD = "good"
    BAD = "bad"
    MISSING = "missing"
    UNSURE = "unsure"
    """Only its bytes can tell."""


def judge(oid: Oid, held: Held | None, size: int | None, *, is_believed: bool = True) -> Verdict:
    """What the store's own words prove about `oid`; `size` is what a good copy has, None when there is none.

    A tag that equals the oid is the md5 of the bytes the store took in. Any other tag proves nothing: it may
    be that of an upload in parts or of an encrypted object. Without `is_believed` tags count for nothing.
    """
    if held is None:
        return Verdict.MISSING
    if size is not None and held.size is not None and size != held.size:
        return Verdict.BAD
    return Verdict.GOOD if is_believed and held.tag.lower() == oid[:32] else Verdict.UNSURE


def part_sizes(size: int, tag: str) -> list[int]:
    """The part sizes in which an upload of `size` bytes may have got the tag `md5-N`; none for other tags."""
    digest, _, number = tag.partition("-")
    if len(digest) != 32 or not number.isdecimal():
        return []
    count = int(number)
    if not 0 < count <= _MOST_PARTS:
        return []
    least = -(-size // count)
    exact = -(-least // _MIB) * _MIB  # the smallest whole MiB, as dvc and labops choose for very large files
    return sorted({part for part in (*_USUAL_PARTS, exact) if part and -(-size // part) == count})


def sample(oids: Collection[Oid], share: float, seed: int) -> set[Oid]:
    """`share` (0 to 1) of the objects, at least one of any, always the same ones for a seed."""
    if share >= 1 or not oids:
        return set(oids)
    count = max(1, round(len(oids) * share))
    return set(random.Random(seed).sample(sorted(oids), count))  # noqa: S311 - no secret hangs on it
