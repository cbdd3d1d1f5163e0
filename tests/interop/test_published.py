"""A repository that was published, merged and synced with lab: real dvc agrees, and shares git with us."""

from __future__ import annotations

import json

import pytest

from labops.testing.oracle import Sandbox, contents, dir_object, find_dvc, find_lab, lab_is_dvc

pytestmark = [
    pytest.mark.skipif(find_dvc() is None, reason="no dvc: LABOPS_DVC may name one"),
    pytest.mark.skipif(lab_is_dvc(), reason="dvc has no such command"),
]
ONE = {"1.png": b"one", "sub/2.png": b"two"}


@pytest.fixture
def box(tmp_path) -> Sandbox:
    """Two clones, `repo` and `bob`, of one bare repository, with one data remote; `d` is published."""
    box = Sandbox(tmp_path / "box", find_lab())
    box.init(remote=True)
    box.git("init", "-q", "--bare", "-b", "main", "../hub.git")
    box.git("remote", "add", "origin", "../hub.git")
    box.commit()
    box.git("push", "-q", "-u", "origin", "main")
    box.files("d", ONE)
    box.run("publish", "d", "-m", "one", "--version", "v1")
    box.git("clone", "-q", "../hub.git", "../bob")
    box.run("install", cwd="../bob")
    return box


def agree(box: Sandbox, cwd: str) -> None:
    """Both tools find nothing to do: neither in the workspace nor between cache and remote."""
    for words in (("status", "--json"), ("status", "-c", "--json"), ("data", "status", "--json")):
        assert json.loads(box.dvc(*words, cwd=cwd).out or "{}") == {}, words
        assert box.run(*words, cwd=cwd).json() == {}, words


def test_two_people_and_a_merge(box: Sandbox):
    box.dvc("pull", "-q", cwd="../bob")
    box.write("../bob/d/bob.png", b"bob")
    box.run("publish", "d", "-m", "bob's", cwd="../bob")
    box.write("d/ada.png", b"ada")
    box.run("publish", "d", "-m", "ada's")
    box.run("sync", cwd="../bob")
    both = {**ONE, "bob.png": b"bob", "ada.png": b"ada"}
    for cwd in (".", "../bob"):
        assert contents(box.repo / cwd / "d") == both
        agree(box, cwd)
    box.git("clone", "-q", "../hub.git", "../carl")
    box.dvc("pull", "-q", cwd="../carl")
    assert contents(box.world / "carl/d") == both
    box.git("checkout", "-q", "d@v1", cwd="../carl")
    box.dvc("checkout", "-q", cwd="../carl")
    assert contents(box.world / "carl/d") == ONE


def test_dvc_adds_and_lab_publishes(box: Sandbox):
    """Added and pushed with dvc, committed by hand: publish does the rest, and the other way round."""
    box.write("d/new.png", b"new")
    box.dvc("add", "-q", "d")
    box.run("publish", "d", "-m", "two")
    agree(box, ".")
    box.run("sync", cwd="../bob")
    box.run("pull", cwd="../bob")
    box.write("../bob/d/newer.png", b"newer")
    box.dvc("add", "-q", "d", cwd="../bob")
    box.dvc("push", "-q", cwd="../bob")
    box.git("commit", "-q", "-a", "-m", "three", cwd="../bob")
    box.git("push", "-q", cwd="../bob")
    box.run("sync")
    assert dir_object(contents(box.repo / "d"))[0] == dir_object({**ONE, "new.png": b"new", "newer.png": b"newer"})[0]
    agree(box, ".")


def test_both_kinds_of_hooks(box: Sandbox):
    """dvc's were there first: they are kept and run. Where ours are, dvc refuses, as for any hook, and ours stay."""
    box.dvc("install", "-q")
    theirs = box.text(".git/hooks/pre-push")
    box.run("install")
    assert box.text(".git/hooks/pre-push.before-lab") == theirs
    assert box.git("config", "merge.dvc.driver").startswith("dvc git-hook merge-driver")
    assert box.git("config", "merge.lab.driver")
    ours = box.text(".git/hooks/pre-push")
    box.dvc("install", "-q", ok=False)
    assert box.text(".git/hooks/pre-push") == ours
