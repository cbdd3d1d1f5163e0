"""Carry out a home's plan: uploads and downloads, then deletions, and the base last.

Each step is safe by itself: it looks whether things are still as they were planned, puts what has to go into
the trash, and gives the new content its name last. So a run may be killed anywhere, and the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from labops import transfer
from labops.agreement import Known, is_comparable
from labops.drivers import fs
from labops.errors import LabError
from labops.formats.basefile import Base
from labops.home import HomeFolder
from labops.home.arrivals import Arrival, Arrivals
from labops.home.carrying import dress, fetch, source_of
from labops.home.looking import Sides
from labops.home.report import Ended
from labops.model import Forks, OnEvent, ignore
from labops.places.home import Got
from labops.places.local import changed_here, row_of
from labops.planning.home import Do, HomePlan, Mode, Step, conflict_name, find_clashes

JOBS: Final = 32
"""Transfers at once: beyond it the threads of one process only wait for each other (measured in bench/home.py)."""


class Done(NamedTuple):
    """What came of a step. A forked child may have done it, so it says what is to be noted and notes nothing."""

    rows: tuple[tuple[str, Known | None], ...] = ()
    """What the base will say: None for what is gone."""
    end: Ended | None = None
    """How it ended, where that is not as planned."""


class Acting:
    """One run. `stamp` says where its trash goes."""

    def __init__(
        self,
        folder: HomeFolder,
        sides: Sides,
        plan: HomePlan,
        mode: Mode,
        *,
        jobs: int | None = None,
        on_event: OnEvent = ignore,
    ) -> None:
        self._folder, self._sides, self._plan, self._mode = folder, sides, plan, mode
        self._local, self._home = folder.local, folder.home
        self._stamp = folder.new_stamp()
        self._when = time.strftime("%Y%m%d-%H%M%S")
        self._jobs = jobs or (transfer.DISK_JOBS if folder.link.url.startswith("/") else JOBS)
        self._on_event = on_event
        self._clock = sides.scan.clock_ns
        self._rows: dict[str, Known | None] = {}
        """What the base will say: None for what is gone."""
        self._ended: list[Ended] = []
        self._is_remote_touched = False

    def run(self) -> tuple[Ended, ...]:
        """Do it all; one bad file does not stop the others. The base is saved whatever happens."""
        plan = self._plan
        self._settle()
        if not plan.is_idle:
            self._local.sweep()
        deleted = {step.path for step in plan.of(Do.DELETE_HERE, Do.DELETE_THERE)}
        deleted |= {step.source for step in plan.of(Do.MOVE)}
        in_the_way = _in_the_way(deleted)
        ups, downs = plan.of(Do.UPLOAD, Do.MOVE), plan.of(Do.DOWNLOAD)
        conflicts = plan.of(Do.CONFLICT) if self._mode is Mode.SYNC else ()
        clashes = find_clashes(plan, self._sides.there)
        self._ended += [Ended(step, clashes[step.path]) for step in ups if step.path in clashes]
        ups = tuple(step for step in ups if step.path not in clashes)
        try:
            if any(step.do is not Do.DOWNLOAD and step.do in _THERE for step in plan.steps):
                self._folder.remember_conditions()
            self._upload([step for step in ups if not in_the_way(step.path)])
            self._download([step for step in downs if not in_the_way(step.path)])
            self._each(conflicts, self._keep_both, "conflict", jobs=8)
            self._home.finish()
            self._each(plan.of(Do.DELETE_THERE), self._delete_there, "delete", jobs=self._jobs)
            self._each(plan.of(Do.DELETE_HERE), self._delete_here, "delete", jobs=1)
            self._upload([step for step in ups if in_the_way(step.path)])
            self._download([step for step in downs if in_the_way(step.path)])
            self._home.finish()
        except LabError:
            self._local.sweep()  # the disk may be full of what was half-done
            raise
        finally:
            self._save()
        return tuple(self._ended)

    # -- the base ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What needs no bytes: both sides agree already, or both lost it."""
        for step in self._plan.of(Do.AGREE):
            assert step.here is not None
            assert step.there is not None
            known = self._sides.rows.get(step.path)
            digest = step.here.digest or (known.digest if known else "")
            self._rows[step.path] = row_of(step.here, digest, step.there.mark, self._clock)
        for step in self._plan.of(Do.FORGET):
            self._rows[step.path] = None

    def _save(self) -> None:
        base = self._sides.base
        mounts = tuple(sorted({*self._sides.scan.mounts, *base.mounts}))
        if not self._rows and mounts == base.mounts:
            return
        rows = dict(base.rows)
        is_new = False
        for path, row in self._rows.items():
            if row is None:
                rows.pop(path, None)
            else:
                is_new |= path not in rows
                rows[path] = row
        if is_new:
            rows = dict(sorted(rows.items()))
        self._folder.save_base(Base(self._folder.link.url, rows, mounts))

    def _each(
        self, steps: Sequence[Step], work: Callable[[Step], Done], phase: str, *, jobs: int, forks: Forks | None = None
    ) -> None:
        other_ends: dict[str, Ended] = {}

        def keep(step: Step, done: Done) -> None:
            self._rows.update(done.rows)
            if done.end is not None:
                other_ends[step.path] = done.end

        values = transfer.each(
            steps, work, phase=phase, jobs=jobs, forks=forks, keep=keep, size_of=_size_of, on_event=self._on_event
        )
        for step, value in zip(steps, values, strict=True):
            failed = Ended(step, value) if isinstance(value, LabError) else None
            self._ended.append(failed or other_ends.get(step.path) or Ended(step))

    # -- up ---------------------------------------------------------------------------------------------

    def _upload(self, steps: Sequence[Step]) -> None:
        if any(step.there is not None for step in steps):
            _ = self._home.store.keeps_versions  # asked once, and not by each child again
        self._each(steps, self._upload_one, "upload", jobs=self._jobs, forks=self._home.forks)

    def _upload_one(self, step: Step) -> Done:
        here, source = source_of(self._local, step.path)
        if step.here is not None and here[:4] == step.here[:4]:
            here = step.here  # one value for all who hold it
        if step.do is Do.MOVE:
            assert step.there is not None
            assert step.here is not None
            if here[:4] != step.here[:4]:
                raise changed_here(step.path)
            mark = self._home.move(step.source, step.path, step.there)
            return Done(((step.path, row_of(here, step.here.digest, mark, self._clock)), (step.source, None)))
        got = self._home.put(
            step.path, source, step.there, self._stamp, self._folder.journal("up", step.path, source.size)
        )
        return Done(((step.path, row_of(here, got.digest, got.mark, self._clock)),))

    # -- down -------------------------------------------------------------------------------------------

    def _download(self, steps: Sequence[Step]) -> None:
        """Fetch all; those that have arrived are made durable with one sync, many at a time, and get their names."""
        arrivals = Arrivals(self._give_names)
        are_small = sum(map(_size_of, steps)) <= transfer.SMALL * len(steps)
        expect = self._expect if are_small and self._home.can_expect else None
        try:
            values = transfer.each(
                steps, self._fetch, phase="download", jobs=self._jobs, forks=self._home.forks, keep=arrivals.add,
                expect=expect, size_of=_size_of, on_event=self._on_event,
            )  # fmt: skip
        finally:
            failed = arrivals.end()
        for step, value in zip(steps, values, strict=True):
            self._ended.append(Ended(step, value if isinstance(value, LabError) else failed.get(step.path)))

    def _expect(self, step: Step) -> None:
        self._home.expect(step.path, step.size)

    def _fetch(self, step: Step) -> tuple[str, Got]:
        """The object's bytes under a temporary name, with its time and mode."""
        temporary = self._local.temporary()
        partial = self._folder.journal("down", step.path, step.size)
        got = fetch(self._home, step.path, step.there, temporary, partial)
        dress(temporary, got)
        return temporary, got

    def _give_names(self, arrived: Sequence[Arrival]) -> dict[str, LabError]:
        """Why some could not get theirs."""
        failed: dict[str, LabError] = {}
        try:
            fs.sync(self._folder.root, [one.temporary for one in arrived if one.got.facts.link is None])
        except LabError as error:
            return {one.step.path: error for one in arrived}
        for one in arrived:
            try:
                self._place(*one)
            except LabError as error:
                failed[one.step.path] = error
        return failed

    def _place(self, step: Step, temporary: str, got: Got) -> None:
        placed = self._local.place(temporary, step.path, step.here, self._stamp)
        self._rows[step.path] = row_of(placed, got.digest, got.mark, self._clock)

    # -- both -------------------------------------------------------------------------------------------

    def _keep_both(self, step: Step) -> Done:
        """The home's content keeps the name; ours gets a second one, on both sides."""
        assert step.here is not None
        temporary, got = self._fetch(step)
        ours = step.here
        if not ours.digest or not is_comparable(ours.digest, got.digest):
            ours = self._local.digest(step.path, step.here, got.digest)
        if ours[:4] != step.here[:4]:
            fs.remove(temporary)
            raise changed_here(step.path)
        if got.digest == ours.digest:
            fs.remove(temporary)
            row = row_of(ours, got.digest, got.mark, self._clock)
            return Done(((step.path, row),), Ended(step._replace(do=Do.AGREE)))
        fs.sync(self._folder.root, [temporary] if got.facts.link is None else [])
        new_path = self._free_name(step.path)
        self._local.also_as(step.path, new_path)
        now = self._local.look(step.path)
        if now is None or now[0]._replace(ctime_ns=ours.ctime_ns)[:4] != ours[:4]:
            raise changed_here(step.path)
        self._place(step._replace(here=now[0]), temporary, got)
        here, source = source_of(self._local, new_path)
        stored = self._home.put(new_path, source, None, self._stamp)
        self._local.forget_grave(step.path, self._stamp)
        row = row_of(here, stored.digest, stored.mark, self._clock)
        return Done(((new_path, row),), Ended(step, kept_as=new_path))

    def _free_name(self, path: str) -> str:
        name = conflict_name(path, self._folder.machine, self._when)
        number = 1
        while self._local.look(name) is not None or name in self._sides.there:
            number += 1
            name = conflict_name(path, self._folder.machine, f"{self._when}-{number}")
        return name

    # -- deletions --------------------------------------------------------------------------------------

    def _delete_there(self, step: Step) -> Done:
        if self._local.look(step.path) is not None:
            raise changed_here(step.path)
        assert step.there is not None
        self._home.remove(step.path, step.there, self._stamp)
        return Done(((step.path, None),))

    def _delete_here(self, step: Step) -> Done:
        assert step.here is not None
        self._local.bury(step.path, step.here, self._stamp)
        self._local.remove_empty_folders(step.path)
        return Done(((step.path, None),))


_THERE: Final = frozenset({Do.UPLOAD, Do.MOVE, Do.DELETE_THERE, Do.CONFLICT})


def _size_of(step: Step) -> int:
    return step.size


def _in_the_way(deleted: set[str]) -> Callable[[str], bool]:
    """Whether a path must wait for a deletion: a file that becomes a folder, or the reverse."""
    if not deleted:
        return lambda _: False
    folders = {path[:at] for path in deleted for at in _slashes(path)}

    def waits(path: str) -> bool:
        return path in folders or any(path[:at] in deleted for at in _slashes(path))

    return waits


def _slashes(path: str) -> list[int]:
    return [at for at, letter in enumerate(path) if letter == "/"]
