"""The settings of a source repository: the machine's, the commit's, and what the person says on top."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import InvalidInput
from labops.formats.dvcconfig import ConfigLevel, Settings, merge_config, parse_config
from labops.settings import read_level

UPSTREAM = "source-cache"
"""Our name for the cache of a local source that has no default remote: dvc too takes the data from there."""


class Overrides(NamedTuple):
    """What the person says about a source's configuration: dvc's `--config`, `--remote` and `--remote-config`."""

    config: str | Mapping[str, object] | None = None
    """A file, or sections as a pointer file holds them (`{"core": {"remote": "x"}}`)."""
    remote: str | None = None
    remote_config: Mapping[str, str] | None = None


def cache_folder() -> str:
    """The folder of this member where copies of other repositories are kept."""
    home = os.path.expanduser("~")
    default = os.path.join(home, "Library", "Caches") if sys.platform == "darwin" else os.path.join(home, ".cache")
    return os.path.join(os.environ.get("XDG_CACHE_HOME", "").strip() or default, "labops", "sources")


def settings_at(
    text: str, name: str, *, dvc_dir: str, here: Settings | None, cache_dir: str, overrides: Overrides
) -> Settings:
    """The settings that a commit's `.dvc/config` (`text`, called `name`) gives, with `overrides`.

    For a source on this machine, `here` are its present settings, which win over the commit's: they know
    where the data is now. Where those name no remote, `UPSTREAM` is its cache `cache_dir`.
    """
    levels = [(read_level("system", None), dvc_dir), (read_level("global", None), dvc_dir)]
    levels.append((parse_config(text, name=name), dvc_dir))
    if here is not None:
        levels.append((here.level, dvc_dir))
        if here.core_remote is None:
            levels.append((ConfigLevel({f"remote.{UPSTREAM}": {"url": cache_dir}}), dvc_dir))
    levels += _levels_of(overrides, levels, dvc_dir)
    return merge_config(levels, home=os.path.expanduser("~"))


def _levels_of(
    overrides: Overrides, levels: Sequence[tuple[ConfigLevel, str]], dvc_dir: str
) -> list[tuple[ConfigLevel, str]]:
    found: list[tuple[ConfigLevel, str]] = []
    if isinstance(overrides.config, str):
        path = os.path.abspath(overrides.config)
        text = fs.read_bytes(path, limit=1 << 20).decode("utf-8", "replace")
        found.append((parse_config(text, name=overrides.config), os.path.dirname(path)))
    elif overrides.config:
        found.append((_level(overrides.config), dvc_dir))
    if overrides.remote_config:
        names = [level.get("core", "remote") for level, _ in [*levels, *found]]
        names[:0] = [UPSTREAM for level, _ in levels if f"remote.{UPSTREAM}" in level.sections]
        name = overrides.remote or next((name for name in reversed(names) if name), None)
        if name is None:
            raise InvalidInput(
                "--remote-config needs the name of a remote, since there is no default one",
                code="bad-usage",
                hint="add: --remote NAME",
            )
        found.append((ConfigLevel({f"remote.{name.lower()}": dict(overrides.remote_config)}), os.getcwd()))
    return found


def _level(sections: Mapping[str, object]) -> ConfigLevel:
    """Sections as dvc writes them into a pointer file: `core: {remote: x}`, `remote: {x: {url: …}}`."""
    flat: dict[str, dict[str, str | tuple[str, ...]]] = {}
    for section, options in sections.items():
        if not isinstance(options, Mapping):
            continue
        for option, value in options.items():
            if isinstance(value, Mapping):
                flat[f"{section}.{str(option).lower()}"] = {str(key): _text(one) for key, one in value.items()}
            else:
                flat.setdefault(str(section), {})[str(option)] = _text(value)
    return ConfigLevel(flat)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
