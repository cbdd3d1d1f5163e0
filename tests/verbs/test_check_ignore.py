"""`check-ignore` against dvc's own answers."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from labops.cli import main
from labops.verbs.init import init

NAMES = ["a.tmp", "keep.tmp", "d", "d/x", "s/y.log", "s/z", ".git", "/etc/passwd", "none"]


@pytest.fixture
def project(git_repo, monkeypatch):
    init(str(git_repo))
    (git_repo / ".dvcignore").write_text("*.tmp\n!keep.tmp\n/d/\n")
    for folder in ("d", "s"):
        (git_repo / folder).mkdir()
    (git_repo / "s" / ".dvcignore").write_text("*.log\n")
    monkeypatch.chdir(git_repo)
    return git_repo


@pytest.mark.parametrize("flags", [[], ["-d"], ["-d", "-n"]])
@pytest.mark.parametrize("names", [NAMES, ["none"], ["keep.tmp"]])
def test_as_dvc_answers(project, capsys, flags, names):
    command = os.environ.get("LABOPS_DVC") or shutil.which("dvc")
    if not command:
        pytest.skip("no dvc: LABOPS_DVC may name one")
    judge = subprocess.run(
        [command, "check-ignore", *flags, *names], cwd=project, capture_output=True, text=True, check=False
    )
    code = main(["check-ignore", *flags, *names])
    assert (code, capsys.readouterr().out) == (judge.returncode, judge.stdout)


def test_from_standard_input_and_in_json(project, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("a.tmp\nnone\n"))
    assert main(["check-ignore", "--stdin"]) == 0
    assert capsys.readouterr().out == "a.tmp\n"
    assert main(["check-ignore", "--json", "none", "a.tmp"]) == 0
    assert capsys.readouterr().out == (
        '[{"path": "none", "is_ignored": false, "rule": ""}, '
        '{"path": "a.tmp", "is_ignored": true, "rule": ".dvcignore:1:*.tmp"}]\n'
    )


@pytest.mark.parametrize("words", [[], ["--stdin", "x"], ["-n", "x"], ["-q", "-d", "x"]])
def test_senseless_flags(project, words):
    assert main(["check-ignore", *words]) == 2
