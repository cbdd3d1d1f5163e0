"""Materialising: the workspace made equal to what is tracked, from the cache, never over unsaved work."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace

from labops import transfer
from labops.drivers import fs
from labops.errors import Conflict, Corrupt, InvalidInput, LabError, NotFound
from labops.formats.statefile import pack_fingerprint
from labops.model import (
    HERE,
    Action,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    RelPath,
    Result,
    Selected,
    Step,
    Tracked,
    Tree,
    ignore,
)
from labops.places.cache import Cache
from labops.places.workspace import Recall
from labops.planning.checkout import Sides, as_mapping, plan_checkout
from labops.project import Project
from labops.survey import Survey, survey

_PRIVATE = {".git", ".dvc", ".hg"}

Rows = dict[RelPath, tuple[bytes, Oid]]
"""Path inside an output → packed fingerprint and oid of the file there."""


class _Everything:
    """Contains whatever is asked."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING: Container[RelPath] = _Everything()
"""For `relinking`: every file of the selected outputs."""


@dataclass(frozen=True, slots=True)
class Placement:
    """One output to materialise: what it is now, what it should be, and the steps between."""

    selected: Selected
    survey: Survey
    want: tuple[Entry, ...]
    is_dir: bool
    plan: Plan

    @property
    def name(self) -> str:
        return self.selected.tracked.path

    @property
    def is_new(self) -> bool:
        return self.survey.is_missing

    def shown(self, step: Step) -> Step:
        """A step with the path that people know."""
        return step._replace(path=f"{self.name}/{step.path}" if step.path else self.name)


@dataclass(slots=True)
class Materialised:
    """What was planned and done, output by output; `summary` are the outputs that changed as a whole."""

    placements: list[Placement] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return Plan(tuple(p.shown(step) for p in self.placements for step in p.plan.steps))

    def changed_outputs(self) -> tuple[tuple[str, str], ...]:
        """(`A` | `M` | `D`, path) of each output that was changed, folders ending with `/`."""
        done = {outcome.step.path for outcome in self.outcomes if outcome.result is Result.DONE}
        rows = {}
        for placement in self.placements:
            if any(placement.shown(step).path in done for step in placement.plan.steps):
                letter = "A" if placement.is_new else "M"
                rows[placement.name + ("/" if placement.is_dir else "")] = letter
        return tuple((letter, name) for name, letter in rows.items())

    def has_corrupt(self) -> bool:
        """True when an object was put in quarantine, so that fetching it again may help."""
        return any(isinstance(outcome.error, Corrupt) for outcome in self.outcomes) or bool(self.warnings)

    def then(self, later: Materialised) -> Materialised:
        """Both, where `later` was a second try at what had failed."""
        kept = [outcome for outcome in self.outcomes if outcome.result is not Result.FAILED]
        return Materialised(self.placements + later.placements, kept + later.outcomes, later.warnings)


def materialise(
    project: Project,
    selected: Sequence[Selected],
    *,
    is_forced: bool = False,
    relinking: Container[RelPath] = frozenset(),
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Materialised:
    """Make the workspace hold what is selected; files in `relinking` are linked anew though unchanged.

    Raises `Conflict` (`unsaved-changes`) before anything is touched when unsaved work is in the way. Missing
    or corrupt objects are failed outcomes; everything else is placed all the same.
    """
    done = Materialised()
    for item in selected:
        if item.tracked.output.oid is None or not item.tracked.output.is_cached:
            continue
        _place_one(project, done, item, is_forced=is_forced, relinking=relinking, on_event=on_event)
    _refuse_conflicts(done.plan)
    if not dry_run:
        try:
            for placement in done.placements:
                _apply(project, done, placement, on_event)
        finally:
            project.workspace.close()
    return done


def place_tree(
    project: Project, item: Tracked, now: Survey, tree: Tree, *, dry_run: bool = False, on_event: OnEvent = ignore
) -> Materialised:
    """Make `item` in the workspace, surveyed as `now`, hold `tree`, whatever its pointer says.

    Raises as `materialise` does. Entries that are in the workspace already need no object.
    """
    wanted = Selected(replace(item, output=item.output._replace(oid=tree.oid)))
    cache = project.cache(item.output.hash_name)
    done = Materialised([_plan_one(cache, wanted, now, tree, is_forced=False, relinking=frozenset())])
    _refuse_conflicts(done.plan)
    if not dry_run:
        try:
            _apply(project, done, done.placements[0], on_event)
        finally:
            project.workspace.close()
    return done


def _place_one(
    project: Project,
    done: Materialised,
    item: Selected,
    *,
    is_forced: bool,
    relinking: Container[RelPath],
    on_event: OnEvent,
) -> None:
    output = item.tracked.output
    cache = project.cache(output.hash_name)
    now = survey(project, item.tracked.path, output.hash_name, on_event=on_event)
    assert output.oid is not None
    is_bit_lost = output.is_executable and now.oid == output.oid and not now.is_executable
    if is_bit_lost and not cache.missing([output.oid]):
        relinking = frozenset([HERE])
    if now.oid == output.oid and relinking == frozenset():
        return
    try:
        tree = cache.read_tree(output.oid)
    except (NotFound, Corrupt) as error:
        step = Step(Action.MISSING, item.tracked.path, output.oid, reason="its listing is not in the cache")
        plan = Plan((step._replace(path=""),))
        done.placements.append(Placement(item, now, (), is_dir=True, plan=plan))
        if isinstance(error, Corrupt):
            done.warnings.append(error.message)
        return
    is_saved = is_forced or _is_saved_otherwise(project, item, now)
    done.placements.append(_plan_one(cache, item, now, tree, is_forced=is_saved, relinking=relinking))


def _is_saved_otherwise(project: Project, item: Selected, now: Survey) -> bool:
    """True when the cache of the other kind of hash has all that is here: between versions of DVC 2.x and 3.x."""
    name = item.tracked.output.hash_name
    if now.is_missing or not project.cache(name).missing(entry.oid for entry in now.entries()):
        return False
    (other,) = set(HashName) - {name}
    if not project.state.load(item.tracked.path, other).directories:
        return False  # it never was of the other kind here
    elsewhere = survey(project, item.tracked.path, other)
    return not project.cache(other).missing(entry.oid for entry in elsewhere.entries())


def _plan_one(
    cache: Cache, item: Selected, now: Survey, tree: Tree, *, is_forced: bool, relinking: Container[RelPath]
) -> Placement:
    """Compare the two sides of one output, as far as it was asked for."""
    refuse_private_names(item.tracked.path, tree)
    want = as_mapping([entry for entry in tree.entries if not tree.is_dir or item.covers(entry.path)])
    have = as_mapping([entry for entry in now.entries() if item.is_whole or item.covers(entry.path)])
    changing = {have[path] for path in have if have[path] != want.get(path)}
    needed = {oid for path, oid in want.items() if path in relinking or have.get(path) != oid}
    sides = Sides(item.tracked.path, want, have, lost=cache.missing(needed), unsaved=cache.missing(changing))
    plan = plan_checkout(sides, is_forced=is_forced, relinking=relinking)
    return Placement(item, now, tree.entries, tree.is_dir, plan)


def refuse_private_names(path: str, tree: Tree) -> None:
    """Raise `InvalidInput` (`unsafe-path`) for a listing of `path` that names git's or dvc's own files."""
    for entry in tree.entries:
        if not _PRIVATE.isdisjoint(entry.path.lower().split("/")):
            raise InvalidInput(
                f"the listing of '{path}' names '{entry.path}', inside a private folder of git or dvc",
                code="unsafe-path",
                hint="do not trust where this dataset came from",
            )


def _refuse_conflicts(plan: Plan) -> None:
    conflicts = plan.conflicts
    if not conflicts:
        return
    names = [step.path for step in conflicts]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    raise Conflict(
        f"changes in {len(names)} file{'s'[: len(names) > 1]} are saved nowhere: {', '.join(names[:10])}{more}",
        code="unsaved-changes",
        hint="keep them with: lab add (or lab commit); throw them away with: --force",
    )


# -- apply --------------------------------------------------------------------------------------------


def _apply(project: Project, done: Materialised, placement: Placement, on_event: OnEvent) -> None:
    output = placement.selected.tracked.output
    cache = project.cache(output.hash_name)
    steps = placement.plan.steps
    making = (Action.CREATE, Action.REPLACE)
    bad = verify_doubtful(cache, {step.oid for step in steps if step.oid and step.action in making}, on_event)
    rows: Rows = {}
    first = len(done.outcomes)
    for is_deletion, run in itertools.groupby(steps, key=lambda step: step.action is Action.DELETE):
        if is_deletion:
            done.outcomes += _delete(project, placement, list(run))
            continue
        able = []
        for step in run:
            error = _missing(placement, step) if step.action is Action.MISSING else bad.get(step.oid or Oid(""))
            if error is None:
                able.append(step)
            else:
                done.outcomes.append(Outcome(step, Result.FAILED, error))
        done.outcomes += _make(project, cache, placement, able, rows, on_event)
    if placement.is_dir and not placement.want and not placement.plan.of(Action.MISSING):
        project.workspace.make_folder(project.absolute(placement.name))
    is_done = not any(outcome.error for outcome in done.outcomes[first:])
    _remember(project, placement, rows, is_done=is_done)
    # Names for people come last: with a million files they need not lie beside what is remembered.
    for index in range(first, len(done.outcomes)):
        outcome = done.outcomes[index]
        done.outcomes[index] = outcome._replace(step=placement.shown(outcome.step))


def _missing(placement: Placement, step: Step) -> NotFound:
    shown = placement.shown(step)
    return NotFound(
        f"'{shown.path}' cannot be made: {step.reason}",
        code="not-in-cache",
        hint=f"get it with: lab pull {placement.name}",
        path=shown.path,
        oid=step.oid,
    )


def verify_doubtful(cache: Cache, oids: Iterable[Oid], on_event: OnEvent) -> dict[Oid, LabError]:
    """Hash the objects that changed, or were made by others, since labops last looked; the bad ones."""
    doubtful = cache.unverified(oids)
    results = transfer.each(doubtful, cache.verify, phase="verifying", on_event=on_event)
    cache.save()
    cache.let_go()
    return {oid: result for oid, result in zip(doubtful, results, strict=True) if isinstance(result, LabError)}


def _make(
    project: Project,
    cache: Cache,
    placement: Placement,
    steps: Sequence[Step],
    rows: Rows,
    on_event: OnEvent,
) -> list[Outcome]:
    """Create and replace files from the cache; what was written goes into `rows`."""
    workspace = project.workspace
    is_executable = placement.selected.tracked.output.is_executable and not placement.is_dir
    # A link would share its mode with the cache object, which must stay 0444.
    types = ("reflink", "copy") if is_executable else ()

    def work(step: Step) -> fs.Fingerprint:
        assert step.oid is not None
        made = workspace.temporary()
        cache.link(step.oid, made, types=types, mode=0o766 if is_executable else 0o666)
        return workspace.place(made, _location(project, placement, step))

    workspace.open_bench()

    def keep(step: Step, made: fs.Fingerprint) -> None:
        assert step.oid is not None
        rows[RelPath(step.path)] = (pack_fingerprint(*made), step.oid)

    values = transfer.each(steps, work, phase="checking out", forks="files", keep=keep, on_event=on_event)
    return [transfer.outcome_of(step, value) for step, value in zip(steps, values, strict=True)]


def _delete(project: Project, placement: Placement, steps: Sequence[Step]) -> list[Outcome]:
    emptied = set()
    for step in steps:
        path = _location(project, placement, step)
        project.workspace.remove(path)
        if step.path:
            emptied.add(path.rpartition("/")[0])
    project.workspace.prune(emptied, top=project.absolute(placement.name), is_top_kept=placement.is_dir)
    return [Outcome(step, Result.DONE) for step in steps]


def _location(project: Project, placement: Placement, step: Step) -> str:
    top = project.absolute(placement.name)
    return f"{top}/{step.path}" if step.path else top


def _remember(project: Project, placement: Placement, rows: Rows, *, is_done: bool) -> None:
    """Record what was just written beside what was seen before, so that the next command need not read it.

    A file that could not be placed is still the one seen before: only when all `is_done` is this the tree.
    """
    output = placement.selected.tracked.output
    clock_ns = project.state.clock_ns()
    scan = project.workspace.scan(project.absolute(placement.name))
    before = placement.survey.recall.rows()
    recall = Recall.of_rows(scan, before | rows if before else rows)
    is_whole = is_done and not recall.unknown and placement.selected.is_whole
    tree_oid = output.oid if is_whole and output.oid and len(placement.want) == scan.nfiles else ""
    project.state.save(placement.name, output.hash_name, recall.table(tree_oid, clock_ns))
