"""The two judges of rights: MiniStack with IAM enforced, and Ceph. A claim counts when both agree."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from labops.administration.cloud import Cloud
from labops.administration.opening import open_provider
from labops.drivers.aws import S3Access, s3_access
from labops.drivers.iam import Identities, open_aws, open_ceph
from labops.formats.labtemplate import template
from labops.membership import AccessKey, Lab, Member, Provider, Role
from labops.planning.lab import Change
from labops.testing.servers import Server
from labops.verbs.admin_apply import ApplyReport, apply
from labops.verbs.admin_plan import plan

_numbers = itertools.count()


class Store:
    """A running store and the administrator's access to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_ceph = server.name.startswith("ceph")
        self.access: S3Access = s3_access(server.options(), {"HOME": "/nonexistent"})
        self._clients: list[Any] = []

    def identities(self) -> Identities:
        return open_ceph(self.access) if self.is_ceph else open_aws(self.access)

    def client(self, service: str = "s3", key: AccessKey | None = None) -> Any:
        """A boto3 client, made independently of the package under test; the administrator's by default."""
        made = boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=key.id if key else self.server.key_id,
            aws_secret_access_key=key.secret.reveal() if key else self.server.secret,
            verify=self.server.ca_file,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        self._clients.append(made)
        return made

    def keep(self, client: Any) -> None:
        """Close `client` with the others."""
        self._clients.append(client)

    def lab(self, **changes: Any) -> Lab:
        """A small lab that nobody else has: four roles, an endpoint, two buckets that are not made yet."""
        number = f"{os.getpid()}-{next(_numbers)}"
        lab = Lab(
            name=f"t{number}",
            provider=Provider.S3 if self.is_ceph else Provider.AWS,
            home_bucket=f"t{number}-home",
            dataset_bucket=f"t{number}-data",
            region="us-east-1",
            endpoint=self.server.endpoint,
            members=(
                Member("yusuke", Role.ADMIN),
                Member("carol", Role.CURATOR),
                Member("russell", Role.STUDENT),
                Member("alice", Role.STUDENT),
                Member("gina", Role.GUEST),
            ),
        )
        return lab._replace(**changes)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture(params=["ministack", "ceph"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each judge in turn."""
    server = request.getfixturevalue(request.param)
    made = Store(server[0] if request.param == "ceph" else server)
    yield made
    made.close()


@pytest.fixture
def ministack_store(ministack: Server) -> Iterator[Store]:
    made = Store(ministack)
    yield made
    made.close()


@pytest.fixture
def ceph_store(ceph: tuple[Server, Server]) -> Iterator[Store]:
    made = Store(ceph[0])
    yield made
    made.close()


class Office:
    """An administrator's desk: a folder with `lab.toml`, credentials in the environment, a store behind them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.lab = store.lab()
        self.write(self.lab)

    def write(self, lab: Lab, extra: str = "") -> Lab:
        """Make `lab.toml` say `lab`, and `extra` lines of it."""
        self.lab = lab
        (self.folder / "lab.toml").write_text(template(lab) + extra)
        return lab

    def cloud(self) -> Cloud:
        """The provider, opened anew as each command does."""
        found = open_provider(self.lab)
        assert isinstance(found, Cloud)
        return found

    def plan(self, day: str = "") -> tuple[Change, ...]:
        return plan(str(self.folder), day=day).changes

    def apply(self, day: str = "") -> ApplyReport:
        found = plan(str(self.folder), day=day)
        return apply(found.lab, found.changes)

    def key(self, member: str) -> AccessKey:
        """A key of the member, as an invitation would make it."""
        return self.store.identities().create_key(self.lab.identity_of(member))


@pytest.fixture
def office(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A desk at each judge in turn; its lab is not applied yet."""
    return _office(store, tmp_path, monkeypatch)


@pytest.fixture
def ministack_office(ministack_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return _office(ministack_store, tmp_path, monkeypatch)


@pytest.fixture
def ceph_office(ceph_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return _office(ceph_store, tmp_path, monkeypatch)


def _office(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.server.secret)
    monkeypatch.chdir(folder)
    return Office(store, folder)
