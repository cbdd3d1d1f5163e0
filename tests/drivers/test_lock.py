"""The repository lock: alone, between our processes, and against the lock classes dvc builds on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labops.drivers.lock import RepositoryLock, check_pipelines
from labops.drivers.lock import repository as module
from labops.errors import AccessDenied, Conflict, Corrupt, Unavailable

DVC = os.environ.get("LABOPS_DVC") or shutil.which("dvc")
DVC_PYTHON = str(Path(DVC).with_name("python")) if DVC else ""
"""The interpreter beside a real dvc; without one the live tests against it are skipped."""
needs_dvc = pytest.mark.skipif(not DVC_PYTHON, reason="no dvc: LABOPS_DVC may name one")

HOLD_OURS = """
import sys
from labops.drivers.lock import RepositoryLock
with RepositoryLock(sys.argv[1], use_hardlink=sys.argv[2] == "1", owner="ana"):
    print("held", flush=True); sys.stdin.read()
"""
HOLD_DVC = """
import os, sys
from dvc.lock import make_lock
p = sys.argv[1]
with make_lock(p, tmp_dir=os.path.dirname(p), hardlink_lock=sys.argv[2] == "1"):
    print("held", flush=True); sys.stdin.read()
"""
TRY_DVC = HOLD_DVC.replace("sys.stdin.read()", "pass")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".dvc" / "tmp" / "lock")


@contextmanager
def held(python: str, code: str, path: str, *, hardlink: bool) -> Iterator[subprocess.Popen[str]]:
    """Another process holding the lock for as long as the block lasts."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    command = [python, "-c", code, path, "1" if hardlink else "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.stdin.close()  # type: ignore[union-attr]
            process.wait(10)


def quick(path: str, **options: object) -> RepositoryLock:
    return RepositoryLock(path, **{"wait_seconds": 0.2, "owner": "ben", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("hardlink", [False, True])
def test_exclusive_and_released(path, hardlink):
    with (
        quick(path, use_hardlink=hardlink),
        pytest.raises(Conflict) as caught,
        quick(path, use_hardlink=hardlink),
    ):
        pass
    error = caught.value
    assert error.code == "lock-busy"
    assert error.fields["pid"] == os.getpid()
    assert error.fields["member"] == "ben"
    assert error.fields["since"]
    with quick(path, use_hardlink=hardlink):
        pass
    assert os.path.exists(path) is not hardlink
    assert not [name for name in os.listdir(os.path.dirname(path)) if "|" in name]


def test_the_flock_file_is_as_zc_lockfile_writes_it(path):
    with quick(path):
        assert Path(path).read_text() == f" {os.getpid()}\n"


@pytest.mark.parametrize("hardlink", [False, True])
def test_another_process_is_named(path, hardlink):
    with held(sys.executable, HOLD_OURS, path, hardlink=hardlink) as process:
        told: list[module.Holder] = []
        with pytest.raises(Conflict) as caught, quick(path, use_hardlink=hardlink, on_wait=told.append):
            pass
        assert f"process {process.pid} of ana on {os.uname().nodename}" in caught.value.message
        assert len(told) == 1
    with quick(path, use_hardlink=hardlink):
        pass


@pytest.mark.parametrize("hardlink", [False, True])
def test_a_killed_holder_blocks_nobody(path, hardlink):
    with held(sys.executable, HOLD_OURS, path, hardlink=hardlink) as process:
        process.kill()
        process.wait()
        with quick(path, use_hardlink=hardlink, wait_seconds=0):
            pass


def test_waiting_ends_when_the_holder_lets_go(path):
    with held(sys.executable, HOLD_OURS, path, hardlink=False) as process:
        process.stdin.close()  # type: ignore[union-attr]
        with RepositoryLock(path, wait_seconds=module.FOREVER):
            pass


def test_a_link_lock_of_another_host_is_never_broken(path):
    os.makedirs(os.path.dirname(path))
    Path(path).write_text(f"{path}|elsewhere|999999999|1")
    with pytest.raises(Conflict, match="elsewhere"), quick(path, use_hardlink=True):
        pass
    assert os.path.exists(path)


def test_a_flock_leftover_is_explained(path):
    with quick(path):
        pass
    with pytest.raises(Conflict) as caught, quick(path, use_hardlink=True):
        pass
    assert "rm '" in caught.value.hint


def test_lock_files_are_for_every_member(path):
    old = os.umask(0o077)
    try:
        with quick(path):
            pass
    finally:
        os.umask(old)
    assert os.stat(path).st_mode & 0o777 == 0o666


def test_the_mode_of_an_existing_file_stays(path):
    os.makedirs(os.path.dirname(path))
    Path(path).touch(mode=0o644)
    os.chmod(path, 0o644)
    with quick(path):
        pass
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_a_file_we_may_only_read_still_locks(path, monkeypatch):
    os.makedirs(os.path.dirname(path))
    Path(path).write_text(" 1\n")
    really = os.open

    def open_as_other_member(name, flags, mode=0o777, **rest):
        if flags & os.O_RDWR and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", name)
        return really(name, flags, mode, **rest)

    with quick(path):
        monkeypatch.setattr(os, "open", open_as_other_member)
        with pytest.raises(Conflict), quick(path):
            pass
    with quick(path):
        assert Path(path).read_text().startswith(" ")


def test_a_place_we_cannot_write(path, monkeypatch):
    def refuse(*args, **rest):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(AccessDenied) as caught, quick(path):
        pass
    assert caught.value.code == "lock-denied"
    assert os.path.dirname(path) in caught.value.hint


def test_a_disk_that_answers_with_an_error_is_worth_another_try(path, monkeypatch):
    def bad_disk(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "makedirs", bad_disk)
    with pytest.raises(Unavailable) as caught, quick(path):
        pass
    assert caught.value.code == "lock-failed"


@pytest.mark.parametrize("hardlink", [False, True])
def test_ctrl_c_while_taking_it_leaves_it_free(path, monkeypatch, hardlink):
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module._Note, "write", interrupt)
        with pytest.raises(KeyboardInterrupt), quick(path, use_hardlink=hardlink):
            pass
    with quick(path, use_hardlink=hardlink):
        pass


def write_rwlock(path: str, content: str) -> str:
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    Path(folder, "rwlock").write_text(content)
    return folder


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_running_pipeline_refuses_overlapping_paths(path, kind):
    with subprocess.Popen(["sleep", "60"]) as process:
        info = {"pid": process.pid, "cmd": "dvc repro"}
        folder = write_rwlock(path, json.dumps({kind: {"/r/data": [info] if kind == "read" else info}}))
        for mine in ("/r/data", "/r/data/in", "/r"):
            with pytest.raises(Conflict, match="dvc repro") as caught:
                check_pipelines(folder, ["/r2", mine])
            assert caught.value.fields["pid"] == process.pid
        check_pipelines(folder, ["/r/data2", "/other"])
        process.kill()
    check_pipelines(folder, ["/r/data"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"write": {"/a": {}}}', '{"read": {"/a": [1]}}'])
def test_a_corrupt_rwlock_is_an_error(path, content):
    with pytest.raises(Corrupt) as caught:
        check_pipelines(write_rwlock(path, content), ["/a"])
    assert caught.value.code == "rwlock-corrupt"


def test_an_idle_or_absent_rwlock_is_fine(path):
    check_pipelines(os.path.dirname(path), ["/a"])
    check_pipelines(write_rwlock(path, '{"read": {}}'), ["/a"])


@needs_dvc
@pytest.mark.parametrize("hardlink", [False, True])
def test_dvc_holds_and_we_wait(path, hardlink):
    with (
        held(DVC_PYTHON, HOLD_DVC, path, hardlink=hardlink),
        pytest.raises(Conflict),
        quick(path, use_hardlink=hardlink),
    ):
        pass
    with quick(path, use_hardlink=hardlink):
        pass


@needs_dvc
@pytest.mark.parametrize("hardlink", [False, True])
def test_we_hold_and_dvc_waits(path, hardlink):
    command = [DVC_PYTHON, "-c", TRY_DVC, path, "1" if hardlink else "0"]
    with quick(path, use_hardlink=hardlink):
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Unable to acquire lock" in done.stderr
        assert time.monotonic() - started > 2
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "held\n"


RWLOCK_DVC = """
import os, sys
from dvc.fs import localfs
from dvc.rwlock import rwlock
folder = os.path.dirname(sys.argv[1])
with rwlock(folder, localfs, "dvc repro", [], ["/r/data"], False):
    print("held", flush=True); sys.stdin.read()
"""


@needs_dvc
def test_a_pipeline_of_dvc_is_respected(path):
    with held(DVC_PYTHON, RWLOCK_DVC, path, hardlink=False) as process:
        with pytest.raises(Conflict) as caught:
            check_pipelines(os.path.dirname(path), ["/r/data/x"])
        assert caught.value.fields["pid"] == process.pid
        check_pipelines(os.path.dirname(path), ["/r/other"])
    check_pipelines(os.path.dirname(path), ["/r/data/x"])
