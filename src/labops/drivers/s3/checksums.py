"""The checksums that a store keeps beside an object: they tell what it holds without sending it."""

from __future__ import annotations

import base64
import binascii
import http.client
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.wire import Answer
from labops.errors import LabError

_S3: Final = {f"x-amz-checksum-{name}": name for name in ("sha256", "sha1", "crc32")}
_GOOGLE: Final = "md5="


def checksums(bucket: Bucket, key: str) -> dict[str, str]:
    """Name (`md5`, `sha256`, `sha1`, `crc32`) → lower-case hex of the whole object; empty when none is kept.

    One request. A store that does not know of checksums, or an object that is gone, has none: whoever asks
    reads the object then, and is told what is wrong.
    """
    return _of_s3(bucket, key) if bucket.is_s3 else _of_others(bucket, key)


def _of_s3(bucket: Bucket, key: str) -> dict[str, str]:
    headers = {"x-amz-checksum-mode": "ENABLED", **bucket.settings.customer_headers}
    answer = bucket.wire.attempt("HEAD", key, headers=headers)
    if not isinstance(answer, Answer) or answer.headers.get("x-amz-checksum-type") == "COMPOSITE":
        return {}
    return _known({name: answer.headers.get(header) for header, name in _S3.items()})


def _of_others(bucket: Bucket, key: str) -> dict[str, str]:
    """Azure keeps an md5 in `Content-MD5`, GCS in `x-goog-hash`; obstore shows neither."""
    try:
        request = urllib.request.Request(_signed_url(bucket, key), method="HEAD")  # noqa: S310 - made by obstore
        with urllib.request.urlopen(request, timeout=bucket.settings.read_seconds) as answer:  # noqa: S310
            header: Callable[[str], str | None] = answer.headers.get
            hashes = (header("x-goog-hash") or "").split(",")
            google = next((part.strip().removeprefix(_GOOGLE) for part in hashes if _GOOGLE in part), None)
            return _known({"md5": header("content-md5") or google})
    except (LabError, OSError, http.client.HTTPException):
        return {}  # a store that cannot sign or does not answer: the object is read instead


def _signed_url(bucket: Bucket, key: str) -> str:
    """A url that answers HEAD for some minutes, made without a request where a key is at hand."""
    import obstore

    # Azure's signature gives the right to read, whatever the method; for HEAD obstore would sign no right at all.
    method = "GET" if bucket.settings.kind == "azure" else "HEAD"
    with bucket.translated("s3:GetObject"):
        return obstore.sign(bucket.store, method, key, timedelta(minutes=5))  # type: ignore[call-overload,no-any-return]


def _known(digests: dict[str, str | None]) -> dict[str, str]:
    """Base64 as hex, without a digest of digests (`…-3`) or what is no base64."""
    found = {}
    for name, text in digests.items():
        try:
            digest = base64.b64decode(text or "", validate=True).hex()
        except binascii.Error:
            continue
        if digest:
            found[name] = digest
    return found
