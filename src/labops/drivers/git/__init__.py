"""git, by subprocess: the one room that runs it. `Git` is a repository; the other modules do one thing with it."""

from labops.drivers.git.repository import Git, GitFile, Revision

__all__ = ["Git", "GitFile", "Revision"]
