"""Objects of S3 by requests of our own: any key, also those that obstore refuses (`pre//x`, as dvc joins a url
that ends with `/`), with all that the answer says, and for a small object with half of the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from labops.drivers.s3.faults import SHORT_BODY, Fault, is_absence, lab_error
from labops.drivers.s3.listing import Row
from labops.drivers.s3.wire import Answer, Opened, Wire, is_passing, tries

_ODD = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\x00-\x1f\x7f]")
_PARTIAL: Final = 206
_CHUNK: Final = 256 << 10


class Fetched(NamedTuple):
    """What the answer said of an object, its size in bytes, and whether its bytes were fetched."""

    headers: Mapping[str, str]
    size: int
    is_fetched: bool = True


def is_odd(key: str) -> bool:
    """True for a key with an empty, `.` or `..` segment, or with a control character."""
    return _ODD.search(key) is not None


def head(wire: Wire, key: str) -> Row | Fault:
    """The object as a listing would show it, or what kept us from knowing."""
    answer = wire.attempt("HEAD", key, headers=wire.settings.customer_headers)
    if isinstance(answer, Fault):
        return answer
    return Row(key, int(answer.headers.get("content-length") or 0), (answer.headers.get("etag") or "").strip('"'))


def fetch(
    wire: Wire,
    key: str,
    write: Callable[[bytes], None],
    query: Sequence[tuple[str, str]] = (),
    *,
    below: int | None = None,
) -> Fetched:
    """Fetch `key` in one request; `write` gets its bytes in order, and what it raises passes through.

    An object of `below` bytes or more is left alone. Where the connection breaks, the rest is asked for again, of
    the very same content.
    """
    transfer = _Transfer(wire, write, below)
    for is_last in tries():
        with wire.open(key, query, headers={**wire.settings.customer_headers, **transfer.rest()}) as opened:
            fault = opened if isinstance(opened, Fault) else transfer.take(opened)
        if fault is None:
            return transfer.fetched()
        if is_last or not is_passing(fault):
            raise lab_error(fault, wire.where("s3:GetObject"))
    raise AssertionError("unreachable")


class _Transfer:
    """How far one object has come."""

    def __init__(self, wire: Wire, write: Callable[[bytes], None], below: int | None) -> None:
        self._pace = wire.pace
        self._write = write
        self._below = below
        self._first: Opened | None = None
        self._got = 0

    def rest(self) -> dict[str, str]:
        """The headers that ask for what has not come yet."""
        if not self._got or self._first is None:
            return {}
        etag = self._first.headers.get("etag")
        return {"range": f"bytes={self._got}-", **({"if-match": etag} if etag else {})}

    def take(self, opened: Opened) -> Fault | None:
        """Take in what comes; what kept the rest from coming."""
        if not self._got:
            self._first = opened
            if self._is_left_alone():
                return None
        elif opened.status != _PARTIAL:
            return Fault(opened.status, SHORT_BODY)  # it begins anew, and what was written cannot be taken back
        while data := opened.read(min(_CHUNK, self._pace.piece)):
            if isinstance(data, Fault):
                return data
            self._pace.take(len(data))
            self._got += len(data)
            self._write(data)
        return None if self._size() == self._got else Fault(0, SHORT_BODY)

    def fetched(self) -> Fetched:
        """The end of it."""
        assert self._first is not None
        return Fetched(self._first.headers, self._size(), not self._is_left_alone())

    def _size(self) -> int:
        length = self._first.length if self._first else None
        return self._got if length is None else length

    def _is_left_alone(self) -> bool:
        return self._below is not None and self._size() >= self._below


def fetch_range(
    wire: Wire, key: str, start: int, end: int, etag: str | None, write: Callable[[bytes, int], None]
) -> bool:
    """Bytes `start` to `end` (exclusive) of `key`; False when the store answers with something else than a range.

    `write` gets each piece and its place in the object, more than once where the connection broke. With an `etag` the
    object must still have it.
    """
    headers = {"range": f"bytes={start}-{end - 1}", **wire.settings.customer_headers}
    if etag:
        headers["if-match"] = f'"{etag}"'
    for is_last in tries():
        with wire.open(key, headers=headers) as opened:
            if isinstance(opened, Opened) and not _is_range(opened, start, end):
                return False
            fault = opened if isinstance(opened, Fault) else _pour(wire, opened, write, start, end)
        if fault is None:
            return True
        if is_last or not is_passing(fault):
            raise lab_error(fault, wire.where("s3:GetObject"))
    raise AssertionError("unreachable")


def _pour(wire: Wire, opened: Opened, write: Callable[[bytes, int], None], at: int, end: int) -> Fault | None:
    while data := opened.read(min(_CHUNK, wire.pace.piece)):
        if isinstance(data, Fault):
            return data
        wire.pace.take(len(data))
        write(data, at)
        at += len(data)
    return None if at == end else Fault(0, SHORT_BODY)


def _is_range(opened: Opened, start: int, end: int) -> bool:
    """By what it says it is: `rclone serve s3` sends the right bytes as if they were the whole."""
    said = opened.headers.get("content-range", "")
    return said.startswith(f"bytes {start}-{end - 1}/") or (opened.status == _PARTIAL and not said)


def whole(wire: Wire, key: str) -> bytes:
    """The bytes of a small object."""
    return wire.request("GET", key, action="s3:GetObject", headers=wire.settings.customer_headers).body


def delete(wire: Wire, key: str) -> None:
    """Delete one object; an absent one is no error."""
    answer = wire.attempt("DELETE", key)
    if not isinstance(answer, Answer) and not is_absence(answer):
        raise lab_error(answer, wire.where("s3:DeleteObject"))
