"""`lab verify --remote` on a real S3 server: what its own checksums prove is not downloaded."""

from __future__ import annotations

import base64
import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

from labops.model import Oid, Selection
from labops.project import Project
from labops.proof.words import Look, Where
from labops.testing.remote_contract import key_of, oid_of
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.push import push
from labops.verbs.verify import Proof, VerifyOptions, verify

MIB = 1 << 20
BIG = random.Random(5).randbytes(11 * MIB)
SMALL = b"small"


@pytest.fixture
def world(on_ministack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A folder with a big and a small file, pushed to a fresh bucket."""
    world = World(tmp_path / "world")
    settings = on_ministack.settings
    options = "".join(f"    {name} = {value}\n" for name, value in settings.options.items())
    (world.repo / ".dvc/config").write_text(
        f"[core]\n    remote = b\n['remote \"b\"']\n    url = {settings.url}\n{options}"
    )
    world.write("d", {"big": BIG, "small": SMALL})
    monkeypatch.chdir(world.repo)
    add(Project.find(), ["d"])
    push(Project.find())
    return world


def prove(*, repair: bool = False, is_store_believed: bool = True) -> tuple[Proof, Look]:
    options = VerifyOptions(frozenset({Where.REMOTE}), repair=repair, is_store_believed=is_store_believed)
    proof = verify(Project.find(), Selection(), options)
    return proof, proof.looks[0]


def in_parts(backing: Any, data: bytes, part: int, name: Oid | None = None) -> None:
    """Store `data` as an upload in parts, as other programs do: its etag is no md5 of the whole."""
    key = backing.prefix + key_of(name or oid_of(data))
    upload = backing.client.create_multipart_upload(Bucket=backing.bucket, Key=key)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(data), part), 1):
        answer = backing.client.upload_part(
            Bucket=backing.bucket, Key=key, UploadId=upload, PartNumber=number, Body=data[start : start + part]
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    backing.client.complete_multipart_upload(
        Bucket=backing.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )


@pytest.mark.usefixtures("world")
def test_plain_objects_cost_one_listing() -> None:
    proof, look = prove()
    assert proof.findings == ()
    assert (look.by_store, look.hashed, look.downloaded_bytes) == (3, 0, 0)
    assert look.requests <= 3


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("part", [5 * MIB, 8 * MIB])
def test_an_upload_in_parts_is_told_by_the_good_copy_here(on_ministack: Any, part: int) -> None:
    in_parts(on_ministack, BIG, part)
    proof, look = prove()
    assert proof.findings == ()
    assert (look.by_store, look.downloaded_bytes) == (3, 0)


def test_an_upload_in_parts_is_read_where_there_is_no_copy(world: World, on_ministack: Any) -> None:
    in_parts(on_ministack, BIG, 5 * MIB)
    oid = oid_of(BIG)
    (world.cache / "files/md5" / oid[:2] / oid[2:]).unlink()
    proof, look = prove()
    assert proof.findings == ()
    assert (look.by_store, look.downloaded_bytes) == (2, len(BIG))


def test_a_rotten_copy_here_is_no_measure(world: World, on_ministack: Any) -> None:
    """It looks as it did when it was verified, and somebody pushed it with a tool that does not hash."""
    oid = oid_of(BIG)
    rotten = bytes([BIG[0] ^ 1]) + BIG[1:]
    path = world.cache / "files/md5" / oid[:2] / oid[2:]
    info = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.write(rotten)
    path.chmod(0o444)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    in_parts(on_ministack, rotten, 5 * MIB, name=oid)
    proof, _ = prove()
    assert [finding.paths for finding in proof.findings] == [("d/big",)]


@pytest.mark.usefixtures("world")
def test_a_damaged_upload_in_parts_is_found_and_mended(on_ministack: Any) -> None:
    key = on_ministack.prefix + key_of(oid_of(BIG))
    bad = bytes([BIG[0] ^ 1]) + BIG[1:]
    on_ministack.client.put_object(Bucket=on_ministack.bucket, Key=key, Body=bad)
    proof, look = prove()
    assert [finding.paths for finding in proof.findings] == [("d/big",)]
    assert look.downloaded_bytes == len(BIG)
    assert prove(repair=True)[0].exit_code == 0
    assert on_ministack.get(key_of(oid_of(BIG))) == BIG


def test_kept_checksums_are_compared_with_the_good_copy(
    world: World, on_ministack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a bucket with KMS encryption: the etag says nothing, but a sha256 is kept."""
    from labops.places.remote.bucket import BucketRemote
    from labops.planning.proof import Held

    for data in (BIG, SMALL):
        digest = hashlib.sha256(data)
        on_ministack.client.put_object(
            Bucket=on_ministack.bucket,
            Key=on_ministack.prefix + key_of(oid_of(data)),
            Body=data,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
        )
    assert (
        Project.find(str(world.repo)).remote().checksums(oid_of(SMALL))["sha256"] == hashlib.sha256(SMALL).hexdigest()
    )
    real = BucketRemote.fingerprints

    def veiled(self: BucketRemote, oids: Any, **rest: Any) -> Any:
        return {oid: Held(held.size, "f" * 32) for oid, held in real(self, oids, **rest).items()}

    monkeypatch.setattr(BucketRemote, "fingerprints", veiled)
    proof, look = prove()
    assert proof.findings == ()
    assert look.by_store == 2  # the tree object has none, and is read
    assert 0 < look.downloaded_bytes < 1000


@pytest.mark.usefixtures("world")
def test_every_object_is_read_when_asked() -> None:
    proof, look = prove(is_store_believed=False)
    assert proof.findings == ()
    assert look.by_store == 0
    assert look.downloaded_bytes > len(BIG)
