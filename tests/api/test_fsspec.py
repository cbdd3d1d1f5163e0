"""`lab://`: the file system that pandas, fsspec and others read from."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import fsspec
import pandas as pd
import pytest

import labops
from labops.fsspec import LabFileSystem
from labops.testing.toys3 import toy_s3
from tests.api.conftest import VERSIONS, Registry


def test_the_protocol_is_registered(registry: Registry) -> None:
    with fsspec.open("lab://cats@v1/2.txt", "rt") as file:
        assert file.read() == "two\n"
    with fsspec.open("lab://cats@v1/2.txt", "rb", repo=registry.url) as file:
        assert file.read() == b"two\n"
    assert isinstance(fsspec.filesystem("lab"), LabFileSystem)


def test_pandas_reads_a_version(registry: Registry) -> None:
    frame = pd.read_csv("lab://labels.csv@v1", storage_options={"repo": registry.url})

    assert frame.to_dict("records") == [{"name": "1.txt", "label": "cat"}]


@pytest.mark.parametrize("is_far", [False, True], ids=["here", "elsewhere"])
def test_looking_around(registry: Registry, is_far: bool) -> None:
    lab = labops.filesystem(registry.url if is_far else None)

    assert lab.ls("", detail=False) == [".dvcignore", ".gitignore", "cats", "labels.csv", "plain.txt"][1:]
    assert lab.ls("cats@v1", detail=False) == ["cats@v1/1.txt", "cats@v1/2.txt", "cats@v1/sub"]
    assert lab.find("lab://cats@v2/") == [f"cats@v2/{name}" for name in sorted(VERSIONS[1])]
    assert lab.glob("cats@v1/*.txt") == ["cats@v1/1.txt", "cats@v1/2.txt"]
    assert list(lab.walk("cats@v1")) == [("cats@v1", ["sub"], ["1.txt", "2.txt"]), ("cats@v1/sub", [], ["s.txt"])]
    assert (lab.isfile("cats@v1/2.txt"), lab.isdir("cats@v1/sub"), lab.exists("cats@v9")) == (True, True, False)
    assert lab.info("cats@v1/sub")["type"] == "directory"
    assert lab.cat("cats@v1/2.txt") == b"two\n"
    assert lab.info("cats@v1/2.txt")["size"] == 4
    assert lab.isdvc("cats") and not lab.isdvc("plain.txt")


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (1, 3), (-3, None), (None, -2), (2, None), (5, 2), (0, 99), (99, None)]
)
def test_ranges_are_those_of_slices(registry: Registry, start: int | None, end: int | None) -> None:
    lab = labops.filesystem(registry.url, version="v1")

    assert lab.cat_file("cats/sub/s.txt", start, end) == b"deep\n"[start:end]


def test_get_copies_a_folder(registry: Registry, tmp_path: Path) -> None:
    labops.filesystem(registry.url).get("cats@v1", str(tmp_path / "out"), recursive=True)
    labops.filesystem(registry.url).get_file("cats@v1/sub/s.txt", str(tmp_path / "deep/one"))

    assert {str(p.relative_to(tmp_path / "out")): p.read_text() for p in (tmp_path / "out").rglob("*.txt")} == VERSIONS[
        0
    ]
    assert (tmp_path / "deep/one").read_text() == "deep\n"
    assert os.access(tmp_path / "out/1.txt", os.W_OK)


def test_nothing_is_written(registry: Registry) -> None:
    lab = labops.filesystem()

    for work in (
        lambda: lab.open("cats/new", "wb"),
        lambda: lab.pipe_file("cats/new", b"x"),
        lambda: lab.mkdir("new"),
        lambda: lab.makedirs("new/er"),
        lambda: lab.rm_file("cats/1.txt"),
        lambda: lab.rm("cats/1.txt"),
        lambda: lab.touch("cats/new"),
        lambda: lab.cp_file("cats/1.txt", "cats/new"),
        lambda: lab.put_file(__file__, "cats/new"),
    ):
        with pytest.raises(OSError, match="only read") as caught:
            work()
        assert caught.value.errno == 30
    assert not (registry.root / "cats/new").exists()


def test_a_version_given_once_counts_for_every_path(registry: Registry) -> None:
    lab = labops.filesystem(version="v1")

    assert lab.cat_file("cats/2.txt") == b"two\n"
    assert lab.cat_file("cats@v2/2.txt") == b"two, again\n"
    assert lab.find("cats") == ["cats/1.txt", "cats/2.txt", "cats/sub/s.txt"]


def test_a_pickled_file_system_reads_the_same_commit(registry: Registry) -> None:
    lab = labops.filesystem(registry.url)
    assert lab.exists("cats/1.txt")
    told = pickle.dumps(lab)
    registry.write({"1.txt": "other\n"})
    registry.save("fourth", "cats")
    from labops.reading.readers import forget

    forget()

    same = pickle.loads(told)

    assert same.cat_file("cats/1.txt") == b"one\n"
    assert labops.filesystem(registry.url).cat_file("cats/1.txt") == b"other\n"


def _size(job: tuple[LabFileSystem, str]) -> int:
    lab, path = job
    return len(lab.cat_file(path))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_processes_read(registry: Registry, method: str) -> None:
    lab = labops.filesystem(registry.url, version="v1")
    jobs = [(lab, f"cats/{name}") for name in VERSIONS[0]]

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        sizes = list(pool.map(_size, jobs, timeout=120))

    assert sizes == [len(text) for text in VERSIONS[0].values()]


FORK = """
    import os, sys
    import labops

    url = sys.argv[1]
    lab = labops.filesystem(url, version="v1")
    assert lab.cat_file("cats/1.txt") == b"one\\n"          # the parent has talked to the remote
    assert "labops.drivers.s3.channel" in sys.modules
    children = []
    for name, want in (("2.txt", b"two\\n"), ("sub/s.txt", b"deep\\n")):
        child = os.fork()
        if not child:
            good = lab.cat_file(f"cats/{name}") == want
            good = good and labops.Dataset("cats", url, "v2").path("3.txt").endswith("3.txt")
            try:
                lab.cat_file("cats/gone")
            except FileNotFoundError:
                os._exit(0 if good else 1)
            os._exit(2)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    print("good")
"""


def test_forked_workers_read_from_the_cloud(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child must not talk on its parent's connections, nor wait for threads that only the parent has."""
    with toy_s3() as server:
        for path in registry.store.rglob("*"):
            if path.is_file():
                server.held[f"/bucket/{path.relative_to(registry.store)}"] = path.read_bytes()
        options = "".join(f"    {name} = {value}\n" for name, value in server.remote_options().items())
        (registry.root / ".dvc/config").write_text(
            f"[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket\n{options}"
        )
        registry.git("commit", "-qam", "to the cloud", cwd=registry.root)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FORK), registry.url],
            capture_output=True, text=True, timeout=120, check=False, cwd=registry.root.parent,
        )  # fmt: skip

    assert (done.stdout.strip(), done.returncode) == ("good", 0), done.stderr
