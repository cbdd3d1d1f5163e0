"""Which files stay out of a home: `.labignore`, a few names that nobody wants to sync, and this run's filters."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from labops.drivers import fs
from labops.errors import NotFound
from labops.formats.ignore import IgnoreRules

NAME: Final = ".labignore"
FOLDERS: Final = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".cache", ".ipynb_checkpoints",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".Trash", ".Trashes",
})  # fmt: skip
"""Folders that are left out by default: they are made again, or git keeps them better."""
FILES: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".git"})
ENDINGS: Final = (".pyc", "~", ".swp", ".part", ".lock~")
_LIMIT: Final = 1 << 20


class Rules:
    """What is left out on both sides; a path that is left out is neither uploaded nor downloaded nor deleted."""

    def __init__(
        self, text: str = "", *, has_defaults: bool = True, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> None:
        """`text` is that of a `.labignore`; `include` and `exclude` are patterns of this run only."""
        self._has_defaults = has_defaults
        self._rules: IgnoreRules | None = None
        if text.strip():
            built_in = tuple(f"{name}/" for name in sorted(FOLDERS)) + tuple(sorted(FILES))
            built_in += tuple(f"*{ending}" for ending in ENDINGS)
            self._rules = IgnoreRules([("", text)], name=NAME, built_in=built_in if has_defaults else ())
        self._exclude = IgnoreRules([("", "\n".join(exclude))], name="--exclude", built_in=()) if exclude else None
        self._include = IgnoreRules([("", "\n".join(include))], name="--include", built_in=()) if include else None

    @property
    def is_filtering(self) -> bool:
        """True when this run looks at a part of the folder only."""
        return self._exclude is not None or self._include is not None

    def is_ignored(self, path: str, name: str, is_folder: bool) -> bool:
        """For one entry of a scan, whose folders above are not ignored."""
        if self._rules is not None:
            return self._rules.match(path, is_folder)
        if not self._has_defaults:
            return False
        return name in FOLDERS if is_folder else (name in FILES or name.endswith(ENDINGS))

    def is_ignored_path(self, path: str) -> bool:
        """For a whole path, as a listing shows it."""
        if self._rules is not None:
            return self._rules.match(path, False)
        if not self._has_defaults:
            return False
        *above, name = path.split("/")
        return not FOLDERS.isdisjoint(above) or name in FILES or name.endswith(ENDINGS)

    @property
    def is_wanted(self) -> Callable[[str], bool]:
        """Is this path part of this run?"""
        exclude, include = self._exclude, self._include

        def wanted(path: str) -> bool:
            if exclude is not None and exclude.match(path, False):
                return False
            return include is None or include.match(path, False)

        return wanted


def read_rules(
    root: str, *, has_defaults: bool = True, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Rules:
    """The rules of the folder `root`. `InvalidInput` (`bad-dvcignore`) for a pattern that is none."""
    try:
        text = fs.read_bytes(os.path.join(root, NAME), limit=_LIMIT).decode("utf-8", "surrogateescape")
    except NotFound:
        text = ""
    return Rules(text, has_defaults=has_defaults, include=include, exclude=exclude)
