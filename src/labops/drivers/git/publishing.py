"""Writing to git, and to other copies of the repository: commit, tag, push, fetch, merge. Never rewrites history.

Functions that take a `Git`. Every failure has an error of its own; none of them leaves less than there was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import Conflict, InvalidInput, NotFound

_UNFINISHED = {
    "MERGE_HEAD": ("merge", "git commit, or go back: git merge --abort"),
    "rebase-merge": ("rebase", "git rebase --continue, or go back: git rebase --abort"),
    "rebase-apply": ("rebase", "git rebase --continue, or go back: git rebase --abort"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --continue, or go back: git cherry-pick --abort"),
    "REVERT_HEAD": ("revert", "git revert --continue, or go back: git revert --abort"),
}


class Branch(NamedTuple):
    """The branch that HEAD is on and where it is published: `ref` on the git remote `remote`.

    `tracking` is our copy of that ref. `remote` is empty where the repository has no remote; `is_new` says
    that git does not know yet where the branch belongs.
    """

    name: str
    remote: str = ""
    ref: str = ""
    tracking: str = ""
    is_new: bool = True

    @property
    def shown(self) -> str:
        """`origin/main`, as people name the other side."""
        return f"{self.remote}/{self.ref.removeprefix('refs/heads/')}"


# -- what is the case ---------------------------------------------------------------------------------


def refuse_unfinished(repo: Git) -> None:
    """Raise `Conflict` (`merge-in-progress`) while a merge, rebase, cherry-pick or revert is half done."""
    words = [word for name in _UNFINISHED for word in ("--git-path", name)]
    paths = git.text(repo.root, "rev-parse", *words).splitlines()
    for path, (what, hint) in zip(paths, _UNFINISHED.values(), strict=True):
        if os.path.exists(os.path.join(repo.root, path)):
            open_files = unmerged(repo)
            left = f"; not yet decided: {', '.join(open_files)}" if open_files else ""
            first = "decide and `git add` them, then " if open_files else ""
            raise Conflict(f"a {what} is half done here{left}", code="merge-in-progress", hint=first + hint)


def unmerged(repo: Git) -> list[str]:
    """The files that a merge has left for a person to decide."""
    return git.names(repo.root, "diff", "--name-only", "--no-ext-diff", "--diff-filter=U", "-z")


def unmerged_blobs(repo: Git) -> dict[str, dict[int, str]]:
    """Path → stage (1 ancestor, 2 ours, 3 theirs) → blob, of each undecided file."""
    found: dict[str, dict[int, str]] = {}
    for row in git.names(repo.root, "ls-files", "-u", "-z"):
        facts, _, path = row.partition("\t")
        _, sha, stage = facts.split(" ")
        found.setdefault(path, {})[int(stage)] = sha
    return found


def check_identity(repo: Git) -> None:
    """Raise `InvalidInput` (`no-git-identity`) where a commit could not be made."""
    for variable in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        git.run(repo.root, "var", variable)


def branch(repo: Git) -> Branch:
    """Where HEAD is; raises `InvalidInput` (`detached-head`, `git-remote-unclear`)."""
    code, out, _ = git.try_run(repo.root, "symbolic-ref", "-q", "--short", "HEAD")
    name = os.fsdecode(out).strip()
    if code or not name:
        raise InvalidInput(
            "HEAD is on no branch (detached), so a commit would belong nowhere",
            code="detached-head",
            hint="git switch BRANCH; or make one here: git switch -c NAME",
        )
    remote = _config(repo, f"branch.{name}.remote")
    ref = _config(repo, f"branch.{name}.merge")
    if remote not in ("", ".") and ref:
        return Branch(name, remote, ref, _tracking(remote, ref), is_new=False)
    remote = _remote_of_new(repo, name)
    ref = f"refs/heads/{name}"
    return Branch(name, remote, ref, _tracking(remote, ref)) if remote else Branch(name)


def _remote_of_new(repo: Git, name: str) -> str:
    remotes = git.text(repo.root, "remote").splitlines()
    wanted = [_config(repo, f"branch.{name}.pushRemote"), _config(repo, "remote.pushDefault"), "origin"]
    found = next((one for one in wanted if one in remotes), "")
    if not found and len(remotes) > 1:
        raise InvalidInput(
            f"branch '{name}' has no place among the git remotes {', '.join(remotes)} yet",
            code="git-remote-unclear",
            hint=f"say which: git push -u {remotes[0]} {name}",
        )
    return found or "".join(remotes)


def _tracking(remote: str, ref: str) -> str:
    return f"refs/remotes/{remote}/{ref.removeprefix('refs/heads/')}"


def commit_of(repo: Git, ref: str) -> str | None:
    """The commit that a full ref name leads to, or None."""
    code, out, _ = git.try_run(repo.root, "rev-parse", "--verify", "-q", f"{ref}^{{commit}}")
    return None if code else out.decode("ascii").strip()


def is_ancestor(repo: Git, old: str, new: str) -> bool:
    """True when `new` holds all of the history of `old`."""
    return git.try_run(repo.root, "merge-base", "--is-ancestor", old, new)[0] == 0


def remote_tip(repo: Git, place: Branch) -> str | None:
    """What the branch is on the git remote right now; asks it, and writes nothing."""
    out = git.text(repo.root, "ls-remote", place.remote, place.ref)
    return out.split()[0] if out else None


def _config(repo: Git, name: str) -> str:
    code, out, _ = git.try_run(repo.root, "config", "--get", name)
    return "" if code else os.fsdecode(out).strip()


def read_at_head(repo: Git, path: str) -> bytes:
    """A file of the last commit; empty bytes where it has none."""
    code, out, _ = git.try_run(repo.root, "cat-file", "blob", f"HEAD:{path}")
    return b"" if code else out


# -- commit and tag -----------------------------------------------------------------------------------


def refuse_other_staged(repo: Git, paths: Sequence[str]) -> None:
    """Raise `Conflict` (`other-changes-staged`) when anything but `paths` is staged."""
    others = sorted(set(_staged(repo)) - set(paths))
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise Conflict(
            f"other changes are staged and would be swept into the commit: {', '.join(others[:5])}{more}",
            code="other-changes-staged",
            hint="commit them first (git commit), or unstage them, they stay as they are: git restore --staged .",
        )


def _staged(repo: Git) -> list[str]:
    """The paths in which the index differs from the last commit."""
    return git.names(repo.root, "diff", "--cached", "--name-only", "--no-ext-diff", "--no-renames", "-z")


def commit(repo: Git, files: Mapping[str, bytes | None], message: str) -> str | None:
    """Commit exactly `files` (path from the top → content, None for what the working tree has).

    Returns the commit, or None when they are committed as they are. Other staged changes are refused, changes
    that are not staged stay what they are. A hook that says no raises `Conflict` (`git-commit-stopped`).
    """
    refuse_other_staged(repo, list(files))
    for path, content in files.items():
        if content is not None:
            sha = git.run(repo.root, "hash-object", "-w", "--stdin", f"--path={path}", stdin=content).decode().strip()
            git.run(repo.root, "update-index", "--add", "--cacheinfo", f"100644,{sha},{path}")
    repo.stage([path for path, content in files.items() if content is None])
    refuse_other_staged(repo, list(files))
    if not _staged(repo):
        return None
    text = message.encode("utf-8", "surrogateescape")
    code, out, err = git.try_run(repo.root, "commit", "-q", "-F", "-", stdin=text)
    if code:
        error = git.translate(repo.root, "commit", err or out)
        if error.code == "git-failed":
            said = error.message.partition(": ")[2]
            raise Conflict(
                f"a git hook stopped the commit: {said}",
                code="git-commit-stopped",
                hint="nothing is lost and the data is on the remote; see all it says with: git commit",
            )
        raise error
    return repo.head()


def tag(repo: Git, name: str, message: str, commit_id: str) -> bool:
    """Make the annotated tag `name`; False when it is there and leads to that commit.

    Raises `Conflict` (`tag-exists`) when it leads elsewhere, `InvalidInput` (`bad-tag-name`).
    """
    if git.try_run(repo.root, "check-ref-format", f"refs/tags/{name}")[0]:
        raise InvalidInput(f"'{name}' cannot be the name of a git tag", code="bad-tag-name", hint="leave out --version")
    known = commit_of(repo, f"refs/tags/{name}")
    if known == commit_id:
        return False
    if known is not None:
        raise Conflict(
            f"tag '{name}' exists and names another commit, {known[:10]}",
            code="tag-exists",
            hint=f"git show '{name}'; choose another version",
        )
    git.run(repo.root, "tag", "-a", "-F", "-", "--", name, commit_id, stdin=message.encode("utf-8", "surrogateescape"))
    return True


def drop_tag(repo: Git, name: str) -> None:
    """Take back a tag that nobody else has seen."""
    git.run(repo.root, "tag", "-d", "--", name)


# -- other copies -------------------------------------------------------------------------------------


def push(repo: Git, place: Branch, tags: Sequence[str] = (), *, settings: Mapping[str, str] | None = None) -> None:
    """Publish the branch, then these tags, where `place` says; `settings` are git configuration for the hooks.

    A tag that went along with a rejected branch would stay, and name what is another version after the merge.
    Raises `Conflict` (`git-newer-remote`) when the other side has commits that are not here.
    """
    if not place.remote:
        raise NotFound("this git repository has no remote", code="no-git-remote", hint="git remote add origin URL")
    words = [word for key, value in (settings or {}).items() for word in ("-c", f"{key}={value}")]
    new = ["-u"] if place.is_new else []
    _push(repo, [*words, "push", *new, place.remote, f"refs/heads/{place.name}:{place.ref}"])
    if tags:
        _push(repo, [*words, "push", place.remote, *(f"refs/tags/{name}" for name in tags)])


def _push(repo: Git, words: Sequence[str]) -> None:
    code, _, err = git.try_run(repo.root, *words)
    if code:
        error = git.translate(repo.root, "push", err)
        if error.code == "git-failed":
            line = os.fsdecode(err).strip().splitlines()[:1]
            raise Conflict(
                f"a git hook stopped the push: {''.join(line)}",
                code="git-push-stopped",
                hint="nothing is lost, the commit is here; see all it says with: git push",
            )
        raise error


def fetch(repo: Git, place: Branch) -> None:
    """Learn what the git remote has; the working tree stays as it is."""
    git.run(repo.root, "fetch", "-q", place.remote)


def merge(repo: Git, place: Branch, *, mine: str | None = None) -> str:
    """Bring the branch to what was fetched: `already`, `fast-forward` or `merge`.

    A merge commit has the other side as its first parent: what is published is the main line. `mine` is the commit
    that HEAD merged with an earlier state of the other side, unseen by anybody: then one merge takes the place of two.

    Raises `Conflict`: `merge-conflict`, with the merge left half done for the person to decide, or
    `git-local-changes` before anything was touched.
    """
    theirs = commit_of(repo, place.tracking)
    ours = repo.head()
    if theirs is None or (ours is not None and is_ancestor(repo, theirs, ours)):
        return "already"
    code, out, err = git.try_run(
        repo.root, "merge", "--ff", "--no-edit", "--no-stat", "-q", place.tracking.removeprefix("refs/remotes/")
    )
    if not code:
        made = repo.head()
        if made == theirs:
            return "fast-forward"
        assert made is not None
        _put_theirs_first(repo, made, mine)
        return "merge"
    names = unmerged(repo)
    if names:
        raise Conflict(
            f"both sides changed the same: {', '.join(names)}",
            code="merge-conflict",
            hint="choose a side for each (git checkout --ours or --theirs -- FILE, then git add FILE), then git commit",
        )
    error = git.translate(repo.root, "merge", err or out)
    if error.code == "git-unrelated" and repo.is_shallow:
        error.hint = "this clone holds only a part of the history: git fetch --unshallow"
    raise error


def _put_theirs_first(repo: Git, made: str, mine: str | None) -> None:
    """Swap the parents of the merge just made: versions that others have seen keep the numbers they have."""
    message = git.run(repo.root, "log", "-1", "--format=%B", made)
    parents = git.text(repo.root, "rev-parse", f"{made}^2", f"{made}^1").split()
    if mine and mine != parents[1] and is_ancestor(repo, f"{parents[1]}^1", parents[0]):
        parents[1] = mine
    words = [word for parent in parents for word in ("-p", parent)]
    sign = ["-S"] if _config(repo, "commit.gpgSign") == "true" else []
    new = git.run(repo.root, "commit-tree", f"{made}^{{tree}}", *words, *sign, "-F", "-", stdin=message)
    git.run(repo.root, "update-ref", "-m", "merge by labops", "HEAD", new.decode("ascii").strip(), made)


def abort_merge(repo: Git) -> None:
    """Go back to before the merge: the branch, its index and its files are as they were."""
    git.run(repo.root, "merge", "--abort")
