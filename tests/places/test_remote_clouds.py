"""The remote contract on Azure (its own emulator) and on Google's XML interface (a stand-in that speaks it)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import AzureStore

from labops.errors import InvalidInput, Unsupported
from labops.model import HashName, RemoteSettings
from labops.places.remote import Remote, open_remote
from labops.testing import servers
from labops.testing.remote_contract import RemoteContract, key_of, oid_of
from labops.testing.servers import Server, ServerAbsent

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


class AzureBacking:
    """A fresh container, reached with obstore alone."""

    def __init__(self, server: Server) -> None:
        self.container = f"lab-container-{next(_numbers)}"
        _make_container(server, self.container)
        self.connection = f"AccountName={server.key_id};AccountKey={server.secret};BlobEndpoint={server.endpoint}"
        self.settings = self._settings(self.container)
        self.store = AzureStore(
            self.container,
            config={"account_name": server.key_id, "account_key": server.secret, "endpoint": server.endpoint},
            client_options={"allow_http": True},
        )

    def _settings(self, container: str) -> RemoteSettings:
        return RemoteSettings("storage", f"azure://{container}/pre", {"connection_string": self.connection})

    def absent(self) -> RemoteSettings:
        return self._settings("no-such-container")

    def put(self, key: str, data: bytes) -> None:
        obstore.put(self.store, f"pre/{key}", data)

    def get(self, key: str) -> bytes | None:
        try:
            return bytes(obstore.get(self.store, f"pre/{key}").bytes())
        except FileNotFoundError:
            return None

    def keys(self) -> set[str]:
        found = {item["path"] for page in obstore.list(self.store) for item in page}
        return {key.removeprefix("pre/") for key in found}


def _make_container(server: Server, name: str) -> None:
    """What a portal click does: one request, signed with the account's key."""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": now, "x-ms-version": "2021-08-06"}
    resource = f"/{server.key_id}/{server.key_id}/{name}\nrestype:container"
    text = "PUT" + "\n" * 12 + "".join(f"{key}:{value}\n" for key, value in headers.items()) + resource
    digest = hmac.new(base64.b64decode(server.secret), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {server.key_id}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(f"{server.endpoint}/{name}?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@pytest.fixture(scope="module")
def azurite() -> Iterator[Server]:
    try:
        with servers.azurite() as server:
            yield server
    except ServerAbsent as reason:
        pytest.skip(str(reason))


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
