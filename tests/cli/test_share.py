"""`publish`, `sync`, `install`, `git-hook`, `merge-driver` as people and scripts see them: text, JSON, exit codes."""

from __future__ import annotations

import io
import sys

import pytest

from labops.testing.worlds import pointer
from labops.verbs.pull import pull
from tests.hub import Clone, Hub

ONE = {"1.png": b"one", "2.png": b"two"}


@pytest.fixture
def hub(tmp_path) -> Hub:
    return Hub(tmp_path / "lab")


@pytest.fixture
def ada(hub, monkeypatch) -> Clone:
    ada = hub.clone("ada")
    ada.write("d", ONE)
    monkeypatch.chdir(ada.folder)
    return ada


def test_publish(lab, ada):
    ran = lab("publish", "d", "-m", "first")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "3 files pushed",
        f"committed d.dvc, .gitignore ({ada.head()[:7]})",
        "d is version 1",
        "published to origin/main",
    ]
    assert ran.err == ""
    assert lab("publish", "d@v1", "-m", "x").code == 2, "an old version is there already"
    assert lab("publish", "d", "-m", "again").out.splitlines() == ["d is version 1", "published to origin/main"]


def test_publish_from_below(lab, ada, monkeypatch):
    monkeypatch.chdir(ada.folder / "d")
    assert lab("publish", ".", "-m", "first").code == 0
    assert ada.git("status", "--porcelain") == ""


def test_publish_with_a_tag(lab, ada):
    assert "d is version 1 (tag d@v1)" in lab("publish", "d", "-m", "first", "--version", "v1").out
    ran = lab("publish", "d", "-m", "first", "--version", "v7")
    assert ran.code == 11
    assert "version 2 of 'd', not 7" in ran.err
    assert "hint: --version v2" in ran.err


def test_publish_as_json(lab, ada):
    document = lab("publish", "d", "-m", "first", "--version", "1", "--json").document
    assert document["git"] == {
        "files": ["d.dvc", ".gitignore"],
        "commit": ada.head(),
        "pushed_to": "origin/main",
        "tags": ["d@v1"],
        "merged": False,
    }
    assert document["versions"] == {"d": 1}
    assert (document["verb"], document["dry_run"], document["failed"]) == ("publish", False, [])


def test_publish_dry(lab, ada, hub):
    ran = lab("publish", "d", "-m", "first", "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines()[-2:] == ["then:    commit d.dvc", "then:    push to origin/main"]
    assert len(hub.commits()) == 1
    document = lab("publish", "d", "-m", "first", "--dry-run", "--json").document
    assert (document["dry_run"], document["git"]["files"], document["git"]["commit"]) == (True, ["d.dvc"], None)


def test_publish_without_data(lab, ada, hub):
    ada.write("lost.dvc", pointer({"x": b"x"}, "lost").encode())
    ran = lab("publish", "lost", "-m", "x")
    assert ran.code == 3
    assert "nothing was committed" in ran.err
    assert "lost" in ran.err
    assert len(hub.commits()) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("publish",), 2),
        (("publish", "d"), 2),
        (("publish", "-m", "x"), 2),
        (("publish", "d", "-m", ""), 2),
        (("publish", "d", "-m", "x", "--version", "x"), 2),
        (("publish", "nope", "-m", "x"), 10),
        (("publish", "d", "-m", "x", "-r", "nope"), 10),
        (("publish", "d@v1", "-m", "x"), 10),
        (("sync", "d"), 2),
        (("git-hook",), 2),
        (("git-hook", "nope"), 2),
        (("merge-driver", "--our", "x"), 2),
    ],
)
def test_wrong_words(lab, ada, hub, words, code):
    ran = lab(*words)
    assert ran.code == code, ran
    assert ran.err.startswith("ERROR: ")
    assert len(hub.commits()) == 1


def test_outside_a_project(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    for words in (("publish", "d", "-m", "x"), ("sync",), ("install",)):
        ran = lab(*words, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (10, "not-in-a-project")
    for words in (("git-hook", "pre-push", "origin"), ("git-hook", "pre-commit"), ("git-hook", "post-checkout", "1")):
        assert lab(*words).code == 0, "a hook of a repository without a project has nothing to say"


def test_sync(lab, ada, hub):
    lab("publish", "d", "-m", "first")
    bob = hub.clone("bob")
    pull(bob.project())
    bob.write("d", {"1.png": b"ONE!", "3.png": b"three"})
    (bob.folder / "d/2.png").unlink()
    bob.publish("d")
    ran = lab("sync", "--dry-run")
    assert ran.code == 0
    assert "origin/main has new commits" in ran.out
    ran = lab("sync")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == ["git: brought forward to origin/main", "d  +1 -1 ~1 files, 9 B"]
    assert lab("sync").out.splitlines() == [
        "git: up to date with origin/main",
        "Every dataset of this machine is up to date.",
    ]


def test_sync_as_json(lab, ada, hub):
    lab("publish", "d", "-m", "first")
    bob = hub.clone("bob")
    bob.write("d", {"3.png": b"three"})
    bob.publish("d/3.png")
    document = lab("sync", "--json").document
    assert document["git"] == {"how": "fast-forward", "from": "origin/main"}
    assert document["datasets"] == [{"path": "d", "added": 1, "deleted": 0, "modified": 0, "size_bytes": 5}]


def test_sync_with_the_same_file_on_both_sides(lab, ada, hub):
    lab("publish", "d", "-m", "first")
    bob = hub.clone("bob")
    bob.write("d", {"1.png": b"bob"})
    bob.publish("d/1.png")
    ada.write("d", {"1.png": b"ada"})
    ran = lab("sync")
    assert ran.code == 3
    assert "d/1.png: changed on both sides" in ran.err
    assert "lab publish 'd'" in ran.err


def test_install(lab, ada):
    ran = lab("install")
    assert ran.code == 0
    assert "installed: hook pre-push" in ran.out
    assert lab("install").out == "Everything is installed already.\n"
    ran = lab("install", "--use-pre-commit-tool")
    assert "pre-commit install" in ran.out


def test_hook_by_the_pre_commit_tool(lab, ada, hub, monkeypatch):
    """That tool tells the commits in variables, and gives no input."""
    lab("add", "d")
    ada.git("add", "-A")
    ada.git("commit", "-q", "-m", "data")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert lab("git-hook", "pre-push").code == 0
    monkeypatch.setenv("PRE_COMMIT_TO_REF", ada.head())
    monkeypatch.setenv("PRE_COMMIT_REMOTE_NAME", "origin")
    ran = lab("git-hook", "pre-push")
    assert ran.code == 11
    assert "d/1.png" in ran.err


def test_hook_on_a_branch_with_an_unsaved_change(lab, ada):
    lab("add", "d")
    (ada.folder / "d/1.png").unlink()
    assert lab("git-hook", "post-checkout", "a", "b", "0").out == ""
    assert not (ada.folder / "d/1.png").exists()
    ran = lab("git-hook", "post-checkout", "a", "b", "1")
    assert ran.code == 0
    assert (ada.folder / "d/1.png").read_bytes() == b"one"


@pytest.mark.parametrize("words", [("merge-driver",), ("git-hook", "merge-driver")])
def test_merge_driver_by_hand(lab, ada, words):
    """As dvc calls its own: without the name of the file."""
    for name, text in (("base", ""), ("ours", pointer(ONE)), ("theirs", pointer(ONE) + "  desc: x\n")):
        ada.write(name, text.encode())
    assert lab(*words, "--ancestor", "base", "--our", "ours", "--their", "theirs").code in (0, 11)
    ada.write("base", pointer(ONE).encode())
    ada.write("ours", pointer(ONE).encode())
    assert lab(*words, "--ancestor", "base", "--our", "ours", "--their", "theirs").code == 0
    assert (ada.folder / "ours").read_text().endswith("desc: x\n")
    ada.write("theirs", b"<<<<<<<\n")
    ran = lab(*words, "--ancestor", "base", "--our", "ours", "--their", "theirs")
    assert 0 < ran.code < 128, "more than 128 would stop git's merge altogether"
