"""`lab leave`: take a membership off this machine. Data stays; what was not carried home yet is said first."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from labops import lab, rights, settings
from labops.errors import Conflict, LabError
from labops.formats import dvcconfig
from labops.home import SETTINGS, HomeFolder, read_link
from labops.home.looking import observe
from labops.home.rules import read_rules
from labops.lab import Membership
from labops.planning.home import Do, Mode, plan_home


class Unsynced(NamedTuple):
    """One linked folder that holds what its home does not: how many files, or why nobody could look."""

    folder: str
    files: int
    error: LabError | None = None


class Left(NamedTuple):
    """What leaving took away, and what remains."""

    membership: Membership
    unsynced: tuple[Unsynced, ...]
    is_dry: bool = False


def leave(name: str = "", *, force: bool = False, dry_run: bool = False) -> Left:
    """Remove the key, the membership and its use in the clone. No file of data, here or in the home, is touched.

    Raises `Conflict` (`unsynced-home`) while a linked folder has changes that the home lacks, without `force`.
    The key itself stays valid until an administrator revokes it.
    """
    membership = lab.find_membership(name, near=".")
    unsynced = tuple(one for one in map(_look, _linked(membership)) if one is not None)
    if unsynced and not force and not dry_run:
        first = unsynced[0]
        what = "cannot be compared" if first.error else f"has {first.files} changed files that are not at home"
        raise Conflict(
            f"'{first.folder}' {what}",
            code="unsynced-home",
            hint=f"cd '{first.folder}' && lab home sync; or lab leave --force, which deletes no file",
            path=first.folder,
        )
    if dry_run:
        return Left(membership, unsynced, is_dry=True)
    if membership.home:
        with contextlib.suppress(LabError):  # a key that was revoked cannot; the note does no harm
            rights.forget_machine(membership, membership.options())
    if membership.clone and os.path.isdir(os.path.join(membership.clone, ".dvc")):
        _forget_profile(membership)
    with lab.lock():
        lab.remove_profile(membership)
        lab.forget(membership.lab)
    return Left(membership, unsynced)


def _linked(membership: Membership) -> list[str]:
    return [folder for folder in membership.folders if os.path.isfile(os.path.join(folder, SETTINGS))]


def _look(root: str) -> Unsynced | None:
    """None when the home has everything that is here."""
    try:
        folder = HomeFolder(root, read_link(root))
        rules = read_rules(folder.root, has_defaults=folder.link.has_default_rules)
        sides = observe(folder, rules, is_looking=True)
        plan = plan_home(sides.rows, sides.here, sides.there, Mode.PUSH)
        changed = plan.of(Do.UPLOAD, Do.MOVE, Do.CONFLICT)
    except LabError as error:
        return Unsynced(root, 0, error)
    return Unsynced(root, len(changed)) if changed else None


def _forget_profile(membership: Membership) -> None:
    local = settings.read_level("local", membership.clone)
    wanted = local
    for section, options in local.sections.items():
        if section.startswith("remote.") and options.get("profile") == membership.profile:
            wanted = dvcconfig.unset_option(wanted, section, "profile")
            if wanted.get(section, "endpointurl") == membership.endpoint:
                wanted = dvcconfig.unset_option(wanted, section, "endpointurl")
            if not wanted.sections[section]:
                wanted = dvcconfig.remove_section(wanted, section)
    if wanted != local:
        settings.write_level("local", membership.clone, wanted)
