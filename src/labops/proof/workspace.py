"""The workspace under proof: files hashed again, damage told from work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.errors import LabError
from labops.formats.statefile import pack_fingerprint
from labops.model import HERE, Oid, OnEvent, RelPath, Tree, ignore
from labops.places.workspace import Recall
from labops.project import Project
from labops.proof.words import Finding, GoodFiles, Look, Problem, Sampled, Subject, Where, each, everything


class _File(NamedTuple):
    """A workspace file to read: its path in the output, its fingerprint, what it should be, what it last was."""

    path: RelPath
    absolute: str
    packed: bytes
    size: int
    want: Oid
    was: Oid | None


def look_at_workspace(
    project: Project,
    some: Iterable[Subject],
    good: GoodFiles,
    *,
    sampled: Sampled = everything,
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> Look:
    """Hash the files of the outputs that are here; those found good go into `good`.

    A file that differs is corrupt when its fingerprint is the one it had when it was last found to be right:
    nobody wrote to it, and yet its bytes are others. So is a symbolic link to a bad object of the cache, which
    is not a file of its own. Any other difference is somebody's work.
    """
    look = Look(Where.WORKSPACE)
    files: list[tuple[Subject, _File]] = []
    for subject in some:
        if subject.tree is None:
            continue
        try:
            files += [(subject, file) for file in _pair(project, subject, subject.tree, look) if sampled(file.want)]
        except LabError as error:  # what cannot be a dataset: a broken link, a device
            look.findings.append(_finding(subject, Problem.UNREADABLE, HERE, reason=error.message))
    results = each(
        files,
        lambda row: fs.hash_file(row[1].absolute, row[0].hash_name),
        lambda row: row[1].size,
        jobs=jobs or transfer.DISK_JOBS,
        on_event=on_event,
    )
    for (subject, file), result in zip(files, results, strict=True):
        _note(project, subject, file, result, look, good)
    return look


def _pair(project: Project, subject: Subject, tree: Tree, look: Look) -> list[_File]:
    """The files that should be here and are; the others are noted."""
    scan = project.workspace.scan(project.absolute(subject.name))
    if scan.kind == "missing":
        look.absent.append(subject.name)
        return []
    want = {entry.path: entry.oid for entry in tree.entries if subject.item.covers(entry.path)}
    recall = Recall(scan, project.state.load(subject.name, subject.hash_name))
    files = []
    for path, absolute, packed, size, was in _rows(recall):
        if path in want:
            files.append(_File(path, absolute, packed, size, want[path], was))
        elif subject.item.covers(path):
            look.findings.append(_finding(subject, Problem.ADDED, path))
    here = {file.path for file in files}
    look.objects += len(want)
    look.findings += [_finding(subject, Problem.MISSING, path, oid) for path, oid in want.items() if path not in here]
    return files


def _rows(recall: Recall) -> Iterator[tuple[RelPath, str, bytes, int, Oid | None]]:
    """Path, absolute path, packed fingerprint, size, and the oid an unchanged file had, of every file."""
    scan = recall.scan
    for folder, listing in scan.folders.items():
        prefix = folder + "/" if folder else ""
        packed = listing.stats.tobytes()
        for index, (name, was) in enumerate(zip(listing.names, recall.oids(folder), strict=True)):
            path = RelPath(prefix + name) if scan.kind == "dir" else HERE
            row = packed[index * 32 : index * 32 + 32]
            yield path, scan.absolute(folder, name), row, listing.stats[4 * index], was


def _note(
    project: Project, subject: Subject, file: _File, result: fs.Hashed | LabError, look: Look, good: GoodFiles
) -> None:
    if isinstance(result, LabError):
        reason = result.message
        look.findings.append(_finding(subject, Problem.UNREADABLE, file.path, file.want, file.size, reason))
        return
    look.hashed += 1
    look.hashed_bytes += file.size
    if result.oid == file.want:
        good.setdefault((subject.hash_name, file.want), file.absolute)
        return
    is_untouched = file.was == file.want and pack_fingerprint(*result.fingerprint) == file.packed
    is_object = project.cache(subject.hash_name).is_linked(file.want, file.absolute, "symlink")
    problem = Problem.CORRUPT if is_untouched or is_object else Problem.MODIFIED
    look.findings.append(_finding(subject, problem, file.path, file.want, file.size))


def _finding(
    subject: Subject,
    problem: Problem,
    path: RelPath,
    oid: Oid | None = None,
    size: int | None = None,
    reason: str = "",
) -> Finding:
    return Finding(Where.WORKSPACE, problem, (subject.shown(path),), oid, size, subject.hash_name, reason=reason)
