"""What is remembered about a remote between runs: what its store can do, and transfers that were cut short."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import Final

from labops.drivers import fs
from labops.errors import LabError
from labops.model import Oid

_DAYS: Final = 86_400
_TRUSTED_DAYS: Final = 30
"""How long an observation about a store is believed: stores get upgraded."""
_KEPT_DAYS: Final = 14
"""How long an interrupted transfer waits to go on before its partial file is removed."""


class Knowledge:
    """Small facts and partial transfers of one remote, in a folder; with no folder nothing is kept."""

    def __init__(self, state_dir: str | None, url: str) -> None:
        self._folder: str | None = None
        self._facts: dict[str, tuple[str, float]] = {}
        if state_dir is None:
            return
        self._folder = os.path.join(state_dir, hashlib.md5(url.encode()).hexdigest())
        with contextlib.suppress(LabError):
            fs.make_folder(self._folder)
            self._sweep(self._folder)
            self._load(self._folder)

    def get(self, name: str) -> str:
        """The fact `name` if it was observed lately, else ''."""
        return self._facts.get(name, ("", 0.0))[0]

    def put(self, name: str, value: str) -> None:
        """Remember the fact `name` as observed now."""
        if self.get(name) == value:
            return
        self._facts[name] = (value, time.time())
        if self._folder:
            fs.write_cache_file(os.path.join(self._folder, "facts.json"), json.dumps(self._facts).encode())

    def journal(self, direction: str, oid: Oid) -> str | None:
        """Where the transfer of `oid` may keep its partial state, or None."""
        return os.path.join(self._folder, f"{direction}-{oid}") if self._folder else None

    def _load(self, folder: str) -> None:
        raw = fs.read_cache_file(os.path.join(folder, "facts.json"))
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            oldest = time.time() - _TRUSTED_DAYS * _DAYS
            for name, (value, when) in json.loads(raw or b"{}").items():
                if float(when) > oldest:
                    self._facts[str(name)] = (str(value), float(when))

    def _sweep(self, folder: str) -> None:
        oldest = time.time_ns() - _KEPT_DAYS * _DAYS * 10**9
        for name in fs.names_in(folder):
            if name.startswith(("up-", "down-")):
                path = os.path.join(folder, name)
                with contextlib.suppress(LabError):
                    if fs.stat(path).mtime_ns < oldest:
                        fs.remove(path)
