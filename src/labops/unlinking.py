"""Unlinking: workspace files turned from links into the cache into private files, which may be edited."""

from __future__ import annotations

from labops.drivers import fs
from labops.places.workspace import Scan
from labops.project import Project


def files_of(scan: Scan, relative: str) -> list[str]:
    """The files of a scanned output, relative to the project root, in order."""
    if scan.kind == "file":
        return [relative]
    found = []
    for folder, listing in scan.folders.items():
        found += [f"{relative}/{folder}/{name}" if folder else f"{relative}/{name}" for name in listing.names]
    return sorted(found)


def linked_files(project: Project, relative: str) -> list[str]:
    """The files at or below `relative` that are links or read-only, relative to the project root, in order."""
    scan = project.workspace.scan(project.absolute(relative))
    return [path for path in files_of(scan, relative) if fs.is_protected(project.absolute(path))]


def make_private(project: Project, relative: str) -> None:
    """Give one file bytes of its own, writable by its owner, in one step. Close the workspace afterwards."""
    path = project.absolute(relative)
    made = project.workspace.temporary()
    fs.copy(path, made, mode=0o664 if project.settings.cache_shared_group else 0o666)
    project.workspace.place(made, path)
