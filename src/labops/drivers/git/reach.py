"""What revisions of a repository hold, read from git's own objects: each distinct folder and file once.

Nothing is checked out and no history is simplified: a commit's folder is walked as git stores it, and a
folder that many commits share is read for the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import NotFound, Unavailable

_FOLDER = "40000"
_PRIVATE = {".git", ".dvc", ".hg"}
_FILES = ("100644", "100755", "100664")


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
    known: set[tuple[str, bool]] = set()
    waiting = _tops(repository, list(dict.fromkeys(commits)), prefix)
    while waiting:
        rows = dict(repository.read_blobs(row.tree for row in waiting))
        following: list[_Folder] = []
        for row in waiting:
            entries = list(_entries(rows[row.tree], len(row.tree) // 2))
            is_nested = row.is_nested or (row.path != prefix and (_FOLDER, ".dvc") in {one[:2] for one in entries})
            blobs = {name: sha for mode, name, sha in entries if mode in _FILES and is_wanted(name)}
            if blobs:
                yield Found(row.commit, row.path, blobs, is_nested)
            for mode, name, sha in entries:
                if mode == _FOLDER and (sha, is_nested) not in known and name not in _PRIVATE:
                    known.add((sha, is_nested))
                    following.append(_Folder(sha, row.commit, f"{row.path}{name}/", is_nested))
        waiting = following


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


def _entries(data: bytes, width: int) -> Iterator[tuple[str, str, str]]:
    """(mode, name, id) of each row of a tree object whose ids have `width` bytes."""
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        yield (
            data[at:space].decode("ascii"),
            data[space + 1 : end].decode("utf-8", "surrogateescape"),
            data[end + 1 : end + 1 + width].hex(),
        )
        at = end + 1 + width


def sizes_at(repository: Git, rev: str) -> dict[str, int]:
    """Path → bytes of every regular file of a commit."""
    found = {}
    for row in git.names(repository.root, "ls-tree", "-r", "-l", "-z", "--full-tree", rev):
        facts, _, path = row.partition("\t")
        mode, _, _, size = facts.split()
        if mode in _FILES:
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
