"""Options that several commands share, with dvc's letters and metavars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from labops.model import Selection

F = TypeVar("F", bound=Callable[..., Any])


def known_remotes(_context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    """Names of remotes for shell completion; none where the configuration cannot be read."""
    from labops.errors import LabError
    from labops.settings import find_root
    from labops.verbs.remotes import list_remotes

    try:
        return [row.name for row in list_remotes(find_root()) if row.name.startswith(start)]
    except LabError:
        return []


# `click.Path` checks nothing here; it makes shells complete file names.
targets = click.argument("targets", nargs=-1, type=click.Path(), metavar="[TARGETS]...")
some_targets = click.argument("targets", nargs=-1, type=click.Path(), required=True, metavar="TARGETS...")
remote = click.option(
    "-r", "--remote", metavar="NAME", shell_complete=known_remotes, help="The remote to use instead of the default one."
)
jobs = click.option(
    "-j", "--jobs", type=click.IntRange(min=1), metavar="NUMBER", help="How many transfers at once, at most."
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
with_deps = click.option("-d", "--with-deps", is_flag=True, help="Include everything the targets depend on.")
recursive = click.option("-R", "--recursive", is_flag=True, help="Include everything below target folders.")
glob = click.option("--glob", is_flag=True, help="Take targets as patterns (*, ?, [], **).")
no_relink = click.option("--no-relink", "relink", flag_value=False, type=bool, default=True,
                         help="Leave workspace files as they are, not linked to the cache.")  # fmt: skip
run_cache = click.option("--run-cache/--no-run-cache", default=False, help="Run history of stages: left to dvc.")
_all_branches = click.option("-a", "--all-branches", is_flag=True, help="Include every local branch.")
_all_tags = click.option("-T", "--all-tags", is_flag=True, help="Include every tag.")
_all_commits = click.option("-A", "--all-commits", is_flag=True, help="Include every commit.")


def revisions(function: F) -> F:
    """`-a`, `-T` and `-A`."""
    return _all_branches(_all_tags(_all_commits(function)))


def selection(targets: tuple[str, ...], **flags: bool) -> Selection:
    """The `Selection` that targets and flags of these names describe."""
    return Selection(targets=targets, **flags)
