"""Targets as people and their shells type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labops.model import Selection
from labops.project import Project
from labops.verbs.add import add
from labops.verbs.checkout import checkout
from labops.verbs.init import init
from labops.verbs.status import status


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project outside of git with a folder `sub/d` of one file; the current directory."""
    init(str(tmp_path), no_scm=True)
    (tmp_path / "sub/d").mkdir(parents=True)
    (tmp_path / "sub/d/a").write_text("a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("target", ["sub/d", "sub/d/", "./sub/d/", "sub//d//", "sub/d/.", "sub/../sub/d/"])
def test_a_folder_is_itself_however_it_is_spelled(folder: Path, target: str):
    """Completion puts a slash behind the name of a folder: that must not mean the folder above."""
    add(Project.find("."), [target])

    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dvc") if path.is_file()) == ["sub/d.dvc"]
    assert status(Project.find("."), Selection((target,))) == ()

    (folder / "sub/d/a").unlink()
    checkout(Project.find("."), Selection((target,)))
    assert (folder / "sub/d/a").read_text() == "a"


@pytest.mark.parametrize("target", [".", "./", "d/.."])
def test_the_folder_one_is_in(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch):
    """A dot means where one stands."""
    monkeypatch.chdir(folder / "sub")

    add(Project.find("."), [target])

    assert (folder / "sub.dvc").is_file()
