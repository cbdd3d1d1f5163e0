"""`init`: make a DVC project of a folder, with the files that dvc would write."""

from __future__ import annotations

import os
import sys

from labops.drivers import fs
from labops.drivers.git import Git
from labops.drivers.lock import RepositoryLock
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.installing import install_merge_driver
from labops.model import Action, Outcome, Plan, Report, Result, Step
from labops.settings import PRIVATE_FILES

GITIGNORE = b"".join(line + b"\n" for line in PRIVATE_FILES)
NO_SCM_CONFIG = b"[core]\n    no_scm = True\n"
# The comment that dvc writes, so that `diff -r` finds nothing.
DVCIGNORE = (
    b"# Add patterns of files dvc should ignore, which could improve\n"
    b"# the performance. Learn more at\n"
    b"# https://dvc.org/doc/user-guide/dvcignore\n"
)
_KEPT = frozenset({"cache", "tmp"})
_KEPT_IN_TMP = frozenset({"lock", "lock.holder", "rwlock.lock", "rwlock.lock.holder"})


def init(folder: str = ".", *, no_scm: bool = False, force: bool = False, subdir: bool = False) -> Report:
    """Make `folder` a project and stage its three files in git; nothing is committed.

    Raises `InvalidInput` (`not-a-git-root`, `dvc-dir-ignored`), `NotFound` (`no-such-folder`) or `Conflict`
    (`already-a-project`). With `force` the settings of an existing project are reset. Unlike dvc's, it keeps
    the cache: that may be the only copy of somebody's data.
    """
    root = os.path.abspath(folder)
    if no_scm and subdir:
        raise InvalidInput("'--no-scm' and '--subdir' exclude each other", code="bad-usage", hint="lab init --help")
    if not os.path.isdir(root):
        raise NotFound(f"'{folder}' is not a folder", code="no-such-folder", hint=f"mkdir -p '{folder}'")
    git = None if no_scm else _git_for(root, subdir=subdir)
    dvc_dir = os.path.join(root, ".dvc")
    if os.path.isdir(dvc_dir):
        if not force:
            raise Conflict(
                f"'{root}' is a project already",
                code="already-a-project",
                hint="`lab init -f` would reset its settings; its remotes are listed by: lab remote list",
                path=root,
            )
        with RepositoryLock(os.path.join(dvc_dir, "tmp", "lock")):
            _reset(dvc_dir)
            return _write(root, git)
    return _write(root, git)


def _git_for(root: str, *, subdir: bool) -> Git:
    """The repository that will hold the project."""
    git = Git.find(root)
    if git is None:
        raise InvalidInput(
            f"'{root}' is not in a git repository",
            code="not-a-git-root",
            hint="git init && lab init (or, without history: lab init --no-scm)",
        )
    if not subdir and not git.is_root(root):
        raise InvalidInput(
            f"'{root}' is not the top of its git repository, '{git.root}' is",
            code="not-a-git-root",
            hint="lab init --subdir, for a project of its own in this folder",
        )
    inside = os.path.relpath(os.path.join(os.path.realpath(root), ".dvc"), os.path.realpath(git.root))
    if git.ignored([f"{inside}/"]):
        raise InvalidInput(
            f"git ignores '{inside}', so the project would never be shared",
            code="dvc-dir-ignored",
            hint="echo '!.dvc' >> .gitignore",
        )
    return git


def _reset(dvc_dir: str) -> None:
    """Remove settings and temporary files, but neither objects nor the lock that we hold."""
    for folder, kept in ((dvc_dir, _KEPT), (os.path.join(dvc_dir, "tmp"), _KEPT_IN_TMP)):
        for name in fs.names_in(folder):
            if name not in kept:
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    fs.remove_workbench(path)
                else:
                    fs.remove(path)


def _write(root: str, git: Git | None) -> Report:
    dvc_dir = os.path.join(root, ".dvc")
    fs.make_folder(os.path.join(dvc_dir, "tmp"))
    files = {".dvc/config": NO_SCM_CONFIG if git is None else b""}
    if git is not None:
        files[".dvc/.gitignore"] = GITIGNORE
    if not os.path.lexists(os.path.join(root, ".dvcignore")):
        files[".dvcignore"] = DVCIGNORE
    for name, data in files.items():
        fs.write_atomic(os.path.join(root, name), data)
    # Its time of birth tells this project from an earlier one in the same place, in dvc's own state.
    fs.write_new(os.path.join(dvc_dir, "tmp", "btime"), b"")
    if git is not None:
        names = (".dvc/config", ".dvc/.gitignore", ".dvcignore")
        git.stage([os.path.join(os.path.realpath(root), name) for name in names])
    warnings = () if git is None else _teach_merging(git)
    steps = tuple(Step(Action.CREATE, name) for name in files)
    return Report("init", Plan(steps), tuple(Outcome(step, Result.DONE) for step in steps), warnings)


def _teach_merging(git: Git) -> tuple[str, ...]:
    """Let git merge datasets; without that the project works all the same."""
    try:
        install_merge_driver(git, sys.executable)
    except LabError as error:
        return (f"git was not taught to merge datasets ({error.message}); try again with: lab install",)
    return ()
