"""Following: a dataset of the workspace goes where its pointer went, without touching what is saved nowhere.

Three sides: the version it came from, the workspace, and the new version. Where the workspace is still the first,
it becomes the last. Where someone has worked in it, their changes stay, the others come, and a file that
both sides changed is named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labops import exchange, index
from labops.drivers import fs
from labops.errors import Conflict, LabError
from labops.formats.dirfile import render_tree, tree_oid
from labops.history import Version, read_versions
from labops.materialise import Materialised, materialise, place_tree
from labops.model import (
    Action,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Output,
    Result,
    Selected,
    Step,
    Tracked,
    Tree,
    file_tree,
    ignore,
    is_tree_oid,
    parse_oid,
)
from labops.planning.merge import Clash, follow_files
from labops.project import Project
from labops.survey import Survey, survey
from labops.trees import Peek, fetch_tree

Content = tuple[Oid, HashName]


class Change(NamedTuple):
    """What became different in one dataset of the workspace: files, and the bytes of those that came."""

    path: str
    added: int = 0
    deleted: int = 0
    modified: int = 0
    size: int = 0

    @property
    def is_any(self) -> bool:
        return any(self[1:4])


@dataclass
class Followed:
    """What following planned and what became of it."""

    change: Change
    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_applied(self) -> bool:
        """True when the workspace is where it should be, but for files that both sides changed."""
        return not any(one.error is not None and one.error.code != "changed-on-both-sides" for one in self.outcomes)

    def fail(self, path: str, error: LabError) -> None:
        """The dataset could not follow, or not with all of its files."""
        step = Step(Action.CONFLICT if isinstance(error, Conflict) else Action.MISSING, path, reason=error.message)
        self.steps.append(step)
        self.outcomes.append(Outcome(step, Result.FAILED, error))


class _Goal(NamedTuple):
    """Where the workspace is to go: a tree of its own where someone has worked in it, else the pointer's."""

    now: Survey
    tree: Tree | None
    clashes: tuple[Clash, ...] = ()


def content_of(output: Output) -> Content | None:
    """What says which bytes an output is; None before it was committed."""
    return None if output.oid is None else (output.oid, output.hash_name)


def follow(
    project: Project,
    item: Tracked,
    base: Content,
    *,
    jobs: int | None = None,
    is_fetch_only: bool = False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Followed:
    """Bring the dataset `item` in the workspace from `base` to its pointer; the caller holds the lock.

    `is_fetch_only` stops when the objects that this takes are in the cache. What cannot be done is a failed
    outcome. Files that both sides changed stay ours (`changed-on-both-sides`).
    """
    done = Followed(Change(item.path))
    try:
        goal = _goal(project, item, base, is_dry=dry_run, on_event=on_event)
        if goal is None:
            return done
        if goal.tree is None:
            got = exchange.fetch(project, [Selected(item)], jobs=jobs, dry_run=dry_run, on_event=on_event)
        else:
            have = {entry.path: entry.oid for entry in goal.now.entries()}
            needed = [entry for entry in goal.tree.entries if have.get(entry.path) != entry.oid]
            got = exchange.fetch_entries(project, item, needed, jobs=jobs, dry_run=dry_run, on_event=on_event)
        done.steps += got.steps
        done.outcomes += got.outcomes
        done.warnings += got.warnings
        if is_fetch_only:
            return done
        if goal.tree is None:
            placed = materialise(project, [Selected(item)], dry_run=dry_run, on_event=on_event)
        else:
            placed = place_tree(project, item, goal.now, goal.tree, dry_run=dry_run, on_event=on_event)
        _add(project, done, item, placed, is_dry=dry_run)
        if goal.clashes:
            done.fail(item.path, _both(item.path, goal.clashes))
    except Conflict as error:
        done.fail(item.path, error)
    return done


def _goal(project: Project, item: Tracked, base: Content, *, is_dry: bool, on_event: OnEvent) -> _Goal | None:
    """None where nothing is to be done."""
    output = item.output
    now = survey(project, item.path, output.hash_name, remember=not is_dry, on_event=on_event)
    if now.oid == output.oid:
        return None
    was = now
    if base[1] is not output.hash_name:
        was = survey(project, item.path, base[1], remember=not is_dry, on_event=on_event)
    if was.oid == base[0] or item.is_repo_import:
        return _Goal(now, None)
    if base[1] is not output.hash_name:
        raise _both(item.path, (Clash("", "upgraded from dvc 2.x there and changed here"),))
    try:
        new, old = (_tree(project, item, oid, is_dry=is_dry, on_event=on_event) for oid in (output.oid, base[0]))
    except LabError as error:
        raise Conflict(
            f"'{item.path}' was changed here, and what changed elsewhere cannot be told: {error.message}",
            code="stale-workspace",
            hint=f"try again when the remote can be reached; yours is untouched (to give it up: lab checkout --force "
            f"'{item.path}')",
        ) from error
    mine = now.tree()
    if mine is None or not (mine.is_dir and new.is_dir and old.is_dir):
        raise _both(item.path, (Clash("", "changed on both sides, differently"),))
    merged = follow_files(old.entries, mine.entries, new.entries)
    return _Goal(now, _tree_of(merged.entries), merged.clashes)


def _tree(project: Project, item: Tracked, oid: Oid | None, *, is_dry: bool, on_event: OnEvent) -> Tree:
    assert oid is not None
    if not is_tree_oid(oid):
        return file_tree(oid)
    wanted = Tracked(item.path, item.output._replace(oid=oid), item.file)
    if not is_dry:
        return fetch_tree(project, wanted, on_event=on_event)
    return Peek(project).tree(wanted) or fetch_tree(project, wanted, on_event=on_event)


def _tree_of(entries: Sequence[Entry]) -> Tree:
    return Tree(tree_oid(render_tree(entries)), tuple(entries))


def _both(path: str, clashes: Sequence[Clash]) -> Conflict:
    named = [f"{path}/{clash.path}: {clash.what}" if clash.path else f"{path}: {clash.what}" for clash in clashes]
    more = f"; and {len(named) - 10} more" if len(named) > 10 else ""
    return Conflict(
        f"{'; '.join(named[:10])}{more}",
        code="changed-on-both-sides",
        hint=f"yours are kept; to publish them over theirs: lab publish '{path}' -m MESSAGE; to take theirs: "
        f"lab checkout --force '{path}'",
        path=path,
    )


def _add(project: Project, done: Followed, item: Tracked, placed: Materialised, *, is_dry: bool) -> None:
    failed = {outcome.step.oid for outcome in done.outcomes if outcome.error}
    named = {step.oid for step in done.steps}
    done.steps += [step for step in placed.plan.steps if step.action is not Action.MISSING or step.oid not in named]
    done.outcomes += [one for one in placed.outcomes if one.error is None or one.step.oid not in failed]
    done.warnings += placed.warnings
    done.outputs += placed.changed_outputs()
    steps = placed.plan.steps if is_dry else [one.step for one in placed.outcomes if one.result is Result.DONE]
    cache = project.cache(item.output.hash_name)
    came = [step.oid for step in steps if step.oid and step.action in (Action.CREATE, Action.REPLACE)]
    made, gone, new = (
        sum(step.action is action for step in steps) for action in (Action.CREATE, Action.DELETE, Action.REPLACE)
    )
    done.change = Change(item.path, made, gone, new, sum(cache.size(oid) or 0 for oid in came))


# -- which datasets -----------------------------------------------------------------------------------


def present(project: Project) -> dict[str, Content]:
    """The datasets that lie in the workspace, even in part, and what their pointers say."""
    found = {}
    for item in project.tracked():
        content = content_of(item.output)
        if content and item.output.is_cached and _is_present(project.absolute(item.path)):
            found[item.path] = content
    return found


def _is_present(path: str) -> bool:
    """True for a file, and for a folder with anything in it."""
    return os.path.lexists(path) and (not os.path.isdir(path) or os.path.islink(path) or bool(fs.names_in(path)))


def incoming(project: Project, before: Mapping[str, Content], tip: str) -> dict[str, Tracked]:
    """Those of the datasets in `before` that are another version at the commit `tip`."""
    assert project.git is not None
    return {
        item.path: item
        for item in index.load_revision(project.git, tip, project.git_prefix)
        if item.path in before and content_of(item.output) not in (None, before[item.path])
    }


# -- what is on its way -------------------------------------------------------------------------------


class OnTheWay:
    """The datasets that have yet to follow their pointer, and where they came from: written before pointers move.

    A sync that was killed in between leaves it behind, so that the next one knows which files are whose.
    """

    def __init__(self, project: Project) -> None:
        self._path = os.path.join(project.state.folder, "on-the-way.json")
        self.bases: dict[str, Content] = {}
        try:
            rows = json.loads(fs.read_cache_file(self._path) or b"{}")
            self.bases = {path: (parse_oid(oid), HashName(name)) for path, (oid, name) in rows.items()}
        except (ValueError, TypeError, AttributeError, LabError):
            self.bases = {}  # damaged: the datasets count as changed by their owner, and stay

    def start(self, bases: Mapping[str, Content]) -> None:
        """Remember these; what is known about a path already stays, since it is older."""
        self._save({**bases, **self.bases})

    def arrived(self, path: str) -> None:
        """The dataset is where its pointer is."""
        if path in self.bases:
            self._save({known: base for known, base in self.bases.items() if known != path})

    def _save(self, bases: Mapping[str, Content]) -> None:
        if bases != self.bases:
            self.bases = dict(bases)
            fs.make_folder(os.path.dirname(self._path))
            fs.write_atomic(self._path, json.dumps(self.bases).encode())

    def __contains__(self, path: str) -> bool:
        return path in self.bases


def catch_up(
    project: Project, items: Sequence[Tracked], *, jobs: int | None = None, on_event: OnEvent = ignore
) -> Followed:
    """Let those of `items` follow that a merge has moved ahead of their data; the caller holds the lock.

    Raises `Conflict` (`stale-workspace`) for one that cannot: it must not be looked at as the newest version.
    """
    every = Followed(Change(""))
    way = OnTheWay(project)
    for item in items:
        if item.path not in way:
            continue
        if way.bases[item.path] != content_of(item.output):
            done = follow(project, item, way.bases[item.path], jobs=jobs, on_event=on_event)
            every.steps += done.steps
            every.outcomes += done.outcomes
            if not done.is_applied:
                error = next(one.error for one in done.outcomes if one.error is not None)
                raise Conflict(
                    f"'{item.path}' has to be brought up to date first: {error.message}",
                    code="stale-workspace",
                    hint="lab sync",
                    path=item.path,
                ) from error
        way.arrived(item.path)
    return every


def refuse_stale(project: Project, items: Sequence[Tracked]) -> None:
    """Raise `Conflict` (`stale-workspace`) for what lies here as an earlier version, untouched.

    Its pointer was moved by a merge: to track what is here would take back what others have added.
    """
    for item in items:
        older = older_version(project, item)
        if older is not None:
            raise Conflict(
                f"'{item.path}' is still {older.label} here, and its DVC file is further: publishing would take back "
                "what came since",
                code="stale-workspace",
                hint=f"bring it up to date: lab sync; to go back on purpose: lab add '{item.path}', then publish",
                path=item.path,
            )


def older_version(project: Project, item: Tracked, *, remember: bool = True) -> Version | None:
    """The version that lies here, where that is not the pointer's; None for the pointer's and for no version at all."""
    name = item.output.hash_name
    now = survey(project, item.path, name, remember=remember)
    if now.oid in (None, item.output.oid):
        return None
    try:
        versions = read_versions(project, item.path)
    except LabError:
        return None
    return next((version for version in versions if version.content == (now.oid, name)), None)
