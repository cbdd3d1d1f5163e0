"""A survey reads what changed since the last one, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.drivers import fs
from labops.errors import InvalidInput
from labops.model import HashName
from labops.project import Project
from labops.survey import Survey, survey
from labops.testing.faults import CountingReads
from labops.testing.oracle import dir_object, dos2unix, md5, objects
from labops.testing.worlds import World

FILES = {f"{n % 4}/{n}": b"%d" % n * 40 for n in range(40)} | {"text": b"a\r\nb\r\n", "empty": b""}
LONG_AGO = 10**18 + 1


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.write("d", FILES)
    age(world.repo / "d")
    return world


def age(top: Path) -> None:
    """Make all files look as if they had been written long ago."""
    for path in top.rglob("*"):
        if path.is_file() and path.stat().st_mtime_ns != LONG_AGO:
            os.utime(path, ns=(LONG_AGO, LONG_AGO))


def look(world: World, hash_name: HashName = HashName.MD5, *, store: bool = False) -> tuple[Survey, list[str]]:
    """A survey by a new process, and the files of `d` that it read."""
    project = Project.find(str(world.repo))
    with CountingReads() as reads:
        if store:
            with project.cache(hash_name).batch() as batch:
                found = survey(project, "d", hash_name, batch=batch)
        else:
            found = survey(project, "d", hash_name)
    return found, reads.below(str(world.repo / "d"))


@pytest.mark.parametrize(("hash_name", "digest"), [(HashName.MD5, md5), (HashName.MD5_DOS2UNIX, dos2unix)])
@pytest.mark.parametrize("store", [False, True])
def test_the_first_reads_each_file_once_and_the_second_none(
    world: World, hash_name: HashName, digest: Callable[[bytes], str], *, store: bool
) -> None:
    first, read = look(world, hash_name, store=store)
    assert read == sorted(FILES)
    assert first.oid == dir_object(FILES, digest)[0]
    assert dict(first.read) == {name: len(data) for name, data in FILES.items()}
    tree = first.tree()
    assert tree is not None
    assert {entry.path: (entry.oid, entry.size) for entry in tree.entries} == {
        name: (digest(data), len(data)) for name, data in FILES.items()
    }
    second, read = look(world, hash_name, store=store)
    assert (read, second.read, second.oid, second.tree()) == ([], (), first.oid, tree)


def test_each_kind_of_hash_has_a_memory_of_its_own(world: World) -> None:
    look(world)
    assert look(world, HashName.MD5_DOS2UNIX)[1] == sorted(FILES)
    assert look(world)[1] == []


@pytest.mark.parametrize("store", [False, True])
def test_one_changed_file_costs_one_read(world: World, *, store: bool) -> None:
    look(world, store=store)
    (world.repo / "d/1/5").write_bytes(b"changed")
    age(world.repo / "d")
    changed, read = look(world, store=store)
    assert set(read) == {"1/5"}, "to be stored it is read twice: a touched file is rarely a new object"
    assert changed.oid == dir_object(FILES | {"1/5": b"changed"})[0]
    assert look(world, store=store)[1] == []


def test_a_new_a_moved_and_a_deleted_file(world: World) -> None:
    look(world)
    (world.repo / "d/0/0").rename(world.repo / "d/moved")
    (world.repo / "d/0/4").unlink()
    (world.repo / "d/new").write_bytes(b"new")
    age(world.repo / "d")
    found, read = look(world)
    assert read == ["moved", "new"]
    now = {name: data for name, data in FILES.items() if name not in ("0/0", "0/4")}
    assert found.oid == dir_object(now | {"moved": FILES["0/0"], "new": b"new"})[0]


def test_a_young_file_is_read_again_until_it_has_settled(world: World) -> None:
    """It could change within the same tick of the clock without its times showing it."""
    path = world.repo / "d/1/5"
    future = fs.clock_ns(str(world.repo)) + 3600 * 10**9 + 1
    os.utime(path, ns=(future, future))
    assert look(world)[1] == sorted(FILES)
    assert look(world)[1] == ["1/5"]
    assert look(world)[1] == ["1/5"]
    age(world.repo / "d")
    assert look(world)[1] == ["1/5"]
    assert look(world)[1] == []


def test_a_lost_object_is_stored_from_the_unchanged_file(world: World) -> None:
    look(world, store=True)
    lost = md5(FILES["1/5"])
    (world.cache / "files/md5" / lost[:2] / lost[2:]).unlink()
    assert look(world)[1] == []
    assert look(world, store=True)[1] == ["1/5"]
    assert objects(world.cache) == {md5(data) for data in FILES.values()}


@pytest.mark.parametrize("harm", ["delete", "damage", "replace"])
def test_a_lost_memory_only_costs_reading(world: World, harm: str) -> None:
    look(world)
    (state,) = (world.repo / ".dvc/tmp/lab/state").iterdir()
    if harm == "delete":
        shutil.rmtree(world.repo / ".dvc/tmp")
    elif harm == "damage":
        state.write_bytes(state.read_bytes()[:-9])
    else:
        state.unlink()
        state.mkdir()
    found, read = look(world)
    assert (found.oid, read) == (dir_object(FILES)[0], sorted(FILES))


def test_another_source_is_looked_at_and_not_remembered(world: World, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a").write_bytes(b"a")
    project = Project.find(str(world.repo))
    assert survey(project, "d", source=str(tmp_path / "elsewhere")).oid == dir_object({"a": b"a"})[0]
    assert look(world)[1] == sorted(FILES)


def test_nothing_there_is_missing(world: World) -> None:
    shutil.rmtree(world.repo / "d")
    found, _ = look(world)
    assert (found.is_missing, found.oid, found.tree(), found.entries()) == (True, None, None, ())


def test_an_empty_folder_has_the_oid_of_an_empty_list(world: World) -> None:
    world.write("d", {})
    (world.repo / "d").mkdir()
    found, _ = look(world)
    assert found.oid == "d751713988987e9331980363e24189ce.dir"


def test_what_the_format_cannot_keep_is_said(world: World) -> None:
    (world.repo / "d/hollow").mkdir()
    (world.repo / "d/text").chmod(0o755)
    (world.repo / "d/link").symlink_to("1")
    said = " ".join(look(world)[0].losses())
    for name in ("hollow", "text", "link"):
        assert name in said


def test_one_unreadable_file_leaves_the_whole_unknown(world: World) -> None:
    os.mkfifo(world.repo / "d/fifo")
    with pytest.raises(InvalidInput):
        look(world)
    (world.repo / "d/fifo").unlink()
    assert look(world)[0].oid == dir_object(FILES)[0]
