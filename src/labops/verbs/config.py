"""`config` and `cache dir`: read and write single options, level by level.

`root` is the project's, or None outside of one: then there are the system and the global level only. Nothing
here needs valid settings, because this is how broken ones are mended.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from labops import settings
from labops.errors import NotFound
from labops.formats import dvcconfig
from labops.formats.dvcconfig import ConfigLevel


class OptionRow(NamedTuple):
    """One option as one file has it; paths are resolved. `file` is relative to the project where it is in it."""

    level: str
    file: str
    name: str
    value: str


def list_options(root: str | None, level: str | None = None) -> tuple[OptionRow, ...]:
    """Every option of one level, or of all in the order in which they override each other."""
    levels = [level] if level else settings.levels_of(root)
    return tuple(
        OptionRow(found, _shown(found, root), name, value)
        for found in levels
        for name, value in _resolved(found, root).listed()
    )


def get_option(root: str | None, name: str, level: str | None = None) -> OptionRow | None:
    """What holds for `name`; None when no level sets it.

    With an explicit level an option that is not there raises `NotFound` (`no-such-option`), as dvc does.
    """
    section, option = dvcconfig.split_option_name(name)
    for found in [level] if level else reversed(list(settings.levels_of(root))):
        value = _resolved(found, root).get(section, option)
        if value is not None:
            return OptionRow(found, _shown(found, root), f"{section}.{option}", value)
    if level:
        hint = f"lab config --{'project' if level == 'repo' else level} --list"
        raise NotFound(f"option '{name}' is not set there", code="no-such-option", hint=hint)
    return None


def set_option(root: str | None, name: str, value: str, level: str | None = None) -> tuple[str, ...]:
    """Set one option in one file (the project's by default); returns warnings."""
    chosen = level or "repo"
    section, option = dvcconfig.split_option_name(name)
    url = None
    if section.startswith("remote."):
        url = value if option == "url" else _url(root, section)
    dvcconfig.validate_option(section, option, value, url=url)
    value = settings.stored(chosen, root, section, option, value)
    config = dvcconfig.set_option(settings.read_level(chosen, root), section, option, value)
    settings.write_level(chosen, root, config)
    warnings = settings.secret_warnings(chosen, option)
    if (section, option) == ("cache", "type"):
        return (*warnings, "files that are in the workspace already keep their links until: lab checkout --relink")
    return warnings


def unset_option(root: str | None, name: str, level: str | None = None) -> None:
    """Remove one option from one file; `NotFound` (`no-such-option`) when it is not there."""
    chosen = level or "repo"
    section, option = dvcconfig.split_option_name(name)
    config = dvcconfig.unset_option(settings.read_level(chosen, root), section, option)
    settings.write_level(chosen, root, config)


def cache_dir(root: str | None, level: str | None = None) -> str:
    """The absolute path of the cache; with a level, what that level says (`NotFound` if nothing)."""
    row = get_option(root, "cache.dir", level)
    if row is not None:
        return row.value
    return os.path.join(os.path.dirname(settings.level_path("repo", root)), "cache")


def _url(root: str | None, section: str) -> str | None:
    """The url that the levels together give a remote."""
    urls = [_resolved(level, root).get(section, "url") for level in settings.levels_of(root)]
    return next((url for url in reversed(urls) if url), None)


def _resolved(level: str, root: str | None) -> ConfigLevel:
    folder = os.path.dirname(settings.level_path(level, root))
    return dvcconfig.resolve_paths(settings.read_level(level, root), folder, home=os.path.expanduser("~"))


def _shown(level: str, root: str | None) -> str:
    path = settings.level_path(level, root)
    return os.path.relpath(path, root) if root is not None and level in settings.PROJECT_LEVELS else path
