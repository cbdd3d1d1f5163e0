"""`lab home share`: a signed address of one object, for people without an account."""

from __future__ import annotations

import time
from typing import NamedTuple

from labops.errors import InvalidInput
from labops.home.naming import Spot
from labops.home.objects import find_objects


class Shared(NamedTuple):
    """`until` is when it ends, in seconds since 1970; `is_temporary`: it may die earlier, with the session."""

    path: str
    url: str
    until: float
    size: int
    is_temporary: bool


def share_object(spot: Spot, seconds: int) -> Shared:
    """Sign an address of the object, which is looked at first: a link to nothing helps nobody.

    `InvalidInput`: `is-a-folder`, `link-too-long`; `Unsupported` (`no-links`) for a home in a folder.
    """
    if spot.path.endswith("/") or not spot.path:
        raise InvalidInput(
            f"'{spot.address}' is a folder; a link is for one file",
            code="is-a-folder",
            hint="pack it first: tar -czf folder.tgz folder, lab home put folder.tgz",
        )
    address = spot.home.sign(spot.path, seconds)
    (row,) = find_objects(spot, recursive=False, command="lab home get")
    return Shared(spot.path, address.url, time.time() + seconds, row.size, address.is_temporary)
