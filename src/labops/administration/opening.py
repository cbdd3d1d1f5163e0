"""From what `lab.toml` says to the provider that does it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from labops.administration.cloud import Cloud
from labops.administration.provider import Provider
from labops.drivers.aws import S3Access, s3_access
from labops.drivers.bucketadmin import BucketAdmin
from labops.drivers.iam import open_aws, open_ceph
from labops.membership import Lab
from labops.membership import Provider as Name


def admin_access(lab: Lab, *, profile: str = "", env: Mapping[str, str] | None = None) -> S3Access:
    """The administrator's way to the lab's store: the AWS profile `profile`, else the environment's credentials.

    `NotFound` (`no-such-profile`) or `AccessDenied` (`no-credentials`).
    """
    options = {"profile": profile, "region": lab.region, "endpointurl": lab.endpoint}
    return s3_access({name: value for name, value in options.items() if value}, env or os.environ)


def reached(lab: Lab, *, profile: str = "") -> Lab:
    """`lab` with the endpoint that its store is really reached at: the environment or the AWS profile may name one.

    The rights depend on it: to demand TLS of a store that has none would lock everybody out, the administrator too.
    """
    if lab.endpoint or lab.provider is Name.LOCAL:
        return lab
    options = {"profile": profile, "allow_anonymous_login": "true"}
    return lab._replace(endpoint=s3_access({name: value for name, value in options.items() if value}).endpoint)


def open_provider(lab: Lab, *, profile: str = "") -> Provider:
    """The provider of `lab`. Sends a request only to find out what kind of store an unknown endpoint is."""
    if lab.provider is Name.LOCAL:
        from labops.administration.server import Server

        return Server(lab)
    return open_cloud(lab, profile=profile)


def open_cloud(lab: Lab, *, profile: str = "") -> Cloud:
    """The provider of a lab in buckets."""
    access = admin_access(lab, profile=profile)
    if lab.provider is Name.AWS:
        return Cloud(BucketAdmin(access), open_aws(access), is_slow_to_tell=not access.endpoint)
    from labops.drivers.iam.ceph import CephIdentities

    is_ceph = CephIdentities(access).is_spoken()
    return Cloud(BucketAdmin(access), open_ceph(access) if is_ceph else None)
