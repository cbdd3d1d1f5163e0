"""A container of Azure's emulator, looked at without labops."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import urllib.request
from datetime import UTC, datetime

import obstore
from obstore.store import AzureStore

from labops.model import RemoteSettings
from labops.testing.servers import Server

_numbers = itertools.count()


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
