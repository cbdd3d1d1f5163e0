"""A working copy of a lab's repository, made once: cloned with nothing of theirs executed."""

from __future__ import annotations

import os

from labops.drivers.git.cloning import check_url, run_safe, shown_url
from labops.drivers.git.repository import Git
from labops.errors import Conflict, LabError


def clone(url: str, target: str) -> bool:
    """Clone `url` into the folder `target`; False when it is such a clone already.

    Raises `Conflict` (`clone-in-the-way`) for a folder that holds something else, or what keeps git from cloning.
    """
    check_url(url)
    if os.path.isdir(target) and os.listdir(target):
        if is_clone_of(url, target):
            return False
        raise Conflict(
            f"'{target}' is not a clone of '{shown_url(url)}', and not empty",
            code="clone-in-the-way",
            hint="name another folder: lab join FILE FOLDER",
            path=target,
        )
    parent = os.path.dirname(target)
    run_safe(parent, url, "clone", "--quiet", "--no-recurse-submodules", "--", url, target)
    return True


def is_clone_of(url: str, folder: str) -> bool:
    """True for the top folder of a clone that fetches from `url`, under whichever name."""
    from labops.drivers.git import running as git

    repo = Git.find(folder)
    if repo is None or not repo.is_root(folder):
        return False
    try:
        rows = git.text(folder, "remote", "-v").splitlines()
    except LabError:
        return False
    return any(_same(row.split("\t")[-1].rpartition(" (")[0], url) for row in rows)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").removesuffix(".git") == other.rstrip("/").removesuffix(".git")
