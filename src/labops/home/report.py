"""What a home verb did or would do: the plan, what became of it, and what nobody may miss."""

from __future__ import annotations

from typing import NamedTuple

from labops.errors import LabError
from labops.planning.home import Do, HomePlan, Mode, Step


class Ended(NamedTuple):
    """How one step ended: well, with an error, or as another kind of step than was planned."""

    step: Step
    error: LabError | None = None
    kept_as: str = ""
    """For a conflict: the path under which our own content was kept."""


class HomeReport(NamedTuple):
    """The report of `status`, `sync`, `push` and `pull`; with no `ended` nothing was done."""

    verb: Mode
    root: str
    url: str
    plan: HomePlan
    ended: tuple[Ended, ...] = ()
    failed: tuple[tuple[str, LabError], ...] = ()
    """Paths nothing was decided about, and why."""
    odd: tuple[tuple[str, str], ...] = ()
    """Names that were left alone on the side where they are, and why."""
    ignored: tuple[str, ...] = ()
    is_dry: bool = False

    @property
    def errors(self) -> tuple[tuple[str, LabError], ...]:
        """Everything that went wrong, path by path."""
        return (*self.failed, *((one.step.path, one.error) for one in self.ended if one.error is not None))

    @property
    def conflicts(self) -> tuple[Ended, ...]:
        """Conflicts that are still there or whose two contents now lie side by side."""
        done = tuple(one for one in self.ended if one.step.do is Do.CONFLICT and one.error is None)
        return done or tuple(Ended(step) for step in self.plan.of(Do.CONFLICT))

    @property
    def exit_code(self) -> int:
        """0 when both sides agree now, 3 when something failed or a conflict wants eyes."""
        if self.is_dry:
            return 0
        return 3 if self.errors or self.conflicts else 0

    def count(self, do: Do) -> int:
        """Steps of this kind that were done."""
        return sum(one.step.do is do and one.error is None for one in self.ended)
