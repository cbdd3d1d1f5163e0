"""Progress on a terminal, from events: cheap to feed, silent for anything short."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from labops.cli.phases import Phase
from labops.model import Event

if TYPE_CHECKING:
    from labops.cli.bars import Bars

DELAY_SECONDS = 0.3
"""A phase shorter than this is over before anyone reads about it, so nothing is drawn or imported."""


class Progress:
    """An `OnEvent` for any number of threads: adds up under a lock, and draws from a timer's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: dict[str, Phase] = {}
        self._bars: Bars | None = None
        self._timer: threading.Timer | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            phase = self._phases.get(event.phase)
            if phase is None:
                phase = self._phases[event.phase] = Phase(event.phase, event.total, event.total_size)
                self._start_timer()
            phase.count += event.count
            phase.size += event.size
            if event.kind == "finished":
                del self._phases[event.phase]
                if self._bars is not None:
                    self._bars.drop(phase)
            idle = self._timer if not self._phases else None
        if idle is not None:
            self._end(idle)

    def _end(self, timer: threading.Timer) -> None:
        """Between phases this process has no thread of ours: only then may the next one be shared out."""
        timer.cancel()
        if timer is not threading.current_thread():
            timer.join()
        with self._lock:
            if self._timer is timer:
                self._timer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._phases.clear()
            bars, self._bars = self._bars, None
        if bars is not None:
            bars.close()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(DELAY_SECONDS, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        from labops.cli.bars import Bars

        with self._lock:
            self._timer = None
            if not self._phases:
                return
            now = time.monotonic()
            ripe = [phase for phase in self._phases.values() if now - phase.started >= DELAY_SECONDS]
            if ripe and self._bars is None:
                self._bars = Bars()
            if self._bars is not None:
                self._bars.update(ripe)
            self._start_timer()
