"""What git says about itself and its settings: version, identity, hooks, the address of a remote."""

from __future__ import annotations

import os
from collections.abc import Sequence

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.drivers.git.running import text


def version() -> str:
    """`git version 2.47.3`; raises `NotFound` (`git-missing`)."""
    return text(os.getcwd(), "version")


def identity(repository: Git) -> str:
    """`Ada <ada@lab.example>` as the next commit would have it; empty when git does not know."""
    code, out, _ = git.try_run(repository.root, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    return os.fsdecode(out).rpartition("> ")[0] + ">" if code == 0 else ""


def setting(repository: Git, name: str) -> str:
    """One setting of git, from whatever level; empty when it is not set."""
    code, out, _ = git.try_run(repository.root, "config", "--get", name)
    return os.fsdecode(out).strip() if code == 0 else ""


def installed_hooks(repository: Git, names: Sequence[str]) -> list[str]:
    """Those of the hooks `names` that are there and run lab or dvc."""
    folder = os.path.join(repository.root, text(repository.root, "rev-parse", "--git-path", "hooks"))
    found = []
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as stream:
                content = stream.read(1 << 16)
        except OSError:
            continue
        if b"lab" in content or b"dvc" in content:
            found.append(name)
    return found


def origin(repository: Git) -> str:
    """The address of the remote `origin`, or else of the first one there is; empty without."""
    names = text(repository.root, "remote").splitlines()
    if not names:
        return ""
    chosen = "origin" if "origin" in names else names[0]
    return text(repository.root, "remote", "get-url", chosen)
