"""Hands that do not share the interpreter: forked children, for many small files on a disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic

from labops.drivers import forking
from labops.errors import AccessDenied, LabError, NoSpace
from labops.transfer.job import Item, Job, Value
from labops.transfer.threads import Pool

FROM_ITEMS: Final = 256
"""Fewer are done before children have started."""

_RUN_BYTES = 4 << 20
_RUN_ITEMS = 64
_UNDONE: Final = object()


def processes(items: int, jobs: int) -> int:
    """How many children should do so many items; 1 when threads do it better, or nobody may be forked."""
    return min(jobs, forking.processors()) if items >= FROM_ITEMS else 1


class Family(Generic[Item, Value]):
    """Children that take runs of a job's items until none is left. They start at once."""

    def __init__(self, job: Job[Item, Value], count: int) -> None:
        self._job = job
        self._starts = _cut([job.size_of(item) for item in job.items], count)
        self._crew = forking.Crew(self._do, len(self._starts) - 1, count, is_changing=True)

    def _run(self, run: int) -> slice:
        return slice(self._starts[run], self._starts[run + 1])

    def _do(self, run: int) -> tuple[list[Value | LabError], LabError | None]:
        """In a child: what came of the items of a run, up to the one that must stop everything."""
        values: list[Value | LabError] = []
        for item in self._job.items[self._run(run)]:
            forking.leave_if_orphan()
            try:
                values.append(self._job.work(item))
            except (AccessDenied, NoSpace) as error:
                return values, error
            except LabError as error:
                values.append(error)
        return values, None

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
            results[index] = value
            if isinstance(value, LabError):
                continue
            try:
                self._job.keep(item, value)
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


def _cut(sizes: Sequence[int], count: int) -> list[int]:
    """Where each run starts, and the end: short runs, so that nobody waits long for the last one."""
    most = forking.MOST_RUNS // 2 - 1
    longest = max(-(-len(sizes) // most), min(_RUN_ITEMS, len(sizes) // (count * 4)), 1)
    largest = max(-(-sum(sizes) // most), _RUN_BYTES)
    starts, length, size = [0], 0, 0
    for index, bytes_of in enumerate(sizes):
        if length == longest or size >= largest:
            starts.append(index)
            length = size = 0
        length += 1
        size += bytes_of
    return [*starts, len(sizes)]
