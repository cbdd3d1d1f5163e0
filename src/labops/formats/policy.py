"""Policies: what each role may do, as the JSON that S3 stores judge requests by.

Names are written out for each member, since `${aws:username}` is absent for roles and makes Ceph refuse the whole
document; roles use `${aws:PrincipalTag/…}` instead. Every document is compact JSON: Ceph 16 misreads blanks, and
AWS counts letters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from labops.membership import Lab, Member, Provider, Role

TAG: Final = "lab-member"
"""The principal tag by which a role knows whose home is meant."""
LIMITS: Final[Mapping[str, int]] = {"user": 2048, "group": 5120, "role": 10240, "bucket": 20480}
"""Letters that AWS allows in all own policies of an identity, or in the policy of a bucket (blanks do not count)."""

_LOOK: Final = ["s3:GetBucketLocation", "s3:GetBucketVersioning"]
_LIST: Final = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
_READ: Final = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
_PARTS: Final = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_WRITE: Final = ["s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject", *_PARTS]

Statement = dict[str, Any]


class Documents(NamedTuple):
    """The policies of one identity, JSON by name."""

    own: Mapping[str, str]
    """What hangs on the member alone: `home` and `shared`."""
    role: Mapping[str, str]
    """What everybody of that role has: `datasets`, or `admin` for admins."""


def document(statements: Sequence[Statement]) -> str:
    """A policy of these statements, as compact JSON in the form of `canonical`."""
    return _written({"Version": "2012-10-17", "Statement": list(statements)})


def canonical(text: str) -> str:
    """A policy in the one form in which two that say the same are equal; a text that is no JSON stays as it is.

    Stores hand a policy back with other keys first, and with a list of one instead of the text, or the reverse.
    """
    try:
        return _written(json.loads(text))
    except ValueError:
        return text


def _written(value: object) -> str:
    return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # A single statement is written either way, too.
        return {key: _listed(one) if key == "Statement" else _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        plain = sorted((_plain(one) for one in value), key=str) if all(isinstance(one, str) for one in value) else value
        return plain[0] if len(plain) == 1 else plain
    return value


def _listed(value: Any) -> list[Any]:
    return [_plain(one) for one in (value if isinstance(value, list) else [value])]


def documents(lab: Lab, member: Member) -> Documents:
    """The policies of an active member."""
    own = {}
    if member.role is not Role.ADMIN:
        if member.has_home:
            own["home"] = document(home(lab, lab.home_prefix(member.name)))
        shared = _shared(lab, granted_to(lab, member))
        if shared:
            own["shared"] = document(shared)
    return Documents(own, {_role_policy(member.role): document(role_statements(lab, member.role))})


def _role_policy(role: Role) -> str:
    return "admin" if role is Role.ADMIN else "datasets"


def home(lab: Lab, prefix: str) -> list[Statement]:
    """Everything in the home at `prefix` but taking versions away for good, and nothing outside of it."""
    bucket = arn(lab.home_bucket)
    statements = [
        _allow(_LOOK, bucket),
        # The slash at the prefix's end keeps `russell` out of `russell2`.
        # Unfinished uploads are not listed: AWS knows no prefix there, and would show everybody's.
        _allow(_LIST[:2], bucket, {"StringLike": {"s3:prefix": f"{prefix}*"}}),
        _allow([*_READ, *_WRITE], f"{bucket}/{prefix}*"),
    ]
    if lab.provider is Provider.S3:
        # Ceph asks for this on the bucket before it judges the keys of a bulk deletion one by one.
        statements.append(_allow(["s3:DeleteObject"], bucket))
    return statements


def role_statements(lab: Lab, role: Role) -> list[Statement]:
    """What everybody of `role` may do in the bucket of datasets; for admins, in both."""
    data, homes = arn(lab.dataset_bucket), arn(lab.home_bucket)
    if role is Role.ADMIN:
        return _admin(lab, [homes, f"{homes}/*", data, f"{data}/*"])
    statements = [_allow([*_LOOK, "s3:ListBucket"], data), _allow(_READ, f"{data}/*")]
    if role is Role.CURATOR:
        statements[0]["Action"] += _LIST[1:]
        statements.append(_allow(["s3:PutObject", *_PARTS], f"{data}/*"))
        if lab.is_write_conditional:
            statements.append(_deny(["s3:PutObject"], f"{data}/*", {
                "Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"},
            }))  # fmt: skip
    return statements


def _admin(lab: Lab, resources: list[str]) -> list[Statement]:
    statements = [
        _allow(["s3:*"], resources),
        _deny(["s3:DeleteBucket", "s3:PutBucketAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"], resources),
    ]
    if lab.provider is Provider.AWS:
        mine = [f"arn:aws:iam::*:{kind}/{lab.identity_prefix}*" for kind in ("user", "group", "role")]
        looks = ["iam:ListUsers", "iam:ListGroups", "iam:ListRoles", "iam:GetAccessKeyLastUsed"]
        statements += [_allow(["iam:*"], mine), _allow(looks, "*")]
    return statements


def granted_to(lab: Lab, member: Member) -> list[str]:
    """The prefixes of foreign homes that grants open to `member`, sorted."""
    names = {member.name, *("@" + group for group in member.groups)}
    return sorted(
        {
            _prefix(lab, grant.home, grant.folder)
            for grant in lab.grants
            if grant.home != member.name and not names.isdisjoint(grant.to)
        }
    )


def _prefix(lab: Lab, home: str, folder: str) -> str:
    return lab.home_prefix(home) + (f"{folder}/" if folder else "")


def _shared(lab: Lab, prefixes: Sequence[str]) -> list[Statement]:
    if not prefixes:
        return []
    bucket = arn(lab.home_bucket)
    listed: Any = [f"{prefix}*" for prefix in prefixes]
    return [
        _allow(["s3:ListBucket"], bucket, {"StringLike": {"s3:prefix": listed if len(listed) > 1 else listed[0]}}),
        _allow(["s3:GetObject"], [f"{bucket}/{prefix}*" for prefix in prefixes]),
    ]


def role_documents(lab: Lab, role: Role, today: str) -> dict[str, str]:
    """The policies of a role that members take by SSO, who are told apart by the principal tag `lab-member`."""
    found = {_role_policy(role): document(role_statements(lab, role))}
    if role in (Role.CURATOR, Role.STUDENT):
        found["home"] = document(home(lab, f"${{aws:PrincipalTag/{TAG}}}/"))
    shared = list(_shared_by_tag(lab, role))
    if shared:
        found["shared"] = document(shared)
    # Whoever is not known as an active member of this role gets nothing, whatever the login service says.
    names = [member.name for member in lab.members if member.role is role and member.is_active(today)]
    condition = {"StringNotEquals": {f"aws:PrincipalTag/{TAG}": names or [""]}}
    found["members"] = document([_deny(["*"], "*", condition)])
    return found


def _shared_by_tag(lab: Lab, role: Role) -> Iterator[Statement]:
    """The grants to members of `role`: those who may read the same share a statement, or it would grow too long."""
    names: dict[tuple[str, ...], list[str]] = {}
    for member in lab.members:
        if member.role is role and role is not Role.ADMIN:
            names.setdefault(tuple(granted_to(lab, member)), []).append(member.name)
    for prefixes, readers in names.items():
        tagged = {"StringEquals": {f"aws:PrincipalTag/{TAG}": readers}}
        for statement in _shared(lab, prefixes):
            yield {**statement, "Condition": {**statement.get("Condition", {}), **tagged}}


def trust(lab: Lab) -> str:
    """Who may hand out the lab's roles: the login service of `trust`, which also says who the member is."""
    is_saml = ":saml-provider/" in lab.trust
    actions = ["sts:AssumeRoleWithSAML" if is_saml else "sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
    statement: Statement = {"Effect": "Allow", "Principal": {"Federated": lab.trust}, "Action": actions}
    if is_saml:
        statement["Condition"] = {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}
    return document([statement])


SUSPENDED: Final = document([{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}])
"""What a suspended member has beside the other policies: links that were signed before stop working too."""


def bucket_policy(lab: Lab, bucket: str, *, owner: str = "") -> str:
    """What holds for everybody in `bucket`; empty where there is nothing to say.

    `owner` is the user of Ceph who owns the bucket (`tenant$name` or `name`): there, whoever writes an object owns it,
    and the bucket's owner could not even read it, nor archive the home of somebody who left.
    """
    resource = arn(bucket)
    statements: list[Statement] = []
    if not lab.endpoint.startswith("http://"):
        statements.append(_everybody(["s3:*"], [resource, f"{resource}/*"], {"Bool": {"aws:SecureTransport": "false"}}))
    if owner:
        tenant, _, name = owner.rpartition("$")
        allow = _allow(["s3:*"], [resource, f"{resource}/*"])
        statements.append({"Principal": {"AWS": f"arn:aws:iam::{tenant}:user/{name}"}, **allow})
    if lab.provider is Provider.S3:
        # Where no public access block works, nobody opens an object to the world by an ACL. The keys of one
        # condition must all hold, so each header needs a statement of its own.
        public = {"StringLike": {"s3:x-amz-acl": ["public-*", "authenticated-read"]}}
        statements.append(_everybody(["s3:PutObject"], f"{resource}/*", public))
        for header in ("read", "read-acp", "write-acp", "full-control"):
            # Not by `Null`: Ceph 16 reads "Null": "false" as "true", and refuses every put then.
            given = {"StringLike": {f"s3:x-amz-grant-{header}": "*"}}
            statements.append(_everybody(["s3:PutObject"], f"{resource}/*", given))
    return document(statements) if statements else ""


def _everybody(actions: list[str], resource: str | list[str], condition: Mapping[str, Any]) -> Statement:
    return {"Effect": "Deny", "Principal": "*", **_deny(actions, resource, condition)}


def _allow(actions: Sequence[str], resource: str | list[str], condition: Mapping[str, Any] | None = None) -> Statement:
    return _statement("Allow", actions, resource, condition)


def _deny(actions: Sequence[str], resource: str | list[str], condition: Mapping[str, Any] | None = None) -> Statement:
    return _statement("Deny", actions, resource, condition)


def _statement(
    effect: str, actions: Sequence[str], resource: str | list[str], condition: Mapping[str, Any] | None
) -> Statement:
    statement: Statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = dict(condition)
    return statement


def arn(bucket: str) -> str:
    """The name of a bucket in policies."""
    return f"arn:aws:s3:::{bucket}"
