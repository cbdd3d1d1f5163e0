"""Deciding about a home, path by path, from three sides: the base, the folder here, the home there.

Pure: whoever looks passes in what it saw. *Changed* means changed in content: a side is the same as the
base when its fingerprint or mark is, or else when the md5 of its content is.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from labops.agreement import Here, Known, There, is_comparable
from labops.errors import Conflict


class Mode(enum.StrEnum):
    """Which sides may be written."""

    SYNC = "sync"
    PUSH = "push"
    PULL = "pull"


class Do(enum.StrEnum):
    """What is to be done about one path."""

    KEEP = "keep"
    """Both sides are what they were."""
    AGREE = "agree"
    """Both sides have the same content; only the base does not know it yet."""
    FORGET = "forget"
    """Gone from both sides."""
    UPLOAD = "upload"
    DOWNLOAD = "download"
    MOVE = "move"
    """Renamed here: a copy inside the home, then the old name goes."""
    DELETE_THERE = "delete-there"
    DELETE_HERE = "delete-here"
    CONFLICT = "conflict"
    """Changed on both sides: both contents are kept, one under a new name."""
    LEAVE = "leave"
    """The sides differ and this mode has nothing to do about it."""


class Side(enum.Enum):
    """What became of one side since the base: the words of the decision table."""

    ABSENT = "absent"
    SAME = "same"
    CHANGED = "changed"


class Step(NamedTuple):
    """One decision. `here` and `there` are what was seen, and what must still be so when it is applied."""

    do: Do
    path: str
    size: int = 0
    reason: str = ""
    here: Here | None = None
    there: There | None = None
    source: str = ""
    """For a move: the old name."""


class HomePlan(NamedTuple):
    """What is to be done, in path order, and how many paths are the same on both sides."""

    steps: tuple[Step, ...]
    kept: int

    def of(self, *kinds: Do) -> tuple[Step, ...]:
        """The steps of these kinds, in order."""
        return tuple(step for step in self.steps if step.do in kinds)

    @property
    def is_idle(self) -> bool:
        """True when no side would be written."""
        return not any(step.do in WRITING for step in self.steps)


WRITING = frozenset({Do.UPLOAD, Do.DOWNLOAD, Do.MOVE, Do.DELETE_HERE, Do.DELETE_THERE, Do.CONFLICT})

_TWO_WAY: dict[tuple[Side, Side], tuple[Do, str]] = {
    (Side.SAME, Side.SAME): (Do.KEEP, ""),
    (Side.SAME, Side.CHANGED): (Do.DOWNLOAD, "changed there"),
    (Side.SAME, Side.ABSENT): (Do.DELETE_HERE, "deleted there"),
    (Side.CHANGED, Side.SAME): (Do.UPLOAD, "changed here"),
    (Side.CHANGED, Side.CHANGED): (Do.CONFLICT, "changed on both sides"),
    (Side.CHANGED, Side.ABSENT): (Do.UPLOAD, "deleted there, but changed here"),
    (Side.ABSENT, Side.SAME): (Do.DELETE_THERE, "deleted here"),
    (Side.ABSENT, Side.CHANGED): (Do.DOWNLOAD, "deleted here, but changed there"),
    (Side.ABSENT, Side.ABSENT): (Do.FORGET, ""),
}
"""The decision when there is a base and the two sides do not have the same content."""


def side_here(known: Known | None, here: Here | None) -> Side:
    """What became of the folder's side; a file that must be read first counts as changed."""
    if here is None:
        return Side.ABSENT
    if known is not None and (here[:4] == known[:4] or here.digest == known.digest):
        return Side.SAME
    return Side.CHANGED


def side_there(known: Known | None, there: There | None) -> Side:
    """What became of the home's side."""
    if there is None:
        return Side.ABSENT
    if known is not None and (there.mark == known.mark or there.digest == known.digest):
        return Side.SAME
    return Side.CHANGED


def is_equal(here: Here | None, there: There | None) -> bool:
    """True when both are there and are known to have the same content."""
    return (
        here is not None
        and there is not None
        and here.size == there.size
        and bool(here.digest)
        and here.digest == there.digest
    )


def decide(known: Known | None, here: Here | None, there: There | None) -> tuple[Do, str]:
    """What a two-way sync does about one path, and why. Without a base nothing is ever deleted."""
    ours, theirs = side_here(known, here), side_there(known, there)
    if known is not None:
        if ours is Side.CHANGED and theirs is Side.CHANGED and is_equal(here, there):
            return Do.AGREE, ""
        do, reason = _TWO_WAY[ours, theirs]
        # The content is the one of the base, but a fingerprint or a mark is new: remember it.
        if do is Do.KEEP and not (here[:4] == known[:4] and there.mark == known.mark):  # type: ignore[index,union-attr]
            return Do.AGREE, ""
        return do, reason
    if here is None:
        return (Do.FORGET, "") if there is None else (Do.DOWNLOAD, "new there")
    if there is None:
        return Do.UPLOAD, "new here"
    return (Do.AGREE, "") if is_equal(here, there) else (Do.CONFLICT, "different on both sides")


def one_way(do: Do, mode: Mode, *, deletes: bool, forces: bool, has_source: bool) -> Do:
    """What a push or a pull makes of the two-way decision.

    `has_source` is True when the side that is copied from has the path. Only what the base knows is ever
    deleted (`deletes`), unless `forces`; with `forces` the source overwrites what changed on the other side.
    """
    if mode is Mode.SYNC or do in {Do.KEEP, Do.AGREE, Do.FORGET}:
        return do
    give, remove = (Do.UPLOAD, Do.DELETE_THERE) if mode is Mode.PUSH else (Do.DOWNLOAD, Do.DELETE_HERE)
    if do is give:
        return give
    if do is remove:
        return remove if deletes else Do.LEAVE
    if do is Do.CONFLICT:
        return give if forces else Do.CONFLICT
    if not forces:
        return Do.LEAVE
    if has_source:
        return give
    return remove if deletes else Do.LEAVE


def plan_home(
    base: Mapping[str, Known],
    here: Mapping[str, Here],
    there: Mapping[str, There],
    mode: Mode = Mode.SYNC,
    *,
    deletes: bool = False,
    forces: bool = False,
) -> HomePlan:
    """One decision for every path of any side; paths that need nothing are only counted."""
    steps: list[Step] = []
    for path in _interesting(base, here, there):
        known, ours, theirs = base.get(path), here.get(path), there.get(path)
        do, reason = decide(known, ours, theirs)
        if mode is not Mode.SYNC:
            source = ours if mode is Mode.PUSH else theirs
            do = one_way(do, mode, deletes=deletes, forces=forces, has_source=source is not None)
        if do is Do.KEEP:
            continue
        size = (theirs.size if theirs else 0) if do in _FROM_THERE else (ours or theirs or _NOTHING).size
        steps.append(Step(do, path, size, reason, ours, theirs))
    others = [step for step in steps if step.do is not Do.AGREE and (step.here or step.there)]
    kept = len(here.keys() | there.keys()) - len(others)
    if mode is not Mode.PULL:
        steps = find_moves(steps, base)
    return HomePlan(tuple(sorted(steps, key=lambda step: step.path)), kept)


_FROM_THERE = frozenset({Do.DOWNLOAD, Do.DELETE_THERE, Do.CONFLICT})
_NOTHING = There(0, "")


def _interesting(base: Mapping[str, Known], here: Mapping[str, Here], there: Mapping[str, There]) -> list[str]:
    """Every path whose decision is not KEEP, and perhaps a few more: the bulk is compared without a call each."""
    paths = []
    for path, known in base.items():
        ours, theirs = here.get(path), there.get(path)
        if ours is None or theirs is None or theirs[1] != known[5] or ours[:4] != known[:4]:
            paths.append(path)
    paths += [path for path in here if path not in base]
    paths += [path for path in there if path not in base and path not in here]
    return paths


def find_moves(steps: list[Step], base: Mapping[str, Known]) -> list[Step]:
    """`steps` with each upload of a content that lost its old name here turned into a move there."""
    gone: dict[str, list[Step]] = {}
    for step in steps:
        if step.do is Do.DELETE_THERE and step.size and step.path in base:
            gone.setdefault(base[step.path].digest, []).append(step)
    if not gone:
        return steps
    moved: set[str] = set()
    found: list[Step] = []
    for step in steps:
        digest = step.here.digest if step.here else ""
        if step.do is Do.UPLOAD and step.there is None and gone.get(digest):
            old = gone[digest].pop()
            moved.add(old.path)
            found.append(step._replace(do=Do.MOVE, there=old.there, source=old.path, reason=f"was '{old.path}'"))
        else:
            found.append(step)
    return [step for step in found if not (step.do is Do.DELETE_THERE and step.path in moved)]


def to_read(base: Mapping[str, Known], here: Mapping[str, Here], there: Mapping[str, There]) -> list[str]:
    """Paths whose content here must be read before anything can be decided: as few as possible.

    Those whose fingerprint is not the base's; without a base those that may be the same as an object there;
    and new files that may be an old one under a new name.
    """
    gone = {row.size for path, row in base.items() if path not in here and path in there and row.size}
    paths = []
    for path, ours in here.items():
        if ours.digest:
            continue
        known = base.get(path)
        if known is not None:
            is_new = ours[:4] != known[:4]
            if is_new and (ours.size == known.size or _may_equal(ours, there.get(path), known.mark)):
                paths.append(path)
        elif path in there:
            if there[path].size == ours.size:
                paths.append(path)
        elif ours.size in gone:
            paths.append(path)
    return paths


def kinds(
    paths: Iterable[str], base: Mapping[str, Known], here: Mapping[str, Here], there: Mapping[str, There]
) -> list[str]:
    """For each path to be read, a digest of the kind that it will be compared with; empty where any will do."""
    gone = {row.size: row.digest for path, row in base.items() if "-" in row.digest and path not in here}
    found = []
    for path in paths:
        known, theirs = base.get(path), there.get(path)
        if known is not None:
            found.append(known.digest)
        elif theirs is not None:
            found.append(theirs.digest or theirs.mark)
        else:
            found.append(gone.get(here[path].size, ""))
    return found


def _may_equal(ours: Here, theirs: There | None, mark: str) -> bool:
    return theirs is not None and theirs.mark != mark and theirs.size == ours.size


def to_ask(base: Mapping[str, Known], here: Mapping[str, Here], there: Mapping[str, There]) -> list[str]:
    """Paths whose content there must be asked for: both sides may have changed to the same content."""
    paths = []
    for path, theirs in there.items():
        ours = here.get(path)
        if ours is None or not ours.digest or ours.size != theirs.size:
            continue
        if theirs.digest and is_comparable(theirs.digest, ours.digest):
            continue
        known = base.get(path)
        if known is None or (theirs.mark != known.mark and ours.digest != known.digest):
            paths.append(path)
    return paths


FEW: int = 100
"""Deletions on one side that never need a second word."""
SHARE: float = 0.3
"""The part of the base that may be deleted on one side without a second word, where that is more."""


def check_deletions(plan: HomePlan, base_size: int, most: int | None = None) -> None:
    """Raise `Conflict` (`too-many-deletions`) when one side would lose more files than anybody expects.

    `most` is what the person allowed; without it `FEW` files or `SHARE` of the base, whichever is more.
    """
    ceiling = max(FEW, int(base_size * SHARE)) if most is None else most
    for do, where in ((Do.DELETE_HERE, "here"), (Do.DELETE_THERE, "in the home")):
        number = len(plan.of(do))
        if number > ceiling:
            raise Conflict(
                f"{number} of {base_size} files would be deleted {where}, more than {ceiling}; nothing was done",
                code="too-many-deletions",
                hint=f"look at them with --dry-run; if they may go: --max-delete {number}",
                count=number,
                ceiling=ceiling,
            )


def check_sides(base_size: int, here_size: int, there_size: int, *, is_empty_fine: bool) -> None:
    """Raise `Conflict` (`home-side-empty`) when a side that held files holds none: it may not be mounted."""
    if not base_size or is_empty_fine:
        return
    for size, where in ((here_size, "this folder"), (there_size, "the home")):
        if not size:
            raise Conflict(
                f"{where} is empty, though {base_size} files were in sync; nothing was done",
                code="home-side-empty",
                hint="is its disk mounted, and the url right? If it is meant to be empty: --allow-empty",
            )


def conflict_name(path: str, machine: str, time: str) -> str:
    """`src/train.py` as `src/train.conflict-laptop-20260401-093000.py`: beside the other, with its ending."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    return f"{folder}{slash}{stem}.conflict-{machine}-{time}{dot}{ending}"


def name_clash(path: str, why: str) -> Conflict:
    """The error for a file and a folder of the same name, of which no disk can hold both."""
    return Conflict(
        f"'{path}' cannot be stored: {why}",
        code="name-clash",
        hint="rename one of the two, then sync again",
        path=path,
    )


def find_clashes(plan: HomePlan, there: Mapping[str, There]) -> dict[str, Conflict]:
    """Uploads that would put a file where the home has a folder, or the reverse, once all deletions are done.

    A bucket would take both, and then no machine could hold them.
    """
    new = [step.path for step in plan.of(Do.UPLOAD, Do.MOVE) if step.there is None or step.source]
    if not new:
        return {}
    gone = {step.path for step in plan.of(Do.DELETE_THERE)} | {step.source for step in plan.of(Do.MOVE)}
    folders: set[str] = set()
    for path in there:
        if path not in gone:
            folder = path.rpartition("/")[0]
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
    found = {}
    for path in new:
        if path in folders:
            found[path] = name_clash(path, "the home has a folder of that name")
        folder = path.rpartition("/")[0]
        while folder:
            if folder in there and folder not in gone:
                found[path] = name_clash(path, f"'{folder}' is a file in the home")
            folder = folder.rpartition("/")[0]
    return found
