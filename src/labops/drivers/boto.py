"""boto3 clients for the control plane, and our error for each of theirs.

Never on the data path: the import alone takes a quarter of a second.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Final

from labops.drivers.aws import ACCOUNTED, AwsKeys, S3Access, translate
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NotFound, Unavailable, Unsupported

REFUSED: Final = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "Forbidden", "InvalidAccessKeyId", "InvalidClientTokenId",
    "SignatureDoesNotMatch", "UnauthorizedOperation", "UnrecognizedClientException", "UserSuspended", "403",
    "RequestTimeTooSkewed", "AccountProblem", "AllAccessDisabled", "MethodNotAllowedForRoot",
}  # fmt: skip
ABSENT: Final = {
    "404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NoSuchUser", "NoSuchVersion", "NotFound",
    "NoSuchBucketPolicy", "NoSuchLifecycleConfiguration", "NoSuchPublicAccessBlockConfiguration", "NoSuchTagSet",
    "NoSuchConfiguration", "OwnershipControlsNotFoundError", "ServerSideEncryptionConfigurationNotFoundError",
}  # fmt: skip
UNKNOWN: Final = {
    "NotImplemented", "MethodNotAllowed", "InvalidAction", "UnsupportedOperation", "405", "501", "UnknownOperation",
    "UnknownOperationException", "XNotImplemented",
}  # fmt: skip
TAKEN: Final = {
    "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "BucketNotEmpty", "ConcurrentModification", "DeleteConflict",
    "EntityAlreadyExists", "EntityTemporarilyUnmodifiable", "KeyExists", "LimitExceeded", "OperationAborted",
    "PreconditionFailed", "UserAlreadyExists",
}  # fmt: skip
BUSY: Final = {
    "InternalError", "InternalFailure", "RequestLimitExceeded", "RequestTimeout", "ServiceFailure",
    "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip


def client(service: str, access: S3Access, *, keys: AwsKeys | None = None) -> Any:
    """A client of `service` at `access`, signing with `keys` (those of `access` by default)."""
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.session import get_session  # type: ignore[import-untyped]

    if keys is None:
        keys = access.keys() if access.keys else None
    with translated(service):
        core = get_session()
        core.register_component("data_loader", _descriptions())
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=keys.key_id if keys else None,
            aws_secret_access_key=keys.secret if keys else None,
            aws_session_token=keys.token if keys else None,
            region_name=access.region,
        )
        return session.client(
            service,
            endpoint_url=access.endpoint or None,
            verify=access.ca_file,
            config=Config(
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 5},
                # Older stores answer 411 to the trailing checksums that newer clients add over TLS.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": access.addressing if not access.endpoint else "path"},
            ),
        )


@functools.cache
def _descriptions() -> Any:
    """What botocore knows of the services. Each session would read it anew, which takes a third of a second."""
    from botocore.loaders import create_loader  # type: ignore[import-untyped]

    return create_loader()


def code_of(error: Exception) -> str:
    """The store's own word for a failure, such as `NoSuchEntity`; empty when nobody answered."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """The HTTP status of a failure, 0 when nobody answered."""
    response = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def translated(action: str, **fields: str) -> Iterator[None]:
    """Raise our error for whatever boto3 raises inside; `action` completes "the store refused to …"."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        yield
    except ClientError as error:
        raise answered(error, action, **fields) from error
    except BotoCoreError as error:
        name = type(error).__name__
        if name in {"ParamValidationError", "ValidationError"} or name in ACCOUNTED - _NETWORK:
            raise translate(error) from error
        raise Unavailable(
            "the store cannot be reached", code="unreachable", hint="check the endpoint and the network", action=action,
            **fields,
        ) from error  # fmt: skip


_NETWORK: Final = {
    "ConnectTimeoutError", "ConnectionClosedError", "ConnectionError", "EndpointConnectionError", "HTTPClientError",
    "ProxyConnectionError", "ReadTimeoutError", "ResponseStreamingError", "IncompleteReadError", "SSLError",
}  # fmt: skip


def answered(error: Exception, action: str, **fields: str) -> LabError:
    """Our error for an answer of the store that is a refusal."""
    code, status = code_of(error), status_of(error)
    facts: dict[str, Any] = {**fields, "action": action, "answer": code}
    if code in BUSY or status in {429, 500, 502, 503, 504}:
        return Unavailable("the store is overloaded or out of order", code="remote-busy", **facts)
    if code.startswith("Expired"):
        return AccessDenied("the credentials have expired", code="expired-credentials", hint="log in again", **facts)
    if code in ABSENT:
        return NotFound(f"the store has nothing to {action}", code="not-at-store", **facts)
    if code in REFUSED or status in {401, 403}:
        hint = "use an administrator's credentials: --profile NAME, or AWS_PROFILE"
        return AccessDenied(f"the store refused to {action}", code="access-denied", hint=hint, **facts)
    if code in TAKEN or status == 409:
        return Conflict(f"the store could not {action}: {_words(code)}", code="store-conflict", **facts)
    if code in UNKNOWN or status in {405, 501}:
        return Unsupported(f"this store does not know how to {action}", code="store-cannot", **facts)
    if status == 404:
        return NotFound(f"the store has nothing to {action}", code="not-at-store", **facts)
    return InvalidInput(f"the store refused to {action}: it says '{code}'", code="store-refused", **facts)


def _words(code: str) -> str:
    return {
        "BucketAlreadyExists": "somebody else in the world has a bucket of this name",
        "LimitExceeded": "a limit of the account is reached",
        "DeleteConflict": "something still hangs on it",
    }.get(code, f"it says '{code}'")
