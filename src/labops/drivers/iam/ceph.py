"""Identities of a Ceph object gateway: users by its admin API, their policies by the part of IAM it speaks.

Ceph has no groups, and switches a user rather than a key. In release 16 every change of a user or its keys drops
the user's policies, so each is followed by putting them back: a member who is cut short there has fewer rights
than before, never more, and the next `lab admin apply` completes them. What the gateway tells about a user holds
all secrets of that user; nothing but key ids leaves this module.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from labops.drivers import boto
from labops.drivers.aws import S3Access
from labops.drivers.iam import KEYS_AT_MOST, Identity, Kind
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NotFound, Unavailable, Unsupported
from labops.membership import AccessKey, KeyInfo, Secret


class CephIdentities:
    """The users of a gateway; see `Identities` for what each method promises."""

    kinds: frozenset[Kind] = frozenset({Kind.USER})

    def __init__(self, access: S3Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"CephIdentities({self._access.endpoint!r})"

    @cached_property
    def _iam(self) -> Any:
        return boto.client("iam", self._access)

    def is_spoken(self) -> bool:
        """True when the endpoint answers like Ceph's admin API; others take `admin` for a bucket."""
        status, body = self._ask("GET", "metadata/user", {"max-entries": "1"})
        return isinstance(body, (dict, list)) and status in {200, 403, 404}

    def names(self, kind: Kind, prefix: str) -> tuple[str, ...]:
        if kind is not Kind.USER:
            return ()
        found = self._do("list users", "GET", "metadata/user")
        return tuple(sorted(str(name) for name in found or () if str(name).startswith(prefix)))

    def create(self, identity: Identity, *, tags: Mapping[str, str], trust: str = "") -> None:  # noqa: ARG002
        name = _user(identity)
        # max-buckets -1: a member makes no buckets, where nobody would see what lies in them.
        query = {"uid": name, "display-name": tags.get("member", name), "generate-key": "false", "max-buckets": "-1"}
        try:
            self._do("create user", "PUT", "user", query, identity=name)
        except Conflict:
            self._info(name)

    def delete(self, identity: Identity) -> None:
        """Policies and keys first; a user who owns buckets is kept by the gateway."""
        name = _user(identity)
        try:
            keys = self._key_ids(name)
        except NotFound:
            return
        for policy in self.policies(identity):
            self.delete_policy(identity, policy)
        for key_id in keys:
            self.delete_key(name, key_id)
        self._do("delete user", "DELETE", "user", {"uid": name}, identity=name)

    def trust(self, role: str) -> str:
        raise _cannot("use roles", role)

    def set_trust(self, role: str, document: str) -> None:  # noqa: ARG002
        raise _cannot("use roles", role)

    def policies(self, identity: Identity) -> dict[str, str]:
        """The user's inline policies."""
        name = _user(identity)
        try:
            with boto.translated("list user policies", identity=name):
                names = self._iam.list_user_policies(UserName=name)["PolicyNames"]
        except NotFound:
            self._info(name)  # the gateway says "not there" for a user without policies, too
            return {}
        found = {}
        for policy in names:
            with boto.translated("get user policy", identity=name):
                answer = self._iam.get_user_policy(UserName=name, PolicyName=policy)
            document = answer["PolicyDocument"]
            value = json.loads(document) if isinstance(document, str) else document
            found[str(policy)] = json.dumps(value, separators=(",", ":"))
        return found

    def put_policy(self, identity: Identity, policy: str, document: str) -> None:
        name = _user(identity)
        with boto.translated("put user policy", identity=name):
            self._iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=document)

    def delete_policy(self, identity: Identity, policy: str) -> None:
        name = _user(identity)
        try:
            with boto.translated("delete user policy", identity=name):
                self._iam.delete_user_policy(UserName=name, PolicyName=policy)
        except NotFound:
            return

    def attached(self, identity: Identity) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def detach(self, identity: Identity, policy: str) -> None:
        """Ceph 16 hangs no policy on a user from outside."""

    def groups_of(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def join(self, group: str, name: str) -> None:  # noqa: ARG002
        raise _cannot("use groups", group)

    def leave(self, group: str, name: str) -> None:  # noqa: ARG002
        raise _cannot("use groups", group)

    def keys(self, name: str) -> tuple[KeyInfo, ...]:
        info = self._info(name)
        is_active = not int(info.get("suspended", 0))
        return tuple(KeyInfo(str(key["access_key"]), is_active) for key in info.get("keys", ()))

    def _key_ids(self, name: str) -> list[str]:
        return [key.id for key in self.keys(name)]

    def create_key(self, name: str) -> AccessKey:
        """A key that the gateway chooses."""
        before = set(self._key_ids(name))
        if len(before) >= KEYS_AT_MOST:
            raise Conflict(
                f"'{name}' has two keys already", code="store-conflict", hint="lab admin members", identity=name
            )
        # The gateway chooses: a secret of ours would stand in the address, and so in logs.
        query = {"key": "", "uid": name, "generate-key": "true"}
        with self._keeping_policies(name):
            found = self._do("create access key", "PUT", "user", query, identity=name)
        new = [key for key in found if key["access_key"] not in before]
        if len(new) != 1:
            raise Unavailable(f"the store did not say which key of '{name}' is new", code="remote-busy", identity=name)
        return AccessKey(str(new[0]["access_key"]), Secret(str(new[0]["secret_key"])))

    def set_key_active(self, name: str, key_id: str, is_active: bool) -> None:  # noqa: ARG002
        raise _cannot("switch one key", name)

    def set_active(self, name: str, is_active: bool) -> None:
        query = {"uid": name, "suspended": "false" if is_active else "true"}
        with self._keeping_policies(name):
            self._do("switch user", "POST", "user", query, identity=name)

    def delete_key(self, name: str, key_id: str) -> None:
        if key_id in self._key_ids(name):
            with self._keeping_policies(name):
                self._do("delete access key", "DELETE", "user", {"key": "", "uid": name, "access-key": key_id})

    @contextlib.contextmanager
    def _keeping_policies(self, name: str) -> Iterator[None]:
        before = self.policies(Identity(Kind.USER, name))
        yield
        for policy, document in before.items():
            self.put_policy(Identity(Kind.USER, name), policy, document)

    def owner_key_is_root(self) -> bool:
        return False

    def _info(self, name: str) -> dict[str, Any]:
        answer = self._do("look at user", "GET", "user", {"uid": name}, identity=name)
        if not isinstance(answer, dict):
            raise NotFound(f"the store has no user '{name}'", code="not-at-store", identity=name)
        return answer

    def _do(self, action: str, method: str, path: str, query: Mapping[str, str] | None = None, **fields: str) -> Any:
        status, body = self._ask(method, path, query or {})
        if status < 300:
            return body
        code = str(body.get("Code", "")) if isinstance(body, dict) else ""
        raise _refusal(status, code, action, **fields)

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        """One signed request to `/admin/…`: the status, and the body as values (None where it is no JSON)."""
        from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
        from botocore.credentials import Credentials  # type: ignore[import-untyped]
        from botocore.httpsession import URLLib3Session  # type: ignore[import-untyped]

        keys = self._access.keys() if self._access.keys else None
        if keys is None:
            raise AccessDenied("the admin API needs credentials", code="no-credentials", hint="--profile NAME")
        url = f"{self._access.endpoint}/admin/{path}?{urlencode({'format': 'json', **query}, quote_via=quote)}"
        request = AWSRequest(method=method, url=url)
        credentials = Credentials(keys.key_id, keys.secret, keys.token)
        S3SigV4Auth(credentials, "s3", self._access.region or "us-east-1").add_auth(request)
        with boto.translated("reach the admin API"):
            answer = URLLib3Session(verify=self._access.ca_file or True, timeout=30).send(request.prepare())
        try:
            return answer.status_code, json.loads(answer.content or b"null")
        except ValueError:
            return answer.status_code, None


def _user(identity: Identity) -> str:
    if identity.kind is not Kind.USER:
        raise _cannot(f"use {identity.kind}s", identity.name)
    return identity.name


def _cannot(what: str, name: str) -> Unsupported:
    return Unsupported(f"this store does not know how to {what}", code="store-cannot", identity=name)


def _refusal(status: int, code: str, action: str, **fields: str) -> LabError:
    """Our error for an answer of the admin API."""
    facts: dict[str, Any] = {**fields, "action": action, "answer": code or str(status)}
    if status == 404 or code in {"NoSuchUser", "NoSuchKey"}:
        return NotFound(f"the store has nothing to {action}", code="not-at-store", **facts)
    if status in {401, 403}:
        return AccessDenied(
            f"the store refused to {action}", code="access-denied",
            hint="the key needs: radosgw-admin caps add --uid=… --caps='users=*;metadata=read;user-policy=*'", **facts,
        )  # fmt: skip
    if status == 409:
        return Conflict(f"the store could not {action}: it says '{code}'", code="store-conflict", **facts)
    if status >= 500:
        return Unavailable("the store is overloaded or out of order", code="remote-busy", **facts)
    return InvalidInput(f"the store refused to {action}: it says '{code}'", code="store-refused", **facts)
