"""git, by subprocess: the one room that runs it. `Git` is a repository; the other modules do one thing with it."""

from labops.drivers.git.asking import identity, installed_hooks, origin, setting, version
from labops.drivers.git.reach import Found, commits_from, refs, sizes_at, unknown_refs, walk
from labops.drivers.git.repository import Git, GitFile, Revision

__all__ = [
    "Found",
    "Git",
    "GitFile",
    "Revision",
    "commits_from",
    "identity",
    "installed_hooks",
    "origin",
    "refs",
    "setting",
    "sizes_at",
    "unknown_refs",
    "version",
    "walk",
]
