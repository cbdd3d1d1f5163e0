"""Play the speed table: `make bench`, or a part of it with `make bench ONLY=add-small,status SCALE=0.1`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import machine, proof, registry, reuse, scenarios
from bench.measure import Sample, run
from bench.scenarios import NEEDS, Scenario
from bench.stage import Stage
from bench.table import render
from bench.targets import Figures

ALL = scenarios.ALL | registry.ALL | reuse.ALL | proof.ALL
RESULTS = machine.ROOT / "bench/results"


def play(scenario: Scenario, stage: Stage, rounds: int) -> Figures:
    """All rounds of one scenario, the sides alternating: A B A B."""
    figures: dict[str, list[Sample]] = {side: [] for side in scenario.sides}
    for number in range(rounds):
        for side, prepare in scenario.sides.items():
            sample = run(prepare(), stage.env)
            figures[side].append(sample)
            print(f"  round {number + 1}: {side:14} {sample.wall_s:8.3f} s", file=sys.stderr, flush=True)
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names separated by commas: " + ", ".join(ALL))
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the files (targets hold at 1)")
    parser.add_argument("--rounds", type=int, help="rounds of every scenario, instead of its own number")
    parser.add_argument("--without-dvc", action="store_true", help="leave dvc out, for a quick look")
    parser.add_argument("--into", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--keep", action="store_true", help="do not delete the working folder at the end")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to keep the figures")
    return parser.parse_args()


def tools(without_dvc: bool) -> dict[str, str]:
    """The tools that are here. Without lab there is nothing to measure."""
    found = {name: machine.find_tool(name) for name in ("dvc", "s5cmd", "rclone", "aws")}
    found["lab"] = machine.find_lab()
    if found["lab"] is None:
        sys.exit("error: no `lab`; run `make bench`, or name one with LABOPS_LAB")
    if without_dvc:
        found["dvc"] = None
    return {name: path for name, path in found.items() if path}


def chosen(only: str | None, here: dict[str, str]) -> Sequence[str]:
    names = only.split(",") if only else list(ALL)
    if unknown := [name for name in names if name not in ALL]:
        sys.exit(f"error: no scenario '{unknown[0]}'; there are: {', '.join(ALL)}")
    playable = []
    for name in names:
        missing = [tool for tool in NEEDS.get(name, ()) if tool not in here]
        if missing:
            print(f"left out: {name} needs {', '.join(missing)} (.ci/run installs them)", file=sys.stderr)
        else:
            playable.append(name)
    return playable


def main() -> int:
    options = arguments()
    here = tools(options.without_dvc)
    root = Path(tempfile.mkdtemp(prefix="labops-bench-", dir=options.into))
    (root / "home").mkdir()
    head = [machine.machine_line(root), machine.tool_line(here)]
    print("\n".join(head), file=sys.stderr)

    parts: list[tuple[str, Scenario, Figures]] = []
    stage = Stage(root, here, options.scale)
    for tool, path in here.items():
        stage.call([path, "--version" if tool == "aws" else "version"], root)  # warm: nobody pays for a cold disk
    try:
        for name in chosen(options.only, here):
            print(f"{name} ...", file=sys.stderr, flush=True)
            with ExitStack() as stage.closing:
                scenario = ALL[name](stage)
                if "dvc" not in here:
                    scenario.sides.pop("dvc", None)
                parts.append((name, scenario, play(scenario, stage, options.rounds or scenario.rounds)))
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)

    text = render(head, options.scale, parts)
    save(options.results, head, options.scale, parts, text)
    print(text)
    return 0


def save(folder: Path, head: list[str], scale: float, parts: list[tuple[str, Scenario, Figures]], text: str) -> None:
    """Keep the figures as JSON and the table as Markdown, by the time of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    raw = {
        name: {side: [asdict(s) for s in samples] for side, samples in figures.items()} for name, _, figures in parts
    }
    (folder / f"{stem}.json").write_text(json.dumps({"head": head, "scale": scale, "scenarios": raw}, indent=1))
    (folder / f"{stem}.md").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
