"""Changes below a folder as the operating system reports them: the one importer of watchfiles, an optional extra."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from labops.errors import Unsupported

if TYPE_CHECKING:
    from watchfiles.main import FileChange

_STEP_MS: Final = 50
_TICK_MS: Final = 500
"""How long one wait inside the library lasts: Ctrl-C is heard in between."""


class Notices:
    """Waits for changes below `root` that `is_relevant` (a relative path) lets through. Not for several threads."""

    def __init__(self, root: str, is_relevant: Callable[[str], bool]) -> None:
        """`Unsupported` (`no-notices`) where the library is missing or the system will not watch so many folders."""
        try:
            import watchfiles
        except ImportError as error:
            raise Unsupported(
                "this installation cannot be told of changes", code="no-notices", hint="pip install 'labops[watch]'"
            ) from error
        cut = len(root) + 1
        self._changes: Iterator[set[FileChange]] = watchfiles.watch(
            root,
            watch_filter=lambda _, path: is_relevant(path[cut:]),
            debounce=_TICK_MS,
            step=_STEP_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        self._next()  # watching begins with the first step

    def wait(self, seconds: float) -> bool:
        """True as soon as something changed since the last wait ended; False when nothing did for so long."""
        deadline = time.monotonic() + seconds
        while True:
            if self._next():
                return True
            if time.monotonic() >= deadline:
                return False

    def _next(self) -> bool:
        try:
            return bool(next(self._changes))
        except (OSError, RuntimeError, StopIteration) as error:
            raise Unsupported(
                f"the system does not report changes: {error}",
                code="no-notices",
                hint="lab home watch --poll looks by itself; or raise fs.inotify.max_user_watches",
            ) from error
