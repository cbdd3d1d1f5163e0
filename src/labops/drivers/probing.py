"""Real requests to a store, to see which of them a key is allowed: what `lab admin prove` tries.

The administrator prepares objects of a run below a folder that nobody else uses, and takes all of them away after.
A trial's answer is `allowed`, `denied`, or `error:` with the store's own word; a denial that had an effect all the
same is `allowed`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from labops.drivers import boto
from labops.drivers.aws import AwsKeys, S3Access
from labops.errors import LabError, Unavailable
from labops.membership import AccessKey

_NEW_KEY_SECONDS: Final = 60.0
_BODY: Final = b"a probe of labops; it may be deleted\n"
_OTHER: Final = b"another probe of labops\n"
_NO_POLICY: Final = "{}"
_UNKNOWN_KEY: Final = {"InvalidAccessKeyId", "InvalidClientTokenId"}
_NO_ACLS: Final = {"AccessControlListNotSupported", "InvalidBucketAclWithObjectOwnership"}


class Prepared(NamedTuple):
    """The objects that the administrator made for one actor at one place."""

    bucket: str
    folder: str
    """Ends with a slash."""
    version: str
    """The version of `old`, empty where the store keeps none."""


class Ground:
    """The administrator's side: makes what is tried on, sees what became of it, and cleans up."""

    def __init__(self, access: S3Access) -> None:
        self._s3 = boto.client("s3", access)

    def prepare(self, bucket: str, folder: str) -> Prepared:
        """Objects that a trial may read, overwrite or delete below `folder`, which ends with a slash."""
        version = ""
        with boto.translated("prepare the proof", bucket=bucket):
            for name in ("read", "over", "gone", "bulk"):
                self._s3.put_object(Bucket=bucket, Key=folder + name, Body=_BODY)
            old = self._s3.put_object(Bucket=bucket, Key=f"{folder}old", Body=_BODY)
            version = str(old.get("VersionId", ""))
            self._s3.put_object(Bucket=bucket, Key=f"{folder}old", Body=_OTHER)
        return Prepared(bucket, folder, "" if version == "null" else version)

    def is_intact(self, place: Prepared, name: str) -> bool:
        """True when the newest version of the object is still what `prepare` wrote."""
        try:
            with boto.translated("look at the proof", bucket=place.bucket):
                answer = self._s3.get_object(Bucket=place.bucket, Key=place.folder + name)
                body: bytes = answer["Body"].read()
        except LabError:
            return False
        return body == (_OTHER if name == "old" else _BODY)

    def has_version(self, place: Prepared, name: str, body: bytes = _BODY) -> bool:
        """True when some version of the object still has `body`."""
        with boto.translated("look at the proof", bucket=place.bucket):
            key = place.folder + name
            rows = self._s3.list_object_versions(Bucket=place.bucket, Prefix=key).get("Versions", ())
            for row in rows:
                version = {"VersionId": row["VersionId"]} if row["Key"] == key else None
                if version and self._s3.get_object(Bucket=place.bucket, Key=key, **version)["Body"].read() == body:
                    return True
        return False

    def exists(self, place: Prepared, name: str) -> bool:
        """True when there is such an object now."""
        try:
            with boto.translated("look at the proof", bucket=place.bucket):
                self._s3.head_object(Bucket=place.bucket, Key=place.folder + name)
        except LabError:
            return False
        return True

    def policy(self, bucket: str) -> str:
        """The bucket's policy as it is now; empty for none."""
        try:
            with boto.translated("look at the policy", bucket=bucket):
                return str(self._s3.get_bucket_policy(Bucket=bucket)["Policy"])
        except LabError:
            return ""

    def undo_policy(self, bucket: str) -> None:
        """Take away what a trial left where a store keeps a text that is no policy."""
        if self.policy(bucket) == _NO_POLICY:
            with boto.translated("clean up after the proof", bucket=bucket):
                self._s3.delete_bucket_policy(Bucket=bucket)

    def clean(self, bucket: str, folder: str) -> None:
        """Take away every version of everything below `folder`, and every unfinished upload there."""
        with boto.translated("clean up after the proof", bucket=bucket):
            # One listing at a time from the start: what a page shows is gone before the next is asked for.
            while True:
                page = self._s3.list_object_versions(Bucket=bucket, Prefix=folder)
                rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                for row in rows:
                    self._s3.delete_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])
                if not rows:
                    break
            for upload in self._s3.list_multipart_uploads(Bucket=bucket, Prefix=folder).get("Uploads", ()):
                self._s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class Prober:
    """One member's side: each method of `TRIES` sends the real request with the member's key."""

    def __init__(self, access: S3Access, keys: AwsKeys, ground: Ground, *, away: str) -> None:
        """`away` is `bucket/folder/` where this member may write: the target of copies; empty for nowhere."""
        self._s3 = boto.client("s3", access, keys=keys)
        self._access = access
        self._ground = ground
        self._away = away

    def wait_until_known(self, bucket: str) -> None:
        """Return once the store knows the key: AWS takes some seconds to tell a new one everywhere."""
        deadline = time.monotonic() + _NEW_KEY_SECONDS
        while self._code(lambda: self._s3.list_objects_v2(Bucket=bucket, MaxKeys=1)) in _UNKNOWN_KEY:
            if time.monotonic() > deadline:
                raise Unavailable("the store does not know the new key yet", code="remote-busy", hint="try again")
            time.sleep(1)

    def attempt(self, action: str, place: Prepared) -> str:
        """What the store answers to `action` at `place`: `allowed`, `denied`, `kept` or `error:CODE`."""
        code = self._code(lambda: getattr(self, f"_{action.replace('-', '_')}")(place))
        answer = "allowed" if not code else "denied" if code == "denied" else f"error:{code}"
        return self._seen(action, place, answer)

    def _seen(self, action: str, place: Prepared, answer: str) -> str:
        """The answer, corrected by what the administrator sees afterwards."""
        if action == "overwrite":
            if answer == "allowed":
                return "kept" if self._ground.has_version(place, "over") else "allowed"
            return answer if self._ground.is_intact(place, "over") else "allowed"
        if action == "change-policy":
            self._ground.undo_policy(place.bucket)
        if answer == "allowed":
            return answer
        victim = {"delete": "gone", "bulk-delete": "bulk", "put-tags": "read"}.get(action)
        if victim and not self._ground.is_intact(place, victim):
            return "allowed"
        made = {"put": "new", "multipart": "parts", "presigned-put": "link", "publish": "world"}.get(action)
        if made and self._ground.exists(place, made):
            return "allowed"
        if action == "delete-version" and place.version and not self._ground.has_version(place, "old"):
            return "allowed"
        return answer

    def _code(self, call: Callable[[], object]) -> str:
        """The store's word for a failure, `denied` for a refusal, empty for success."""
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            call()
        except _Refused as refusal:
            return str(refusal)
        except ClientError as error:
            code = boto.code_of(error)
            is_refusal = boto.status_of(error) == 403 and code not in _UNKNOWN_KEY
            is_refusal |= code == "AccessDenied" or code in _NO_ACLS
            return "denied" if is_refusal else code or str(boto.status_of(error))
        except BotoCoreError as error:
            with boto.translated("try a right"):
                raise error  # noqa: TRY201
        return ""

    def _list(self, place: Prepared) -> None:
        self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.folder)

    def _get(self, place: Prepared) -> None:
        self._s3.get_object(Bucket=place.bucket, Key=f"{place.folder}read")["Body"].read()

    def _put(self, place: Prepared) -> None:
        self._s3.put_object(Bucket=place.bucket, Key=f"{place.folder}new", Body=_OTHER)

    def _overwrite(self, place: Prepared) -> None:
        self._s3.put_object(Bucket=place.bucket, Key=f"{place.folder}over", Body=_OTHER)

    def _delete(self, place: Prepared) -> None:
        self._s3.delete_object(Bucket=place.bucket, Key=f"{place.folder}gone")

    def _bulk_delete(self, place: Prepared) -> None:
        keys = {"Objects": [{"Key": f"{place.folder}bulk"}]}
        answer = self._s3.delete_objects(Bucket=place.bucket, Delete=keys)
        for error in answer.get("Errors", ()):
            raise _Refused("denied" if error.get("Code") in {"AccessDenied", "403"} else str(error.get("Code")))

    def _multipart(self, place: Prepared) -> None:
        key = {"Bucket": place.bucket, "Key": f"{place.folder}parts"}
        upload = self._s3.create_multipart_upload(**key)["UploadId"]
        part = self._s3.upload_part(**key, UploadId=upload, PartNumber=1, Body=_OTHER)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self._s3.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)

    def _copy_from(self, place: Prepared) -> None:
        bucket, _, folder = self._away.partition("/")
        source = {"Bucket": place.bucket, "Key": f"{place.folder}read"}
        self._s3.copy_object(Bucket=bucket, Key=f"{folder}copy", CopySource=source)

    def _list_versions(self, place: Prepared) -> None:
        self._s3.list_object_versions(Bucket=place.bucket, Prefix=place.folder)

    def _get_version(self, place: Prepared) -> None:
        self._s3.get_object(Bucket=place.bucket, Key=f"{place.folder}old", **_version(place))["Body"].read()

    def _delete_version(self, place: Prepared) -> None:
        self._s3.delete_object(Bucket=place.bucket, Key=f"{place.folder}old", **_version(place))

    def _get_tags(self, place: Prepared) -> None:
        self._s3.get_object_tagging(Bucket=place.bucket, Key=f"{place.folder}read")

    def _put_tags(self, place: Prepared) -> None:
        tags = {"TagSet": [{"Key": "probe", "Value": "labops"}]}
        self._s3.put_object_tagging(Bucket=place.bucket, Key=f"{place.folder}read", Tagging=tags)

    def _presigned_get(self, place: Prepared) -> None:
        self._by_link("get_object", "GET", place, "read")

    def _presigned_put(self, place: Prepared) -> None:
        self._by_link("put_object", "PUT", place, "link")

    def _by_link(self, operation: str, method: str, place: Prepared, name: str) -> None:
        """A link that this member signed, followed by somebody without any key."""
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
        from botocore.httpsession import URLLib3Session  # type: ignore[import-untyped]

        arguments = {"Bucket": place.bucket, "Key": place.folder + name}
        link = self._s3.generate_presigned_url(operation, Params=arguments, ExpiresIn=120)
        request = AWSRequest(method=method, url=link, data=_OTHER if method == "PUT" else None)
        answer = URLLib3Session(verify=self._access.ca_file or True, timeout=30).send(request.prepare())
        if answer.status_code >= 300:
            raise _Refused("denied" if answer.status_code == 403 else str(answer.status_code))

    def _publish(self, place: Prepared) -> None:
        self._s3.put_object(Bucket=place.bucket, Key=f"{place.folder}world", Body=_OTHER, ACL="public-read")

    def _list_all(self, place: Prepared) -> None:
        self._s3.list_objects_v2(Bucket=place.bucket, MaxKeys=1)

    def _read_policy(self, place: Prepared) -> None:
        try:
            self._s3.get_bucket_policy(Bucket=place.bucket)
        except self._s3.exceptions.ClientError as error:
            if boto.code_of(error) != "NoSuchBucketPolicy":
                raise

    def _change_policy(self, place: Prepared) -> None:
        """Puts back what is there. Where nothing is, a text that is no policy: whoever may, hears just that."""
        policy = self._ground.policy(place.bucket)
        try:
            self._s3.put_bucket_policy(Bucket=place.bucket, Policy=policy or _NO_POLICY)
        except self._s3.exceptions.ClientError as error:
            if policy or boto.status_of(error) != 400:
                raise


class _Refused(Exception):
    """An answer that boto3 takes for a success."""


def _version(place: Prepared) -> Mapping[str, str]:
    return {"VersionId": place.version} if place.version else {}


def keys_of(key: AccessKey) -> AwsKeys:
    """The credentials of a key that was just made."""
    return AwsKeys(key.id, key.secret.reveal())
