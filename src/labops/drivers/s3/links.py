"""Addresses under which everybody may read one object for a while: signed here, without a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.signing import presign
from labops.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore

LONGEST: Final = 7 * 24 * 3600
"""Seconds that Signature Version 4 allows; GCS and Azure (with an account key) allow no more either."""


class Address(NamedTuple):
    """`is_temporary`: signed with keys of a session, so that it dies with that, however long it was asked to live."""

    url: str
    is_temporary: bool = False


def sign_address(bucket: Bucket, key: str, seconds: int, now: datetime | None = None) -> Address:
    """A GET address of `key`. Raises `InvalidInput` (`link-too-long`) and `Unsupported` (`no-links`)."""
    if not 0 < seconds <= LONGEST:
        raise InvalidInput(
            "a signed link lives for at most 7 days",
            code="link-too-long",
            hint="--for 7d, and share again when it has ended",
        )
    settings = bucket.settings
    if not bucket.is_s3:
        import obstore

        with bucket.translated("s3:GetObject"):
            return Address(
                obstore.sign(cast("GCSStore | AzureStore", bucket.store), "GET", key, timedelta(seconds=seconds))
            )
    if settings.keys is None or settings.customer_headers:
        why = "was encrypted with a key of your own" if settings.customer_headers else "is read without any key"
        raise Unsupported(
            f"an object that {why} cannot be shared by a link", code="no-links", hint="send the file itself"
        )
    keys = settings.keys()
    host, path = bucket.wire.target(key)
    query = presign("GET", host, path, keys, settings.region, now or datetime.now(UTC), seconds)
    scheme = settings.endpoint.partition("://")[0]
    return Address(f"{scheme}://{host}{path}?{query}", keys.token is not None)
