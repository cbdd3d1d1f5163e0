"""What object stores complain of, in our words: the one table from a foreign failure to a `LabError`.

A store's failure reaches us as an exception of obstore (whose text ends in a debug dump that nobody should
read), as an HTTP answer with an XML body, or as an operating system error. All three become a `Fault`
first, then one of our errors. Messages name the bucket, the prefix, the key id and the action; they never
hold a secret, nor a foreign text.
"""

from __future__ import annotations

import errno
import re
from typing import Final, NamedTuple

from labops.errors import (
    AccessDenied,
    Conflict,
    Corrupt,
    InvalidInput,
    LabError,
    NoSpace,
    NotFound,
    Unavailable,
    Unsupported,
)


class Fault(NamedTuple):
    """A failure before it is translated: HTTP status (0 when there was no answer), S3 code, region hint."""

    status: int
    code: str = ""
    region: str = ""


class Where(NamedTuple):
    """What was attempted: the words that an error message needs."""

    bucket: str
    prefix: str
    key_id: str
    action: str
    scheme: str = "s3"
    endpoint: str = ""


TRANSPORT: Final = "Transport"
UNTRUSTED: Final = "UntrustedCertificate"
SHORT_BODY: Final = "ShortBody"
NOT_PARTIAL: Final = "NotPartial"

OBSTORE: Final[dict[str, Fault]] = {
    "AlreadyExistsError": Fault(409, "PreconditionFailed"),
    "BaseError": Fault(0, TRANSPORT),
    "GenericError": Fault(0, TRANSPORT),
    "InvalidPathError": Fault(400, "InvalidKey"),
    "JoinError": Fault(0, TRANSPORT),
    "NotFoundError": Fault(404, ""),
    "NotModifiedError": Fault(304, "PreconditionFailed"),
    "NotSupportedError": Fault(501, "NotImplemented"),
    "PermissionDeniedError": Fault(403, "AccessDenied"),
    "PreconditionError": Fault(412, "PreconditionFailed"),
    "UnauthenticatedError": Fault(401, "AccessDenied"),
    "UnknownConfigurationKeyError": Fault(400, "InvalidRequest"),
}
"""Every exception class of `obstore.exceptions` by name, for when its text holds no HTTP status.

A test fails when obstore grows a class that is not listed.
"""

_DENIED = {
    "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "InvalidSecurity", "NotSignedUp",
    "AuthorizationFailure", "AuthenticationFailed", "AuthorizationPermissionMismatch", "UnauthorizedAccess",
    "NoAuthenticationInformation", "PublicAccessNotPermitted",
}  # fmt: skip
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
_MISPLACED = {
    "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}  # fmt: skip
_BUSY = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "ThrottlingException",
    "TooManyRequests", "RequestLimitExceeded", "OperationAborted", "ServerBusy", "OperationTimedOut",
    "XMinioServerNotInitialized", SHORT_BODY,
}  # fmt: skip
_FULL = {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "UserQuotaExceeded", "StorageQuotaExceeded"}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "Md5Mismatch", "IncompleteBody"}

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]+)\s*</Code>")
_REGION = re.compile(r"<Region>\s*([a-z0-9-]+)\s*</Region>")


def read_answer(status: int, body: bytes, region: str = "") -> Fault:
    """The fault in an HTTP answer; `region` is the bucket's region where the answer's headers named one."""
    text = body[:20_000].decode("utf-8", "replace")
    code, named = _CODE.search(text), _REGION.search(text)
    return Fault(status, code[1] if code else "", region or (named[1] if named else ""))


def read_exception(error: BaseException) -> Fault:
    """The fault in an exception of obstore, of `http.client` or of the operating system."""
    text = str(error)
    visible = text.partition("Debug source:")[0]
    status, code, region = _STATUS.search(visible), _CODE.search(visible), _REGION.search(visible)
    if status:
        return Fault(int(status[1]), code[1] if code else "", region[1] if region else "")
    if "non-partial response" in visible:
        return Fault(0, NOT_PARTIAL)
    if "certificate" in text.lower() or "ssl" in type(error).__name__.lower():
        return Fault(0, UNTRUSTED)
    if isinstance(error, FileNotFoundError):
        return OBSTORE["NotFoundError"]
    return OBSTORE.get(type(error).__name__, Fault(0, TRANSPORT))


def is_absence(fault: Fault) -> bool:
    """True when the answer says 'no such object', or leaves open whether it is the bucket that is absent."""
    return fault.status == 404 and fault.code in {"", "NoSuchKey", "BlobNotFound"}


def lab_error(fault: Fault, where: Where) -> LabError:
    """The error to raise for `fault`."""
    for codes, build in _BY_CODE:
        if fault.code in codes:
            return build(fault, where)
    return _by_status(fault, where)


def disk_error(error: OSError, path: str) -> LabError:
    """The error for a local file that could not be read or written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpace(f"no room left for '{path}'", code="disk-full", hint="free some room", path=path)
    if isinstance(error, FileNotFoundError):
        return NotFound(f"'{path}' does not exist", code="no-such-file", path=path)
    if isinstance(error, PermissionError):
        return AccessDenied(f"'{path}' may not be opened", code="file-access-denied", path=path)
    return Unavailable(f"'{path}' could not be read or written", code="file-system-error", path=path)


def _place(where: Where) -> str:
    return f"{where.scheme}://{where.bucket}/{where.prefix}".rstrip("/")


def _denied(_: Fault, where: Where) -> LabError:
    action = where.action
    who = f"key '{where.key_id}'" if where.key_id else "anonymous access"
    arn = f"arn:aws:s3:::{where.bucket}"
    if action != "s3:ListBucket":
        arn += f"/{where.prefix}/*" if where.prefix else "/*"
    hint = f"ask the administrator to allow {action} on {arn}"
    if where.scheme != "s3":
        who, action = "these credentials", action.removeprefix("s3:")
        hint = "ask the administrator for this right, or check the remote's credentials"
    elif not where.key_id:
        hint = "the bucket is not public: configure credentials (a profile, or access_key_id)"
    return AccessDenied(
        f"{who} may not do {action} in '{_place(where)}'",
        code="access-denied",
        hint=hint,
        key_id=where.key_id or None,
        bucket=where.bucket,
        prefix=where.prefix,
        action=action,
    )


def _credentials(code: str, message: str, hint: str, where: Where) -> LabError:
    return AccessDenied(
        message, code=code, hint=hint, key_id=where.key_id or None, bucket=where.bucket, action=where.action
    )


def _unknown_key(_: Fault, where: Where) -> LabError:
    message = f"the access key '{where.key_id}' is not known to '{where.endpoint}'"
    return _credentials(
        "unknown-access-key",
        message,
        "it may be switched off or replaced: ask whoever gave it to you; or it belongs to another provider",
        where,
    )


def _wrong_secret(_: Fault, where: Where) -> LabError:
    message = f"the secret of access key '{where.key_id}' is wrong"
    return _credentials("wrong-secret-key", message, "enter the secret again, or ask for a new key", where)


def _expired(_: Fault, where: Where) -> LabError:
    message = f"the credentials of key '{where.key_id}' have expired"
    return _credentials("expired-credentials", message, "renew them, for example with `aws sso login`", where)


def _skewed(_: Fault, where: Where) -> LabError:
    message = "the clock of this computer is wrong, so its signatures are refused"
    return _credentials("clock-skew", message, "set the clock: `sudo timedatectl set-ntp true`", where)


def _no_bucket(_: Fault, where: Where) -> LabError:
    return NotFound(
        f"bucket '{where.bucket}' does not exist at '{where.endpoint}'",
        code="no-such-bucket",
        hint="check the remote's url and endpoint, or ask the administrator to create the bucket",
        bucket=where.bucket,
        endpoint=where.endpoint,
    )


def _misplaced(fault: Fault, where: Where) -> LabError:
    return InvalidInput(
        f"bucket '{where.bucket}' is in " + (f"region '{fault.region}'" if fault.region else "another region"),
        code="wrong-region",
        hint=f"set the remote's option: region = {fault.region or 'REGION'}",
        bucket=where.bucket,
        region=fault.region or None,
    )


def _busy(fault: Fault, where: Where) -> LabError:
    return Unavailable(
        f"'{where.endpoint}' is overloaded or out of order", code="remote-busy", hint="try again in a while",
        bucket=where.bucket, status=fault.status or None,
    )  # fmt: skip


def _full(_: Fault, where: Where) -> LabError:
    return NoSpace(
        f"no room left in bucket '{where.bucket}'", code="remote-full",
        hint="ask the administrator to raise the quota", bucket=where.bucket,
    )  # fmt: skip


def _damaged(_: Fault, where: Where) -> LabError:
    return Corrupt(
        f"bytes were damaged on the way to '{_place(where)}'; nothing was stored", code="corrupt-upload",
        hint="try again; if it happens often, suspect the network or the memory of this computer",
    )  # fmt: skip


def _untrusted(_: Fault, where: Where) -> LabError:
    return InvalidInput(
        f"the certificate of '{where.endpoint}' is not trusted",
        code="untrusted-certificate",
        hint="set the remote's option ssl_verify to the file of your authority's certificate",
        endpoint=where.endpoint,
    )


def _unreachable(_: Fault, where: Where) -> LabError:
    return Unavailable(
        f"'{where.endpoint or where.scheme}' cannot be reached",
        code="unreachable",
        hint="check the network, and the remote's endpointurl",
        endpoint=where.endpoint or None,
    )


def _archived(_: Fault, where: Where) -> LabError:
    return Unsupported(
        f"an object in '{_place(where)}' is archived and cannot be read at once", code="archived-object",
        hint="ask the administrator to restore it from the archive class",
    )  # fmt: skip


def _bad_name(_: Fault, where: Where) -> LabError:
    return InvalidInput(f"'{where.bucket}' is not a possible bucket name", code="bad-bucket-name", bucket=where.bucket)


def _not_implemented(fault: Fault, where: Where) -> LabError:
    return Unsupported(
        f"'{where.endpoint}' does not know a request that {where.action} needs", code="unsupported-request",
        hint="use `dvc` with this provider, or another provider", status=fault.status or None,
    )  # fmt: skip


def _no_object(_: Fault, where: Where) -> LabError:
    return NotFound(f"an object is missing in '{_place(where)}'", code="no-such-object", bucket=where.bucket)


def _changed_there(_: Fault, where: Where) -> LabError:
    return Conflict(
        f"an object in '{_place(where)}' was changed by somebody else meanwhile", code="changed-there",
        hint="run the command again: it looks anew", bucket=where.bucket,
    )  # fmt: skip


_BY_CODE = (
    ({"PreconditionFailed", "ConditionalRequestConflict", "BlobAlreadyExists", "ConditionNotMet"}, _changed_there),
    (_DENIED, _denied),
    ({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"}, _unknown_key),
    ({"SignatureDoesNotMatch"}, _wrong_secret),
    (_EXPIRED, _expired),
    ({"RequestTimeTooSkewed"}, _skewed),
    ({"NoSuchBucket", "ContainerNotFound"}, _no_bucket),
    (_MISPLACED, _misplaced),
    (_BUSY, _busy),
    (_FULL, _full),
    (_DAMAGED, _damaged),
    ({UNTRUSTED}, _untrusted),
    ({TRANSPORT}, _unreachable),
    ({"InvalidObjectState"}, _archived),
    ({"InvalidBucketName"}, _bad_name),
    ({"NotImplemented", NOT_PARTIAL}, _not_implemented),
    ({"NoSuchKey", "BlobNotFound"}, _no_object),
)


def _by_status(fault: Fault, where: Where) -> LabError:
    status = fault.status
    if status in {401, 403}:
        return _denied(fault, where)
    if status == 404:
        return _no_object(fault, where)
    if status == 412:
        return _changed_there(fault, where)
    if status in {301, 302, 307, 308}:
        return _misplaced(fault, where)
    if status == 501:
        return _not_implemented(fault, where)
    if status == 507:
        return _full(fault, where)
    if status == 0:
        return _unreachable(fault, where)
    if status == 429 or status >= 500:
        return _busy(fault, where)
    said = f" ('{fault.code}')" if fault.code else ""
    return InvalidInput(
        f"'{where.endpoint}' refused {where.action} with status {status}{said}",
        code="remote-refused",
        hint="check the options of the remote",
        bucket=where.bucket,
        status=status,
    )
