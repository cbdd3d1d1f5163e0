"""What progress is told in: a phase and its running totals."""

from __future__ import annotations

import time


class Phase:
    """The running totals of one phase: items and bytes, done and expected."""

    def __init__(self, name: str, total: int | None, total_size: int | None) -> None:
        self.name = name
        self.total = total
        self.total_size = total_size
        self.count = 0
        self.size = 0
        self.started = time.monotonic()
