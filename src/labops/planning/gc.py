"""Decide what gc sets aside: objects that nobody uses and that are old enough, tree objects first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from labops.errors import InvalidInput
from labops.model import Oid, is_tree_oid

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"(\d{1,6})([mhdw]?)")


class Stored(NamedTuple):
    """One object of a place: `size` in bytes, `modified` the time (unix seconds) at which it got its name there.

    `modified` is infinite where the place does not say.
    """

    oid: Oid
    size: int
    modified: float


class Sweep(NamedTuple):
    """What becomes of the objects of one place. `remove` is in the order in which they must go."""

    remove: tuple[Stored, ...]
    used: tuple[Stored, ...]
    young: tuple[Stored, ...]
    """Unused, but kept because they are young, or belong to a young tree."""


def plan_gc(
    stored: Iterable[Stored],
    used: Collection[Oid],
    *,
    youngest: float,
    safe_elsewhere: Collection[Oid] = frozenset(),
    sheltered: Collection[Oid] = frozenset(),
) -> Sweep:
    """Sort the objects of a place.

    What got its name after `youngest` (unix seconds) is kept, and so is what is `sheltered` (the files of young
    trees). `safe_elsewhere` may go even if it is used: it can be fetched back. Trees come before files, so
    that no tree is ever there without its files.
    """
    remove: list[Stored] = []
    kept: list[Stored] = []
    young: list[Stored] = []
    for item in stored:
        if item.oid in safe_elsewhere:
            remove.append(item)
        elif item.oid in used:
            kept.append(item)
        elif item.modified > youngest or item.oid in sheltered:
            young.append(item)
        else:
            remove.append(item)
    remove.sort(key=lambda item: (not is_tree_oid(item.oid), item.oid))
    return Sweep(tuple(remove), tuple(kept), tuple(young))


def young_trees(stored: Iterable[Stored], used: Collection[Oid], *, youngest: float) -> tuple[Oid, ...]:
    """The unused tree objects that are kept for their age: their files must be kept with them."""
    return tuple(
        item.oid for item in stored if is_tree_oid(item.oid) and item.modified > youngest and item.oid not in used
    )


def parse_duration(text: str) -> int:
    """`14d`, `36h`, `2w`, `30m` as seconds; a bare number is days. Raises `InvalidInput` (`bad-duration`)."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            f"'{text}' is not a length of time", code="bad-duration", hint="write it as in 14d, 36h, 2w or 0"
        )
    return int(match[1]) * _UNITS[match[2] or "d"]
