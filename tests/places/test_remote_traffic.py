"""What a bucket remote asks for, counted on the wire, and what it does when the wire breaks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from labops import agreement
from labops.drivers.s3 import bucket as s3_bucket
from labops.drivers.s3 import copying, downloading, uploading
from labops.errors import AccessDenied, Corrupt, InvalidInput, LabError, NoSpace, Unavailable, Unsupported
from labops.model import HashName, RemoteSettings
from labops.places.remote import Remote, open_remote
from labops.testing import servers
from labops.testing.proxy import Asked, Proxy, proxy
from labops.testing.remote_contract import key_of, oid_of, sample
from labops.testing.toys3 import toy_s3

MIB = 1 << 20


@pytest.fixture
def between(on_ministack: Any) -> Iterator[Proxy]:
    with proxy(on_ministack.server.endpoint) as running:
        yield running


@pytest.fixture
def opened(on_ministack: Any, between: Proxy, tmp_path: Path) -> Iterator[Callable[..., Remote]]:
    remotes: list[Remote] = []

    def open_it(**options: str) -> Remote:
        settings = on_ministack.at(between.endpoint, **options)
        remotes.append(open_remote(settings, HashName.MD5, state_dir=str(tmp_path / "state")))
        return remotes[-1]

    yield open_it
    for remote in remotes:
        remote.close()


@pytest.fixture
def remote(opened: Callable[..., Remote]) -> Remote:
    return opened()


# -- counts ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Callable[[], Remote], list[Any]]]:
    """5000 objects in a folder that the weak server shows as a bucket."""
    folder = tmp_path_factory.mktemp("crowd")
    objects = list(sample(5000, size=8))
    for data in sample(5000, size=8).values():
        path = folder / "crowd" / key_of(oid_of(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    try:
        with servers.rclone(str(folder)) as server, proxy(server.endpoint) as running:
            options = {**server.options(), "endpointurl": running.endpoint}
            settings = RemoteSettings("crowd", "s3://crowd", options)
            yield running, lambda: open_remote(settings, HashName.MD5), objects
    except servers.ServerAbsent as reason:
        pytest.skip(str(reason))


def test_thousands_that_are_all_there_cost_pages_not_heads(crowd: Any) -> None:
    between, make, objects = crowd
    remote = make()
    between.asked.clear()
    assert remote.contains(objects) == set(objects)
    counts = between.counts()
    assert set(counts) == {"LIST"}
    assert counts["LIST"] <= 1 + 16 + 5
    remote.close()


def test_few_among_thousands_cost_a_head_each(crowd: Any) -> None:
    between, make, objects = crowd
    remote = make()
    between.asked.clear()
    assert remote.contains(objects[:3]) == set(objects[:3])
    assert between.counts() == {"HEAD": 3}
    between.asked.clear()
    assert remote.contains(objects[:12]) == set(objects[:12])
    counts = between.counts()
    assert counts["LIST"] == 1
    assert counts["HEAD"] <= 12
    remote.close()


def test_listing_everything_costs_about_a_request_a_page(crowd: Any) -> None:
    between, make, objects = crowd
    remote = make()
    between.asked.clear()
    assert sorted(oid for oid, _ in remote.list()) == sorted(objects)
    assert between.counts()["LIST"] <= 1 + 16 + 5
    remote.close()


def test_a_small_remote_is_known_after_one_request(on_ministack: Any, between: Proxy, remote: Remote) -> None:
    present = sample(20)
    for oid, data in present.items():
        on_ministack.put(key_of(oid), data)
    wanted = [*present, *sample(200, seed=8)]
    between.asked.clear()
    assert remote.contains(wanted) == set(present)
    assert between.counts() == {"LIST": 1}


def test_one_upload_is_one_request(between: Proxy, remote: Remote, tmp_path: Path) -> None:
    for size in (10, 9 * MIB):
        data = os.urandom(size)
        (tmp_path / "f").write_bytes(data)
        between.asked.clear()
        remote.upload(oid_of(data), str(tmp_path / "f"), size)
        assert between.counts() == {"PUT": 1}
        between.asked.clear()
        remote.download(oid_of(data), str(tmp_path / oid_of(data)))
        assert between.counts() == {"GET": 1}


def test_check_is_one_request(between: Proxy, remote: Remote) -> None:
    remote.check()
    assert len(between.asked) == 1


# -- large objects --------------------------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large objects begin at 6 MiB, so that a test need not move a hundred."""
    monkeypatch.setattr(uploading, "MULTIPART_FROM", 9 * MIB)
    monkeypatch.setattr(agreement, "PART", 5 * MIB)
    monkeypatch.setattr(s3_bucket, "RANGED", 6 * MIB)
    monkeypatch.setattr(downloading, "RANGED", 6 * MIB)
    monkeypatch.setattr(downloading, "STEP", MIB)


@pytest.fixture
def large(tmp_path: Path) -> tuple[str, bytes]:
    data = os.urandom(23 * MIB + 17)
    (tmp_path / "large").write_bytes(data)
    return str(tmp_path / "large"), data


@pytest.mark.usefixtures("small_parts")
def test_an_upload_that_was_cut_sends_only_what_is_missing(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], large: tuple[str, bytes], tmp_path: Path
) -> None:
    source, data = large
    oid = oid_of(data)
    between.rule = lambda asked: 403 if "partNumber=3" in asked.query or "partNumber=5" in asked.query else None
    with pytest.raises(LabError):
        opened().upload(oid, source, len(data))
    assert on_ministack.get(key_of(oid)) is None
    journal = next((tmp_path / "state").rglob(f"up-{oid}"))
    done = len(journal.read_text().splitlines()) - 1
    between.rule = lambda _: None
    between.asked.clear()
    opened().upload(oid, source, len(data))
    assert between.counts()["PART"] == 5 - done
    assert 0 < done <= 3
    assert on_ministack.get(key_of(oid)) == data
    assert not journal.exists()


@pytest.mark.usefixtures("small_parts")
def test_an_upload_that_the_store_forgot_starts_anew(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], large: tuple[str, bytes]
) -> None:
    source, data = large
    between.rule = lambda asked: 403 if "partNumber=5" in asked.query else None
    with pytest.raises(LabError):
        opened().upload(oid_of(data), source, len(data))
    between.rule = lambda _: None
    for upload in on_ministack.client.list_multipart_uploads(Bucket=on_ministack.bucket)["Uploads"]:
        on_ministack.client.abort_multipart_upload(
            Bucket=on_ministack.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
    opened().upload(oid_of(data), source, len(data))
    assert on_ministack.get(key_of(oid_of(data))) == data


@pytest.mark.usefixtures("small_parts")
def test_a_completion_whose_answer_was_lost_is_still_a_success(
    on_ministack: Any, between: Proxy, remote: Remote, large: tuple[str, bytes]
) -> None:
    source, data = large
    seen: list[Asked] = []

    def lose(asked: Asked) -> int | None:
        if asked.kind == "MULTIPART" and "uploadId" in asked.query:
            seen.append(asked)
            return -1 if len(seen) == 1 else None
        return None

    between.rule = lose
    remote.upload(oid_of(data), source, len(data))
    assert on_ministack.get(key_of(oid_of(data))) == data


@pytest.mark.usefixtures("small_parts")
def test_a_download_that_was_cut_fetches_only_what_is_missing(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], large: tuple[str, bytes], tmp_path: Path
) -> None:
    _, data = large
    oid = oid_of(data)
    on_ministack.put(key_of(oid), data)
    between.rule = lambda asked: 403 if asked.kind == "GET" and len(between.asked) > 10 else None
    with pytest.raises(AccessDenied):
        opened().download(oid, str(tmp_path / "t"))
    assert not (tmp_path / "t").exists()
    record = next((tmp_path / "state").rglob(f"down-{oid}.json"))
    done = len(record.read_text().splitlines()) - 1
    assert done > 3
    between.rule = lambda _: None
    between.asked.clear()
    assert opened().download(oid, str(tmp_path / "t")) == len(data)
    assert between.counts()["GET"] == 1 + 24 - done
    assert (tmp_path / "t").read_bytes() == data
    assert not list((tmp_path / "state").rglob(f"down-{oid}*"))


@pytest.mark.usefixtures("small_parts")
def test_a_partial_file_that_went_bad_is_fetched_from_the_start(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], large: tuple[str, bytes], tmp_path: Path
) -> None:
    _, data = large
    oid = oid_of(data)
    on_ministack.put(key_of(oid), data)
    between.rule = lambda asked: 403 if asked.kind == "GET" and len(between.asked) > 10 else None
    with pytest.raises(AccessDenied):
        opened().download(oid, str(tmp_path / "t"))
    partial = next((tmp_path / "state").rglob(f"down-{oid}"))
    partial.write_bytes(bytes(len(data)))
    between.rule = lambda _: None
    opened().download(oid, str(tmp_path / "t"))
    assert (tmp_path / "t").read_bytes() == data


@pytest.mark.usefixtures("small_parts")
def test_a_large_damaged_object_is_refused_and_leaves_nothing(
    on_ministack: Any, remote: Remote, large: tuple[str, bytes], tmp_path: Path
) -> None:
    _, data = large
    oid = oid_of(data)
    on_ministack.put(key_of(oid), data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Corrupt):
        remote.download(oid, str(tmp_path / "t"))
    assert not (tmp_path / "t").exists()
    assert not list((tmp_path / "state").rglob(f"down-{oid}*"))


@pytest.mark.usefixtures("small_parts")
def test_a_store_without_ranges_is_found_out_once(large: tuple[str, bytes], tmp_path: Path) -> None:
    _, data = large
    oid = oid_of(data)
    state = tmp_path / "state"
    with toy_s3() as toy:
        toy.honours_ranges = False
        toy.held[f"/lab/{key_of(oid)}"] = data
        for name in ("first", "second"):
            toy.log.clear()
            remote = open_remote(
                RemoteSettings("storage", "s3://lab", toy.remote_options()), HashName.MD5, state_dir=str(state)
            )
            remote.download(oid, str(tmp_path / name))
            remote.close()
            assert (tmp_path / name).read_bytes() == data
        assert len(toy.gets()) == 1
    assert any("ignored" in path.read_text() for path in state.rglob("facts.json"))


@pytest.mark.usefixtures("small_parts")
def test_a_range_is_known_by_what_it_says_it_is(on_rclone: Any, large: tuple[str, bytes], tmp_path: Path) -> None:
    """rclone sends the right part with the status of a whole object."""
    _, data = large
    oid = oid_of(data)
    on_rclone.put(key_of(oid), data)
    with proxy(on_rclone.server.endpoint) as between:
        remote = open_remote(on_rclone.at(between.endpoint), HashName.MD5, state_dir=str(tmp_path / "state"))
        remote.download(oid, str(tmp_path / "target"))
        remote.close()
    assert (tmp_path / "target").read_bytes() == data
    assert between.counts()["GET"] == 1 + -(-len(data) // downloading.STEP)


CHILD = """
import sys
from labops import agreement
from labops.drivers.s3 import bucket, downloading, uploading
from labops.model import HashName, RemoteSettings
from labops.places.remote import open_remote
import json
url, options, state, verb, oid, path, size = json.loads(sys.argv[1])
uploading.MULTIPART_FROM, agreement.PART = 9 << 20, 5 << 20
bucket.RANGED = downloading.RANGED = 6 << 20
downloading.STEP = 1 << 20
remote = open_remote(RemoteSettings("storage", url, options), HashName.MD5, state_dir=state)
remote.upload(oid, path, size) if verb == "upload" else remote.download(oid, path)
"""


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("verb", ["upload", "download"])
def test_a_killed_process_is_taken_up_by_the_next(
    verb: str, on_ministack: Any, between: Proxy, large: tuple[str, bytes], tmp_path: Path
) -> None:
    source, data = large
    oid, state = oid_of(data), str(tmp_path / "state")
    path = source if verb == "upload" else str(tmp_path / "t")
    if verb == "download":
        on_ministack.put(key_of(oid), data)
    stuck, passed = threading.Event(), threading.Event()

    def hang(asked: Asked) -> int | None:
        if "partNumber=4" in asked.query or (asked.kind == "GET" and len(between.asked) > 12):
            stuck.set()
            passed.wait(20)
        return None

    between.rule = hang
    settings = on_ministack.at(between.endpoint)
    arguments = json.dumps([settings.url, dict(settings.options), state, verb, oid, path, len(data)])
    child = subprocess.Popen([sys.executable, "-c", CHILD, arguments])
    try:
        assert stuck.wait(20)
        time.sleep(0.3)
    finally:
        child.kill()
        child.wait()
        passed.set()
    assert verb == "upload" or not Path(path).exists()
    assert verb == "download" or on_ministack.get(key_of(oid)) is None
    record = next(Path(state).rglob(f"*{oid}{'.json' if verb == 'download' else ''}"))
    done = len(record.read_text().splitlines()) - 1
    assert done > 0
    between.rule = lambda _: None
    between.asked.clear()
    remote = open_remote(settings, HashName.MD5, state_dir=state)
    if verb == "upload":
        remote.upload(oid, path, len(data))
        assert between.counts()["PART"] <= 5 - done
        assert on_ministack.get(key_of(oid)) == data
    else:
        remote.download(oid, path)
        assert between.counts()["GET"] == 1 + 24 - done
        assert Path(path).read_bytes() == data
    remote.close()


@pytest.mark.usefixtures("small_parts")
def test_a_large_damaged_source_never_gets_the_name_nor_leaves_parts(
    on_ministack: Any, remote: Remote, large: tuple[str, bytes]
) -> None:
    source, data = large
    with pytest.raises(Corrupt):
        remote.upload(oid_of(data + b"x"), source, len(data))
    assert on_ministack.keys() == set()
    assert not on_ministack.client.list_multipart_uploads(Bucket=on_ministack.bucket).get("Uploads")


# -- faults ---------------------------------------------------------------------------------------------


def test_overload_is_waited_for(on_ministack: Any, between: Proxy, remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    failed: set[str] = set()

    def once_each(asked: Asked) -> int | None:
        if asked.kind in failed:
            return None
        failed.add(asked.kind)
        return 503

    between.rule = once_each
    remote.upload(oid_of(b"x"), str(tmp_path / "f"), 1)
    assert remote.contains([oid_of(b"x")]) == {oid_of(b"x")}
    assert remote.read(oid_of(b"x")) == b"x"
    assert [oid for oid, _ in remote.list()] == [oid_of(b"x")]
    assert failed == {"PUT", "HEAD", "GET", "LIST"}


def test_a_cut_answer_is_not_an_object(on_ministack: Any, between: Proxy, remote: Remote, tmp_path: Path) -> None:
    data = os.urandom(9 * MIB)
    on_ministack.put(key_of(oid_of(data)), data)
    between.rule = lambda asked: -1 if asked.kind == "GET" else None
    with pytest.raises(Unavailable):
        remote.download(oid_of(data), str(tmp_path / "t"))
    assert not (tmp_path / "t").exists()


def test_a_wrong_endpoint_is_told_within_seconds(on_ministack: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    remote = open_remote(on_ministack.at(f"http://127.0.0.1:{servers.free_port()}"), HashName.MD5)
    start = time.monotonic()
    attempts: tuple[Callable[[], object], ...] = (
        remote.check,
        lambda: remote.read(oid_of(b"x")),
        lambda: remote.upload(oid_of(b"x"), str(tmp_path / "f"), 1),
    )
    for attempt in attempts:
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "unreachable"
    assert time.monotonic() - start < 15


def test_an_untrusted_certificate_is_named_as_such(on_ceph_tls: Any) -> None:
    options = {key: value for key, value in on_ceph_tls.settings.options.items() if key != "ssl_verify"}
    remote = open_remote(RemoteSettings("storage", on_ceph_tls.settings.url, options), HashName.MD5)
    for attempt in (remote.check, lambda: remote.read(oid_of(b"x"))):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        assert caught.value.code == "untrusted-certificate"
    remote.close()


def _keys_of(on: Any, name: str, *statements: dict[str, object]) -> dict[str, str]:
    """Options with the keys of a new IAM user who may do just that."""
    import boto3

    iam = boto3.client(
        "iam",
        endpoint_url=on.server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=on.server.key_id,
        aws_secret_access_key=on.server.secret,
    )
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.close()
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def test_refusals_say_who_what_where_and_whom_to_ask(
    on_ministack: Any, opened: Callable[..., Remote], tmp_path: Path
) -> None:
    arn = f"arn:aws:s3:::{on_ministack.bucket}"
    reader = _keys_of(
        on_ministack, f"reader-{on_ministack.bucket}",
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"},
    )  # fmt: skip
    remote = opened(**reader)
    (tmp_path / "f").write_bytes(b"x")
    on_ministack.put(key_of(oid_of(b"y")), b"y")
    assert remote.contains([oid_of(b"y")]) == {oid_of(b"y")}
    with pytest.raises(AccessDenied) as caught:
        remote.upload(oid_of(b"x"), str(tmp_path / "f"), 1)
    error = caught.value
    assert error.code == "access-denied"
    assert reader["access_key_id"] in error.message
    assert error.hint == f"ask the administrator to allow s3:PutObject on {arn}/some/prefix/*"
    assert error.fields["bucket"] == on_ministack.bucket
    with pytest.raises(AccessDenied) as caught:
        remote.delete([oid_of(b"y")])
    assert "s3:DeleteObject" in caught.value.hint
    assert reader["secret_access_key"] not in repr(error) + error.hint + str(error.fields)


def test_who_may_read_but_not_list_still_finds_what_is_there(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote]
) -> None:
    arn = f"arn:aws:s3:::{on_ministack.bucket}"
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"}
    remote = opened(**_keys_of(on_ministack, f"blind-{on_ministack.bucket}", allow))
    present = sample(8)
    for oid, data in present.items():
        on_ministack.put(key_of(oid), data)
    absent = {f"/{on_ministack.bucket}/some/prefix/{key_of(oid)}" for oid in sample(8, seed=8)}
    # AWS answers 403 for what is absent when one may not list; this server says 404.
    between.rule = lambda asked: 403 if asked.path in absent else None
    assert remote.contains([*present, *sample(8, seed=8)]) == set(present)
    with pytest.raises(AccessDenied) as caught:
        remote.contains(list(sample(8, seed=8)))
    assert "s3:ListBucket" in caught.value.hint


def test_odd_keys_of_others_do_not_hide_ours(on_ministack: Any, remote: Remote) -> None:
    present = sample(5)
    for oid, data in present.items():
        on_ministack.put(key_of(oid), data)
    for key in ("files/md5//x", "files/md5/00/../x", "files/md5/ab/tab\there", "files/md5/ab/", "files/md5/0f/ü+ %"):
        on_ministack.put(key, b"odd")
    assert remote.contains([*present, *sample(5, seed=8)]) == set(present)
    assert {oid for oid, _ in remote.list()} == set(present)


def test_a_bucket_answers_whether_it_honours_create_only(on_ministack: Any, on_rclone: Any) -> None:
    from labops.drivers.s3.storing import probe
    from labops.places.remote.opening import open_bucket

    for on, expected in ((on_ministack, True), (on_rclone, False)):
        remote = open_bucket(on.settings, HashName.MD5, None)
        assert ("create" in probe(remote._bucket, "some/prefix/probe")) is expected
        assert on.keys() == set()
        remote.close()


def test_errors_hide_the_library_and_the_secret(on_ministack: Any, opened: Callable[..., Remote]) -> None:
    remote = opened(secret_access_key="THE-SECRET")
    with pytest.raises(AccessDenied) as caught:
        remote.read(oid_of(b"x"))
    assert caught.value.code == "wrong-secret-key"
    shown = f"{caught.value} {caught.value.hint} {caught.value.fields} {remote!r}"
    assert "THE-SECRET" not in shown
    assert "Debug" not in shown
    assert "obstore" not in shown.lower()


def test_large_uploads_share_a_few_threads(
    on_ministack: Any, remote: Remote, tmp_path: Path, small_parts: None
) -> None:
    files = {}
    for number in range(4):
        data = hashlib.sha256(bytes([number])).digest() * (11 * MIB // 32)
        files[oid_of(data)] = data
        (tmp_path / oid_of(data)).write_bytes(data)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda oid: remote.upload(oid, str(tmp_path / oid), len(files[oid])), files))
        list(pool.map(lambda oid: remote.download(oid, str(tmp_path / oid) + ".back"), files))
    for oid, data in files.items():
        assert on_ministack.get(key_of(oid)) == data
        assert (tmp_path / f"{oid}.back").read_bytes() == data


def test_no_credentials_is_said_as_such_by_every_call(
    on_ministack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys = ("access_key_id", "secret_access_key")
    options = {name: value for name, value in on_ministack.settings.options.items() if name not in keys}
    remote = open_remote(RemoteSettings("storage", on_ministack.settings.url, options), HashName.MD5)
    (tmp_path / "f").write_bytes(b"x")
    attempts: tuple[Callable[[], object], ...] = (
        remote.check,
        lambda: remote.contains([oid_of(b"x")]),
        lambda: remote.contains(list(sample(9))),
        lambda: remote.read(oid_of(b"x")),
        lambda: remote.upload(oid_of(b"x"), str(tmp_path / "f"), 1),
        lambda: remote.delete([oid_of(b"x")]),
    )
    for attempt in attempts:
        with pytest.raises(AccessDenied) as caught:
            attempt()
        assert caught.value.code == "no-credentials"
    remote.close()


@pytest.mark.parametrize("size", [10, 9 * MIB, 23 * MIB])
@pytest.mark.usefixtures("small_parts")
def test_a_full_disk_leaves_no_file(
    size: int, on_ministack: Any, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(size)
    on_ministack.put(key_of(oid_of(data)), data)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(downloading.os, "write", full)
        patch.setattr(downloading.os, "pwrite", full)
        with pytest.raises(NoSpace) as caught:
            remote.download(oid_of(data), str(tmp_path / "t"))
    assert caught.value.code == "disk-full"
    assert not (tmp_path / "t").exists()


@pytest.mark.usefixtures("small_parts")
def test_a_state_folder_that_cannot_be_used_is_done_without(
    on_ministack: Any, large: tuple[str, bytes], tmp_path: Path
) -> None:
    source, data = large
    (tmp_path / "file").write_bytes(b"")
    remote = open_remote(on_ministack.settings, HashName.MD5, state_dir=str(tmp_path / "file" / "state"))
    remote.upload(oid_of(data), source, len(data))
    remote.download(oid_of(data), str(tmp_path / "t"))
    assert (tmp_path / "t").read_bytes() == data
    remote.close()


def test_options_of_uploads_reach_the_store(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], tmp_path: Path
) -> None:
    remote = opened(acl="bucket-owner-full-control", sse="AES256")
    for data in (b"small", os.urandom(9 * MIB)):
        (tmp_path / "f").write_bytes(data)
        remote.upload(oid_of(data), str(tmp_path / "f"), len(data))
        key = on_ministack.prefix + key_of(oid_of(data))
        head = on_ministack.client.head_object(Bucket=on_ministack.bucket, Key=key)
        assert head["ServerSideEncryption"] == "AES256"
        assert on_ministack.get(key_of(oid_of(data))) == data


@pytest.mark.parametrize(
    "options",
    [
        {"acl": "private", "grant_read": "id=1"},
        {"sse_kms_key_id": "k", "sse_customer_key": "MTIzNA=="},
        {"sse_customer_key": "not base64!"},
        {"read_timeout": "soon"},
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_remote(RemoteSettings("r", "s3://bucket/x", options), HashName.MD5)
    assert caught.value.code == "bad-remote-option"


def test_urls_that_labops_does_not_reach_are_left_to_dvc() -> None:
    for url in ("ssh://host/path", "gdrive://id", "hdfs://host/x", "webdavs://host/x", "oss://bucket"):
        with pytest.raises(Unsupported) as caught:
            open_remote(RemoteSettings("r", url), HashName.MD5)
        assert caught.value.code == "unsupported-remote"
        assert "dvc" in caught.value.hint
    for url in ("relative/path", "s3://", "s3:///x"):
        with pytest.raises(InvalidInput):
            open_remote(RemoteSettings("r", url), HashName.MD5)


def test_where_aws_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from labops.places.buckets import _s3

    keys = {"access_key_id": "k", "secret_access_key": "s"}
    for bucket, options, endpoint in (
        ("plain-bucket", {"region": "eu-west-1"}, "https://plain-bucket.s3.eu-west-1.amazonaws.com"),
        ("dotted.bucket", {"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com"),
        ("plain-bucket", {"region": "cn-north-1"}, "https://plain-bucket.s3.cn-north-1.amazonaws.com.cn"),
        ("plain-bucket", {"region": "us-east-1", "use_ssl": "false"}, "http://plain-bucket.s3.us-east-1.amazonaws.com"),
        ("plain-bucket", {"endpointurl": "https://own.example:9000/"}, "https://own.example:9000"),
    ):
        settings = _s3(bucket, {**keys, **options})
        assert settings.endpoint == endpoint
        assert settings.is_region_sure
    assert not _s3("plain-bucket", keys).is_region_sure
    assert _s3("plain-bucket", {**keys, "ssl_verify": "false"}).verifies_tls is False
    assert _s3("plain-bucket", {**keys, "ssl_verify": "/ca.pem"}).ca_file == "/ca.pem"


@pytest.mark.usefixtures("small_parts")
def test_two_processes_that_fetch_the_same_object_do_not_mix(
    on_ministack: Any, between: Proxy, opened: Callable[..., Remote], large: tuple[str, bytes], tmp_path: Path
) -> None:
    _, data = large
    oid = oid_of(data)
    on_ministack.put(key_of(oid), data)
    between.rule = lambda asked: 403 if asked.kind == "GET" and len(between.asked) > 10 else None
    with pytest.raises(AccessDenied):
        opened().download(oid, str(tmp_path / "t"))
    between.rule = lambda _: None
    partial = next((tmp_path / "state").rglob(f"down-{oid}"))
    before = partial.read_bytes()
    with open(partial, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        opened().download(oid, str(tmp_path / "t"))
        assert (tmp_path / "t").read_bytes() == data
        assert partial.read_bytes() == before


# -- the trash ------------------------------------------------------------------------------------------


def test_setting_aside_costs_a_copy_each_and_one_deletion(remote: Remote, between: Proxy, on_ministack: Any) -> None:
    objects = sample(20)
    for oid, data in objects.items():
        on_ministack.put(key_of(oid), data)
    between.asked.clear()
    remote.trash({oid: len(data) for oid, data in objects.items()}, "2026-11-25")
    assert between.counts() == {"PUT": 20, "DELETE": 1}


@pytest.mark.parametrize("which", ["on_ministack", "on_ceph"])
def test_an_object_beyond_one_copy_is_copied_in_parts(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backing = request.getfixturevalue(which)
    monkeypatch.setattr(copying, "WHOLE", 6 * MIB)
    monkeypatch.setattr(copying, "PART", 5 * MIB)
    data = os.urandom(12 * MIB)
    backing.put(key_of(oid_of(data)), data)
    remote = open_remote(backing.settings, HashName.MD5)
    remote.trash({oid_of(data): len(data)}, "2026-11-25")
    assert backing.keys() == {f".lab-trash/2026-11-25/{key_of(oid_of(data))}"}
    remote.restore(list(remote.trashed()))
    assert backing.get(key_of(oid_of(data))) == data
    remote.close()
