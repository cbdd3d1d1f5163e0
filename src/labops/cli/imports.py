"""`import`, `import-url`, `update`, `freeze`, `unfreeze`: data from elsewhere, tracked with where it came from."""

from __future__ import annotations

import click

from labops.cli import options, show
from labops.cli.app import use_dvc
from labops.cli.reuse import PairsCommand, force, fs_config, out, pairs, source_options
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import files
from labops.errors import InvalidInput
from labops.model import Action, Report, Result

no_exec = click.option("--no-exec", is_flag=True, help="Only write the DVC file.")
no_download = click.option("--no-download", is_flag=True, help="Write the DVC file, but fetch nothing.")


def refuse_both(no_exec: bool, no_download: bool) -> None:
    """dvc's rule."""
    if no_exec and no_download:
        raise InvalidInput("'--no-exec' and '--no-download' exclude each other", code="bad-usage")


def _lines(report: Report, name: str, root: str) -> list[str]:
    number = report.count(Action.DOWNLOAD)
    said = f"Importing {name} -> '{show.from_here(report.plan.steps[-1].path, root)}'"
    return [said, *([files(number, "fetched")] if number else []), *show.git_hint(report, root)]


@click.command("import", cls=PairsCommand)
@click.argument("url")
@click.argument("path")
@out
@force
@no_exec
@no_download
@options.jobs
@source_options
@options.dry_run
@json_option
@pass_session
def import_(
    session: Session,
    /,
    url: str,
    path: str,
    out: str | None,
    force: bool,
    no_exec: bool,
    no_download: bool,
    jobs: int | None,
    dry_run: bool,
    rev: str | None,
    config: str | None,
    remote: str | None,
    remote_config: tuple[str, ...],
) -> int:
    """Download a file or folder of another repository and track it, with where it came from.

    Its DVC file names the source and the commit; 'lab update' brings what is new there.
    """
    from labops.verbs.import_repo import ImportOptions, import_repo

    refuse_both(no_exec, no_download)
    wanted = ImportOptions(
        out, rev, no_exec, no_download, force, jobs, config, remote, pairs(remote_config, "--remote-config")
    )
    project = session.project()
    with session.progress() as on_event:
        report = import_repo(project, url, path, wanted, dry_run=dry_run, on_event=on_event)
    lines = _lines(report, f"'{path} ({url})'", project.root)
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


@click.command("import-url", cls=PairsCommand)
@click.argument("url")
@click.argument("out", required=False)
@click.option("--to-remote", is_flag=True, help="Send the data straight to a remote, and keep none of it here.")
@options.remote
@no_exec
@no_download
@click.option("--md5", metavar="HEX", help="Refuse a file that has another md5.")
@click.option("--extract", is_flag=True, help="Unpack a zip or tar file, and track what is in it.")
@options.jobs
@force
@click.option("--version-aware", is_flag=True, help="Left to dvc.")
@fs_config
@options.dry_run
@json_option
@pass_session
def import_url(
    session: Session,
    url: str,
    out: str | None,
    to_remote: bool,
    remote: str | None,
    no_exec: bool,
    no_download: bool,
    md5: str | None,
    extract: bool,
    jobs: int | None,
    force: bool,
    version_aware: bool,
    fs_config: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Download a file or folder from anywhere and track it, with where it came from.

    URL is a path, http(s)://, s3:// or remote://NAME/path. An interrupted download goes on when it is run again.
    """
    from labops.urls import UrlOptions
    from labops.verbs.import_url import ImportUrlOptions
    from labops.verbs.import_url import import_url as verb

    refuse_both(no_exec, no_download)
    settings = pairs(fs_config, "--fs-config")
    if version_aware or (settings or {}).get("version_aware", "").lower() == "true":
        raise use_dvc("import-url", "--version-aware", url)
    how = UrlOptions(md5, extract, to_remote, remote, jobs)
    wanted = ImportUrlOptions(out, no_exec, no_download, force, how, settings)
    project = session.project()
    with session.progress() as on_event:
        report = verb(project, url, wanted, dry_run=dry_run, on_event=on_event)
    return show.show_report(
        session, report, _lines(report, f"'{url}'", project.root), dry_run=dry_run, root=project.root
    )


@click.command("update", cls=Command)
@options.some_targets
@click.option("--rev", metavar="COMMIT", help="Follow this commit, branch or tag of the source from now on.")
@options.recursive
@no_download
@click.option("--to-remote", is_flag=True, help="Send the new data straight to a remote.")
@options.remote
@click.option("-f", "--force", is_flag=True, help="Replace unsaved changes in the workspace.")
@options.jobs
@options.dry_run
@json_option
@pass_session
def update(
    session: Session,
    targets: tuple[str, ...],
    rev: str | None,
    recursive: bool,
    no_download: bool,
    to_remote: bool,
    remote: str | None,
    force: bool,
    jobs: int | None,
    dry_run: bool,
) -> int:
    """Bring imports to what their source holds now.

    Unsaved work is never overwritten without -f.
    """
    from labops.verbs.update import UpdateOptions
    from labops.verbs.update import update as verb

    project = session.project()
    wanted = UpdateOptions(rev, recursive, no_download, to_remote, remote, force, jobs)
    with session.progress() as on_event:
        report = verb(project, targets, wanted, dry_run=dry_run, on_event=on_event)
    kept = [outcome.step.path for outcome in report.outcomes if outcome.result is Result.ALREADY]
    lines = [f"'{show.from_here(path, project.root)}' didn't change, skipping" for path in kept]
    lines += show.workspace_lines(report, project.root)
    lines += show.git_hint(report, project.root)
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


def _freezing(name: str, is_frozen: bool, summary: str) -> click.Command:
    @click.command(name, cls=Command, help=summary)
    @options.some_targets
    @options.dry_run
    @json_option
    @pass_session
    def command(session: Session, targets: tuple[str, ...], dry_run: bool) -> int:
        from labops.verbs.freeze import freeze as verb

        project = session.project()
        report = verb(project, targets, is_frozen=is_frozen, dry_run=dry_run)
        lines = show.git_hint(report, project.root)
        return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)

    return command


freeze = _freezing("freeze", True, "Keep imports or stages from changing by themselves.")
unfreeze = _freezing("unfreeze", False, "Let imports or stages change again.")


__all__ = ["freeze", "import_", "import_url", "unfreeze", "update"]
