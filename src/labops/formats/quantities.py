"""Sizes and rates as people write them."""

from __future__ import annotations

import re
from typing import Final

from labops.errors import InvalidInput

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?(?:/s)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """`10MB` or `10M` as 10,000,000 bytes, `10MiB` as 10,485,760; a bare number is bytes. At least one byte.

    Raises `InvalidInput` (`bad-size`).
    """
    match = _SIZE.fullmatch(text.strip())
    size = 0
    if match is not None:
        size = int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])
    if size < 1:
        raise InvalidInput(
            f"'{text}' is not a number of bytes", code="bad-size", hint="write it as in 500k, 10MB, 2GiB"
        )
    return size
