"""One file-system call fails, or the process dies there: the promises of the design's section 5 hold at every call."""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.drivers import fs
from labops.errors import LabError, NoSpace, Unavailable
from labops.model import Report
from labops.project import Project
from labops.testing.faults import FaultyFiles, Killed
from labops.testing.oracle import contents, dir_object, md5, objects
from labops.testing.worlds import World, pointer
from labops.verbs.add import add
from labops.verbs.checkout import checkout
from labops.verbs.commit import commit
from labops.verbs.status import status

OLD = {"a": b"1", "s/b": b"22", "s/gone": b"333", "same": b"\0" * 70_000}
NEW = {"a": b"changed", "s/b": b"22", "t/new": b"", "same": b"\0" * 70_000}

FAULTS: dict[str, int] = {"no-space": errno.ENOSPC, "bad-disk": errno.EIO, "killed": 0}
EXPECTED: dict[int, type[BaseException]] = {errno.ENOSPC: NoSpace, errno.EIO: Unavailable, 0: Killed}
LINKS = ("copy", "hardlink,copy", "symlink,copy")

every_fault = pytest.mark.parametrize("number", FAULTS.values(), ids=list(FAULTS))
every_link = pytest.mark.parametrize("links", LINKS, ids=[link.partition(",")[0] for link in LINKS])


@pytest.fixture
def template(tmp_path: Path) -> Callable[[str, Callable[[World], None]], World]:
    """A world to copy for each call that fails, prepared once."""

    def make(links: str, prepare: Callable[[World], None]) -> World:
        world = World(tmp_path / "template", links=links)
        world.write("d", OLD)
        prepare(world)
        return world

    return make


def visible(world: World) -> dict[str, bytes]:
    """The data as people see it."""
    return contents(world.repo / "d") if (world.repo / "d").exists() else {}


def rubbish(world: World) -> list[str]:
    """Temporary files where people or dvc would find them."""
    names = [path.name for path in world.repo.iterdir()]
    names += [path.name for path in (world.repo / "d").rglob("*")]
    names += [path.name for path in (world.cache / "files").rglob("*")]
    return [name for name in names if name.endswith(".tmp")]


EVERY = int(os.environ.get("LABOPS_FAULT_STEP", "12"))
"""Of how many calls one fails in a quick run; 1 for all of them."""


def chosen(count: int, seed: str) -> list[int]:
    """Calls spread over a run, others for each kind of run, the same in each session."""
    return list(range(1 + zlib.crc32(seed.encode()) % EVERY, count + 1, EVERY))


Run = Callable[[Project], Report]
Check = Callable[[World, bool], None]
"""Look at a world after a failure; True when the run said that it had succeeded."""


def at_every_call(
    monkeypatch: pytest.MonkeyPatch, template: World, name: str, run: Run, number: int, check: Check
) -> None:
    """Let changing calls of `run` fail one at a time, check, run again, and check that all is repaired."""
    calls = attempt(monkeypatch, template.copy(template.root.with_name("count")), run, 0, 0)[1]
    assert len(calls) > 10
    for at in chosen(len(calls), f"{name} {number}"):
        world = template.copy(template.root.with_name("round"))
        is_fine, names = attempt(monkeypatch, world, run, at, number)
        where = f"call {at}, {names[min(at, len(names)) - 1]}"
        try:
            assert world.wrong() == []
            if number and names[at - 1 : at] != ["unlink"]:
                assert rubbish(world) == []
            check(world, is_fine)
            again, _ = attempt(monkeypatch, world, run, 0, 0)
            assert again
            assert world.wrong() == []
            check(world, True)
        except (AssertionError, LabError, OSError) as error:
            raise AssertionError(f"after {where} ({'went on' if is_fine else 'failed'})") from error


def attempt(monkeypatch: pytest.MonkeyPatch, world: World, run: Run, at: int, number: int) -> tuple[bool, list[str]]:
    """Run once in a new process's place; whether it succeeded, and the calls it made."""
    monkeypatch.chdir(world.repo)
    with FaultyFiles(str(world.root), fail_at=at, number=number) as faulty:
        try:
            report = run(Project.find())
        except (LabError, Killed) as error:
            assert at, error
            assert isinstance(error, EXPECTED[number]), error
            return False, faulty.calls
    return not report.failed, faulty.calls


def is_clean(world: World) -> bool:
    return status(Project.find(str(world.repo))) == ()


# --- add ----------------------------------------------------------------------------------------------


@every_link
@every_fault
def test_a_first_add(template: Callable[..., World], monkeypatch: pytest.MonkeyPatch, links: str, number: int) -> None:
    """No pointer before its data is safe and out of git's sight; the data itself is never touched."""
    files = NEW

    def check(world: World, is_fine: bool) -> None:
        assert visible(world) == files
        is_tracked = (world.repo / "d.dvc").exists()
        if is_tracked:
            assert (world.repo / "d.dvc").read_text() == pointer(files)
            assert world.holds(files)
            assert (world.repo / ".gitignore").read_text() == "/d\n"
        assert is_tracked or not is_fine

    made = template(links, lambda world: world.write("d", files))
    at_every_call(monkeypatch, made, f"first add {links}", VERBS["add"], number, check)


def with_new_version(world: World) -> None:
    """The old version is tracked, the new one lies in the workspace."""
    add(Project.find(str(world.repo)), [str(world.repo / "d")])
    world.write("d", NEW)


VERBS: dict[str, Run] = {
    "add": lambda project: add(project, ["d"]),
    "commit": lambda project: commit(project, force=True),
}


@pytest.mark.parametrize("verb", VERBS)
@every_link
@every_fault
def test_a_new_version(
    template: Callable[..., World], monkeypatch: pytest.MonkeyPatch, verb: str, links: str, number: int
) -> None:
    """The pointer names the old version or the new one, and all of that is in the cache; the old one stays."""

    def check(world: World, is_fine: bool) -> None:
        assert visible(world) == NEW
        text = (world.repo / "d.dvc").read_text()
        assert text in (pointer(OLD), pointer(NEW))
        assert world.holds(OLD)
        if text == pointer(NEW):
            assert world.holds(NEW)
        assert text == pointer(NEW) or not is_fine

    made = template(links, with_new_version)
    at_every_call(monkeypatch, made, f"{verb} {links}", VERBS[verb], number, check)


# --- checkout -----------------------------------------------------------------------------------------


def with_other_version_here(world: World) -> None:
    """Both versions are in the cache, the pointer names the new one, the workspace holds the old one."""
    project = Project.find(str(world.repo))
    target = str(world.repo / "d")
    world.write("d", NEW)
    add(project, [target])
    new = (world.repo / "d.dvc").read_text()
    world.write("d", OLD)
    add(project, [target])
    (world.repo / "d.dvc").write_text(new)


def with_nothing_here(world: World) -> None:
    with_other_version_here(world)
    shutil.rmtree(world.repo / "d")


@pytest.mark.parametrize("prepare", [with_other_version_here, with_nothing_here])
@every_link
@every_fault
def test_a_checkout(
    template: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[World], None],
    links: str,
    number: int,
) -> None:
    """Each file is as it was or as it should be, never half; cache and pointer do not change."""

    def check(world: World, is_fine: bool) -> None:
        for name, data in visible(world).items():
            assert data in (OLD.get(name), NEW.get(name)), name
        assert (world.repo / "d.dvc").read_text() == pointer(NEW)
        assert world.holds(OLD)
        assert world.holds(NEW)
        if is_fine:
            assert visible(world) == NEW
            assert is_clean(world)

    made = template(links, prepare)
    at_every_call(monkeypatch, made, f"{prepare.__name__} {links}", checkout, number, check)


def test_a_file_that_could_not_be_placed_is_placed_by_the_next_checkout(
    template: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error on one file, then the same command again."""
    world = template("symlink", with_other_version_here)
    monkeypatch.chdir(world.repo)
    for path in (world.cache / "files").rglob("*"):  # no file is so young that it would be read again anyway
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    with monkeypatch.context() as patch:
        symlink = fs.symlink

        def fail_for_one(source: str, target: str) -> bool:
            if source.endswith(md5(NEW["a"])[2:]):
                raise Unavailable("the disk is bad", code="file-system-error")
            return symlink(source, target)

        patch.setattr(fs, "symlink", fail_for_one)
        assert [outcome.step.path for outcome in checkout(Project.find()).failed] == ["d/a"]
    assert visible(world) == NEW | {"a": OLD["a"]}
    assert not is_clean(world)
    checkout(Project.find())
    assert visible(world) == NEW


@every_fault
def test_a_checkout_keeps_unsaved_work_whatever_fails(
    template: Callable[..., World], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Work that is saved nowhere refuses the checkout at every call, and is still there."""

    def prepare(world: World) -> None:
        with_other_version_here(world)
        (world.repo / "d/a").unlink()
        (world.repo / "d/a").write_bytes(b"unsaved")

    world = template("copy", prepare)
    calls = 0
    for at in range(40):
        monkeypatch.chdir(world.repo)
        with FaultyFiles(str(world.root), fail_at=at, number=number) as faulty, pytest.raises((LabError, Killed)):
            checkout(Project.find())
        calls = max(calls, len(faulty.calls))
        assert (world.repo / "d/a").read_bytes() == b"unsaved"
        if at > calls:
            break
    assert visible(world).keys() == OLD.keys()


# --- a disk that stays full ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_stays_full(template: Callable[..., World], monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """From some call on nothing can be written any more: one clear error, nothing lost, nothing half."""
    made = template("copy", with_new_version)
    for at in range(1, 40, 6):
        world = made.copy(made.root.with_name("round"))
        monkeypatch.chdir(world.repo)
        with FaultyFiles(str(world.root), fail_at=at, number=errno.ENOSPC, is_lasting=True):
            try:
                VERBS[verb](Project.find())
            except NoSpace as error:
                assert error.hint or error.code == "no-space"
        assert visible(world) == NEW
        assert (world.repo / "d.dvc").read_text() in (pointer(OLD), pointer(NEW))
        assert world.holds(OLD)
        wrong = world.wrong()
        assert wrong == []


def test_the_expectations_are_not_ours() -> None:
    """What the checks compare with is made by the standard library."""
    oid, _ = dir_object({"a": b"1"})
    assert pointer({"a": b"1"}).startswith(f"outs:\n- md5: {oid}\n  size: 1\n  nfiles: 1\n")
    assert md5(b"1") == "c4ca4238a0b923820dcc509a6f75849b"
    assert objects(Path("/nonexistent")) == set()


def test_add_looks_again_for_objects_that_went_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large folder too, whose objects are not asked for one by one while nothing came or went."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    files = {f"{number:03}": b"%d" % number for number in range(300)}
    world.write("d", files)
    age(world.repo / "d")
    add(Project.find(), ["d"])
    age(world.cache)
    add(Project.find(), ["d"])
    (world.cache / "files/md5" / md5(b"7")[:2] / md5(b"7")[2:]).unlink()

    add(Project.find(), ["d"])

    assert world.holds(files)
    assert status(Project.find()) == ()


def age(top: Path) -> None:
    """Make everything look older than a clock tick."""
    for path in [top, *top.rglob("*")]:
        os.utime(path, (1e9 + 0.5, 1e9 + 0.5))
