"""What every verb gets from its project: the lock, a cache with its notes, targets that mean something."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from labops.drivers.lock import RepositoryLock
from labops.errors import InvalidInput
from labops.model import Selection
from labops.project import Project
from labops.verbs.init import init

POINTER = "outs:\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\n  size: 2\n  hash: md5\n  path: {}\n"


@pytest.fixture
def root(git_repo: Path) -> Path:
    init(str(git_repo))
    return git_repo


def test_lock_restores_what_keeps_secrets_out_of_git(root: Path) -> None:
    (root / ".dvc/.gitignore").write_text("/tmp\n/mine\n")

    with Project.find(str(root)).lock():
        pass

    assert (root / ".dvc/.gitignore").read_text() == "/tmp\n/mine\n/config.local\n/cache\n"


def test_waiting_says_for_whom(root: Path) -> None:
    told: list[str] = []
    first = RepositoryLock(str(root / ".dvc/tmp/lock"), owner="ben")

    def on_wait(text: str) -> None:
        told.append(text)
        threading.Timer(0, lambda: first.__exit__()).start()

    first.__enter__()
    with Project.find(str(root), wait_for_lock=True, on_wait=on_wait).lock():
        pass

    assert len(told) == 1
    assert f"process {os.getpid()} of ben" in told[0]


def test_notes_of_an_own_cache_are_out_of_the_way(root: Path) -> None:
    with Project.find(str(root)).cache().batch() as batch:
        assert batch.temporary().startswith(str(root / ".dvc/tmp/lab/cache/tmp/"))

    assert not (root / ".dvc/cache/.lab").exists()


def test_notes_of_a_shared_cache_are_shared(root: Path, tmp_path: Path) -> None:
    (root / ".dvc/config").write_text(f"[cache]\n    dir = {tmp_path}/shared\n")

    with Project.find(str(root)).cache().batch() as batch:
        assert batch.temporary().startswith(f"{tmp_path}/shared/.lab/tmp/")


@pytest.mark.parametrize("rules", [".gitignore", ".dvcignore"])
def test_ignored_pointer_is_refused_when_named(root: Path, monkeypatch: pytest.MonkeyPatch, rules: str) -> None:
    (root / rules).write_text("/quiet/\n")
    (root / "quiet").mkdir()
    (root / "quiet/f.dvc").write_text(POINTER.format("f"))
    (root / "empty.dvc").write_text("")
    monkeypatch.chdir(root)
    project = Project.find(str(root))

    with pytest.raises(InvalidInput, match="ignored by") as caught:
        project.select(Selection(("quiet/f.dvc",)))
    assert caught.value.code == "pointer-ignored"
    assert project.select(Selection(("empty.dvc",))) == ()
