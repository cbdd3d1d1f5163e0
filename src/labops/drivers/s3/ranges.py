"""A part of one object, as large downloads want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labops.drivers.s3 import direct
from labops.drivers.s3.bucket import Bucket
from labops.drivers.s3.faults import NOT_PARTIAL, SHORT_BODY, Fault, lab_error, read_exception

if TYPE_CHECKING:
    from obstore import GetOptions


def get_range(
    bucket: Bucket, key: str, start: int, end: int, etag: str | None, write: Callable[[bytes | memoryview, int], None]
) -> bool:
    """Bytes `start` to `end` (exclusive) of `key`; False when the store does not honour ranges.

    `write` gets each piece and its place in the object. With an `etag` the object must still have it, in stores that
    know conditions.
    """
    if bucket.is_s3:
        bucket.honours_ranges = direct.fetch_range(bucket.wire, key, start, end, etag, write)
        return bucket.honours_ranges
    try:
        data = _ask(bucket, key, start, end, etag)
    except Exception as error:
        if read_exception(error).code == NOT_PARTIAL:
            bucket.honours_ranges = False
            return False
        with bucket.translated("s3:GetObject"):
            raise error from None
    if len(data) != end - start:
        raise lab_error(Fault(0, SHORT_BODY), bucket.wire.where("s3:GetObject"))
    write(data, start)
    return True


def _ask(bucket: Bucket, key: str, start: int, end: int, etag: str | None) -> memoryview:
    import obstore

    if bucket.pace.rate is None and not etag:
        return memoryview(obstore.get_range(bucket.store, key, start=start, end=end))
    options: GetOptions = {"range": (start, end)}
    if etag:
        options["if_match"] = f'"{etag}"'
    result = obstore.get(bucket.store, key, options=options)
    if bucket.pace.rate is None:
        return memoryview(result.bytes())
    # In pieces, so that the store is not read from faster than the limit says.
    data = bytearray()
    for chunk in result.stream(min_chunk_size=bucket.pace.piece):
        bucket.pace.take(len(chunk))
        data += memoryview(chunk)
    return memoryview(data)
