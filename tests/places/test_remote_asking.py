"""How a bucket remote asks, against a model: whatever the store holds and however it pages, the answer is right."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labops.drivers.s3 import Row
from labops.model import HashName, Oid, parse_oid
from labops.places.remote import asking
from labops.places.remote.bucket import BucketRemote
from labops.places.remote.knowledge import Knowledge
from labops.testing.remote_contract import key_of


class ModelBucket:
    """Keys in memory, listed in pages; counts requests."""

    is_s3 = True
    honours_ranges = True

    def __init__(self, keys: Collection[str], page: int) -> None:
        self._keys, self._page = sorted(keys), page
        self.lists = self.asked = 0

    def list(self, prefix: str) -> Iterator[Sequence[Row]]:
        rows = [Row(key, 1, "") for key in self._keys if key.startswith(prefix)]
        for start in range(0, max(len(rows), 1), self._page):
            self.lists += 1
            yield rows[start : start + self._page]

    def list_each(self, prefixes: Sequence[str]) -> Iterator[Sequence[Row]]:
        for prefix in prefixes:
            yield from self.list(prefix)

    def heads(self, keys: Collection[str]) -> dict[str, Row | None]:
        self.asked += len(keys)
        return {key: Row(key, 1, "") if key in self._keys else None for key in keys}


def _oids(count: int, seed: int, *, is_tree: bool = False) -> list[Oid]:
    return [
        parse_oid(hashlib.md5(f"{seed}-{number}".encode()).hexdigest() + (".dir" if is_tree else ""))
        for number in range(count)
    ]


def _remote(bucket: Any, hash_name: HashName) -> BucketRemote:
    return BucketRemote("r", "s3://b/p", bucket, "p", hash_name, Knowledge(None, ""))


@given(
    held=st.integers(0, 2500),
    trees=st.integers(0, 30),
    wanted=st.integers(0, 300),
    strangers=st.integers(0, 40),
    page=st.sampled_from([7, 100, 1000]),
    hash_name=st.sampled_from(HashName),
    is_s3=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_answer_is_right_whatever_the_pages(
    held: int, trees: int, wanted: int, strangers: int, page: int, hash_name: HashName, is_s3: bool
) -> None:
    present = {*_oids(held, 1), *_oids(trees, 2, is_tree=True)}
    foreign = {f"p/{number:02x}/x" for number in range(strangers)} | {f"p/files/{n}" for n in range(strangers)}
    bucket = ModelBucket({"p/" + key_of(oid, hash_name) for oid in present} | foreign, page)
    bucket.is_s3 = is_s3
    remote = _remote(bucket, hash_name)
    asked = {*_oids(min(wanted, held), 1), *_oids(wanted, 3), *_oids(min(trees, 5), 2, is_tree=True)}
    assert remote.contains(asked) == asked & present
    listed = list(remote.list())
    assert len(listed) == len(set(listed))
    assert {oid for oid, _ in listed} == present


def test_requests_stay_near_the_cheapest_way() -> None:
    present = _oids(20_000, 1)
    keys = {"p/" + key_of(oid) for oid in present}
    for wanted in (1, 4, 5, 40, 400, 4_000, 20_000):
        bucket = ModelBucket(keys, 1000)
        assert _remote(bucket, HashName.MD5).contains(present[:wanted]) == set(present[:wanted])
        pages = 20
        cheapest = min(wanted, 4 * pages)
        assert bucket.asked + 4 * bucket.lists <= 2 * cheapest + 4 * 16 + 8
        if wanted > 4 * pages:
            assert bucket.asked == 0


def test_prefixes_cover_what_is_wanted() -> None:
    wanted = _oids(500, 1)
    for pages in (2.0, 50.0, 5000.0):
        for is_folder_only in (False, True):
            tails = asking.prefixes(wanted, pages, is_folder_only=is_folder_only)
            assert all(any(f"{oid[:2]}/{oid[2:]}".startswith(tail) for tail in tails) for oid in wanted)
            assert len(tails) == len(set(tails)) <= 256
