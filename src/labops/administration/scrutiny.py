"""What is wrong at a store beside drift: keys too old, too many or root's, buckets that the world can read."""

from __future__ import annotations

from collections.abc import Iterator

from labops.administration.days import days_between
from labops.administration.provider import Finding
from labops.drivers.bucketadmin import BucketAdmin
from labops.drivers.iam import Identities, Kind
from labops.errors import LabError, Unsupported
from labops.membership import KeyInfo, Lab, Provider

KEY_DAYS = 90
"""How old a key may become: a year's students hold few keys, and a forgotten laptop shows within a term."""


def bucket_findings(lab: Lab, buckets: BucketAdmin) -> Iterator[Finding]:
    """Buckets that are open to the world, or hold bytes unencrypted."""
    for bucket in (lab.home_bucket, lab.dataset_bucket):
        if not buckets.exists(bucket):
            continue
        grants = buckets.public_grants(bucket)
        if grants:
            words = ", ".join(grants)
            yield Finding(
                "public-bucket", bucket, f"the bucket's ACL gives the whole world: {words}", "lab admin apply"
            )
        if lab.provider is Provider.AWS:
            yield from _aws_bucket(bucket, buckets)


def _aws_bucket(bucket: str, buckets: BucketAdmin) -> Iterator[Finding]:
    if _look(buckets, bucket, "public-access") != "blocked":
        yield Finding("public-bucket", bucket, "public access is not blocked", "lab admin apply")
    if not _look(buckets, bucket, "encryption"):
        yield Finding("unencrypted-bucket", bucket, "objects are stored unencrypted", "lab admin apply")


def _look(buckets: BucketAdmin, bucket: str, setting: str) -> str:
    try:
        return buckets.get(bucket, setting)
    except Unsupported:
        return ""


def key_findings(lab: Lab, identities: Identities, today: str) -> Iterator[Finding]:
    """Keys that should not be, or should be changed."""
    try:
        is_root = identities.owner_key_is_root()
    except LabError:
        is_root = False
    if is_root:
        yield Finding(
            "root-key", "root", "`lab admin` runs with the root key of the account",
            "make an IAM administrator, then delete root's access keys in the console",
        )  # fmt: skip
    for name in identities.names(Kind.USER, lab.identity_prefix):
        member = lab.member(name.removeprefix(lab.identity_prefix))
        keys = identities.keys(name)
        active = [key for key in keys if key.is_active]
        if member is None:
            message = f"no member of lab.toml, but {len(active)} keys work" if active else "no member of lab.toml"
            short = name.removeprefix(lab.identity_prefix)
            yield Finding("unknown-identity", name, message, f"lab admin remove {short}")
        elif active and not member.is_active(today):
            yield Finding(
                "ended-member", member.name, "suspended or past the last day, but a key works", "lab admin apply"
            )
        if len(active) > 1:
            yield Finding("two-keys", name, f"{len(active)} keys work; one is enough", "lab admin rotate")
        for key in active:
            yield from _age(name, key, today)


def _age(name: str, key: KeyInfo, today: str) -> Iterator[Finding]:
    days = days_between(key.created, today)
    if days is not None and days > KEY_DAYS:
        used = f"last used {key.last_used[:10]}" if key.last_used else "no use of it is known"
        yield Finding("old-key", name, f"the key {key.id} is {days} days old; {used}", "lab admin rotate")
