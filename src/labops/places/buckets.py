"""From a url and options, as dvc writes them, to the settings of a bucket."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from labops.drivers.aws import S3Access, s3_access
from labops.drivers.s3 import BucketSettings
from labops.errors import InvalidInput
from labops.model import RemoteSettings

_GRANTS: Final = {
    "grant_full_control": "x-amz-grant-full-control",
    "grant_read": "x-amz-grant-read",
    "grant_read_acp": "x-amz-grant-read-acp",
    "grant_write_acp": "x-amz-grant-write-acp",
}
_DNS_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_SSE: Final = "x-amz-server-side-encryption"


def bucket_of(settings: RemoteSettings) -> tuple[BucketSettings, str]:
    """The bucket that `settings` (`s3://`, `gs://` or `azure://`) name, and the prefix in it, without end slashes."""
    url = urlsplit(settings.url, allow_fragments=False)
    bucket, path = url.netloc, url.path
    if url.scheme == "azure" and "@" in bucket:
        bucket = bucket.partition("@")[0]
    if not bucket:
        raise InvalidInput(f"'{settings.url}' names no bucket", code="bad-remote-url", remote=settings.name)
    # Only the slashes at the ends are decoration: dvc keeps those in between, and so must we.
    prefix = path.removeprefix("/").rstrip("/")
    make = {"s3": _s3, "gs": _gs, "azure": _azure}[url.scheme]
    return make(bucket, settings.options), prefix


def _s3(bucket: str, options: Mapping[str, str]) -> BucketSettings:
    access = s3_access(options)
    endpoint, is_virtual = _endpoint(bucket, options, access)
    verify = (options.get("ssl_verify") or "").strip()
    is_path = verify.lower() not in {"", "true", "false", "1", "0", "yes", "no", "on", "off"}
    return BucketSettings(
        bucket=bucket,
        endpoint=endpoint,
        region=access.region,
        is_region_sure=bool(access.endpoint or options.get("region")),
        is_virtual_hosted=is_virtual,
        keys=access.keys,
        ca_file=verify if is_path else access.ca_file,
        verifies_tls=verify.lower() not in {"false", "0", "no", "off"},
        put_headers=_put_headers(options),
        customer_headers=_customer_headers(options),
        connect_seconds=_seconds(options, "connect_timeout", 10.0),
        read_seconds=_seconds(options, "read_timeout", 60.0),
    )


def _endpoint(bucket: str, options: Mapping[str, str], access: S3Access) -> tuple[str, bool]:
    """The endpoint for a bucket, and whether its host name holds the bucket's name (as botocore decides it)."""
    given = access.endpoint.rstrip("/")
    can_be_host = bool(_DNS_BUCKET.fullmatch(bucket))
    if given:
        if "://" not in given:
            given = f"https://{given}"
        is_virtual = access.addressing == "virtual" and can_be_host
    else:
        scheme = "http" if options.get("use_ssl", "true").lower() == "false" else "https"
        suffix = "amazonaws.com.cn" if access.region.startswith("cn-") else "amazonaws.com"
        given = f"{scheme}://s3.{access.region}.{suffix}"
        is_virtual = access.addressing != "path" and can_be_host
    if is_virtual:
        scheme, _, host = given.partition("://")
        return f"{scheme}://{bucket}.{host}", True
    return given, False


def _put_headers(options: Mapping[str, str]) -> dict[str, str]:
    headers = {header: options[name] for name, header in _GRANTS.items() if options.get(name)}
    if options.get("acl"):
        if headers:
            raise _exclusive("acl", "grant_*")
        headers["x-amz-acl"] = options["acl"]
    if options.get("sse"):
        headers[_SSE] = options["sse"]
    if options.get("sse_kms_key_id"):
        if options.get("sse_customer_key"):
            raise _exclusive("sse_kms_key_id", "sse_customer_key")
        headers.setdefault(_SSE, "aws:kms")
        headers[f"{_SSE}-aws-kms-key-id"] = options["sse_kms_key_id"]
    return headers


def _customer_headers(options: Mapping[str, str]) -> dict[str, str]:
    key = options.get("sse_customer_key")
    if not key:
        return {}
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        raise InvalidInput("sse_customer_key is not base64", code="bad-remote-option") from None
    return {
        f"{_SSE}-customer-algorithm": options.get("sse_customer_algorithm") or "AES256",
        f"{_SSE}-customer-key": key,
        f"{_SSE}-customer-key-md5": base64.b64encode(hashlib.md5(raw).digest()).decode(),
    }


def _exclusive(one: str, other: str) -> InvalidInput:
    return InvalidInput(f"the remote's options {one} and {other} exclude each other", code="bad-remote-option")


def _gs(bucket: str, options: Mapping[str, str]) -> BucketSettings:
    native = {}
    if options.get("credentialpath"):
        native["service_account"] = options["credentialpath"]
    endpoint = options.get("endpointurl") or ""
    if endpoint:
        native["base_url"] = endpoint.rstrip("/")
    if options.get("allow_anonymous_login", "").lower() == "true":
        native["skip_signature"] = "true"
    return BucketSettings(bucket, endpoint or "https://storage.googleapis.com", "gs", native=native)


_AZURE: Final = {
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "tenant_id": "tenant_id",
    "client_id": "client_id",
    "client_secret": "client_secret",
}


def _azure(bucket: str, options: Mapping[str, str]) -> BucketSettings:
    native = {ours: options[theirs] for theirs, ours in _AZURE.items() if options.get(theirs)}
    parts = dict(part.split("=", 1) for part in options.get("connection_string", "").split(";") if "=" in part)
    for theirs, ours in (("AccountName", "account_name"), ("AccountKey", "account_key"), ("BlobEndpoint", "endpoint")):
        if theirs in parts:
            native.setdefault(ours, parts[theirs])
    if "SharedAccessSignature" in parts:
        native.setdefault("sas_key", parts["SharedAccessSignature"])
    if options.get("allow_anonymous_login", "").lower() == "true":
        native["skip_signature"] = "true"
    account = native.get("account_name", "")
    endpoint = native.get("endpoint") or f"https://{account}.blob.core.windows.net"
    return BucketSettings(bucket, endpoint, "azure", native=native)


def _seconds(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(options.get(name) or default)
    except ValueError:
        raise InvalidInput(f"{name} is not a number of seconds", code="bad-remote-option") from None
