"""`status`, `data status`, `check-ignore`: questions, which change nothing."""

from __future__ import annotations

import sys

import click

from labops.cli import options, show
from labops.cli.session import Command, Family, Session, json_option, pass_session
from labops.errors import InvalidInput
from labops.model import Selection

DIFFERENCES = 4
"""Exit code of `--check` when there are differences."""

UP_TO_DATE = "Data and pipelines are up to date."
NOTHING_TRACKED = "There are no data or pipelines tracked in this project yet.\nStart with: lab add <file or folder>"

check_option = click.option("--check", is_flag=True, help="Exit with 4 when there are differences.")


@click.command("status", cls=Command)
@options.targets
@options.jobs
@click.option("-c", "--cloud", is_flag=True, help="Compare the cache with a remote instead of the workspace.")
@options.remote
@options.revisions
@options.with_deps
@options.recursive
@json_option
@click.option(
    "--no-updates", is_flag=True, expose_value=False, help="Do not look for updates of imports (labops never does)."
)
@check_option
@pass_session
def status(
    session: Session,
    /,
    targets: tuple[str, ...],
    jobs: int | None,
    cloud: bool,
    remote: str | None,
    check: bool,
    **chosen: bool,
) -> int:
    """Show what differs between the workspace, the DVC files and the cache.

    With -c or -r: between the cache and a remote. With -q: nothing is printed and the exit code is 1 when
    there are changes.
    """
    from labops.verbs.status import cloud_status
    from labops.verbs.status import status as verb

    selection = Selection(targets, **chosen)
    project = session.project()
    if cloud or remote:
        with session.progress() as on_event:
            cloud_rows = cloud_status(project, selection, remote=remote, jobs=jobs, on_event=on_event)
        document: object = show.cloud_document(cloud_rows)
        name = remote or project.settings.core_remote
        lines = list(show.cloud_lines(cloud_rows)) or [f"Cache and remote '{name}' are in sync."]
        is_clean = not cloud_rows
    else:
        _refuse_cloud_flags(selection, jobs)
        rows = verb(project, selection)
        document = show.status_document(rows)
        lines = list(show.status_lines(rows)) or [UP_TO_DATE if project.pointer_files else NOTHING_TRACKED]
        is_clean = not rows
    _print(session, document, lines)
    return _answer(session, is_clean=is_clean, is_check=check, quiet_code=1)


def _refuse_cloud_flags(selection: Selection, jobs: int | None) -> None:
    flags = {"-a": selection.all_branches, "-T": selection.all_tags, "-A": selection.all_commits, "-j": jobs}
    used = next((flag for flag, value in flags.items() if value), None)
    if used:
        message = f"'{used}' compares with a remote, so it needs '-c'"
        raise InvalidInput(message, code="bad-usage", hint=f"lab status -c {used}")


def _print(session: Session, document: object, lines: list[str]) -> None:
    if session.is_json:
        session.show_json(document)
        return
    for line in lines:
        session.say(line)


def _answer(session: Session, *, is_clean: bool, is_check: bool, quiet_code: int) -> int:
    if is_clean:
        return 0
    if is_check:
        return DIFFERENCES
    return quiet_code if session.is_quiet else 0


@click.group("data", cls=Family)
def data() -> None:
    """Compare the last commit, the DVC files and the workspace."""


@data.command("status", short_help="Compare commit, DVC files and workspace.")
@options.targets
@json_option
@click.option("--granular", is_flag=True, help="List files inside tracked folders too.")
@click.option("--unchanged", is_flag=True, help="List what did not change too.")
@click.option("--untracked-files", type=click.Choice(["no", "all"]), is_flag=False, flag_value="all", default="no",
              help="List what neither git nor dvc tracks too.")  # fmt: skip
@click.option(
    "-r",
    "--remote",
    metavar="NAME",
    shell_complete=options.known_remotes,
    help="With --not-in-remote: the remote to ask.",
)
@click.option("--not-in-remote", is_flag=True, help="List what the remote lacks.")
@click.option("--no-remote-refresh", is_flag=True, help="Believe what is known about the remote.")
@check_option
@pass_session
def data_status(
    session: Session,
    targets: tuple[str, ...],
    granular: bool,
    unchanged: bool,
    untracked_files: str,
    remote: str | None,
    not_in_remote: bool,
    no_remote_refresh: bool,
    check: bool,
) -> int:
    """Show changes between the last git commit, the DVC files and the workspace."""
    from labops.verbs.data_status import data_status as verb

    project = session.project()
    with session.progress() as on_event:
        answer = verb(
            project,
            targets,
            granular=granular,
            unchanged=unchanged,
            untracked_files=untracked_files == "all",
            not_in_remote=not_in_remote,
            remote=remote,
            remote_refresh=not no_remote_refresh,
            on_event=on_event,
        )
    document = show.data_status_document(answer)
    _print(session, document, list(show.data_status_lines(answer)))
    return _answer(session, is_clean=not document.keys() - {"unchanged"}, is_check=check, quiet_code=0)


@click.command("check-ignore", cls=Command)
@options.targets
@click.option("-d", "--details", is_flag=True, help="Show the pattern that matched, and where it is.")
@click.option("-n", "--non-matching", is_flag=True, help="With --details: show paths that match nothing too.")
@click.option("--stdin", is_flag=True, help="Read paths from standard input, one a line.")
@json_option
@pass_session
def check_ignore(session: Session, targets: tuple[str, ...], details: bool, non_matching: bool, stdin: bool) -> int:
    """Say which paths .dvcignore excludes. Exits with 1 when none is."""
    from labops.verbs.check_ignore import check_ignore as verb

    _check_flags(session, targets, details=details, non_matching=non_matching, stdin=stdin)
    project = session.project()
    names = [line.rstrip("\n") for line in sys.stdin] if stdin else list(targets)
    answers = verb(project, [name for name in names if name])
    if session.is_json:
        session.show_json([answer._asdict() for answer in answers])
    for answer in answers if not session.is_json else ():
        if details and (answer.rule or non_matching):
            session.say(f"{answer.rule or '::'}\t{answer.path}")
        elif not details and answer.is_ignored:
            session.say(answer.path)
    return int(not any(answer.rule if details else answer.is_ignored for answer in answers))


def _check_flags(session: Session, targets: tuple[str, ...], *, details: bool, non_matching: bool, stdin: bool) -> None:
    wrong = ""
    if stdin == bool(targets):
        wrong = "give either targets or '--stdin'"
    elif non_matching and not details:
        wrong = "'--non-matching' needs '--details'"
    elif session.is_quiet and details:
        wrong = "'--details' and '--quiet' exclude each other"
    if wrong:
        raise InvalidInput(wrong, code="bad-usage", hint="lab check-ignore --help")
