"""`lab home watch`: a sync whenever the folder changed and came to rest, and from time to time for the home's sake."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from labops.errors import LabError
from labops.home import HomeFolder
from labops.home.report import HomeReport
from labops.home.watching import Changes
from labops.model import OnEvent, ignore
from labops.planning.home import Mode
from labops.verbs.home_sync import SyncOptions, sync_home

LONGEST_RESTLESS: Final = 30.0
"""Seconds after which a folder that never comes to rest is synced all the same."""


def watch_home(
    folder: HomeFolder,
    changes: Changes,
    *,
    every: float = 60.0,
    debounce: float = 2.0,
    options: SyncOptions = SyncOptions(),  # noqa: B008 - frozen
    clock: Callable[[], float] = time.monotonic,
    on_report: Callable[[HomeReport], None] = lambda _: None,
    on_error: Callable[[LabError], None] = lambda _: None,
    on_event: OnEvent = ignore,
) -> None:
    """Sync at once, then after each change when nothing changed for `debounce` seconds, and every `every` seconds.

    `on_report` hears of syncs that did something, `on_error` of those that failed as a whole; the same problem is
    told once until it changes, and the watch goes on. Ends with
    `KeyboardInterrupt`, after which folder and base are as a killed sync leaves them: valid.
    """
    told: object = None
    while True:
        try:
            report = sync_home(folder, Mode.SYNC, options, on_event=on_event)
        except LabError as error:
            if error.message != told:
                on_error(error)
            told = error.message
        else:
            problems = tuple((path, error.message) for path, error in report.errors)
            if any(one.error is None for one in report.ended) or (problems and problems != told):
                on_report(report)
            told = problems
        _rest(changes, every, debounce, clock)


def _rest(changes: Changes, every: float, debounce: float, clock: Callable[[], float]) -> None:
    """Return when it is time for the next sync."""
    if not changes.wait(every):
        return
    begun = clock()
    while clock() - begun < LONGEST_RESTLESS and changes.wait(debounce):
        pass
