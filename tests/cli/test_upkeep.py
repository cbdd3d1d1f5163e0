"""The faces of upkeep: text, JSON, exit codes, questions."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from labops.project import Project
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.push import push

FILES = {"a": b"1", "s/b": b"22"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """One dataset in its second version; the first is used by nothing."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    for files in (FILES, {"a": b"changed"}):
        world.write("d", files)
        add(Project.find(), ["d"])
        push(Project.find())
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "work")
    return world


class Terminal(io.StringIO):
    """Somebody who types an answer."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("world")
def test_gc_needs_a_scope_and_fitting_options(lab):
    for words, code in (
        (["gc"], "bad-gc-options"),
        (["gc", "-w", "-n", "2"], "bad-gc-options"),
        (["gc", "-w", "-c", "--not-in-remote"], "bad-gc-options"),
        (["gc", "-w", "--grace", "soon"], "bad-duration"),
        (["gc", "--date", "soon"], "bad-date"),
        (["gc", "--restore", "soon"], "bad-date"),
    ):
        ran = lab(*words, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (2, code)
    ran = lab("gc", "-w", "--all-experiments")
    assert ran.code == 16
    assert "hint: dvc gc --all-experiments" in ran.err


@pytest.mark.usefixtures("world")
def test_gc_without_anybody_to_ask_refuses_and_says_what_would_go(lab):
    ran = lab("gc", "-w", "--grace", "0")
    assert ran.code == 11
    assert "cache: 3 objects" in ran.out
    assert "hint: see what would go with: --dry" in ran.err


@pytest.mark.usefixtures("world")
def test_gc_says_why_nothing_goes(lab):
    ran = lab("gc", "-w", "--grace", "14d")
    assert "3 objects" in ran.out
    assert "younger than the grace period" in ran.out
    assert ran.out.endswith("Nothing to remove.\n")


def test_what_was_collected_is_not_lost(lab, world):
    """The pointer of an older commit is there, its data is in the trash: the hint says how it comes back."""
    for path in (path for path in [*world.cache.rglob("*"), *world.store.rglob("*")] if path.is_file()):
        path.unlink()
    for path in (world.repo / "d").iterdir():
        path.unlink()
    ran = lab("pull", "d")
    assert ran.code == 3
    assert "lab gc -c --restore" in ran.err


def test_gc_asks_a_person(lab, world, monkeypatch):
    monkeypatch.setenv("LAB_GC_GRACE", "0")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert lab("gc", "-w").code == 11
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    ran = lab("gc", "-w")
    assert ran.code == 0
    assert "Moved 3 objects to the trash." in ran.out
    assert "lab gc --restore" in ran.out
    assert "Move 3 objects" in ran.err
    assert lab("gc", "-w").out.endswith("Nothing to remove.\n")
    assert lab("gc", "--restore").out == "Restored 3 objects.\n"
    assert lab("gc", "--restore").out == "Nothing to restore.\n"


@pytest.mark.usefixtures("world")
def test_gc_in_json(lab):
    ran = lab("gc", "-w", "-c", "--dry", "--grace", "0", "--json")
    assert ran.code == 0
    assert ran.document["dry_run"] is True
    places = {(place["place"], place["layout"]): place for place in ran.document["places"]}
    assert places["cache", "3.x"]["removed"] == places["store", "3.x"]["removed"] == 3
    assert places["store", "2.x"]["removed"] == 0
    assert len(ran.document["steps"]) == 6
    done = lab("gc", "-w", "-c", "-f", "--grace", "0", "--json").document
    assert done["summary"]["done"] == 6
    assert lab("gc", "--empty-trash", "-c", "--json").document["steps"] == []
    assert (
        lab("gc", "--empty-trash", "-c", "--older-than", "0", "--json").document["error"]["code"] == "gc-not-confirmed"
    )
    ran = lab("gc", "--empty-trash", "-c", "--older-than", "0", "-f")
    assert ran.out.startswith("Deleted 6 objects")


@pytest.mark.usefixtures("world")
def test_the_list_of_repositories(lab):
    ran = lab("gc", "--register", "--json")
    (entry,) = ran.document["repositories"]
    assert entry["path"].endswith("world/repo")
    assert lab("gc", "--register").out.startswith("  ")
    assert "Took" in lab("gc", "--forget", entry["name"]).out
    assert lab("gc", "--forget", entry["name"]).code == 10


def test_du(lab, world):
    assert lab("du").out == "3   .gitignore\n7   d\n10\n"
    assert lab("du", "d").out == "7  d/a\n7  d\n"
    assert lab("du", ".", "d").out == lab("du", "d").out
    assert lab("du", "-s", "d").out == "7  d\n"
    assert lab("du", "--json", "d").document == {
        "path": "d", "size_bytes": 7, "entries": [{"path": "d/a", "size_bytes": 7}]
    }  # fmt: skip
    (world.repo / "big").write_bytes(b"x" * 1536)
    assert "1.50k  big\n" in lab("du").out
    assert lab("du", "nothing").code == 10
    assert lab("du", f"file://{world.repo}", "d").out == "?  d/a\n?  d\n", "its cache is not ours to ask"
    assert lab("du", "d@v1").out == lab("du", "d").out


def test_remove_and_move(lab, world):
    ran = lab("move", "d", "e")
    assert ran.code == 0
    assert "git add .gitignore e.dvc d.dvc" in " ".join(ran.out.split())
    assert lab("mv", "e", "d", "--dry-run").out.startswith("create")
    ran = lab("rm", "e")
    assert ran.code == 2
    assert "hint: did you mean: lab remove e.dvc" in ran.err
    assert lab("remove", "e.dvc", "--json").document["summary"]["done"] == 1
    assert (world.repo / "e/a").exists()


def test_destroy(lab, world):
    assert lab("destroy").code == 11
    assert lab("destroy", "--dry-run").code == 0
    assert lab("destroy", "-f").code == 0
    assert not (world.repo / ".dvc").exists()
    assert lab("status").code == 10


@pytest.mark.usefixtures("world")
def test_cache_migrate(lab):
    assert lab("cache", "migrate", "--dvc-files").out.splitlines() == [
        "Migrated 0 files to DVC 3.0 cache location.",
        "No DVC files in the repo to migrate to the 3.0 format.",
    ]


def test_doctor(lab, world, tmp_path, monkeypatch):
    ran = lab("doctor")
    assert ran.code == 0
    assert "ok    remote store: rights: read, list, write, delete\n" in ran.out
    assert "warn  hooks:" in ran.out
    document = lab("doctor", "--json").document
    assert document["is_well"] is True
    assert {check["state"] for check in document["checks"]} == {"ok", "warn"}
    (world.repo / "d.dvc").write_text("outs: [")
    ran = lab("doctor")
    assert ran.code == 4
    assert "FAIL  DVC files: " in ran.out
    assert "ok" not in [line.split()[0] for line in lab("-q", "doctor").out.splitlines()]
    monkeypatch.chdir(tmp_path)
    assert lab("doctor").code == 0
    assert lab("version").out.startswith("labops version: ")
