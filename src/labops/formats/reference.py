"""References: `NAME@VERSION` as people type it, split into a path and a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Reference(NamedTuple):
    """A target and the version of it that is meant; None for the one that the DVC file names."""

    path: str
    version: str | None = None


def parse_reference(text: str, is_known: Callable[[str], bool]) -> Reference:
    """`text` split at its last `@`; whole where `is_known` says that this very name is tracked.

    What has nothing before or behind the `@` is a plain path.
    """
    path, at, version = text.rpartition("@")
    if not at or not path or not version or is_known(text):
        return Reference(text)
    return Reference(path, version)
