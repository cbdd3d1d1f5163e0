"""Scenarios of reuse: what other repositories hold, and one file of a large dataset."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bench.measure import Command
from bench.scenarios import BOTH, Prepare, Scenario
from bench.stage import Stage, folder_remote
from bench.targets import Ratio


def _registry(stage: Stage, files: int) -> Path:
    """A git repository whose dataset of `files` files lies on a folder remote; without workspace and cache."""
    folder = stage.with_data("lab", "registry", stage.dataset(files, 64), folder_remote(stage.fresh("store")))
    for words in (["add", "data"], ["push"]):
        stage.call([stage.tools["lab"], *words], folder)
    stage.call(["git", "add", "-A"], folder)
    stage.call(["git", "commit", "--quiet", "--message", "data"], folder)
    shutil.rmtree(folder / "data")
    shutil.rmtree(folder / ".dvc/cache")
    return folder


def list_all(stage: Stage) -> Scenario:
    number = stage.count(20_000)
    url = _registry(stage, number).as_uri()

    def ask(tool: str) -> Prepare:
        return lambda: stage.command(tool, "list", url, "-R", cwd=stage.fresh("list"))

    return Scenario(
        f"`list -R` of a registry by url, {number:,} files",
        {tool: ask(tool) for tool in BOTH},
        [Ratio("dvc", "lab", at_least=10)],
    )


def get_one(stage: Stage) -> Scenario:
    number = stage.count(100_000)
    url = _registry(stage, number).as_uri()
    path = "data/0000/000007.bin"

    def ask(tool: str) -> Callable[[], Command]:
        return lambda: stage.command(tool, "get", url, path, cwd=stage.fresh("get"))

    return Scenario(
        f"`get` of one file from a dataset of {number:,}",
        {tool: ask(tool) for tool in BOTH},
        [Ratio("dvc", "lab", at_least=3)],
    )


ALL: dict[str, Callable[[Stage], Scenario]] = {"list-registry": list_all, "get-one": get_one}
