"""Object bytes in S3 and compatible stores, GCS and Azure: the one importer of obstore.

`Bucket` answers and stores, `upload` and `download` move files; all failures are `labops.errors`.
"""

from labops.drivers.s3.bucket import Bucket, Watch
from labops.drivers.s3.checksums import checksums
from labops.drivers.s3.copying import copy, copy_all
from labops.drivers.s3.downloading import download
from labops.drivers.s3.links import Address, sign_address
from labops.drivers.s3.listing import DatedRow, Row
from labops.drivers.s3.settings import BucketSettings
from labops.drivers.s3.signing import Keys
from labops.drivers.s3.uploading import upload
from labops.drivers.s3.wire import in_region

__all__ = [
    "Address",
    "Bucket",
    "BucketSettings",
    "DatedRow",
    "Keys",
    "Row",
    "Watch",
    "checksums",
    "copy",
    "copy_all",
    "download",
    "in_region",
    "sign_address",
    "upload",
]
