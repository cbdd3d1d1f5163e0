"""Downloads that have arrived and wait for their names, so that one sync serves for many of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from labops.errors import LabError
from labops.places.home import Got
from labops.planning.home import Step

_FILES: Final = 2000
_BYTES: Final = 1 << 30


class Arrival(NamedTuple):
    """A finished download under a temporary name."""

    step: Step
    temporary: str
    got: Got


GiveNames = Callable[[Sequence[Arrival]], Mapping[str, LabError]]
"""Makes these durable and gives each its name; tells why some could not get theirs, by path."""


class Arrivals:
    """Collects downloads, and has names given to them whenever they are many. Safe to use from many threads.

    A kill loses at most those that still wait: they are fetched again.
    """

    def __init__(self, give_names: GiveNames) -> None:
        self._give_names = give_names
        self._waiting: list[Arrival] = []
        self._size = 0
        self._failed: dict[str, LabError] = {}
        self._has_ended = False
        self._lock = threading.Lock()

    def add(self, step: Step, fetched: tuple[str, Got]) -> None:
        """One more; whoever brings the last of many waits until all have their names."""
        temporary, got = fetched
        with self._lock:
            if self._has_ended:
                return  # Ctrl-C did not wait for it; the next run sweeps it away
            self._waiting.append(Arrival(step, temporary, got))
            self._size += got.size
            if len(self._waiting) >= _FILES or self._size >= _BYTES:
                self._flush()

    def end(self) -> Mapping[str, LabError]:
        """Names for all that are left; then why some could not get theirs, by path."""
        with self._lock:
            self._has_ended = True
            self._flush()
            return self._failed

    def _flush(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting:
            self._failed.update(self._give_names(waiting))
