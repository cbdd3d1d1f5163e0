"""One git repository: its files, its index, its revisions. Never rewrites history.

Every call runs in the repository that `Git.root` names, whatever `GIT_DIR` a hook or a shell has exported,
with English messages and without prompts. Names travel NUL-separated as bytes and come back as `str` with
surrogate escapes, so any file name that Linux allows survives. Failures are translated by one table.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from labops.drivers.git import running as git
from labops.errors import Conflict, LabError, NotFound

if TYPE_CHECKING:
    from subprocess import Popen

_INDEX_LOCK_TRIES = 10
_INDEX_LOCK_PAUSE_SECONDS = 0.1
_BATCH = 90
"""Requests in flight to `cat-file`: 41 bytes each must fit the smallest pipe (4 KiB), or both sides wait."""
_ARGV_BYTES = 100_000
"""Pathspecs beyond this many bytes are not passed one by one: `ARG_MAX` counts the environment too."""


class Revision(NamedTuple):
    """One commit and the names it was asked for by (branches, tags; else the abbreviated id)."""

    sha: str
    names: tuple[str, ...]


class GitFile(NamedTuple):
    """One file of a commit: git's mode (`100644`, `100755`, or `120000` for a symbolic link) and its blob."""

    mode: str
    sha: str


_UNREACHABLE_PATH = re.compile(
    r"pathspec '(?P<a>.*)' is (?:beyond a symbolic link|in submodule)|: '(?P<b>.*)' is outside repository",
    re.IGNORECASE | re.DOTALL,
)


def _is_git_root(folder: str) -> bool:
    """True when `folder` holds a repository that git would accept: `.git` folder or a `gitdir:` file."""
    dot_git = os.path.join(folder, ".git")
    if os.path.isdir(dot_git):
        return os.path.lexists(os.path.join(dot_git, "HEAD"))
    try:
        with open(dot_git, "rb") as stream:
            return stream.read(8) == b"gitdir: "
    except OSError:
        return False


class Git:
    """The git repository whose working tree starts at `root` (absolute).

    Paths given may be absolute or relative to `root`; paths returned are relative to `root`, posix, except
    that `ignored` and `tracked` return the very strings they were given.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    @classmethod
    def find(cls, start: str) -> Git | None:
        """The repository that holds the folder `start`, or None. Reads folders only, runs no git."""
        folder = os.path.abspath(start)
        while True:
            if _is_git_root(folder):
                return cls(folder)
            parent = os.path.dirname(folder)
            if parent == folder:
                return None
            folder = parent

    def is_root(self, folder: str) -> bool:
        """True when `folder` is the top of this working tree."""
        return os.path.realpath(folder) == os.path.realpath(self.root)

    @property
    def is_shallow(self) -> bool:
        """True when history is cut off: what is reachable cannot be known in full."""
        return git.text(self.root, "rev-parse", "--is-shallow-repository") == "true"

    # -- the index ------------------------------------------------------------------------------------

    def stage(self, paths: Iterable[str]) -> None:
        """Put these files (never folders) in the index as they are, whatever the ignore rules say.

        Editors refresh the index in the background, so a held index lock is retried for about a second;
        then `Conflict` (`git-index-locked`).
        """
        wanted = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if not wanted:
            return
        command = ("--literal-pathspecs", "add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        for attempt in range(1, _INDEX_LOCK_TRIES + 1):
            try:
                git.run(self.root, *command, stdin=wanted)
            except Conflict:
                if attempt == _INDEX_LOCK_TRIES:
                    raise
                time.sleep(_INDEX_LOCK_PAUSE_SECONDS)
            else:
                return

    def ignored(self, paths: Iterable[str]) -> set[str]:
        """Those of `paths` that ignore rules match, by one call. The index does not matter, as in dvc.

        A path that may only be a folder ends with `/` when it does not exist. Paths outside the working
        tree, behind a symlink or in a submodule are not ignored: git's rules do not reach them.
        """
        pending = [path for path in dict.fromkeys(paths) if self._is_inside(path)]
        while pending:
            stdin = b"".join(os.fsencode(path) + b"\0" for path in pending)
            done = git.try_run(self.root, "check-ignore", "--no-index", "-z", "--stdin", stdin=stdin)
            if done[0] in (0, 1):
                return {os.fsdecode(name) for name in done[1].split(b"\0") if name}
            refused = _UNREACHABLE_PATH.search(os.fsdecode(done[2]))
            name = (refused["a"] or refused["b"]) if refused else None
            if name not in pending:
                raise git.translate(self.root, "check-ignore", done[2])
            pending.remove(name)
        return set()

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Those of `paths` that the index holds, or that are folders holding something it holds."""
        wanted = {path: self._relative(path) for path in paths if self._is_inside(path)}
        if not wanted:
            return set()
        specs = sorted(set(wanted.values()))
        if sum(map(len, specs)) > _ARGV_BYTES:
            specs = []
        found: set[str] = set()
        names = git.names(self.root, "--literal-pathspecs", "ls-files", "-z", "--cached", "--", *specs)
        for name in names:
            while name and name not in found:
                found.add(name)
                name = name.rpartition("/")[0]
        return {path for path, relative in wanted.items() if relative in found or (names and relative == ".")}

    def list_files(self, patterns: Sequence[str], under: str = "") -> list[str]:
        """Files below `under` whose base name matches one of `patterns` (`*.dvc`), sorted, once each.

        Tracked files are listed even where an ignore rule matches or the file is gone; untracked ones
        only when not ignored. Nested repositories are not entered.
        """
        base = self._relative(under) if under else ""
        base = "" if base == "." else base
        specs = [f":(glob)**/{pattern}" for pattern in patterns]
        found = git.names(
            self.root, "-C", base or ".", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *specs
        )
        prefix = f"{base}/" if base else ""
        return sorted({prefix + name for name in found if not name.endswith("/")})

    def untracked(self, under: str = "") -> list[str]:
        """Files below `under` that git neither tracks nor ignores, in git's order."""
        names = git.names(
            self.root, "ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", under or "."
        )
        return [name for name in names if name]

    # -- history --------------------------------------------------------------------------------------

    def head(self) -> str | None:
        """The commit that HEAD names, or None before the first commit."""
        code, out, err = git.try_run(self.root, "rev-parse", "--verify", "-q", "HEAD^{commit}")
        if code and err.strip():
            raise git.translate(self.root, "rev-parse", err)
        return out.decode("ascii").strip() or None

    def resolve(self, rev: str) -> str:
        """The commit id of `rev`; a bare name also finds the one remote-tracking branch so called.

        Raises `NotFound` (`unknown-revision`).
        """
        if rev and not rev.startswith("-") and "\0" not in rev:
            code, out, err = git.try_run(self.root, "rev-parse", "--verify", "-q", f"{rev}^{{commit}}")
            if code == 0:
                return out.decode("ascii").strip()
            if b"dubious ownership" in err or b"not a git repository" in err:
                raise git.translate(self.root, "rev-parse", err)
            refs = [ref for ref in self.refs("refs/remotes") if ref.split("/", 3)[3:] == [rev]]
            found = set(self.commits_of(refs).values())
            if len(found) == 1:
                return found.pop()
        hint = "git fetch --unshallow" if self.is_shallow else "git fetch --all --tags"
        raise NotFound(f"unknown git revision '{rev}'", code="unknown-revision", hint=hint, rev=rev)

    def revisions(
        self, *, all_branches: bool = False, all_tags: bool = False, all_commits: bool = False
    ) -> list[Revision]:
        """The commits asked for, once each: local branch heads, then tags, then every other commit.

        `all_commits` is what HEAD, local branches, tags and remote-tracking branches reach: not the stash,
        not other refs. A tag of something that is no commit is passed over.
        """
        refs = self.refs("refs/heads") if all_branches else []
        refs += self.refs("refs/tags") if all_tags else []
        names: dict[str, list[str]] = {}
        for ref, sha in self.commits_of(refs).items():
            names.setdefault(sha, []).append(ref.split("/", 2)[2])
        if all_commits:
            start = ["HEAD"] if self.head() else []
            for line in git.text(self.root, "rev-list", *start, "--branches", "--tags", "--remotes").splitlines():
                names.setdefault(line, [])
        return [Revision(sha, tuple(known) or (sha[:7],)) for sha, known in names.items()]

    def files_at(self, rev: str, suffixes: tuple[str, ...] = ("",)) -> dict[str, str]:
        """Path → blob id of the regular files at `rev` whose path ends with one of `suffixes`."""
        rows = self.rows_at(rev).items()
        return {path: row.sha for path, row in rows if row.mode != "120000" and path.endswith(suffixes)}

    def rows_at(self, rev: str) -> dict[str, GitFile]:
        """Path → file for everything at `rev` but submodules, symbolic links included."""
        files: dict[str, GitFile] = {}
        for row in git.names(self.root, "ls-tree", "-r", "-z", "--full-tree", rev):
            facts, _, path = row.partition("\t")
            mode, kind, sha = facts.split(" ")
            if kind == "blob":
                files[path] = GitFile(mode, sha)
        return files

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Blob id → bytes, by one call; absent blobs are left out."""
        if not ids:
            return {}
        stdin = "".join(f"{sha}\n" for sha in ids).encode("ascii")
        lines = git.run(self.root, "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).splitlines()
        rows = (line.decode("ascii", "replace").split(" ") for line in lines)
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def read_blobs(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(id, content) in the order asked, through one process however many there are.

        Raises `NotFound` (`git-object-missing`) for an id the repository lacks.
        """
        remaining = iter(ids)
        batch = list(islice(remaining, _BATCH))
        if not batch:
            return
        process = git.popen(self.root, "cat-file", "--batch")
        try:
            while batch:
                yield from self._read_batch(process, batch)
                batch = list(islice(remaining, _BATCH))
        finally:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            process.kill()
            process.wait()

    def _read_batch(self, process: Popen[bytes], batch: list[str]) -> Iterator[tuple[str, bytes]]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("".join(f"{sha}\n" for sha in batch).encode("ascii"))
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(process) from None
        for sha in batch:
            header = process.stdout.readline().split()
            if not header:
                raise self._died(process)
            if header[-1] == b"missing":
                hint = "git fetch --unshallow" if self.is_shallow else "git fsck"
                raise NotFound(f"git has no object '{sha}'", code="git-object-missing", hint=hint, oid=sha)
            size = int(header[2])
            content = process.stdout.read(size + 1)
            if len(content) != size + 1:
                raise self._died(process)
            yield sha, content[:-1]

    def ids_of(self, names: Sequence[str]) -> list[str | None]:
        """The object id that each of `names` (`REV:path`, `REV^{tree}`, an id) leads to, None where to none."""
        if not names:
            return []
        stdin = b"".join(os.fsencode(name) + b"\n" for name in names)
        lines = git.run(self.root, "cat-file", "--batch-check=%(objectname)", stdin=stdin).splitlines()
        # What leads nowhere is answered by its own words and "missing", on a line of its own.
        return [None if b" " in line else line.decode("ascii") for line in lines]

    def _died(self, process: Popen[bytes]) -> LabError:
        assert process.stderr is not None
        return git.translate(self.root, "cat-file", process.stderr.read())

    def ref_names(self) -> list[str]:
        """Full names of the local branches and the tags."""
        return [*self.refs("refs/heads"), *self.refs("refs/tags")]

    def remote_url(self, name: str) -> str | None:
        """The address of a git remote, None where there is none of that name."""
        code, out, _ = git.try_run(self.root, "config", "--get", f"remote.{name}.url")
        return os.fsdecode(out).rstrip("\n") if code == 0 else None

    def annotated_tags(self) -> dict[str, str]:
        """Tag → commit of the annotated tags."""
        rows = git.text(self.root, "for-each-ref", "--format=%(refname:lstrip=2) %(*objectname)", "refs/tags")
        pairs = (line.rpartition(" ") for line in rows.splitlines())
        return {name: sha for name, _, sha in pairs if sha}

    def refs(self, under: str) -> list[str]:
        """The full names of the refs below `under`."""
        return git.text(self.root, "for-each-ref", "--format=%(refname)", under).splitlines()

    def commits_of(self, refs: Sequence[str]) -> dict[str, str]:
        """Ref → commit for the refs that lead to one, through any number of tag objects, by one call."""
        if not refs:
            return {}
        stdin = b"".join(os.fsencode(f"{ref}^{{commit}}\n") for ref in refs)
        lines = git.run(self.root, "cat-file", "--batch-check=%(objectname)", stdin=stdin).splitlines()
        answers = (line.decode("ascii", "replace") for line in lines)
        # A ref that leads to no commit is answered in words ("… missing"), with a line of its own.
        return {ref: sha for ref, sha in zip(refs, answers, strict=False) if " " not in sha}

    def _is_inside(self, path: str) -> bool:
        if not path or "\0" in path:
            return False
        relative = self._relative(path)
        return relative != ".." and not relative.startswith("../")

    def _relative(self, path: str) -> str:
        """`path` relative to the root, without resolving symlinks or a final `/`."""
        return os.path.relpath(os.path.join(self.root, path), self.root).replace(os.sep, "/")
