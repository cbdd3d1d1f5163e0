"""`pull`: plans that name everything once, missing data that was allowed, targets of `add` that overlap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labops.model import Action, Result
from labops.project import Project
from labops.targets import Into, resolve
from labops.verbs.add import add
from labops.verbs.data_status import data_status
from labops.verbs.init import init
from labops.verbs.pull import pull
from labops.verbs.push import push

MISSING = "files/md5/26/ab0db90d72e28ad0ba1e22ee510510"


@pytest.fixture
def root(git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose data is in the remote only."""
    init(str(git_repo))
    (git_repo / ".dvc/config").write_text(f"[core]\n    remote = s\n['remote \"s\"']\n    url = {tmp_path}/store\n")
    monkeypatch.chdir(git_repo)
    for name, text in (("d/a", "1\n"), ("d/b", "2\n"), ("f", "3\n")):
        (git_repo / name).parent.mkdir(exist_ok=True)
        (git_repo / name).write_text(text)
    project = Project.find()
    add(project, ["d", "f"])
    push(project)
    shutil.rmtree(git_repo / ".dvc/cache")
    shutil.rmtree(git_repo / "d")
    (git_repo / "f").unlink()
    return git_repo


@pytest.mark.usefixtures("root")
def test_a_dry_run_names_each_object_once() -> None:
    plan = pull(Project.find(), dry_run=True).plan

    assert [(step.action, step.path) for step in plan.steps] == [
        (Action.DOWNLOAD, path) for path in ("d/a", "d/b", "f", "d/")
    ]


def test_what_is_nowhere_may_be_allowed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "store" / MISSING).unlink()

    report = pull(Project.find(), allow_missing=True)

    assert report.exit_code == 0
    assert [o.step.path for o in report.outcomes if o.result is Result.SKIPPED] == ["d/b"]
    assert ["d/b" in warning for warning in report.warnings] == [True]
    assert (root / "d/a").read_text() == "1\n"
    assert pull(Project.find()).exit_code == 3


def test_a_remote_that_is_gone_is_not_allowed(tmp_path: Path, root: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "unmounted")

    report = pull(Project.find(), allow_missing=True)

    assert report.exit_code == 3
    assert not (root / "d").exists()


@pytest.mark.usefixtures("root")
def test_a_question_leaves_the_cache_alone(root: Path) -> None:
    status = data_status(Project.find(), granular=True)

    assert status.not_in_cache == ("d/", "d/a", "d/b", "f")
    assert not (root / ".dvc/cache").exists()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("texts", [["d", "d/a"], ["d/a", "d"]])
def test_a_folder_and_its_part_are_the_folder(texts: list[str]) -> None:
    project = Project.find()

    (target,) = resolve(project, texts, project.tracked(), Into())

    assert (target.path, target.parts) == ("d", ())
