"""The read contract over http, and what web servers do to a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labops.errors import AccessDenied, InvalidInput, Unavailable
from labops.model import HashName, RemoteSettings
from labops.places.remote import open_remote
from labops.testing import servers
from labops.testing.proxy import proxy
from labops.testing.remote_contract import WebContract, key_of, oid_of


class WebBacking:
    """The folder behind a web server, reached with plain file calls."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.settings = RemoteSettings("web", url, {})

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def backing(tmp_path: Path) -> Iterator[WebBacking]:
    (tmp_path / "www").mkdir()
    with servers.http_folder(str(tmp_path / "www")) as server:
        yield WebBacking(tmp_path / "www", server.endpoint)


class TestHttp(WebContract):
    @pytest.fixture
    def backing(self, tmp_path: Path) -> Iterator[WebBacking]:
        (tmp_path / "www").mkdir()
        with servers.http_folder(str(tmp_path / "www")) as server:
            yield WebBacking(tmp_path / "www", server.endpoint)


def test_a_broken_connection_is_taken_up_again(backing: WebBacking, tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    backing.put(key_of(oid_of(data)), data)
    with proxy(backing.settings.url) as between:
        remote = open_remote(RemoteSettings("web", between.endpoint), HashName.MD5)
        between.rule = lambda _: -1 if len(between.asked) < 3 else None
        assert remote.download(oid_of(data), str(tmp_path / "t")) == len(data)
        remote.close()
    assert (tmp_path / "t").read_bytes() == data


def test_overload_is_waited_for_and_then_said(backing: WebBacking) -> None:
    backing.put(key_of(oid_of(b"x")), b"x")
    with proxy(backing.settings.url) as between:
        remote = open_remote(RemoteSettings("web", between.endpoint), HashName.MD5)
        between.rule = lambda _: 503 if len(between.asked) < 3 else None
        assert remote.contains([oid_of(b"x")]) == {oid_of(b"x")}
        between.rule = lambda _: 503
        with pytest.raises(Unavailable) as caught:
            remote.contains([oid_of(b"x")])
        assert caught.value.code == "remote-busy"
        between.rule = lambda _: 401
        with pytest.raises(AccessDenied):
            remote.contains([oid_of(b"x")])
        remote.close()


def test_a_closed_port_is_told_within_seconds() -> None:
    remote = open_remote(RemoteSettings("web", f"http://127.0.0.1:{servers.free_port()}"), HashName.MD5)
    with pytest.raises(Unavailable):
        remote.check()
    remote.close()


def test_half_an_authentication_is_refused() -> None:
    for options in ({"auth": "basic", "user": "u"}, {"auth": "custom", "password": "p"}, {"auth": "digest"}):
        with pytest.raises(InvalidInput):
            open_remote(RemoteSettings("web", "https://x.example", options), HashName.MD5)
