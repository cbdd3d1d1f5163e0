"""obstore clients, made from our settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from labops.drivers.s3.faults import disk_error
from labops.drivers.s3.settings import BucketSettings
from labops.errors import InvalidInput

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def open_store(settings: BucketSettings) -> ObjectStore:
    """The obstore client for `settings`."""
    endpoint = settings.endpoint
    client: dict[str, Any] = {
        "allow_http": endpoint.startswith("http://"),
        "allow_invalid_certificates": not settings.verifies_tls,
        "connect_timeout": timedelta(seconds=settings.connect_seconds),
        "read_timeout": timedelta(seconds=settings.read_seconds),
        # The whole of a transfer may take hours on a slow line; a stalled one is caught by the read timeout.
        "timeout": timedelta(hours=24),
        "pool_max_idle_per_host": "128",
        "http1_only": True,
    }
    if settings.ca_file:
        try:
            with open(settings.ca_file, "rb") as file:
                client["root_certificate"] = file.read()
        except OSError as error:
            raise disk_error(error, settings.ca_file) from error
    retry: Any = {
        "max_retries": 4,
        "retry_timeout": timedelta(minutes=2),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=8), "base": 2},
    }
    make = {"gs": _gcs, "azure": _azure}.get(settings.kind, _s3)
    try:
        return make(settings, {"client_options": client, "retry_config": retry})
    except Exception as error:
        raise InvalidInput(
            f"the options of the remote with bucket '{settings.bucket}' cannot be used",
            code="bad-remote-option",
            hint="check its url, its credentials file and its certificate file",
            bucket=settings.bucket,
        ) from error


def _gcs(settings: BucketSettings, common: dict[str, Any]) -> ObjectStore:
    from obstore.store import GCSStore

    return GCSStore(settings.bucket, config=dict(settings.native), **common)  # type: ignore[arg-type]


def _azure(settings: BucketSettings, common: dict[str, Any]) -> ObjectStore:
    from obstore.store import AzureStore

    return AzureStore(settings.bucket, config=dict(settings.native), **common)  # type: ignore[arg-type]


def _s3(settings: BucketSettings, common: dict[str, Any]) -> ObjectStore:
    from obstore.store import S3Store

    return S3Store(settings.bucket, config=_s3_config(settings), **common, **_provider(settings))  # type: ignore[arg-type]


def _s3_config(settings: BucketSettings) -> dict[str, Any]:
    is_tls = settings.endpoint.startswith("https:")
    config: dict[str, Any] = {
        # Both spellings, since the environment may hold either and would win over an absent one.
        "endpoint": settings.endpoint,
        "aws_endpoint_url_s3": settings.endpoint,
        "region": settings.region,
        "virtual_hosted_style_request": settings.is_virtual_hosted,
        # TLS already protects the body, so hashing it once more would only cost time.
        "unsigned_payload": is_tls,
        "skip_signature": settings.keys is None,
    }
    customer_key = settings.customer_headers.get("x-amz-server-side-encryption-customer-key")
    if customer_key:
        config |= {"server_side_encryption": "sse-c", "sse_customer_key_base64": customer_key}
    return config


def _provider(settings: BucketSettings) -> dict[str, Any]:
    source = settings.keys
    if source is None:
        return {}

    def credential() -> dict[str, object]:
        keys = source()
        return {
            "access_key_id": keys.key_id,
            "secret_access_key": keys.secret,
            "token": keys.token,
            "expires_at": keys.expires_at,
        }

    return {"credential_provider": credential}
