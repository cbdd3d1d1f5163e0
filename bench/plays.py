"""What a scenario is: the work of each side, and what is promised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure import Command
from bench.targets import Target

Prepare = Callable[[], Command]
"""Prepares one round (not timed) and says what to time."""


@dataclass(frozen=True)
class Scenario:
    """The sides are run one after the other in every round."""

    work: str
    sides: dict[str, Prepare]
    targets: Sequence[Target]
    rounds: int = 3
