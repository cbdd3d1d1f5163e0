"""Where the four levels of dvc's configuration lie, reading and writing them, and the settings they give."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from labops.drivers import fs
from labops.drivers.git import Git
from labops.errors import InvalidInput, LabError, NotFound
from labops.formats.dvcconfig import (
    ConfigLevel,
    Settings,
    is_path_option,
    merge_config,
    parse_config,
    render_config,
    store_path,
)

LEVELS = ("system", "global", "repo", "local")
"""In the order in which later ones override earlier ones."""
PROJECT_LEVELS = frozenset({"repo", "local"})

PRIVATE_FILES = (b"/config.local", b"/tmp", b"/cache")
"""The lines of `.dvc/.gitignore`, in dvc's order."""

_SIZE_LIMIT = 1 << 20
_SECRET = re.compile(r"secret|password|passphrase|token|account_key|connection_string|sse_customer_key|auth_header")


def find_root(start: str = ".") -> str | None:
    """The nearest folder at or above `start` with a `.dvc` folder in it, or None.

    Reads no settings, so it works where they are broken. Stops at a mount point, as dvc does.
    """
    folder = os.path.realpath(start)
    while not os.path.isdir(os.path.join(folder, ".dvc")):
        parent = os.path.dirname(folder)
        if parent == folder or os.path.ismount(folder):
            return None
        folder = parent
    return folder


def level_path(level: str, root: str | None) -> str:
    """The absolute path of a level's file, whether it exists or not.

    `root` is the project's; without one the two project levels raise `NotFound` (`not-in-a-project`).
    """
    if level == "system":
        return os.path.join(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or _system_dir(), "config")
    if level == "global":
        return os.path.join(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or _global_dir(), "config")
    if root is None:
        raise NotFound(
            "not inside a dataset repository, so there is no such configuration file",
            code="not-in-a-project",
            hint="go to a cloned one, or use --global",
        )
    return os.path.join(root, ".dvc", "config" if level == "repo" else "config.local")


def _system_dir() -> str:
    if sys.platform == "darwin":
        return "/Library/Application Support/dvc"
    return os.path.join(os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0] or "/etc/xdg", "dvc")


def _global_dir() -> str:
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "dvc")
    return os.path.join(os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.join(home, ".config"), "dvc")


def read_level(level: str, root: str | None) -> ConfigLevel:
    """One file as it stands, paths not resolved; empty where there is no file.

    Raises `InvalidInput` (`bad-config`) for what is no configuration.
    """
    path = level_path(level, root)
    try:
        text = fs.read_bytes(path, limit=_SIZE_LIMIT).decode("utf-8")
    except NotFound:
        return ConfigLevel()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{path}' is not UTF-8 text", code="bad-config", path=path) from error
    return parse_config(text, name=path)


def levels_of(root: str | None) -> Iterator[str]:
    """The levels that exist here: all four in a project, else the first two."""
    return (level for level in LEVELS if root is not None or level not in PROJECT_LEVELS)


def load_settings(root: str | None) -> Settings:
    """All levels merged and validated; `InvalidInput` (`bad-config`) for whatever dvc would refuse."""
    return _merge({level: read_level(level, root) for level in levels_of(root)}, root)


def _merge(found: dict[str, ConfigLevel], root: str | None) -> Settings:
    home = os.path.expanduser("~")
    pairs = {level: (config, os.path.dirname(level_path(level, root))) for level, config in found.items()}
    try:
        return merge_config(list(pairs.values()), home=home)
    except InvalidInput as error:
        for level, pair in pairs.items():
            if _problem([pair], home) == error.message:
                path = level_path(level, root)
                raise InvalidInput(f"in '{path}', {error}", code=error.code, hint=error.hint, path=path) from error
        raise


def _problem(pairs: list[tuple[ConfigLevel, str]], home: str) -> str:
    """What is wrong with these levels alone."""
    try:
        merge_config(pairs, home=home)
    except InvalidInput as error:
        return error.message
    return ""


def write_levels(changed: dict[str, ConfigLevel], root: str | None) -> None:
    """Replace whole files, each atomically, after checking that what all levels then say is valid.

    A configuration that was invalid before may stay so: it has to be mended option by option. The mode of a
    file is kept, but a personal one (`local`, `global`) that holds a secret becomes its owner's alone.
    """
    before = {level: read_level(level, root) for level in levels_of(root)}
    try:
        _merge(before | changed, root)
    except LabError:
        if _is_valid(before, root):
            raise
    if root is not None and "local" in changed:
        ignore_private_files(root)
    for level, config in changed.items():
        if config == before[level]:
            continue
        path = level_path(level, root)
        fs.make_folder(os.path.dirname(path))
        is_private = level in {"local", "global"} and has_secret(config)
        fs.write_atomic(path, render_config(config).encode("utf-8"), mode=0o600 if is_private else None)


def ignore_private_files(root: str) -> bool:
    """Put back what is missing in `.dvc/.gitignore`, so that git never takes secrets or objects; True if it was.

    dvc does the same whenever it starts. A project outside of git has no such file.
    """
    path = os.path.join(root, ".dvc", ".gitignore")
    try:
        text = fs.read_bytes(path, limit=_SIZE_LIMIT)
    except NotFound:
        if Git.find(root) is None:
            return False
        text = b""
    missing = [line for line in PRIVATE_FILES if line not in text.splitlines()]
    if missing:
        start = text if not text or text.endswith(b"\n") else text + b"\n"
        fs.write_atomic(path, start + b"".join(line + b"\n" for line in missing))
    return bool(missing)


def _is_valid(levels: dict[str, ConfigLevel], root: str | None) -> bool:
    try:
        _merge(levels, root)
    except LabError:
        return False
    return True


def write_level(level: str, root: str | None, config: ConfigLevel) -> None:
    """`write_levels` for one file."""
    write_levels({level: config}, root)


def is_secret(option: str) -> bool:
    """True for options whose value must not be seen by others, nor go into git."""
    return _SECRET.search(option) is not None


def has_secret(config: ConfigLevel) -> bool:
    """True when some section of the file holds a secret."""
    return any(is_secret(option) for options in config.sections.values() for option in options)


def secret_warnings(level: str, option: str) -> tuple[str, ...]:
    """What to say about a secret in a file that git shares with everybody; nothing about other options."""
    if level == "repo" and is_secret(option):
        return (f"'{option}' goes into '.dvc/config', which git shares; --local keeps it on this machine",)
    return ()


def stored(level: str, root: str | None, section: str, option: str, value: str) -> str:
    """How a value typed in the current directory is written into a level's file: paths count from that file."""
    if not is_path_option(section, option):
        return value
    # The real path, because the project root is one: a way through a symlink would lead elsewhere from there.
    folder = os.path.realpath(os.path.dirname(level_path(level, root)))
    return store_path(value, cwd=os.getcwd(), config_dir=folder)
