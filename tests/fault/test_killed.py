"""`kill -9` and Ctrl-C at random moments: nothing is lost, what is visible is valid, the next run finishes.

`LABOPS_KILLS` is the number of moments per verb (5 by default). The moments are drawn from a seed; no
outcome depends on when the blow really falls.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import pytest

from labops.testing.oracle import UMASK, Sandbox, check_store, contents, dir_object, md5, objects
from labops.testing.toys3 import toy_s3

KILLS = int(os.environ.get("LABOPS_KILLS", "5"))
LINKS = ("copy", "hardlink", "symlink")


def make_files(seed: int, count: int = 330) -> dict[str, bytes]:
    """So many that most of them change, and are still enough for forked children."""
    chance = random.Random(seed)
    files = {f"{n % 7}/file {n}": chance.randbytes(chance.choice([0, 10, 700, 7000])) for n in range(count)}
    files["big.bin"] = chance.randbytes(6_000_000)
    return files


OLD = make_files(1)
NEW = (
    OLD
    | {name: data + b"!" for n, (name, data) in enumerate(OLD.items()) if n % 8}
    | {f"new/{n}": b"%d" % n for n in range(20)}
)
OLD_OID, NEW_OID = dir_object(OLD)[0], dir_object(NEW)[0]


def pointer(files: dict[str, bytes]) -> str:
    size = sum(map(len, files.values()))
    oid = dir_object(files)[0]
    return f"outs:\n- md5: {oid}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: d\n"


def start(
    box: Sandbox, *args: str, cwd: Path | None = None, stderr: int | IO[bytes] = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [box.tool, *args],
        cwd=cwd or box.repo,
        env=box.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        umask=UMASK,
        start_new_session=True,
    )


def strike(box: Sandbox, after: float, blow: signal.Signals, *args: str) -> int:
    """Start a command and send it a signal at some moment, unless it ends before. Returns the exit code."""
    with tempfile.TemporaryFile() as stderr:
        process = start(box, *args, stderr=stderr)
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, blow)
        rc = process.wait(timeout=60)
        stderr.seek(0)
        said = stderr.read()
    # Python answers 1 to a Ctrl-C that comes before the first line of any program.
    return -blow if rc == 1 and b"import the site module" in said else rc


def copy_world(template: Sandbox, root: Path) -> Sandbox:
    """A fresh copy of a prepared world, so that every round starts alike."""
    shutil.copytree(template.root, root, symlinks=True)
    return Sandbox(root, template.tool)


def how_long(template: Sandbox, root: Path, *args: str) -> tuple[float, float]:
    """Seconds of start-up and of the whole command: where the random moments are drawn from."""
    began = time.monotonic()
    start(template, "--version").wait(timeout=60)
    up = time.monotonic() - began
    world = copy_world(template, root)
    began = time.monotonic()
    assert start(world, *args).wait(timeout=120) == 0
    whole = time.monotonic() - began
    shutil.rmtree(root)
    return up, max(whole, up + 0.01)


def moments(template: Sandbox, root: Path, *args: str) -> list[float]:
    up, whole = how_long(template, root, *args)
    chance = random.Random(f"{args}")
    return [chance.uniform(up * 0.8, whole * 1.05) for _ in range(KILLS)]


@pytest.fixture(params=[signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def blow(request: pytest.FixtureRequest) -> signal.Signals:
    return request.param


def check_exit(rc: int, blow: signal.Signals) -> None:
    """Ctrl-C ends with 130 (as a shell counts), unless the work was already done."""
    if blow is signal.SIGINT:
        assert rc in (0, 130, -signal.SIGINT)


def test_add(box: Sandbox, tmp_path: Path, blow: signal.Signals):
    """`add` of a new version over an old one, with every link type."""
    box.init()
    box.files("d", OLD)
    box.run("add", "d")
    assert box.text("d.dvc") == pointer(OLD)
    box.files("d", NEW)
    for number, moment in enumerate(moments(box, tmp_path / "timing", "add", "d")):
        world = copy_world(box, tmp_path / f"round{number}")
        link = LINKS[number % 3]
        (world.repo / ".dvc/config").write_text(f"[cache]\n    type = {link}\n")
        rc = strike(world, moment, blow, "add", "d")
        check_exit(rc, blow)
        cache = world.repo / ".dvc/cache"
        assert contents(world.repo / "d") == NEW, (number, link)
        assert world.text("d.dvc") in (pointer(OLD), pointer(NEW))
        assert world.text(".gitignore") == "/d\n"
        assert check_store(cache) == []
        assert objects(cache) >= {OLD_OID} | {md5(data) for data in OLD.values()}
        if world.text("d.dvc") == pointer(NEW):
            assert objects(cache) >= {NEW_OID} | {md5(data) for data in NEW.values()}
        world.run("add", "d")
        assert world.text("d.dvc") == pointer(NEW)
        assert check_store(cache) == []
        assert contents(world.repo / "d") == NEW
        assert world.run("status", "--json").json() == {}
        shutil.rmtree(world.root)


def test_first_add(box: Sandbox, tmp_path: Path, blow: signal.Signals):
    """The very first `add`: never a pointer whose data git would pick up."""
    box.init()
    box.files("d", OLD)
    box.write("f", b"single file " * 9000)
    for number, moment in enumerate(moments(box, tmp_path / "timing", "add", "d", "f")):
        world = copy_world(box, tmp_path / f"round{number}")
        (world.repo / ".dvc/config").write_text(f"[cache]\n    type = {LINKS[number % 3]}\n")
        check_exit(strike(world, moment, blow, "add", "d", "f"), blow)
        assert contents(world.repo / "d") == OLD
        assert (world.repo / "f").read_bytes() == b"single file " * 9000
        ignored = (world.repo / ".gitignore").read_text().splitlines() if (world.repo / ".gitignore").exists() else []
        assert set(ignored) <= {"/d", "/f"}
        for name in ("d", "f"):
            if (world.repo / f"{name}.dvc").exists():
                assert f"/{name}" in ignored
        if (world.repo / "d.dvc").exists():
            assert world.text("d.dvc") == pointer(OLD)
        assert check_store(world.repo / ".dvc/cache") == []
        world.run("add", "d", "f")
        assert world.text("d.dvc") == pointer(OLD)
        assert world.run("status", "--json").json() == {}
        shutil.rmtree(world.root)


def test_push(box: Sandbox, tmp_path: Path, blow: signal.Signals):
    """A remote never shows a tree with missing files, nor an object that is not what its name says."""
    box.init(remote=True)
    box.files("d", OLD)
    box.run("add", "d")
    box.commit()
    for number, moment in enumerate(moments(box, tmp_path / "timing", "push")):
        world = copy_world(box, tmp_path / f"round{number}")
        check_exit(strike(world, moment, blow, "push"), blow)
        assert check_store(world.store) == []
        assert contents(world.repo / "d") == OLD
        assert world.text("d.dvc") == pointer(OLD)
        world.run("push")
        assert objects(world.store) >= {OLD_OID} | {md5(data) for data in OLD.values()}
        assert check_store(world.store) == []
        assert world.run("status", "-c", "--json").json() == {}
        shutil.rmtree(world.root)


def test_pull(box: Sandbox, tmp_path: Path, blow: signal.Signals):
    """Workspace files are absent, old or new; never half; the next pull finishes."""
    box.init(remote=True)
    box.files("d", NEW)
    box.run("add", "d")
    box.run("push")
    newer = box.text("d.dvc")
    box.delete("d", ".dvc/cache", "d.dvc")
    box.files("d", OLD)
    box.run("add", "d")
    box.run("push")
    box.write("d.dvc", newer)
    for oid in {NEW_OID, *map(md5, NEW.values())} - {md5(data) for data in OLD.values()}:
        (box.repo / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).unlink(missing_ok=True)
    for number, moment in enumerate(moments(box, tmp_path / "timing", "pull")):
        world = copy_world(box, tmp_path / f"round{number}")
        (world.repo / ".dvc/config").write_text(
            f"[core]\n    remote = store\n[cache]\n    type = {LINKS[number % 3]}\n"
            "['remote \"store\"']\n    url = ../../store\n"
        )
        if number % 2:
            world.delete("d", ".dvc/cache")
        before = contents(world.repo / "d") if (world.repo / "d").exists() else {}
        check_exit(strike(world, moment, blow, "pull"), blow)
        now = contents(world.repo / "d") if (world.repo / "d").exists() else {}
        for name, data in now.items():
            assert data in (before.get(name), NEW.get(name)), (number, name)
        assert world.text("d.dvc") == newer
        assert check_store(world.repo / ".dvc/cache") == []
        world.run("pull")
        assert contents(world.repo / "d") == NEW
        assert world.run("status", "--json").json() == {}
        shutil.rmtree(world.root)


def s3_box(box: Sandbox, options: dict[str, str]) -> None:
    box.extra_env |= {"AWS_EC2_METADATA_DISABLED": "true"}
    box.init()
    box.run("remote", "add", "-d", "cloud", "s3://bkt/pre")
    for option, value in options.items():
        box.run("remote", "modify", "cloud", option, value)
    box.run("config", "core.checksum_jobs", "1")


def interrupt_while_held(box: Sandbox, holding, *args: str) -> int:
    """Ctrl-C once the server holds a request of this command: the moment is certain."""
    process = start(box, *args)
    while not holding.wait(timeout=0.05):
        assert process.poll() is None, "the command ended before it asked for anything"
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(timeout=60)


def test_ctrl_c_while_pulling_ends_with_130(box: Sandbox):
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n}": b"%d" % n * 50 for n in range(12)}
        box.files("d", files)
        box.run("add", "d")
        box.run("push")
        box.delete("d", ".dvc/cache")
        slow = md5(files["7"])
        toy.decide = lambda method, key: "hold" if method == "GET" and key.endswith(slow[2:]) else "serve"
        assert interrupt_while_held(box, toy.holding, "pull") == 130
        assert check_store(box.repo / ".dvc/cache") == []
        toy.release.set()
        box.run("pull")
        assert contents(box.repo / "d") == files


def test_ctrl_c_while_pushing_ends_with_130(box: Sandbox):
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n}": b"%d" % n * 50 for n in range(12)}
        box.files("d", files)
        box.run("add", "d")
        slow = md5(files["7"])
        toy.decide = lambda method, key: "hold" if method == "PUT" and key.endswith(slow[2:]) else "serve"
        assert interrupt_while_held(box, toy.holding, "push") == 130
        tree = dir_object(files)[0]
        assert not any(key.endswith(tree[2:]) for key in toy.held)
        toy.release.set()
        toy.decide = lambda method, key: "serve"
        box.run("push")
        assert {key.removeprefix("/bkt/pre/files/md5/").replace("/", "") for key in toy.held} == {
            tree, *(md5(data) for data in files.values())
        }  # fmt: skip


def test_many_objects_travel_once_each_and_survive_a_kill(box: Sandbox, tmp_path: Path):
    """So many that forked children carry them."""
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n % 3}/{n}": b"%d" % n * 50 for n in range(400)}
        oids = {md5(data) for data in files.values()}
        box.files("d", files)
        box.run("add", "d")
        box.run("push")
        puts = [key for method, key in toy.log if method == "PUT"]
        assert sorted(puts) == sorted({*puts})
        assert {key.removeprefix("/bkt/pre/files/md5/").replace("/", "") for key in puts} == oids | {
            dir_object(files)[0]
        }  # fmt: skip
        for moment in (0.15, 0.3, 0.5):
            box.delete("d", ".dvc/cache")
            strike(box, moment, signal.SIGKILL, "pull")
            assert check_store(box.repo / ".dvc/cache") == []
            box.run("pull")
            assert contents(box.repo / "d") == files
        box.delete("d", ".dvc/cache")
        toy.log.clear()
        box.run("pull")
        asked = [key for key in toy.gets() if "/files/md5/" in key]
        assert sorted(asked) == sorted({*asked})
        assert len(asked) == len(oids) + 1


def test_an_interrupted_pull_goes_on_where_it_stopped(box: Sandbox):
    """Objects that arrived before the failure are not asked for again (counted at the server)."""
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n}": b"%d" % n * 50 for n in range(30)}
        box.files("d", files)
        box.run("add", "d")
        box.run("push")
        box.delete("d", ".dvc/cache")
        bad = {md5(files[str(n)])[2:] for n in range(20, 30)}
        toy.decide = lambda method, key: "error" if method == "GET" and key.rpartition("/")[2] in bad else "serve"
        box.run("pull", ok=False)
        have = objects(box.repo / ".dvc/cache")
        assert len(have) >= 20
        assert check_store(box.repo / ".dvc/cache") == [] or dir_object(files)[0] in have
        toy.decide = lambda method, key: "serve"
        toy.log.clear()
        box.run("pull")
        asked = {key.removeprefix("/bkt/pre/files/md5/").replace("/", "") for key in toy.gets()}
        assert asked & have <= {dir_object(files)[0]}
        assert contents(box.repo / "d") == files


@pytest.mark.parametrize("fault", ["cut", "corrupt"])
def test_a_damaged_download_never_gets_its_name(box: Sandbox, fault):
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n}": b"%d" % n * 5000 for n in range(8)}
        box.files("d", files)
        box.run("add", "d")
        box.run("push")
        box.delete("d", ".dvc/cache")
        bad = md5(files["3"])
        toy.decide = lambda method, key: fault if method == "GET" and key.endswith(bad[2:]) else "serve"
        box.run("pull", ok=False)
        assert bad not in objects(box.repo / ".dvc/cache")
        for name, data in contents(box.repo / "d").items() if (box.repo / "d").exists() else ():
            assert data == files[name]
        toy.decide = lambda method, key: "serve"
        box.run("pull")
        assert contents(box.repo / "d") == files
        assert check_store(box.repo / ".dvc/cache") == []


def test_a_failed_upload_withholds_the_tree(box: Sandbox):
    with toy_s3() as toy:
        s3_box(box, toy.remote_options())
        files = {f"{n}": b"%d" % n * 50 for n in range(8)}
        box.files("d", files)
        box.run("add", "d")
        bad = md5(files["3"])
        toy.decide = lambda method, key: "error" if method == "PUT" and key.endswith(bad[2:]) else "serve"
        said = box.run("push", ok=False)
        assert "3" in said.err
        tree = dir_object(files)[0]
        assert not any(key.endswith(tree[2:]) for key in toy.held)
        assert len(toy.held) == 7
        toy.decide = lambda method, key: "serve"
        box.run("push")
        assert len(toy.held) == 9
