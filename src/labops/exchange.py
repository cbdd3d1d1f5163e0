"""Exchange: objects between the cache and a remote, in the order that keeps both sides valid.

A tree object is shown on a remote only after every one of its files was seen there; its presence is never
taken as proof of theirs. What comes in is hashed before it gets its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from labops import transfer
from labops.errors import Corrupt, LabError, NotFound, Unsupported
from labops.formats.dirfile import render_tree
from labops.model import (
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
    is_tree_oid,
)
from labops.places.cache import Batch, Cache
from labops.planning.exchange import Wanted, is_complete, plan_fetch, plan_push
from labops.project import Project
from labops.sides import Side, jobs_for, sides
from labops.trees import Trees


@dataclass(slots=True)
class Exchange:
    """What an exchange planned and what became of it, added up over remotes and kinds of hash."""

    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return Plan(tuple(self.steps))

    def fail(self, name: str, error: LabError, oid: Oid | None = None) -> None:
        """Something wanted could not even be planned."""
        step = Step(Action.MISSING, name, oid, reason=error.message)
        self.steps.append(step)
        self.outcomes.append(Outcome(step, Result.FAILED, error))


def _movable(exchange: Exchange, selected: Iterable[Selected]) -> list[Selected]:
    """The outputs that have objects at all; the rest is said and left."""
    movable = []
    for item in selected:
        output = item.tracked.output
        if not output.is_cached:
            continue
        if output.is_cloud_versioned:
            message = f"'{item.tracked.path}' lives in a cloud-versioned remote"
            exchange.fail(item.tracked.path, Unsupported(message, code="cloud-versioned", hint="use dvc for it"))
        elif output.oid is None:
            exchange.warnings.append(f"'{item.tracked.path}' has no hash yet: commit it first ({item.tracked.address})")
        else:
            movable.append(item)
    return movable


# -- push ---------------------------------------------------------------------------------------------


def push(
    project: Project,
    selected: Sequence[Selected],
    *,
    remote: str | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Exchange:
    """Bring what is selected to its remote.

    Everything wanted that neither side has is a failed outcome. A tree object follows its files, and is held
    back, with a warning, while the remote lacks one of them.
    """
    exchange = Exchange()
    movable = [item for item in _movable(exchange, selected) if _is_pushed(item)]
    for side in sides(project, movable, remote, jobs):
        _push_side(exchange, side, dry_run=dry_run, on_event=on_event)
    return exchange


def _is_pushed(item: Selected) -> bool:
    return item.tracked.output.is_pushed and not item.tracked.is_repo_import


def _push_side(exchange: Exchange, side: Side, *, dry_run: bool, on_event: OnEvent) -> None:
    wanted = _wanted(exchange, side, Trees(side), on_event)
    everything = {oid for item in wanted for oid in item.tree.oids()}
    present = side.remote.contains(everything, on_event=on_event) if everything else set()
    sizes = {oid: size for oid in everything - present if (size := side.cache.size(oid)) is not None}
    plan = plan_push(wanted, on_remote=present, sizes=sizes)
    exchange.steps += plan.steps
    if dry_run:
        return
    for step in plan.of(Action.MISSING):
        exchange.outcomes.append(Outcome(step, Result.FAILED, _nowhere(step)))
    uploads = plan.of(Action.UPLOAD)
    files = [step for step in uploads if step.oid and not is_tree_oid(step.oid)]
    trees = [step for step in uploads if step.oid and is_tree_oid(step.oid)]
    done = _upload(exchange, side, files, on_event)
    _upload_trees(exchange, side, wanted, present | done, trees)


def _upload(exchange: Exchange, side: Side, steps: Sequence[Step], on_event: OnEvent) -> set[Oid]:
    """Send these objects and make them durable; those that arrived."""

    def work(step: Step) -> None:
        assert step.oid is not None
        side.remote.upload(step.oid, side.cache.path(step.oid), step.size or 0)

    forks = side.remote.forks
    outcomes = transfer.apply(steps, work, phase="pushing", jobs=side.jobs, forks=forks, on_event=on_event)
    done = {outcome.step.oid for outcome in outcomes if outcome.step.oid and outcome.result is not Result.FAILED}
    side.remote.finish(done)
    exchange.outcomes += [_quarantined(side.cache, outcome) for outcome in outcomes]
    return done


def _quarantined(cache: Cache, outcome: Outcome) -> Outcome:
    """What was not what its name promises goes to quarantine, so that the next fetch gets a good one."""
    if isinstance(outcome.error, Corrupt) and outcome.step.oid:
        try:
            cache.verify(outcome.step.oid)
        except LabError as error:
            return outcome._replace(error=error)
    return outcome


def _upload_trees(
    exchange: Exchange, side: Side, wanted: Sequence[Wanted], on_remote: set[Oid], steps: Sequence[Step]
) -> None:
    trees = {item.tree.oid: item.tree for item in wanted}
    for step in steps:
        assert step.oid is not None
        tree = trees[step.oid]
        if is_complete(tree, on_remote):
            _upload(exchange, side, [step], ignore)
            continue
        lacking = sum(entry.oid not in on_remote for entry in tree.entries)
        exchange.outcomes.append(Outcome(step, Result.SKIPPED))
        exchange.warnings.append(
            f"the listing of '{step.path}' is held back: {lacking} of its {tree.nfiles} files are not on the remote, "
            f"so nobody could pull it whole; push all of it to publish it"
        )


_ELSEWHERE = "lab push on a machine that has it; when lab gc has removed it: lab gc -c --restore"


def _nowhere(step: Step) -> NotFound:
    return NotFound(
        f"'{step.path}' is neither in the cache nor on the remote",
        code="object-nowhere",
        hint=_ELSEWHERE,
        path=step.path,
        oid=step.oid,
    )


# -- fetch --------------------------------------------------------------------------------------------


def fetch(
    project: Project,
    selected: Sequence[Selected],
    *,
    remote: str | None = None,
    jobs: int | None = None,
    max_size: int | None = None,
    is_thorough: bool = False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Exchange:
    """Bring what is selected into the cache.

    With `is_thorough` objects that are there, but that nobody hashed since they last changed, are checked
    first and fetched again when bad. `max_size` (bytes) leaves out larger single files.
    """
    exchange = Exchange()
    movable = []
    for item in _movable(exchange, selected):
        size = item.tracked.output.size
        if max_size is not None and size is not None and size > max_size and not _is_dir(item):
            continue
        if item.tracked.is_repo_import:
            if not _is_here(project, item, is_thorough=is_thorough):
                _fetch_import(project, exchange, item, jobs, dry_run=dry_run, on_event=on_event)
        elif not _is_here(project, item, is_thorough=is_thorough):
            movable.append(item)
    for side in sides(project, movable, remote, jobs):
        _fetch_side(exchange, side, is_thorough=is_thorough, dry_run=dry_run, on_event=on_event)
    return exchange


def _is_dir(item: Selected) -> bool:
    return is_tree_oid(item.tracked.output.oid or Oid(""))


def _is_here(project: Project, item: Selected, *, is_thorough: bool) -> bool:
    """True when the cache has all of the output, so that no remote need be asked or even configured."""
    cache = project.cache(item.tracked.output.hash_name)
    oid = item.tracked.output.oid
    assert oid is not None
    try:
        tree = cache.read_tree(oid)
    except (NotFound, Corrupt):
        return False
    wanted = {entry.oid for entry in tree.entries if item.covers(entry.path)}
    return not cache.missing(wanted) and not (is_thorough and cache.unverified(wanted))


def _fetch_import(
    project: Project, exchange: Exchange, item: Selected, jobs: int | None, *, dry_run: bool, on_event: OnEvent
) -> None:
    """Data imported from another repository never lies on our remote: it is fetched from there."""
    from labops import imports  # other repositories are much to load, for something rare

    try:
        taken = imports.fetch_import(project, item, jobs=jobs, dry_run=dry_run, on_event=on_event)
    except LabError as error:
        exchange.fail(item.tracked.path, error, item.tracked.output.oid)
        return
    exchange.steps += taken.steps
    exchange.outcomes += taken.outcomes
    exchange.warnings += taken.warnings


def _fetch_side(exchange: Exchange, side: Side, *, is_thorough: bool, dry_run: bool, on_event: OnEvent) -> None:
    trees = Trees(side)
    wanted = _wanted(exchange, side, trees, on_event)
    files = {oid for item in wanted for oid, _ in item.named_oids()}
    absent = side.cache.missing(files)
    if is_thorough and not dry_run:
        absent |= _bad(side.cache, side.cache.unverified(files - absent), on_event)
    plan = plan_fetch(wanted, absent=absent)
    tree_steps = [Step(Action.DOWNLOAD, name + "/", oid, len(data)) for oid, (name, data) in trees.fetched.items()]
    exchange.steps += [*plan.steps, *tree_steps]
    if dry_run or not exchange.steps:
        return
    with side.cache.batch() as batch:
        outcomes = _download(side, batch, plan.steps, on_event)
        for oid, (_, data) in trees.fetched.items():
            batch.store_bytes(oid, data)
    exchange.outcomes += outcomes
    exchange.outcomes += [Outcome(step, Result.DONE) for step in tree_steps]


def fetch_entries(
    project: Project,
    item: Tracked,
    entries: Sequence[Entry],
    *,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Exchange:
    """Bring these files of one output into the cache, and nothing else of it."""
    exchange = Exchange()
    absent = project.cache(item.output.hash_name).missing({entry.oid for entry in entries})
    if absent:
        assert item.output.oid is not None
        wanted = Wanted(item.path, Tree(item.output.oid, tuple(entries)))
        exchange.steps += plan_fetch([wanted], absent=absent).steps
        (side,) = sides(project, [Selected(item)], None, jobs)
        if not dry_run:
            with side.cache.batch() as batch:
                exchange.outcomes += _download(side, batch, exchange.steps, on_event)
    return exchange


def _bad(cache: Cache, oids: Sequence[Oid], on_event: OnEvent) -> set[Oid]:
    """Hash these objects; the bad ones, which are in quarantine now."""
    results = transfer.each(oids, cache.verify, phase="verifying", on_event=on_event)
    cache.save()
    return {oid for oid, result in zip(oids, results, strict=True) if isinstance(result, LabError)}


def _download(side: Side, batch: Batch, steps: Sequence[Step], on_event: OnEvent) -> list[Outcome]:
    def work(step: Step) -> tuple[str, int]:
        assert step.oid is not None
        try:
            return batch.fetch(step.oid, side.remote.download)
        except NotFound as error:
            error.hint = error.hint or _ELSEWHERE
            raise

    def keep(step: Step, made: tuple[str, int]) -> None:
        assert step.oid is not None
        batch.enter(step.oid, *made)

    def expect(step: Step) -> None:
        assert step.oid is not None
        side.remote.expect(step.oid)

    are_small = all(item.tracked.output.mean_size <= transfer.SMALL for item in side.selected)
    return transfer.apply(
        steps, work, phase="fetching", jobs=side.jobs, forks=side.remote.forks, keep=keep,
        expect=expect if are_small and side.remote.can_expect else None, on_event=on_event,
    )  # fmt: skip


# -- what is wanted -----------------------------------------------------------------------------------


def _wanted(exchange: Exchange, side: Side, trees: Trees, on_event: OnEvent) -> list[Wanted]:
    """The selected parts of the side's outputs as trees; an output whose listing is nowhere fails."""
    trees.load(side.selected, on_event)
    wanted = []
    for item in side.selected:
        oid = item.tracked.output.oid
        assert oid is not None
        tree = trees.get(oid)
        if isinstance(tree, NotFound):
            exchange.fail(item.tracked.path, _nowhere(Step(Action.MISSING, item.tracked.path, oid)), oid)
        elif isinstance(tree, LabError):
            exchange.fail(item.tracked.path, tree, oid)
        else:
            wanted.append(Wanted(item.tracked.path, tree, _paths(item, tree)))
    return wanted


def _paths(item: Selected, tree: Tree) -> frozenset[RelPath] | None:
    if item.is_whole or not tree.is_dir:
        return None
    return frozenset(entry.path for entry in tree.entries if item.covers(entry.path))


def send(
    project: Project,
    tree: Tree,
    files: Mapping[Oid, str],
    *,
    remote: str | None,
    jobs: int | None,
    on_event: OnEvent = ignore,
) -> None:
    """Upload a tree straight from `files` (oid → path), past the cache; raises the first error."""
    settings = project.remote_settings(remote)
    place = project.remote(settings.name, HashName.MD5)
    present = place.contains(set(tree.oids()), on_event=on_event)
    steps = [
        Step(Action.UPLOAD, str(entry.path), entry.oid, entry.size)
        for entry in {entry.oid: entry for entry in tree.entries}.values()
        if entry.oid not in present
    ]

    def work(step: Step) -> None:
        assert step.oid is not None
        place.upload(step.oid, files[step.oid], step.size or 0)

    jobs = jobs_for(project, settings.name, jobs)
    for outcome in transfer.apply(steps, work, phase="pushing", jobs=jobs, forks=place.forks, on_event=on_event):
        if outcome.error is not None:
            raise outcome.error
    place.finish({step.oid for step in steps if step.oid})
    if tree.is_dir and tree.oid not in present:
        place.upload_bytes(tree.oid, render_tree(tree.entries))
        place.finish()


def compare(
    project: Project,
    selected: Sequence[Selected],
    *,
    remote: str | None,
    jobs: int | None,
    on_event: OnEvent = ignore,
) -> list[tuple[str, bool, bool]]:
    """(path, is in the cache, is on the remote) of every object of what is selected, folders by their bare name."""
    rows: list[tuple[str, bool, bool]] = []
    exchange = Exchange()
    movable = [item for item in _movable(exchange, selected) if _is_pushed(item)]
    for side in sides(project, movable, remote, jobs):
        trees = Trees(side)
        wanted = _wanted(exchange, side, trees, on_event)
        objects = [(oid, name) for item in wanted for oid, name in item.named_oids()]
        objects += [(item.tree.oid, item.name) for item in wanted if item.tree.is_dir]
        oids = {oid for oid, _ in objects}
        absent = side.cache.missing(oids) - trees.fetched.keys()  # dvc has got those by the time it compares
        present = side.remote.contains(oids, on_event=on_event) if oids else set()
        rows += [(name, oid not in absent, oid in present) for oid, name in objects]
    rows += [(outcome.step.path, False, False) for outcome in exchange.outcomes]
    return rows
