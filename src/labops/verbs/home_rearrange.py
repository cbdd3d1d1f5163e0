"""`lab home rm` and `lab home mv`: what is inside a home is deleted into its trash, or renamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labops import transfer
from labops.agreement import There
from labops.errors import Conflict, InvalidInput
from labops.home.acting import JOBS
from labops.home.naming import Spot, inside, is_folder, join, require_free_folders, require_writable
from labops.home.objects import ObjectsReport, Row, each, ended, find_objects, finish, locked
from labops.model import OnEvent, ignore
from labops.places.home import Stored


def remove_objects(
    spots: Sequence[Spot],
    *,
    recursive: bool = False,
    dry_run: bool = False,
    confirm: Callable[[ObjectsReport], bool] = lambda _: True,
    on_event: OnEvent = ignore,
) -> ObjectsReport:
    """Delete objects of the home, or with `recursive` folders, into its trash. Nothing here is touched.

    All are looked up before the first one goes. `confirm` sees what would go; False is `Conflict`
    (`not-confirmed`).
    """
    planned = _to_remove(spots, recursive=recursive)
    rows = [Row(row.key, "", row.size) for _, row in planned]
    linked = any(spot.folder is not None for spot in spots)
    report = ObjectsReport("rm", tuple(rows), is_dry=True, is_linked=linked)
    if dry_run:
        return report
    if not confirm(report):
        raise Conflict("nothing was deleted", code="not-confirmed", hint="lab home rm --dry-run shows what would go")
    stamps = {id(spot.home): spot.new_stamp() for spot in spots}
    todo = list(zip(rows, planned, strict=True))

    def one(item: tuple[Row, tuple[Spot, Stored]]) -> Row:
        row, (spot, stored) = item
        there = There(stored.size, stored.mark, stored.digest)
        spot.home.remove(stored.key, there, stamps[id(spot.home)])
        return row

    with locked(spots[0]):
        values = transfer.each(todo, one, phase="delete", jobs=JOBS, on_event=on_event)
        finish(spots)
    done = tuple(ended(item[0], value) for item, value in zip(todo, values, strict=True))
    return ObjectsReport("rm", done, is_linked=linked, url="" if linked else spots[0].home.url)


def _to_remove(spots: Sequence[Spot], *, recursive: bool) -> list[tuple[Spot, Stored]]:
    """Every object that the spots name, once."""
    planned: dict[tuple[int, str], tuple[Spot, Stored]] = {}
    for spot in spots:
        if not spot.path.strip("/."):
            raise InvalidInput(
                "that is the whole home", code="whole-home", hint="name what may go: lab home ls shows it"
            )
        if spot.path.endswith("/") and not recursive:
            raise InvalidInput(
                f"'{spot.path}' is a folder in the home", code="is-a-folder", hint=f"lab home rm -r '{spot.path}'"
            )
        for row in find_objects(spot, recursive=recursive, command="lab home rm"):
            planned[id(spot.home), row.key] = (spot, row)
    return list(planned.values())


def move_objects(source: Spot, target: Spot, *, dry_run: bool = False, on_event: OnEvent = ignore) -> ObjectsReport:
    """Rename an object, or a folder, inside one home: no byte travels, and nothing is replaced.

    Into `target` where that is a folder there or ends with `/`. A name that is taken is a failed row.
    """
    home = source.home
    target = inside(home, target)
    if not source.path.strip("/."):
        raise InvalidInput("that is the whole home", code="whole-home", hint="name a file or a folder in it")
    found = find_objects(source, recursive=True, command="lab home mv")
    is_one = len(found) == 1 and found[0].key == source.path
    is_into = not target.path or target.path.endswith("/") or is_folder(home, target.path)
    new_path = join(target.path, source.name if is_into else "")
    old_path = source.path.rstrip("/")
    if f"{new_path}/".startswith(f"{old_path}/"):
        raise InvalidInput(
            f"'{old_path}' cannot be moved to '{new_path}', which is itself or lies in it",
            code="bad-usage",
            hint="choose another name",
        )
    require_writable(new_path)
    require_free_folders(home, new_path)
    if not is_one and home.look(new_path) is not None:
        raise _taken(new_path)
    rows = [Row(row.key, new_path + row.key[len(old_path) :], row.size) for row in found]
    theirs = {row.key: There(row.size, row.mark, row.digest) for row in found}
    linked = source.folder is not None
    if dry_run:
        return ObjectsReport("mv", tuple(rows), is_dry=True, is_linked=linked)

    def one(row: Row) -> Row:
        require_writable(row.target.removesuffix("/"))
        if home.look(row.target) is not None:
            raise _taken(row.target)
        home.move(row.path, row.target, theirs[row.path])
        return row

    with locked(source):
        done = each(rows, one, "move", None, on_event)
        finish([source])
    return ObjectsReport("mv", done, is_linked=linked)


def _taken(path: str) -> Conflict:
    return Conflict(
        f"'{path}' is there already",
        code="destination-exists",
        hint=f"move it away first, or delete it into the trash: lab home rm '{path}'",
        path=path,
    )
