"""`init`: the files dvc would write, staged and nothing else; refusals; resets that lose no data."""

from __future__ import annotations

import os

import pytest

from labops.errors import Conflict, InvalidInput, NotFound
from labops.verbs.init import DVCIGNORE, init


def test_files_and_staging(git_repo, run_git):
    report = init(str(git_repo))
    assert (git_repo / ".dvc" / "config").read_bytes() == b""
    assert (git_repo / ".dvc" / ".gitignore").read_bytes() == b"/config.local\n/tmp\n/cache\n"
    assert (git_repo / ".dvc" / "tmp" / "btime").read_bytes() == b""
    assert len((git_repo / ".dvcignore").read_bytes().splitlines()) == 3
    assert all(line.startswith(b"#") for line in DVCIGNORE.splitlines())
    assert not (git_repo / ".dvc" / "cache").exists()
    status = run_git("status", "--porcelain", "-uall")
    assert status.splitlines() == ["A  .dvc/.gitignore", "A  .dvc/config", "A  .dvcignore"]
    assert [step.path for step in report.plan.steps] == [".dvc/config", ".dvc/.gitignore", ".dvcignore"]
    assert report.exit_code == 0


def test_dvc_accepts_the_project(git_repo, dvc):
    init(str(git_repo))
    assert dvc("config", "-l", cwd=git_repo) == ""
    assert dvc("status", "--json", cwd=git_repo) == "{}\n"


def test_an_existing_dvcignore_stays(git_repo):
    (git_repo / ".dvcignore").write_text("*.tmp\n")
    init(str(git_repo))
    assert (git_repo / ".dvcignore").read_text() == "*.tmp\n"


def test_without_git(tmp_path):
    with pytest.raises(InvalidInput) as caught:
        init(str(tmp_path))
    assert caught.value.code == "not-a-git-root"
    assert "git init" in caught.value.hint
    assert os.listdir(tmp_path) == []
    init(str(tmp_path), no_scm=True)
    assert (tmp_path / ".dvc" / "config").read_bytes() == b"[core]\n    no_scm = True\n"
    assert not (tmp_path / ".dvc" / ".gitignore").exists()


def test_subfolder(git_repo, run_git):
    sub = git_repo / "a" / "b"
    sub.mkdir(parents=True)
    with pytest.raises(InvalidInput) as caught:
        init(str(sub))
    assert "--subdir" in caught.value.hint
    init(str(sub), subdir=True)
    assert "A  a/b/.dvc/config" in run_git("status", "--porcelain", "-uall")
    with pytest.raises(InvalidInput):
        init(str(sub), subdir=True, no_scm=True)


def test_refusals(git_repo):
    with pytest.raises(NotFound):
        init(str(git_repo / "nowhere"))
    (git_repo / ".gitignore").write_text(".dvc\n")
    with pytest.raises(InvalidInput) as caught:
        init(str(git_repo))
    assert caught.value.code == "dvc-dir-ignored"
    assert not (git_repo / ".dvc").exists()


def test_again(git_repo):
    init(str(git_repo))
    (git_repo / ".dvc" / "config").write_text("[core]\n    remote = x\n")
    (git_repo / ".dvc" / "config.local").write_text("[core]\n    remote = y\n")
    (git_repo / ".dvc" / "cache" / "files").mkdir(parents=True)
    (git_repo / ".dvc" / "tmp" / "rubbish").mkdir()
    with pytest.raises(Conflict) as caught:
        init(str(git_repo))
    assert caught.value.code == "already-a-project"
    assert (git_repo / ".dvc" / "config").read_text()
    init(str(git_repo), force=True)
    assert (git_repo / ".dvc" / "config").read_text() == ""
    assert not (git_repo / ".dvc" / "config.local").exists()
    assert not (git_repo / ".dvc" / "tmp" / "rubbish").exists()
    assert (git_repo / ".dvc" / "cache" / "files").is_dir()  # it may hold the only copy of something


def test_through_a_symlink(git_repo, tmp_path_factory, run_git):
    way = tmp_path_factory.mktemp("w") / "link"
    way.symlink_to(git_repo)
    init(str(way))
    assert "A  .dvc/config" in run_git("status", "--porcelain", "-uall")


def test_git_learns_to_merge_datasets_and_no_tracked_file_says_so(git_repo, run_git):
    (git_repo / ".git/info").mkdir(exist_ok=True)
    (git_repo / ".git/info/attributes").write_text("*.csv diff=csv")
    init(str(git_repo))
    assert "merge-driver --ancestor %O --our %A --their %B" in run_git("config", "merge.lab.driver")
    assert run_git("check-attr", "merge", "--", "sub/d.dvc") == "sub/d.dvc: merge: lab"
    assert run_git("check-attr", "diff", "--", "a.csv") == "a.csv: diff: csv"
    assert not (git_repo / ".gitattributes").exists()
    assert not list((git_repo / ".git/hooks").glob("pre-push"))
    before = (git_repo / ".git/info/attributes").read_bytes()
    init(str(git_repo), force=True)
    assert (git_repo / ".git/info/attributes").read_bytes() == before


def test_where_git_cannot_be_taught_the_project_is_made_all_the_same(git_repo):
    (git_repo / ".git/info").mkdir(exist_ok=True)
    (git_repo / ".git/info/attributes").mkdir()
    report = init(str(git_repo))
    assert (git_repo / ".dvc/config").exists()
    assert any("lab install" in warning for warning in report.warnings)
