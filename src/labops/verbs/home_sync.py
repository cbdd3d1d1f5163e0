"""`lab home status`, `sync`, `push`, `pull`: look at three sides, decide, carry out, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labops.errors import Conflict
from labops.home import HomeFolder
from labops.home.acting import Acting
from labops.home.looking import Sides, observe
from labops.home.report import HomeReport
from labops.home.rules import read_rules
from labops.home.upkeep import tidy
from labops.model import OnEvent, ignore
from labops.planning.home import Mode, check_deletions, check_sides, plan_home


class SyncOptions(NamedTuple):
    """What a person may say about one run."""

    deletes: bool = False
    """For push and pull: delete on the other side what was deleted on this one."""
    forces: bool = False
    """For push and pull: overwrite what changed on the other side; it stays in the trash."""
    max_delete: int | None = None
    allows_empty: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    jobs: int | None = None
    limit: int | None = None
    """Bytes per second, instead of what the link says."""
    max_size: int | None = None
    """Bytes of the largest file, instead of what the link says."""


def sync_home(
    folder: HomeFolder,
    mode: Mode = Mode.SYNC,
    options: SyncOptions = SyncOptions(),  # noqa: B008 - frozen
    *,
    dry_run: bool = False,
    confirm: Callable[[HomeReport], bool] = lambda _: True,
    on_event: OnEvent = ignore,
) -> HomeReport:
    """Bring folder and home together (`SYNC`), or one to the other's state.

    `confirm` sees the report of the plan before the first file is replaced or deleted; False is `Conflict`
    (`not-confirmed`), with nothing done. With `dry_run` nothing is written at all.
    """
    if options.limit is not None:
        folder.home.pace.rate = options.limit
    if dry_run:
        return _look(folder, mode, options, is_looking=True, on_event=on_event)[0]
    with folder.lock():
        report, sides = _look(folder, mode, options, is_looking=False, on_event=on_event)
        check_deletions(report.plan, len(sides.rows), options.max_delete)
        report = report._replace(is_dry=False)
        if not report.plan.is_idle and not confirm(report):
            raise Conflict("nothing was done", code="not-confirmed", hint="look at the plan: lab home status")
        acting = Acting(folder, sides, report.plan, mode, jobs=options.jobs, on_event=on_event)
        done = report._replace(ended=acting.run())
        if not report.plan.is_idle or folder.link.keep_trash is not None:
            tidy(folder)
        return done


def _look(
    folder: HomeFolder, mode: Mode, options: SyncOptions, *, is_looking: bool, on_event: OnEvent
) -> tuple[HomeReport, Sides]:
    rules = read_rules(
        folder.root,
        has_defaults=folder.link.has_default_rules,
        include=options.include,
        exclude=options.exclude,
    )
    max_size = options.max_size if options.max_size is not None else folder.link.max_size
    sides = observe(folder, rules, max_size=max_size, is_looking=is_looking, on_event=on_event)
    check_sides(len(sides.base.rows), sides.here_total, sides.there_total, is_empty_fine=options.allows_empty)
    plan = plan_home(sides.rows, sides.here, sides.there, mode, deletes=options.deletes, forces=options.forces)
    report = HomeReport(
        mode,
        folder.root,
        folder.link.url,
        plan,
        failed=sides.failed,
        odd=sides.odd,
        ignored=tuple(sides.scan.ignored),
        is_dry=True,
    )
    return report, sides
