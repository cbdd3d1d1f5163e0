"""What git's history says about some files: one process for all commits, one for all contents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import LabError, NotFound

_BLOB_LIMIT = 64 << 20  # bytes; a pointer file has some hundred, a lock of a large pipeline some million
_FIELDS = ("%H", "%P", "%ct", "%aN", "%s")
_FORMAT = "tformat:%x01" + "%x00".join(_FIELDS)
_REGULAR = frozenset(("100644", "100755"))


class Change(NamedTuple):
    """One file that a commit changed: the blob ids before and after, None where it is not there (as a file).

    For a merge only files that differ from every parent are changed, and `old` is always None.
    """

    path: str
    old: str | None
    new: str | None


class Commit(NamedTuple):
    """One commit; `time` is the committer's, in unix seconds."""

    sha: str
    parents: tuple[str, ...]
    time: int
    author: str
    subject: str
    changes: tuple[Change, ...] = ()


class Tag(NamedTuple):
    """A tag that leads to a commit; a light one has no message, and the time of its commit."""

    name: str
    commit: str
    time: int
    is_annotated: bool
    message: str = ""


def read_commits(repository: Git, patterns: Sequence[str], rev: str) -> list[Commit]:
    """All commits that `rev` reaches, with their changes to the files that `patterns` (pathspecs) match.

    Parents come before children, and what a merge brought in directly before that merge, after everything of
    its first parent: merging an old branch moves nothing that was there before.
    """
    out = git.run(
        repository.root, "-c", "log.showRoot=true", "-c", "log.showSignature=false", "-c", "log.follow=false",
        "log", "-z", "-c", "--raw", "--no-abbrev", "--no-renames", "--ignore-submodules", "--full-history",
        "--sparse", "--no-show-signature", "--no-notes", "--encoding=UTF-8", f"--format={_FORMAT}", rev,
        "--", *patterns,
    )  # fmt: skip
    return _in_order(_parse_log(out))


def _parse_log(out: bytes) -> list[Commit]:
    tokens = out.split(b"\0")
    found: list[Commit] = []
    at, end = 0, len(tokens)
    while at < end:
        if not tokens[at].startswith(b"\x01"):
            at += 1
            continue
        sha, parents, time, author, subject = tokens[at : at + 5]
        at += 5
        changes: list[Change] = []
        while at < end and not tokens[at].startswith(b"\x01"):
            facts = tokens[at].lstrip(b"\n")
            if facts.startswith(b":"):
                changes.append(_change(facts, tokens[at + 1]))
                at += 1
            at += 1
        # After a commit that changed nothing the subject ends with the line's own end.
        found.append(
            Commit(
                sha[1:].decode("ascii"),
                tuple(parents.decode("ascii").split()),
                int(time),
                author.decode("utf-8", "replace"),
                subject.decode("utf-8", "replace"),
                tuple(changes),
            )
        )
    return found


def _change(facts: bytes, path: bytes) -> Change:
    """`:mode mode sha sha X`, or with one more mode and sha for each further parent of a merge."""
    parents = len(facts) - len(facts.lstrip(b":"))
    words = facts.decode("ascii").lstrip(":").split(" ")
    modes, ids = words[: parents + 1], words[parents + 1 : 2 * parents + 2]
    old = ids[0] if parents == 1 and modes[0] in _REGULAR else None
    return Change(os.fsdecode(path), old, ids[-1] if modes[-1] in _REGULAR else None)


def _in_order(commits: list[Commit]) -> list[Commit]:
    """Depth first, first parents first: every commit after all that it builds on."""
    if not commits:
        return []
    known = {commit.sha: commit for commit in commits}
    ordered: list[Commit] = []
    seen: set[str] = set()
    stack: list[tuple[str, int]] = [(commits[0].sha, 0)]  # git shows the one it starts from first
    seen.add(commits[0].sha)
    while stack:
        sha, number = stack.pop()
        commit = known[sha]
        if number < len(commit.parents):
            stack.append((sha, number + 1))
            parent = commit.parents[number]
            if parent in known and parent not in seen:
                seen.add(parent)
                stack.append((parent, 0))
            continue
        ordered.append(commit)
    return ordered


def read_objects(repository: Git, names: Iterable[str]) -> dict[str, bytes]:
    """The files that `names` (blob ids or `commit:path`) mean; absent, non-file and giant ones are left out.

    Two processes, however many names.
    """
    wanted = [name for name in dict.fromkeys(names) if "\n" not in name]
    if not wanted:
        return {}
    ids = _small_blobs(repository, wanted)
    contents: dict[str, bytes] = {}
    unique = list(dict.fromkeys(ids.values()))
    if unique:
        stdin = "".join(f"{sha}\n" for sha in unique).encode("ascii")
        contents = _contents(git.run(repository.root, "cat-file", "--batch", stdin=stdin))
    return {name: contents[sha] for name, sha in ids.items() if sha in contents}


def _small_blobs(repository: Git, names: Iterable[str]) -> dict[str, str]:
    rows = list(names)
    stdin = b"".join(os.fsencode(name) + b"\n" for name in rows)
    format_ = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    lines = git.run(repository.root, "cat-file", format_, stdin=stdin).splitlines()
    found: dict[str, str] = {}
    for name, line in zip(rows, lines, strict=False):
        words = line.split(b" ")
        if len(words) == 3 and words[1] == b"blob" and words[2].isdigit() and int(words[2]) <= _BLOB_LIMIT:
            found[name] = words[0].decode("ascii")
    return found


def _contents(out: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    at = 0
    while at < len(out):
        line_end = out.index(b"\n", at)
        sha, _, size = out[at:line_end].split(b" ")
        start = line_end + 1
        found[sha.decode("ascii")] = out[start : start + int(size)]
        at = start + int(size) + 1
    return found


def read_commit(repository: Git, sha: str) -> Commit:
    """One commit, without its changes."""
    out = git.run(repository.root, "log", "-1", "-z", "--encoding=UTF-8", f"--format={_FORMAT}", sha, "--")
    return _parse_log(out)[0]


def read_tags(repository: Git) -> list[Tag]:
    """Every tag that leads to a commit, in git's order of their names."""
    fields = ("refname:strip=2", "objecttype", "objectname", "*objecttype", "*objectname", "creatordate:unix",
              "contents:subject")  # fmt: skip
    format_ = "%00".join(f"%({field})" for field in fields) + "%00"
    out = git.run(repository.root, "for-each-ref", f"--format={format_}", "refs/tags")
    found = []
    words = out.split(b"\0")
    for at in range(0, len(words) - len(fields), len(fields)):
        name, kind, sha, inner_kind, inner_sha, time, message = words[at : at + len(fields)]
        label = os.fsdecode(name.lstrip(b"\n"))
        commit = _commit_of(repository, label, (kind, sha), (inner_kind, inner_sha))
        if commit is not None:
            text = message.decode("utf-8", "replace")
            is_annotated = kind == b"tag"
            found.append(Tag(label, commit, int(time or 0), is_annotated, text if is_annotated else ""))
    return found


def _commit_of(repository: Git, name: str, *objects: tuple[bytes, bytes]) -> str | None:
    for kind, sha in objects:
        if kind == b"commit":
            return sha.decode("ascii")
    if objects[-1][0] != b"tag":
        return None
    try:  # a tag of a tag: rare enough for a question of its own
        return repository.resolve(f"refs/tags/{name}")
    except LabError:
        return None


def make_tag(repository: Git, name: str, commit: str, message: str) -> None:
    """Make the annotated tag `name`; `Conflict` (`tag-exists`), `InvalidInput` (`bad-tag-name`, `no-git-identity`)."""
    git.run(repository.root, "tag", "--annotate", "--cleanup=verbatim", "-F", "-", "--", name, commit,
            stdin=message.encode("utf-8", "surrogateescape"))  # fmt: skip


def delete_tag(repository: Git, name: str) -> None:
    """Delete the tag `name`; raises `NotFound` (`no-such-tag`) without one."""
    code, _, err = git.try_run(repository.root, "tag", "--delete", "--", name)
    if code:
        if b"not found" in err:
            raise NotFound(f"there is no git tag '{name}'", code="no-such-tag", hint="see them: lab tag")
        raise git.translate(repository.root, "tag", err)
