"""Give a member a key: room is made, the key is made, it goes into an encrypted file, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from labops.drivers import age, fs
from labops.drivers.git import Git
from labops.drivers.git import hooks as git
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.formats import invite as form
from labops.membership import AccessKey, Member, Provider, Secret
from labops.office import Known, Office, day_after, today
from labops.planning.keys import NewKey, plan_new_key

DAYS = 14
"""How long an invite can be used, unless it is said otherwise."""


class InviteOptions(NamedTuple):
    """What an administrator may say about one invite."""

    path: str = ""
    expires: str = ""
    """The last day; empty: in two weeks, or the member's own last day if that is sooner."""
    passphrase: Secret | None = None
    """None makes a good one."""
    revokes_old: bool = False
    key: AccessKey | None = None
    """A key made by hand, for stores without identities of ours."""


class Issued(NamedTuple):
    """One invite. The passphrase is for the terminal alone, once."""

    member: str
    path: str
    passphrase: Secret
    expires: str
    key_id: str
    revoked: tuple[str, ...]
    stays: tuple[str, ...]
    """Ids of older keys that work until the member has joined."""
    is_dry: bool = False
    brings_profile: bool = False
    """True when the store wants a key and the invite holds none: SSO, or a key by hand that was not given."""


def issue(office: Office, member: Member, options: InviteOptions, *, dry_run: bool = False) -> Issued:
    """Make a key and the invite that holds it.

    Raises `InvalidInput` (`member-not-active`), `NotFound` (`not-applied`) for a member whose identity is not made yet,
    `Conflict` (`keys-in-use`) when a machine would lose the key that it works with.
    Cut short, it leaves at most a key that nobody knows, which the next invite removes.
    """
    _require_active(member)
    path = _path(member, options.path)
    expires = _last_day(member, options.expires or day_after(DAYS))
    known, plan = _room(office, member, options)
    gone = [key.id for key in plan.drop]
    late = [key.id for key in known.keys or () if key not in plan.drop and key not in plan.stays]
    secret = options.passphrase or Secret(form.new_passphrase(os.urandom(form.RANDOM_BYTES)))
    form.check_strength(secret.reveal())
    stays = tuple(key.id for key in plan.stays)
    issued = Issued(member.name, path, secret, expires, "", (*gone, *late), stays, dry_run)
    if dry_run:
        return issued
    key = options.key
    if key is None and office.has_keys:
        _revoke(office, member, gone)
        key = office.new_key(member)
    try:
        _write(path, office, member, key, issued)
    except BaseException:
        if key is not None and options.key is None:
            with contextlib.suppress(LabError):
                _revoke(office, member, [key.id])
        raise
    _revoke(office, member, late)
    brings_profile = key is None and office.lab.provider is not Provider.LOCAL
    return issued._replace(key_id=key.id if key else "", brings_profile=brings_profile)


def _room(office: Office, member: Member, options: InviteOptions) -> tuple[Known, NewKey]:
    """What is known of the member's keys, and how room is made for a new one."""
    known = office.look(member) if office.has_keys and options.key is None else Known((), ())
    if known.keys is None:
        raise NotFound(
            f"the store does not know '{member.name}' yet",
            code="not-applied",
            hint="lab admin apply",
            member=member.name,
        )
    plan = plan_new_key(known.ring, revoke_old=options.revokes_old)
    if plan.cut_off:
        raise Conflict(
            f"both keys of '{member.name}' are in use, the older one on: {', '.join(plan.cut_off)}",
            code="keys-in-use",
            hint="let these machines join with the newer invite first; or --revoke-old, which stops them",
            member=member.name,
        )
    return known, plan


def _path(member: Member, given: str) -> str:
    """Where the file goes: a name that ends with a slash is a folder, also before there is one."""
    name = f"{member.name}{form.SUFFIX}"
    path = os.path.realpath(given or name)
    return os.path.join(path, name) if given.endswith("/") or os.path.isdir(path) else path


def _last_day(member: Member, asked: str) -> str:
    """The invite's last day: the one asked for, but never after the member's own."""
    try:
        time.strptime(asked, "%Y-%m-%d")
    except ValueError:
        raise InvalidInput(f"'{asked}' is not a day", code="bad-usage", hint="--expires 2027-03-31, or 7d") from None
    if asked < today():
        raise InvalidInput(f"an invite until {asked} could not be used any more", code="bad-usage", hint="--expires 7d")
    return min(asked, member.ends or asked)


def _require_active(member: Member) -> None:
    if not member.is_active(today()):
        raise InvalidInput(
            f"'{member.name}' is suspended, or past the last day",
            code="member-not-active",
            hint=f"lab admin suspend {member.name} --undo, or a later 'ends' in lab.toml",
        )


def _revoke(office: Office, member: Member, key_ids: Sequence[str]) -> None:
    for key_id in key_ids:
        office.identities.delete_key(office.lab.identity_of(member.name), key_id)


def _write(path: str, office: Office, member: Member, key: AccessKey | None, issued: Issued) -> None:
    invite = office.invite(member, key, issued.expires)
    form.check_invite(invite)
    sealed = age.seal(form.render_invite(invite), form.read_passphrase(issued.passphrase.reveal()))
    _keep_from_git(os.path.dirname(path))
    fs.make_folder(os.path.dirname(path))
    fs.write_atomic(path, sealed, mode=0o600)


def _keep_from_git(folder: str) -> None:
    """An invite in a repository is not for git, encrypted or not: this clone leaves such files out."""
    repo = Git.find(folder)
    if repo is None:
        return
    path = os.path.join(os.path.dirname(git.attributes_file(repo)), "exclude")
    line = f"*{form.SUFFIX}"
    text = fs.read_cache_file(path).decode("utf-8", "surrogateescape")
    if line not in text.splitlines():
        start = text if not text or text.endswith("\n") else text + "\n"
        fs.make_folder(os.path.dirname(path))
        fs.write_atomic(path, f"{start}{line}\n".encode("utf-8", "surrogateescape"))
