"""What a scenario promises, and whether the figures keep the promise."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.measure import Sample, median, value

Figures = Mapping[str, Sequence[Sample]]
"""The samples of each side, in the order of the rounds."""

METRICS = {
    "wall_s": "time",
    "cpu_s": "client CPU",
    "rss_mb": "peak memory",
    "opened": "files opened",
    "requests": "requests",
    "git": "git processes",
}


class Target(Protocol):
    """A promise in words, and its judgement."""

    def words(self) -> str: ...

    def judge(self, figures: Figures) -> tuple[str, bool] | None:
        """What was measured, and whether it is enough; None when a side was not run."""


@dataclass(frozen=True)
class Ratio:
    """`over` divided by `under`, round by round: the median is at least (or at most) the limit."""

    over: str
    under: str
    at_least: float | None = None
    at_most: float | None = None
    metric: str = "wall_s"

    def words(self) -> str:
        what = f"{METRICS[self.metric]}: {self.over} ÷ {self.under}"
        return f"{what} ≥ {self.at_least:g}" if self.at_least is not None else f"{what} ≤ {self.at_most:g}"

    def judge(self, figures: Figures) -> tuple[str, bool] | None:
        if self.over not in figures or self.under not in figures:
            return None
        ratios = [
            value(over, self.metric) / value(under, self.metric)
            for over, under in zip(figures[self.over], figures[self.under], strict=True)
        ]
        middle = statistics.median(ratios)
        is_met = (self.at_least is None or middle >= self.at_least) and (self.at_most is None or middle <= self.at_most)
        return f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", is_met


@dataclass(frozen=True)
class Limit:
    """A figure of one side stays at or below a limit."""

    side: str
    metric: str
    at_most: float

    def words(self) -> str:
        unit = {"rss_mb": " MB", "wall_s": " s"}.get(self.metric, "")
        return f"{METRICS.get(self.metric, self.metric)} of {self.side} ≤ {self.at_most:g}{unit}"

    def judge(self, figures: Figures) -> tuple[str, bool] | None:
        if self.side not in figures:
            return None
        found = median(figures[self.side], self.metric)
        return f"{found:.3g}" if self.metric == "wall_s" else f"{found:.0f}", found <= self.at_most
