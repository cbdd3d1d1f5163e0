"""The bench judges rightly, counts rightly, and its scenarios run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import Command, Failed, Sample, run
from bench.targets import Limit, Ratio

ROOT = Path(__file__).parents[2]


def sample(wall_s: float, rss_mb: float = 0, **counts: int) -> Sample:
    return Sample(wall_s, 0.0, rss_mb, counts)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """One slow round decides nothing."""
    figures = {"dvc": [sample(10), sample(10), sample(10)], "lab": [sample(1), sample(2), sample(10)]}

    assert Ratio("dvc", "lab", at_least=5).judge(figures) == ("5.00 (1.00 to 10.00)", True)
    assert Ratio("dvc", "lab", at_least=6).judge(figures) == ("5.00 (1.00 to 10.00)", False)
    assert Ratio("lab", "dvc", at_most=0.2).judge(figures) == ("0.20 (0.10 to 1.00)", True)
    assert Ratio("s5cmd", "lab", at_most=1).judge(figures) is None


def test_a_limit_holds_for_memory_and_counts() -> None:
    """Counts and figures of the kernel are judged alike."""
    figures = {"lab": [sample(1, 120, requests=7)]}

    assert Limit("lab", "rss_mb", 150).judge(figures) == ("120", True)
    assert Limit("lab", "requests", 6).judge(figures) == ("7", False)


def test_opened_files_are_counted_by_the_kernel(tmp_path: Path) -> None:
    """A file that is read counts once; one that is only looked at does not."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    for name in ("read", "seen", "sub/read too"):
        (data / name).write_text(name)
    script = "cat data/read data/read 'data/sub/read too'; ls -lR data"
    measured = run(Command(("sh", "-c", script), tmp_path, watch=data), {"PATH": "/usr/bin:/bin"})

    assert measured.counts == {"opened": 2}


def test_git_processes_are_counted(tmp_path: Path) -> None:
    """Each git once, whoever started it."""
    command = Command(("sh", "-c", "git --version; git --version"), tmp_path, git_trace=tmp_path / "trace")

    assert run(command, {"PATH": "/usr/bin:/bin"}).counts == {"git": 2}
    assert run(command, {"PATH": "/usr/bin:/bin"}).counts == {"git": 2}


def test_a_failing_command_is_not_a_figure(tmp_path: Path) -> None:
    """A command that failed quickly must not look fast."""
    with pytest.raises(Failed, match="what it said"):
        run(Command(("sh", "-c", "echo what it said; exit 3"), tmp_path), {"PATH": "/usr/bin:/bin"})


def test_scenarios_run(tmp_path: Path) -> None:
    """A few files are enough to see that lab can be measured and that the table is made."""
    only = "start,add-small,add-again,status,push-folder,pull-folder,memory,log,diff-versions"
    options = ["--without-dvc", "--scale", "0.001", "--rounds", "1", "--only", only]
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", *options, "--into", tmp_path, "--results", tmp_path / "results"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "| work | target | measured | met |" in done.stdout
    assert {path.suffix for path in (tmp_path / "results").iterdir()} == {".json", ".md"}
