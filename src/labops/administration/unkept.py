"""What a store was seen not to keep, so that no later plan asks for it again: a note on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection

from labops.drivers import fs
from labops.membership import Lab
from labops.planning.lab import Ignored, Thing


class Unkept:
    """The note about one lab's store. It can be deleted at any time; the next `apply` finds out again."""

    def __init__(self, lab: Lab) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        name = hashlib.sha256("\n".join((lab.endpoint, lab.home_bucket, lab.dataset_bucket)).encode()).hexdigest()[:16]
        self._path = os.path.join(base, "labops", f"unkept-{name}.json")

    def load(self) -> frozenset[Ignored]:
        """What is known; nothing where the note is absent or cannot be understood."""
        try:
            rows = json.loads(fs.read_cache_file(self._path) or b"[]")
            return frozenset(Ignored(Thing(*thing), setting, value) for thing, setting, value in rows)
        except (ValueError, TypeError):
            return frozenset()

    def save(self, rows: Collection[Ignored]) -> None:
        """Replace the note."""
        fs.write_cache_file(self._path, json.dumps(sorted(rows)).encode())
