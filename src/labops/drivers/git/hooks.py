"""Hooks, attributes and the merge driver of a git repository, and what a hook asks about the commits at hand."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import Conflict, NotFound

NOTHING = frozenset({"0" * 40, "0" * 64})
"""The id that git gives for 'no commit'."""


class Changed(NamedTuple):
    """A file that a commit adds or changes: path from the top of the repository, blob id."""

    commit: str
    path: str
    blob: str


class Ref(NamedTuple):
    """One line of what a `pre-push` hook is told: what is pushed where, and what was there."""

    local: str
    sha: str
    remote: str
    old: str


# -- where things go ---------------------------------------------------------------------------------------


def hooks_folder(repo: Git) -> str:
    """Where git looks for hooks, `core.hooksPath` and linked worktrees considered.

    Raises `Conflict` (`hooks-shared`) when that folder serves other repositories too.
    """
    (path, common) = git.text(repo.root, "rev-parse", "--git-path", "hooks", "--git-common-dir").splitlines()
    folder, home = (os.path.realpath(os.path.join(repo.root, place)) for place in (path, common))
    inside = (os.path.realpath(repo.root), home)
    if not any(folder == place or folder.startswith(place + os.sep) for place in inside):
        raise Conflict(
            f"git runs the hooks in '{folder}' (core.hooksPath), which is outside this repository",
            code="hooks-shared",
            hint=f"to have hooks of this repository's own: git config core.hooksPath '{home}/hooks'",
            path=folder,
        )
    return folder


def set_here(repo: Git, name: str, value: str) -> bool:
    """Set a value of this clone's own git configuration; False when it is that already."""
    code, out, _ = git.try_run(repo.root, "config", "--local", "--get", name)
    if code == 0 and os.fsdecode(out).rstrip("\n") == value:
        return False
    git.run(repo.root, "config", "--local", name, value)
    return True


def attributes_file(repo: Git) -> str:
    """The file for attributes of this clone alone, which no commit holds."""
    return os.path.join(repo.root, git.text(repo.root, "rev-parse", "--git-path", "info/attributes"))


def merge_attribute(repo: Git, path: str) -> str:
    """How git merges such a file now: `unspecified` or the name of a driver."""
    return git.text(repo.root, "check-attr", "merge", "--", path).rpartition(": ")[2]


# -- what is being committed or pushed ----------------------------------------------------------------


def parse_refs(text: str) -> list[Ref]:
    """The lines on a `pre-push` hook's input; what is no such line is passed over."""
    rows = (line.split(" ") for line in text.splitlines())
    return [Ref(*row) for row in rows if len(row) == 4]


def new_files(
    repo: Git, tips: Sequence[str], known: Iterable[str], remote: str, patterns: Sequence[str]
) -> list[Changed]:
    """Files named like `patterns` that the commits of `tips` bring which neither `known` nor `remote` has.

    Newest first, once each. A merge commit brings what neither of its parents had.
    """
    if not tips:
        return []
    here = [sha for sha in known if sha not in NOTHING and git.try_run(repo.root, "cat-file", "-e", sha)[0] == 0]
    without = [f"^{sha}" for sha in here]
    if remote and not remote.startswith("-"):
        without += ["--not", f"--remotes={_escaped(remote)}"]
    specs = [f":(top,glob)**/{pattern}" for pattern in patterns]
    rows = git.names_and_gaps(
        repo.root, "log", "--raw", "--no-abbrev", "--no-renames", "--no-show-signature", "-c",
        "-z", "--format=%x01%H", *tips, *without, "--", *specs,
    )  # fmt: skip
    found: dict[tuple[str, str], Changed] = {}
    for commit, facts, path in _raw_rows(rows):
        parents = len(facts) - len(facts.lstrip(":"))
        fields = facts.lstrip(":").split(" ")
        mode, blob = fields[parents], fields[2 * parents + 1]
        if mode in ("100644", "100755"):
            found.setdefault((path, blob), Changed(commit, path, blob))
    return list(found.values())


def _escaped(remote: str) -> str:
    """A remote's name as a glob that matches just it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in remote)


def _raw_rows(tokens: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(commit, facts, path) from `log --raw -z` with a format of `\\x01` and the commit."""
    commit = ""
    rows = iter(tokens)
    for token in rows:
        word = token.lstrip("\n")
        if word.startswith("\x01"):
            commit = word[1:].strip()
        elif word.startswith(":"):
            yield commit, word, next(rows, "")


def staged_files(repo: Git, index_file: str = "") -> list[Changed]:
    """The regular files that the commit in the making adds or changes; `index_file` is the index git uses for it."""
    env = {"GIT_INDEX_FILE": index_file} if index_file else None
    words = ("--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--diff-filter=AMT")
    rows = git.names(repo.root, "diff", *words, env=env)
    found = []
    for facts, path in zip(rows[::2], rows[1::2], strict=False):
        _, mode, _, blob, _ = facts.lstrip(":").split(" ")
        if mode in ("100644", "100755"):
            found.append(Changed("", path, blob))
    return found


def indexed_files(repo: Git, pattern: str, index_file: str = "") -> dict[str, str]:
    """Path → blob of the index's files named like `pattern`, anywhere; files in a half-done merge are left out."""
    env = {"GIT_INDEX_FILE": index_file} if index_file else None
    found = {}
    for row in git.names(repo.root, "ls-files", "-s", "-z", "--", f":(top,glob)**/{pattern}", env=env):
        facts, _, path = row.partition("\t")
        _, blob, stage = facts.split(" ")
        if stage == "0":
            found[path] = blob
    return found


def blob_sizes(repo: Git, blobs: Sequence[str]) -> dict[str, int]:
    """Blob id → bytes."""
    if not blobs:
        return {}
    stdin = "".join(f"{sha}\n" for sha in blobs).encode("ascii")
    lines = (
        git.run(repo.root, "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).decode().splitlines()
    )
    rows = (line.split(" ") for line in lines)
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def setting(repo: Git, name: str, *, kind: str = "") -> str:
    """A value of git's configuration, or an empty string; `kind` `int` turns `5m` into bytes."""
    code, out, err = git.try_run(repo.root, "config", *([f"--type={kind}"] if kind else []), "--get", name)
    if code > 1:
        raise git.translate(repo.root, "config", err)
    return os.fsdecode(out).strip()


def is_rebasing(repo: Git) -> bool:
    """True in the middle of a rebase, where branches are switched for a moment only."""
    paths = git.text(repo.root, "rev-parse", "--git-path", "rebase-merge", "--git-path", "rebase-apply").splitlines()
    return any(os.path.isdir(os.path.join(repo.root, path)) for path in paths)


def project_folders(repo: Git, index_file: str = "") -> list[str]:
    """The folders, relative to the top (`""` for the top itself), that hold a dvc project git knows."""
    env = {"GIT_INDEX_FILE": index_file} if index_file else None
    found = {""} if os.path.isdir(os.path.join(repo.root, ".dvc")) else set()
    with contextlib.suppress(NotFound):
        for name in git.names(repo.root, "ls-files", "-z", "--", ":(top,glob)**/.dvc/config", env=env):
            folder = os.path.dirname(os.path.dirname(name))
            if os.path.isdir(os.path.join(repo.root, folder, ".dvc")):
                found.add(folder)
    return sorted(found)
