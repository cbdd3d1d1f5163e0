"""`init`, `root`, `version`, `completion`: getting started, and where one stands."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import click

from labops.cli import show
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import human_size, join
from labops.errors import NotFound

if TYPE_CHECKING:
    from labops.verbs.version import ProjectFacts

_INITIALIZED = """\
Initialized DVC repository.
{commit}
What's next?
------------
- Choose where the data goes:  lab remote add -d storage <url or folder>
- Track some data:             lab add <file or folder>
- Send it there:               lab push"""


@click.command("init", cls=Command)
@click.argument("directory", default=".", required=False, type=click.Path(), metavar="[DIRECTORY]")
@click.option("--no-scm", is_flag=True, help="Work without git.")
@click.option("-f", "--force", is_flag=True, help="Reset the settings of an existing project; its cache is kept.")
@click.option("--subdir", is_flag=True, help="Make a project of a folder inside a git repository.")
@json_option
@pass_session
def init(session: Session, directory: str, no_scm: bool, force: bool, subdir: bool) -> int:
    """Make a DVC project of the git repository at DIRECTORY (here, if not given)."""
    from labops.verbs.init import init as verb

    report = verb(directory, no_scm=no_scm, force=force, subdir=subdir)
    commit = "" if no_scm else "\nYou can now commit the changes to git.\n"
    return show.show_report(session, report, [_INITIALIZED.format(commit=commit)], dry_run=False)


@click.command("root", cls=Command)
@json_option
@pass_session
def root(session: Session) -> None:
    """Print the way from here to the root of the project."""
    way = os.path.relpath(session.project().root)
    if session.is_json:
        session.show_json({"root": way})
    else:
        session.say(way)


@click.command("version", cls=Command)
@json_option
@pass_session
def version(session: Session) -> None:
    """Describe this installation, the project around it and its disks."""
    from labops.verbs.version import describe

    try:
        project = session.project()
    except NotFound:
        project = None
    facts = describe(project)
    if session.is_json:
        session.show_json(dataclasses.asdict(facts))
        return
    title = f"labops version: {facts.version}"
    lines = [title, "-" * len(title), f"Platform: Python {facts.python} on {facts.platform}"]
    if facts.project is not None:
        found = facts.project
        kinds = join(found.cache_link_types) or "none"
        lines += [
            f"Project: {found.root} ({found.kind})",
            f"Cache: {found.cache_dir} ({_cache_size(found) if found.has_cache else 'not there yet'})",
            f"Cache types that work here: {kinds}; checkout uses: {found.link_type}"
            + (" (data takes room twice)" if found.link_type == "copy" else ""),
            f"Free disk space: {human_size(found.free_bytes)}",
            f"Remotes: {', '.join(f'{name} ({url})' for name, url in found.remotes) or 'none'}",
        ]
    for line in lines:
        session.say(line)


def _cache_size(found: ProjectFacts) -> str:
    plural = "" if found.cache_objects == 1 else "s"
    about = "about " if found.is_estimated else ""
    return f"{found.cache_objects:,} object{plural}, {about}{human_size(found.cache_bytes)}"


@click.command("completion", cls=Command)
@click.option(
    "-s", "--shell", type=click.Choice(["bash", "zsh", "fish"]), default="bash", show_default=True, help="Your shell."
)
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print a script that teaches your shell to complete `lab`.

    For bash: `lab completion -s bash > ~/.local/share/bash-completion/completions/lab`
    """
    from click.shell_completion import get_completion_class

    from labops.cli.app import COMPLETE_VARIABLE, root

    cls = get_completion_class(shell)
    assert cls is not None
    script = cls(root, {}, "lab", COMPLETE_VARIABLE)
    # Not `.source()`: it would run bash to look at its version, and the shell at hand need not be this one.
    session.say(script.source_template % script.source_vars())
