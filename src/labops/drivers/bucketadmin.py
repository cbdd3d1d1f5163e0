"""The settings of buckets: looked at, put, and taken away, as short texts that can be compared.

Two traps of weaker stores are kept shut here. Some answer 200 to a setting and keep nothing, so whoever puts one
looks again. Some take the DELETE of a setting they do not know for the DELETE of the bucket, so none is sent before
a look has shown that the setting is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from labops.drivers import boto
from labops.drivers.aws import S3Access
from labops.errors import Conflict, InvalidInput, LabError, NotFound, Unsupported

_OURS: Final = ("lab", "managed-by")
_TIERING_ID: Final = "labops"
_WORLD: Final = ("http://acs.amazonaws.com/groups/global/AllUsers",
                 "http://acs.amazonaws.com/groups/global/AuthenticatedUsers")  # fmt: skip


class BucketAdmin:
    """Buckets of one store. Raises `NotFound`, `AccessDenied`, `Conflict`, `Unavailable`, `Unsupported`."""

    def __init__(self, access: S3Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"BucketAdmin({self._access.endpoint or 'AWS'!r})"

    @cached_property
    def _s3(self) -> Any:
        return boto.client("s3", self._access)

    def exists(self, bucket: str) -> bool:
        """True when the bucket is there; `AccessDenied` when it is somebody else's."""
        try:
            self._call("head_bucket", bucket)
        except NotFound:
            return False
        return True

    def owner(self, bucket: str) -> str:
        """The user who owns the bucket, or would if we made it."""
        try:
            answer = self._call("get_bucket_acl", bucket)
        except NotFound:
            with boto.translated("list buckets"):
                answer = self._s3.list_buckets()
        return str(answer.get("Owner", {}).get("ID", ""))

    def create(self, bucket: str) -> None:
        """Make the bucket in the region of our access; one that is ours already is no error."""
        where: dict[str, Any] = {}
        if self._access.region not in {"", "us-east-1"}:
            where["CreateBucketConfiguration"] = {"LocationConstraint": self._access.region}
        try:
            try:
                self._call("create_bucket", bucket, **where)
            except InvalidInput as error:
                # A store of one's own knows no regions, or gives them names of its own.
                if not self._access.endpoint or "LocationConstraint" not in str(error.fields.get("answer")):
                    raise
                self._call("create_bucket", bucket)
        except Conflict as error:
            if error.fields.get("answer") != "BucketAlreadyOwnedByYou":
                raise

    def get(self, bucket: str, setting: str) -> str:
        """The setting as a text, empty where it is not set. `Unsupported` where the store does not know it."""
        read, _ = _SETTINGS[setting]
        try:
            return read(self, bucket)
        except NotFound as error:
            if error.fields.get("answer") == "NoSuchBucket":
                raise
            return ""
        except (InvalidInput, KeyError, TypeError, ValueError) as error:
            # A store that calls the request broken, or answers with something else, does not know the setting.
            raise _unknown(setting, bucket) from error

    def put(self, bucket: str, setting: str, value: str) -> None:
        """Set it. Says nothing about whether the store keeps it: look again."""
        _, write = _SETTINGS[setting]
        try:
            write(self, bucket, value)
        except InvalidInput as error:
            if setting in {"bucket-policy", "lifecycle", "tags"}:  # known everywhere: our text is at fault
                raise
            raise _unknown(setting, bucket) from error
        except Conflict as error:
            if "BucketAlready" not in str(error.fields.get("answer")):
                raise
            # The store took the PUT of a setting for the making of the bucket.
            raise _unknown(setting, bucket) from error

    def clear(self, bucket: str, setting: str) -> None:
        """Take the setting away; one that a look does not show is left alone, with no request to delete it."""
        if not self.get(bucket, setting):
            return
        if setting == "bucket-policy":
            self._call("delete_bucket_policy", bucket)
        elif setting == "lifecycle":
            self._call("delete_bucket_lifecycle", bucket)
        elif setting == "tiering":
            self._call("delete_bucket_intelligent_tiering_configuration", bucket, Id=_TIERING_ID)
        else:
            raise Unsupported(f"'{setting}' is never taken away", code="store-cannot", setting=setting)

    def public_grants(self, bucket: str) -> tuple[str, ...]:
        """What the bucket's ACL gives to the whole world, such as `READ`; none on stores without ACLs."""
        try:
            grants = self._call("get_bucket_acl", bucket).get("Grants", ())
        except (NotFound, Unsupported, InvalidInput):
            return ()
        return tuple(sorted(
            str(grant.get("Permission")) for grant in grants if grant.get("Grantee", {}).get("URI") in _WORLD
        ))  # fmt: skip

    def _call(self, method: str, bucket: str, **arguments: Any) -> Any:
        with boto.translated(method.replace("_", " "), bucket=bucket):
            return getattr(self._s3, method)(Bucket=bucket, **arguments)

    def _get_public_access(self, bucket: str) -> str:
        answer = self._call("get_public_access_block", bucket)["PublicAccessBlockConfiguration"]
        closed = [name for name in _BLOCKS if answer.get(name)]
        return "blocked" if len(closed) == len(_BLOCKS) else ",".join(closed) or "open"

    def _put_public_access(self, bucket: str, _value: str) -> None:
        blocks = dict.fromkeys(_BLOCKS, True)
        self._call("put_public_access_block", bucket, PublicAccessBlockConfiguration=blocks)

    def _get_ownership(self, bucket: str) -> str:
        rules = self._call("get_bucket_ownership_controls", bucket)["OwnershipControls"]["Rules"]
        return ",".join(str(rule["ObjectOwnership"]) for rule in rules)

    def _put_ownership(self, bucket: str, value: str) -> None:
        controls = {"Rules": [{"ObjectOwnership": value}]}
        self._call("put_bucket_ownership_controls", bucket, OwnershipControls=controls)

    def _get_encryption(self, bucket: str) -> str:
        answer = self._call("get_bucket_encryption", bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        found = (rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for rule in answer)
        return ",".join(str(name) for name in found)

    def _put_encryption(self, bucket: str, value: str) -> None:
        rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": value}}]
        self._call("put_bucket_encryption", bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    def _get_versioning(self, bucket: str) -> str:
        return str(self._call("get_bucket_versioning", bucket).get("Status", ""))

    def _put_versioning(self, bucket: str, value: str) -> None:
        self._call("put_bucket_versioning", bucket, VersioningConfiguration={"Status": value})

    def _get_lifecycle(self, bucket: str) -> str:
        rules = self._call("get_bucket_lifecycle_configuration", bucket).get("Rules", [])
        return _sorted([_plain_rule(rule) for rule in rules]) if rules else ""

    def _put_lifecycle(self, bucket: str, value: str) -> None:
        configuration = {"Rules": json.loads(value)}
        self._call("put_bucket_lifecycle_configuration", bucket, LifecycleConfiguration=configuration)

    def _get_tiering(self, bucket: str) -> str:
        answer = self._call("get_bucket_intelligent_tiering_configuration", bucket, Id=_TIERING_ID)
        tiers = answer.get("IntelligentTieringConfiguration", {}).get("Tierings", ())
        return ",".join(str(tier["Days"]) for tier in tiers)

    def _put_tiering(self, bucket: str, value: str) -> None:
        tiers = [{"Days": int(value), "AccessTier": "ARCHIVE_ACCESS"}]
        configuration = {"Id": _TIERING_ID, "Status": "Enabled", "Tierings": tiers}
        self._call(
            "put_bucket_intelligent_tiering_configuration", bucket,
            Id=_TIERING_ID, IntelligentTieringConfiguration=configuration,
        )  # fmt: skip

    def _tags(self, bucket: str) -> dict[str, str]:
        answer = self._call("get_bucket_tagging", bucket)
        return {str(tag["Key"]): str(tag["Value"]) for tag in answer.get("TagSet", ())}

    def _get_tags(self, bucket: str) -> str:
        tags = self._tags(bucket)
        ours = {key: tags[key] for key in _OURS if key in tags}
        return json.dumps(ours, separators=(",", ":")) if ours else ""

    def _put_tags(self, bucket: str, value: str) -> None:
        try:
            others = self._tags(bucket)  # those that somebody else needs, for a bill perhaps
        except NotFound:
            others = {}
        tags = [{"Key": key, "Value": text} for key, text in {**others, **json.loads(value)}.items()]
        self._call("put_bucket_tagging", bucket, Tagging={"TagSet": tags})

    def _get_policy(self, bucket: str) -> str:
        return json.dumps(json.loads(self._call("get_bucket_policy", bucket)["Policy"]), separators=(",", ":"))

    def _put_policy(self, bucket: str, value: str) -> None:
        self._call("put_bucket_policy", bucket, Policy=value)


_BLOCKS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

_SETTINGS: Final[Mapping[str, tuple[Callable[[BucketAdmin, str], str], Callable[[BucketAdmin, str, str], None]]]] = {
    "public-access": (BucketAdmin._get_public_access, BucketAdmin._put_public_access),
    "ownership": (BucketAdmin._get_ownership, BucketAdmin._put_ownership),
    "encryption": (BucketAdmin._get_encryption, BucketAdmin._put_encryption),
    "versioning": (BucketAdmin._get_versioning, BucketAdmin._put_versioning),
    "lifecycle": (BucketAdmin._get_lifecycle, BucketAdmin._put_lifecycle),
    "tiering": (BucketAdmin._get_tiering, BucketAdmin._put_tiering),
    "tags": (BucketAdmin._get_tags, BucketAdmin._put_tags),
    "bucket-policy": (BucketAdmin._get_policy, BucketAdmin._put_policy),
}
SETTINGS: Final = tuple(_SETTINGS)
"""Every setting that `get` and `put` know."""


def _unknown(setting: str, bucket: str) -> LabError:
    return Unsupported(
        f"this store does not know '{setting}' of buckets", code="store-cannot", setting=setting, bucket=bucket
    )


def _plain_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A lifecycle rule without what stores add by themselves; an absent or old-style filter is that of everything."""
    plain = {key: value for key, value in rule.items() if key not in {"Filter", "Prefix"}}
    plain["Filter"] = rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}
    return plain


def _sorted(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)
