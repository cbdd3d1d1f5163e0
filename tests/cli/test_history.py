"""`log`, `tag`, `diff` and `pull NAME@VERSION` as people and scripts meet them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labops.testing.worlds import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab) -> World:
    """Two versions of a folder, on two days, pushed."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    for day, files in ((1, {"a": b"1", "b": b"2" * 2000}), (2, {"a": b"changed", "c": b"2" * 2000, "d": b"4"})):
        world.write("dogs", files)
        assert lab("add", "-q", "dogs").code == 0
        world.git("add", ".")
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-04-0{day}T12:00:00")
        world.git("commit", "-qm", f"day {day}")
    assert lab("push", "-q").code == 0
    return world


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_log(lab, world):
    first, second = world.git("log", "--format=%h", "--abbrev=7").split()[::-1]
    assert lines(lab("log", "dogs").out) == [
        ["v2*", "2026-04-02", second, "Russell", "3", "files", "2.0", "KiB", "+2", "-1", "~1", "day", "2"],
        ["v1", "2026-04-01", first, "Russell", "2", "files", "2.0", "KiB", "+2", "-0", "~0", "day", "1"],
    ]
    assert lines(lab("log").out) == [["dogs", *lines(lab("log", "dogs").out)[0][:8], "day", "2"]]
    assert len(lines(lab("log", "-n", "1", "dogs").out)) == 1
    assert lab("log", "cats").code == 10


def test_log_in_json(lab, world):
    lab("tag", "dogs@v1", "gold")
    newest, oldest = lab("log", "dogs", "--json").document
    assert newest == {
        "path": "dogs", "version": "v2", "number": 2, "tags": [], "commit": world.git("rev-parse", "HEAD").strip(),
        "time": newest["time"], "date": newest["date"], "author": "Russell", "message": "day 2",
        "md5": newest["md5"], "files": 3, "size_bytes": 2008, "added": 2, "deleted": 1, "modified": 1,
        "is_current": True,
    }  # fmt: skip
    assert oldest["tags"] == ["gold"]
    shutil.rmtree(world.cache)
    assert lab("log", "dogs", "--json").document[0]["added"] is None
    assert lines(lab("log", "dogs").out)[0][8] == "-"


def test_log_of_nothing(lab, git_repo, monkeypatch):
    monkeypatch.chdir(git_repo)
    lab("init", "-q")
    assert "lab add" in lab("log").out
    assert lab("log", "--json").document == []
    (git_repo / "f").write_text("x")
    lab("add", "-q", "f")
    assert lab("log").out.split() == ["f", "-*", "1", "file", "1", "B", "not", "committed", "to", "git", "yet"]
    assert lab("log", "f").out.split() == ["-*", "1", "file", "1", "B", "not", "committed", "to", "git", "yet"]
    assert lab("log", "--json").document[0]["version"] is None


def test_tag(lab, world):
    ran = lab("tag", "dogs@v1", "gold", "-m", "the good one")
    assert ran.out == "'dogs@gold' is v1\nShare it with: git push origin 'dogs@gold'\n"
    assert lines(lab("tag").out)[0][:2] == ["dogs@gold", "v1"]
    assert lab("tag", "dogs", "--json").document[0]["message"] == "the good one"
    assert "[gold]" in lab("log", "dogs").out
    assert lab("tag", "dogs", "new", "--rev", "2026-04-01", "--json").document["version"] == "v1"
    assert lab("tag", "dogs", "gold").code == 11
    assert lab("tag", "dogs", "x", "--dry-run").out == "dry run: 'dogs@x' is v2; nothing was done\n"
    assert lab("tag", "-d", "dogs", "gold").code == 0
    assert lab("tag", "-d", "dogs", "gold").code == 10
    assert lab("tag", "dogs@v1", "x", "--rev", "v2").code == 2
    assert lab("tag", "dogs", "-m", "x").code == 2
    lab("tag", "-d", "dogs", "new")
    assert "lab tag NAME TAG" in lab("tag").out


@pytest.mark.usefixtures("world")
def test_diff_of_versions(lab):
    assert lab("diff", "dogs@v1", "dogs@v2").out == (
        "Added:\n    dogs/d  (1 B)\n\n"
        "Renamed:\n    dogs/b -> dogs/c  (2.0 KiB)\n\n"
        "Modified:\n    dogs/a  (1 B -> 7 B)\n\n"
        "files summary: 1 added, 1 renamed, 1 modified\n"
    )
    assert lab("diff", "dogs@v1", "dogs@v2", "--stat").out == (
        "dogs: v1 -> v2, 2 -> 3 files\n1  added     1 B\n1  renamed   2.0 KiB\n1  modified  1 B -> 7 B\n"
    )
    assert "| renamed  | dogs/b -> dogs/c |" in lab("diff", "dogs@v1", "--md").out
    assert lab("diff", "dogs@v2").out == "There are no differences.\n"
    said = lab("diff", "dogs@v1", "dogs@v2", "--json", "--show-hash").document
    assert said["modified"] == [
        {
            "path": "dogs/a",
            "hash": {"old": "c4ca4238a0b923820dcc509a6f75849b", "new": "8977dfac2f8e04cb96e66882235f5aba"},
            "size_bytes": {"old": 1, "new": 7},
        }
    ]
    assert said["renamed"][0]["path"] == {"old": "dogs/b", "new": "dogs/c"}
    assert (said["from"]["version"], said["from"]["files"], said["to"]["version"]) == ("v1", 2, "v2")
    assert lab("diff", "dogs@v1", "--json").document["to"] == {"path": "dogs", "version": "workspace", "files": 3}
    assert lab("diff", "dogs@v1", "HEAD").code == 10
    assert lab("diff", "HEAD", "dogs@v1").code == 10
    assert lab("diff", "dogs@v1", "--targets", "dogs").code == 2


@pytest.mark.usefixtures("world")
def test_diff_of_commits(lab):
    assert lab("diff", "HEAD~1", "--stat").out == "1  added\n1  renamed\n1  modified\n"
    assert lab("diff", "--stat").out == "no differences\n"
    assert lab("diff").out == ""
    assert lab("diff", "--json").document == {}
    assert lab("diff", "nope").code == 10
    assert "lab diff --targets 'dogs'" in lab("diff", "dogs/").err
    assert json.loads(lab("diff", "nope", "--json").out)["error"]["code"] == "unknown-revision"


def test_pull_says_what_is_here_now_and_the_way_back(lab, world):
    sha = world.git("rev-parse", "--short=7", "HEAD~1").strip()
    ran = lab("pull", "dogs@2026-04-01")
    assert f"'dogs' is v1 ({sha}) now, and its DVC file stays; go back with: lab pull dogs\n" in ran.out
    assert "go back" not in lab("pull", "dogs@v2").out
    assert "go back" not in lab("pull", "dogs").out
    assert "go back with: lab pull dogs" in lab("checkout", "dogs@v1").out


def test_pull_out(lab, world):
    assert lab("pull", "dogs@v1", "-o", "old").out.startswith("2 files put at 'old'\n")
    assert lab("pull", "dogs@v1", "-o", "old").out == "'old' is there already.\n"
    assert lab("pull", "dogs@v2", "--out", "old").code == 11
    assert lab("pull", "-o", "old").code == 2
    assert lab("pull", "dogs", "dogs@v1", "-o", "x").code == 2
    assert "create    x/a" in lab("pull", "dogs@v1", "-o", "x", "--dry-run").out
    assert not (world.repo / "x").exists()
    assert lab("pull", "dogs@v2", "-f", "-o", "old", "--json").document["summary"]["done"] == 3


@pytest.mark.parametrize("verb", ["add", "commit"])
def test_recording_refuses_a_version(lab, world, verb):
    ran = lab(verb, "dogs@v1")
    assert ran.code == 2
    assert f"lab {verb} 'dogs'" in ran.err


def test_a_shallow_clone_warns(lab, world, monkeypatch):
    world.git("clone", "-q", "--depth=1", f"file://{world.repo}", "../cut")
    monkeypatch.chdir(world.root / "cut")
    ran = lab("log", "dogs")
    assert "git fetch --unshallow" in ran.err
    assert lines(ran.out)[0][0] == "-*"
    assert lab("log", "--json").document[0]["version"] is None
    ran = lab("pull", "dogs@v1")
    assert ran.code == 10
    assert "hint: git fetch --unshallow --tags" in ran.err
