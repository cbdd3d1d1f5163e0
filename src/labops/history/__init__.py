"""The past of a project, read from git alone: the versions of its datasets, and what `NAME@VERSION` means."""

from labops.history.versions import HasHistory, History, Version, find_version, read_versions

__all__ = ["HasHistory", "History", "Version", "find_version", "read_versions"]
