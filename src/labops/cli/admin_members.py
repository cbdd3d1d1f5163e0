"""`lab admin invite`, `members`, `rotate`, `suspend`, `remove`: the administrator and the people of the lab.

A passphrase is shown on a terminal, once. It never goes into `--json`, a file, a log, or the words of a command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options
from labops.cli.members import passphrase_file, read_passphrase_file
from labops.cli.session import Command, Family, Session, is_terminal, json_option, pass_session, printable
from labops.cli.words import files, human_size
from labops.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from labops.inviting import InviteOptions, Issued
    from labops.membership import AccessKey, KeyInfo
    from labops.office import Office
    from labops.verbs.invite import Turned
    from labops.verbs.members import MemberRow, Removed

_DAY_SECONDS = 86400
_KEY_FILE_LIMIT = 4096

profile = click.option(
    "--profile", default="", metavar="NAME", help="The AWS profile of the administrator (default: the environment's)."
)
_output = click.option("-o", "--output", default="", type=click.Path(), metavar="PATH", help="Where the file goes.")
_revoke_old = click.option(
    "--revoke-old", is_flag=True, help="Revoke the old key at once, not when the member has joined with the new one."
)
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def _office(profile: str) -> Office:
    from labops.office import Office

    return Office.find(".", profile=profile)


@click.command("invite", cls=Command)
@click.argument("name", metavar="NAME")
@_output
@click.option("--expires", default="", metavar="WHEN", help="The last day, or how long: 2026-04-30, 7d (default: 14d).")
@_revoke_old
@passphrase_file
@click.option("--key-file", metavar="FILE", help="Use a key made by hand, for a store without accounts of ours.")
@profile
@options.dry_run
@json_option
@pass_session
def invite(
    session: Session,
    name: str,
    output: str,
    expires: str,
    revoke_old: bool,
    passphrase_file: str | None,
    key_file: str | None,
    profile: str,
    dry_run: bool,
) -> int:
    """Make (or replace) the key of a member, and the file to send.

    NAME.labinvite is encrypted; its passphrase is shown once, on this terminal. Send the two by different ways. An
    older key works until the member has joined with the new one, and goes with the next invite or rotation.
    """
    from labops.verbs.invite import invite as verb

    office = _office(profile)
    key = None if key_file is None else _read_key(key_file)
    done = verb(office, name, _wishes(output, expires, passphrase_file, revoke_old, key, dry_run), dry_run=dry_run)
    if not dry_run and passphrase_file is None:
        _show_passphrase(done)
    if session.is_json:
        session.show_json(_issued_document(done))
    else:
        for line in _issued_lines(done):
            session.say(line)
    return 0


def _wishes(
    output: str, expires: str, file: str | None, revoke_old: bool, key: AccessKey | None, dry_run: bool
) -> InviteOptions:
    """Everything that can be wrong is found before a key is made."""
    from labops.inviting import InviteOptions
    from labops.membership import Secret

    if file is None and not dry_run and not is_terminal(sys.stderr):
        raise InvalidInput(
            "the passphrase is shown on a terminal, and standard error is none",
            code="no-terminal",
            hint="--passphrase-file FILE, with a passphrase that you choose",
        )
    secret = None if file is None else Secret(read_passphrase_file(file).strip("\r\n"))
    return InviteOptions(output, _last_day(expires), secret, revoke_old, key)


def _last_day(text: str) -> str:
    import re

    from labops.office import day_after
    from labops.planning.gc import parse_duration

    if not text or re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return text
    return day_after(int(parse_duration(text)) // _DAY_SECONDS)


def _read_key(name: str) -> AccessKey:
    """A key as AWS's console saves it, as a profile, or as two words."""
    import re

    from labops.drivers import fs
    from labops.membership import AccessKey, Secret

    try:
        text = fs.read_bytes(name, limit=_KEY_FILE_LIMIT).decode()
    except UnicodeDecodeError:
        text = ""
    found = [
        re.search(rf"(?im)^\s*{key}\s*=\s*(\S+)\s*$", text) for key in ("aws_access_key_id", "aws_secret_access_key")
    ]
    words = [match[1] for match in found if match]
    if len(words) != 2:
        rows = [row for row in text.splitlines() if row.strip()]
        words = re.split(r"[,\s]+", rows[-1].strip()) if rows else []
    if len(words) != 2:
        raise InvalidInput(
            f"'{name}' holds no key", code="bad-key-file", hint="one line: the key's id, a blank, the secret", path=name
        )
    return AccessKey(words[0], Secret(words[1]))


def _show_passphrase(done: Issued) -> None:
    """The one time that it is seen, on the terminal."""
    text = printable(done.member, sys.stderr)
    print(f"passphrase for {text}, shown this once:  {done.passphrase.reveal()}", file=sys.stderr, flush=True)


def _issued_lines(done: Issued) -> Iterator[str]:
    for key_id in done.revoked:
        yield f"{'would revoke' if done.is_dry else 'revoked'} the key {key_id}"
    for key_id in done.stays:
        yield f"the key {key_id} works until {done.member} has joined"
    if done.is_dry:
        yield f"dry run: would write {done.path}, to be used until {done.expires}; nothing was done"
        return
    yield f"wrote {done.path}, to be used until {done.expires}"
    if done.brings_profile:
        yield f"no key is in it: {done.member} logs in with an AWS profile of their own"
    yield "send the file; tell the passphrase another way. What to type there:"
    yield f"  lab join {done.member}.labinvite{' --profile PROFILE' if done.brings_profile else ''}"


def _issued_document(done: Issued) -> dict[str, object]:
    return {
        "member": done.member,
        "path": done.path,
        "expires": done.expires,
        "key_id": done.key_id,
        "revoked": list(done.revoked),
        "stays": list(done.stays),
        "dry_run": done.is_dry,
    }


@click.command("members", cls=Command)
@profile
@json_option
@pass_session
def members(session: Session, profile: str) -> int:
    """List everybody: role, state, keys and their age, machines."""
    from labops.verbs.members import members as verb

    rows = verb(_office(profile))
    if session.is_json:
        session.show_json([_member_document(row) for row in rows])
    else:
        cells = [("NAME", "ROLE", "STATE", "ENDS", "KEYS", "MACHINES"), *map(_member_cells, rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        for row in cells:
            session.say(
                "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
            )
        for one in rows:
            if one.error is not None:
                session.warn(f"{one.member.name}: {one.error.message}")
    return 3 if any(row.error for row in rows) else 0


def _member_cells(row: MemberRow) -> tuple[str, ...]:
    keys = ", ".join(map(_key_words, row.keys)) or "-"
    known = {key.id for key in row.keys}
    machines = ", ".join(
        f"{note.machine}{' (key gone)' if known and note.key_id not in known else ''}" for note in row.machines
    )
    return row.member.name, row.member.role.value, row.state, row.member.ends or "-", keys, machines


def _key_words(key: KeyInfo) -> str:
    """When it was made, when it was last used where the store tells, and whether it is off."""
    used = f", used {key.last_used[:10]}" if key.last_used else ""
    return f"{key.created[:10] or key.id}{used}{'' if key.is_active else ' (off)'}"


def _member_document(row: MemberRow) -> dict[str, object]:
    return {
        "name": row.member.name,
        "role": row.member.role.value,
        "email": row.member.email,
        "groups": list(row.member.groups),
        "ends": row.member.ends,
        "state": row.state,
        "keys": [key._asdict() for key in row.keys],
        "machines": [note._asdict() for note in row.machines],
        "error": None if row.error is None else row.error.code,
    }


@click.command("rotate", cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everybody", is_flag=True, help="Everybody whose key is older than --older-than.")
@click.option("--older-than", default="90d", metavar="AGE", help="With --all: how old a key may be (default: 90d).")
@_output
@_revoke_old
@passphrase_file
@profile
@options.dry_run
@json_option
@pass_session
def rotate(
    session: Session,
    names: tuple[str, ...],
    everybody: bool,
    older_than: str,
    output: str,
    revoke_old: bool,
    passphrase_file: str | None,
    profile: str,
    dry_run: bool,
) -> int:
    """Replace old keys, one step at a time.

    Whoever has an old key gets a new one and an invite (in the folder given by -o). The old key is revoked by a
    later run, when every machine of the member has joined with the new one. Run it as often as you like.
    """
    from labops.planning.gc import parse_duration
    from labops.verbs.invite import rotate as verb

    if bool(names) == everybody:
        raise InvalidInput(
            "rotate whom?", code="bad-usage", hint="lab admin rotate NAME, or lab admin rotate --all --older-than 90d"
        )
    wishes = _wishes(output and f"{output.rstrip('/')}/", "", passphrase_file, revoke_old, None, dry_run)
    if output:
        from labops.drivers import fs

        fs.make_folder(output) if not dry_run else None
    show = (lambda _: None) if passphrase_file is not None else _show_passphrase
    days = int(parse_duration(older_than)) // _DAY_SECONDS
    rows = verb(_office(profile), names, days, wishes, dry_run=dry_run, on_issued=show)
    if session.is_json:
        session.show_json([_turned_document(row) for row in rows])
    else:
        for row in rows:
            session.say(f"{row.member}: {_turned_words(row)}")
            if row.error is not None:
                session.warn(f"{row.member}: {row.error.message}" + (f" ({row.error.hint})" if row.error.hint else ""))
    return 3 if any(row.error for row in rows) else 0


def _turned_words(row: Turned) -> str:
    if row.error is not None:
        return "failed"
    words = f"{row.rotation.turn.value}; {row.rotation.why}"
    if row.rotation.revoke:
        words += f"; {', '.join(key.id for key in row.rotation.revoke)}"
    return words if row.issued is None else f"{words}; {row.issued.path}"


def _turned_document(row: Turned) -> dict[str, object]:
    return {
        "member": row.member,
        "turn": row.rotation.turn.value,
        "why": row.rotation.why,
        "revoked": [key.id for key in row.rotation.revoke],
        "invite": None if row.issued is None else _issued_document(row.issued),
        "error": None if row.error is None else {"code": row.error.code, "message": row.error.message},
    }


@click.command("suspend", cls=Command)
@click.argument("name", metavar="NAME")
@click.option("--undo", is_flag=True, help="Switch the keys on again.")
@profile
@options.dry_run
@json_option
@pass_session
def suspend(session: Session, name: str, undo: bool, profile: str, dry_run: bool) -> int:
    """Switch all keys of a member off; nothing is deleted.

    For a lost laptop, or a member who is away: `--undo` brings everything back. lab.toml says so too, and is for you
    to commit.
    """
    from labops.verbs.members import suspend as verb

    done = verb(_office(profile), name, undo=undo, dry_run=dry_run)
    if session.is_json:
        changes = [str(change) for change in done.changes]
        session.show_json({"member": name, "is_suspended": done.is_suspended, "changes": changes, "dry_run": dry_run})
        return 0
    for change in done.changes:
        session.say(f"  {change}")
    if dry_run:
        session.say("dry run: nothing was done")
    else:
        session.say(f"{name} is {'back' if undo else 'suspended'}, and lab.toml says so")
        session.say("  git commit -m '…' lab.toml")
    return 0


@click.command("remove", cls=Command)
@click.argument("name", metavar="NAME")
@click.option("--archive", is_flag=True, help="Move the home to alumni/NAME/, inside the store.")
@_yes
@profile
@options.dry_run
@json_option
@pass_session
def remove(session: Session, name: str, archive: bool, yes: bool, profile: str, dry_run: bool) -> int:
    """Let a member go: keys off first, then rights and identity; the home stays, or is archived.

    Ends with what the member had: bytes at home, datasets published. Safe to run again after an interruption.
    """
    from labops.verbs.members import remove as verb

    office = _office(profile)
    if not dry_run and not yes and not session.confirm(f"Revoke all keys of {name}, and take {name} out of the lab?"):
        raise Conflict("nothing was done", code="not-confirmed", hint=f"lab admin remove {name} --yes")
    with session.progress() as on_event:
        done = verb(office, name, archive=archive, dry_run=dry_run, on_event=on_event)
    if session.is_json:
        document = {**done._asdict(), "owned": {**done.owned._asdict(), "datasets": list(done.owned.datasets)}}
        session.show_json(document)
    else:
        for line in _removed_lines(done):
            session.say(line)
    return 0


def _removed_lines(done: Removed) -> Iterator[str]:
    owned = done.owned
    count = files(owned.files, "at home")
    yield f"{done.member} had {count} ({human_size(owned.size)}, trash {human_size(owned.trash)})"
    if owned.datasets:
        yield f"  published or changed: {', '.join(owned.datasets)}"
    if done.is_dry:
        yield "dry run: nothing was done"
        return
    yield "keys and rights are gone" if done.had_account else "there was no account"
    yield f"the home is now at {done.archived}" if done.archived else "the home stays where it is"
    yield "what is left to do: lab admin apply; git commit -m '…' lab.toml"


def attach(admin: Family) -> None:
    """Put these commands into `lab admin`."""
    for command in (invite, members, rotate, suspend, remove):
        admin.add_command(command)
