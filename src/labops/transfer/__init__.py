"""The engine: does the steps of a plan with many hands. The only concurrency in the house.

Work is handed out in short runs: to plain threads, since the file system, hashing and obstore all release the
interpreter's lock while they work; or, where many small files on a disk are concerned, to forked children.
One bad item does not stop a thousand good ones, except `AccessDenied`, `NoSpace` and a remote that is out of
reach, which would only fail a thousand times. Ctrl-C starts nothing new and gives what is under way a moment
to finish; a thread that is still blocked then is left behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from labops.errors import LabError
from labops.model import Event, Forks, OnEvent, Outcome, Result, Step, ignore
from labops.transfer import children
from labops.transfer.job import Item, Job, Value
from labops.transfer.threads import GIVE_UP, Pool

__all__ = ["DISK_JOBS", "GIVE_UP", "GRACE_SECONDS", "NETWORK_JOBS", "SMALL", "apply", "each", "outcome_of"]

DISK_JOBS = min(8, os.cpu_count() or 1)
"""Hands for local files: hashing and copying are bound by processors, not by waiting."""
NETWORK_JOBS = 64
"""Threads for remotes: a request mostly waits. Measured in docs/decisions/0003-threads-with-obstore.md."""

SMALL: Final = 64 << 10
"""Mean bytes of objects up to which one thread that asks for many ahead is faster than many threads."""

GRACE_SECONDS: Final = 2.0
"""How long Ctrl-C waits for what is under way; a second Ctrl-C does not wait at all."""


def each(
    items: Sequence[Item],
    work: Callable[[Item], Value],
    *,
    phase: str,
    jobs: int = DISK_JOBS,
    forks: Forks | None = None,
    keep: Callable[[Item, Value], object] | None = None,
    expect: Callable[[Item], object] | None = None,
    size_of: Callable[[Item], int] = lambda _: 0,
    on_event: OnEvent = ignore,
) -> list[Value | LabError]:
    """`work` on each item: what it returned or the labops error it raised, in the order of `items`.

    `AccessDenied` and `NoSpace` stop the pool and are raised, and so are `GIVE_UP` failures in a row to reach
    the remote and everything that is not a labops error; whatever was under way has ended by then. Only after
    `KeyboardInterrupt` it may go on in the background. Progress goes to `on_event` as `phase`, counted in
    items and, with `size_of`, in bytes.

    With `forks` many items may be shared out to children of this process: `work` then changes files and
    nothing in memory, and what it returns can be pickled. `keep` gets each item's value in this process, in
    any order and from any thread, and None stands in its place in the list; what it raises counts like what
    `work` raises. With `expect` a child has one thread, and calls it for the items to come, as many as it would have
    threads otherwise, before `work` of one: it sends a request whose answer `work` will need, and never fails.
    """
    if not items:
        return []
    job = Job(items, work, keep, expect, phase, jobs, size_of, on_event)
    count = children.processes(len(items), jobs, forks)
    # Before anybody hears of it: who draws progress does so in a thread, and then nobody may be forked.
    hands = children.Family(job, count) if count > 1 else Pool(job)
    try:
        return hands.run(GRACE_SECONDS)
    finally:
        on_event(Event("finished", phase))


def apply(
    steps: Sequence[Step],
    work: Callable[[Step], Value],
    *,
    phase: str,
    jobs: int = DISK_JOBS,
    forks: Forks | None = None,
    keep: Callable[[Step, Value], object] | None = None,
    expect: Callable[[Step], object] | None = None,
    on_event: OnEvent = ignore,
) -> list[Outcome]:
    """One outcome a step, in order; `work` returns a `Result` where it was another than done. See `each`."""
    values = each(
        steps,
        work,
        phase=phase,
        jobs=jobs,
        forks=forks,
        keep=keep,
        expect=expect,
        size_of=lambda step: step.size or 0,
        on_event=on_event,
    )
    return [outcome_of(step, value) for step, value in zip(steps, values, strict=True)]


def outcome_of(step: Step, value: object) -> Outcome:
    """The outcome of a step whose work ended in `value`."""
    if isinstance(value, LabError):
        return Outcome(step, Result.FAILED, value)
    return Outcome(step, value if isinstance(value, Result) else Result.DONE)
