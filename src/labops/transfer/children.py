"""Hands that do not share the interpreter: forked children, for many small files and objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic

from labops.drivers import forking
from labops.errors import AccessDenied, LabError, NoSpace
from labops.model import Forks
from labops.transfer.job import Item, Job, Value
from labops.transfer.threads import GIVE_UP, Pool

FROM_ITEMS: Final = 256
"""Fewer are done before children have started."""

_RUN_BYTES = 4 << 20
_RUN_ITEMS = 64
_UNDONE: Final = object()


def processes(items: int, jobs: int, forks: Forks | None) -> int:
    """How many children should do so many items; 1 when threads do it better, or nobody may be forked."""
    if forks is None or items < FROM_ITEMS:
        return 1
    return min(jobs, forking.processors(beside_obstore=forks == "files"))


class Family(Generic[Item, Value]):
    """Children that take runs of a job's items until none is left. They start at once."""

    def __init__(self, job: Job[Item, Value], count: int) -> None:
        self._job = job
        hands = max(1, job.jobs // count)
        threads, self._ahead = (hands, 0) if job.expect is None else (1, hands)
        length = max(_RUN_ITEMS, 4 * self._ahead)  # at its end fewer are under way
        self._starts = _cut([job.size_of(item) for item in job.items], count * threads, length)
        self._out_of_reach = 0
        runs = len(self._starts) - 1
        self._crew = forking.Crew(self._do, runs, count, threads=threads, is_changing=True)

    def _run(self, run: int) -> slice:
        return slice(self._starts[run], self._starts[run + 1])

    def _do(self, run: int) -> tuple[list[Value | LabError], LabError | None]:
        """In a child: what came of the items of a run, and what must stop everything."""
        items = self._job.items[self._run(run)]
        self._expect(items[: self._ahead])
        values: list[Value | LabError] = []
        for index, item in enumerate(items, self._ahead):
            self._expect(items[index : index + 1])
            try:
                values.append(self._job.work(item))
                self._out_of_reach = 0
            except (AccessDenied, NoSpace) as error:
                return values, error
            except LabError as error:
                self._out_of_reach += error.code == "unreachable"
                if self._out_of_reach >= GIVE_UP:
                    return values, error
                values.append(error)
        return values, None

    def _expect(self, items: Sequence[Item]) -> None:
        if self._job.expect is not None:
            for item in items:
                self._job.expect(item)

    def run(self, grace_seconds: float) -> list[Value | LabError]:
        """The results, in the order of the items; after Ctrl-C what is under way gets that much time."""
        results: list[Any] = [_UNDONE] * len(self._job.items)
        stopped_by: LabError | None = None
        try:
            self._job.begin()
            for run, (values, error) in self._crew.answers():
                try:
                    self._take(run, values, results)
                except (AccessDenied, NoSpace) as failure:
                    error = error or failure
                if error is not None:
                    stopped_by = stopped_by or error
                    self._crew.stop()
        except BaseException:
            self._crew.stop()
            self._crew.drain(grace_seconds)
            raise
        finally:
            self._crew.end()
        if stopped_by is not None:
            raise stopped_by
        self._do_the_rest(results, grace_seconds)
        return results

    def _take(self, run: int, values: Sequence[Value | LabError], results: list[Any]) -> None:
        items = self._job.items[self._run(run)]
        for index, (item, value) in enumerate(zip(items, values, strict=False), self._starts[run]):
            if isinstance(value, LabError):
                results[index] = value
                continue
            try:
                results[index] = self._job.kept(item, value)
            except (AccessDenied, NoSpace):
                raise
            except LabError as error:
                results[index] = error
        self._job.tell(items[: len(values)])

    def _do_the_rest(self, results: list[Any], grace_seconds: float) -> None:
        """What a child could not finish is done here, and what kept it from that is raised here."""
        rest = [index for index, value in enumerate(results) if value is _UNDONE]
        if rest:
            job = self._job._replace(items=[self._job.items[index] for index in rest])
            for index, value in zip(rest, Pool(job).run(grace_seconds), strict=True):
                results[index] = value


def _cut(sizes: Sequence[int], hands: int, length_of_run: int = _RUN_ITEMS) -> list[int]:
    """Where each run starts, and the end: short runs, so that nobody waits long for the last one."""
    most = forking.MOST_RUNS // 2 - 1
    longest = max(-(-len(sizes) // most), min(length_of_run, len(sizes) // (hands * 4)), 1)
    largest = max(-(-sum(sizes) // most), _RUN_BYTES)
    starts, length, size = [0], 0, 0
    for index, bytes_of in enumerate(sizes):
        if length == longest or size >= largest:
            starts.append(index)
            length = size = 0
        length += 1
        size += bytes_of
    return [*starts, len(sizes)]
