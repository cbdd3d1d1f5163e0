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


class DatedRow(NamedTuple):
    """One line of a listing with the time of the object's last change, as the store writes it."""

    key: str
    size: int
    etag: str
    modified: str


class Version(NamedTuple):
    """One version of an object in a bucket that keeps them; a deletion is one too."""

    key: str
    size: int
    etag: str
    modified: str
    version: str
    is_deletion: bool


def read_dated_page(body: bytes) -> tuple[list[DatedRow], bool, str]:
    """Rows of one ListObjectsV2 answer; whether more follow, and the token to ask for them with."""
    root = ET.fromstring(body)  # noqa: S314 - as below
    space = root.tag.removesuffix("ListBucketResult")
    name, length, tag, when = f"{space}Key", f"{space}Size", f"{space}ETag", f"{space}LastModified"
    decode = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    rows = []
    for item in root.iterfind(f"{space}Contents"):
        facts = {child.tag: child.text or "" for child in item}
        size = int(facts.get(length, "0"))
        rows.append(DatedRow(decode(facts[name]), size, facts.get(tag, "").strip('"'), facts.get(when, "")))
    is_cut = root.findtext(f"{space}IsTruncated", "false") == "true"
    return rows, is_cut, root.findtext(f"{space}NextContinuationToken", "")


def read_versions(body: bytes) -> tuple[list[Version], str, str]:
    """Rows of one ListObjectVersions answer, and the two markers of the next page ('' at the end)."""
    root = ET.fromstring(body)  # noqa: S314 - as below
    space = root.tag.rpartition("}")[0]
    space = f"{space}}}" if space else ""
    decode = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    rows = []
    for item in root:
        kind = item.tag.removeprefix(space)
        if kind not in {"Version", "DeleteMarker"}:
            continue
        facts = {child.tag.removeprefix(space): child.text or "" for child in item}
        etag = facts.get("ETag", "").strip('"')
        key, size, version = decode(facts["Key"]), int(facts.get("Size") or 0), facts.get("VersionId", "")
        rows.append(Version(key, size, etag, facts.get("LastModified", ""), version, kind == "DeleteMarker"))
    if root.findtext(f"{space}IsTruncated", "false") != "true":
        return rows, "", ""
    return rows, decode(root.findtext(f"{space}NextKeyMarker", "")), root.findtext(f"{space}NextVersionIdMarker", "")


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
