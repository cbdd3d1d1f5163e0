"""`doctor`: one line for each thing that must work, and what to do where it does not."""

from __future__ import annotations

import click

from labops.cli.session import Command, Session, json_option, pass_session

DIFFERENCES = 4
"""Exit code when something fails, as of `--check`."""
_COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red"}


@click.command("doctor", cls=Command)
@json_option
@pass_session
def doctor(session: Session) -> int:
    """Check this installation, the project, its cache and its remotes; say what to do about what is wrong.

    Exits with 4 when something fails. What it writes to try your rights it removes again.
    """
    from labops.verbs.doctor import FAIL, examine

    checks = []
    for check in examine(session.project):
        checks.append(check)
        if not session.is_json and not (session.is_quiet and check.state == "ok"):
            session.say(f"{check.state:<5} {check.name}: {check.text}", colour=_COLOURS[check.state])
            if check.todo:
                session.say(f"      → {check.todo}")
    failed = [check for check in checks if check.state == FAIL]
    if session.is_json:
        session.show_json({"checks": [check._asdict() for check in checks], "is_well": not failed})
    return DIFFERENCES if failed else 0
