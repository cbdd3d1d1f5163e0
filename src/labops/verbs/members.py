"""`lab admin members`, `suspend` and `remove`: who belongs to the lab, and how somebody ceases to."""

from __future__ import annotations

from typing import NamedTuple

from labops import alumni
from labops.alumni import Owned
from labops.drivers.iam import user
from labops.errors import LabError, NotFound
from labops.formats.labedit import drop_member, set_member
from labops.formats.labfile import read_lab
from labops.membership import KeyInfo, Member, Role
from labops.model import OnEvent, ignore
from labops.office import Office, places_of, today
from labops.planning.lab import SUSPENDED, YES, Act, Change
from labops.rights import MachineNote


class MemberRow(NamedTuple):
    """One member: what `lab.toml` says, and what store and home tell."""

    member: Member
    state: str
    """`active`, `invited`, `not invited`, `not applied`, `suspended`, `ended`, or `not in lab.toml`."""
    keys: tuple[KeyInfo, ...] = ()
    machines: tuple[MachineNote, ...] = ()
    error: LabError | None = None


def members(office: Office) -> tuple[MemberRow, ...]:
    """Everybody in `lab.toml`, in its order, then identities at the store that it does not name."""
    rows = [_row(office, member) for member in office.lab.members]
    if office.has_keys:
        from labops.drivers.iam import Kind

        prefix = office.lab.identity_prefix
        for identity in office.identities.names(Kind.USER, prefix):
            name = identity.removeprefix(prefix)
            if office.lab.member(name) is None:
                rows.append(MemberRow(Member(name, Role.GUEST), "not in lab.toml", office.identities.keys(identity)))
    return tuple(rows)


def _row(office: Office, member: Member) -> MemberRow:
    try:
        known = office.look(member)
    except LabError as error:
        return MemberRow(member, "unknown", error=error)
    if member.is_suspended:
        state = "suspended"
    elif not member.is_active(today()):
        state = "ended"
    elif known.keys is None and office.has_keys:
        state = "not applied"
    elif not known.keys and office.has_keys:
        state = "not invited"
    elif any(known.ring.is_used(key) for key in known.keys or ()) or (known.machines and not office.has_keys):
        state = "active"
    else:
        state = "invited" if office.has_keys else "not joined"
    return MemberRow(member, state, known.keys or (), known.machines)


class Suspended(NamedTuple):
    """What suspending did, or ending it: the changes at the store."""

    member: str
    is_suspended: bool
    changes: tuple[Change, ...]
    is_dry: bool = False


def suspend(office: Office, name: str, *, undo: bool = False, dry_run: bool = False) -> Suspended:
    """Switch all keys of a member off (first), and say so in `lab.toml`; `undo` gives everything back (last).

    Nothing is deleted. Run again it ends in the same state, wherever it was cut short.
    """
    member = office.member(name)
    text = set_member(office.text, member._replace(is_suspended=not undo))
    changes = office.changes_for(name, read_lab(text))
    if not dry_run:
        if undo:
            office.rewrite(text)
        for change in changes:
            office.provider.apply(change)
        office.rewrite(text)
    return Suspended(name, not undo, changes, dry_run)


class Removed(NamedTuple):
    """How a member left: what was theirs, and where it is now."""

    member: str
    owned: Owned
    archived: str
    """Where the home lies now; empty when it stayed."""
    had_account: bool
    is_dry: bool = False


def remove(
    office: Office, name: str, *, archive: bool = False, dry_run: bool = False, on_event: OnEvent = ignore
) -> Removed:
    """Keys off → (home to `alumni/NAME/`) → policies and identity gone → out of `lab.toml`.

    The home is kept where it is, or copied by the store itself and then taken from its old place; no byte is lost.
    Run again it goes on where it was cut short. `NotFound` (`no-such-member`) for a name that nobody knows.
    """
    lab = office.lab
    account = office.account(name)
    member = lab.member(name)
    has_account = account in office.provider.observe(lab)
    if member is None and not has_account:
        raise NotFound(f"no member is called '{name}'", code="no-such-member", hint="lab admin members", member=name)
    text = drop_member(office.text, name) if member else office.text  # what only a person can edit is told first
    gone = member or Member(name, Role.STUDENT)
    if has_account and not dry_run:
        office.provider.apply(Change(Act.REVOKE, account, SUSPENDED, YES))
    home = places_of(lab, gone).home
    owned = alumni.owned(office, gone)
    target = alumni.place(lab, name) if archive and home else ""
    if not dry_run:
        if target:
            alumni.archive(office, gone, on_event=on_event)
        if has_account and office.has_keys:
            office.identities.delete(user(account.name))
        for change in office.changes_for(name, read_lab(text)):
            office.provider.apply(change)
        office.rewrite(text)
    return Removed(name, owned, target, has_account, dry_run)
