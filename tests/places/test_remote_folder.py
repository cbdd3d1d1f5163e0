"""The remote contract on a folder, and what only a folder has: modes, marks, mounts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from labops.errors import NotFound
from labops.model import HashName, RemoteSettings
from labops.places.remote import Remote, open_remote
from labops.testing.remote_contract import RemoteContract, key_of, oid_of, sample


class FolderBacking:
    """A folder, reached with plain file calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = RemoteSettings("storage", str(root), {})

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)

    def get(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.exists() else None

    def keys(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def absent(self) -> RemoteSettings:
        return RemoteSettings("storage", str(self.root.parent / "unmounted" / "store"), {})


class TestFolder(RemoteContract):
    @pytest.fixture
    def backing(self, tmp_path: Path) -> FolderBacking:
        return FolderBacking(tmp_path / "store")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def backing(tmp_path: Path) -> FolderBacking:
    return FolderBacking(tmp_path / "store")


def test_objects_are_marked_as_verified_only_once_they_are_durable(backing: FolderBacking, tmp_path: Path) -> None:
    remote = open_remote(backing.settings, HashName.MD5)
    path = backing.root / key_of(oid_of(b"x"))
    remote.upload_bytes(oid_of(b"x"), b"x")
    assert _mode(path) != 0o444
    remote.finish()
    assert _mode(path) == 0o444


def test_what_a_power_cut_left_is_not_believed(backing: FolderBacking) -> None:
    good, torn = oid_of(b"good"), oid_of(b"torn")
    backing.put(key_of(good), b"good")
    backing.put(key_of(torn), b"\0\0\0\0")
    for oid in (good, torn):
        (backing.root / key_of(oid)).chmod(0o644)
    remote = open_remote(backing.settings, HashName.MD5)
    assert remote.contains([good, torn]) == {good}
    assert _mode(backing.root / key_of(good)) == 0o444
    remote.upload_bytes(torn, b"torn")
    remote.finish()
    assert remote.contains([torn]) == {torn}


def test_shared_folders_belong_to_the_group(tmp_path: Path) -> None:
    settings = RemoteSettings("storage", str(tmp_path / "store"), {"shared": "group"})
    before = os.umask(0o077)
    try:
        remote = open_remote(settings, HashName.MD5)
        remote.upload_bytes(oid_of(b"x"), b"x")
        remote.finish()
    finally:
        os.umask(before)
    path = tmp_path / "store" / key_of(oid_of(b"x"))
    assert _mode(path) == 0o444
    folders = [path.parent, path.parent.parent, path.parent.parent.parent]
    assert [_mode(folder) for folder in folders] == [0o2775] * 3


def test_a_first_push_makes_the_folder_but_not_its_parent(tmp_path: Path) -> None:
    remote = open_remote(RemoteSettings("storage", str(tmp_path / "new"), {}), HashName.MD5)
    remote.check()
    assert remote.contains([oid_of(b"x")]) == set()
    with pytest.raises(NotFound):  # an unmounted share looks the same, and a listing serves to delete
        list(remote.list())
    assert not (tmp_path / "new").exists()
    remote.upload_bytes(oid_of(b"x"), b"x")
    assert (tmp_path / "new").is_dir()


def test_a_share_that_went_away_is_told_from_a_missing_object(backing: FolderBacking, tmp_path: Path) -> None:
    remote = open_remote(backing.settings, HashName.MD5)
    with pytest.raises(NotFound) as caught:
        remote.read(oid_of(b"x"))
    assert caught.value.code == "no-such-folder"
    assert "mounted" in caught.value.hint


def test_contains_lists_each_folder_once_and_opens_nothing(
    backing: FolderBacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = sample(600)
    for oid, data in objects.items():
        backing.put(key_of(oid), data)
    listed: list[str] = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or real(path))
    monkeypatch.setattr(os, "open", None)
    remote: Remote = open_remote(backing.settings, HashName.MD5)
    assert remote.contains(list(objects)) == set(objects)
    assert len(listed) == len(set(listed)) <= 256


def test_an_upload_that_is_cut_leaves_no_name(backing: FolderBacking, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = open_remote(backing.settings, HashName.MD5)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        remote.upload_bytes(oid_of(b"x"), b"x")
    assert backing.keys() == set()
