"""`admin apply`: make the store as `lab.toml` says, one repeatable change after the other."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from labops.administration.opening import open_provider
from labops.administration.provider import Provider
from labops.administration.unkept import Unkept
from labops.errors import AccessDenied, LabError, Unsupported
from labops.membership import Lab
from labops.planning.lab import Act, Change, Ignored, Thing


class End(enum.StrEnum):
    """How a change ended."""

    DONE = "done"
    UNKEPT = "not kept"
    """The store does not know the setting, or took it and kept nothing of it; no later plan asks again."""
    SKIPPED = "skipped"
    """An earlier change of the same thing failed."""
    FAILED = "failed"


class Applied(NamedTuple):
    """One change and how it ended; `error` is set exactly when it failed."""

    change: Change
    end: End
    error: LabError | None = None


class ApplyReport(NamedTuple):
    """What became of each change, in order."""

    rows: tuple[Applied, ...]

    @property
    def failed(self) -> tuple[Applied, ...]:
        return tuple(row for row in self.rows if row.end is End.FAILED)

    @property
    def exit_code(self) -> int:
        """0 when everything was done or cannot be had here, 3 when something failed."""
        return 3 if self.failed else 0


def apply(
    lab: Lab,
    changes: Sequence[Change],
    *,
    profile: str = "",
    provider: Provider | None = None,
    on_change: Callable[[Applied], None] = lambda _row: None,
) -> ApplyReport:
    """Make `changes`, which a `plan` has found, in their order: create, set, grant, revoke.

    Stopped anywhere, what was made is valid, and a new plan finds the rest. A failure ends the changes of its thing
    alone, but for revocations, which are always tried; a refusal of the administrator's own credentials ends all.
    `on_change` hears of each change as it ends. No secret is made here, and none is reported.
    """
    store = provider or open_provider(lab, profile=profile)
    note = Unkept(lab)
    unkept = set(note.load())
    broken: set[Thing] = set()
    rows = []
    for change in changes:
        if change.thing in broken and change.act is not Act.REVOKE:
            row = Applied(change, End.SKIPPED)
        else:
            row = _one(store, change)
        if row.end is End.FAILED:
            broken.add(change.thing)
        elif row.end is End.UNKEPT:
            unkept.add(Ignored(change.thing, change.setting, change.value))
            note.save(unkept)
        rows.append(row)
        on_change(row)
    return ApplyReport(tuple(rows))


def _one(store: Provider, change: Change) -> Applied:
    try:
        is_kept = store.apply(change)
    except Unsupported:
        return Applied(change, End.UNKEPT)
    except AccessDenied:
        raise
    except LabError as error:
        return Applied(change, End.FAILED, error)
    return Applied(change, End.DONE if is_kept else End.UNKEPT)
