"""Copies inside one bucket, made by the store itself: no byte of an object passes through this machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from labops.drivers.hands import each_ready
from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.faults import Fault, lab_error, read_answer
from labops.drivers.s3.plain import look
from labops.drivers.s3.signing import quote_path
from labops.drivers.s3.storing import ABSENT, condition_headers, meta_headers
from labops.drivers.s3.wire import Answer
from labops.errors import Unsupported

WHOLE: Final = 5 << 30
"""Bytes up to which S3 copies an object in one request."""
PART: Final = 1 << 30
_COPIERS: Final = 32
_ACTION: Final = "s3:PutObject"


def copy(
    bucket: Bucket, source: str, target: str, size: int, condition: str | None = None, *, is_new: bool = False
) -> None:
    """Store the object `source`, of `size` bytes, once more as `target`, with its metadata.

    The copy appears whole or not at all. With `condition`, `source` must still have that etag; with `is_new` there
    must be no `target` yet; both in stores that know them. Raises `NotFound` (`no-such-object`) when `source` is
    absent, and `Unsupported` (`copy-unsupported`) for a store that took the request for an upload of nothing.
    """
    if not bucket.is_s3:
        _copy_native(bucket, source, target, is_new=is_new)
        made = bucket.head(target)
        if made is None or made.size != size:
            raise _unsupported(bucket, target)
        return
    headers = {**_headers(bucket, source), **condition_headers(condition, "x-amz-copy-source-")}
    last = condition_headers(ABSENT if is_new else None)
    if size <= WHOLE:
        answer = bucket.wire.request("PUT", target, action=_ACTION, headers=headers | last, body=bytes)
        if not answer.body:
            raise _unsupported(bucket, target)
        _check(bucket, answer)
    else:
        _copy_parts(bucket, source, target, size, headers, last)


def copy_all(bucket: Bucket, copies: Mapping[str, tuple[str, int]]) -> None:
    """Make many copies (source → target, size) in parallel; the first error ends it."""
    for _ in each_ready(
        lambda row: copy(bucket, row[0], *row[1]), list(copies.items()), most=_COPIERS, name="labops-copy"
    ):
        pass


def _copy_native(bucket: Bucket, source: str, target: str, *, is_new: bool) -> None:
    import obstore

    with bucket.translated(_ACTION):
        obstore.copy(bucket.store, source, target, overwrite=not is_new)


def _unsupported(bucket: Bucket, target: str) -> Unsupported:
    """A store that does not copy made an empty object instead, which must not stay under that name."""
    bucket.delete([target])
    return Unsupported(
        f"the store of bucket '{bucket.settings.bucket}' cannot copy objects",
        code="copy-unsupported",
        hint="use dvc for this, or another store",
        bucket=bucket.settings.bucket,
    )


def _headers(bucket: Bucket, source: str) -> dict[str, str]:
    settings = bucket.settings
    headers = {
        "x-amz-copy-source": quote_path(f"/{settings.bucket}/{source}"),
        **settings.put_headers,
        **settings.customer_headers,
    }
    for name, value in settings.customer_headers.items():
        headers[name.replace("x-amz-", "x-amz-copy-source-", 1)] = value
    return headers


def _check(bucket: Bucket, answer: Answer) -> ET.Element:
    """A copy may fail after its 200 was sent: then the body says so."""
    try:
        root = ET.fromstring(answer.body)  # noqa: S314 - expat refuses entity bombs; the store is the user's own
    except ET.ParseError:
        raise lab_error(Fault(500, "InternalError"), bucket.wire.where(_ACTION)) from None
    if not root.tag.rpartition("}")[2].endswith("Result"):
        raise lab_error(read_answer(500, answer.body), bucket.wire.where(_ACTION))
    return root


def _copy_parts(
    bucket: Bucket, source: str, target: str, size: int, headers: dict[str, str], last: dict[str, str]
) -> None:
    wire, settings = bucket.wire, bucket.settings
    found = look(bucket, source)
    meta = meta_headers(found.meta) if found else {}
    begin = {**settings.put_headers, **settings.customer_headers, **meta}
    answer = wire.request("POST", target, [("uploads", "")], action=_ACTION, headers=begin)
    upload = _text(_check(bucket, answer), "UploadId")
    for name in settings.put_headers:
        headers.pop(name, None)  # those belong to the whole

    def part(number: int) -> tuple[int, str]:
        start = (number - 1) * PART
        span = {"x-amz-copy-source-range": f"bytes={start}-{min(start + PART, size) - 1}"}
        query = [("partNumber", str(number)), ("uploadId", upload)]
        answer = wire.request("PUT", target, query, action=_ACTION, headers=headers | span, body=bytes)
        return number, _text(_check(bucket, answer), "ETag")

    try:
        etags = dict(each_ready(part, range(1, -(-size // PART) + 1), most=_COPIERS, name="labops-copy"))
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etags[number])}</ETag></Part>"
            for number in sorted(etags)
        )
        text = (
            f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</CompleteMultipartUpload>'
        )
        answer = wire.request("POST", target, [("uploadId", upload)], action=_ACTION, headers=last, body=text.encode)
        _check(bucket, answer)
    except BaseException:
        wire.attempt("DELETE", target, [("uploadId", upload)])  # the store would charge for the parts
        raise


def _text(root: ET.Element, name: str) -> str:
    return next((item.text or "" for item in root.iter() if item.tag.rpartition("}")[2] == name), "")
