"""git, by subprocess: the one room that runs it. `Git` is a repository; the other modules do one thing with it."""

from labops.drivers.git.reach import Found, history, origin, refs, unknown_refs, walk
from labops.drivers.git.repository import Git, Revision

__all__ = ["Found", "Git", "Revision", "history", "origin", "refs", "unknown_refs", "walk"]
