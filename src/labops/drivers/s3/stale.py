"""Uploads in parts that nobody finished: a store keeps, and charges for, their parts until they are aborted."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote_plus

from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.faults import Fault, lab_error

_UNKNOWN = frozenset({400, 403, 404, 405, 501})
"""Answers of stores that do not list uploads, or not to us."""


class Unfinished(NamedTuple):
    """One upload that was begun. `began` is in seconds since 1970, 0 where the store does not say."""

    key: str
    upload: str
    began: float


def unfinished(bucket: Bucket, prefix: str) -> Iterator[Unfinished]:
    """The unfinished uploads of keys below `prefix`; none where the store does not tell (GCS, Azure, some others)."""
    key, upload = "", ""
    while bucket.is_s3:
        query = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")]
        query += [("key-marker", key)] if key else []
        query += [("upload-id-marker", upload)] if upload else []
        answer = bucket.wire.attempt("GET", query=query)
        if isinstance(answer, Fault):
            if answer.status in _UNKNOWN and answer.code != "NoSuchBucket":
                return
            raise lab_error(answer, bucket.wire.where("s3:ListBucketMultipartUploads"))
        rows, key, upload = read_uploads(answer.body)
        yield from (row for row in rows if row.key.startswith(prefix))
        if not key:
            return


def abort(bucket: Bucket, one: Unfinished) -> None:
    """Let the store forget the parts; where it will not, its lifecycle rules do."""
    bucket.wire.attempt("DELETE", one.key, [("uploadId", one.upload)])


def read_uploads(body: bytes) -> tuple[list[Unfinished], str, str]:
    """Rows of one ListMultipartUploads answer, and the two markers of the next page ('' at the end)."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat refuses entity bombs; the store is the user's own
    except ET.ParseError:
        return [], "", ""
    head, brace, _ = root.tag.rpartition("}")
    space = head + brace
    if not root.tag.endswith("ListMultipartUploadsResult"):
        return [], "", ""  # a store that does not know the question answers another one
    decode = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    rows = [
        Unfinished(
            decode(item.findtext(f"{space}Key", "")),
            item.findtext(f"{space}UploadId", ""),
            _seconds(item.findtext(f"{space}Initiated", "")),
        )
        for item in root.iterfind(f"{space}Upload")
    ]
    if root.findtext(f"{space}IsTruncated", "false") != "true":
        return rows, "", ""
    return rows, decode(root.findtext(f"{space}NextKeyMarker", "")), root.findtext(f"{space}NextUploadIdMarker", "")


def _seconds(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
