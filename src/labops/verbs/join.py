"""`lab join`: from an invite to a working machine. Whatever was done before is found done and left so."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from labops import lab, rights, settings
from labops.drivers import age, fs
from labops.drivers.git import Git
from labops.drivers.git.workcopy import clone
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError
from labops.formats import dvcconfig
from labops.formats import invite as form
from labops.formats.invite import Invite
from labops.home.stamps import machine_name
from labops.installing import install_hooks, install_merge_driver
from labops.lab import Membership
from labops.model import Result


class JoinOptions(NamedTuple):
    """What a person may say about one machine."""

    folder: str = ""
    """Where the datasets repository goes; empty: a folder of its name, here."""
    machine: str = ""
    program: str = ""
    """Keep the key in the system's keyring, and let AWS's tools fetch it by this command line."""
    clones: bool = True
    profile: str = ""
    """A profile of one's own, for an invite without a key (SSO)."""
    may_move: bool = False
    """Take another store than before for a lab that this machine knows."""


class Done(NamedTuple):
    """One thing that was looked after, how it ended, and what it was about."""

    what: str
    result: Result
    detail: str = ""
    error: LabError | None = None


class Joined(NamedTuple):
    """What joining did."""

    membership: Membership
    rows: tuple[Done, ...]
    is_dry: bool = False

    @property
    def failed(self) -> tuple[Done, ...]:
        return tuple(row for row in self.rows if row.result is Result.FAILED)

    @property
    def exit_code(self) -> int:
        """3 when a part is missing; what was done stays done, and the same command goes on."""
        return 3 if self.failed else 0


def read_sealed(path: str) -> bytes:
    """The invite file as it lies there. Raises `NotFound`, or `InvalidInput` for what is no invite."""
    try:
        data = fs.read_bytes(path, limit=form.LIMIT)
    except InvalidInput as error:
        if error.code != "file-too-large":
            raise
        raise InvalidInput(
            f"'{path}' is far too large for an invite",
            code="bad-invite",
            hint="is it the file that the administrator sent?",
            path=path,
        ) from error
    form.check_sealed(data)
    return data


def open_invite(sealed: bytes, passphrase: str) -> Invite:
    """What the invite says; it can still be used today."""
    invite = form.parse_invite(age.unseal(sealed, form.read_passphrase(passphrase)))
    form.check_day(invite, _today())
    return invite


def join(invite: Invite, options: JoinOptions = JoinOptions(), *, dry_run: bool = False) -> Joined:  # noqa: B008 - frozen
    """Make this machine one of the member's. Nothing is written before the store has accepted the key.

    Raises `AccessDenied` (`invite-refused`) or `Conflict` (`joined-as-other`, `lab-moved`). A part that fails later is
    a row.
    """
    old = _known(invite, options)
    machine = options.machine or (old.machine if old else machine_name())
    membership = lab.of_invite(invite, machine, _today(), old, options.profile)
    if invite.key_id:
        membership = membership._replace(keeps_key="keyring" if options.program else "file")
    folder = _folder(membership, options)
    if dry_run:
        return Joined(membership._replace(clone=folder), _intentions(membership, folder, options), is_dry=True)
    rights.check_key(membership, _direct(invite) or membership.options())
    rows = []
    with lab.lock():
        if old is not None and old.keeps_key == "keyring" and membership.keeps_key != "keyring":
            lab.remove_profile(old)
        if invite.key_id:
            is_new = lab.write_profile(membership, invite.secret, program=options.program)
            rows.append(Done("key", _result(is_new), f"AWS profile '{membership.profile}'"))
        lab.save(membership)
    if membership.home:
        rows.append(_try("home", lambda: _use_home(membership), membership.home))
        rows.append(_try("other homes", lambda: _closed(membership)))
    if membership.repository and options.clones:
        rows += _set_up_clone(membership, folder)
        if not any(row.result is Result.FAILED and row.what == "datasets" for row in rows):
            membership = membership._replace(clone=folder)
            with lab.lock():
                lab.save(membership)
    return Joined(membership, tuple(rows))


def _known(invite: Invite, options: JoinOptions) -> Membership | None:
    old = next((one for one in lab.memberships() if one.lab == invite.lab), None)
    if old is not None and old.member != invite.member:
        raise Conflict(
            f"this machine has joined '{invite.lab}' as '{old.member}'",
            code="joined-as-other",
            hint=f"lab leave {invite.lab}, then join as '{invite.member}'; or use another account of this machine",
        )
    places = (
        ((old.home, invite.home), (old.datasets, invite.datasets), (old.endpoint, invite.endpoint.rstrip("/")))
        if old
        else ()
    )
    moved = next((new or "AWS itself" for before, new in places if before != new), None)
    if moved is not None and not options.may_move:
        # Linked folders would go on to wherever a forged invite says.
        raise Conflict(
            f"'{invite.lab}' was elsewhere when this machine joined it; this invite says '{moved}'",
            code="lab-moved",
            hint="ask the administrator; if it is so: lab join FILE --moved",
            lab=invite.lab,
        )
    return old


def _direct(invite: Invite) -> dict[str, str]:
    """The options that use the invite's key before it is written anywhere."""
    if not invite.key_id:
        return {}
    found = {"access_key_id": invite.key_id, "secret_access_key": invite.secret}
    found |= {"endpointurl": invite.endpoint, "region": invite.region}
    return {name: value for name, value in found.items() if value}


def _folder(membership: Membership, options: JoinOptions) -> str:
    if not membership.repository or not options.clones:
        return membership.clone
    if options.folder:
        return os.path.realpath(options.folder)
    if membership.clone and os.path.isdir(membership.clone):
        return membership.clone
    name = membership.repository.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    if not lab.is_home_name(name):
        name = membership.lab
    return os.path.realpath(name)


def _intentions(membership: Membership, folder: str, options: JoinOptions) -> tuple[Done, ...]:
    rows = [("key", f"AWS profile '{membership.profile}'")] if membership.profile else []
    rows += [("home", membership.home)] if membership.home else []
    rows += [("datasets", folder)] if membership.repository and options.clones else []
    return tuple(Done(what, Result.SKIPPED, detail) for what, detail in rows)


def _use_home(membership: Membership) -> bool:
    """Leave this machine's note in the own home: it can be written."""
    rights.note_machine(membership, membership.options())
    return True


def _closed(membership: Membership) -> bool:
    """Nobody else's home opens. An administrator may open all of them, and is not asked to try."""
    if membership.role == "admin":
        return False
    doors = rights.open_doors(membership, membership.options())
    if doors:
        raise AccessDenied(
            f"your key can do what it should not: {', '.join(doors)}",
            code="homes-open",
            hint="tell the administrator, who sees it with: lab admin prove",
        )
    return False


def _set_up_clone(membership: Membership, folder: str) -> list[Done]:
    rows = [_try("datasets", lambda: clone(membership.repository, folder), folder)]
    if rows[0].result is Result.FAILED:
        return rows
    repo = Git(folder)
    rows.append(_try("hooks", lambda: _install(repo)))
    if os.path.isdir(os.path.join(folder, ".dvc")):
        rows.append(_try("remote", lambda: use_profile(membership, folder)))
    return rows


def _install(repo: Git) -> bool:
    driver = install_merge_driver(repo, sys.executable)
    hooks = install_hooks(repo, sys.executable)
    return bool(driver) or any(is_new for _, is_new in hooks)


def use_profile(membership: Membership, root: str) -> bool:
    """Let every remote of the project that lies in the lab's bucket use the member's key; True when that is new.

    It goes into `.dvc/config.local`, which git never takes.
    """
    local = settings.read_level("local", root)
    wanted, shared = local, settings.load_settings(root).remotes
    bucket = membership.datasets.rstrip("/")
    for name, remote in shared.items():
        if not membership.profile or not f"{remote.url.rstrip('/')}/".startswith(f"{bucket}/"):
            continue
        values = {"profile": membership.profile}
        if membership.endpoint and not remote.options.get("endpointurl"):
            values["endpointurl"] = membership.endpoint
        for option, value in values.items():
            wanted = dvcconfig.set_option(wanted, f"remote.{name}", option, value)
    if wanted == local:
        return False
    settings.write_level("local", root, wanted)
    return True


def _try(what: str, act: Callable[[], bool], detail: str = "") -> Done:
    """One part; that it fails does not keep the others from being done."""
    try:
        return Done(what, _result(act()), detail)
    except LabError as error:
        return Done(what, Result.FAILED, detail, error)


def _result(is_new: bool) -> Result:
    return Result.DONE if is_new else Result.ALREADY


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
