"""The remote contract on real S3 servers: one that checks rights, a strict one (also over TLS), a weak one."""

from __future__ import annotations

from typing import Any

import pytest

from labops.testing.remote_contract import RemoteContract


class TestMiniStack(RemoteContract):
    @pytest.fixture
    def backing(self, on_ministack: Any) -> Any:
        return on_ministack


class TestRclone(RemoteContract):
    @pytest.fixture
    def backing(self, on_rclone: Any) -> Any:
        return on_rclone


class TestCeph(RemoteContract):
    @pytest.fixture
    def backing(self, on_ceph: Any) -> Any:
        return on_ceph


class TestCephOverTls(RemoteContract):
    @pytest.fixture
    def backing(self, on_ceph_tls: Any) -> Any:
        return on_ceph_tls
