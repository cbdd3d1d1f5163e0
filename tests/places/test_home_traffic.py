"""What a home asks of a store: how many requests, how much memory, and what becomes of a killed transfer."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labops.drivers import forking
from labops.drivers.s3 import storing
from labops.drivers.s3.listing import read_dated_page
from labops.home import HomeFolder, Link, write_link
from labops.model import RemoteSettings
from labops.places.home import Facts, Source, open_home
from labops.testing.proxy import Proxy, proxy
from labops.transfer import children
from labops.verbs.home_sync import sync_home


@pytest.fixture
def counted(on_rclone: Any) -> Iterator[tuple[Any, Proxy]]:
    with proxy(on_rclone.server.endpoint) as counting:
        yield on_rclone, counting


def linked(root: Path, settings: RemoteSettings) -> HomeFolder:
    root.mkdir(exist_ok=True)
    write_link(str(root), Link(settings.url, settings.options))
    return HomeFolder(str(root), Link(settings.url, settings.options))


def test_a_sync_that_changes_nothing_costs_its_pages_and_nothing_else(
    tmp_path: Path, counted: tuple[Any, Proxy]
) -> None:
    """3,000 keys are 3 LISTs: asked for side by side, and no request a file."""
    backing, counting = counted
    folder = linked(tmp_path / "a", backing.at(counting.endpoint))
    for number in range(3000):
        path = tmp_path / "a" / f"{number % 10}" / f"{number:04}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number)
        os.utime(path, (1, 1))
    assert len(sync_home(folder).ended) == 3000
    sync_home(folder)
    counting.asked.clear()
    report = sync_home(folder)

    assert report.plan.is_idle
    assert report.plan.kept == 3000
    assert dict(counting.counts()) == {"LIST": 3}
    folder.home.close()


def test_a_first_sync_asks_once_a_file(tmp_path: Path, counted: tuple[Any, Proxy]) -> None:
    """One listing, one PUT each, and the few requests that find out what the store can do."""
    backing, counting = counted
    folder = linked(tmp_path / "a", backing.at(counting.endpoint))
    for number in range(50):
        (tmp_path / "a" / f"{number}").write_bytes(b"%d" % number)
    sync_home(folder)

    counts = counting.counts()
    assert counts["LIST"] == 1
    assert 50 <= counts["PUT"] <= 60
    assert counts["HEAD"] == 0
    folder.home.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_many_small_files_are_shared_out_and_still_asked_for_once(
    tmp_path: Path, counted: tuple[Any, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forked children send and fetch; times, modes, links and the base are as ever."""
    monkeypatch.setattr(forking, "processors", lambda **_: 2)
    backing, counting = counted
    count = children.FROM_ITEMS + 50
    folder = linked(tmp_path / "a", backing.at(counting.endpoint))
    for number in range(count):
        path = tmp_path / "a" / f"{number % 7}" / f"{number:03}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number)
        os.utime(path, ns=(10**9 * (number + 1),) * 2)
    (tmp_path / "a/0/000").chmod(0o755)
    (tmp_path / "a/link").symlink_to("0/000")
    sync_home(folder)
    counts = counting.counts()
    assert counts["GET"] == 0
    assert count + 1 <= counts["PUT"] <= count + 10

    counting.asked.clear()
    other = linked(tmp_path / "b", backing.at(counting.endpoint))
    report = sync_home(other)
    assert not report.errors
    assert dict(counting.counts()) == {"LIST": 1, "GET": count + 1}
    for number in range(count):
        path = tmp_path / "b" / f"{number % 7}" / f"{number:03}"
        assert path.read_bytes() == b"%d" % number
        assert path.stat().st_mtime_ns == 10**9 * (number + 1)
    assert os.access(tmp_path / "b/0/000", os.X_OK)
    assert not os.access(tmp_path / "b/1/001", os.X_OK)
    assert os.readlink(tmp_path / "b/link") == "0/000"
    assert not list((tmp_path / "b/.lab/tmp").iterdir())
    assert sync_home(other).plan.is_idle
    assert sync_home(folder).plan.is_idle
    folder.home.close()
    other.home.close()


def test_a_listing_takes_the_memory_of_one_page(counted: tuple[Any, Proxy]) -> None:
    """However long it is."""
    backing, _ = counted
    home = open_home(backing.settings)
    for number in range(2500):
        backing.put(f"{number:05}", b"")
    next(iter(home.list()))
    tracemalloc.start()
    count = sum(len(page) for page in home.list())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 2500
    assert peak < 6_000_000
    home.close()


def test_control_characters_in_a_listing_are_decoded() -> None:
    """The url encoding that S3 offers for just this."""
    body = (
        b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents>"
        b"<Key>a%01b%2F%2F+c%2B%0A</Key><LastModified>2026-04-01T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag>"
        b"<Size>3</Size></Contents></ListBucketResult>"
    )
    rows, is_cut, _ = read_dated_page(body)

    assert rows == [("a\x01b// c+\n", 3, "e", "2026-04-01T00:00:00Z")]
    assert not is_cut


def test_a_killed_upload_goes_on_where_it_stopped(
    tmp_path: Path, on_ministack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that arrived are not sent again; the object has its name, its metadata and its whole content."""
    monkeypatch.setattr(storing, "MULTIPART_FROM", 10 << 20)
    monkeypatch.setattr(storing, "part_size", lambda _: 5 << 20)
    path = tmp_path / "big"
    path.write_bytes(os.urandom(23 << 20))
    source = Source(str(path), 23 << 20, Facts(1_700_000_000_000_000_000, True))
    journal = str(tmp_path / "journal")
    with proxy(on_ministack.server.endpoint) as counting:
        home = open_home(on_ministack.at(counting.endpoint))
        home.store.conditions  # noqa: B018 - asked for now, so that it is not counted below
        sent: list[int] = []

        def fail(asked: Any) -> int | None:
            if asked.kind == "PART":
                sent.append(asked.size)
                return 403 if len(sent) > 3 else None
            return None

        counting.rule = fail
        with pytest.raises(Exception, match="may not"):
            home.put("big", source, None, "stamp", journal)
        counting.rule = lambda _: None
        counting.asked.clear()
        put = home.put("big", source, None, "stamp", journal)

        assert counting.counts()["PART"] < 5
        assert on_ministack.get("big") == path.read_bytes()
        assert home.get("big", str(tmp_path / "back")).facts == source.facts
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
        assert put.mark.endswith("-5")
        assert not Path(journal).exists()
        home.close()


def test_versions_of_a_bucket_take_the_place_of_the_trash(tmp_path: Path, on_ministack: Any) -> None:
    """Where the bucket keeps what is overwritten, nothing is copied, and it is found again."""
    on_ministack.client.put_bucket_versioning(Bucket=on_ministack.bucket, VersioningConfiguration={"Status": "Enabled"})
    home = open_home(on_ministack.settings)
    home.put("a", Source(b"first", 5, Facts()), None, "stamp")
    (row,) = next(iter(home.list()))
    from labops.agreement import There

    home.put("a", Source(b"second", 6, Facts()), There(row.size, row.mark), "stamp")
    (row,) = next(iter(home.list()))
    home.remove("a", There(row.size, row.mark), "stamp")

    assert list(home.list_trash()) == []
    found = [version for version in home.versions() if version.ended]
    contents = set()
    for number, version in enumerate(found):
        home.get(version.key, str(tmp_path / str(number)), version=version.version)
        contents.add((tmp_path / str(number)).read_bytes())
    assert contents == {b"first", b"second"}
    home.close()
