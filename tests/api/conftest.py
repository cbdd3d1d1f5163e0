"""A registry with three versions of one dataset, and nothing open from the test before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from labops.project import Project
from labops.reading.readers import forget
from labops.verbs.add import add
from labops.verbs.init import init
from labops.verbs.push import push
from tests.conftest import RunGit

VERSIONS = (
    {"1.txt": "one\n", "2.txt": "two\n", "sub/s.txt": "deep\n"},
    {"1.txt": "one\n", "2.txt": "two, again\n", "sub/s.txt": "deep\n", "3.txt": "three\n"},
    {"1.txt": "one\n", "2.txt": "two, again\n", "3.txt": "three\n"},
)
"""What `cats` held in v1, v2 and v3."""


class Registry:
    """A project at `root` with its remote at `store`; the workspace holds v3."""

    def __init__(self, root: Path, store: Path, run_git: RunGit) -> None:
        self.root, self.store, self.git = root, store, run_git

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    def write(self, files: dict[str, str], folder: str = "cats") -> None:
        shutil.rmtree(self.root / folder, ignore_errors=True)
        for name, text in files.items():
            path = self.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def save(self, message: str, *names: str) -> None:
        """Add, push and commit what is in the workspace."""
        project = Project.find(str(self.root))
        add(project, [str(self.root / name) for name in names])
        push(project)
        self.git("add", "-A", cwd=self.root)
        self.git("commit", "-qm", message, cwd=self.root)

    def lose_cache(self) -> None:
        shutil.rmtree(self.root / ".dvc/cache")

    def lose_workspace(self) -> None:
        shutil.rmtree(self.root / "cats")

    def objects(self) -> set[str]:
        """The oids that the project's cache holds."""
        base = self.root / ".dvc/cache/files/md5"
        return {path.parent.name + path.name for path in base.glob("??/*")}


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def registry(tmp_path: Path, run_git: RunGit, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Three versions of `cats`, one of the file `labels.csv` and a plain file; the current directory is the project."""
    root = tmp_path / "registry"
    root.mkdir()
    run_git("init", "-q", "-b", "main", cwd=root)
    init(str(root))
    (root / ".dvc/config").write_text(f"[core]\n    remote = s\n['remote \"s\"']\n    url = {tmp_path}/store\n")
    made = Registry(root, tmp_path / "store", run_git)
    monkeypatch.chdir(root)
    (root / "plain.txt").write_text("plain\n")
    (root / "labels.csv").write_text("name,label\n1.txt,cat\n")
    made.write(VERSIONS[0])
    made.save("first cats", "cats", "labels.csv")
    made.write(VERSIONS[1])
    made.save("second cats", "cats")
    run_git("tag", "release", cwd=root)
    made.write(VERSIONS[2])
    made.save("third cats", "cats")
    return made
