"""The checksums that a store keeps beside an object: they tell what it holds without sending it."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.wire import Answer

_S3: Final = {f"x-amz-checksum-{name}": name for name in ("sha256", "sha1", "crc32")}


def checksums(bucket: Bucket, key: str) -> dict[str, str]:
    """Name (`sha256`, `sha1`, `crc32`) → lower-case hex of the whole object; empty when the store keeps none.

    One request to S3, none to GCS and Azure. A store that does not know of checksums, or an object that is
    gone, has none: whoever asks reads the object then, and is told what is wrong.
    """
    if not bucket.is_s3:
        return {}
    headers = {"x-amz-checksum-mode": "ENABLED", **bucket.settings.customer_headers}
    answer = bucket.wire.attempt("HEAD", key, headers=headers)
    if not isinstance(answer, Answer) or answer.headers.get("x-amz-checksum-type") == "COMPOSITE":
        return {}
    found = {}
    for header, name in _S3.items():
        digest = _hex(answer.headers.get(header) or "")
        if digest:
            found[name] = digest
    return found


def _hex(text: str) -> str:
    """Base64 as hex; nothing for a digest of digests (`…-3`) or what is no base64."""
    try:
        return base64.b64decode(text, validate=True).hex()
    except binascii.Error:
        return ""
