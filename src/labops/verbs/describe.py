"""`describe`: the card of a dataset, shown or changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labops import pointers
from labops.drivers.git.authorship import Change, first_and_last
from labops.errors import InvalidInput
from labops.formats.card import Card, card_of, with_card
from labops.formats.dvcfile import parse_dvcfile, render_dvcfile
from labops.model import DvcFile, Output, Selection, Tracked, is_tree_oid
from labops.project import Project

Edit = Callable[[Card], Card]
"""Makes the new card from the old one."""


@dataclass(frozen=True, slots=True)
class Description:
    """One dataset as people ask about it. `size` is in bytes; paths are relative to the project's root."""

    path: str
    file: str
    card: Card
    size: int | None
    nfiles: int | None
    oid: str | None
    stage: str = ""
    """The pipeline stage that makes it, empty for a `.dvc` file."""
    added: Change | None = None
    changed: Change | None = None
    is_history_cut: bool = False
    """True in a shallow clone, which cannot say who added it."""


@dataclass(frozen=True, slots=True)
class Described:
    """A card after a change; `changed_files` are those git should see."""

    description: Description
    before: Card
    changed_files: tuple[str, ...] = ()


def describe(project: Project, target: str) -> Description:
    """The dataset that `target` names: a tracked path, its `.dvc` file or a stage with one output."""
    return _description(project, _one(project, target))


def describe_all(project: Project) -> list[tuple[str, Card]]:
    """Path and card of every dataset, by path; asks git nothing."""
    return sorted((item.path, card_of(item.output)) for item in project.tracked() if item.output.is_cached)


def edit_card(project: Project, target: str, edit: Edit, *, dry_run: bool = False) -> Described:
    """Change the card of `target` by `edit` and write its `.dvc` file; comments and the order of keys stay.

    Raises `InvalidInput` (`card-of-pipeline`) for the output of a stage, whose card is in `dvc.yaml`.
    """
    project = project.looking() if dry_run else project
    with project.lock():
        item = _one(project, target)
        if item.stage:
            raise InvalidInput(
                f"'{item.path}' is made by the stage '{item.address}', so its card is in '{item.file}'",
                code="card-of-pipeline",
                hint=f"write desc, type, labels or meta below this output in {item.file}",
                path=item.path,
            )
        before = card_of(item.output)
        output = with_card(item.output, edit(before))
        _refuse_unkept(output)
        changed: tuple[str, ...] = ()
        if output != item.output and not dry_run:
            pointers.save_output(project, item.file, output)
            changed = project.tell_git([item.file])
    new = Tracked(item.path, output, item.file)
    return Described(_description(project, new), before, changed)


def _refuse_unkept(output: Output) -> None:
    """Raise `InvalidInput` (`bad-card`) for a text that would read back as another one."""
    try:
        text = render_dvcfile(DvcFile((output,)))
        text.encode()
        (again,) = parse_dvcfile(text, name="card").outs
        is_kept = card_of(again) == card_of(output)
    except (UnicodeError, InvalidInput):
        is_kept = False
    if not is_kept:
        raise InvalidInput(
            "the card holds characters that a DVC file cannot keep",
            code="bad-card",
            hint="leave out control characters and bytes that are not UTF-8",
        )


def _one(project: Project, target: str) -> Tracked:
    selected = project.select(Selection((target,)))
    if len(selected) != 1:
        names = ", ".join(item.tracked.path for item in selected[:5])
        raise InvalidInput(
            f"'{target}' has {len(selected)} outputs, each with a card of its own",
            code="not-one-dataset",
            hint=f"name one of them: {names}" if names else "name a tracked path; `lab describe` lists them",
        )
    (item,) = selected
    if not item.is_whole:
        raise InvalidInput(
            f"'{target}' is a part of the dataset '{item.tracked.path}'",
            code="not-one-dataset",
            hint=f"lab describe {item.tracked.path}",
        )
    return item.tracked


def _description(project: Project, item: Tracked) -> Description:
    output = item.output
    history = None
    if project.git is not None:
        history = first_and_last(project.git, project.git_prefix + item.file)
    is_cut = project.git is not None and project.git.is_shallow
    added, changed = history or (None, None)
    is_file = output.oid is not None and not is_tree_oid(output.oid)
    return Description(
        item.path,
        item.file,
        card_of(output),
        output.size,
        1 if is_file else output.nfiles,
        output.oid,
        item.stage,
        None if is_cut else added,
        changed,
        is_cut,
    )
