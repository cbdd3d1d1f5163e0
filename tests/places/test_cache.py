"""The cache contract, for both layouts, alone and shared."""

from __future__ import annotations

from labops.model import HashName
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
