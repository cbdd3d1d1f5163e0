"""Deciding about a member's keys: which one goes before a new one can be made, and when the old one may go.

AWS lets a user have two keys. The old one works until every machine of the member has joined with the new one, so that
a rotation stops nobody; a key that nobody ever used is an invite that was not opened, and is the first to go.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops.membership import KeyInfo

MOST = 2


class Keyring(NamedTuple):
    """What is known about the keys of one member: the store's list, and the key that each machine joined with."""

    keys: Sequence[KeyInfo]
    """The oldest first."""
    machines: Mapping[str, str]
    """Key id by machine."""

    def is_used(self, key: KeyInfo) -> bool:
        """True when the store saw it used, or a machine has joined with it."""
        return bool(key.last_used) or key.id in self.machines.values()

    def machines_on(self, key: KeyInfo) -> tuple[str, ...]:
        """The machines that last joined with this key, by name."""
        return tuple(sorted(name for name, key_id in self.machines.items() if key_id == key.id))


class NewKey(NamedTuple):
    """How to make room for a new key, and which old ones stay until the member has joined."""

    drop: tuple[KeyInfo, ...]
    """Before: each was never used, is switched off, or is the older of two."""
    stays: tuple[KeyInfo, ...]
    cut_off: tuple[str, ...] = ()
    """Machines that still work with a key that would go."""


def plan_new_key(ring: Keyring, *, revoke_old: bool = False) -> NewKey:
    """What goes before a new key is made. With `revoke_old` nothing stays (it goes after the new one was made)."""
    keys = list(ring.keys)
    drop = [key for key in keys if not key.is_active or not ring.is_used(key)]
    stays = [key for key in keys if key not in drop]
    cut_off: list[str] = []
    while len(stays) >= MOST:
        cut_off += ring.machines_on(stays[0])
        drop.append(stays.pop(0))
    return NewKey(tuple(drop), () if revoke_old else tuple(stays), () if revoke_old else tuple(cut_off))


class Turn(enum.StrEnum):
    """Where a member's rotation is."""

    FRESH = "fresh"
    """One key, young enough."""
    NEW = "new key"
    """The key is old (or there is none): make a new one, and an invite."""
    WAIT = "waiting"
    """A new key is there, but a machine (or the member) has not joined with it yet."""
    FINISH = "revoke old"
    """Everybody has the new key: the old one goes."""
    NONE = "no key"
    """Never invited."""


class Rotation(NamedTuple):
    """What to do about one member now, and why."""

    turn: Turn
    why: str
    revoke: tuple[KeyInfo, ...] = ()


def plan_rotation(ring: Keyring, oldest_day: str, *, is_asked: bool = False) -> Rotation:
    """The next step of a rotation: keys made before `oldest_day` (`2026-04-01`) are to be replaced.

    With `is_asked` (the member was named) age does not matter. Run again and again it goes on by itself, and does
    nothing twice.
    """
    keys = [key for key in ring.keys if key.is_active]
    if not keys:
        return Rotation(Turn.NONE, "was never invited, or is suspended")
    new = keys[-1]
    old = tuple(keys[:-1])
    if old:
        behind = sorted({name for key in old for name in ring.machines_on(key)})
        if not ring.is_used(new):
            return Rotation(Turn.WAIT, "the new invite was not opened yet")
        if behind:
            return Rotation(Turn.WAIT, f"still on the old key: {', '.join(behind)}")
        return Rotation(Turn.FINISH, "every machine has the new key", old)
    if is_asked:
        return Rotation(Turn.NEW, "asked for")
    if not new.created:
        return Rotation(Turn.NEW, "the store does not say how old the key is")
    day = new.created[:10]
    return Rotation(Turn.NEW, f"made on {day}") if day < oldest_day else Rotation(Turn.FRESH, f"made on {day}")
