"""Running `lab` in-process, with stand-ins for the verbs behind it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labops.errors import NotFound
from labops.model import Report
from tests.conftest import Ran

Lab = Callable[..., Ran]


class FakeProject:
    """As much of a project as the faces use."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.git = object()
        self.settings = types.SimpleNamespace(core_remote="st", autostage=False)
        self.pointer_files = ["d.dvc"]
        self.waited: bool | None = None

    @contextmanager
    def lock(self):
        yield


@dataclass
class Verbs:
    """What the stand-ins answer, and what they were asked."""

    project: FakeProject
    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __setitem__(self, name: str, answer: Any) -> None:
        self.answers[name] = answer

    def __call__(self, name: str) -> Callable[..., Any]:
        def verb(*args: Any, **options: Any) -> Any:
            self.calls.append((name, args, options))
            answer = self.answers.get(name, Report(name))
            if isinstance(answer, BaseException):
                raise answer
            return answer(*args, **options) if callable(answer) else answer

        return verb

    @property
    def options(self) -> dict[str, Any]:
        return self.calls[-1][2]

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.calls[-1][1]


VERBS = {
    "add": ["add"],
    "commit": ["commit"],
    "push": ["push"],
    "fetch": ["fetch"],
    "pull": ["pull"],
    "checkout": ["checkout"],
    "status": ["status", "cloud_status"],
    "data_status": ["data_status"],
    "unprotect": ["unprotect"],
}


@dataclass(frozen=True)
class AddOptions:
    glob: bool = False
    out: str | None = None
    to_remote: bool = False
    remote: str | None = None
    jobs: int | None = None
    commit: bool = True
    force: bool = False
    relink: bool = True
    desc: str | None = None
    type: str | None = None
    labels: tuple[str, ...] | None = None
    meta: dict[str, object] | None = None


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    """A project at `tmp_path`, the current directory, whose verbs are stand-ins."""
    monkeypatch.chdir(tmp_path)
    project = FakeProject(str(tmp_path))
    verbs = Verbs(project)

    def find(start: str = ".", *, wait_for_lock: bool = False, on_wait: object = None) -> FakeProject:
        if not str(Path(start).resolve()).startswith(project.root):
            raise NotFound("no project here", code="not-in-a-project", hint="lab init")
        project.waited = wait_for_lock
        return project

    fake = types.ModuleType("labops.project")
    fake.Project = types.SimpleNamespace(find=find)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "labops.project", fake)
    for module, names in VERBS.items():
        stub = types.ModuleType(f"labops.verbs.{module}")
        for name in names:
            setattr(stub, name, verbs(name))
        stub.AddOptions = AddOptions  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"labops.verbs.{module}", stub)
    return verbs
