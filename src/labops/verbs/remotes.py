"""`remote …`: add, choose, change, list, remove and rename remotes, keeping every level's file consistent.

Names are lower-cased, as dvc does. `root` is the project's, or None outside of one.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from labops import settings
from labops.errors import Conflict, InvalidInput, NotFound
from labops.formats import dvcconfig
from labops.formats.dvcconfig import ConfigLevel


class RemoteRow(NamedTuple):
    """One remote of all levels together; `url` has its paths resolved, and is empty where no level has one."""

    name: str
    url: str
    is_default: bool


def list_remotes(root: str | None, level: str | None = None) -> tuple[RemoteRow, ...]:
    """The remotes of one level or of all, in the order of the merged files. Broken ones are listed too."""
    home = os.path.expanduser("~")
    urls: dict[str, str] = {}
    default = ""
    for found in [level] if level else settings.levels_of(root):
        folder = os.path.dirname(settings.level_path(found, root))
        config = dvcconfig.resolve_paths(settings.read_level(found, root), folder, home=home)
        for name in config.names("remote"):
            urls[name] = config.get(f"remote.{name}", "url") or urls.get(name, "")
        default = config.get("core", "remote") or default
    return tuple(RemoteRow(name, url, name == default.lower()) for name, url in urls.items())


def add(
    root: str | None, name: str, url: str, level: str | None = None, *, is_default: bool = False, force: bool = False
) -> None:
    """Add a remote with nothing but a url; an existing one needs `force`, which resets it.

    Raises `Conflict` (`remote-exists`), or `InvalidInput` (`bad-config`) for a url dvc does not know.
    """
    chosen, section = level or "repo", _section(name)
    config = settings.read_level(chosen, root)
    if section in config.sections:
        if not force:
            raise Conflict(
                f"remote '{name.lower()}' already exists",
                code="remote-exists",
                hint=f"lab remote modify {name.lower()} url '{url}', or add it anew with -f",
                remote=name.lower(),
            )
        config = dvcconfig.remove_section(config, section)
    config = dvcconfig.set_option(config, section, "url", settings.stored(chosen, root, section, "url", url))
    if is_default:
        config = dvcconfig.set_option(config, "core", "remote", name.lower())
    settings.write_level(chosen, root, config)


def set_default(root: str | None, name: str, level: str | None = None) -> None:
    """Make `name` the default remote; `NotFound` (`no-such-remote`) unless this level can see it."""
    chosen = level or "repo"
    _must_exist(root, name, chosen)
    config = dvcconfig.set_option(settings.read_level(chosen, root), "core", "remote", name.lower())
    settings.write_level(chosen, root, config)


def unset_default(root: str | None, level: str | None = None) -> None:
    """Forget the default remote of one level; fine when there was none."""
    chosen = level or "repo"
    settings.write_level(chosen, root, _without_default(settings.read_level(chosen, root)))


def modify(root: str | None, name: str, option: str, value: str | None, level: str | None = None) -> tuple[str, ...]:
    """Set an option of a remote, or remove it (`value` None); returns warnings.

    The remote may come from a more general level: then this level holds only what differs.
    """
    chosen, section, option = level or "repo", _section(name), option.lower()
    url = _must_exist(root, name, chosen)
    config = settings.read_level(chosen, root)
    if value is None:
        if option in config.sections.get(section, {}):
            config = dvcconfig.unset_option(config, section, option)
        if not config.sections.get(section, {"": ""}):
            config = dvcconfig.remove_section(config, section)
        settings.write_level(chosen, root, config)
        return ()
    dvcconfig.validate_option(section, option, value, url=value if option == "url" else url)
    value = settings.stored(chosen, root, section, option, value)
    settings.write_level(chosen, root, dvcconfig.set_option(config, section, option, value))
    return settings.secret_warnings(chosen, option)


def remove(root: str | None, name: str, level: str | None = None) -> tuple[str, ...]:
    """Remove a remote from one level, and `core.remote` where it named it; returns what else went.

    When no other level has a url for it, what the project's files still say about it (credentials in
    `config.local`) goes too: dvc refuses every command while such a rest is there.
    """
    chosen, section = level or "repo", _section(name)
    found = {each: settings.read_level(each, root) for each in settings.levels_of(root)}
    if section not in found[chosen].sections:
        raise _unknown(root, name)
    changed = {chosen: dvcconfig.remove_section(found[chosen], section)}
    told = []
    if not any((changed.get(each) or config).get(section, "url") for each, config in found.items()):
        for each, config in found.items():
            if each != chosen and each in settings.PROJECT_LEVELS and section in config.sections:
                changed[each] = dvcconfig.remove_section(config, section)
                told.append(f"its options in '{os.path.relpath(settings.level_path(each, root))}' were removed too")
    for each in reversed(list(found)):
        config = changed.get(each) or found[each]
        if (config.get("core", "remote") or "").lower() == name.lower():
            changed[each] = _without_default(config)
        if each == chosen:
            break
    settings.write_levels(changed, root)
    return tuple(told)


def rename(root: str | None, name: str, new: str, level: str | None = None) -> None:
    """Give a remote another name, in `core.remote` too.

    Without an explicit level both files of the project follow, so that credentials stay with their remote.
    """
    old, new = name.lower(), new.lower()
    _section(new)
    if any(row.name == new for row in list_remotes(root)):
        raise Conflict(f"remote '{new}' already exists", code="remote-exists", hint="lab remote list", remote=new)
    wanted = [level] if level else [each for each in settings.levels_of(root) if each in settings.PROJECT_LEVELS]
    found = {each: settings.read_level(each, root) for each in wanted or ["repo"]}
    if not any(_section(old) in config.sections for config in found.values()):
        raise _unknown(root, old)
    changed = {each: dvcconfig.rename_remote(config, old, new) for each, config in found.items()}
    if level and level != "local" and root is not None:
        local = settings.read_level("local", root)
        changed["local"] = dvcconfig.rename_remote(local, old, new)
    settings.write_levels(changed, root)


def _section(name: str) -> str:
    if not name or any(letter in name for letter in "\"'\n") or name != name.strip():
        raise InvalidInput(f"'{name}' cannot be the name of a remote", code="bad-remote-name")
    return f"remote.{name.lower()}"


def _must_exist(root: str | None, name: str, level: str) -> str:
    """The url of a remote as `level` and the more general ones give it."""
    upto = settings.LEVELS[: settings.LEVELS.index(level) + 1]
    found = [row for each in upto for row in list_remotes(root, each) if row.name == name.lower()]
    if not found:
        raise _unknown(root, name)
    return next((row.url for row in reversed(found) if row.url), "")


def _unknown(root: str | None, name: str) -> NotFound:
    known = ", ".join(row.name for row in list_remotes(root)) or "none yet"
    return NotFound(
        f"remote '{name.lower()}' does not exist", code="no-such-remote", hint=f"known remotes: {known}", remote=name
    )


def _without_default(config: ConfigLevel) -> ConfigLevel:
    return dvcconfig.unset_option(config, "core", "remote") if config.get("core", "remote") is not None else config
