"""When to look again at a linked folder: something changed, or it is time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from labops.home import HomeFolder
from labops.home.rules import Rules, read_rules
from labops.places.local import PRIVATE

_POLL_SECONDS: Final = 2.0
_SHARE: Final = 20
"""A look that takes long is made less often: it may take one part in so many of the time."""


class Changes(Protocol):
    """A source of changes in the folder."""

    def wait(self, seconds: float) -> bool:
        """True as soon as something changed since the last wait ended; False when nothing did for so long."""
        ...


class Polling:
    """Looks at every file from time to time: works on every disk, and costs a scan each time."""

    def __init__(
        self,
        folder: HomeFolder,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` and `sleep` stand in for those of the machine."""
        self._folder, self._clock, self._sleep = folder, clock, sleep
        self._pause = _POLL_SECONDS
        self._seen = self._look()

    def wait(self, seconds: float) -> bool:
        """See `Changes`."""
        deadline = self._clock() + seconds
        while True:
            now = self._look()
            if now != self._seen:
                self._seen = now
                return True
            left = deadline - self._clock()
            if left <= 0:
                return False
            self._sleep(min(left, self._pause))

    def _look(self) -> object:
        begun = self._clock()
        scan = self._folder.local.scan(_rules(self._folder).is_ignored, is_looking=True)
        self._pause = max(_POLL_SECONDS, _SHARE * (self._clock() - begun))
        return scan.files


def _rules(folder: HomeFolder) -> Rules:
    return read_rules(folder.root, has_defaults=folder.link.has_default_rules)


def is_relevant(folder: HomeFolder) -> Callable[[str], bool]:
    """Whether a change of this path may matter to a sync: what is left out does not, nor what is our own."""
    rules = _rules(folder)

    def matters(path: str) -> bool:
        top = path.partition("/")[0]
        return bool(path) and top not in {PRIVATE, ".trash"} and not rules.is_ignored_path(path)

    return matters


def changes_of(folder: HomeFolder, *, polls: bool = False) -> tuple[Changes, str]:
    """The best source of changes there is here, and a word about why it is not the best there could be."""
    if polls:
        return Polling(folder), ""
    from labops.drivers.watching import Notices
    from labops.errors import Unsupported

    try:
        return Notices(folder.root, is_relevant(folder)), ""
    except Unsupported as error:
        return Polling(folder), f"{error.message}, so the folder is looked at every few seconds ({error.hint})"
