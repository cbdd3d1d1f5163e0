"""The pages of a listing, as S3 writes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from obstore import ObjectMeta


class Row(NamedTuple):
    """One line of a listing; `etag` has no quotes, `modified` is the time as the store wrote it (ISO 8601)."""

    key: str
    size: int
    etag: str
    modified: str = ""


def read_page(body: bytes) -> tuple[list[Row], str]:
    """Rows of one ListObjectsV2 answer, and the token of the next page ('' when this is the last)."""
    root = ET.fromstring(body)  # noqa: S314 - expat refuses entity bombs; the store is the user's own
    space = root.tag.removesuffix("ListBucketResult")
    name, length, tag, time = f"{space}Key", f"{space}Size", f"{space}ETag", f"{space}LastModified"
    decode = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    rows = [
        Row(
            decode(item.findtext(name, "")),
            int(item.findtext(length, "0")),
            item.findtext(tag, "").strip('"'),
            item.findtext(time, ""),
        )
        for item in root.iterfind(f"{space}Contents")
    ]
    is_cut = root.findtext(f"{space}IsTruncated", "false") == "true"
    return rows, (root.findtext(f"{space}NextContinuationToken", "") if is_cut else "")


def row_of(meta: ObjectMeta) -> Row:
    """An object as obstore describes it."""
    return Row(meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'), meta["last_modified"].isoformat())
