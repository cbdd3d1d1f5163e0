"""`describe`, `search`: what the datasets of a project are, and where to find one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.show import from_here
from labops.cli.words import human_size
from labops.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from labops.drivers.git.authorship import Change
    from labops.formats.card import Card
    from labops.planning.search import Hit
    from labops.project import Project
    from labops.verbs.describe import Described, Description

_FIELDS = ("desc", "source", "licence", "citation", "contact", "type", "labels")
_TITLES = {"desc": "description", "source": "source", "licence": "licence", "citation": "citation",
           "contact": "contact", "type": "type", "labels": "labels"}  # fmt: skip
_WIDTH = 13
_MOST_FILES = 5
"""Files of one dataset that a search names; `-v` and `--json` name all."""


@click.command("describe", cls=Command)
@click.argument("target", metavar="[NAME]", required=False, type=click.Path())
@click.option("--desc", metavar="TEXT", help="A sentence about the data.")
@click.option("--source", metavar="URL", help="Where the data is from.")
@click.option("--licence", "--license", "licence", metavar="NAME", help="What others may do with it, e.g. CC-BY-4.0.")
@click.option("--citation", metavar="TEXT", help="How to cite it.")
@click.option("--contact", metavar="WHO", help="Whom to ask.")
@click.option("--type", metavar="TEXT", help="What kind of data it is, e.g. image.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="A label, in place of the old ones; repeatable.")
@click.option("--unset", multiple=True, type=click.Choice(_FIELDS), help="Remove an entry; repeatable.")
@click.option("--edit", "is_edit", is_flag=True, help="Change the card in your $EDITOR.")
@options.dry_run
@json_option
@pass_session
def describe(
    session: Session,
    /,
    target: str | None,
    labels: tuple[str, ...],
    unset: tuple[str, ...],
    is_edit: bool,
    dry_run: bool,
    **texts: str | None,
) -> int:
    """Show what is known about a dataset, or change it with the options below.

    Without NAME every dataset is listed with its description. The card is kept in the .dvc file, where dvc
    leaves it alone.
    """
    given: dict[str, str | tuple[str, ...]] = {name: text for name, text in texts.items() if text is not None}
    if labels:
        given["labels"] = labels
    _refuse_nonsense(target, given, unset, is_edit=is_edit)
    if target is None:
        return _list(session)
    if given or unset or is_edit:
        return _change(session, target, given, unset, is_edit=is_edit, dry_run=dry_run)
    from labops.verbs.describe import describe as verb

    project = session.project()
    description = verb(project, target)
    if session.is_json:
        session.show_json(description_document(description))
        return 0
    for line in _description_lines(description, project.root):
        session.say(line)
    return 0


def _refuse_nonsense(
    target: str | None, given: dict[str, str | tuple[str, ...]], unset: tuple[str, ...], *, is_edit: bool
) -> None:
    problem = ""
    if target is None and (given or unset or is_edit):
        problem = "a change needs the NAME of one dataset"
    elif is_edit and (given or unset):
        problem = "'--edit' takes no other change beside it"
    elif both := given.keys() & set(unset):
        problem = f"'{min(both)}' cannot be set and unset at once"
    if problem:
        raise InvalidInput(problem, code="bad-usage", hint="lab describe --help")


def _list(session: Session) -> int:
    from labops.verbs.describe import describe_all

    project = session.project()
    cards = describe_all(project)
    if session.is_json:
        session.show_json([{"path": path, **card_document(card)} for path, card in cards])
        return 0
    width = min(40, max((len(from_here(path, project.root)) for path, _ in cards), default=0))
    for path, card in cards:
        session.say(f"{from_here(path, project.root):<{width}}  {_first_line(card.desc)}".rstrip())
    if not cards:
        session.say("There are no datasets here yet. Start with: lab add <file or folder>")
    return 0


def _change(
    session: Session,
    target: str,
    given: dict[str, str | tuple[str, ...]],
    unset: tuple[str, ...],
    *,
    is_edit: bool,
    dry_run: bool,
) -> int:
    from labops.verbs.describe import edit_card

    project = session.project()
    if is_edit:  # before the lock: nobody should wait for somebody who writes
        edit = _edited(project, target)
        if edit is None:
            session.say("Nothing changed.")
            return 0
    else:
        removed: dict[str, str | tuple[str, ...]] = {name: () if name == "labels" else "" for name in unset}
        changes = removed | given

        def edit(card: Card) -> Card:
            return card._replace(**changes)  # type: ignore[arg-type]

    done = edit_card(project, target, edit, dry_run=dry_run)
    if session.is_json:
        document = description_document(done.description)
        session.show_json(document | {"changed_files": list(done.changed_files), "dry_run": dry_run})
        return 0
    for line in _change_lines(done, project.root, dry_run=dry_run):
        session.say(line)
    return 0


def _edited(project: Project, target: str) -> Callable[[Card], Card] | None:
    """The change that a person made in the editor; None when nothing was saved. What was typed is never lost."""
    from labops.formats.card import parse_card, render_card
    from labops.verbs.describe import describe as look
    from labops.verbs.describe import edit_card

    edit_card(project, target, lambda card: card, dry_run=True)  # refuses what cannot be edited before anyone types
    shown = look(project, target).card
    text = click.edit(render_card(shown, target), extension=".yaml")
    if text is None:
        return None
    try:
        new = parse_card(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, code=error.code, hint=f"{error.hint}; {_keep(project, text)}") from error

    def edit(card: Card) -> Card:
        if card != shown:
            raise Conflict(
                f"the card of '{target}' changed while you edited it", code="card-changed", hint=_keep(project, text)
            )
        return new

    return edit


def _keep(project: Project, text: str) -> str:
    """Put what was typed aside, and say where."""
    from labops.drivers import fs

    path = f"{project.state.folder}/card.yaml"
    fs.write_cache_file(path, text.encode("utf-8", "surrogateescape"))
    return f"your text is in '{path}'"


def _change_lines(done: Described, root: str, *, dry_run: bool) -> Iterator[str]:
    before, after = done.before._asdict(), done.description.card._asdict()
    changed = [name for name in _FIELDS if before[name] != after[name]]
    for name in changed:
        yield f"{_TITLES[name] + ':':<{_WIDTH}}{_shown(after[name]) or '(removed)'}"
    if not changed:
        yield "Nothing changed."
    elif dry_run:
        yield "dry run: nothing was written"
    elif done.changed_files:
        yield f"To keep it: git add {' '.join(from_here(file, root) for file in done.changed_files)}"


def card_document(card: Card) -> dict[str, object]:
    """A card as JSON: each entry, null where nothing is said."""
    return {name: (list(value) if name == "labels" else value or None) for name, value in card._asdict().items()}


def description_document(description: Description) -> dict[str, object]:
    """One dataset as JSON; times are UTC, ISO 8601."""
    return {
        "path": description.path,
        "file": description.file,
        "stage": description.stage or None,
        **card_document(description.card),
        "size_bytes": description.size,
        "nfiles": description.nfiles,
        "oid": description.oid,
        "added": _change_document(description.added),
        "changed": _change_document(description.changed),
    }


def _change_document(change: Change | None) -> dict[str, object] | None:
    if change is None:
        return None
    return {"author": change.author, "time": _time(change.time), "commit": change.sha, "message": change.subject}


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _description_lines(description: Description, root: str) -> Iterator[str]:
    yield from_here(description.path, root)
    rows = [(_TITLES[name], _shown(value)) for name, value in description.card._asdict().items()]
    size = human_size(description.size) if description.size is not None else ""
    if description.nfiles is not None and size:
        size += f", {description.nfiles:,} file{'s'[: description.nfiles != 1]}"
    rows += [("size", size), ("tracked by", from_here(description.file, root))]
    rows.append(("made by", description.stage and f"stage {description.stage}"))
    rows.append(("added", _who(description.added)))
    if description.is_history_cut:
        rows[-1] = ("added", "not known: this clone is shallow (git fetch --unshallow)")
    if description.changed != description.added:
        rows.append(("changed", _who(description.changed)))
    for title, text in rows:
        if text:
            yield f"  {title + ':':<{_WIDTH}}{text}"
    if description.card.texts() == () and not description.stage:
        yield f"Nothing is said about it yet: lab describe {from_here(description.path, root)} --edit"


def _who(change: Change | None) -> str:
    return f"{_time(change.time)[:10]} by {change.author}" if change else ""


def _shown(value: str | tuple[str, ...]) -> str:
    text = value if isinstance(value, str) else ", ".join(value)
    return text.rstrip().replace("\n", "\n" + " " * (_WIDTH + 2))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


@click.command("search", cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--files/--no-files", default=True, help="Look at the names of files inside datasets too (default).")
@json_option
@pass_session
def search(session: Session, words: tuple[str, ...], files: bool) -> int:
    """Find datasets that have every WORD in their name, their card or the name of a file.

    Case does not matter; *, ? and [ ] make a word a pattern, as in: lab search '*.tif' heart
    """
    from labops.verbs.search import search as verb

    project = session.project()
    with session.progress() as on_event:
        found = verb(project, words, files=files, on_event=on_event)
    if session.is_json:
        session.show_json({"hits": [_hit_document(hit) for hit in found.hits], "unread": list(found.unread)})
        return 0
    most = None if session.verbosity else _MOST_FILES
    for hit in found.hits:
        for line in _hit_lines(hit, project.root, most):
            session.say(line)
    if not found.hits:
        session.say("Nothing was found.")
    if found.unread:
        names = ", ".join(from_here(path, project.root) for path in found.unread[:_MOST_FILES])
        more = f" and {len(found.unread) - _MOST_FILES:,} more" if len(found.unread) > _MOST_FILES else ""
        session.warn(f"the listings of {names}{more} could not be read, so their files were not searched (lab fetch)")
    return 0


def _hit_document(hit: Hit) -> dict[str, object]:
    return {"path": hit.path, "match": hit.match, "desc": hit.desc or None, "files": list(hit.files)}


def _hit_lines(hit: Hit, root: str, most: int | None) -> Iterator[str]:
    yield f"{from_here(hit.path, root)}  {_first_line(hit.desc)}".rstrip()
    yield from (f"    {from_here(path, root)}" for path in hit.files[:most])
    if most is not None and len(hit.files) > most:
        yield f"    … and {len(hit.files) - most:,} more files (-v names them all)"
