"""Data that only another branch tracks: cleared away after a switch when nothing is lost by it, else left alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from labops.model import Action, Result, Selection
from labops.project import Project
from labops.verbs.add import add
from labops.verbs.checkout import checkout
from labops.verbs.init import init


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


@pytest.fixture
def root(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On `main` nothing is tracked; `other`, where we are, tracks `d` and `f`."""
    monkeypatch.chdir(git_repo)
    init(str(git_repo))
    git("commit", "-q", "--allow-empty", "-m", "start")
    git("branch", "-M", "main")
    git("checkout", "-q", "-b", "other")
    for name, text in (("d/a", "1\n"), ("d/s/b", "2\n"), ("f", "3\n")):
        (git_repo / name).parent.mkdir(parents=True, exist_ok=True)
        (git_repo / name).write_text(text)
    add(Project.find(), ["d", "f"])
    git("add", "-A")
    git("commit", "-q", "-m", "data")
    return git_repo


def test_unchanged_data_goes_and_comes_back(root: Path) -> None:
    git("checkout", "-q", "main")

    planned = checkout(Project.find(), dry_run=True)
    report = checkout(Project.find())

    assert [(step.action, step.path) for step in planned.plan.steps] == [(Action.DELETE, "d"), (Action.DELETE, "f")]
    assert report.outputs == (("D", "d/"), ("D", "f"))
    assert [outcome.result for outcome in report.outcomes] == [Result.DONE, Result.DONE]
    assert not (root / "d").exists()
    assert not (root / "f").exists()
    git("checkout", "-q", "other")
    checkout(Project.find())
    assert (root / "d/s/b").read_text() == "2\n"
    assert (root / "f").read_text() == "3\n"


def test_what_changed_or_is_saved_nowhere_stays(root: Path) -> None:
    (root / "d/a").write_text("unsaved\n")
    shutil.rmtree(root / ".dvc/cache/files/md5/6d")  # the object of f
    git("checkout", "-q", "main")

    report = checkout(Project.find())

    assert report.outputs == ()
    assert (root / "d/a").read_text() == "unsaved\n"
    assert (root / "d/s/b").read_text() == "2\n"
    assert (root / "f").read_text() == "3\n"


def test_after_anything_but_a_switch_the_data_stays(root: Path) -> None:
    git("rm", "-q", "d.dvc", "f.dvc")
    git("commit", "-q", "-m", "track them no more")

    checkout(Project.find())

    assert (root / "d/a").exists()
    assert (root / "f").exists()


def test_a_target_touches_nothing_else(root: Path) -> None:
    (root / "own").write_text("x\n")
    git("checkout", "-q", "main")
    add(Project.find(), ["own"])

    checkout(Project.find(), Selection(("own",)))

    assert (root / "d/a").exists()


def test_files_that_git_itself_holds_stay(root: Path) -> None:
    git("checkout", "-q", "main")
    git("checkout", "-q", "-b", "in-git")
    git("add", "-f", "f")
    git("commit", "-q", "-m", "f in git")
    git("checkout", "-q", "--detach", "HEAD~1")
    git("checkout", "-q", "in-git")

    checkout(Project.find())

    assert (root / "f").read_text() == "3\n"
