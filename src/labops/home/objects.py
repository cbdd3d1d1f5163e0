"""Single objects and folders of a home: found, worked on side by side, and reported one by one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from labops import transfer
from labops.errors import InvalidInput, LabError, NotFound
from labops.home.acting import JOBS
from labops.home.naming import Spot
from labops.model import OnEvent
from labops.places.home import Stored

_TRASH = re.compile(r"(?:^|/)\.trash/(?:\d{4}-\d{2}-\d{2}/\d{9}-|\.)")


class Row(NamedTuple):
    """One object: what was or would be done with it, and where it went."""

    path: str
    target: str
    size: int
    error: LabError | None = None
    note: str = ""
    """`already` for a content that is there, `replaced` for one whose old content went into the trash."""


class ObjectsReport(NamedTuple):
    """The report of one of these commands. `is_linked`: a folder here is linked to that home."""

    verb: str
    rows: tuple[Row, ...]
    is_dry: bool = False
    is_linked: bool = False
    left_out: tuple[str, ...] = ()
    url: str = ""
    """The home that was written to, where no folder here is linked to it: its trash is found by its address alone."""

    @property
    def failed(self) -> tuple[Row, ...]:
        """What did not work."""
        return tuple(row for row in self.rows if row.error is not None)

    @property
    def exit_code(self) -> int:
        """0 when all was done, 3 when some was not."""
        return 3 if self.failed else 0


def find_objects(spot: Spot, *, recursive: bool, command: str) -> list[Stored]:
    """The object at the spot, or everything below a folder: with `recursive`, or where a `/` ends the path.

    `InvalidInput` (`is-a-folder`) for a folder without that, `NotFound` (`no-such-object`) for nothing.
    """
    path = spot.path
    found = None if not path or path.endswith("/") else spot.home.look(path)
    if found is not None:
        return [Stored(path, found.size, found.mark, found.digest)]
    wants_all = recursive or path.endswith("/") or not path
    below = _live(spot.home.below(path.rstrip("/") + "/" if path else ""), path)
    rows = [row for page in below for row in page] if wants_all else next((list(page) for page in below if page), [])
    if rows and not wants_all:
        raise InvalidInput(
            f"'{path}' is a folder in the home", code="is-a-folder", hint=f"{command} -r '{path}'", path=path
        )
    if not rows:
        raise NotFound(
            f"there is no '{path}' in '{spot.home.url}'",
            code="no-such-object",
            hint="lab home ls shows what there is; what was deleted comes back with: lab home restore",
            path=path,
        )
    return sorted(rows)


def _live(pages: Iterator[Sequence[Stored]], path: str) -> Iterator[list[Stored]]:
    """Without the trash of homes below, which is theirs; unless it is just what was asked for."""
    asks_trash = _TRASH.search(path + "/.") is not None
    for page in pages:
        yield [row for row in page if asks_trash or not _TRASH.search(row.key)]


def is_marker(row: Stored) -> bool:
    """True for the empty object by which consoles show a folder: no file, and no mistake."""
    return row.key.endswith("/") and not row.size


def finish(spots: Sequence[Spot]) -> None:
    """Wait until all is safe, and keep what was found out about the stores."""
    for spot in spots:
        spot.home.finish()
        if spot.folder is not None:
            spot.folder.remember_conditions()


@contextlib.contextmanager
def locked(spot: Spot) -> Iterator[None]:
    """No sync of the linked folder looks at a home that is half changed by us."""
    if spot.folder is None:
        yield
    else:
        with spot.folder.lock():
            yield


def each(
    rows: list[Row], work: Callable[[Row], Row], phase: str, jobs: int | None, on_event: OnEvent
) -> tuple[Row, ...]:
    """`work` on each row with many hands; a failed one carries its error."""
    values = transfer.each(rows, work, phase=phase, jobs=jobs or JOBS, size_of=lambda row: row.size, on_event=on_event)
    return tuple(ended(row, value) for row, value in zip(rows, values, strict=True))


def ended(row: Row, value: Row | LabError) -> Row:
    """The row as it ended."""
    return row._replace(error=value) if isinstance(value, LabError) else value
