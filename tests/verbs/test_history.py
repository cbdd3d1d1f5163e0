"""Versions read from git: which there are, in which order, and how each is found."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest

from labops.drivers.git import Git, running
from labops.drivers.git import history as git_history
from labops.errors import InvalidInput, LabError, NotFound
from labops.history import History, Version, find_version, read_versions
from labops.model import HashName
from labops.project import Project

DAY = 86_400
START = int(dt.datetime(2026, 4, 1, 12).astimezone().timestamp())


def oid(word: str) -> str:
    return md5(word.encode()).hexdigest()


def pointer(word: str, path: str = "d", *, more: str = "") -> str:
    return f"outs:\n- md5: {oid(word)}\n  size: {len(word)}\n  hash: md5\n  path: {path}\n{more}"


class Past:
    """A project whose history is made of pointer files alone; each commit is a day after the one before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.day = 0
        self.git("init", "-q", "-b", "main")
        (root / ".dvc").mkdir()
        (root / ".dvc/config").write_text("")

    def git(self, *words: str, time: int | None = None) -> str:
        stamp = f"{time if time is not None else START + self.day * DAY} +0000"
        env = os.environ | {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        done = subprocess.run(["git", *words], cwd=self.root, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, str | None], *, time: int | None = None) -> str:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "-A", ".")
        self.git("commit", "-q", "--allow-empty", "-m", message, time=time)
        self.day += 1
        return self.git("rev-parse", "HEAD")

    def versions(self, path: str = "d") -> tuple[Version, ...]:
        return read_versions(Project.find(str(self.root)), path)

    def messages(self, path: str = "d") -> list[str]:
        return [version.message for version in self.versions(path)]

    def find(self, text: str, path: str = "d") -> Version:
        return find_version(Project.find(str(self.root)), path, text)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    (tmp_path / "repo").mkdir()
    return Past(tmp_path / "repo")


def test_successive_contents_are_numbered(past: Past) -> None:
    """What changes in a pointer file besides the content makes no version; a content that comes back does."""
    first = past.commit("one", {"d.dvc": pointer("1")})
    past.commit("described", {"d.dvc": pointer("1", more="  desc: dogs\n")})
    past.commit("code", {"train.py": "x"})
    past.commit("two", {"d.dvc": pointer("2")})
    past.commit("back", {"d.dvc": pointer("1")})

    one, two, three = past.versions()

    assert [v.number for v in (one, two, three)] == [1, 2, 3]
    assert (one.path, one.rev, one.author, one.message) == ("d", first, "Russell", "one")
    assert one.time == START
    assert (one.output.oid, one.output.size) == (oid("1"), 1)
    assert [v.output.oid for v in (two, three)] == [oid("2"), oid("1")]
    assert one.label == "v1"


def test_what_was_removed_and_came_back(past: Past) -> None:
    past.commit("one", {"d.dvc": pointer("1")})
    past.commit("gone", {"d.dvc": None})
    past.commit("again", {"d.dvc": pointer("1")})
    assert past.messages() == ["one"]
    past.commit("gone again", {"d.dvc": None})
    past.commit("other", {"d.dvc": pointer("2")})
    assert past.messages() == ["one", "other"]
    past.commit("for good", {"d.dvc": None})
    assert past.messages() == ["one", "other"]


def test_a_merge_moves_no_number(past: Past) -> None:
    """A branch that is older than what main has got since comes behind it when it is merged."""
    past.commit("one", {"d.dvc": pointer("1")})
    past.git("branch", "side")
    past.commit("two", {"d.dvc": pointer("2")}, time=START + 50 * DAY)
    before = past.versions()
    past.git("checkout", "-q", "side")
    past.commit("on the side", {"d.dvc": pointer("side")}, time=START + DAY)
    past.git("checkout", "-q", "main")
    past.git("merge", "-q", "-s", "ours", "side", "-m", "merged")

    after = past.versions()

    assert after[: len(before)] == before
    assert [v.message for v in after] == ["one", "two", "on the side"]
    assert past.find("HEAD").number == 2  # what main has is still its own
    assert past.find("side").number == 3


def test_a_content_made_by_a_merge_is_a_version(past: Past) -> None:
    past.commit("one", {"d.dvc": pointer("1")})
    past.git("checkout", "-q", "-b", "side")
    past.commit("side", {"d.dvc": pointer("side")})
    past.git("checkout", "-q", "main")
    past.commit("main", {"d.dvc": pointer("main")})
    past.git("merge", "-q", "-s", "ours", "--no-commit", "side")
    past.commit("union", {"d.dvc": pointer("union")})

    assert past.messages() == ["one", "main", "side", "union"]


def test_a_rename_is_followed(past: Past) -> None:
    """`lab move` keeps the content and the versions, with the tags that the old name had."""
    past.commit("one", {"d.dvc": pointer("1")})
    past.git("tag", "d@gold")
    past.commit("two", {"d.dvc": pointer("2")})
    past.commit("moved", {"d.dvc": None, "e/f.dvc": pointer("2", "f")})
    past.commit("three", {"e/f.dvc": pointer("3", "f")})
    past.commit("moved again", {"e/f.dvc": None, "g.dvc": pointer("3", "g")})

    assert past.messages("g") == ["one", "two", "three"]
    assert past.find("gold", "g").number == 1
    assert past.find("v1", "g").tags == ("gold",)
    assert past.find("HEAD~3", "g").message == "two"
    assert past.messages("d") == ["one", "two"]


def test_something_else_that_went_is_no_rename(past: Past) -> None:
    past.commit("one", {"d.dvc": pointer("1"), "x.dvc": pointer("x", "x")})
    past.commit("new", {"d.dvc": None, "x.dvc": None, "e.dvc": pointer("other", "e")})
    assert past.messages("e") == ["new"]


def test_outputs_of_pipelines(past: Past) -> None:
    def lock(word: str) -> str:
        return (
            "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n"
            f"    - path: model\n      hash: md5\n      md5: {oid(word)}\n      size: 1\n"
        )

    yaml = "stages:\n  train:\n    wdir: ${dir}\n    cmd: x\n    outs: [model]\n"
    params = {"p/params.yaml": "dir: work\n"}
    past.commit("one", {"p/dvc.yaml": yaml, "p/dvc.lock": lock("1"), "p/work/.keep": "", **params})
    past.commit("two", {"p/dvc.lock": lock("2")})
    past.commit("broken", {"p/dvc.lock": "<<<<<<< HEAD\n"})
    past.commit("three", {"p/dvc.lock": lock("3")})

    assert past.messages("p/work/model") == ["one", "two", "three"]
    assert past.find("v2", "p/work/model").output.oid == oid("2")
    assert past.find("HEAD", "p/work/model").number == 3


def test_several_outputs_of_one_file_and_wdir(past: Past) -> None:
    text = "wdir: sub\nouts:\n- md5: {}\n  hash: md5\n  path: a\n- md5: {}\n  hash: md5\n  path: b\n"
    past.commit("one", {"all.dvc": text.format(oid("1"), oid("2"))})
    past.commit("two", {"all.dvc": text.format(oid("1"), oid("3"))})
    assert past.messages("sub/a") == ["one"]
    assert past.messages("sub/b") == ["one", "two"]


def test_unreadable_pointers_of_the_past_are_left_out(past: Past) -> None:
    """Conflict markers, no YAML, no UTF-8, an output outside: said, and never fatal."""
    past.commit("one", {"d.dvc": pointer("1")})
    past.commit("half-merged", {"d.dvc": "<<<<<<< ours\n" + pointer("2") + ">>>>>>> theirs\n"})
    past.commit("nonsense", {"d.dvc": "outs: {{{\n"})
    past.commit("outside", {"d.dvc": pointer("2", "../../etc")})
    (past.root / "d.dvc").write_bytes(b"\xff\xfe")
    past.commit("bytes", {})
    (past.root / "d.dvc").unlink()
    os.symlink("elsewhere", past.root / "d.dvc")
    past.commit("link", {})
    past.commit("two", {"d.dvc": None, "x": ""})
    past.commit("two", {"d.dvc": pointer("2")})

    history = Project.find(str(past.root)).history
    assert [v.message for v in history.versions("d")] == ["one", "two"]
    assert len(history.warnings) == 4
    assert all("'d.dvc' of commit" in warning for warning in history.warnings)


def test_a_project_in_a_sub_folder(past: Past) -> None:
    """A name of the project above is not mistaken for ours, whatever characters the folder has."""
    past.commit("ours", {"su[b]/.dvc/config": "", "su[b]/d.dvc": pointer("1"), "d.dvc": pointer("above")})
    past.commit("theirs", {"d.dvc": pointer("above 2"), "sub/d.dvc": pointer("next door")})
    past.commit("ours too", {"su[b]/d.dvc": pointer("2")})
    project = Project.find(str(past.root / "su[b]"))

    assert [v.message for v in read_versions(project, "d")] == ["ours", "ours too"]
    assert find_version(project, "d", "HEAD~1").number == 1
    assert past.messages() == ["ours", "theirs"]


def test_versions_of_dvc_2_and_3(past: Past) -> None:
    """The kind of hash belongs to the content."""
    past.commit("two.x", {"d.dvc": pointer("1").replace("  hash: md5\n", "")})
    past.commit("migrated", {"d.dvc": pointer("1")})
    assert [v.output.hash_name for v in past.versions()] == [HashName.MD5_DOS2UNIX, HashName.MD5]


@pytest.mark.parametrize("name", ["a b", "été", "名前", "line\nbreak", "quo'te", "x@y", "-dash", 'tab\t"q"'])
def test_any_name(past: Past, name: str) -> None:
    from labops.formats.dvcfile import render_dvcfile
    from labops.model import DvcFile, Oid, Output

    for word in ("1", "2"):
        past.commit(word, {f"{name}.dvc": render_dvcfile(DvcFile((Output(name, Oid(oid(word))),)))})
    assert past.messages(name) == ["1", "2"]
    assert past.find("v1", name).message == "1"
    if "\n" not in name:
        assert past.find("HEAD~1", name).message == "1"


# -- finding ------------------------------------------------------------------------------------------


@pytest.fixture
def three(past: Past) -> Past:
    for word in ("1", "2", "3"):
        past.commit(f"version {word}", {"d.dvc": pointer(word)})
    return past


@pytest.mark.parametrize("text", ["v2", "2", "V2", "HEAD~1", "2026-04-02"])
def test_ways_to_name_one(three: Past, text: str) -> None:
    assert three.find(text).message == "version 2"


def test_commits(three: Past) -> None:
    sha = three.git("rev-parse", "HEAD~1")
    assert three.find(sha).number == 2
    assert three.find(sha[:8]).number == 2


def test_days(three: Past) -> None:
    """The last version of that day or before."""
    three.commit("version 4", {"d.dvc": pointer("4")}, time=START + 3 * DAY - 3600)
    assert three.find("2026-04-04").number == 4
    assert three.find("2026-05-01").number == 4
    assert three.find("2026-04-01").number == 1
    with pytest.raises(NotFound, match="has no version '2026-03-31': it has v1 to v4"):
        three.find("2026-03-31")
    with pytest.raises(InvalidInput, match="not a day"):
        three.find("2026-02-30")


def test_tags_of_every_kind(three: Past) -> None:
    """Light, annotated, a tag of a tag; a tag later than the version it holds; a tag of a blob is none."""
    three.git("tag", "light", "HEAD~2")
    three.git("tag", "-a", "noted", "-m", "x", "HEAD~1")
    three.git("tag", "-a", "nested", "-m", "x", "noted")
    three.commit("code", {"x": "1"})
    three.git("tag", "release")
    three.git("tag", "blob", "HEAD:x")

    assert [three.find(name).number for name in ("light", "noted", "nested", "release")] == [1, 2, 2, 3]
    assert [v.tags for v in three.versions()] == [("light",), ("nested", "noted"), ()]
    with pytest.raises(NotFound):
        three.find("blob")


def test_which_meaning_comes_first(three: Past) -> None:
    """The dataset's own tag, then the number, then another tag, then a branch or commit."""
    three.git("tag", "v1", "HEAD")
    assert three.find("v1").number == 1
    three.git("tag", "d@v1", "HEAD~1")
    assert three.find("v1").number == 2
    three.git("tag", "word", "HEAD")
    three.git("tag", "d@word", "HEAD~2")
    three.git("tag", "other@word2", "HEAD~2")
    assert three.find("word").number == 1
    with pytest.raises(NotFound):
        three.find("word2")
    assert [v.tags for v in three.versions()] == [("word",), ("v1",), ("v1", "word")]


def test_what_another_branch_has(three: Past) -> None:
    """It can be had, but not counted."""
    three.git("checkout", "-q", "-b", "side")
    three.commit("on the side", {"d.dvc": pointer("side")})
    three.git("checkout", "-q", "main")
    found = three.find("side")
    assert (found.number, found.message, found.output.oid) == (0, "on the side", oid("side"))
    assert found.label == found.rev[:7]
    with pytest.raises(NotFound, match="v1 to v3"):
        three.find("v4")


@pytest.mark.parametrize("text", ["v0", "v4", "99", "nope", "--all", "", "a..b", "v1^{tree}"])
def test_what_does_not_exist(three: Past, text: str) -> None:
    with pytest.raises(NotFound) as caught:
        three.find(text)
    assert caught.value.code == "no-such-version"
    assert "lab log" in caught.value.hint


def test_a_commit_without_the_dataset(three: Past) -> None:
    three.commit("gone", {"d.dvc": None})
    with pytest.raises(NotFound, match="not tracked at commit"):
        three.find("HEAD")
    assert three.find("v3").message == "version 3"


def test_a_name_that_never_was(three: Past) -> None:
    with pytest.raises(NotFound) as caught:
        three.find("v1", "cats")
    assert caught.value.code == "never-tracked"


def test_detached_head(three: Past) -> None:
    three.git("checkout", "-q", "--detach", "HEAD~1")
    assert three.messages() == ["version 1", "version 2"]
    assert three.find("main").number == 0


def test_no_commits_yet(past: Past) -> None:
    (past.root / "d.dvc").write_text(pointer("1"))
    assert past.versions() == ()
    with pytest.raises(NotFound) as caught:
        past.find("v1")
    assert caught.value.code == "never-tracked"


def test_no_git(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = True\n")
    with pytest.raises(InvalidInput) as caught:
        read_versions(Project.find(str(tmp_path)), "d")
    assert caught.value.code == "no-git"


def test_a_shallow_clone_does_not_count(three: Past, tmp_path: Path) -> None:
    """v1 would be another one there: it says so, and finds what can be known."""
    three.git("tag", "d@gold", "HEAD~1")
    three.commit("young", {"young.dvc": pointer("y", "young")})
    three.commit("young 2", {"young.dvc": pointer("y2", "young")})
    subprocess.run(["git", "clone", "-q", "--depth=4", f"file://{three.root}", tmp_path / "cut"], check=True)
    project = Project.find(str(tmp_path / "cut"))

    assert [(v.number, v.message) for v in read_versions(project, "d")] == [(0, "version 2"), (0, "version 3")]
    with pytest.raises(NotFound) as caught:
        find_version(project, "d", "v1")
    assert caught.value.code == "history-cut"
    assert "git fetch --unshallow" in caught.value.hint
    assert find_version(project, "d", "gold").message == "version 2"
    assert [v.number for v in read_versions(project, "young")] == [1, 2]
    with pytest.raises(NotFound) as caught:
        find_version(project, "gone-long-ago", "v1")
    assert caught.value.code == "history-cut"


def test_a_project_sees_new_commits(past: Past) -> None:
    past.commit("one", {"d.dvc": pointer("1")})
    project = Project.find(str(past.root))
    assert len(read_versions(project, "d")) == 1
    past.commit("two", {"d.dvc": pointer("2")})
    assert len(read_versions(project, "d")) == 2


# -- how much git is asked ----------------------------------------------------------------------------


def _processes(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    started = []
    popen = running.popen
    monkeypatch.setattr(running, "popen", lambda *words: (started.append(words), popen(*words))[1])
    work()
    monkeypatch.undo()
    return len(started)


def _long(root: Path, commits: int, datasets: int) -> Git:
    """A history in which every commit changes one dataset, and a rename ends it."""
    stream = []
    for number in range(commits):
        stream.append(f"commit refs/heads/main\ncommitter A <a@b> {START + number} +0000\ndata 1\nx\n")
        for at in range(datasets) if number == 0 else [number % datasets]:
            text = pointer(f"{at} {number}", f"set{at}")
            stream.append(f"M 100644 inline data/set{at}.dvc\ndata {len(text)}\n{text}\n")
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    subprocess.run(["git", "-C", root, "fast-import", "--quiet"], input="".join(stream).encode(), check=True)
    return Git(str(root))


def test_the_number_of_git_processes_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the commits, ten times the datasets: the same few processes."""
    counts = []
    for number, (commits, datasets) in enumerate([(20, 3), (200, 3), (200, 30)]):
        git = _long(tmp_path / str(number), commits, datasets)

        def work(git: Git = git, datasets: int = datasets) -> None:
            history = History(git)
            paths = [f"data/set{at}" for at in range(datasets)]
            history.prefetch(paths)
            assert all(history.versions(path) for path in paths)
            history.find(paths[0], "v1")

        counts.append(_processes(monkeypatch, work))
    assert counts[0] == counts[1] == counts[2] <= 8


def test_blobs_that_cannot_be_pointer_files_are_not_read(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.commit("one", {"d.dvc": pointer("1")})
    past.commit("huge", {"d.dvc": "x" * 5000})
    past.commit("two", {"d.dvc": pointer("2")})
    monkeypatch.setattr(git_history, "_BLOB_LIMIT", 1000)
    assert past.messages() == ["one", "two"]


def test_config_of_a_person_changes_nothing(past: Past) -> None:
    for key, value in {
        "log.showSignature": "true", "log.decorate": "full", "log.follow": "true", "diff.renames": "copies",
        "log.showRoot": "false", "log.date": "iso", "format.pretty": "oneline", "core.quotePath": "true",
        "diff.noprefix": "true", "color.ui": "always", "log.excludeDecoration": "*", "diff.relative": "true",
    }.items():  # fmt: skip
        past.git("config", key, value)
    past.commit("one", {"d.dvc": pointer("1")})
    past.commit("two\n\nbody\n\x01 odd", {"d.dvc": pointer("2")})
    assert past.messages() == ["one", "two"]


def test_errors_are_ours(three: Past) -> None:
    for path in (three.root / ".git/objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")
    with pytest.raises(LabError):
        three.versions()
