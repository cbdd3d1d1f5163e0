"""`log`, `tag`, `diff`: the versions of datasets, their names, and what differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labops.cli import options, pasts
from labops.cli.session import Command, Session, json_option, pass_session
from labops.errors import InvalidInput

if TYPE_CHECKING:
    from labops.project import Project

names = click.argument("names", nargs=-1, type=click.Path(), metavar="[NAME]...")


@click.command("log", cls=Command)
@names
@click.option("-n", "--number", type=click.IntRange(min=1), metavar="N", help="Only the N newest versions.")
@json_option
@pass_session
def log(session: Session, names: tuple[str, ...], number: int | None) -> int:
    """List the versions of datasets, newest first.

    Versions are read from git: v1, v2, … are the successive contents in the history of HEAD. + - ~ count the
    files that are new, gone and changed since the version before; '-' where that is not known here. A '*' marks
    the version that the DVC file in your workspace names. Without NAME: one line for each dataset.
    """
    from labops.verbs.log import log as verb
    from labops.verbs.log import overview

    project = session.project()
    found = verb(project, names, most=number) if names else overview(project)
    for warning in found.warnings:
        session.warn(warning)
    if session.is_json:
        session.show_json(pasts.log_document(found.rows))
        return 0
    for line in pasts.log_lines(found.rows) if names else pasts.overview_lines(found.rows):
        session.say(line)
    if not found.rows:
        session.say("Nothing is tracked here yet.\nStart with: lab add <file or folder>")
    return 0


@click.command("tag", cls=Command)
@click.argument("name", required=False, type=click.Path())
@click.argument("tag", required=False)
@click.option("-m", "--message", metavar="MSG", default="", help="What the tag is for.")
@click.option("--rev", metavar="VERSION", help="Tag this version (v2, a commit, a day) instead of the one in HEAD.")
@click.option("-d", "--delete", is_flag=True, help="Take the tag away; the version stays.")
@options.dry_run
@json_option
@pass_session
def tag(
    session: Session, name: str | None, tag: str | None, message: str, rev: str | None, delete: bool, dry_run: bool
) -> int:
    """Name a version of a dataset, so that NAME@TAG finds it.

    The name is an annotated git tag called NAME@TAG: `git push origin NAME@TAG` shares it. NAME may carry a
    version itself (NAME@v2). Without TAG the tags there are get listed.
    """
    from labops.verbs import tag as verbs

    if tag is None and (message or rev or delete):
        raise InvalidInput("no tag is given", code="bad-usage", hint="lab tag NAME TAG")
    project = session.project()
    if name is None or tag is None:
        rows = verbs.list_tags(project, name)
        if session.is_json:
            session.show_json([pasts.tag_document(row) for row in rows])
            return 0
        for line in pasts.tag_lines(rows):
            session.say(line)
        return 0
    if delete:
        row = verbs.delete_tag(project, name, tag, dry_run=dry_run)
        said = [f"Deleted the tag '{row.git_name}'; where it was pushed: git push --delete origin '{row.git_name}'"]
    else:
        path, version = _with_version(project, name, rev)
        row = verbs.make_tag(project, path, tag, version=version, message=message, dry_run=dry_run)
        label = row.version.label if row.version else row.commit[:7]
        said = [f"'{row.path}@{row.tag}' is {label}", f"Share it with: git push origin '{row.git_name}'"]
    if session.is_json:
        session.show_json(pasts.tag_document(row) | {"dry_run": dry_run})
        return 0
    for line in [f"dry run: {said[0]}; nothing was done"] if dry_run else said:
        session.say(line)
    return 0


def _with_version(project: Project, name: str, rev: str | None) -> tuple[str, str | None]:
    """`NAME@v2` or NAME with `--rev`, not both."""
    from labops.formats.reference import parse_reference

    tracked = {item.path for item in project.tracked()}
    reference = parse_reference(name, lambda text: project.relative(text) in tracked)
    if reference.version and rev:
        raise InvalidInput(f"'{name}' names a version, and --rev another", code="bad-usage", hint="lab tag NAME@v2 TAG")
    return reference.path, reference.version or rev


class _Targets(Command):
    """`--targets a b c`: as in dvc, the option takes every word up to the next option."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        spread: list[str] = []
        is_inside = False
        for at, word in enumerate(words):
            if word == "--":
                spread += words[at:]
                break
            if word == "--targets":
                is_inside = True
            elif word.startswith("-"):
                is_inside = False
                spread.append(word)
            else:
                spread.append(f"--targets={word}" if is_inside else word)
        return super().parse_args(context, spread)


@click.command("diff", cls=_Targets)
@click.argument("a", required=False, metavar="[A]")
@click.argument("b", required=False, metavar="[B]")
@click.option("--targets", multiple=True, type=click.Path(), metavar="PATHS...", help="Compare only these.")
@click.option("--show-hash", is_flag=True, help="Show the hash of each entry.")
@click.option("--md", "markdown", is_flag=True, help="Print a Markdown table.")
@click.option("--hide-missing", is_flag=True, help="Do not list what the cache lacks.")
@click.option("--stat", is_flag=True, help="Only count files and bytes.")
@json_option
@pass_session
def diff(
    session: Session,
    a: str | None,
    b: str | None,
    targets: tuple[str, ...],
    show_hash: bool,
    markdown: bool,
    hide_missing: bool,
    stat: bool,
) -> int:
    """Show what changed in the data between A and B.

    A and B are git revisions (HEAD and the workspace by default), or versions of a dataset: NAME@v1 NAME@v3
    lists each file with its sizes. NAME@v1 alone is compared with the workspace.
    """
    from labops.verbs.diff import diff as verb
    from labops.verbs.diff_versions import diff_versions

    project = session.project()
    with session.progress() as on_event:
        comparison = diff_versions(project, a, b, on_event=on_event)
        if comparison is None:
            found = verb(project, a or "HEAD", b, targets=targets, on_event=on_event)
        else:
            _refuse_targets(targets)
            found = comparison.difference
    for warning in comparison.warnings if comparison else ():
        session.warn(warning)
    hides = hide_missing or b is not None or comparison is not None
    if session.is_json:
        session.show_json(pasts.diff_document(found, show_hash=show_hash, hides=hides, comparison=comparison))
        return 0
    if stat:
        lines = pasts.stat_lines(found, comparison)
    elif markdown:
        lines = pasts.markdown_lines(found, show_hash=show_hash, hides=hides)
    else:
        lines = pasts.diff_lines(found, show_hash=show_hash, hides=hides, comparison=comparison)
    for line in lines:
        session.say(line)
    return 0


def _refuse_targets(targets: tuple[str, ...]) -> None:
    if targets:
        raise InvalidInput(
            "versions of a dataset are compared whole, without --targets",
            code="bad-usage",
            hint="name a part in the version itself: lab diff NAME/part@v1 NAME/part@v2",
        )
