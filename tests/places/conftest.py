"""A fresh bucket for each test, on the servers of the session."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from labops.model import RemoteSettings
from labops.testing import servers
from labops.testing.servers import Server
from tests.conftest import running

_numbers = itertools.count()


class S3Backing:
    """A fresh bucket, reached with boto3."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name=server.region,
            aws_access_key_id=server.key_id or None,
            aws_secret_access_key=server.secret or None,
            verify=server.ca_file,
            config=Config(
                request_checksum_calculation="when_required",
                s3={"addressing_style": "path"},
                signature_version=None if server.key_id else UNSIGNED,
            ),
        )
        self.bucket = f"lab-bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=self.bucket)
        self.prefix = "some/prefix/"
        self.settings = RemoteSettings("storage", f"s3://{self.bucket}/some/prefix", server.options())

    def at(self, endpoint: str, **options: str) -> RemoteSettings:
        """The same remote behind another endpoint or with other options."""
        return RemoteSettings(
            "storage", self.settings.url, {**self.settings.options, "endpointurl": endpoint, **options}
        )

    def absent(self) -> RemoteSettings:
        return RemoteSettings("storage", "s3://lab-no-such-bucket/some/prefix", self.server.options())

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def get(self, key: str) -> bytes | None:
        with contextlib.suppress(self.client.exceptions.NoSuchKey):
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
            return body
        return None

    def keys(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        found = {item["Key"] for page in pages for item in page.get("Contents", ())}
        assert all(key.startswith(self.prefix) for key in found)
        return {key.removeprefix(self.prefix) for key in found}


def backing_on(server: Server) -> Iterator[S3Backing]:
    """A fresh bucket on `server`; its client is closed afterwards."""
    backing = S3Backing(server)
    yield backing
    backing.client.close()


@pytest.fixture
def on_ministack(ministack: Server) -> Iterator[S3Backing]:
    yield from backing_on(ministack)


@pytest.fixture
def on_rclone(rclone: Server) -> Iterator[S3Backing]:
    yield from backing_on(rclone)


@pytest.fixture
def on_ceph(ceph: tuple[Server, Server]) -> Iterator[S3Backing]:
    yield from backing_on(ceph[0])


@pytest.fixture
def on_ceph_tls(ceph: tuple[Server, Server]) -> Iterator[S3Backing]:
    yield from backing_on(ceph[1])


@pytest.fixture(scope="session")
def open_rclone() -> Iterator[Server]:
    yield from running(lambda: servers.rclone(is_open=True))


@pytest.fixture
def on_open_rclone(open_rclone: Server) -> Iterator[S3Backing]:
    yield from backing_on(open_rclone)


@pytest.fixture
def on_azurite(azurite: Server) -> Any:
    from tests.places.azure import AzureBacking

    return AzureBacking(azurite)
