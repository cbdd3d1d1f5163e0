"""`gc`, `du`, `cache migrate`, `destroy`: keeping disks, buckets and repositories in order."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from labops.cli import options, show
from labops.cli.app import use_dvc
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import human_size, join
from labops.errors import InvalidInput
from labops.model import Action, Plan

if TYPE_CHECKING:
    from labops.source import Source
    from labops.verbs.gc import Collected, GcOptions

_SHOWN = 100

_GC_OPTIONS = [
    click.option("-w", "--workspace", is_flag=True, help="Keep what the workspace uses (always kept)."),
    click.option("--rev", metavar="COMMIT", help="Keep what this commit uses."),
    click.option("-n", "--num", type=click.IntRange(min=1), metavar="N",
                 help="With --rev or -a: keep what the last N commits use."),
    click.option("-a", "--all-branches", is_flag=True,
                 help="Keep what every branch uses, local and remote-tracking."),
    click.option("-T", "--all-tags", is_flag=True, help="Keep what every tag uses."),
    click.option("-A", "--all-commits", is_flag=True, help="Keep what every commit uses."),
    click.option("--date", metavar="YYYY-MM-DD", help="Keep what the commits of this day and later use."),
    click.option("--all-experiments", is_flag=True, help="Left to dvc."),
    click.option("--not-in-remote", is_flag=True, help="Empty the cache of what is safe in the remote, used or not."),
    click.option("-c", "--cloud", is_flag=True, help="Clean the remote too."),
    options.remote,
    click.option("--skip-failed", is_flag=True, help="Go on without what cannot be read; its files count as unused."),
    click.option("-f", "--force", is_flag=True, help="Do not ask."),
    options.jobs,
    click.option("-p", "--projects", multiple=True, type=click.Path(), metavar="REPO",
                 help="Keep what this clone of another repository uses (may be given again)."),
    click.option("--dry", "--dry-run", "dry_run", is_flag=True, help="Show what would be removed, and do nothing."),
    click.option("--grace", envvar="LAB_GC_GRACE", default="14d", show_default=True, metavar="TIME",
                 help="Keep what is younger than this."),
    click.option("--restore", is_flag=False, flag_value="all", metavar="[DATE|all]",
                 help="Bring back what was removed (on that day)."),
    click.option("--empty-trash", is_flag=True, help="Delete for good what was removed."),
    click.option("--older-than", default="30d", show_default=True, metavar="TIME",
                 help="With --empty-trash: only what was removed this long ago."),
    click.option("--register", is_flag=True, help="Enter this repository into the remote's list of its users."),
    click.option("--forget", metavar="REPO", help="Take a repository off that list: what only it uses may go."),
]  # fmt: skip


def _gc_options(function: Any) -> Any:
    for option in reversed(_GC_OPTIONS):
        function = option(function)
    return function


@click.command("gc", cls=Command)
@_gc_options
@json_option
@pass_session
def gc(session: Session, /, **chosen: Any) -> int:
    """Move what nobody uses to the trash, in the cache and with -c in the remote.

    What cannot be read stops it. Nothing is lost: `--restore` brings all of it back until `--empty-trash`.
    """
    if chosen["restore"] is not None:
        return _restore(session, chosen)
    if chosen["empty_trash"]:
        return _empty_trash(session, chosen)
    if chosen["register"] or chosen["forget"]:
        return _list(session, chosen)
    from labops.verbs.gc import gc as verb

    wanted = _gc_asked(chosen)
    project = session.project()

    def confirm(planned: Collected) -> bool:
        for line in () if session.is_json else _sums(planned, is_cloud=chosen["cloud"]):
            session.say(line)
        return bool(chosen["force"]) or session.confirm(
            f"Move {_objects(planned.removed)} ({human_size(planned.removed_bytes)}) to the trash?"
        )

    with session.progress() as on_event:
        done = verb(project, wanted, confirm=confirm, dry_run=chosen["dry_run"], on_event=on_event)
    if session.is_json:
        document = show.report_document(done.report) | {"dry_run": chosen["dry_run"]}
        session.show_json(
            document | {"places": [place._asdict() for place in done.places], "others": list(done.others)}
        )
        return done.report.exit_code
    if chosen["dry_run"]:
        for warning in done.report.warnings:
            session.warn(warning)
        for line in [*_names(done.report.plan), *_sums(done, is_cloud=chosen["cloud"])]:
            session.say(line)
        return 0
    return show.show_report(session, done.report, _ending(done, is_cloud=chosen["cloud"]), dry_run=False)


def _gc_asked(chosen: dict[str, Any]) -> GcOptions:
    """The options of `gc`, checked as dvc checks them."""
    from labops.planning.gc import parse_duration
    from labops.reachability import Revisions
    from labops.verbs.gc import GcOptions

    if chosen["all_experiments"]:
        raise use_dvc("gc", "--all-experiments")
    scopes = ("workspace", "all_branches", "all_tags", "all_commits", "date", "rev")
    if not any(chosen[name] for name in scopes):
        raise _misuse(
            "say what to keep: -w, -a, -T, -A, --date or --rev", "keep what every branch and tag uses: lab gc -aT"
        )
    if chosen["num"] and not (chosen["rev"] or chosen["all_branches"]):
        raise _misuse("'--num' goes with '--rev' or '--all-branches'", "lab gc -a -n 3")
    if chosen["cloud"] and chosen["not_in_remote"]:
        raise _misuse("'--cloud' and '--not-in-remote' exclude each other", "lab gc -w --not-in-remote")
    return GcOptions(
        Revisions(
            chosen["rev"] or "",
            chosen["num"] or 1,
            chosen["all_branches"],
            chosen["all_tags"],
            chosen["all_commits"],
            chosen["date"] or "",
        ),
        cloud=chosen["cloud"],
        remote=chosen["remote"],
        not_in_remote=chosen["not_in_remote"],
        skip_failed=chosen["skip_failed"],
        jobs=chosen["jobs"],
        projects=chosen["projects"],
        grace=parse_duration(chosen["grace"]),
    )


def _misuse(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, code="bad-gc-options", hint=hint)


def _objects(number: int) -> str:
    return f"{number:,} object{'s' if number != 1 else ''}"


def _names(plan: Plan) -> Iterator[str]:
    for step in plan.steps[:_SHOWN]:
        yield f"  {step.path}  ({human_size(step.size or 0)})"
    if len(plan.steps) > _SHOWN:
        yield f"  … and {len(plan.steps) - _SHOWN:,} more (--json has them all)"


def _sums(planned: Collected, *, is_cloud: bool) -> Iterator[str]:
    """What goes and what stays, a line for each place that holds anything."""
    for place in planned.places:
        if place.removed + place.used + place.young == 0:
            continue
        name = place.place if place.layout == "3.x" else f"{place.place} (dvc 2.x)"
        stays = [f"{_objects(place.used)} ({human_size(place.used_bytes)}) in use"]
        if place.young:
            stays.append(f"{_objects(place.young)} ({human_size(place.young_bytes)}) younger than the grace period")
        yield f"{name}: {_objects(place.removed)} ({human_size(place.removed_bytes)}) unused; {join(stays)}"
    for other in planned.others:
        yield f"counted too: {other}"
    if is_cloud and not planned.others:
        yield "no other repository is known to use this remote; if one does, name a clone of it with -p"


def _ending(done: Collected, *, is_cloud: bool) -> Iterator[str]:
    number = done.report.count(Action.DELETE)
    if not done.report.plan.steps:
        if any(place.young for place in done.places):
            yield from _sums(done, is_cloud=is_cloud)
        yield "Nothing to remove."
    elif number:
        flag = " -c" if is_cloud else ""
        yield f"Moved {_objects(number)} to the trash."
        yield f"Bring them back:        lab gc{flag} --restore"
        yield f"Free the room for good: lab gc{flag} --empty-trash --older-than 0"


def _restore(session: Session, chosen: dict[str, Any]) -> int:
    from labops.verbs.trash import restore

    project = session.project()
    with session.progress() as on_event:
        report = restore(
            project,
            chosen["restore"],
            cloud=chosen["cloud"],
            remote=chosen["remote"],
            dry_run=chosen["dry_run"],
            on_event=on_event,
        )
    number = report.count(Action.CREATE)
    lines = [f"Restored {_objects(number)}."] if number else ["Nothing to restore."]
    return show.show_report(session, report, lines, dry_run=chosen["dry_run"])


def _empty_trash(session: Session, chosen: dict[str, Any]) -> int:
    from labops.planning.gc import parse_duration
    from labops.verbs.trash import empty_trash

    project = session.project()

    def confirm(plan: Plan) -> bool:
        question = f"Delete {_objects(len(plan.steps))} ({human_size(plan.bytes)}) for good?"
        return bool(chosen["force"]) or session.confirm(question)

    with session.progress() as on_event:
        report = empty_trash(
            project,
            parse_duration(chosen["older_than"]),
            cloud=chosen["cloud"],
            remote=chosen["remote"],
            confirm=confirm,
            dry_run=chosen["dry_run"],
            on_event=on_event,
        )
    number = report.count(Action.DELETE)
    size = sum(step.size or 0 for step in report.plan.steps)
    nothing = f"Nothing in the trash is older than {chosen['older_than']}."
    lines = [f"Deleted {_objects(number)} ({human_size(size)})."] if number else [nothing]
    return show.show_report(session, report, lines, dry_run=chosen["dry_run"])


def _list(session: Session, chosen: dict[str, Any]) -> int:
    """`--register` and `--forget`: the remote's list of the repositories that share it."""
    from labops import neighbours

    project = session.project()
    said = []
    if chosen["forget"]:
        gone = neighbours.forget(project, chosen["forget"], chosen["remote"])
        said.append(f"Took '{gone.name}' off the list.")
    if chosen["register"]:
        known = neighbours.read_list(project, chosen["remote"])
        if neighbours.register(project, chosen["remote"], known=known):
            said.append(f"Entered '{neighbours.identity(project).name}' into the list.")
    known = neighbours.read_list(project, chosen["remote"])
    if session.is_json:
        session.show_json({"repositories": [entry._asdict() for entry in known]})
        return 0
    for line in said:
        session.say(line)
    for entry in known:
        session.say(f"  {entry.name}  ({entry.member or 'somebody'}, {entry.time[:10]})")
    return 0


@click.command("du", cls=Command)
@click.argument("url", required=False, type=click.Path(), metavar="[URL]")
@click.argument("path", required=False, type=click.Path(), metavar="[PATH]")
@click.option("--rev", metavar="COMMIT", help="At this commit instead of in the workspace.")
@click.option("-s", "--summarize", is_flag=True, help="Only the total.")
@json_option
@pass_session
def du(session: Session, url: str | None, path: str | None, rev: str | None, summarize: bool) -> int:
    """Say how much room the files of a repository take, tracked data included.

    URL is a folder or the address of a git repository, PATH is in it; without URL the repository around you is
    meant, and a URL that is no repository is a PATH there. PATH may be NAME@VERSION.
    """
    from labops.source.versions import at_version
    from labops.verbs.du import du as verb

    source, inside = at_version(*_source_of(session, url, path, rev))
    usage = verb(source, inside)
    for warning in source.warnings:
        session.warn(warning)
    rows = [] if summarize or usage.is_file else list(usage.rows)
    if session.is_json:
        entries = [{"path": row.path, "size_bytes": row.size} for row in rows]
        session.show_json({"path": inside, "size_bytes": usage.total, "entries": entries})
        return 0
    lines = [(_natural(row.size), row.path) for row in rows] + [(_natural(usage.total), inside)]
    width = max(len(size) for size, _ in lines)
    for size, name in lines:
        session.say(f"{size:<{width}}  {name}".rstrip())
    return 0


def _source_of(session: Session, url: str | None, path: str | None, rev: str | None) -> tuple[Source, str]:
    """The source that the two words of `du` mean, and a path from its root."""
    from labops.source import open_source

    if url is None or (path is None and "://" not in url and not _is_repository(url)):
        project = session.project()
        inside = project.relative(url) if url is not None else ""
        return open_source(project.root, rev), "" if inside == "." else inside
    inside = posixpath.normpath(path) if path else ""
    return open_source(url, rev), "" if inside == "." else inside


def _is_repository(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in (".dvc", ".git"))


def _natural(size: int | None) -> str:
    """A size as dvc's `du` prints it: 1.50k."""
    if size is None:
        return "?"
    if size < 1024:
        return str(size)
    value = float(size)
    for unit in ("", "k", "M", "G", "T", "P", "E"):
        if value < 999.5:
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
        value /= 1024
    return f"{value:.1f}Z"


@click.command("destroy", cls=Command)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@options.dry_run
@json_option
@pass_session
def destroy(session: Session, force: bool, dry_run: bool) -> int:
    """Make a plain git repository of the project: remove its DVC files, its settings and its own cache.

    The data in the workspace stays. Versions that are only in that cache are gone.
    """
    from labops.verbs.destroy import destroy as verb

    project = session.project()

    def confirm(plan: Plan, cached: int) -> bool:
        cache = f" with {_objects(cached)} ({human_size(plan.bytes)}) in the cache" if cached else ""
        question = f"Remove {len(plan.steps) - 1} DVC files and .dvc{cache}? What is in no remote is lost."
        return force or session.confirm(question)

    report = verb(project, confirm=confirm, dry_run=dry_run)
    return show.show_report(session, report, [], dry_run=dry_run, root=project.root)
