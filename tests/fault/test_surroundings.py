"""The disk is full, a folder is read-only, a file moves under our hands, a name is hostile."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labops.testing.oracle import Ran, Sandbox, check_store, contents, dir_object, md5, objects, snapshot

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become other members")
needs_setpriv = pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")

FILES = {"a": b"1\n", "s/b": b"2\n", "big": b"\0" * 300_000 + b"end"}


def run_as(
    box: Sandbox, *args: str, cwd: Path | None = None, prefix: list[str] | None = None, umask: int = 0o022,
    before: Callable[[], None] | None = None, ok: bool | None = True, env: dict[str, str] | None = None,
) -> Ran:  # fmt: skip
    """Run lab in a fresh process with other rights, limits or umask."""
    done = subprocess.run(
        [*(prefix or []), box.tool, *args],
        cwd=cwd or box.repo,
        env=box.env | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        umask=umask,
        preexec_fn=before,
        check=False,
    )
    ran = Ran(args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if ok is not None:
        assert ran.ok is ok, str(ran)
    assert "Traceback" not in ran.err, str(ran)
    return ran


def as_plain_user() -> list[str]:
    """Without root's power over modes: nothing for a plain user, all capabilities dropped for root."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []


# --- no room ------------------------------------------------------------------------------------------


def small_files_only() -> None:
    """No file may grow past 200,000 bytes: the kernel refuses as it does when a disk is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_no_room_while_adding(box: Sandbox):
    box.init()
    box.files("d", FILES)
    said = run_as(box, "add", "d", before=small_files_only, ok=False)
    assert "room" in said.err or "space" in said.err
    assert contents(box.repo / "d") == FILES
    assert not (box.repo / "d.dvc").exists()
    assert check_store(box.repo / ".dvc/cache") == []
    box.run("add", "d")
    assert box.run("status", "--json").json() == {}


def test_no_room_while_pushing(box: Sandbox):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    run_as(box, "push", before=small_files_only, ok=False)
    assert check_store(box.store) == []
    assert dir_object(FILES)[0] not in objects(box.store)
    box.run("push")
    assert check_store(box.store) == []


def test_no_room_while_pulling(box: Sandbox):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    box.run("push")
    box.delete("d", ".dvc/cache")
    run_as(box, "pull", before=small_files_only, ok=False)
    assert check_store(box.repo / ".dvc/cache") == [] or md5(FILES["big"]) not in objects(box.repo / ".dvc/cache")
    for name, data in contents(box.repo / "d").items() if (box.repo / "d").exists() else ():
        assert data == FILES[name]
    box.run("pull")
    assert contents(box.repo / "d") == FILES


@needs_root
@pytest.mark.parametrize("full", ["cache", "workspace", "store"])
def test_a_full_disk(box: Sandbox, tmp_path: Path, full: str):
    """A real file system of one megabyte."""
    box.init(remote=True)
    files = {f"{n}": os.urandom(150_000) for n in range(12)}
    box.files("d", files)
    box.run("add", "d")
    if full != "store":
        box.run("push")
        box.delete("d", ".dvc/cache")
    small = {"cache": box.repo / ".dvc/cache", "workspace": box.repo / "d", "store": box.store}[full]
    small.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False).returncode:
        pytest.skip("may not mount here")
    try:
        said = run_as(box, "push" if full == "store" else "pull", ok=False)
        assert "space" in said.err.lower()
        if full == "workspace":
            assert all(files[name] == data for name, data in contents(box.repo / "d").items())
        else:
            assert [wrong for wrong in check_store(small) if "hash to" in wrong] == []
            assert full == "cache" or check_store(small) == []
    finally:
        subprocess.run(["umount", small], check=True)
    box.run("push" if full == "store" else "pull")
    assert contents(box.repo / "d") == files


# --- no right -----------------------------------------------------------------------------------------


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Takes the write bits from every folder below; gives them back at the end."""
    changed: list[tuple[Path, int]] = []

    def take(folder: Path) -> None:
        for path in [folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())]:
            changed.append((path, path.stat().st_mode))
            path.chmod(path.stat().st_mode & 0o555)

    yield take
    for path, mode in changed:
        path.chmod(stat.S_IMODE(mode))


@needs_setpriv
def test_read_only_cache(box: Sandbox, read_only):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    read_only(box.repo / ".dvc/cache")
    box.write("d/new", "new")
    before = snapshot(box.repo)
    said = run_as(box, "add", "d", prefix=as_plain_user(), ok=False)
    assert "cache" in said.err
    assert snapshot(box.repo) == before
    # whoever may only read can still check out and push
    shutil.rmtree(box.repo / "d")
    run_as(box, "checkout", prefix=as_plain_user())
    assert contents(box.repo / "d") == FILES
    run_as(box, "push", prefix=as_plain_user())
    assert check_store(box.store) == []


@needs_setpriv
def test_read_only_remote(box: Sandbox, read_only):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    box.run("push")
    before = objects(box.store)
    read_only(box.store)
    box.write("d/new", "new")
    box.run("add", "d")
    run_as(box, "push", prefix=as_plain_user(), ok=False)
    assert objects(box.store) == before
    shutil.rmtree(box.repo / ".dvc/cache")
    shutil.rmtree(box.repo / "d")
    box.write("d.dvc", f"outs:\n- md5: {dir_object(FILES)[0]}\n  nfiles: 3\n  hash: md5\n  path: d\n")
    run_as(box, "pull", prefix=as_plain_user())
    assert contents(box.repo / "d") == FILES


@needs_setpriv
def test_read_only_workspace(box: Sandbox, read_only):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    (box.repo / "d/a").unlink()
    box.write("d/s/b", b"1\n")
    before = contents(box.repo / "d")
    read_only(box.repo / "d")
    run_as(box, "checkout", prefix=as_plain_user(), ok=False)
    assert contents(box.repo / "d") == before


@needs_setpriv
def test_unreadable_file(box: Sandbox):
    box.init()
    box.files("d", FILES)
    (box.repo / "d/a").chmod(0)
    said = run_as(box, "add", "d", prefix=as_plain_user(), ok=False)
    assert "d/a" in said.err
    assert not (box.repo / "d.dvc").exists()


# --- two members, one cache ---------------------------------------------------------------------------

GROUP = 2000


def as_member(uid: int) -> list[str]:
    """Another member of the group: reads everything (Python must start), writes what modes allow."""
    return ["setpriv", f"--reuid={uid}", f"--regid={GROUP}", "--clear-groups", "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search", "--bounding-set=-all,+dac_read_search"]  # fmt: skip


@needs_root
@needs_setpriv
def test_two_members_share_a_cache_whatever_their_umask():
    top = Path(tempfile.mkdtemp(prefix="labops-shared-"))
    try:
        top.chmod(0o755)
        shared = top / "cache"
        shared.mkdir()
        os.chown(shared, 0, GROUP)
        shared.chmod(0o2775)
        boxes = []
        for uid, umask in ((1001, 0o077), (1002, 0o022)):
            box = Sandbox(top / f"member{uid}", os.environ.get("LABOPS_LAB") or Sandbox(top / "x", "").tool)
            boxes.append((box, uid, umask))
        from labops.testing.oracle import find_lab

        for box, uid, _ in boxes:
            box.tool = find_lab()
            box.init()
            box.run("config", "cache.dir", str(shared))
            box.run("config", "cache.shared", "group")
            box.files(
                "d",
                FILES | {f"of {uid}": b"%d" % uid} | {f"{n}": b"%d" % (n + uid * 1000) for n in range(60)},
            )
            subprocess.run(["chown", "-R", f"{uid}:{GROUP}", box.root], check=True)
        first, second = boxes
        for box, uid, umask in (first, second, first):
            run_as(box, "add", "d", prefix=as_member(uid), umask=umask)
            for folder in [p for p in shared.rglob("*") if p.is_dir()]:
                assert stat.S_IMODE(folder.stat().st_mode) == 0o2775, folder
            for path in shared.glob("files/md5/??/*"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o444, path
                assert path.stat().st_gid == GROUP
        assert check_store(shared) == []
        box, uid, umask = second
        shutil.rmtree(box.repo / "d")
        run_as(box, "checkout", prefix=as_member(uid), umask=umask)
        run_as(box, "status", "--json", prefix=as_member(uid), umask=umask)
    finally:
        shutil.rmtree(top)


# --- a file that changes while it is read -------------------------------------------------------------


def test_a_file_that_grows_while_it_is_added(box: Sandbox):
    """A Conflict, or one consistent moment of the file; never an object that is not what its name says."""
    box.init()
    path = box.write("log.bin", b"x" * 4_000_000)
    done = threading.Event()

    def keep_writing() -> None:
        with path.open("ab", buffering=0) as file:
            while not done.is_set() and file.tell() < 400_000_000:
                file.write(b"y" * 1000)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        ran = run_as(box, "add", "log.bin", ok=None)
    finally:
        done.set()
        writer.join()
    assert ran.rc in (0, 3, 11)
    assert check_store(box.repo / ".dvc/cache") == []
    assert (box.repo / "log.bin.dvc").exists() is (ran.rc == 0)
    if ran.rc == 0:
        assert box.text("log.bin.dvc").split("md5: ")[1][:32] in objects(box.repo / ".dvc/cache")
    box.run("add", "log.bin")
    assert md5(path.read_bytes()) in box.text("log.bin.dvc")
    assert box.run("status", "--json").json() == {}


def test_a_change_of_equal_size_and_time_is_seen(box: Sandbox):
    """git's racy rule: a file rewritten with the same size and mtime is not taken for the old one."""
    box.init()
    path = box.write("f", b"1\n")
    then = path.stat().st_mtime_ns
    box.run("add", "f")
    with path.open("r+b") as file:
        file.write(b"2\n")
    os.utime(path, ns=(then, then))
    box.run("add", "f")
    assert md5(b"2\n") in box.text("f.dvc")


# --- hostile names ------------------------------------------------------------------------------------


def plant(box: Sandbox, listing: list[dict[str, str]], path: str = "d") -> None:
    """A remote whose tree object says what an enemy wants, and a pointer to it."""
    text = json.dumps(listing).encode()
    evil = b"evil\n"
    for oid, data in ((md5(text) + ".dir", text), (md5(evil), evil)):
        target = box.store / "files/md5" / oid[:2] / oid[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o444)
    box.write("d.dvc", f"outs:\n- md5: {md5(text)}.dir\n  size: 5\n  nfiles: 1\n  hash: md5\n  path: {path}\n")


@pytest.mark.parametrize(
    "name",
    ["../evil", "../../evil", "a/../../../evil", "$WORLD/evil", "", ".", "..", "a//b", "./evil", "a/..",
     "\0evil", "../.git/hooks/pre-commit", "../.dvc/config"],
)  # fmt: skip
def test_a_hostile_tree_writes_nowhere(box: Sandbox, name: str):
    box.init(remote=True)
    name = name.replace("$WORLD", str(box.world))
    plant(box, [{"md5": md5(b"evil\n"), "relpath": name}])
    before = {rel: thing for rel, thing in snapshot(box.root).items() if not rel.startswith("home/")}
    hooks = sorted((box.repo / ".git/hooks").iterdir())
    run_as(box, "pull", ok=False)
    run_as(box, "checkout", "--force", ok=False)
    after = {rel: thing for rel, thing in snapshot(box.root).items() if not rel.startswith("home/")}
    assert {rel for rel in before.keys() ^ after.keys() if "/.dvc/cache" not in rel} <= {"world/repo/d"}
    assert all(after[rel] == thing for rel, thing in before.items() if rel != "world/repo/.dvc")
    assert sorted((box.repo / ".git/hooks").iterdir()) == hooks


@pytest.mark.parametrize("command", [["pull"], ["pull", "--force"], ["pull", "d/out"]])
def test_a_link_in_the_workspace_leads_nobody_outside(box: Sandbox, command: list[str]):
    """A folder of the dataset was replaced by a link to somewhere else: nothing is written through it."""
    box.init(remote=True)
    plant(box, [{"md5": md5(b"evil\n"), "relpath": "out/file"}])
    outside = box.world / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    (box.repo / "d").mkdir()
    (box.repo / "d/out").symlink_to(outside)
    ran = run_as(box, *command, ok=None)
    assert contents(outside) == {"mine": b"mine"}
    if ran.ok:
        assert not (box.repo / "d/out").is_symlink()
        assert (box.repo / "d/out/file").read_bytes() == b"evil\n"


@pytest.mark.parametrize("path", ["../outside/f", "$WORLD/outside/f", "link/f", "../repo/../outside/f"])
def test_a_pointer_that_leads_outside_writes_nowhere(box: Sandbox, path: str):
    box.init(remote=True)
    outside = box.world / "outside"
    outside.mkdir()
    (box.repo / "link").symlink_to(outside)
    plant(box, [{"md5": md5(b"evil\n"), "relpath": "x"}], path=path.replace("$WORLD", str(box.world)))
    run_as(box, "pull", ok=False)
    run_as(box, "checkout", "--force", ok=False)
    assert contents(outside) == {}
    assert list(outside.iterdir()) == []


def test_two_entries_that_collide(box: Sandbox):
    """One name is a file and a folder at once: refused, with nothing half done."""
    box.init(remote=True)
    plant(box, [{"md5": md5(b"evil\n"), "relpath": "a"}, {"md5": md5(b"evil\n"), "relpath": "a/b"}])
    run_as(box, "pull", ok=False)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b'[{"md5": "xyz", "relpath": "a"}]', b'[{"relpath": "a"}]', b"\xff\xfe"]
)
def test_a_tree_object_that_is_no_tree(box: Sandbox, text: bytes):
    box.init(remote=True)
    oid = md5(text) + ".dir"
    target = box.store / "files/md5" / oid[:2] / oid[2:]
    target.parent.mkdir(parents=True)
    target.write_bytes(text)
    target.chmod(0o444)
    box.write("d.dvc", f"outs:\n- md5: {oid}\n  hash: md5\n  path: d\n")
    box.files("d", FILES)
    run_as(box, "pull", ok=False)
    run_as(box, "checkout", ok=False)
    assert contents(box.repo / "d") == FILES


# --- damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["altered", "truncated"])
@pytest.mark.parametrize("what", ["file", "tree"])
def test_a_damaged_cache_object_is_set_aside_and_fetched_again(box: Sandbox, kind: str, what: str):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    box.run("push")
    oid = md5(FILES["big"]) if what == "file" else dir_object(FILES)[0]
    victim = box.repo / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    good = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(good[:-3] if kind == "truncated" else good[:-1] + b"?")
    victim.chmod(0o444)
    box.delete("d")
    run_as(box, "pull")
    assert contents(box.repo / "d") == FILES
    assert check_store(box.repo / ".dvc/cache") == []
    assert box.run("status", "--json").json() == {}


def test_a_damaged_cache_object_is_never_handed_out(box: Sandbox):
    """Without a remote that has it, the command fails and says so; the workspace holds no wrong bytes."""
    box.init()
    box.files("d", FILES)
    box.run("add", "d")
    oid = md5(FILES["big"])
    victim = box.repo / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    victim.chmod(0o644)
    victim.write_bytes(b"?" * len(FILES["big"]))
    victim.chmod(0o444)
    box.delete("d/big")
    said = run_as(box, "checkout", ok=False)
    assert "d/big" in said.err or oid in said.err
    assert contents(box.repo / "d") == {name: data for name, data in FILES.items() if name != "big"}


def test_unsaved_work_survives_a_pull(box: Sandbox):
    box.init(remote=True)
    box.files("d", FILES)
    box.run("add", "d")
    box.run("push")
    box.write("d/a", "my edit")
    box.write("d/mine", "my file")
    box.delete("d/s/b")
    run_as(box, "pull", ok=False)
    assert (box.repo / "d/a").read_bytes() == b"my edit"
    assert (box.repo / "d/mine").read_bytes() == b"my file"
