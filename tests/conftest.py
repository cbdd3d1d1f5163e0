"""What every test shares: a home without configuration, and git identities."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

RunGit = Callable[..., str]


@pytest.fixture(autouse=True)
def bare_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this machine, of git or of dvc, reaches a test."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SYSTEM_CONFIG_DIR": str(home / "system"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "global"),
        "DVC_SITE_CACHE_DIR": str(home / "site"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run_git(tmp_path: Path) -> RunGit:
    """Run git in `tmp_path` (or in `cwd`) and return what it prints."""

    def run(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or tmp_path, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def git_repo(tmp_path: Path, run_git: RunGit) -> Path:
    """An empty git repository at `tmp_path`."""
    run_git("init", "-q", "-b", "main")
    return tmp_path
