"""Keys that obstore refuses: a base url with a slash at its end gives `pre//x/…`, where dvc's data then lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labops import agreement
from labops.drivers.s3 import downloading, uploading
from labops.drivers.s3.direct import is_odd
from labops.errors import Corrupt, NotFound
from labops.model import HashName
from labops.places.remote import Remote, open_remote
from labops.testing.remote_contract import key_of, oid_of, sample

MIB = 1 << 20


@pytest.mark.parametrize("key", ["a//b", "/a", "a/", "a/./b", "../a", "a/..", ".", "a\nb", "a\x7f"])
def test_odd_keys(key: str) -> None:
    assert is_odd(key)


@pytest.mark.parametrize("key", ["a/b", "a b/c+d", "a..b/.c", "...", "é/ü", "a/b.dir"])
def test_ordinary_keys(key: str) -> None:
    assert not is_odd(key)


@pytest.fixture
def odd(on_ministack: Any, tmp_path: Path) -> Iterator[Remote]:
    settings = on_ministack.settings
    remote = open_remote(settings._replace(url=f"{settings.url}//x"), HashName.MD5, state_dir=str(tmp_path / "state"))
    yield remote
    remote.close()


def test_everything_works_on_doubled_slashes(odd: Remote, on_ministack: Any, tmp_path: Path) -> None:
    objects = sample(30) | {oid_of(b""): b""}
    for number, (oid, data) in enumerate(objects.items()):
        if number % 2:
            odd.upload_bytes(oid, data)
        else:
            (tmp_path / oid).write_bytes(data)
            odd.upload(oid, str(tmp_path / oid), len(data))
    assert all(on_ministack.get("/x/" + key_of(oid)) == data for oid, data in objects.items())
    some = list(objects)[:3]
    assert odd.contains([*some, oid_of(b"absent")]) == set(some)
    assert odd.contains([*objects, oid_of(b"absent")]) == set(objects)
    assert dict(odd.list()) == {oid: len(data) for oid, data in objects.items()}
    for oid, data in objects.items():
        assert odd.read(oid) == data
        assert odd.download(oid, str(tmp_path / f"{oid}.out")) == len(data)
        assert (tmp_path / f"{oid}.out").read_bytes() == data
    odd.delete([*some, oid_of(b"absent")])
    assert odd.contains(list(objects)) == set(objects) - set(some)
    with pytest.raises(NotFound):
        odd.read(some[0])


def test_large_objects_travel_in_parts_and_ranges(odd: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "MULTIPART_FROM", 10 * MIB)
    monkeypatch.setattr(agreement, "PART", 6 * MIB)
    monkeypatch.setattr(downloading, "RANGED", 10 * MIB)
    data = bytes(range(256)) * (18 * MIB // 256) + b"end"
    (tmp_path / "big").write_bytes(data)
    odd.upload(oid_of(data), str(tmp_path / "big"), len(data))
    assert odd.download(oid_of(data), str(tmp_path / "out")) == len(data)
    assert (tmp_path / "out").read_bytes() == data
    monkeypatch.setattr(downloading, "RANGED", 1 << 40)
    odd.download(oid_of(data), str(tmp_path / "streamed"))
    assert (tmp_path / "streamed").read_bytes() == data
    with pytest.raises(Corrupt):
        odd.upload(oid_of(b"other"), str(tmp_path / "big"), len(data))
