"""`install`: hooks and the merge driver for this clone. Whatever was there before is kept."""

from __future__ import annotations

import os
import sys

from labops.drivers import fs
from labops.drivers.git import Git
from labops.formats.hookscript import pre_commit_entry
from labops.formats.yamltext import dump_yaml, load_yaml, update_yaml
from labops.installing import install_hooks, install_merge_driver
from labops.model import Action, Outcome, Plan, Report, Result, Step
from labops.project import Project

_CONFIG = ".pre-commit-config.yaml"


def install(project: Project, *, use_pre_commit_tool: bool = False) -> Report:
    """Set up git's hooks and the merge of DVC files; a second time nothing changes.

    With `use_pre_commit_tool` the hooks go into `.pre-commit-config.yaml`, for that tool to install. A foreign
    hook is renamed and runs first. Raises `Conflict` (`hooks-shared`, `hook-in-the-way`).
    """
    repo = project.git
    if repo is None:
        return Report("install", warnings=("this project works without git: there is nothing to install",))
    python = sys.executable
    rows = [(f".git: {name}", True) for name in install_merge_driver(repo, python)]
    if use_pre_commit_tool:
        rows += _configure_tool(repo)
    else:
        rows += [(f"hook {name}", is_new) for name, is_new in install_hooks(repo, python)]
    steps = [(Step(Action.CREATE, name), is_new) for name, is_new in rows]
    outcomes = tuple(Outcome(step, Result.DONE if is_new else Result.ALREADY) for step, is_new in steps)
    return Report("install", Plan(tuple(step for step, _ in steps)), outcomes)


def _configure_tool(repo: Git) -> list[tuple[str, bool]]:
    path = os.path.join(repo.root, _CONFIG)
    text = fs.read_cache_file(path).decode()
    entry = pre_commit_entry()
    if not text.strip():
        new = dump_yaml({"repos": [entry]})
    else:
        config = load_yaml(text, name=_CONFIG, code="bad-pre-commit-config")
        repos = config.get("repos")
        known = repos if isinstance(repos, list) else []
        if entry in known:
            return [(_CONFIG, False)]
        wanted = {**config, "repos": [*known, entry]}
        new = update_yaml(text, wanted, name=_CONFIG, code="bad-pre-commit-config")
    fs.write_atomic(path, new.encode())
    return [(_CONFIG, True)]
