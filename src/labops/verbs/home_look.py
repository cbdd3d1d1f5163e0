"""`lab home ls`: what the home holds, without loss, in key order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from labops.errors import NotFound
from labops.places.home import Home


class Place(Protocol):
    """A linked folder, or whatever else has a home."""

    @property
    def home(self) -> Home:
        """The home."""
        ...


class HomeRow(NamedTuple):
    """One object, or with `is_folder` all objects below one name."""

    path: str
    size: int
    modified: str = ""
    is_folder: bool = False
    files: int = 1


def list_home(place: Place, path: str = "", *, recursive: bool = False) -> list[HomeRow]:
    """The objects at or below `path` (a name or a folder), sorted; folders summed up unless `recursive`.

    `NotFound` (`no-such-object`) for a path that names nothing.

    Keys are shown as they are: `a//b` lies below the folder `a/`, in the folder with an empty name.
    """
    inside = path.rstrip("/")
    rows: list[HomeRow] = []
    if inside and (found := place.home.look(inside)) is not None:
        rows.append(HomeRow(inside, found.size, _iso(found.modified)))
    folders: dict[str, list[int]] = {}
    for page in place.home.below(inside + "/" if inside else ""):
        for key, size, _, _, modified in page:
            rest = key[len(inside) + 1 :] if inside else key
            name, slash, below = rest.partition("/")
            if recursive or not slash or (not below and not name):
                rows.append(HomeRow(key, size, modified))
                continue
            total = folders.setdefault(key[: len(key) - len(rest)] + name + "/", [0, 0])
            total[0] += size
            total[1] += 1
    rows += [HomeRow(name, size, "", True, files) for name, (size, files) in folders.items()]
    if inside and not rows:
        raise NotFound(
            f"there is no '{path}' in '{place.home.url}'",
            code="no-such-object",
            hint="lab home ls shows what there is; what was deleted comes back with: lab home restore",
            path=path,
        )
    return sorted(rows)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
