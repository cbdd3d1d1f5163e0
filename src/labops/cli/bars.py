"""The only importer of rich: draws phases on standard error."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from labops.cli.phases import Phase
from labops.cli.words import human_size

_ECHO_WIDTH = 3


class _Margin(Console):
    """Leaves room for the `^C` that the terminal echoes: on a full line it would wrap, and the bar would stay."""

    @property
    def options(self) -> ConsoleOptions:
        return super().options.update_width(max(1, self.width - _ECHO_WIDTH))


class Bars:
    """One line per running phase; what is finished disappears, for the report follows."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(compact=True),
            console=_Margin(stderr=True),
            transient=True,
            auto_refresh=False,  # `update` draws: rich's own thread would stay between the phases
        )
        self._progress.start()

    def update(self, phases: Iterable[Phase]) -> None:
        """Redraw with the totals as they are now."""
        for phase in phases:
            # Bytes tell more about the time left than files do, where both are known.
            total = phase.total_size or phase.total
            done = phase.size if phase.total_size else phase.count
            task = self._tasks.get(phase.name)
            if task is None:
                task = self._progress.add_task(phase.name, total=total, facts="")
                self._tasks[phase.name] = task
            self._progress.update(task, completed=done, total=total)
            speed = self._progress.tasks[self._progress.task_ids.index(task)].speed
            self._progress.update(task, facts=_facts(phase, speed))
        self._progress.refresh()

    def drop(self, phase: Phase) -> None:
        """Take a finished phase off the screen."""
        task = self._tasks.pop(phase.name, None)
        if task is not None:
            self._progress.remove_task(task)

    def close(self) -> None:
        self._progress.stop()


def _facts(phase: Phase, speed: float | None) -> str:
    """`12/90 files  1.2 MiB/7.0 MiB  3.1 MiB/s`."""
    files = f"{phase.count:,}" + (f"/{phase.total:,}" if phase.total else "")
    if not phase.size and not phase.total_size:
        return files + (f"  {speed:,.0f}/s" if speed else "")
    size = human_size(phase.size) + (f"/{human_size(phase.total_size)}" if phase.total_size else "")
    rate = f"  {human_size(int(speed))}/s" if speed and phase.total_size else ""
    return f"{files}  {size}{rate}"
