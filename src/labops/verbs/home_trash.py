"""`lab home trash empty`: older contents are deleted for good."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from labops.errors import Conflict, LabError
from labops.home import HomeFolder
from labops.home.upkeep import Old, discard, find_old
from labops.model import OnEvent, ignore


class Emptied(NamedTuple):
    """What was deleted for good, or would be. `keeps_versions`: the bucket keeps its own, which stay."""

    old: Old
    is_dry: bool
    keeps_versions: bool
    failed: tuple[tuple[str, LabError], ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when all is gone, 3 when some is not."""
        return 3 if self.failed else 0


def empty_trash(
    folder: HomeFolder,
    older_than: int,
    *,
    now: float | None = None,
    dry_run: bool = False,
    confirm: Callable[[Old], bool] = lambda _: True,
    on_event: OnEvent = ignore,
) -> Emptied:
    """Delete for good what went into the trash, here and in the home, more than `older_than` seconds ago.

    `confirm` sees it first; False is `Conflict` (`not-confirmed`). Versions that a bucket keeps are its own rules'.
    """
    moment = time.time() if now is None else now
    old = find_old(folder, moment - older_than)
    keeps = folder.home.store.keeps_versions
    if dry_run or not old.files:
        return Emptied(old, dry_run, keeps)
    if not confirm(old):
        raise Conflict(
            "nothing was deleted", code="not-confirmed", hint="look at it first: lab home trash, or --dry-run"
        )
    with folder.lock():
        return Emptied(old, False, keeps, discard(folder, old, on_event))
