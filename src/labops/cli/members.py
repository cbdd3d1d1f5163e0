"""`join`, `leave` and `whoami`: one person, one machine. And `credentials`, which AWS's tools call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options
from labops.cli.session import Command, Session, is_terminal, json_option, pass_session
from labops.errors import AccessDenied, InvalidInput
from labops.model import Result

if TYPE_CHECKING:
    from labops.formats.invite import Invite
    from labops.lab import Membership
    from labops.verbs.join import Done, Joined
    from labops.verbs.leave import Left

_TRIES = 3
_STATES = {Result.DONE: "done", Result.ALREADY: "ok", Result.SKIPPED: "to do", Result.FAILED: "FAILED"}
_PASSPHRASE_LIMIT = 4096

passphrase_file = click.option(
    "--passphrase-file", metavar="FILE", help="Read the passphrase from a file ('-': standard input)."
)


@click.command("join", cls=Command)
@click.argument("file", metavar="FILE")
@click.argument("folder", required=False, metavar="[DIR]")
@passphrase_file
@click.option("--machine", default="", metavar="NAME", help="What this computer is called (default: its host name).")
@click.option("--keyring", is_flag=True, help="Keep the key in the system's keyring instead of a file.")
@click.option("--profile", default="", metavar="NAME", help="Your own AWS profile, for an invite without a key (SSO).")
@click.option("--moved", is_flag=True, help="The lab has another store than before; ask the administrator first.")
@click.option("--no-clone", is_flag=True, help="Leave the datasets repository alone.")
@options.dry_run
@json_option
@pass_session
def join(
    session: Session,
    file: str,
    folder: str | None,
    passphrase_file: str | None,
    machine: str,
    keyring: bool,
    profile: str,
    moved: bool,
    no_clone: bool,
    dry_run: bool,
) -> int:
    """Make this machine yours.

    FILE is the NAME.labinvite that the administrator sent; the passphrase comes another way. The key becomes an AWS
    profile, the datasets repository is cloned into DIR, and your home is tried. Safe to run twice, and with a new
    invite after the key was changed.
    """
    from labops.home.stamps import machine_name
    from labops.lab import is_home_name
    from labops.verbs.join import JoinOptions, read_sealed
    from labops.verbs.join import join as verb

    name = machine or machine_name()
    if not is_home_name(name) or len(name) > 63:
        raise InvalidInput(
            f"'{name}' cannot be the name of a machine", code="bad-machine-name", hint="letters, digits, '.', '_', '-'"
        )
    invite = _open(session, read_sealed(file), passphrase_file)
    chosen = JoinOptions(folder or "", machine, _program() if keyring else "", not no_clone, profile, moved)
    done = verb(invite, chosen, dry_run=dry_run)
    if session.is_json:
        session.show_json(_joined_document(done))
    else:
        for line in _joined_lines(done):
            session.say(line)
    return done.exit_code


def _program() -> str:
    """A command line that runs this very labops, for other programs."""
    beside = os.path.join(os.path.dirname(sys.executable), "lab")
    return f'"{beside}"' if os.access(beside, os.X_OK) else f'"{sys.executable}" -P -m labops'


def _open(session: Session, sealed: bytes, file: str | None) -> Invite:
    from labops.verbs.join import open_invite

    if file is not None:
        return open_invite(sealed, read_passphrase_file(file))
    if not is_terminal(sys.stdin):
        raise InvalidInput(
            "the passphrase is asked for on a terminal, and there is none",
            code="no-terminal",
            hint="--passphrase-file FILE, or '-' for standard input",
        )
    from getpass import getpass

    for left in range(_TRIES - 1, -1, -1):
        try:
            return open_invite(sealed, getpass("Passphrase of the invite: ", stream=sys.stderr))
        except AccessDenied as error:
            if error.code != "wrong-passphrase" or not left:
                raise
            session.warn(f"{error.message}; {left} more {'tries' if left > 1 else 'try'}")
    raise AssertionError


def read_passphrase_file(name: str) -> str:
    """The first line of a file, or of standard input."""
    if name == "-":
        return sys.stdin.readline(_PASSPHRASE_LIMIT)
    from labops.drivers import fs

    try:
        text = fs.read_bytes(name, limit=_PASSPHRASE_LIMIT).decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"'{name}' is no text", code="bad-passphrase-file", path=name) from None
    return text.partition("\n")[0]


def _joined_lines(done: Joined) -> Iterator[str]:
    one = done.membership
    yield f"{one.member} ({one.role}) in the lab '{one.lab}', on the machine '{one.machine}'"
    if one.endpoint:
        yield f"  {'store':<12}{'':<7}{one.endpoint}"
    for row in done.rows:
        yield f"  {row.what:<12}{_STATES[row.result]:<7}{row.detail}".rstrip()
        if row.error is not None:
            yield f"    {row.error.message}"
            if row.error.hint:
                yield f"    hint: {row.error.hint}"
    if done.is_dry:
        yield "dry run: nothing was done"
    elif done.failed:
        yield "not everything is done; mend what is named above and run the same command again"
    else:
        yield from _next_lines(one)


def _next_lines(one: Membership) -> Iterator[str]:
    yield "what to type next:"
    if one.clone:
        yield f"  cd {one.clone} && lab pull        the datasets"
    if one.home:
        yield "  lab home clone NAME             a folder of your home, here"
        yield "  cd FOLDER && lab home link NAME a folder you have, kept at home under NAME"
    if one.profile:
        yield f"  aws --profile {one.profile} s3 ls {one.home or one.datasets}/   any other tool"


def _membership_document(one: Membership) -> dict[str, object]:
    return {**one._asdict(), "profile": one.profile}


def _joined_document(done: Joined) -> dict[str, object]:
    def row_document(row: Done) -> dict[str, object]:
        error = row.error
        failure = None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
        return {"what": row.what, "result": row.result.value, "detail": row.detail, "error": failure}

    return {
        "membership": _membership_document(done.membership),
        "rows": [row_document(row) for row in done.rows],
        "dry_run": done.is_dry,
    }


@click.command("leave", cls=Command)
@click.argument("lab", required=False, metavar="[LAB]")
@click.option("-f", "--force", is_flag=True, help="Leave though a linked folder has changes that are not at home.")
@options.dry_run
@json_option
@pass_session
def leave(session: Session, lab: str | None, force: bool, dry_run: bool) -> int:
    """Take the key and the membership off this machine.

    All data stays: the clone, linked folders, and what is in the home. The key itself is revoked by the
    administrator (`lab admin remove NAME`).
    """
    from labops.verbs.leave import leave as verb

    done = verb(lab or "", force=force, dry_run=dry_run)
    if session.is_json:
        session.show_json({
            "lab": done.membership.lab,
            "member": done.membership.member,
            "unsynced": [{"folder": one.folder, "files": one.files} for one in done.unsynced],
            "dry_run": done.is_dry,
        })  # fmt: skip
    else:
        for line in _left_lines(done):
            session.say(line)
    return 0


def _left_lines(done: Left) -> Iterator[str]:
    one = done.membership
    for row in done.unsynced:
        state = f"{row.files} changed files are not at home" if row.error is None else row.error.message
        yield f"{row.folder}: {state}"
    if done.is_dry:
        yield f"dry run: would leave '{one.lab}'; nothing was done"
        return
    yield f"left '{one.lab}': the key of '{one.member}' is off this machine"
    stays = [place for place in (one.clone, *one.folders) if place]
    if stays:
        yield f"stays here: {', '.join(stays)}"
    if one.key_id:
        yield f"the key works on your other machines; if this one is lost: lab admin invite {one.member} --revoke-old"


@click.command("whoami", cls=Command)
@click.argument("lab", required=False, metavar="[LAB]")
@json_option
@pass_session
def whoami(session: Session, lab: str | None) -> int:
    """Say which labs this machine has joined, as whom, and where things are."""
    from labops.verbs.whoami import whoami as verb

    found = verb(lab or "")
    if session.is_json:
        session.show_json([
            {**_membership_document(one.membership), "has_key": one.has_key, "has_clone": one.has_clone}
            for one in found
        ])  # fmt: skip
        return 0
    for row in found:
        one = row.membership
        session.say(f"{one.member} ({one.role}) in the lab '{one.lab}', on the machine '{one.machine}'")
        facts = {"home": one.home, "datasets": one.datasets, "clone": one.clone if row.has_clone else ""}
        facts["profile"] = one.profile
        for name, value in facts.items():
            if value:
                session.say(f"  {name:<10}{value}")
        if not row.has_key:
            session.warn(f"the key of '{one.lab}' is not on this machine any more: lab join {one.member}.labinvite")
    return 0


@click.command("credentials", cls=Command, hidden=True)
@click.argument("lab", metavar="LAB")
@pass_session
def credentials(session: Session, lab: str) -> None:
    """Hand the key in the keyring to AWS's tools, in their form; the profile of `lab join --keyring` calls it."""
    from labops.lab import credentials_document

    if is_terminal(sys.stdout):
        raise InvalidInput(
            "a secret is not shown on a terminal",
            code="secret-on-terminal",
            hint="AWS's tools call this by themselves: aws --profile lab-NAME s3 ls",
        )
    session.show_json(credentials_document(lab))
