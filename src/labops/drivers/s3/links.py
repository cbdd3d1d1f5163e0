"""Addresses under which everybody may read one object for a while: signed here, without a request."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.signing import presign, quote_path, quote_query
from labops.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore

LONGEST: Final = 7 * 24 * 3600
"""Seconds that Signature Version 4 allows; GCS and Azure (with an account key) allow no more either."""


_SAS: Final = "2021-08-06"


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
        if settings.kind == "azure" and settings.native.get("account_key"):
            return Address(_azure_address(bucket, key, seconds, now or datetime.now(UTC)))
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


def _azure_address(bucket: Bucket, key: str, seconds: int, now: datetime) -> str:
    """A service SAS of one blob ("Create a service SAS", Azure Storage REST reference, versions from 2020-12-06).

    obstore's own signs a name such as `a b` in its encoded form, which the store refuses.
    """
    settings = bucket.settings
    account = settings.native["account_name"]
    stamps = [when.strftime("%Y-%m-%dT%H:%M:%SZ") for when in (now, now + timedelta(seconds=seconds))]
    resource = f"/blob/{account}/{settings.bucket}/{key}"
    text = "\n".join(["r", *stamps, resource, "", "", "", _SAS, "b", "", "", "", "", "", "", ""])
    secret = base64.b64decode(settings.native["account_key"])
    signature = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()
    pairs = [("sv", _SAS), ("st", stamps[0]), ("se", stamps[1]), ("sr", "b"), ("sp", "r"), ("sig", signature)]
    path = quote_path(f"{settings.bucket}/{key}")
    return f"{settings.endpoint.rstrip('/')}/{path}?{quote_query(pairs)}"
