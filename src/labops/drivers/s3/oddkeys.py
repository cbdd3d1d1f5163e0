"""Objects whose keys obstore refuses, by requests of our own: `pre//x`, as dvc joins a url that ends with `/`."""

from __future__ import annotations

import re
from typing import Final

from labops.drivers.s3.faults import SHORT_BODY, Fault, is_absence, lab_error
from labops.drivers.s3.listing import Row
from labops.drivers.s3.wire import Answer, Wire

_ODD = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\x00-\x1f\x7f]")
_BEYOND: Final = 416
_PARTIAL: Final = 206


def is_odd(key: str) -> bool:
    """True for a key with an empty, `.` or `..` segment, or with a control character."""
    return _ODD.search(key) is not None


def head(wire: Wire, key: str) -> Row | Fault:
    """The object as a listing would show it, or what kept us from knowing."""
    answer = wire.attempt("HEAD", key, headers=wire.settings.customer_headers)
    if isinstance(answer, Fault):
        return answer
    return Row(key, int(answer.headers.get("content-length") or 0), (answer.headers.get("etag") or "").strip('"'))


def first(wire: Wire, key: str, most: int) -> tuple[bytes, int]:
    """The first bytes of the object and its whole size; more than `most` bytes where ranges are not honoured."""
    headers = {"range": f"bytes=0-{most - 1}", **wire.settings.customer_headers}
    answer = wire.attempt("GET", key, headers=headers)
    if isinstance(answer, Fault):
        if answer.status == _BEYOND:  # an empty object has no first byte
            return b"", 0
        raise lab_error(answer, wire.where("s3:GetObject"))
    wire.pace.take(len(answer.body))
    total = (answer.headers.get("content-range") or "").rpartition("/")[2]
    is_part = answer.status == _PARTIAL and total.isdigit()
    return answer.body, int(total) if is_part else len(answer.body)


def part(wire: Wire, key: str, start: int, end: int, etag: str | None = None) -> bytes | None:
    """Bytes `start` to `end` (exclusive); None when the store answers with something else than a range."""
    headers = {"range": f"bytes={start}-{end - 1}", **wire.settings.customer_headers}
    if etag:
        headers["if-match"] = f'"{etag}"'
    answer = wire.request("GET", key, action="s3:GetObject", headers=headers)
    wire.pace.take(len(answer.body))
    if answer.status != _PARTIAL:
        return None
    if len(answer.body) != end - start:
        raise lab_error(Fault(0, SHORT_BODY), wire.where("s3:GetObject"))
    return answer.body


def whole(wire: Wire, key: str) -> bytes:
    """The bytes of a small object."""
    return wire.request("GET", key, action="s3:GetObject", headers=wire.settings.customer_headers).body


def delete(wire: Wire, key: str) -> None:
    """Delete one object; an absent one is no error."""
    answer = wire.attempt("DELETE", key)
    if not isinstance(answer, Answer) and not is_absence(answer):
        raise lab_error(answer, wire.where("s3:DeleteObject"))
