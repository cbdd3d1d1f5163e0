"""Real dvc and our remotes look at the same bucket: each takes what the other put there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest

from labops.model import HashName, Oid, RemoteSettings, is_tree_oid, parse_oid
from labops.places.remote import open_remote
from labops.testing import servers
from labops.testing.servers import Server, ServerAbsent


@pytest.fixture(scope="module")
def bucket(ministack: Server) -> RemoteSettings:
    try:
        servers.program("dvc")
    except ServerAbsent as reason:
        pytest.skip(str(reason))
    client: Any = boto3.client(
        "s3",
        endpoint_url=ministack.endpoint,
        region_name=ministack.region,
        aws_access_key_id=ministack.key_id,
        aws_secret_access_key=ministack.secret,
    )
    client.create_bucket(Bucket="lab-shared")
    client.close()
    return RemoteSettings("storage", "s3://lab-shared/pre/fix", ministack.options())


def _dvc(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [servers.program("dvc"), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _repository(root: Path, settings: RemoteSettings) -> Path:
    root.mkdir()
    _dvc(root, "init", "--no-scm", "-q")
    _dvc(root, "remote", "add", "-q", "-d", "storage", settings.url)
    for name, value in settings.options.items():
        _dvc(root, "remote", "modify", "-q", "storage", name, value)
    (root / "data").mkdir()
    for number in range(12):
        (root / "data" / f"f{number}").write_bytes(os.urandom(100 * number))
    (root / "data" / "text").write_bytes(b"a\r\nb\r\n")
    _dvc(root, "add", "-q", "data")
    return root


def _cached(root: Path) -> dict[Oid, Path]:
    base = root / ".dvc" / "cache" / "files" / "md5"
    return {parse_oid(path.parent.name + path.name): path for path in base.rglob("*") if path.is_file()}


def test_dvc_pulls_what_we_pushed(bucket: RemoteSettings, tmp_path: Path) -> None:
    root = _repository(tmp_path / "repo", bucket)
    objects = _cached(root)
    expected = {path.name: path.read_bytes() for path in (root / "data").iterdir()}
    remote = open_remote(bucket, HashName.MD5)
    for oid in sorted(objects, key=is_tree_oid):
        remote.upload(oid, str(objects[oid]), objects[oid].stat().st_size)
    remote.finish()
    remote.close()
    assert "in sync" in _dvc(root, "status", "-c")
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / "data")
    _dvc(root, "pull", "-q")
    assert {path.name: path.read_bytes() for path in (root / "data").iterdir()} == expected


def test_we_fetch_what_dvc_pushed(bucket: RemoteSettings, tmp_path: Path) -> None:
    for number, settings in enumerate((bucket, RemoteSettings("storage", str(tmp_path / "shared"), {}))):
        root = _repository(tmp_path / f"repo{number}", settings)
        _dvc(root, "push", "-q")
        objects = _cached(root)
        remote = open_remote(settings, HashName.MD5)
        assert remote.contains(list(objects)) == set(objects)
        assert set(objects) <= {oid for oid, _ in remote.list()}
        for oid, path in objects.items():
            target = tmp_path / f"{number}-{oid}"
            remote.download(oid, str(target))
            assert target.read_bytes() == path.read_bytes()
        remote.close()


def test_dvc_trusts_a_folder_we_filled(tmp_path: Path) -> None:
    try:
        servers.program("dvc")
    except ServerAbsent as reason:
        pytest.skip(str(reason))
    settings = RemoteSettings("storage", str(tmp_path / "shared"), {})
    root = _repository(tmp_path / "repo", settings)
    remote = open_remote(settings, HashName.MD5)
    objects = _cached(root)
    for oid, path in objects.items():
        remote.upload(oid, str(path), path.stat().st_size)
    remote.finish()
    assert "in sync" in _dvc(root, "status", "-c")
    ours = {path.stat().st_mode & 0o777 for path in (tmp_path / "shared").rglob("*") if path.is_file()}
    assert ours == {0o444}
