"""`publish` and `sync` under `kill -9` and Ctrl-C at random moments, git and all; two clones that work at once."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from labops.testing.oracle import Sandbox, check_store, contents, dir_object, find_lab, lab_is_dvc
from tests.fault.test_killed import NEW, OLD, check_exit, copy_world, moments, strike

pytestmark = pytest.mark.skipif(lab_is_dvc(), reason="dvc has no such command")


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    """A sandbox driven by lab, with a bare git repository and a data remote beside it."""
    box = Sandbox(tmp_path / "box", find_lab())
    box.init(remote=True)
    box.git("init", "-q", "--bare", "-b", "main", "../hub.git")
    box.git("remote", "add", "origin", "../hub.git")
    box.commit()
    box.git("push", "-q", "-u", "origin", "main")
    box.files("d", OLD)
    box.run("publish", "d", "-m", "old")
    return box


@pytest.fixture(params=[signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def blow(request: pytest.FixtureRequest) -> signal.Signals:
    return request.param


def seen_by_others(box: Sandbox) -> list[str]:
    """The dataset's hash at each commit of the bare repository, newest first; all of its data must be there."""
    found = []
    for commit in box.git("rev-list", "main", cwd="../hub.git").split():
        text = box.git("show", f"{commit}:d.dvc", cwd="../hub.git", ok=None)
        match = re.search(r"md5: (\S+)", text)
        if match:
            found.append(match[1])
            listing = box.store / "files/md5" / match[1][:2] / match[1][2:]
            for row in json.loads(listing.read_bytes()):
                assert (box.store / "files/md5" / row["md5"][:2] / row["md5"][2:]).exists(), (commit, row)
    return found


def go_on(box: Sandbox, *args: str) -> None:
    """Run a command again; git's own locks, which only a person may break, are broken as its errors say."""
    ran = box.run(*args, ok=None)
    if not ran.ok and "lock" in ran.err:
        for lock in (box.repo / ".git").rglob("*.lock"):
            lock.unlink()
        ran = box.run(*args, ok=None)
    assert ran.ok, ran


def test_publish(box: Sandbox, tmp_path: Path, blow: signal.Signals):
    """Others see the old version or the new one, always whole; the same command again finishes."""
    box.files("d", NEW)
    for name in set(OLD) - set(NEW):
        box.delete(f"d/{name}")
    for number, moment in enumerate(moments(box, tmp_path / "timing", "publish", "d", "-m", "new")):
        world = copy_world(box, tmp_path / f"round{number}")
        rc = strike(world, moment, blow, "publish", "d", "-m", "new")
        if blow is signal.SIGKILL or rc != 11:  # git got the Ctrl-C too, and says so in its way
            check_exit(rc, blow)
        assert seen_by_others(world)[0] in (dir_object(OLD)[0], dir_object(NEW)[0])
        assert check_store(world.store) == []
        assert contents(world.repo / "d") == NEW
        go_on(world, "publish", "d", "-m", "new")
        assert seen_by_others(world) == [dir_object(NEW)[0], dir_object(OLD)[0]]
        assert world.run("status", "--json").json() == {}
        shutil.rmtree(world.root)


def test_sync(box: Sandbox, tmp_path: Path):
    """Files are old or new, own work stays, and the next sync finishes."""
    box.git("clone", "-q", "../hub.git", "../bob")
    bob = box.world / "bob"
    box.run("pull", cwd="../bob")
    mine = {"0/mine": b"mine"}
    box.files("d", mine)
    for name, data in NEW.items():
        target = bob / "d" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(data)
    box.run("publish", "d", "-m", "new", cwd="../bob")
    for number, moment in enumerate(moments(box, tmp_path / "timing", "sync")):
        world = copy_world(box, tmp_path / f"round{number}")
        strike(world, moment, signal.SIGKILL, "sync")
        for name, data in contents(world.repo / "d").items():
            assert data in (OLD.get(name), NEW.get(name), mine.get(name)), (number, name)
        assert (world.repo / "d/0/mine").read_bytes() == b"mine"
        go_on(world, "sync")
        assert contents(world.repo / "d") == {**OLD, **NEW, **mine}
        assert check_store(world.repo / ".dvc/cache") == []
        shutil.rmtree(world.root)
