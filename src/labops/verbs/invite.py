"""`lab admin invite` and `lab admin rotate`: keys for members, in files that only a passphrase opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labops.errors import LabError, Unsupported
from labops.inviting import InviteOptions, Issued, issue
from labops.membership import Member
from labops.office import Office, day_after, today
from labops.planning.keys import Rotation, Turn, plan_rotation

OnIssued = Callable[[Issued], None]
"""Called for each invite as soon as it is written: its passphrase is shown once, even when a later one fails."""


def invite(
    office: Office,
    name: str,
    options: InviteOptions = InviteOptions(),  # noqa: B008 - frozen
    *,
    dry_run: bool = False,
) -> Issued:
    """Create or replace the key of one member, and write the invite."""
    return issue(office, office.member(name), options, dry_run=dry_run)


class Turned(NamedTuple):
    """What rotating did for one member."""

    member: str
    rotation: Rotation
    issued: Issued | None = None
    error: LabError | None = None


def rotate(
    office: Office,
    names: Sequence[str],
    older_than_days: int,
    options: InviteOptions = InviteOptions(),  # noqa: B008 - frozen
    *,
    dry_run: bool = False,
    on_issued: OnIssued = lambda _: None,
) -> tuple[Turned, ...]:
    """The next step for each member named (whatever the age of the key), or for all with keys older than that.

    Old keys go as soon as every machine of the member has joined with the new one; until then they work. Run it
    again to go on. One member that fails does not stop the others.
    """
    if not office.has_keys:
        raise Unsupported("members of this lab have no keys to rotate", code="no-identities", hint="lab admin members")
    members = [office.member(name) for name in names] or list(office.lab.members)
    oldest = day_after(-older_than_days)
    return tuple(
        _turn(office, member, oldest, options, bool(names), dry_run, on_issued)
        for member in members
        if names or member.is_active(today())
    )


def _turn(
    office: Office,
    member: Member,
    oldest: str,
    options: InviteOptions,
    is_asked: bool,
    dry_run: bool,
    on_issued: OnIssued,
) -> Turned:
    rotation = Rotation(Turn.NONE, "")
    try:
        rotation = plan_rotation(office.look(member).ring, oldest, is_asked=is_asked)
        if rotation.turn is Turn.WAIT and options.revokes_old:
            keys = office.look(member).ring.keys
            rotation = Rotation(Turn.FINISH, "asked for with --revoke-old", tuple(keys[:-1]))
        if rotation.turn is Turn.FINISH and not dry_run:
            for key in rotation.revoke:
                office.identities.delete_key(office.lab.identity_of(member.name), key.id)
        if rotation.turn is Turn.NEW:
            issued = issue(office, member, options, dry_run=dry_run)
            if not dry_run:
                on_issued(issued)
            return Turned(member.name, rotation, issued)
    except LabError as error:
        return Turned(member.name, rotation, error=error)
    return Turned(member.name, rotation)
