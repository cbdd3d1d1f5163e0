"""`lab home log`: what changed in a home, when, and from which machine, as far as the home itself still tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from labops import transfer
from labops.errors import LabError
from labops.home import HomeFolder
from labops.home.stamps import read_stamp
from labops.planning.homelog import Change, Content, Maker, changes_of, name_machines

SHOWN: Final = 50
"""Changes that are told when nobody says how many: each of them may cost one request."""


def log_home(folder: HomeFolder, path: str = "", *, most: int = SHOWN) -> list[Change]:
    """The youngest `most` changes at or below `path`, the youngest first.

    Put together from the objects' times, the stamps in the trash, and the bucket's versions. The machine is empty
    where another tool made the change, or the store keeps no metadata. A rename leaves no trace of the old name.
    """
    path = path.rstrip("/")
    contents = [one for one in _contents(folder, path) if not path or f"{one.path}/".startswith(f"{path}/")]
    changes = changes_of(contents)[:most]
    held = [change.content for change in changes if change.content is not None]
    answers = transfer.each(held, lambda one: _maker(folder, one), phase="ask", jobs=16)
    makers = {one: answer for one, answer in zip(held, answers, strict=True) if not isinstance(answer, LabError)}
    return name_machines(changes, makers, contents)[:most]


def _contents(folder: HomeFolder, path: str) -> Iterator[Content]:
    home = folder.home
    for buried in home.list_trash():
        ended, machine = read_stamp(buried.stamp)
        yield Content(buried.path, buried.size, 0.0, ended, machine, buried.stamp, key=buried.key)
    if home.store.keeps_versions:
        for version in home.versions(path):
            yield Content(version.key, version.size, version.began, version.ended, version=version.version)
        return
    if path:
        found = home.look(path)
        if found is not None:
            yield Content(path, found.size, found.modified)
    for page in home.below(f"{path}/" if path else ""):
        for row in page:
            yield Content(row.key, row.size, _seconds(row.modified))


def _seconds(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _maker(folder: HomeFolder, content: Content) -> Maker:
    found = folder.home.look(content.key or content.path, content.version)
    if found is None or not found.run:
        return Maker()
    began, machine = read_stamp(found.run)
    return Maker(found.run, machine, began)
