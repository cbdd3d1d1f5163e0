"""Installing: our hooks and our merge driver in one clone of a git repository. What was there before is kept."""

from __future__ import annotations

import os

from labops.drivers import fs
from labops.drivers.git import Git
from labops.drivers.git import hooks as git
from labops.errors import Conflict, LabError
from labops.formats.hookscript import BEFORE, HOOKS, driver_command, is_our_hook, render_hook

_ATTRIBUTES = (
    ("any.dvc", "*.dvc merge=lab", ("unspecified", "dvc")),
    (".gitignore", ".gitignore merge=union", ("unspecified",)),
)
"""A path to ask git about, the line that says how to merge such files, and the answers that it may replace."""
_SCRIPT_LIMIT = 1 << 20  # bytes


def install_hooks(repo: Git, python: str) -> list[tuple[str, bool]]:
    """All our hooks, by name, and whether each is new; raises `Conflict` (`hooks-shared`, `hook-in-the-way`)."""
    folder = git.hooks_folder(repo)
    return [(name, install_hook(folder, name, render_hook(name, python))) for name in HOOKS]


def install_hook(folder: str, name: str, script: str) -> bool:
    """Put our hook `name` there; False when it is there already. A foreign one is kept and runs first.

    Raises `Conflict` (`hook-in-the-way`) when there is a foreign one and the name for it is taken.
    """
    path = os.path.join(folder, name)
    kept = path + BEFORE
    fs.make_folder(folder)
    if os.path.lexists(path):
        text = _read(path)
        if text == script and os.access(path, os.X_OK):
            return False
        if not is_our_hook(text):
            if os.path.lexists(kept):
                raise Conflict(
                    f"there is a hook '{name}' that is not ours, and an older one in '{name}{BEFORE}'",
                    code="hook-in-the-way",
                    hint=f"keep one of them: look into '{folder}'",
                    path=path,
                )
            fs.rename(path, kept)
    try:
        fs.write_atomic(path, script.encode("utf-8", "surrogateescape"), mode=0o755)
    except LabError:
        if os.path.lexists(kept) and not os.path.lexists(path):
            fs.rename(kept, path)
        raise
    return True


def _read(path: str) -> str:
    if os.path.islink(path):
        return ""  # somebody else's file, even where it is a copy of ours
    try:
        return fs.read_bytes(path, limit=_SCRIPT_LIMIT).decode("utf-8", "surrogateescape")
    except LabError:
        return ""


def install_merge_driver(repo: Git, python: str) -> list[str]:
    """Let git merge `.dvc` files by `lab merge-driver`; what was changed, in words.

    Two people who track something new in one folder both add a line to its `.gitignore`: git keeps both. Driver and
    attributes stay in the `.git` folder: no tracked file is touched. Somebody's own choice of a merge for such files,
    other than dvc's driver, stays in force.
    """
    values = {"merge.lab.name": "labops merge driver for datasets", "merge.lab.driver": driver_command(python)}
    changed = [name for name, value in values.items() if git.set_here(repo, name, value)]
    # dvc's own driver fails when both sides delete a file, and is not there where dvc is not.
    lines = [line for path, line, replaced in _ATTRIBUTES if git.merge_attribute(repo, path) in replaced]
    if lines:
        path = git.attributes_file(repo)
        text = fs.read_cache_file(path)
        start = text if not text or text.endswith(b"\n") else text + b"\n"
        fs.make_folder(os.path.dirname(path))
        fs.write_atomic(path, start + "".join(f"{line}\n" for line in lines).encode())
        changed.append("info/attributes")
    return changed
