"""The recipes for coming from Git LFS and from rsync folders, step by step as the pages say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labops.errors import InvalidInput
from labops.model import Action, Selection
from labops.project import Project
from labops.source import forget_clones, open_source
from labops.source.versions import at_version
from labops.verbs.add import add
from labops.verbs.data_status import data_status
from labops.verbs.get import get
from labops.verbs.init import init
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.remotes import add as add_remote


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


def files(folder: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    forget_clones()
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    return folder


def start(tmp_path: Path) -> None:
    """`lab init` and a remote."""
    init()
    add_remote(os.getcwd(), "storage", str(tmp_path / "store"), is_default=True)
    (tmp_path / "store").mkdir()


def test_from_git_lfs(registry: Path, tmp_path: Path):
    """`docs/how-to/from-git-lfs.md`, from the moment when the real files are there."""
    images = {"a.png": b"a" * 100, "s/b.png": b"b" * 100}
    for name, data in images.items():
        place = registry / "data/images" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    Path(".gitattributes").write_text("data/other/** -text\n")
    git("add", "-A")
    git("commit", "-qm", "as LFS left it")
    start(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        add(Project.find(), ["data/images"])
    assert caught.value.code == "git-tracked"
    git("rm", "-r", "-q", "--cached", "data/images")
    add(Project.find(), ["data/images"])
    assert push(Project.find()).exit_code == 0
    git("add", ".gitattributes", "data/images.dvc", "data/.gitignore", ".dvc", ".dvcignore")
    git("commit", "-qm", "from Git LFS to lab")
    assert git("status", "--short") == ""
    status = data_status(Project.find(), (), not_in_remote=True)
    assert (status.not_in_remote, status.uncommitted.modified) == ((), ())
    git("clone", "-q", str(registry), str(tmp_path / "clone"))
    os.chdir(tmp_path / "clone")
    pull(Project.find())
    assert files("data/images") == images


def test_from_rsync_folders(registry: Path, tmp_path: Path):
    """`docs/how-to/from-rsync.md`: two dated folders become two versions; what they share is sent once."""
    old = {"v1": {"a": b"1\n", "gone": b"x\n", "s/b": b"2\n"}, "v2": {"a": b"1\n", "s/b": b"changed\n"}}
    for version, content in old.items():
        for name, data in content.items():
            place = tmp_path / f"dataset_{version}" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    start(tmp_path)
    sent = []
    for version in old:
        shutil.rmtree("dataset", ignore_errors=True)  # rsync -a --delete: the folder becomes the same
        shutil.copytree(tmp_path / f"dataset_{version}", "dataset")
        add(Project.find(), ["dataset"])
        sent.append(push(Project.find()).count(Action.UPLOAD))
        git("add", "-A")
        git("commit", "-qm", f"dataset {version}")
        git("tag", version)
    assert sent == [4, 2]  # three files and a listing; one file and a listing
    for version, content in old.items():
        get(open_source(".", version), "dataset", str(tmp_path / f"out-{version}"))
        assert files(tmp_path / f"out-{version}") == content
        source, path = at_version(open_source(registry.as_uri()), f"dataset@{version}")
        get(source, path, str(tmp_path / f"url-{version}"))
        assert files(tmp_path / f"url-{version}") == content
    pull(Project.find(), Selection(("dataset",)))
