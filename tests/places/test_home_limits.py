"""What travels between a home and here is counted by its pace; links are signed; killed uploads are swept."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from labops.agreement import There
from labops.drivers.aws import AwsKeys
from labops.drivers.pace import Pace
from labops.drivers.s3 import signing, storing
from labops.drivers.s3.stale import read_uploads
from labops.errors import InvalidInput
from labops.home import HomeFolder, Link, write_link
from labops.home.naming import Spot
from labops.model import RemoteSettings
from labops.places.home import Facts, Home, Source, open_home
from labops.verbs.home_share import share_object
from labops.verbs.home_sync import SyncOptions, sync_home

STAMP = "2026-04-01/093000123-laptop-1f2e3d"


class Counted:
    """The takes of a pace whose time passes at once."""

    def __init__(self, pace: Pace) -> None:
        self.bytes = 0
        self.largest = 0
        take = pace.take
        pace._sleep = lambda seconds: None

        def counting(count: int) -> None:
            self.bytes += count
            self.largest = max(self.largest, count)
            take(count)

        pace.take = counting  # type: ignore[method-assign]


@pytest.fixture
def home(on_ministack: Any) -> Iterator[Home]:
    home = open_home(on_ministack.settings)
    home.store.conditions  # noqa: B018 - asked for now, so that it is not counted below
    yield home
    home.close()


@pytest.mark.parametrize("size", [1, 300_000, 3 << 20, 9 << 20, 23 << 20])
def test_every_way_up_and_down_keeps_the_limit(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Small, in one stream, in parts, by ranges: all bytes are counted once, in pieces that the rate allows."""
    monkeypatch.setattr(storing, "MULTIPART_FROM", 20 << 20)
    monkeypatch.setattr(storing, "part_size", lambda _: 5 << 20)
    monkeypatch.setattr("labops.drivers.s3.plain.RANGED", 20 << 20)
    home.pace.rate = 8_000_000
    path = tmp_path / "up"
    path.write_bytes(os.urandom(size))
    up = Counted(home.pace)
    put = home.put("key", Source(str(path), size, Facts()), None, STAMP)
    sent, up.bytes = up.bytes, 0
    home.get("key", str(tmp_path / "down"))
    parts: list[bytes] = []
    fetched, up.bytes = up.bytes, 0
    home.read("key", lambda data: parts.append(bytes(data)))

    assert size <= sent <= size + 10_000, "and a few words to begin and end an upload in parts"
    assert fetched == up.bytes == size
    assert up.largest <= 3 << 20, "a piece, or what the library had read already"
    assert (tmp_path / "down").read_bytes() == b"".join(parts) == path.read_bytes()
    assert put.size == size


def test_a_folder_home_keeps_the_limit(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    home = open_home(RemoteSettings("home", str(tmp_path / "home")))
    home.pace.rate = 1_000_000
    counted = Counted(home.pace)
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    home.put("f", Source(str(tmp_path / "f"), 3_000_000, Facts()), None, STAMP)
    home.get("f", str(tmp_path / "g"))

    assert counted.bytes == 6_000_000


def test_the_link_and_the_run_say_the_limit(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    link = Link(str(tmp_path / "home"), {}, limit=5_000_000)
    write_link(str(tmp_path / "work"), link)
    folder = HomeFolder.find(str(tmp_path / "work"))
    assert folder.home.pace.rate == 5_000_000
    sync_home(folder, options=SyncOptions(limit=7_000_000))
    assert folder.home.pace.rate == 7_000_000


# -- links ----------------------------------------------------------------------------------------------


def test_a_link_gives_everybody_the_file(home: Home, on_ministack: Any) -> None:
    """Odd names included; without the signature the server refuses."""
    for name in ("d/a b+c.txt", "Grüße/日本.txt", "50%25 #1?.txt"):
        on_ministack.put(name, name.encode())
        shared = share_object(Spot(home, name), 3600)
        with urllib.request.urlopen(shared.url, timeout=30) as answer:
            assert answer.read() == name.encode()
        assert not shared.is_temporary
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(shared.url.partition("?")[0], timeout=30)


@pytest.mark.parametrize("token", [None, "session/token+with="])
def test_links_are_signed_as_botocore_signs_them(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: now.replace(tzinfo=None), raising=False)
    signer = S3SigV4QueryAuth(Credentials("AKID", "secret", token), "s3", "eu-central-1", expires=604800)
    request = AWSRequest("GET", "https://b.s3.eu-central-1.amazonaws.com/me/a%20b.txt")
    signer.add_auth(request)
    theirs = request.url or ""
    stamp = theirs.partition("X-Amz-Date=")[2][:16]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = signing.presign(
        "GET", "b.s3.eu-central-1.amazonaws.com", "/me/a%20b.txt", AwsKeys("AKID", "secret", token), "eu-central-1",
        at, 604800,
    )  # fmt: skip

    assert sorted(ours.split("&")) == sorted(theirs.partition("?")[2].split("&"))


def test_temporary_keys_are_told_of(on_ministack: Any) -> None:
    on_ministack.put("a", b"1")
    settings = on_ministack.settings
    home = open_home(settings._replace(options={**settings.options, "session_token": "x"}))
    assert home.sign("a", 60).is_temporary
    for seconds in (0, 7 * 86400 + 1):
        with pytest.raises(InvalidInput) as caught:
            home.sign("a", seconds)
        assert caught.value.code == "link-too-long"
    home.close()


# -- uploads that nobody finished -----------------------------------------------------------------------


def test_a_killed_upload_is_swept_when_it_is_old(home: Home, on_ministack: Any) -> None:
    """Ours below the prefix, and nobody else's; a young one stays, since somebody may go on with it."""
    client, bucket = on_ministack.client, on_ministack.bucket
    for key in ("some/prefix/mine", "other/theirs"):
        client.create_multipart_upload(Bucket=bucket, Key=key)

    def keys() -> set[str]:
        return {row["Key"] for row in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())}

    home.sweep(1.0)
    assert keys() == {"some/prefix/mine", "other/theirs"}
    home.sweep(4e9)
    assert keys() == {"other/theirs"}


def test_an_upload_of_a_file_that_changed_since_is_aborted(
    home: Home, on_ministack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of the killed one is for another size: its parts would stay, and cost, for ever."""
    monkeypatch.setattr(storing, "MULTIPART_FROM", 10 << 20)
    monkeypatch.setattr(storing, "part_size", lambda _: 5 << 20)
    path, journal = tmp_path / "big", str(tmp_path / "journal")

    def fail() -> None:
        raise KeyboardInterrupt

    path.write_bytes(os.urandom(11 << 20))
    with pytest.raises(KeyboardInterrupt):
        home.put("big", Source(str(path), 11 << 20, Facts(), fail), None, STAMP, journal)
    path.write_bytes(os.urandom(12 << 20))
    home.put("big", Source(str(path), 12 << 20, Facts()), None, STAMP, journal)

    client, bucket = on_ministack.client, on_ministack.bucket
    assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert on_ministack.get("big") == path.read_bytes()


def test_pages_of_uploads_are_read() -> None:
    """As AWS writes them, and nothing for what is no such page."""
    body = (
        b'<?xml version="1.0"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<EncodingType>url</EncodingType><NextKeyMarker>a+b</NextKeyMarker>"
        b"<NextUploadIdMarker>u2</NextUploadIdMarker><IsTruncated>true</IsTruncated>"
        b"<Upload><Key>a%0Ab</Key><UploadId>u1</UploadId><Initiated>2026-04-01T00:00:00.000Z</Initiated></Upload>"
        b"</ListMultipartUploadsResult>"
    )
    rows, key, upload = read_uploads(body)

    assert rows == [("a\nb", "u1", datetime(2026, 4, 1, tzinfo=UTC).timestamp())]
    assert (key, upload) == ("a b", "u2")
    for other in (b"<ListBucketResult></ListBucketResult>", b"", b"no xml"):
        assert read_uploads(other) == ([], "", "")


# -- who stored it --------------------------------------------------------------------------------------


def test_an_object_says_which_run_stored_it(home: Home, on_ministack: Any) -> None:
    """Other tools' objects say nothing; a rename keeps what was said."""
    on_ministack.put("theirs", b"1")
    put = home.put("ours", Source(b"1", 1, Facts()), None, STAMP)
    home.move("ours", "new", There(1, put.mark))
    ours, theirs = home.look("new"), home.look("theirs")

    assert ours is not None
    assert theirs is not None
    assert (ours.run, theirs.run) == (STAMP, "")


def test_the_log_of_a_bucket_with_versions_names_machines(on_ministack: Any, tmp_path: Path) -> None:
    """The bucket's own versions tell each change, and the objects' metadata by whom."""
    from labops.verbs.home_log import log_home

    on_ministack.client.put_bucket_versioning(Bucket=on_ministack.bucket, VersioningConfiguration={"Status": "Enabled"})
    settings = on_ministack.settings
    folders = {}
    for name in ("laptop", "cloud"):
        (tmp_path / name).mkdir()
        write_link(str(tmp_path / name), Link(settings.url, settings.options))
        folders[name] = HomeFolder(str(tmp_path / name), Link(settings.url, settings.options), machine=name)
    (tmp_path / "laptop/a").write_text("1")
    sync_home(folders["laptop"])
    sync_home(folders["cloud"])
    (tmp_path / "cloud/a").write_text("22")
    sync_home(folders["cloud"])

    found = log_home(folders["laptop"])
    for folder in folders.values():
        folder.home.close()
    assert {(one.what, one.machine, one.size) for one in found} == {("changed", "cloud", 2), ("new", "laptop", 1)}


# -- Azure ----------------------------------------------------------------------------------------------


def test_azure_signs_links_and_keeps_the_limit(on_azurite: Any, tmp_path: Path) -> None:
    """Its own signature, checked by the emulator; a large file is sent and fetched in pieces."""
    home = open_home(on_azurite.settings)
    home.pace.rate = 8_000_000
    counted = Counted(home.pace)
    (tmp_path / "f").write_bytes(os.urandom(9 << 20))
    home.put("f b.bin", Source(str(tmp_path / "f"), 9 << 20, Facts()), None, STAMP)
    sent, counted.bytes = counted.bytes, 0
    home.get("f b.bin", str(tmp_path / "g"))

    assert sent == counted.bytes == 9 << 20
    assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()
    shared = share_object(Spot(home, "f b.bin"), 3600)
    with urllib.request.urlopen(shared.url, timeout=30) as answer:
        assert answer.read() == (tmp_path / "f").read_bytes()
    home.sweep(4e9)
    home.close()


def test_three_machines_share_an_azure_home(on_azurite: Any, tmp_path: Path) -> None:
    """A sync up, one down, a change, a deletion: the whole way round, with links and modes."""
    settings = on_azurite.settings

    def machine(name: str) -> HomeFolder:
        (tmp_path / name).mkdir(exist_ok=True)
        link = Link(settings.url, settings.options)
        write_link(str(tmp_path / name), link)
        return HomeFolder(str(tmp_path / name), link, machine=name)

    one, two = machine("one"), machine("two")
    for name in ("a", "d/b", "c"):
        (tmp_path / "one" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "one" / name).write_text(name)
    (tmp_path / "one/link").symlink_to("a")
    (tmp_path / "one/c").chmod(0o755)
    assert sync_home(one).exit_code == sync_home(two).exit_code == 0
    (tmp_path / "two/a").write_text("changed")
    (tmp_path / "two/d/b").unlink()
    assert sync_home(two).exit_code == sync_home(one).exit_code == 0

    assert (tmp_path / "one/a").read_text() == "changed"
    assert not (tmp_path / "one/d").exists()
    assert (tmp_path / "two/link").readlink() == Path("a")
    assert (tmp_path / "two/c").stat().st_mode & 0o111
    assert {old.path for old in one.home.list_trash()} == {"a", "d/b"}
    for folder in (one, two):
        assert sync_home(folder).plan.is_idle
        folder.home.close()
