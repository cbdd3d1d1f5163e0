"""`lab home get` and `lab home cat`: an object or a folder of a home, without a sync."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from labops.agreement import There
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, NotFound
from labops.home.carrying import dress, fetch
from labops.home.naming import Spot
from labops.home.objects import ObjectsReport, Row, each, find_objects, is_marker
from labops.model import OnEvent, ignore, parse_relpath


def get_objects(
    spot: Spot,
    target: str = "",
    *,
    recursive: bool = False,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> ObjectsReport:
    """Fetch an object, or a folder, to `target` (default: its name, here).

    Into `target` where that is a folder; the contents alone where the path ends with `/`. A file that is there
    is a failed row (`destination-exists`) without `force`; with it, inside a linked folder, it goes into the trash.
    """
    found = find_objects(spot, recursive=recursive, command="lab home get")
    found = [row for row in found if not is_marker(row)]
    is_one = len(found) == 1 and found[0].key == spot.path
    place = _destination(spot, target, is_one=is_one)
    cut = len(spot.path.rstrip("/")) + 1 if spot.path else 0
    getting = _Getting(spot, os.path.dirname(place) or "." if is_one else place, None if is_one else cut, force=force)
    rows = [Row(row.key, place if is_one else os.path.join(place, row.key[cut:]), row.size) for row in found]
    theirs = {row.key: There(row.size, row.mark, row.digest) for row in found}
    if dry_run:
        return ObjectsReport("get", tuple(rows), is_dry=True)
    with getting.locked():
        done = each(rows, lambda row: getting.one(row, theirs[row.path]), "download", jobs, on_event)
    return ObjectsReport("get", done, is_linked=spot.folder is not None)


def _destination(spot: Spot, target: str, *, is_one: bool) -> str:
    name = spot.name
    is_into = not target or target.endswith("/") or os.path.isdir(target)
    if not is_one and spot.path.endswith("/") and target:
        return target
    if not is_into:
        return target
    if name in {"", ".", ".."}:
        if not is_one and target:
            return target
        raise InvalidInput(
            f"'{spot.address}' gives no name to what is fetched",
            code="no-name",
            hint="say where to: lab home get KEY PATH",
        )
    return os.path.join(target, name)


class _Getting:
    """Downloads that come below `top`; of a folder, under the path that follows the first `cut` letters of a key."""

    def __init__(self, spot: Spot, top: str, cut: int | None, *, force: bool) -> None:
        self._cut = cut
        self._home, self._folder, self._force = spot.home, spot.folder, force
        self._top = os.path.abspath(top)
        full = os.path.realpath(top)
        root = self._folder.root if self._folder else ""
        self._is_inside = bool(root) and f"{full}/".startswith(f"{root}/")
        self._stamp = spot.new_stamp()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """A linked folder is not written to while a sync is at work in it."""
        if self._folder is not None and self._is_inside:
            with self._folder.lock():
                yield
        else:
            yield

    def one(self, row: Row, there: There) -> Row:
        """Fetch beside the place, then give the file its name."""
        target = os.path.abspath(row.target)
        if self._cut is not None:
            parse_relpath(row.path[self._cut :])
        link = fs.link_parents(target, self._top)
        if link is not None:
            raise InvalidInput(
                f"'{row.target}' would be written through the symbolic link '{link}'",
                code="unsafe-path",
                hint="fetch into an empty folder",
            )
        is_there = os.path.lexists(target)
        if is_there and (not self._force or (os.path.isdir(target) and not os.path.islink(target))):
            raise Conflict(
                f"'{row.target}' exists already",
                code="destination-exists",
                hint="replace it with --force, or name another place",
                path=target,
            )
        fs.make_folder(os.path.dirname(target))
        temporary, partial = f"{target}.{os.urandom(4).hex()}.part", None
        if self._folder is not None:
            partial = self._folder.journal("down", row.path, row.size)
            if self._is_inside:  # where no sync takes it for a file
                temporary = self._folder.local.temporary()
        try:
            dress(temporary, fetch(self._home, row.path, there, temporary, partial))
            if not os.path.islink(temporary):
                fs.sync(os.path.dirname(target), [temporary])
            if is_there and self._is_inside and self._folder is not None:
                self._bury(target)
            fs.rename(temporary, target)
        finally:
            fs.remove(temporary)
        return row._replace(note="replaced" if is_there else "")

    def _bury(self, target: str) -> None:
        assert self._folder is not None
        local = self._folder.local
        full = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
        path = os.path.relpath(full, local.root)
        now = local.look(path)
        if now is not None:
            local.bury(path, now[0], self._stamp)


def cat_object(spot: Spot, write: Callable[[bytes | memoryview], None]) -> int:
    """Give the bytes of one object to `write`, in order; returns how many."""
    if not spot.path or spot.path.endswith("/"):
        raise InvalidInput(
            f"'{spot.address}' is a folder", code="is-a-folder", hint=f"lab home ls '{spot.path}'", path=spot.path
        )
    try:
        return spot.home.read(spot.path, write)
    except (NotFound, InvalidInput) as error:
        if error.code not in {"no-such-bucket", "no-such-folder"}:
            find_objects(spot, recursive=False, command="lab home get")  # says what is wrong with the name
        raise
