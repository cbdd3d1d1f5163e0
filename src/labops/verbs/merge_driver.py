"""`merge-driver`: git asks for the merge of two versions of one DVC file, in files of its own."""

from __future__ import annotations

import os
from typing import NamedTuple

from labops.drivers import fs
from labops.drivers.git import Git
from labops.errors import Conflict, InvalidInput
from labops.merging import merge_pointers
from labops.project import Project

_LIMIT = 64 << 20  # bytes
_NAMED = 20


class Sides(NamedTuple):
    """Three files with the texts to merge; the result goes into `ours`. `path` is its name from the top of git."""

    ancestor: str
    ours: str
    theirs: str
    path: str = ""


def merge_driver(sides: Sides) -> None:
    """Merge into the file `sides.ours`, which stays as it was when that cannot be: `Conflict` (`dataset-conflict`).

    Takes no lock: it may run inside a command that holds it, and writes nothing but a new tree object.
    """
    top = Git.find(".")
    path = sides.path or os.path.relpath(sides.ours, top.root if top else ".")
    project = Project.find(_folder_of(path, top))
    file = os.path.relpath(os.path.join(top.root, path), project.root).replace(os.sep, "/") if top else path
    texts = [_read(name, path) for name in (sides.ancestor, sides.ours, sides.theirs)]
    merged = merge_pointers(project, file, *texts)
    if merged.clashes:
        named = [f"{clash.path or path}: {clash.what}" for clash in merged.clashes]
        more = f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        raise Conflict(
            f"'{path}' cannot be merged: {'; '.join(named[:_NAMED])}{more}",
            code="dataset-conflict",
            hint=f"choose a side: git checkout --ours '{path}' or git checkout --theirs '{path}'; "
            f"then git add '{path}' && git commit && lab checkout",
            path=path,
        )
    fs.write_atomic(sides.ours, merged.text.encode())


def _folder_of(path: str, top: Git | None) -> str:
    """The nearest folder above `path` that is there: on the way to it lies the project."""
    folder = os.path.dirname(os.path.join(top.root, path)) if top else "."
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder or "."


def _read(name: str, path: str) -> str:
    try:
        return fs.read_bytes(name, limit=_LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{path}' is not UTF-8 text", code="bad-dvc-file", path=path) from error
