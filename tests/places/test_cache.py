"""The cache contract, for both layouts, alone and shared."""

from __future__ import annotations

from labops.drivers import fs
from labops.model import HashName
from labops.places.cache import Cache
from labops.testing.cache_contract import CacheContract


class TestCache(CacheContract):
    """DVC 3.x, on one's own machine."""


class TestSharedCache(CacheContract):
    is_shared = True


class TestLegacyCache(CacheContract):
    """DVC 2.x."""

    hash_name = HashName.MD5_DOS2UNIX


class TestSharedLegacyCache(CacheContract):
    hash_name = HashName.MD5_DOS2UNIX
    is_shared = True


def test_a_file_system_without_reflinks_is_asked_once_a_folder(tmp_path, monkeypatch):
    """Each try makes and removes a file, which costs more than the copy of a small one."""
    asked = []
    monkeypatch.setattr(fs, "reflink", lambda source, target, **_: bool(asked.append(target)))
    cache = Cache(str(tmp_path / "cache"), link_types=("reflink", "copy"))
    (tmp_path / "source").write_bytes(b"1\n")
    with cache.batch() as batch:
        oid = batch.store_file(str(tmp_path / "source")).oid
    asked.clear()

    kinds = [cache.link(oid, str(tmp_path / name)) for name in ("a", "b", "c")]

    assert kinds == ["copy"] * 3
    assert asked == [str(tmp_path / "a")]
