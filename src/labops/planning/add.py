"""What a folder's listing becomes when only a part of the folder was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labops.model import Entry, RelPath


@dataclass(frozen=True, slots=True)
class Merged:
    """The new entries, sorted, and their bytes in all: None where some were never seen, as listings hold no sizes."""

    entries: tuple[Entry, ...]
    size: int | None


def merge_into(entries: Sequence[Entry], part: RelPath, found: Sequence[Entry], size: int | None) -> Merged:
    """`entries` with everything at or under `part` replaced by `found` (paths relative to `part`).

    Other entries are carried over unseen. `size` is the old total: it grows when files were only added, stays
    when nothing changed, and is None otherwise, as dvc writes it.
    """
    new = [Entry(RelPath(f"{part}/{entry.path}") if entry.path else part, entry.oid, entry.size) for entry in found]
    inside = part + "/"
    old = {entry.path: entry.oid for entry in entries if entry.path == part or entry.path.startswith(inside)}
    kept = [entry for entry in entries if entry.path not in old and not part.startswith(entry.path + "/")]
    merged = tuple(sorted([*kept, *new]))
    now = {entry.path: entry.oid for entry in new}
    added = sum(entry.size or 0 for entry in new if entry.path not in old)
    is_additive = len(kept) + len(old) == len(entries) and all(now.get(path) == oid for path, oid in old.items())
    return Merged(merged, size + added if is_additive and size is not None else None)
