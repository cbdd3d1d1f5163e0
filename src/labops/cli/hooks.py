"""`install`, `git-hook` and `merge-driver`: what git itself calls, and how it comes to do so."""

from __future__ import annotations

import os
import sys

import click

from labops.cli import show
from labops.cli.session import Command, Family, Session, json_option, pass_session
from labops.model import Result


@click.command("install", cls=Command)
@click.option(
    "--use-pre-commit-tool", is_flag=True, help="Write the hooks into .pre-commit-config.yaml, for that tool."
)
@json_option
@pass_session
def install(session: Session, use_pre_commit_tool: bool) -> int:
    """Let git keep pointers and data together: hooks, and the merge of datasets.

    Hooks that are there already are kept and run first. Each clone needs it once.
    """
    from labops.verbs.install import install as verb

    project = session.project()
    report = verb(project, use_pre_commit_tool=use_pre_commit_tool)
    new = [outcome.step.path for outcome in report.outcomes if outcome.result is Result.DONE]
    lines = [f"installed: {name}" for name in new]
    if use_pre_commit_tool and new:
        lines.append("now run: pre-commit install -t pre-commit -t pre-push -t post-checkout")
    if not new and report.outcomes:
        lines = ["Everything is installed already."]
    return show.show_report(session, report, lines, dry_run=False)


git_hook = Family("git-hook", help="What the hooks of `lab install` call.")


@git_hook.command("pre-push")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@pass_session
def pre_push(session: Session, words: tuple[str, ...]) -> None:
    """Refuse a push of commits whose data is not on the remote; what is pushed comes on standard input, as git says."""
    from labops.drivers.git.hooks import Ref, parse_refs
    from labops.verbs.git_hook import pre_push as verb
    from labops.verbs.git_hook import projects_of

    remote = words[0] if words else os.environ.get("PRE_COMMIT_REMOTE_NAME", "origin")
    tip = os.environ.get("PRE_COMMIT_TO_REF")  # the pre-commit tool tells it so
    if tip:
        refs = [Ref("", tip, "", os.environ.get("PRE_COMMIT_FROM_REF", ""))]
    else:
        refs = [] if sys.stdin is None or sys.stdin.isatty() else parse_refs(sys.stdin.read())
    with session.progress() as on_event:
        verb(projects_of(), remote, refs, on_event=on_event)


@git_hook.command("pre-commit")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@pass_session
def pre_commit(_session: Session, words: tuple[str, ...]) -> None:
    """Refuse to commit large data, keys and half-merged DVC files."""
    del words
    from labops.drivers.git import Git
    from labops.verbs.git_hook import pre_commit as verb

    repo = Git.find(".")
    if repo is not None:
        index = os.environ.get("GIT_INDEX_FILE", "")
        verb(repo, os.path.abspath(index) if index else "")


@git_hook.command("post-checkout")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@pass_session
def post_checkout(session: Session, words: tuple[str, ...]) -> int:
    """After a switch of branches: the workspace as its DVC files say, from the cache."""
    from labops.verbs.git_hook import post_checkout as verb
    from labops.verbs.git_hook import projects_of

    flag = os.environ.get("PRE_COMMIT_CHECKOUT_TYPE") or (words[2] if len(words) > 2 else "")
    code = 0
    for project in projects_of() if flag == "1" else ():
        with session.progress() as on_event:
            report = verb(project, flag, on_event=on_event)
        if report is not None:
            lines = show.shortened(show.workspace_lines(report, project.root))
            code = show.show_report(session, report, lines, dry_run=False, root=project.root) or code
    return code


@click.command("merge-driver", cls=Command)
@click.option("--ancestor", required=True, metavar="FILE", help="The version both sides come from (%O).")
@click.option("--our", required=True, metavar="FILE", help="Our version; the merge is written here (%A).")
@click.option("--their", required=True, metavar="FILE", help="Their version (%B).")
@click.option("--path", default="", metavar="PATH", help="The file's name in the repository (%P).")
def merge_driver(ancestor: str, our: str, their: str, path: str) -> None:
    """Merge two versions of a DVC file: called by git, set up by `lab init` and `lab install`."""
    from labops.verbs.merge_driver import Sides
    from labops.verbs.merge_driver import merge_driver as verb

    verb(Sides(ancestor, our, their, path))


git_hook.add_command(merge_driver)
