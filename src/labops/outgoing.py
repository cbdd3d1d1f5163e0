"""Outgoing: which datasets the commits about to be pushed point at, and which of their objects the remote lacks."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from labops import exchange, index
from labops.drivers.git import Git
from labops.drivers.git import hooks as git
from labops.errors import Conflict, InvalidInput
from labops.model import HashName, Oid, OnEvent, Result, Selected, Tracked, ignore
from labops.project import Project

_PATTERNS = ("*.dvc", "dvc.lock")
_NAMED = 10


class Outgoing(NamedTuple):
    """What new commits point at: every version of every dataset that their DVC files name, once.

    `broken` are the DVC files that cannot be read, with what is wrong: those a tip still holds.
    """

    selected: tuple[Selected, ...]
    broken: tuple[InvalidInput, ...] = ()

    def without(self, contents: Iterable[tuple[Oid, HashName] | None]) -> Outgoing:
        """The rest, where some contents are known to be on their remote."""
        known = set(contents)
        outputs = ((item, item.tracked.output) for item in self.selected)
        return self._replace(selected=tuple(item for item, out in outputs if (out.oid, out.hash_name) not in known))


def find_outgoing(project: Project, tips: Sequence[str], known: Iterable[str], remote: str) -> Outgoing:
    """The pointers of the project in the commits of `tips` that the git remote `remote` has not.

    `known` are further commits that the other side is known to have.
    """
    repo, prefix = project.git, project.git_prefix
    assert repo is not None
    inside = tuple(f"{folder}/" for folder in git.project_folders(repo) if f"{folder}/".startswith(prefix) and folder)
    inner = tuple(place for place in inside if place != prefix)
    changes = [
        change
        for change in git.new_files(repo, tips, known, remote, _PATTERNS)
        if change.path.startswith(prefix) and not (inner and change.path.startswith(inner))
    ]
    changes = [change for change in changes if not index.is_left_out(change.path.removeprefix(prefix), project.rules)]
    pointers = [change for change in changes if change.path.endswith(".dvc")]
    items, broken = _pointers(repo, prefix, pointers, tips)
    locks: dict[str, set[str]] = {}
    for change in changes:
        if change.path.endswith("dvc.lock"):
            locks.setdefault(change.commit, set()).add(posixpath.dirname(change.path.removeprefix(prefix)))
    for commit, folders in locks.items():
        tracked = index.load_revision(repo, commit, prefix)
        items += [item for item in tracked if item.stage and posixpath.dirname(item.file) in folders]
    unique = {(item.path, item.output.oid, item.output.hash_name, item.output.remote): item for item in items}
    return Outgoing(tuple(Selected(item) for item in unique.values() if item.output.oid is not None), tuple(broken))


def _pointers(
    repo: Git, prefix: str, changes: Sequence[git.Changed], tips: Sequence[str]
) -> tuple[list[Tracked], list[InvalidInput]]:
    """The outputs of `.dvc` files. One that no tip holds any more may be broken: it was mended since."""
    items: list[Tracked] = []
    broken = []
    texts = repo.read_blobs(change.blob for change in changes)
    for change, (_, data) in zip(changes, texts, strict=True):
        file = change.path.removeprefix(prefix)
        text = data.decode("utf-8", "replace")
        try:
            items += index.load([file], {file: text}.get)
        except InvalidInput as error:
            if any(repo.files_at(tip, (change.path,)).get(change.path) == change.blob for tip in tips):
                broken.append(error)
    return items, broken


def refuse_broken(found: Outgoing) -> None:
    """Raise the first error of a DVC file that nobody could read after the push."""
    for error in found.broken:
        error.hint = error.hint or "mend it and commit again, before others get it"
        raise error


def refuse_missing(project: Project, found: Outgoing, *, remote: str | None = None, on_event: OnEvent = ignore) -> None:
    """Raise `Conflict` (`data-not-on-remote`) when the data remote lacks an object of what is pushed."""
    if not found.selected:
        return
    rows = exchange.compare(project, found.selected, remote=remote, jobs=None, on_event=on_event)
    lacking = sorted({name: is_here for name, is_here, is_there in rows if not is_there}.items())
    if not lacking:
        return
    names = [name for name, _ in lacking]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    plural = "s" if len(names) > 1 else ""
    raise Conflict(
        f"the remote lacks the data of {len(names)} file{plural} that the commits point at: "
        f"{', '.join(names[:_NAMED])}{more}",
        code="data-not-on-remote",
        hint=_command(project, found, lacking),
    )


def cover(
    project: Project, found: Outgoing, *, remote: str | None, jobs: int | None, on_event: OnEvent = ignore
) -> None:
    """Send what the data remote lacks of what is pushed; raises as `refuse_missing` does for what is not here."""
    if not found.selected:
        return
    with project.lock():
        done = exchange.push(project, found.selected, remote=remote, jobs=jobs, on_event=on_event)
    if any(outcome.result in (Result.FAILED, Result.SKIPPED) for outcome in done.outcomes):
        refuse_missing(project, found, remote=remote, on_event=on_event)
        raise next(outcome.error for outcome in done.outcomes if outcome.error is not None)


def _command(project: Project, found: Outgoing, lacking: Sequence[tuple[str, bool]]) -> str:
    """What brings the data there; an older version takes `--all-commits`."""
    import shlex

    names = [name for name, _ in lacking]
    wanted = [
        item.tracked
        for item in found.selected
        if any(name == item.tracked.path or name.startswith(item.tracked.path + "/") for name in names)
    ]
    now = {item.path: item.output.oid for item in project.tracked()}
    is_old = any(now.get(item.path) != item.output.oid for item in wanted)
    targets = dict.fromkeys(item.path for item in wanted if item.path in now)
    command = shlex.join(["lab", "push", *(["--all-commits"] if is_old else []), *targets])
    if not all(is_here for _, is_here in lacking):
        return f"{command} (on the machine where it was added: this one does not have all of it)"
    return command
