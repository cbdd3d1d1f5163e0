"""How to talk to one bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labops.drivers.s3.signing import Keys


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Everything needed to talk to one bucket. `keys` is called per request and may refresh; None: unsigned."""

    bucket: str
    endpoint: str
    """`scheme://host[:port][/path]`; holds the bucket's name when `is_virtual_hosted`."""
    kind: str = "s3"
    """`s3`, `gs` or `azure`; for the last two only `native` and the timeouts count."""
    region: str = "us-east-1"
    is_region_sure: bool = True
    """False on AWS when nobody said for this bucket: then AWS is asked, as botocore would follow it there."""
    is_virtual_hosted: bool = False
    keys: Callable[[], Keys] | None = field(default=None, repr=False)
    ca_file: str | None = None
    verifies_tls: bool = True
    put_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`x-amz-*` headers of every upload: acl, grants, server-side encryption."""
    customer_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SSE-C headers, needed for uploads and downloads alike."""
    native: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
