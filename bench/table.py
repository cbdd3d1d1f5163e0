"""The figures as two Markdown tables: promises kept or not, and what each side cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.measure import Sample, median, value
from bench.scenarios import Scenario
from bench.targets import Figures

Parts = Sequence[tuple[str, Scenario, Figures]]


def render(head: Sequence[str], scale: float, parts: Parts) -> str:
    """Both tables below the machine line."""
    lines = [*(f"{line}  " for line in head), ""]
    if scale != 1:
        lines += [f"Scale {scale:g}: the targets are meant for 1.", ""]
    lines += ["| work | target | measured | met |", "|---|---|---|---|", *_promises(parts), ""]
    lines += ["| work | side | time, median (min to max) | client CPU | peak memory | counted |"]
    lines += ["|---|---|---|---|---|---|", *_costs(parts), ""]
    return "\n".join(lines)


def _promises(parts: Parts) -> Iterator[str]:
    for _, scenario, figures in parts:
        for target in scenario.targets:
            judged = target.judge(figures)
            measured, met = (judged[0], "yes" if judged[1] else "**no**") if judged else ("not run", "?")
            yield f"| {scenario.work} | {target.words()} | {measured} | {met} |"


def _costs(parts: Parts) -> Iterator[str]:
    for name, _, figures in parts:
        for side, samples in figures.items():
            times = [value(sample, "wall_s") for sample in samples]
            spread = f"{median(samples, 'wall_s'):.3f} s ({min(times):.3f} to {max(times):.3f})"
            cpu, rss = f"{median(samples, 'cpu_s'):.2f} s", f"{median(samples, 'rss_mb'):.0f} MB"
            yield f"| {name} | {side} | {spread} | {cpu} | {rss} | {_counted(samples)} |"


def _counted(samples: Sequence[Sample]) -> str:
    names = {name for sample in samples for name in sample.counts}
    return ", ".join(f"{name} {max(s.counts.get(name, 0) for s in samples)}" for name in sorted(names))
