"""The cache contract, for both layouts, alone and shared."""

from __future__ import annotations

import hashlib
import os

from labops.drivers import fs
from labops.model import HashName, Oid
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


def test_a_batch_proves_what_is_still_there(tmp_path):
    """Only for objects that nobody took away meanwhile, and never when a folder is too young to tell."""
    cache = Cache(str(tmp_path / "cache"))
    oids = [Oid(hashlib.md5(data).hexdigest()) for data in (b"one", b"two")]
    with cache.batch() as batch:
        for oid, data in zip(oids, (b"one", b"two"), strict=True):
            batch.store_bytes(oid, data)
    assert batch.proof(oids) == b"", "written just now"
    for oid in oids:
        os.utime(os.path.dirname(cache.path(oid)), (1e9, 1e9))

    assert batch.proof(oids) == cache.witness() != b""
    os.unlink(cache.path(oids[0]))
    os.utime(os.path.dirname(cache.path(oids[0])), (1e9 + 1, 1e9 + 1))
    assert batch.proof(oids) == b""
