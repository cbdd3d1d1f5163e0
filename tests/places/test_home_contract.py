"""The home contract on real stores: S3 with and without conditions, a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labops.model import RemoteSettings
from labops.testing.home_contract import ODD_NAMES, HomeContract


class TestMiniStack(HomeContract):
    @pytest.fixture
    def backing(self, on_ministack: Any) -> Any:
        return on_ministack


class TestCeph(HomeContract):
    @pytest.fixture
    def backing(self, on_ceph: Any) -> Any:
        return on_ceph


class TestRclone(HomeContract):
    """The weak one: it ignores every condition, and cleans names."""

    odd_keys = ODD_NAMES

    @pytest.fixture
    def backing(self, on_rclone: Any) -> Any:
        return on_rclone


class TestAzure(HomeContract):
    """Its emulator. What prepares the data here cannot make odd keys, and neither can labops read them there."""

    odd_keys = frozenset()

    @pytest.fixture
    def backing(self, on_azurite: Any) -> Any:
        return on_azurite


class FolderBacking:
    """Plain files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = RemoteSettings("home", str(root / "lab" / "member"))
        (root / "lab" / "member").mkdir(parents=True)

    def absent(self) -> RemoteSettings:
        return RemoteSettings("home", str(self.root / "not/mounted/member"))

    def put(self, key: str, data: bytes) -> None:
        path = self.root / "lab/member" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(data)
        fresh.rename(path)

    def get(self, key: str) -> bytes | None:
        path = self.root / "lab/member" / key
        return path.read_bytes() if path.exists() else None

    def keys(self) -> set[str]:
        root = self.root / "lab/member"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


class TestFolder(HomeContract):
    odd_keys = ODD_NAMES

    @pytest.fixture
    def backing(self, tmp_path: Path) -> FolderBacking:
        return FolderBacking(tmp_path)
