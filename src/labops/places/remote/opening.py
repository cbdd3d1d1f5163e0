"""From the options of a bucket remote to an open one."""

from __future__ import annotations

from labops.drivers.s3 import Bucket, in_region
from labops.model import HashName, RemoteSettings
from labops.places.buckets import bucket_of
from labops.places.remote.bucket import BucketRemote
from labops.places.remote.knowledge import Knowledge


def open_bucket(settings: RemoteSettings, hash_name: HashName, state_dir: str | None) -> BucketRemote:
    """The bucket remote that `settings` describe."""
    opened, prefix, knowledge = bucket_at(settings, str(hash_name), state_dir)
    return BucketRemote(settings.name, settings.url, opened, prefix, hash_name, knowledge)


def bucket_at(settings: RemoteSettings, what: str, state_dir: str | None) -> tuple[Bucket, str, Knowledge]:
    """The bucket that a url lies in, the key or prefix that it names there, and what is known about it.

    `what` keeps the knowledge of several uses of one url apart.
    """
    bucket_settings, prefix = bucket_of(settings)
    knowledge = Knowledge(state_dir, f"{bucket_settings.endpoint}|{settings.url}|{what}")
    known = knowledge.get("region")
    if known and not bucket_settings.is_region_sure:
        bucket_settings = in_region(bucket_settings, known)
    opened = Bucket(bucket_settings, prefix, on_region=lambda region: knowledge.put("region", region))
    return opened, prefix, knowledge
