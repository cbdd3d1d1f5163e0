"""The git driver against real git, with the names and states that break naive parsers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labops.drivers.git import Git, commits_from, refs, repository, running, walk
from labops.errors import AccessDenied, Conflict, LabError, NotFound

ODD = ["a b", "ü", "tab\there", "new\nline", os.fsdecode(b"\xff\xfe"), "-dash", "*.star", ":(top)x", '"q"']


@pytest.fixture
def repo(git_repo: Path) -> Git:
    found = Git.find(str(git_repo))
    assert found is not None
    return found


def commit(run_git, path: Path, text: str = "x", message: str = "m") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    run_git("add", "-A")
    run_git("commit", "-qm", message)
    return run_git("rev-parse", "HEAD")


def test_find_goes_up_and_stops_at_nothing(repo, git_repo, tmp_path_factory):
    deep = git_repo / "a" / "b"
    deep.mkdir(parents=True)
    (git_repo / "a" / ".git").mkdir()  # not a repository: git passes over it, so do we
    found = Git.find(str(deep))
    assert found is not None
    assert found.root == str(git_repo)
    assert found.is_root(str(git_repo))
    assert not found.is_root(str(deep))
    assert Git.find(str(tmp_path_factory.mktemp("plain"))) is None


def test_a_linked_worktree_is_a_root(repo, git_repo, run_git, tmp_path_factory):
    commit(run_git, git_repo / "f")
    other = tmp_path_factory.mktemp("w") / "tree"
    run_git("worktree", "add", "-q", str(other), "-b", "other")
    found = Git.find(str(other))
    assert found is not None
    assert found.root == str(other)
    assert found.head() == repo.head()


def test_exported_git_dir_does_not_leak(repo, git_repo, run_git, monkeypatch, tmp_path_factory):
    sha = commit(run_git, git_repo / "f")
    elsewhere = tmp_path_factory.mktemp("e")
    run_git("init", "-q", cwd=elsewhere)
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere / "index"))
    assert repo.head() == sha
    assert repo.tracked(["f"]) == {"f"}


@pytest.mark.parametrize("name", ODD)
def test_odd_names_survive(repo, git_repo, name):
    (git_repo / name).write_text("x")
    repo.stage([name])
    assert repo.tracked([name, "absent"]) == {name}
    tree = running.text(repo.root, "write-tree")
    assert list(repo.files_at(tree)) == [name]
    assert repo.list_files(["*"]) == [name]


def test_stage_takes_ignored_files_and_deletions(repo, git_repo, run_git):
    (git_repo / ".gitignore").write_text("*.dvc\n")
    (git_repo / "x.dvc").write_text("x")
    repo.stage([str(git_repo / "x.dvc")])
    assert repo.tracked(["x.dvc"]) == {"x.dvc"}
    repo.stage([])


def test_a_held_index_lock_is_a_conflict(repo, git_repo, monkeypatch):
    monkeypatch.setattr(repository, "_INDEX_LOCK_TRIES", 2)
    (git_repo / "f").write_text("x")
    (git_repo / ".git" / "index.lock").touch()
    with pytest.raises(Conflict) as caught:
        repo.stage(["f"])
    assert caught.value.code == "git-index-locked"
    assert "index.lock" in caught.value.hint


def test_ignored(repo, git_repo):
    (git_repo / ".gitignore").write_text("/data\n*.tmp\n!keep.tmp\nonly/\n")
    (git_repo / "link").symlink_to("/etc")
    given = ["data", "data/in/it", "a/data", "x.tmp", "keep.tmp", "only/", "link/passwd", "../up", "/etc", ""]
    assert repo.ignored(given) == {"data", "data/in/it", "x.tmp", "only/"}
    assert repo.ignored([str(git_repo / "data")]) == {str(git_repo / "data")}
    assert repo.ignored([]) == set()


def test_ignored_looks_at_rules_not_at_the_index(repo, git_repo, run_git):
    commit(run_git, git_repo / "data" / "f")
    (git_repo / ".gitignore").write_text("/data\n")
    assert repo.ignored(["data/f"]) == {"data/f"}


def test_tracked_folders_and_many_paths(repo, git_repo, run_git, monkeypatch):
    commit(run_git, git_repo / "d" / "e" / "f")
    wanted = {"d", "d/e", "d/e/f", str(git_repo / "d"), "."}
    assert repo.tracked([*wanted, "d/e/f/g", "other", "../x"]) == wanted
    monkeypatch.setattr(repository, "_ARGV_BYTES", 0)
    assert repo.tracked([*wanted, "other"]) == wanted


def test_list_files(repo, git_repo, run_git):
    commit(run_git, git_repo / "a.dvc")
    commit(run_git, git_repo / "s[1]" / "b.dvc")
    (git_repo / "s[1]" / "dvc.yaml").touch()
    (git_repo / ".gitignore").write_text("hidden\n")
    (git_repo / "hidden").mkdir()
    (git_repo / "hidden" / "c.dvc").touch()
    assert repo.list_files(["*.dvc", "dvc.yaml"]) == ["a.dvc", "s[1]/b.dvc", "s[1]/dvc.yaml"]
    assert repo.list_files(["*.dvc"], "s[1]") == ["s[1]/b.dvc"]
    assert repo.list_files(["*.dvc"], str(git_repo / "s[1]")) == ["s[1]/b.dvc"]


def test_history_before_the_first_commit(repo):
    assert repo.head() is None
    assert repo.revisions(all_branches=True, all_tags=True, all_commits=True) == []
    with pytest.raises(NotFound, match="HEAD"):
        repo.resolve("HEAD")


def test_revisions(repo, git_repo, run_git):
    first = commit(run_git, git_repo / "f", "1")
    run_git("tag", "-a", "v1", "-m", "x")
    run_git("tag", "-a", "of-tag", "v1", "-m", "x")
    run_git("tag", "blob", run_git("hash-object", "-w", "f"))
    second = commit(run_git, git_repo / "f", "2")
    run_git("branch", "other", first)
    run_git("update-ref", "refs/remotes/origin/feature", run_git("commit-tree", "-m", "r", "HEAD^{tree}"))
    feature = run_git("rev-parse", "refs/remotes/origin/feature")
    run_git("update-ref", "refs/custom/x", run_git("commit-tree", "-m", "c", "HEAD^{tree}"))
    assert dict(repo.revisions(all_branches=True)) == {second: ("main",), first: ("other",)}
    assert dict(repo.revisions(all_tags=True)) == {first: ("of-tag", "v1")}
    everything = repo.revisions(all_commits=True)
    assert {row.sha for row in everything} == {first, second, feature}
    assert len(everything) == 3
    assert repo.resolve("of-tag") == first
    assert repo.resolve(first[:8]) == first
    assert repo.resolve("feature") == feature


@pytest.mark.parametrize("rev", ["nope", "", "-x", "--all", "a\0b", "HEAD~99", "main:f"])
def test_unknown_revision(repo, git_repo, run_git, rev):
    commit(run_git, git_repo / "f")
    with pytest.raises(NotFound) as caught:
        repo.resolve(rev)
    assert caught.value.code == "unknown-revision"


def test_blobs_by_one_process(repo, git_repo, run_git):
    for number in range(250):
        (git_repo / f"{number}.dvc").write_bytes(b"\n" * number)
    (git_repo / "link.dvc").symlink_to("1.dvc")
    sha = commit(run_git, git_repo / "readme")
    files = repo.files_at(sha, (".dvc",))
    assert len(files) == 250
    contents = dict(repo.read_blobs(files.values()))
    assert all(contents[files[f"{number}.dvc"]] == b"\n" * number for number in range(250))
    assert list(repo.read_blobs([])) == []
    stream = repo.read_blobs(files.values())
    next(stream)
    stream.close()  # gives the process back


def test_a_missing_blob_is_named(repo, git_repo):
    with pytest.raises(NotFound, match="0000000000"):
        list(repo.read_blobs(["0" * 40]))


def test_a_shallow_clone_says_so(repo, git_repo, run_git, tmp_path_factory):
    first = commit(run_git, git_repo / "f", "1")
    commit(run_git, git_repo / "f", "2")
    target = tmp_path_factory.mktemp("c") / "clone"
    run_git("clone", "-q", "--depth=1", f"file://{git_repo}", str(target))
    clone = Git(str(target))
    assert clone.is_shallow
    assert not repo.is_shallow
    assert len(clone.revisions(all_commits=True)) == 1
    with pytest.raises(NotFound) as caught:
        clone.resolve(first)
    assert "unshallow" in caught.value.hint


@pytest.mark.parametrize(
    ("stderr", "error", "code"),
    [
        ("fatal: detected dubious ownership in repository at '/r'", AccessDenied, "git-dubious-ownership"),
        ("fatal: not a git repository (or any of the parent", NotFound, "not-a-git-repository"),
        ("error: insufficient permission for adding an object", AccessDenied, "git-denied"),
        ("fatal: ambiguous argument 'x': unknown revision or path", NotFound, "unknown-revision"),
        ("error: object file .git/objects/aa/bb is empty", LabError, "git-corrupt"),
        ("error: write error: No space left on device", LabError, "no-space"),
        ("something new", LabError, "git-failed"),
        ("", LabError, "git-failed"),
    ],
)
def test_failures_in_our_words(stderr, error, code):
    translated = running.translate("/r", "log", stderr.encode())
    assert isinstance(translated, error)
    assert translated.code == code
    assert "fatal:" not in translated.message


def test_no_git_binary(repo, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(NotFound) as caught:
        repo.head()
    assert caught.value.code == "git-missing"


def test_walk_finds_each_distinct_folder_once(git_repo, run_git):
    """Compared with `ls-tree` of every commit: the same blobs, none missed, none read twice."""
    for number in range(4):
        for folder in ("", "sub/", "sub/deep/", f"only-{number}/"):
            (git_repo / folder).mkdir(parents=True, exist_ok=True)
            (git_repo / folder / "x.dvc").write_text(f"{folder}{number // 2}")
        (git_repo / "notes.txt").write_text(str(number))
        run_git("add", "-A")
        run_git("commit", "-q", "-m", str(number))
    run_git("checkout", "-q", "-b", "side", "HEAD~2")
    (git_repo / "side.dvc").write_text("side")
    run_git("add", "-A")
    run_git("commit", "-q", "-m", "side")
    commits = run_git("rev-list", "--all").split()
    repo = Git(str(git_repo))

    found = list(walk(repo, commits, lambda name: name.endswith(".dvc")))

    rows = [row for sha in commits for row in run_git("ls-tree", "-r", sha).splitlines() if row.endswith(".dvc")]
    wanted = {(row.split()[2], row.partition("\t")[2]) for row in rows}
    assert {sha for sha, _ in wanted} == {sha for folder in found for sha in folder.blobs.values()}
    assert all((sha, folder.folder + name) in wanted for folder in found for name, sha in folder.blobs.items())
    inside = list(walk(repo, commits, lambda name: name.endswith(".dvc"), "sub/"))
    assert {folder.folder for folder in inside} == {"sub/", "sub/deep/"}
    assert set(commits_from(repo, commits)) == set(commits)
    assert len(commits_from(repo, ["main"], most=2)) == 2
    assert refs(repo).keys() == {"HEAD", "refs/heads/main", "refs/heads/side"}


def test_a_project_inside_is_told_apart(git_repo, run_git):
    for path in ("a.dvc", "inner/.dvc/config", "inner/b.dvc", "inner/sub/c.dvc", ".dvc/private.dvc"):
        (git_repo / path).parent.mkdir(parents=True, exist_ok=True)
        (git_repo / path).write_text(path)
    run_git("add", "-A")
    run_git("commit", "-q", "-m", "one")
    found = walk(Git(str(git_repo)), ["HEAD"], lambda name: name.endswith(".dvc"))
    assert {(folder.folder, folder.is_nested) for folder in found} == {
        ("", False),
        ("inner/", True),
        ("inner/sub/", True),
    }
