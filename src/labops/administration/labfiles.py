"""Where `lab.toml` is, and what it says."""

from __future__ import annotations

import os

from labops.drivers import fs
from labops.errors import InvalidInput, NotFound
from labops.formats.labfile import FILE, read_lab
from labops.membership import Lab

_LIMIT = 1 << 20


def lab_root(start: str = ".") -> str:
    """The folder at or above `start` with a `lab.toml` in it. `NotFound` (`no-lab-file`)."""
    folder = os.path.realpath(start)
    while True:
        if os.path.lexists(os.path.join(folder, FILE)):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            raise NotFound(
                f"there is no '{FILE}' here or in a folder above",
                code="no-lab-file",
                hint="cd into the datasets repository, or make one: lab admin init",
            )
        folder = parent


def lab_text(root: str) -> str:
    """The text of the `lab.toml` in `root`. `InvalidInput` (`bad-lab-file`) for what is no text."""
    path = os.path.join(root, FILE)
    try:
        return fs.read_bytes(path, limit=_LIMIT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{FILE} is not text in UTF-8", code="bad-lab-file", path=path) from error


def find_lab(start: str = ".") -> Lab:
    """The lab of the `lab.toml` at or above `start`."""
    return read_lab(lab_text(lab_root(start)))
