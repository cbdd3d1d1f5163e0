"""Keys of members for the time of a proof: made, used, taken away, and remembered until they are gone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator

from labops.drivers import fs
from labops.drivers.iam import Identities
from labops.errors import Conflict, NotFound
from labops.membership import AccessKey, Lab, Member


class Borrowed:
    """A note on this machine of what a proof has made, so that one that was killed is cleaned up by the next."""

    def __init__(self, lab: Lab) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        name = hashlib.sha256(f"{lab.endpoint}\n{lab.name}\n{lab.home_bucket}".encode()).hexdigest()[:16]
        self._path = os.path.join(base, "labops", f"proof-{name}.json")
        try:
            self.rows: list[list[str]] = json.loads(fs.read_cache_file(self._path) or b"[]")
        except ValueError:
            self.rows = []

    def add(self, kind: str, *words: str) -> None:
        """Remember a `key` (identity, id) or a `folder` (bucket, prefix), before it is used."""
        self.rows.append([kind, *words])
        self._save()

    def drop(self, kind: str, *words: str) -> None:
        """It is gone."""
        self.rows = [row for row in self.rows if row != [kind, *words]]
        self._save()

    def _save(self) -> None:
        if self.rows:
            fs.write_cache_file(self._path, json.dumps(self.rows).encode())
        else:
            fs.remove(self._path)

    def left(self, kind: str) -> list[tuple[str, str]]:
        """What an earlier proof left behind."""
        return [(row[1], row[2]) for row in self.rows if len(row) == 3 and row[0] == kind]


@contextlib.contextmanager
def borrowed_keys(
    lab: Lab, identities: Identities, members: tuple[Member, ...], note: Borrowed
) -> Iterator[dict[str, AccessKey]]:
    """A temporary key of each member who has room for one more; all are taken away at the end, whatever happens."""
    for name, key_id in note.left("key"):
        with contextlib.suppress(NotFound):
            identities.delete_key(name, key_id)
        note.drop("key", name, key_id)
    keys: dict[str, AccessKey] = {}
    try:
        for member in members:
            with contextlib.suppress(Conflict, NotFound):
                key = identities.create_key(lab.identity_of(member.name))
                keys[member.name] = key
                note.add("key", lab.identity_of(member.name), key.id)
        yield keys
    finally:
        for name, key in keys.items():
            identities.delete_key(lab.identity_of(name), key.id)
            note.drop("key", lab.identity_of(name), key.id)
