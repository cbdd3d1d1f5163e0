"""Collecting, restoring, moving and removing are killed at every step: nothing is lost, no tree lacks its files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.project import Project
from labops.testing.faults import FaultyFiles, Killed
from labops.testing.oracle import objects
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.gc import GcOptions, gc
from labops.verbs.move import move
from labops.verbs.push import push
from labops.verbs.remove import remove
from labops.verbs.trash import restore

OLD = {"a": b"1", "s/b": b"22"}
NEW = {"a": b"1", "c": b"333"}
ALL = GcOptions(cloud=True, grace=0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two versions in cache and remote; the first is used by nothing."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    for files in (OLD, NEW):
        world.write("d", files)
        add(Project.find(), ["d"])
        push(Project.find())
    return world


def collect() -> None:
    gc(Project.find(), ALL, confirm=lambda _: True)


def bring_back() -> None:
    restore(Project.find(), cloud=True)


def every_step(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> list[World]:
    """One copy of `world` for each changing call of `work`, in which that call and all later ones failed."""
    ends = []
    for fail_at in range(1, 500):
        copy = world.copy(tmp_path / f"copy-{fail_at}")
        monkeypatch.chdir(copy.repo)
        with FaultyFiles(str(copy.root), fail_at=fail_at) as files, contextlib.suppress(Killed):
            work()
        if len(files.calls) < fail_at:
            return ends
        ends.append(copy)
    raise AssertionError("it never ends")


def test_gc_killed_anywhere_can_be_taken_back(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects(world.cache)
    for end in every_step(world, tmp_path, monkeypatch, collect):
        monkeypatch.chdir(end.repo)
        assert end.wrong() == []
        assert end.holds(NEW)
        bring_back()
        assert objects(end.cache) == objects(end.store) == before
        collect()
        assert objects(end.cache) == objects(end.store) < before
        shutil.rmtree(end.root)


def test_restore_killed_anywhere_goes_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects(world.cache)
    collect()
    for end in every_step(world, tmp_path, monkeypatch, bring_back):
        monkeypatch.chdir(end.repo)
        assert end.wrong() == []
        bring_back()
        assert objects(end.cache) == objects(end.store) == before
        shutil.rmtree(end.root)


def test_move_and_remove_killed_anywhere_keep_the_data(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works: tuple[Callable[[], object], ...] = (
        lambda: move(Project.find(), "d", "e"),
        lambda: remove(Project.find(), ["d.dvc"]),
    )
    for work in works:
        for end in every_step(world, tmp_path, monkeypatch, work):
            data = end.repo / ("d" if (end.repo / "d").exists() else "e")
            assert {name: (data / name).read_bytes() for name in NEW} == NEW
            assert end.holds(NEW)
            pointers = {path.name for path in end.repo.glob("?*.dvc")}
            hidden = (end.repo / ".gitignore").read_text() if (end.repo / ".gitignore").exists() else ""
            assert not pointers or f"/{data.name}\n" in hidden
            shutil.rmtree(end.root)
