"""What revisions of a repository hold, read from git's own objects: each distinct folder and file once.

Nothing is checked out and no history is simplified: a commit's folder is walked as git stores it, and a
folder that many commits share is read for the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import NotFound, Unavailable

_FOLDER = b"40000"
_PRIVATE = {b".git", b".dvc", b".hg"}
_FILES = {b"100644", b"100755", b"100664"}
_ENTRY = {2 * width: re.compile(rb"(\d+) ([^\0]+)\0(.{%d})" % width, re.DOTALL) for width in (20, 32)}
"""A row of a tree object, by the length of the repository's ids in hex."""


class Found(NamedTuple):
    """One folder of history: the commit where it was met first, its path, and the blob ids of its wanted files."""

    commit: str
    folder: str
    """`""` or `sub/folder/`."""
    blobs: dict[str, str]
    """Name → blob id."""
    is_nested: bool = False
    """True inside a project of its own, below the one at the top."""


class _Folder(NamedTuple):
    tree: str
    commit: str
    path: str
    is_nested: bool = False


def refs(repository: Git) -> dict[str, str]:
    """Ref → commit of HEAD and of all branches, tags and remote-tracking branches; not of what is no commit."""
    names = [ref for under in ("refs/heads", "refs/tags", "refs/remotes") for ref in repository.refs(under)]
    found = repository.commits_of(names)
    head = repository.head()
    return {**found, **({"HEAD": head} if head else {})}


def commits_from(repository: Git, starts: Sequence[str], *, most: int | None = None, since: float = 0) -> list[str]:
    """The commits that `starts` reach, newest first; of each start only `most`, along first parents.

    `since` (unix seconds) leaves out what was committed before.
    """
    if not starts:
        return []
    if most is not None:
        each = (_rev_list(repository, [start], f"--max-count={most}", "--first-parent") for start in starts)
        return list(dict.fromkeys(sha for found in each for sha in found))
    # Not `--since`: that stops at the first old commit, and clocks of people differ.
    rows = _rev_list(repository, starts, "--timestamp") if since else _rev_list(repository, starts)
    if not since:
        return rows
    pairs = (row.split(" ") for row in rows)
    return [sha for time, sha in pairs if float(time) >= since]


def _rev_list(repository: Git, starts: Sequence[str], *options: str) -> list[str]:
    stdin = "".join(f"{start}\n" for start in starts).encode()
    out = git.run(repository.root, "rev-list", *options, "--stdin", stdin=stdin)
    return out.decode("ascii").splitlines()


def walk(
    repository: Git, commits: Iterable[str], is_wanted: Callable[[str], bool], prefix: str = ""
) -> Iterator[Found]:
    """Every distinct folder at or below `prefix` (`""` or `sub/`) that holds files with wanted names.

    Raises `NotFound` (`git-object-missing`) when a commit or folder is not in the repository.
    """
    known: set[tuple[bytes, bool]] = set()
    wanted: dict[bytes, str] = {}
    """Names seen so far: as text where they are wanted, else empty."""
    waiting = _tops(repository, list(dict.fromkeys(commits)), prefix)
    while waiting:
        following: list[_Folder] = []
        for row, (_, data) in zip(waiting, repository.read_blobs(row.tree for row in waiting), strict=True):
            entries = _ENTRY[len(row.tree)].findall(data)
            is_nested = row.is_nested or (row.path != prefix and (_FOLDER, b".dvc") in [one[:2] for one in entries])
            blobs = {}
            for mode, raw, sha in entries:
                if mode == _FOLDER:
                    if (sha, is_nested) not in known and raw not in _PRIVATE:
                        known.add((sha, is_nested))
                        following.append(_Folder(sha.hex(), row.commit, f"{row.path}{_text(raw)}/", is_nested))
                elif mode in _FILES:
                    name = wanted.get(raw)
                    if name is None:
                        name = wanted[raw] = _text(raw) if is_wanted(_text(raw)) else ""
                    if name:
                        blobs[name] = sha.hex()
            if blobs:
                yield Found(row.commit, row.path, blobs, is_nested)
        waiting = following


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _tops(repository: Git, commits: Sequence[str], prefix: str) -> list[_Folder]:
    """Each distinct top folder with the first commit that has it."""
    names = [f"{commit}:{prefix.rstrip('/')}" if prefix else f"{commit}^{{tree}}" for commit in commits]
    answers = repository.ids_of(names)
    found: dict[str, _Folder] = {}
    for commit, sha in zip(commits, answers, strict=True):
        if sha is None:
            if repository.ids_of([f"{commit}^{{tree}}"]) == [None]:
                hint = "git fetch --unshallow" if repository.is_shallow else "git fsck"
                raise NotFound(f"git has no object '{commit}'", code="git-object-missing", hint=hint, oid=commit)
        else:
            found.setdefault(sha, _Folder(sha, commit, prefix))
    return list(found.values())


def sizes_at(repository: Git, rev: str) -> dict[str, int]:
    """Path → bytes of every regular file of a commit."""
    found = {}
    for row in git.names(repository.root, "ls-tree", "-r", "-l", "-z", "--full-tree", rev):
        facts, _, path = row.partition("\t")
        mode, _, _, size = facts.split()
        if mode.encode() in _FILES:
            found[path] = int(size)
    return found


def unknown_refs(repository: Git) -> list[str]:
    """Branches and tags of the remotes that lead to commits this repository does not have.

    One request for each remote; raises `Unavailable` (`git-remote-unreachable`).
    """
    found = []
    for name in git.text(repository.root, "remote").splitlines():
        code, out, err = git.try_run(repository.root, "ls-remote", "--heads", "--tags", "--refs", name)
        if code:
            line = err.decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise Unavailable(
                f"the git remote '{name}' cannot be asked for its branches: {line[-1].removeprefix('fatal: ')}",
                code="git-remote-unreachable",
                hint=f"try again when it answers; if it is gone for good: git remote remove {name}",
                remote=name,
            )
        rows = [line.split("\t", 1) for line in out.decode("utf-8", "surrogateescape").splitlines()]
        known = repository.ids_of([sha for sha, _ in rows])
        found += [f"{name}/{ref.split('/', 2)[2]}" for (_, ref), sha in zip(rows, known, strict=True) if sha is None]
    return found
