"""`make demo` plays the article from beginning to end, with the commands a reader would type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAB = Path(sys.executable).with_name("lab")

VERSION_1 = "c2e1ad3a566c819a7e39fe1aeb946c4b.dir"
"""The six pictures of the demo as dvc 3.67 names them; the tutorial shows the same name."""


def play(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "demo/article.py", "--lab", LAB, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown_in_readme() -> set[str]:
    """The lines that the tour of the README claims to be real."""
    text = (ROOT / "README.md").read_text().expandtabs()
    tour = text.partition("<!-- tour:begin -->")[2].partition("<!-- tour:end -->")[0]
    return {line for block in tour.split("```\n")[1::2] for line in block.splitlines()}


def test_the_article_ends_as_it_should(tmp_path: Path) -> None:
    """Three machines hold version 1, then one is behind; README and tutorial show what really happens."""
    done = play("--into", tmp_path / "stage")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as it should be." in done.stdout
    assert "NO " not in done.stdout
    assert VERSION_1 in done.stdout
    assert VERSION_1 in (ROOT / "docs/tutorial/first-dataset.md").read_text()
    assert shown_in_readme() - set(done.stdout.expandtabs().splitlines()) == set()
    for command in (
        "lab init",
        "lab add dog_and_cat",
        "lab push",
        "lab pull",
        "lab status",
        "lab data status --granular",
    ):
        assert f"$ {command}\n" in done.stdout


def test_the_article_can_be_played_with_own_files(tmp_path: Path) -> None:
    """Names with blanks, read-only files and folders in folders are data like any other."""
    data = tmp_path / "own files"
    (data / "a folder").mkdir(parents=True)
    (data / "a folder/notes été.txt").write_text("one\r\ntwo\r\n")
    (data / "only one.bin").write_bytes(bytes(range(256)) * 40)
    (data / "only one.bin").chmod(0o444)
    done = play("--data", data, "--into", tmp_path / "stage")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as it should be." in done.stdout


def test_a_failing_command_stops_the_demo(tmp_path: Path) -> None:
    """The demo never says that all is well when a command failed."""
    broken = tmp_path / "lab"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    done = play("--lab", broken, "--into", tmp_path / "stage")

    assert done.returncode == 1
    assert "status 7" in done.stderr
