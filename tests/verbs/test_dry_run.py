"""Every mutating verb with `dry_run` says what it would do and writes nothing, nowhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.model import Report, Selection
from labops.project import Project
from labops.testing.faults import FaultyFiles
from labops.testing.worlds import World
from labops.verbs.add import AddOptions, add
from labops.verbs.checkout import checkout
from labops.verbs.commit import commit
from labops.verbs.fetch import fetch
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.take import take
from labops.verbs.unprotect import unprotect

OLD = {"a": b"1", "s/b": b"22", "s/c": b"333"}
NEW = {"a": b"1", "s/b": b"changed", "t/new": b"4444"}


def nothing(world: World) -> None: ...


def changed(world: World) -> None:
    """Changed since it was added."""
    world.write("d", NEW)


def gone(world: World) -> None:
    shutil.rmtree(world.repo / "d")


def without_cache(world: World) -> None:
    """Pushed, and then neither in the cache nor here."""
    push(Project.find())
    shutil.rmtree(world.cache)
    shutil.rmtree(world.repo / "d")


def without_listing(world: World) -> None:
    """Pushed, and then only the listing is gone from the cache."""
    push(Project.find())
    for path in world.cache.rglob("*.dir"):
        path.unlink()
    world.write("d", NEW)


def with_damaged_listing(world: World) -> None:
    """The folder is gone, and so is the sense of its listing in the cache."""
    gone(world)
    for path in world.cache.rglob("*.dir"):
        path.chmod(0o644)
        path.write_bytes(b"[]")


def with_unmarked_objects(world: World) -> None:
    """Pushed by somebody whose objects are not marked as verified."""
    push(Project.find())
    for path in (world.store / "files").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    world.write("d", NEW)
    add(Project.find(), ["d"])


def fresh(world: World) -> None:
    """Nothing is tracked yet."""
    (world.repo / "d.dvc").unlink()
    (world.repo / ".gitignore").unlink()
    shutil.rmtree(world.cache)


def dry_add(*targets: str, options: AddOptions = AddOptions()) -> Callable[[Project], Report]:  # noqa: B008 - frozen
    return lambda project: add(project, targets, options, dry_run=True)


CASES: dict[str, tuple[Callable[[World], None], Callable[[Project], Report]]] = {
    "add": (fresh, dry_add("d")),
    "add-changed": (changed, dry_add("d")),
    "add-inside": (changed, dry_add("d/t/new")),
    "add-inside-without-listing": (without_listing, dry_add("d/t/new")),
    "add-out": (changed, dry_add("../store", options=AddOptions(out="copied"))),
    "add-to-remote": (fresh, dry_add("d", options=AddOptions(to_remote=True))),
    "commit": (changed, lambda project: commit(project, force=True, dry_run=True)),
    "checkout": (gone, lambda project: checkout(project, dry_run=True)),
    "checkout-force": (changed, lambda project: checkout(project, force=True, dry_run=True)),
    "checkout-relink": (nothing, lambda project: checkout(project, relink=True, dry_run=True)),
    "checkout-damaged-listing": (with_damaged_listing, lambda project: checkout(project, dry_run=True)),
    "push-unmarked": (with_unmarked_objects, lambda project: push(project, dry_run=True)),
    "push": (nothing, lambda project: push(project, dry_run=True)),
    "fetch": (without_cache, lambda project: fetch(project, dry_run=True)),
    "fetch-part": (without_cache, lambda project: fetch(project, Selection(("d/a",)), dry_run=True)),
    "pull": (without_cache, lambda project: pull(project, dry_run=True)),
    "take": (without_cache, lambda project: take(project, "d", "../beside", dry_run=True)),
    "take-over": (changed, lambda project: take(project, "d/a", "new", force=True, dry_run=True)),
    "unprotect": (nothing, lambda project: unprotect(project, ["d"], dry_run=True)),
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """One tracked folder, hard-linked into the cache."""
    world = World(tmp_path / "world", links="hardlink,copy")
    (tmp_path / "world/store/outside").write_bytes(b"from outside")
    world.write("d", OLD)
    monkeypatch.chdir(world.repo)
    add(Project.find(), ["d"])
    world.git("add", ".")
    world.git("commit", "-qm", "data")
    return world


@pytest.mark.parametrize("name", CASES)
def test_a_dry_run_changes_nothing_that_anybody_keeps(world: World, name: str) -> None:
    """Not a byte of data, cache, remote, git or pointers; it says what it would do."""
    prepare, run = CASES[name]
    prepare(world)
    before = world.everything()
    report = run(Project.find())
    after = world.everything()
    different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path for path in different if not path.startswith("repo/.dvc/tmp")} == set()
    assert report.outcomes == ()
    assert report.plan.steps


@pytest.mark.parametrize("name", CASES)
def test_a_dry_run_writes_nothing_at_all(world: World, name: str) -> None:
    """Neither notes nor locks: it works in a repository that one may only read."""
    prepare, run = CASES[name]
    prepare(world)
    before = world.everything()
    with FaultyFiles(str(world.root)) as counted:
        run(Project.find())
    assert world.everything() == before
    assert counted.calls == []
