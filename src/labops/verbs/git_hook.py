"""What git's hooks ask: may these commits be pushed, may this one be made, and what does a new branch look like."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence

from labops.drivers.git import Git, publishing
from labops.drivers.git import hooks as git
from labops.errors import InvalidInput
from labops.formats.dvcfile import parse_dvcfile
from labops.formats.secrets import find_secrets
from labops.materialise import materialise
from labops.model import OnEvent, Report, Selection, ignore
from labops.outgoing import find_outgoing, refuse_broken, refuse_missing
from labops.project import Project

DEFAULT_LIMIT = 5 << 20
"""Bytes; `git config lab.maxfilesize` changes it."""
_TEXT_LIMIT = 1 << 20
"""Larger files are not looked into for keys."""
_NAMED = 10


def projects_of(folder: str = ".") -> list[Project]:
    """The dvc projects of the git repository around `folder`: hooks are for all of them."""
    repo = Git.find(folder)
    if repo is None:
        return []
    found = (Project.find(os.path.join(repo.root, place)) for place in git.project_folders(repo))
    return [project for project in found if project.git is not None]


# -- pre-push -----------------------------------------------------------------------------------------


def pre_push(projects: Sequence[Project], remote: str, refs: Sequence[git.Ref], *, on_event: OnEvent = ignore) -> None:
    """Raise `Conflict` (`data-not-on-remote`) when the push would show a pointer before its data.

    Only commits that the git remote `remote` has not are looked at; deleted refs bring none.
    """
    for project in projects:
        assert project.git is not None
        # `lab publish` has just looked at this very commit, and says so for the time of its push.
        checked = git.setting(project.git, "lab.checked")
        pushed = [
            ref
            for ref in refs
            if ref.sha not in git.NOTHING and not (checked and publishing.commit_of(project.git, ref.sha) == checked)
        ]
        found = find_outgoing(project, [ref.sha for ref in pushed], [ref.old for ref in pushed], remote)
        refuse_broken(found)
        data_remote = git.setting(project.git, "lab.remote") or None
        refuse_missing(project, found, remote=data_remote, on_event=on_event)


# -- pre-commit ---------------------------------------------------------------------------------------


def pre_commit(repo: Git, index_file: str = "") -> None:
    """Raise for what must not get into history: data, keys, half-merged DVC files.

    `InvalidInput`: `dataset-staged`, `file-too-large-for-git`, `secret-staged`, `bad-dvc-file`. `index_file` is the
    index that the commit is made from, where git has named one.
    """
    staged = git.staged_files(repo, index_file)
    sizes = git.blob_sizes(repo, [change.blob for change in staged])
    _refuse_datasets(repo, [change.path for change in staged], index_file)
    _refuse_large(repo, [(change.path, sizes.get(change.blob, 0)) for change in staged])
    small = [change for change in staged if sizes.get(change.blob, 0) <= _TEXT_LIMIT]
    suspicions = []
    for change, (_, data) in zip(small, repo.read_blobs(change.blob for change in small), strict=True):
        if b"\0" in data[:8000]:
            continue
        text = data.decode("utf-8", "replace")
        if change.path.endswith(".dvc"):
            parse_dvcfile(text, name=change.path)
        suspicions += [f"{change.path}:{found.line} ({found.what})" for found in find_secrets(change.path, text)]
    if suspicions:
        raise InvalidInput(
            f"what is staged looks like a secret: {_some(suspicions)}",
            code="secret-staged",
            hint="keep it out of git (of a remote: lab remote modify --local NAME OPTION VALUE); "
            "when it is none: git commit --no-verify",
        )


def _refuse_datasets(repo: Git, paths: Sequence[str], index_file: str) -> None:
    """No file of a dataset whose DVC file lies beside it, where nearly all do: `git add -f NAME` for `NAME.dvc`."""
    above = {name for path in paths for name in _self_and_above(path)}
    files = {name: blob for name, blob in git.indexed_files(repo, "*.dvc", index_file).items() if name[:-4] in above}
    for (file, _), (_, data) in zip(files.items(), repo.read_blobs(files.values()), strict=True):
        outs = parse_dvcfile(data.decode("utf-8", "replace"), name=file).outs
        if not any(out.is_cached and out.path == posixpath.basename(file)[:-4] for out in outs):
            continue
        inside = [f"'{path}'" for path in paths if path == file[:-4] or path.startswith(f"{file[:-4]}/")]
        raise InvalidInput(
            f"what is staged belongs to the dataset '{file[:-4]}', and git would keep it for ever: {_some(inside)}",
            code="dataset-staged",
            hint=f"commit the pointer instead: git rm -r -q --cached '{file[:-4]}' && git add '{file}'; "
            "or commit all the same: git commit --no-verify",
            path=file[:-4],
        )


def _self_and_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = posixpath.dirname(path)


def _refuse_large(repo: Git, files: Sequence[tuple[str, int]]) -> None:
    text = git.setting(repo, "lab.maxfilesize", kind="int")
    limit = int(text) if text else DEFAULT_LIMIT
    large = [(path, size) for path, size in files if size > limit] if limit > 0 else []
    if large:
        named = [f"'{path}' ({size / (1 << 20):.1f} MiB)" for path, size in large]
        first = large[0][0]
        raise InvalidInput(
            f"too large for git, where it would stay for ever: {_some(named)}",
            code="file-too-large-for-git",
            hint=f"track it as data: git rm --cached '{first}' && lab add '{first}'; "
            "or commit all the same: git commit --no-verify (the limit: git config lab.maxfilesize 20m)",
            path=first,
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# -- post-checkout ------------------------------------------------------------------------------------


def post_checkout(project: Project, flag: str, *, on_event: OnEvent = ignore) -> Report | None:
    """After a switch of branches: the workspace as the DVC files say, from the cache, as far as it has the data.

    None where there is nothing to do: single files were checked out (`flag` is not `1`), or a rebase is under
    way. Raises `Conflict` (`unsaved-changes`) before anything is touched.
    """
    if flag != "1" or project.git is None or git.is_rebasing(project.git):
        return None
    with project.lock():
        done = materialise(project, project.select(Selection()), on_event=on_event)
    lacking = {o.step.path for o in done.outcomes if o.error is not None and o.error.code == "not-in-cache"}
    outcomes = tuple(outcome for outcome in done.outcomes if outcome.step.path not in lacking)
    warnings = list(done.warnings)
    if lacking:
        plural = "s are" if len(lacking) > 1 else " is"
        warnings.append(f"{len(lacking)} file{plural} not in the cache: get them with: lab pull")
    return Report("checkout", done.plan, outcomes, tuple(warnings), outputs=done.changed_outputs())
