"""AWS Signature Version 4 for S3 requests, of which obstore makes none with a query of our own.

Written from the specification ("Signature Calculations for the Authorization Header", Amazon S3 API
Reference); a property test compares it with botocore's signer, which would cost its import on every push.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"


class Keys(Protocol):
    """One set of credentials. `expires_at` is None for keys that last."""

    @property
    def key_id(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def token(self) -> str | None: ...
    @property
    def expires_at(self) -> datetime | None: ...


def quote_path(path: str) -> str:
    """`path` percent-encoded as S3 wants it in the request line and in the signature: once, `/` kept."""
    return quote(path, safe="/-_.~")


def quote_query(query: Sequence[tuple[str, str]]) -> str:
    """`query` encoded, then sorted, the same for the request line and the signature."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(
    method: str, path: str, query: str, headers: Mapping[str, str], keys: Keys, region: str, now: datetime
) -> dict[str, str]:
    """`headers` plus the ones that prove who asks.

    `path` and `query` are already quoted. `headers` have lower-case names and hold `host`; all of them get
    signed. The body is signed only where `x-amz-content-sha256` is among them.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {"x-amz-content-sha256": UNSIGNED, **headers, "x-amz-date": stamp}
    if keys.token:
        signed["x-amz-security-token"] = keys.token
    names = sorted(signed)
    listed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
    request = "\n".join((method, path, query, lines, listed, signed["x-amz-content-sha256"]))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_day_key(keys.secret, scope), text.encode(), hashlib.sha256).hexdigest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return signed


def presign(method: str, host: str, path: str, keys: Keys, region: str, now: datetime, seconds: int) -> str:
    """The query that proves who allows `method` on the quoted `path` of `host` for that many seconds."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    pairs = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{keys.key_id}/{scope}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(seconds)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if keys.token:
        pairs.append(("X-Amz-Security-Token", keys.token))
    query = quote_query(pairs)
    request = "\n".join((method, path, query, f"host:{host}\n", "host", UNSIGNED))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    return (
        f"{query}&X-Amz-Signature={hmac.new(_day_key(keys.secret, scope), text.encode(), hashlib.sha256).hexdigest()}"
    )


@functools.lru_cache(maxsize=4)
def _day_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
