"""A home: a member's own files in a bucket or a folder, plain objects that every other tool can read.

Importing this module is cheap: the libraries behind each kind of home are loaded when one is opened.
"""

from __future__ import annotations

from labops.drivers.pace import Pace
from labops.errors import InvalidInput, Unsupported
from labops.model import RemoteSettings
from labops.places.home.place import TRASH, Buried, Home
from labops.places.home.words import ABSENT, Facts, Got, Source, Store, Stored, Version

__all__ = ["ABSENT", "TRASH", "Buried", "Facts", "Got", "Home", "Source", "Store", "Stored", "Version", "open_home"]


def open_home(settings: RemoteSettings, *, conditions: frozenset[str] | None = None) -> Home:
    """The home at `settings.url`. Sends no request.

    `conditions` are those that an earlier look found the store to honour; None finds out before the first write.
    """
    pace = Pace()
    scheme, separator, _ = settings.url.partition("://")
    if not separator:
        from labops.places.home.folder import FolderStore

        if not settings.url.startswith("/"):
            raise InvalidInput(f"'{settings.url}' is neither an absolute path nor a url", code="bad-remote-url")
        return Home(settings.url, FolderStore(settings.url.rstrip("/") or "/", pace), pace=pace)
    if scheme in {"s3", "gs", "azure"}:
        from labops.drivers.s3 import Bucket
        from labops.places.buckets import bucket_of
        from labops.places.home.bucket import BucketStore

        bucket_settings, prefix = bucket_of(settings)
        base = f"{prefix}/" if prefix else ""
        store = BucketStore(Bucket(bucket_settings, prefix, pace=pace), base, conditions=conditions)
        return Home(settings.url, store, base, pace)
    raise Unsupported(
        f"labops keeps no homes at '{scheme}://'",
        code="unsupported-home",
        hint="use an s3://, gs:// or azure:// url, or an absolute path",
    )
