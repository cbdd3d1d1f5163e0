"""The remote contract on Azure (its own emulator) and on Google's XML interface (a stand-in that speaks it)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from labops.errors import InvalidInput, Unsupported
from labops.model import HashName, RemoteSettings
from labops.places.remote import Remote, open_remote
from labops.testing.remote_contract import RemoteContract, key_of, oid_of
from labops.testing.servers import Server
from tests.places.azure import AzureBacking

_numbers = itertools.count()


class GoogleBacking:
    """A bucket of the stand-in, reached with boto3 through the S3 side of the same interface."""

    def __init__(self, inner: Any, key_file: Path) -> None:
        self.put, self.get, self.keys = inner.put, inner.get, inner.keys
        endpoint = inner.server.endpoint
        account = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": ""}
        key_file.write_text(json.dumps({**account, "private_key": "", "private_key_id": ""}))
        self.options = {"endpointurl": endpoint, "credentialpath": str(key_file)}
        self.settings = RemoteSettings("storage", f"gs://{inner.bucket}/some/prefix", self.options)

    def absent(self) -> RemoteSettings:
        return RemoteSettings("storage", "gs://no-such-bucket/pre", self.options)


class TestGoogle(RemoteContract):
    @pytest.fixture
    def backing(self, on_open_rclone: Any, tmp_path: Path) -> GoogleBacking:
        return GoogleBacking(on_open_rclone, tmp_path / "account.json")

    @pytest.mark.parametrize("hash_name", list(HashName))
    def test_the_trash_takes_and_gives_back(self, backing: Any, opened: Any, hash_name: HashName) -> None:
        """The stand-in takes Google's copy for an upload of nothing: that is noticed, and nothing is lost."""
        data = b"kept"
        backing.put(key_of(oid_of(data), hash_name), data)
        with pytest.raises(Unsupported) as caught:
            opened(hash_name).trash({oid_of(data): len(data)}, "2026-11-25")
        assert caught.value.code == "copy-unsupported"
        assert backing.keys() == {key_of(oid_of(data), hash_name)}
        assert backing.get(key_of(oid_of(data), hash_name)) == data

    def test_an_object_of_the_other_layout_is_adopted(self, backing: Any, opened: Any) -> None:
        """As above."""
        backing.put(key_of(oid_of(b"\0"), HashName.MD5_DOS2UNIX), b"\0")
        with pytest.raises(Unsupported):
            opened().adopt(oid_of(b"\0"), 1)
        assert backing.keys() == {key_of(oid_of(b"\0"), HashName.MD5_DOS2UNIX)}


class TestAzure(RemoteContract):
    @pytest.fixture
    def backing(self, azurite: Server) -> AzureBacking:
        return AzureBacking(azurite)

    def test_the_stored_md5_is_read(self, backing: AzureBacking, remote: Remote) -> None:
        oid = oid_of(b"data")
        backing.put(key_of(oid), b"data")
        assert remote.checksums(oid) == {"md5": oid}
        assert remote.checksums(oid_of(b"nothing")) == {}


def test_a_credentials_file_that_cannot_be_read_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text('{"private_key": "PRIVATE"}')
    settings = RemoteSettings("storage", "gs://bucket/pre", {"credentialpath": str(tmp_path / "account.json")})
    remote = open_remote(settings, HashName.MD5)
    with pytest.raises(InvalidInput) as caught:
        remote.read(oid_of(b"x"))
    assert caught.value.code == "bad-remote-option"
    assert "PRIVATE" not in f"{caught.value} {caught.value.hint} {caught.value.fields}"
