"""`version`: this installation, the project around it and its disks, for a bug report or a first look."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import labops
from labops.drivers import fs
from labops.errors import LabError
from labops.model import HashName

if TYPE_CHECKING:
    from labops.project import Project

LINK_TYPES = ("reflink", "hardlink", "symlink")
_SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """One project and its disks. Sizes are in bytes; the link types are probed, not guessed."""

    root: str
    kind: str
    """`dvc, git`, `dvc (subdir), git` or `dvc (no_scm)`."""
    cache_dir: str
    has_cache: bool
    cache_objects: int
    cache_bytes: int
    """What the objects take together; from a sample where `is_estimated`."""
    is_estimated: bool
    cache_link_types: tuple[str, ...]
    """Those that work between the cache and the workspace; `copy` always does and is not listed."""
    link_type: str
    """The one that checkout will use."""
    free_bytes: int
    """Room left on the disk of the cache."""
    remotes: tuple[tuple[str, str], ...]
    """(name, url without credentials)."""


@dataclass(frozen=True, slots=True)
class Description:
    """What `lab version` tells."""

    version: str
    python: str
    platform: str
    project: ProjectFacts | None = None


def describe(project: Project | None) -> Description:
    """Describe this installation, and `project` where there is one."""
    facts = None if project is None else _describe_project(project)
    return Description(labops.__version__, platform.python_version(), platform.platform(), facts)


def _describe_project(project: Project) -> ProjectFacts:
    cache_dir = project.settings.cache_dir or os.path.join(project.dvc_dir, "cache")
    working = _working_links(_existing(cache_dir), os.path.join(project.dvc_dir, "tmp"))
    wanted = project.settings.cache_types
    number, size, is_estimated = _cache_size(project)
    return ProjectFacts(
        root=project.root,
        kind=_kind(project),
        cache_dir=cache_dir,
        has_cache=os.path.isdir(cache_dir),
        cache_objects=number,
        cache_bytes=size,
        is_estimated=is_estimated,
        cache_link_types=working,
        link_type=next((kind for kind in wanted if kind in working or kind == "copy"), "copy"),
        free_bytes=shutil.disk_usage(_existing(cache_dir)).free,
        remotes=tuple((name, _public(remote.url)) for name, remote in project.settings.remotes.items()),
    )


def _kind(project: Project) -> str:
    if project.git is None:
        return "dvc (no_scm)" if project.settings.no_scm else "dvc"
    return "dvc, git" if project.git.is_root(project.root) else "dvc (subdir), git"


def _cache_size(project: Project) -> tuple[int, int, bool]:
    """Objects, bytes, and whether the bytes are estimated: names are cheap to list, sizes are not."""
    number, total, is_estimated = 0, 0, False
    for hash_name in HashName:
        cache = project.cache(hash_name)
        oids = list(cache.list())
        # Fan-out folders come one after the other, and md5 spreads objects over them without regard to size.
        sample = oids[:_SAMPLE]
        size = sum(cache.size(oid) or 0 for oid in sample)
        if len(sample) < len(oids):
            size, is_estimated = size * len(oids) // len(sample), True
        number, total = number + len(oids), total + size
    return number, total, is_estimated


def _existing(folder: str) -> str:
    """`folder` or its nearest parent that exists: the disk that it will be on."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _working_links(cache: str, workspace: str) -> tuple[str, ...]:
    """Try each type from the cache's disk to the workspace's, on files that are removed again.

    Nothing works where nothing may be written; that is an answer too, and no error.
    """
    working = []
    with contextlib.ExitStack() as stack, contextlib.suppress(LabError):
        source = fs.make_workbench(cache)
        stack.callback(fs.remove_workbench, source)
        target = fs.make_workbench(workspace)
        stack.callback(fs.remove_workbench, target)
        probe = os.path.join(source, "probe")
        fs.write_new(probe, b"probe")
        for kind in LINK_TYPES:
            link = {"reflink": fs.reflink, "hardlink": fs.hardlink, "symlink": fs.symlink}[kind]
            with contextlib.suppress(LabError):
                if link(probe, os.path.join(target, kind)):
                    working.append(kind)
    return tuple(working)


def _public(url: str) -> str:
    """`url` without a user's password in it."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{host}{slash}{path}" if separator else url
