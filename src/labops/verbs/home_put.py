"""`lab home put`: a file or a folder into a home, without a sync."""

from __future__ import annotations

import os

from labops.agreement import There, is_of_parts
from labops.errors import InvalidInput, LabError, NotFound
from labops.home.carrying import source_of
from labops.home.naming import Spot, is_folder, join, require_free_folders, require_writable
from labops.home.objects import ObjectsReport, Row, each, finish, locked
from labops.home.rules import read_rules
from labops.model import OnEvent, ignore
from labops.places.local import LocalFolder
from labops.planning.home import Do, HomePlan, Step, find_clashes


def put_objects(
    source: str,
    spot: Spot,
    *,
    recursive: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> ObjectsReport:
    """Store a file, or a folder, as the spot's key; what it replaces goes into the trash of the home.

    A key that ends with `/` or is a folder there takes the file under its own name. A folder needs `recursive` or
    a `/` at its end, which means its contents; what the rules leave out of a sync is left out here too.
    """
    if not os.path.lexists(source):
        raise NotFound(f"'{source}' does not exist", code="no-such-file", hint="ls", path=source)
    is_folder_here = os.path.isdir(source) and not (os.path.islink(source) and not source.endswith("/"))
    if is_folder_here and not (recursive or source.endswith("/")):
        raise InvalidInput(
            f"'{source}' is a folder", code="is-a-folder", hint=f"lab home put -r '{source}'", path=source
        )
    putting = _Putting(source, spot, is_folder_here)
    rows = putting.rows
    if dry_run:
        return ObjectsReport("put", tuple(rows), is_dry=True, left_out=putting.left_out)
    with locked(spot):
        done = each(rows, putting.one, "upload", jobs, on_event)
        finish([spot])
    linked = spot.folder is not None
    url = "" if linked else spot.home.url
    return ObjectsReport("put", done, is_linked=linked, left_out=putting.left_out, url=url)


class _Putting:
    """Uploads of one file or folder. `rows` are planned: from a path below `source`, to a key."""

    def __init__(self, source: str, spot: Spot, is_folder_here: bool) -> None:
        self._home, self._folder, self._stamp = spot.home, spot.folder, spot.new_stamp()
        self.left_out: tuple[str, ...] = ()
        self._theirs: dict[str, There] = {}
        self._clashes: dict[str, LabError] = {}
        full = os.path.abspath(source)
        if is_folder_here:
            self._local = LocalFolder(full)
            is_contents = source.endswith("/") or not spot.path or not is_folder(spot.home, spot.path)
            top = join(spot.path, "" if is_contents else os.path.basename(full))
            self.rows = self._folder_rows(full, top)
        else:
            self._local = LocalFolder(os.path.dirname(full))
            name = os.path.basename(full)
            is_into = not spot.path or spot.path.endswith("/") or is_folder(spot.home, spot.path)
            key = require_writable(join(spot.path, name) if is_into else spot.path)
            require_free_folders(spot.home, key)
            found = spot.home.look(key)
            if found is not None:
                self._theirs[key] = There(found.size, found.mark, found.digest)
            self.rows = [Row(name, key, os.lstat(full).st_size)]

    def _folder_rows(self, full: str, top: str) -> list[Row]:
        if top:
            require_writable(top)
            require_free_folders(self._home, f"{top}/x")
        rules = read_rules(full)
        scan = self._local.scan(rules.is_ignored, is_looking=True)
        self.left_out = tuple(scan.ignored)
        rows = [Row(path, join(top, path), here.size) for path, here in sorted(scan.files.items())]
        pages = self._home.below(f"{top}/" if top else "")
        self._theirs = {row.key: There(row.size, row.mark, row.digest) for page in pages for row in page}
        steps = [Step(Do.UPLOAD, row.target, there=self._theirs.get(row.target)) for row in rows]
        self._clashes |= find_clashes(HomePlan(tuple(steps), 0), self._theirs)
        for folder in scan.unreadable:
            rows.append(Row(folder, join(top, folder), 0))
            self._clashes[join(top, folder)] = NotFound(f"'{folder}' cannot be read", code="folder-unreadable")
        return rows

    def one(self, row: Row) -> Row:
        """Store one file, unless its content is there."""
        if row.target in self._clashes:
            raise self._clashes[row.target]
        require_writable(row.target)
        here, source = source_of(self._local, row.path)
        there = self._theirs.get(row.target)
        said = "" if there is None else there.mark if is_of_parts(there.mark, there.size) else there.digest
        is_maybe = said and there is not None and there.size == source.size
        if is_maybe and self._local.digest(row.path, here, said).digest == said:
            return row._replace(note="already")
        journal = self._folder.journal("up", row.target, source.size) if self._folder else None
        self._home.put(row.target, source, there, self._stamp, journal)
        return row._replace(note="replaced" if there else "")
