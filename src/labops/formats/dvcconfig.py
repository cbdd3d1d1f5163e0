"""dvc's configuration: the levels of config files merged into typed settings, with paths resolved.

The text of one file is `configtext`, the options dvc knows are `configschema`; both are offered from here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from labops.errors import InvalidInput
from labops.formats.configschema import split_types, validate_option, validate_sections
from labops.formats.configtext import (
    ConfigLevel,
    Value,
    is_path_option,
    is_relative,
    parse_config,
    remove_section,
    rename_remote,
    render_config,
    set_option,
    split_option_name,
    unset_option,
)
from labops.model import RemoteSettings

__all__ = [
    "ConfigLevel",
    "Settings",
    "is_path_option",
    "merge_config",
    "parse_config",
    "remove_section",
    "rename_remote",
    "render_config",
    "resolve_paths",
    "set_option",
    "split_option_name",
    "store_path",
    "unset_option",
    "validate_option",
]

_DEFAULT_LINKS = ("reflink", "copy")


class Settings(NamedTuple):
    """The merged configuration: what holds, whichever file says so. Paths are absolute."""

    level: ConfigLevel = ConfigLevel()
    remotes: Mapping[str, RemoteSettings] = MappingProxyType({})
    """By lower-case name; `remote://` urls are followed, with the options of the remote they build upon."""

    def option(self, section: str, option: str) -> str | None:
        """The value of `section.option` as text (paths resolved, lists joined with commas), or None."""
        return self.level.get(section, option)

    @property
    def core_remote(self) -> str | None:
        """Name of the default remote, lower-case."""
        name = self.option("core", "remote")
        return name.lower() if name else None

    @property
    def autostage(self) -> bool:
        return self._is_set("core", "autostage")

    @property
    def no_scm(self) -> bool:
        return self._is_set("core", "no_scm")

    @property
    def hardlink_lock(self) -> bool:
        return self._is_set("core", "hardlink_lock")

    @property
    def checksum_jobs(self) -> int | None:
        jobs = self.option("core", "checksum_jobs")
        return int(jobs) if jobs else None

    @property
    def site_cache_dir(self) -> str | None:
        return self.option("core", "site_cache_dir")

    @property
    def cache_dir(self) -> str | None:
        """Absolute, or None for the default below `.dvc`."""
        return self.option("cache", "dir")

    @property
    def cache_types(self) -> tuple[str, ...]:
        """Link types in the order in which they are to be tried."""
        value = self.level.sections.get("cache", {}).get("type")
        return split_types(value) if value else _DEFAULT_LINKS

    @property
    def cache_shared_group(self) -> bool:
        return (self.option("cache", "shared") or "").lower() == "group"

    @property
    def slow_link_warning(self) -> bool:
        return self._is_set("cache", "slow_link_warning", default=True)

    def _is_set(self, section: str, option: str, *, default: bool = False) -> bool:
        value = self.option(section, option)
        return default if value is None else value.lower() == "true"


def merge_config(levels: Sequence[tuple[ConfigLevel, str]], *, home: str) -> Settings:
    """The settings that `levels` give together, later ones winning option by option.

    Each level comes with the absolute posix directory of its file, from which its relative paths count;
    `home` stands for `~`. Raises `InvalidInput` (`bad-config`) for everything that makes dvc refuse:
    unknown sections and options, wrong values, a remote without url, a `remote://` that leads nowhere.
    """
    merged: dict[str, dict[str, Value]] = {}
    for level, directory in levels:
        for section, options in resolve_paths(level, directory, home=home).sections.items():
            merged.setdefault(section, {}).update(options)
    validate_sections(merged)
    level = ConfigLevel(merged)
    return Settings(level, {name: _remote(level, name, ()) for name in level.names("remote")})


def resolve_paths(level: ConfigLevel, directory: str, *, home: str) -> ConfigLevel:
    """`level` with every path-valued option made absolute; urls stay as they are."""
    return ConfigLevel(
        {
            section: {
                option: _resolved(value, directory, home)
                if isinstance(value, str) and is_path_option(section, option)
                else value
                for option, value in options.items()
            }
            for section, options in level.sections.items()
        }
    )


def store_path(value: str, *, cwd: str, config_dir: str) -> str:
    """How the command line's path `value` is written into the config file in `config_dir`.

    Relative paths are taken from `cwd` and counted from `config_dir`; urls, absolute paths and `~` stay.
    """
    if not is_relative(value):
        return value
    return posixpath.relpath(posixpath.join(cwd, value), config_dir)


def _resolved(value: str, directory: str, home: str) -> str:
    if value == "~" or value.startswith("~/"):
        return home.rstrip("/") + value[1:] or "/"
    if not is_relative(value):
        return value
    return posixpath.normpath(posixpath.join(directory, value))


def _remote(level: ConfigLevel, name: str, seen: tuple[str, ...]) -> RemoteSettings:
    section = level.sections.get(f"remote.{name}")
    if section is None or name in seen:
        problem = "leads back to itself" if name in seen else "is not configured"
        through = f" (named by remote '{seen[-1]}')" if seen else ""
        raise InvalidInput(f"remote '{name}' {problem}{through}", code="bad-config", hint="see 'lab remote list'")
    options = {option: level.get(f"remote.{name}", option) or "" for option in section if option != "url"}
    url = level.get(f"remote.{name}", "url") or ""
    scheme, _, rest = url.partition("://")
    if scheme.lower() != "remote":
        return RemoteSettings(name, url, options)
    base_name, _, below = rest.partition("/")
    base = _remote(level, base_name.lower(), (*seen, name))
    # dvc joins with one slash whatever the base ends with: the keys in the bucket may really hold `//`
    return RemoteSettings(name, f"{base.url}/{below.lstrip('/')}", {**base.options, **options})
