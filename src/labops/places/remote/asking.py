"""How to find out which objects a bucket has, with the fewest requests: pure arithmetic.

A listing answers for a thousand keys at a time, a HEAD for one. Oids are hashes, so they are spread evenly:
how far the first page of a listing reaches tells how many pages there are in all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from labops.model import Oid
from labops.places.remote.layout import FANS, HEX

FEW: Final = 4
"""Up to this many oids are asked one by one without looking at the listing at all."""
PAGE_KEYS: Final = 1000
_PAGE_COST: Final = 4
"""HEADs that one page of a listing is worth: it takes longer to come, and stores charge more for it."""
_WIDE: Final = 256
"""Pages from which all 256 folders are listed side by side, before that the 16 first digits."""


def pages_estimate(last: Oid) -> float:
    """Pages in the whole listing when its first one ends with `last`."""
    return 1 / max(int(last[:8], 16) / 16**8, 1e-9)


def prefers_heads(wanted: int, pages: float) -> bool:
    """True when asking for each of `wanted` oids is cheaper than `pages` pages."""
    return wanted <= _PAGE_COST * pages


def prefixes(wanted: Collection[Oid], pages: float, *, is_folder_only: bool) -> list[str]:
    """Prefixes below the layout's base that together hold every oid of `wanted`, to be listed in parallel.

    `is_folder_only`: only whole folders (`xx/`) can be listed, as in GCS and Azure or in the 2.x layout, whose
    first digits are shared with foreign names.
    """
    fans = sorted({oid[:2] for oid in wanted})
    if is_folder_only or pages >= _WIDE or len(fans) <= len(HEX):
        return [f"{fan}/" for fan in fans]
    return sorted({fan[0] for fan in fans})


def every_prefix(pages: float, *, is_folder_only: bool) -> list[str]:
    """Prefixes that together hold the whole layout."""
    return list(HEX) if pages < _WIDE and not is_folder_only else [f"{fan}/" for fan in FANS]
