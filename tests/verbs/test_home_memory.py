"""How much memory a sync of many files needs: bounded for each file, so that a large home fits a small machine."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

from labops.home import HomeFolder, Link
from labops.places.home import Home
from labops.testing.home_memory import MemoryStore
from labops.verbs.home_sync import sync_home

FILES = 4000
URL = "s3://bucket/me/p"
STORE = 350
"""Bytes that the stand-in for a bucket itself keeps for each object."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(FILES):
        path = tmp_path / f"{number // 1000:04d}/{number:06d}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number)
    return tmp_path


def peak(root: Path, store: MemoryStore) -> int:
    """Bytes for each file at the worst moment of one sync."""
    gc.collect()
    tracemalloc.start()
    try:
        sync_home(HomeFolder(str(root), Link(URL, {}), home=Home(URL, store), machine="laptop"))
        return tracemalloc.get_traced_memory()[1] // FILES
    finally:
        tracemalloc.stop()


def test_a_sync_needs_less_than_a_kilobyte_for_each_file(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With 200,000 files the first sync then stays below 300 MB, and so does one that changes nothing."""
    peak(tmp_path_factory.mktemp("empty"), MemoryStore())  # what is loaded once does not count
    store = MemoryStore()
    assert peak(folder, store) < 1000 + STORE
    again = peak(folder, store)
    assert again < 900
