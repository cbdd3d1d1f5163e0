"""`publish` and `sync`: a version of a dataset to everybody, and what others have published to here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options, show
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import files, human_size, join
from labops.model import Action, Result

if TYPE_CHECKING:
    from labops.verbs.publish import Published
    from labops.verbs.sync import Synced


@click.command("publish", cls=Command)
@options.some_targets
@click.option("-m", "--message", required=True, metavar="TEXT", help="What is new: the message of the commit.")
@click.option("--version", metavar="NUMBER", help="The number the new version must get (3 or v3); tags it NAME@v3.")
@options.remote
@options.jobs
@options.dry_run
@json_option
@pass_session
def publish(
    session: Session,
    targets: tuple[str, ...],
    message: str,
    version: str | None,
    remote: str | None,
    jobs: int | None,
    dry_run: bool,
) -> int:
    """Add, push the data, commit its DVC files, push the commit: in this order, all or as far as it gets.

    Run it again after any failure: it goes on where it stopped. Others never see a DVC file whose data is not on
    the remote, and other changes of yours are never swept into the commit.
    """
    from labops.verbs.publish import PublishOptions
    from labops.verbs.publish import publish as verb

    project = session.project()
    with session.progress() as on_event:
        done = verb(
            project, targets, PublishOptions(message, version, remote, jobs), dry_run=dry_run, on_event=on_event
        )
    if session.is_json:
        session.show_json(_published_document(done, dry_run=dry_run))
        return done.report.exit_code
    code = show.show_report(session, done.report, _published_lines(done), dry_run=dry_run, root=project.root)
    if dry_run:
        _say_git_plan(session, done)
    elif code:
        session.warn("nothing was committed: see to the failures, then run the same command again")
    return code


def _say_git_plan(session: Session, done: Published) -> None:
    names = ", ".join(done.files)
    session.say(f"then:    commit {names}" if names else "then:    nothing to commit")
    session.say(f"then:    push to {done.place}" if done.place else "then:    nothing to push to: git has no remote")


def _published_lines(done: Published) -> Iterator[str]:
    if done.report.failed:
        return
    number = done.report.count(Action.UPLOAD)
    if number:
        yield files(number, "pushed")
    if done.commit is not None:
        yield f"committed {', '.join(done.files)} ({done.commit[:7]})"
    for name, version in done.versions:
        yield f"{name} is version {version}" + (f" (tag {join(_tags_of(done, name))})" if done.tags else "")
    if done.is_merged:
        yield "merged the commits that others had published meanwhile"
    if done.place:
        yield f"published to {done.place}"


def _tags_of(done: Published, name: str) -> list[str]:
    return [tag for tag in done.tags if tag.rpartition("@")[0].endswith(name)]


def _published_document(done: Published, *, dry_run: bool) -> dict[str, object]:
    facts = show.report_document(done.report) | {"dry_run": dry_run}
    facts["git"] = {
        "files": list(done.files),
        "commit": done.commit,
        "pushed_to": done.place or None,
        "tags": list(done.tags),
        "merged": done.is_merged,
    }
    facts["versions"] = dict(done.versions)
    return facts


@click.command("sync", cls=Command)
@options.jobs
@options.dry_run
@json_option
@pass_session
def sync(session: Session, jobs: int | None, dry_run: bool) -> int:
    """Get the commits of others (git pull) and bring every dataset that is on this machine to what they point at.

    Datasets that are not here stay away: `lab pull NAME` gets one. Unsaved work is never touched.
    """
    from labops.verbs.sync import sync as verb

    project = session.project()
    with session.progress() as on_event:
        done = verb(project, jobs=jobs, dry_run=dry_run, on_event=on_event)
    if session.is_json:
        session.show_json(_synced_document(done, dry_run=dry_run))
        return done.report.exit_code
    lines = list(_synced_lines(done, project.root))
    code = show.show_report(session, done.report, lines, dry_run=dry_run, root=project.root)
    for line in lines if dry_run else ():
        session.say(line)
    return code


_HOW = {
    "up-to-date": "git: up to date with {place}",
    "fast-forward": "git: brought forward to {place}",
    "merge": "git: merged {place}; share the merge with: lab push && git push",
    "unknown": "git: {place} has new commits",
    "no-remote": "",
}


def _synced_lines(done: Synced, root: str) -> Iterator[str]:
    line = _HOW[done.how].format(place=done.place)
    if line:
        yield line
    width = max((len(show.from_here(change.path, root)) for change in done.changes), default=0)
    for change in done.changes:
        counts = f"+{change.added} -{change.deleted} ~{change.modified}"
        yield f"{show.from_here(change.path, root):<{width}}  {counts} files, {human_size(change.size)}"
    is_quiet = all(outcome.result in (Result.DONE, Result.ALREADY) for outcome in done.report.outcomes)
    if not done.changes and is_quiet and done.how != "unknown":
        yield "Every dataset of this machine is up to date."


def _synced_document(done: Synced, *, dry_run: bool) -> dict[str, object]:
    facts = show.report_document(done.report) | {"dry_run": dry_run}
    facts["git"] = {"how": done.how, "from": done.place or None}
    facts["datasets"] = [
        {
            "path": change.path,
            "added": change.added,
            "deleted": change.deleted,
            "modified": change.modified,
            "size_bytes": change.size,
        }
        for change in done.changes
    ]
    return facts
