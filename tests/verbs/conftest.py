"""Real `dvc` as the judge of files that labops writes, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Dvc = Callable[..., str]


@pytest.fixture
def dvc() -> Dvc:
    """Run the real dvc in a folder and return what it prints; skips the test where there is none."""
    command = os.environ.get("LABOPS_DVC") or shutil.which("dvc")
    if not command:
        pytest.skip("no dvc: LABOPS_DVC may name one")

    def run(*arguments: str, cwd: Path) -> str:
        done = subprocess.run([command, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
