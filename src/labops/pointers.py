"""Pointers: the small files that git keeps for the data, `.dvc` and `.gitignore`, written last and whole."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence

from labops.drivers import fs
from labops.errors import InvalidInput, NotFound
from labops.formats.dvcfile import parse_dvcfile, render_dvcfile
from labops.formats.ignore import add_ignore_line, remove_ignore_line
from labops.index import load_stages, read_workspace
from labops.model import DvcFile, Output, Tracked, Tree
from labops.project import Project


def with_content(output: Output, tree: Tree, *, size: int | None, is_executable: bool = False) -> Output:
    """`output` pointing at `tree`; `size` is None where only a part of it is known."""
    return output._replace(
        oid=tree.oid,
        size=size,
        nfiles=tree.nfiles if tree.is_dir else None,
        is_executable=is_executable and not tree.is_dir,
    )


def read_pointer(project: Project, file: str) -> tuple[DvcFile, str | None]:
    """A `.dvc` file and its text; an empty one and None when there is none yet."""
    text = read_workspace(project.root, file)
    return (DvcFile(), None) if text is None else (parse_dvcfile(text, name=file), text)


def save_output(project: Project, file: str, output: Output, *, is_plain: bool = False) -> bool:
    """Put `output` into the `.dvc` file `file`, in the place of the one with its path; False if nothing changed.

    Comments, key order and everything else in the file stay. `is_plain` drops an import's source: the data
    is the person's own from now on.
    """
    dvcfile, text = read_pointer(project, file)
    others = [out for out in dvcfile.outs if out.path != output.path]
    at = next((n for n, out in enumerate(dvcfile.outs) if out.path == output.path), len(others))
    dvcfile = dvcfile._replace(outs=(*others[:at], output, *others[at:]))
    if is_plain:
        dvcfile = dvcfile._replace(deps=(), md5=None, is_frozen=False)
    new = render_dvcfile(dvcfile, previous=text)
    if new == text:
        return False
    fs.write_atomic(project.absolute(file), new.encode())
    if text is None:
        project.forget_files()
    return True


def save_stage_output(project: Project, tracked: Tracked, output: Output) -> str:
    """Put `output` into the `dvc.lock` beside the stage's `dvc.yaml`; the lock file's path."""
    from labops.formats.dvclock import render_dvclock_update

    lock = posixpath.join(posixpath.dirname(tracked.file), "dvc.lock")
    text = read_workspace(project.root, lock)
    if text is None:
        raise NotFound(
            f"stage '{tracked.address}' was never run",
            code="no-lock-file",
            hint=f"run it with dvc: dvc repro {tracked.address}",
        )
    stages = load_stages(tracked.file, lambda path: read_workspace(project.root, path))
    others = next(stage.outs for stage in stages if stage.stage == tracked.stage)
    outs = [output if out.path == output.path else out for out in others]
    text = render_dvclock_update(text, tracked.stage, [out for out in outs if out.oid is not None])
    fs.write_atomic(project.absolute(lock), text.encode())
    return lock


def ignore_outputs(project: Project, paths: Iterable[str]) -> list[str]:
    """Keep git from seeing these outputs; the `.gitignore` files that were written.

    A path that git ignores already, by whatever rule, gets no line.
    """
    if project.git is None:
        return []
    wanted = {project.absolute(path): path for path in paths}
    ignored = project.git.ignored(wanted)
    changed: dict[str, str] = {}
    for absolute, path in wanted.items():
        if absolute in ignored:
            continue
        file = posixpath.join(posixpath.dirname(path), ".gitignore")
        text = changed.get(file)
        if text is None:
            text = _read_ignore(project, file)
        changed[file] = add_ignore_line(text, posixpath.basename(path))
    for file, text in changed.items():
        fs.write_atomic(project.absolute(file), text.encode("utf-8", "surrogateescape"))
    return list(changed)


def unignore_outputs(project: Project, paths: Iterable[str]) -> list[str]:
    """Take the lines that hide just these outputs out of `.gitignore`; the files that changed.

    A file in which nothing is left is removed, as dvc does it.
    """
    if project.git is None:
        return []
    changed: dict[str, str] = {}
    for path in paths:
        file = posixpath.join(posixpath.dirname(path), ".gitignore")
        text = changed.get(file, _read_ignore(project, file))
        less = remove_ignore_line(text, posixpath.basename(path))
        if less != text:
            changed[file] = less
    for file, text in changed.items():
        if text:
            fs.write_atomic(project.absolute(file), text.encode("utf-8", "surrogateescape"))
        else:
            fs.remove(project.absolute(file))
    return list(changed)


def for_git(project: Project, changed: Iterable[str]) -> tuple[str, ...]:
    """Those of the `changed` files, each once, that `git add` accepts: one that is gone must have been tracked."""
    files = list(dict.fromkeys(changed))
    gone = [project.absolute(file) for file in files if not os.path.lexists(project.absolute(file))]
    known = project.git.tracked(gone) if project.git is not None and gone else set()
    return tuple(file for file in files if project.absolute(file) in known or project.absolute(file) not in gone)


def _read_ignore(project: Project, file: str) -> str:
    path = project.absolute(file)
    if os.path.islink(path):
        raise InvalidInput(
            f"'{file}' is a symbolic link, which git does not read",
            code="ignore-file-link",
            hint="replace it by a real file",
            path=file,
        )
    return fs.read_cache_file(path).decode("utf-8", "surrogateescape")


def refuse_git_tracked(project: Project, paths: Sequence[str]) -> None:
    """Raise `InvalidInput` (`git-tracked`) when git itself holds one of these outputs."""
    if project.git is None:
        return
    absolute = {project.absolute(path): path for path in paths}
    for path in sorted(project.git.tracked(absolute)):
        name = absolute[path]
        raise InvalidInput(
            f"'{name}' is already tracked by git",
            code="git-tracked",
            hint=f"take it out of git first, the file stays: git rm -r --cached '{name}' && git commit -m 'untrack'",
            path=name,
        )
