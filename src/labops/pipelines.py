"""Pipelines: what changed about their stages since they ran, besides their outputs. Running them is dvc's job."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from labops import index
from labops.errors import InvalidInput
from labops.formats.dvclock import Params, StageOutputs
from labops.formats.yamltext import load_yaml
from labops.model import OnEvent, Output, StatusRow, Tracked, ignore
from labops.planning.params import compare_params
from labops.project import Project
from labops.survey import survey

_YAML = (".yaml", ".yml", ".json")  # YAML reads JSON too


class Stage(NamedTuple):
    """A stage and the `dvc.yaml` that defines it."""

    file: str
    facts: StageOutputs

    def place(self, path: str) -> str:
        """A path of the stage, relative to the project root."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file), self.facts.wdir, path))


def load_stages(project: Project, tracked: Iterable[Tracked]) -> list[Stage]:
    """The stages of every `dvc.yaml` with an output, and of the one at the root, which may have none."""
    files = {item.file for item in tracked if item.stage}
    if os.path.isfile(project.absolute("dvc.yaml")):
        files.add("dvc.yaml")
    return [
        Stage(file, facts)
        for file in sorted(files)
        for facts in index.load_stages(file, lambda path: index.read_workspace(project.root, path))
    ]


def changed_deps(project: Project, stage: Stage, address: str, *, on_event: OnEvent = ignore) -> Iterator[StatusRow]:
    """What the stage reads and is not as `dvc.lock` has it; nothing for a frozen stage."""
    if stage.facts.is_frozen:
        return
    for dep in stage.facts.locked_deps:
        state = _dep_state(project, stage.place(dep.path), dep, on_event)
        if state:
            yield StatusRow(address, "changed deps", project.shown(stage.place(dep.path)), state)
    for params in stage.facts.params:
        yield from _changed_params(project, stage, address, params)


def changed_stage(stage: Stage, address: str) -> Iterator[StatusRow]:
    """What there is to say about the stage itself."""
    if stage.facts.is_always_changed:
        yield StatusRow(address, "always changed")
    if stage.facts.is_command_changed:
        yield StatusRow(address, "changed command")


def _dep_state(project: Project, path: str, dep: Output, on_event: OnEvent) -> str:
    if not os.path.exists(project.absolute(path)):
        return "deleted"
    if dep.oid is None:
        return "modified"
    return "" if survey(project, path, dep.hash_name, on_event=on_event).oid == dep.oid else "modified"


def _changed_params(project: Project, stage: Stage, address: str, params: Params) -> Iterator[StatusRow]:
    path = stage.place(params.file)
    shown = project.shown(path)
    if not os.path.exists(project.absolute(path)):
        yield StatusRow(address, "changed deps", shown, "deleted")
    elif params.locked is None:
        yield StatusRow(address, "changed deps", shown, "new")
    else:
        document = _read(project, path)
        if document is not None:
            for key, state in compare_params(params.keys, params.locked, document):
                yield StatusRow(address, "changed deps", shown, state, key)


def _read(project: Project, path: str) -> Mapping[str, object] | None:
    """The values of a file of parameters; None for Python, which only dvc reads."""
    text = index.read_workspace(project.root, path) or ""
    if path.endswith(_YAML):
        return load_yaml(text, name=path, code="bad-params")
    if not path.endswith(".toml"):
        return None
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"'{path}' is not valid TOML: {error}", code="bad-params", path=path) from error
