"""Scenarios of the registry: the versions of datasets and what differs between them."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Command
from bench.scenarios import Scenario
from bench.stage import Stage
from bench.targets import Limit, Ratio

_COMMITS, _DATASETS = 5000, 200
_START = 1_700_000_000
_VERSIONS = 4


def log(stage: Stage) -> Scenario:
    commits = stage.count(_COMMITS)
    folder = stage.repository("lab", "history")
    stage.call(["git", "add", "."], folder)
    stage.call(["git", "commit", "--quiet", "-m", "init"], folder)
    _import(folder, _history(commits))
    trace = stage.fresh("trace") / "git"

    def ask(*words: str) -> Callable[[], Command]:
        return lambda: Command((stage.tools["lab"], *words), folder, git_trace=trace)

    return Scenario(
        f"`log` of {commits:,} commits × {_DATASETS} datasets",
        {"lab log": ask("log"), "lab log NAME": ask("log", "data/set7")},
        [Limit("lab log", "wall_s", 2), Limit("lab log", "git", 10), Limit("lab log NAME", "git", 10)],
        rounds=5,
    )


def _history(commits: int) -> Iterator[str]:
    """A stream for `git fast-import`: every commit changes the pointer of one dataset."""
    for number in range(commits):
        parent = "from refs/heads/main^0\n" if number == 0 else ""
        stamp = f"committer Bench <bench@lab.example> {_START + 60 * number} +0000"
        yield f"commit refs/heads/main\n{stamp}\ndata 4\nnew\n\n{parent}"
        for at in range(_DATASETS) if number == 0 else [number % _DATASETS]:
            oid = hashlib.md5(f"{at} {number}".encode()).hexdigest()
            text = f"outs:\n- md5: {oid}.dir\n  size: {number}\n  nfiles: 9\n  hash: md5\n  path: set{at}\n"
            yield f"M 100644 inline data/set{at}.dvc\ndata {len(text)}\n{text}\n"


def _import(folder: Path, stream: Iterator[str]) -> None:
    subprocess.run(["git", "branch", "-q", "-M", "main"], cwd=folder, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input="".join(stream).encode(), check=True)
    subprocess.run(["git", "reset", "--quiet", "--hard", "main"], cwd=folder, check=True)


def diff_versions(stage: Stage) -> Scenario:
    files = stage.count(20_000)
    folder = stage.with_data("lab", "versions", stage.dataset(files, 64))
    for number in range(_VERSIONS):
        if number:
            _change(folder / "data", number, every=max(1, files // 200))
        stage.call([stage.tools["lab"], "add", "data"], folder)
        stage.call(["git", "add", "."], folder)
        stage.call(["git", "commit", "--quiet", "-m", f"version {number + 1}"], folder)
        stage.call(["git", "tag", f"v{number + 1}"], folder)

    def ask(tool: str, name: str) -> Callable[[], Command]:
        # A pair that this side has not compared before: dvc remembers the listings that it has seen.
        pairs = itertools.cycle((f"{name}{n}", f"{name}{n + 1}") for n in range(1, _VERSIONS))
        return lambda: stage.command(tool, "diff", *next(pairs), cwd=folder)

    return Scenario(
        f"`diff` of two versions of {files:,} files, another pair each round",
        {"lab": ask("lab", "v"), "dvc": ask("dvc", "v"), "lab NAME@v1 NAME@v2": ask("lab", "data@v")},
        [Ratio("dvc", "lab", at_least=10), Ratio("dvc", "lab NAME@v1 NAME@v2", at_least=10)],
    )


def _change(data: Path, number: int, *, every: int) -> None:
    """Other content in every so many files, and one that is called differently."""
    paths = sorted(path for path in data.rglob("*") if path.is_file())
    for at, path in enumerate(paths[number::every]):
        path.write_text(f"{number} {at}")
    paths[-1].rename(data / f"renamed {number}")


ALL: dict[str, Callable[[Stage], Scenario]] = {"log": log, "diff-versions": diff_versions}
