"""Identities by the API of AWS IAM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from labops.drivers import boto
from labops.drivers.aws import S3Access
from labops.drivers.iam import KEYS_AT_MOST, Identity, Kind
from labops.errors import Conflict, LabError, NotFound
from labops.membership import AccessKey, KeyInfo, Secret

_FIELD: Final = {Kind.USER: "UserName", Kind.GROUP: "GroupName", Kind.ROLE: "RoleName"}
_LISTS: Final = {Kind.USER: "Users", Kind.GROUP: "Groups", Kind.ROLE: "Roles"}


class AwsIdentities:
    """AWS IAM; see `Identities` for what each method promises."""

    kinds: frozenset[Kind] = frozenset(Kind)

    def __init__(self, access: S3Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"AwsIdentities({self._access.endpoint or 'AWS'!r})"

    @cached_property
    def _iam(self) -> Any:
        return boto.client("iam", self._access)

    def names(self, kind: Kind, prefix: str) -> tuple[str, ...]:
        found = self._pages(f"list_{kind}s", _LISTS[kind])
        names = (str(one[_FIELD[kind]]) for one in found)
        return tuple(sorted(name for name in names if name.startswith(prefix)))

    def create(self, identity: Identity, *, tags: Mapping[str, str], trust: str = "") -> None:
        arguments: dict[str, Any] = self._named(identity)
        if identity.kind is not Kind.GROUP:
            arguments["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if identity.kind is Kind.ROLE:
            arguments["AssumeRolePolicyDocument"] = trust
        self._unless_there(f"create_{identity.kind}", identity, **arguments)

    def delete(self, identity: Identity) -> None:
        """What hangs on it first: IAM deletes nothing that still has something."""
        try:
            self._strip(identity)
        except NotFound:
            return
        self._unless_gone(f"delete_{identity.kind}", identity, **self._named(identity))

    def _strip(self, identity: Identity) -> None:
        """Everything that hangs on it, the keys first: IAM deletes nothing that still has something."""
        if identity.kind is Kind.USER:
            for key in self._key_ids(identity.name):
                self.delete_key(identity.name, key)
            self._unless_gone("delete_login_profile", identity, UserName=identity.name)
            for group in self.groups_of(identity.name):
                self.leave(group, identity.name)
        elif identity.kind is Kind.GROUP:
            for one in self._pages("get_group", "Users", GroupName=identity.name):
                self.leave(identity.name, str(one["UserName"]))
        for policy in self._policy_names(identity):
            self.delete_policy(identity, policy)
        for arn in self.attached(identity):
            self.detach(identity, arn)

    def trust(self, role: str) -> str:
        answer = self._call("get_role", Identity(Kind.ROLE, role), RoleName=role)
        return _compact(answer["Role"]["AssumeRolePolicyDocument"])

    def set_trust(self, role: str, document: str) -> None:
        self._call("update_assume_role_policy", Identity(Kind.ROLE, role), RoleName=role, PolicyDocument=document)

    def policies(self, identity: Identity) -> dict[str, str]:
        found = {}
        for policy in self._policy_names(identity):
            answer = self._call(f"get_{identity.kind}_policy", identity, **self._named(identity), PolicyName=policy)
            found[policy] = _compact(answer["PolicyDocument"])
        return found

    def _policy_names(self, identity: Identity) -> list[str]:
        rows = self._pages(f"list_{identity.kind}_policies", "PolicyNames", **self._named(identity))
        return [str(name) for name in rows]

    def put_policy(self, identity: Identity, policy: str, document: str) -> None:
        arguments = self._named(identity)
        self._call(f"put_{identity.kind}_policy", identity, **arguments, PolicyName=policy, PolicyDocument=document)

    def delete_policy(self, identity: Identity, policy: str) -> None:
        arguments = self._named(identity)
        self._unless_gone(f"delete_{identity.kind}_policy", identity, **arguments, PolicyName=policy)

    def attached(self, identity: Identity) -> tuple[str, ...]:
        rows = self._pages(f"list_attached_{identity.kind}_policies", "AttachedPolicies", **self._named(identity))
        return tuple(sorted(str(row["PolicyArn"]) for row in rows))

    def detach(self, identity: Identity, policy: str) -> None:
        self._unless_gone(f"detach_{identity.kind}_policy", identity, **self._named(identity), PolicyArn=policy)

    def groups_of(self, name: str) -> tuple[str, ...]:
        rows = self._pages("list_groups_for_user", "Groups", UserName=name)
        return tuple(sorted(str(row["GroupName"]) for row in rows))

    def join(self, group: str, name: str) -> None:
        self._call("add_user_to_group", Identity(Kind.USER, name), GroupName=group, UserName=name)

    def leave(self, group: str, name: str) -> None:
        identity = Identity(Kind.USER, name)
        self._unless_gone("remove_user_from_group", identity, GroupName=group, UserName=name)

    def keys(self, name: str) -> tuple[KeyInfo, ...]:
        """With the time of the last use, where the server knows it."""
        rows = self._pages("list_access_keys", "AccessKeyMetadata", UserName=name)
        found = [
            KeyInfo(
                id=str(row["AccessKeyId"]),
                is_active=row.get("Status") == "Active",
                created=_time(row.get("CreateDate")),
                last_used=self._last_used(str(row["AccessKeyId"])),
            )
            for row in rows
        ]
        if not found:  # some servers list no keys of nobody instead of saying that there is nobody
            self._call("get_user", Identity(Kind.USER, name), UserName=name)
        return tuple(sorted(found, key=lambda key: (key.created, key.id)))

    def _key_ids(self, name: str) -> list[str]:
        return [str(row["AccessKeyId"]) for row in self._pages("list_access_keys", "AccessKeyMetadata", UserName=name)]

    def _last_used(self, key_id: str) -> str:
        """When the key was last used; empty where nobody knows, which some servers do not."""
        try:
            answer = self._call("get_access_key_last_used", Identity(Kind.USER, ""), AccessKeyId=key_id)
        except LabError:
            return ""
        return _time(answer.get("AccessKeyLastUsed", {}).get("LastUsedDate"))

    def create_key(self, name: str) -> AccessKey:
        if len(self._key_ids(name)) >= KEYS_AT_MOST:  # AWS refuses a third; other servers would hand it out
            raise Conflict(
                f"'{name}' has two keys already", code="store-conflict", hint="lab admin members", identity=name
            )
        answer = self._call("create_access_key", Identity(Kind.USER, name), UserName=name)["AccessKey"]
        return AccessKey(str(answer["AccessKeyId"]), Secret(str(answer["SecretAccessKey"])))

    def set_key_active(self, name: str, key_id: str, is_active: bool) -> None:
        status = "Active" if is_active else "Inactive"
        identity = Identity(Kind.USER, name)
        self._call("update_access_key", identity, UserName=name, AccessKeyId=key_id, Status=status)

    def set_active(self, name: str, is_active: bool) -> None:
        for key_id in self._key_ids(name):
            self.set_key_active(name, key_id, is_active)

    def delete_key(self, name: str, key_id: str) -> None:
        self._unless_gone("delete_access_key", Identity(Kind.USER, name), UserName=name, AccessKeyId=key_id)

    def owner_key_is_root(self) -> bool:
        with boto.translated("say who we are"):
            answer = boto.client("sts", self._access).get_caller_identity()
        return str(answer.get("Arn", "")).endswith(":root")

    def _named(self, identity: Identity) -> dict[str, Any]:
        return {_FIELD[identity.kind]: identity.name}

    def _call(self, method: str, identity: Identity, **arguments: Any) -> Any:
        with boto.translated(method.replace("_", " "), identity=identity.name):
            return getattr(self._iam, method)(**arguments)

    def _unless_there(self, method: str, identity: Identity, **arguments: Any) -> None:
        try:
            self._call(method, identity, **arguments)
        except Conflict as error:
            if error.fields.get("answer") != "EntityAlreadyExists":
                raise

    def _unless_gone(self, method: str, identity: Identity, **arguments: Any) -> None:
        try:
            self._call(method, identity, **arguments)
        except NotFound:
            return

    def _pages(self, method: str, field: str, **arguments: Any) -> Iterator[Any]:
        with boto.translated(method.replace("_", " "), identity=str(next(iter(arguments.values()), ""))):
            for page in self._iam.get_paginator(method).paginate(**arguments):
                yield from page.get(field, ())


def _compact(document: object) -> str:
    """A policy as compact JSON; boto3 hands some out as text and some as values."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return str(document)
    return json.dumps(document, separators=(",", ":"))


def _time(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else ""
