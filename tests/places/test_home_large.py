"""Large files of a home are hashed in parts, side by side: the digest is the etag that S3 gives an object in parts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from labops import agreement
from labops.agreement import There
from labops.drivers.s3 import downloading, plain, storing
from labops.errors import Corrupt
from labops.home import HomeFolder, Link, write_link
from labops.home.carrying import fetch
from labops.model import RemoteSettings
from labops.places.home import Facts, Source, open_home
from labops.planning.home import Do
from labops.testing.proxy import proxy
from labops.verbs.home_sync import sync_home

MIB = 1 << 20
SIZE = 12 * MIB + 7


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large begins at 10 MiB, so that a test need not move a hundred."""
    monkeypatch.setattr(agreement, "PART", 5 * MIB)
    monkeypatch.setattr(downloading, "STEP", 2 * MIB)
    monkeypatch.setattr(storing, "MULTIPART_FROM", 10 * MIB)
    monkeypatch.setattr(plain, "RANGED", 10 * MIB)
    monkeypatch.setattr(plain, "PARTS_FROM", 10 * MIB)


def expected(data: bytes) -> str:
    parts = [hashlib.md5(data[at : at + 5 * MIB]).digest() for at in range(0, len(data), 5 * MIB)]
    return f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def linked(root: Path, settings: RemoteSettings) -> HomeFolder:
    root.mkdir(exist_ok=True)
    write_link(str(root), Link(settings.url, settings.options))
    return HomeFolder(str(root), Link(settings.url, settings.options))


def test_the_digest_of_a_large_file_is_its_etag_both_ways(tmp_path: Path, on_ministack: Any) -> None:
    home = open_home(on_ministack.settings)
    data = os.urandom(SIZE)
    (tmp_path / "big").write_bytes(data)
    put = home.put("big", Source(str(tmp_path / "big"), SIZE, Facts()), None, "stamp")
    got = home.get("big", str(tmp_path / "back"))
    home.close()

    assert (tmp_path / "back").read_bytes() == data
    assert put.digest == got.digest == put.mark == got.mark == expected(data)


def test_a_store_that_lists_another_etag_than_it_said_is_in_sync(tmp_path: Path, on_rclone: Any) -> None:
    """`rclone serve s3` calls a new object by its parts, and lists it by the md5 of the whole: nothing changed."""
    data = os.urandom(SIZE)
    laptop = linked(tmp_path / "laptop", on_rclone.settings)
    (tmp_path / "laptop/big").write_bytes(data)
    sync_home(laptop)
    again = sync_home(linked(tmp_path / "laptop", on_rclone.settings))
    (tmp_path / "laptop/big").write_bytes(data[::-1])
    changed = sync_home(linked(tmp_path / "laptop", on_rclone.settings))

    assert again.plan.is_idle
    assert [step.do for step in changed.plan.steps] == [Do.UPLOAD]
    assert not changed.errors


def test_an_object_that_was_replaced_at_once_is_not_taken_for_ours(
    tmp_path: Path, on_rclone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our last request and the look at what came of it another tool writes: the next sync fetches that."""
    laptop = linked(tmp_path / "laptop", on_rclone.settings)
    (tmp_path / "laptop/big").write_bytes(os.urandom(SIZE))
    theirs = os.urandom(SIZE)
    look = storing.look

    def overtaken(bucket: Any, key: str) -> Any:
        bucket.put(key, theirs)
        return look(bucket, key)

    with monkeypatch.context() as patch:
        patch.setattr(storing, "look", overtaken)
        sync_home(laptop)
    sync_home(linked(tmp_path / "laptop", on_rclone.settings))

    assert (tmp_path / "laptop/big").read_bytes() == theirs


@pytest.mark.parametrize("size", [10 * MIB, 15 * MIB, 15 * MIB + 1])
def test_parts_that_end_just_there(tmp_path: Path, on_ministack: Any, size: int) -> None:
    home = open_home(on_ministack.settings)
    data = os.urandom(size)
    (tmp_path / "big").write_bytes(data)
    put = home.put("big", Source(str(tmp_path / "big"), size, Facts()), None, "stamp")
    got = home.get("big", str(tmp_path / "back"))
    home.close()

    assert put.digest == got.digest == expected(data)


@pytest.mark.parametrize("is_always", [False, True])
def test_a_part_damaged_on_its_way_down_is_noticed(
    tmp_path: Path, on_ministack: Any, monkeypatch: pytest.MonkeyPatch, is_always: bool
) -> None:
    """It is fetched once more; when that is damaged too, there is no file."""
    home = open_home(on_ministack.settings)
    data = os.urandom(SIZE)
    (tmp_path / "big").write_bytes(data)
    put = home.put("big", Source(str(tmp_path / "big"), SIZE, Facts()), None, "stamp")
    right = downloading.get_range
    damaged = []

    def get_range(*words: Any) -> bool:
        *rest, write = words

        def spoil(data: bytes, at: int) -> None:
            if not damaged or is_always:
                damaged.append(len(damaged) % 255 + 1)
                data = bytes([data[0] ^ damaged[-1]]) + data[1:]
            write(data, at)

        return right(*rest, spoil)

    monkeypatch.setattr(downloading, "get_range", get_range)
    there, back = There(SIZE, put.mark), tmp_path / "back"
    if is_always:
        with pytest.raises(Corrupt) as caught:
            fetch(home, "big", there, str(back))
        assert caught.value.code == "corrupt-download"
        assert not back.exists()
    else:
        assert fetch(home, "big", there, str(back)).digest == put.digest
        assert back.read_bytes() == data
    home.close()


def test_an_object_parted_elsewhere_is_taken_as_it_comes(tmp_path: Path, on_ministack: Any) -> None:
    """Of as many parts as ours, but other ones: its etag is not our digest, and that is no damage."""
    client, bucket, data = on_ministack.client, on_ministack.bucket, os.urandom(SIZE)
    key = "some/prefix/big"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, piece in enumerate((data[: 6 * MIB], data[6 * MIB : 12 * MIB], data[12 * MIB :]), 1):
        sent = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    home = open_home(on_ministack.settings)
    got = fetch(home, "big", None, str(tmp_path / "back"))
    home.close()

    assert (tmp_path / "back").read_bytes() == data
    assert got.digest == expected(data)


def test_without_a_base_the_etag_alone_tells_that_both_sides_agree(tmp_path: Path, on_ministack: Any) -> None:
    with proxy(on_ministack.server.endpoint) as counting:
        settings = on_ministack.at(counting.endpoint)
        folder = linked(tmp_path / "a", settings)
        (tmp_path / "a/big").write_bytes(os.urandom(SIZE))
        sync_home(folder)
        (tmp_path / "a/.lab/base").unlink()
        counting.asked.clear()
        report = sync_home(folder)
        folder.home.close()

        assert [one.step.do for one in report.ended] == []
        assert [step.do for step in report.plan.steps] == [Do.AGREE]
        assert counting.counts()["GET"] == 0


def test_a_large_file_that_was_touched_or_renamed_is_not_sent_again(tmp_path: Path, on_ministack: Any) -> None:
    folder = linked(tmp_path / "a", on_ministack.settings)
    path = tmp_path / "a/big"
    path.write_bytes(os.urandom(SIZE))
    sync_home(folder)
    os.utime(path, (1, 1))
    assert [step.do for step in sync_home(folder).plan.steps] == [Do.AGREE]
    path.rename(tmp_path / "a/new")

    assert [step.do for step in sync_home(folder).plan.steps] == [Do.MOVE]
    folder.home.close()


def test_another_machine_gets_it_and_a_damaged_base_costs_nothing(tmp_path: Path, on_ministack: Any) -> None:
    """The second machine's base knows the digest of parts, as the first one's does."""
    first, second = linked(tmp_path / "a", on_ministack.settings), linked(tmp_path / "b", on_ministack.settings)
    data = os.urandom(SIZE)
    (tmp_path / "a/big").write_bytes(data)
    sync_home(first)
    sync_home(second)

    assert (tmp_path / "b/big").read_bytes() == data
    assert first.load_base().rows["big"].digest == second.load_base().rows["big"].digest == expected(data)
    first.home.close()
    second.home.close()
