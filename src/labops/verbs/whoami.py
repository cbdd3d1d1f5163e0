"""`lab whoami`: which labs this machine has joined, as whom, and whether the key is still here."""

from __future__ import annotations

import os
from typing import NamedTuple

from labops import lab
from labops.errors import LabError
from labops.lab import Membership


class Self(NamedTuple):
    """One membership as this machine knows it; no request is sent."""

    membership: Membership
    has_key: bool
    """True too where no key is needed."""
    has_clone: bool


def whoami(name: str = "") -> tuple[Self, ...]:
    """All memberships, or the one named. Raises `NotFound` (`no-membership`) when there is none."""
    lab_names = {name} if name else {one.lab for one in lab.memberships()}
    if not lab_names:
        lab.find_membership()
    found = (lab.find_membership(one) for one in sorted(lab_names))
    return tuple(Self(one, not one.key_id or _has_key(one), os.path.isdir(one.clone or os.devnull)) for one in found)


def _has_key(membership: Membership) -> bool:
    try:
        return lab.has_profile(membership)
    except LabError:
        return False
