"""Identities at a store: who may sign in, with which keys, and which policies say what they may do.

Importing this module is cheap; boto3 is loaded when the first request is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from labops.drivers.aws import S3Access
from labops.membership import AccessKey, KeyInfo

KEYS_AT_MOST: Final = 2
"""What AWS allows for one user. Ceph has no limit: with one rule for both, a rotation forgets no key."""


class Kind(enum.StrEnum):
    """What carries policies."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"


class Identity(NamedTuple):
    """A user, a group or a role, by its name at the store."""

    kind: Kind
    name: str


def user(name: str) -> Identity:
    """The user of this name."""
    return Identity(Kind.USER, name)


class Identities(Protocol):
    """One store's users, groups and roles.

    Every method is one change or one look, so that a run which is cut short can be repeated: making what
    exists, and taking away what is gone, are no errors. Others raise `NotFound` (`not-at-store`) for an identity
    that is not there, `AccessDenied` (`access-denied`), `Unavailable`, or `Unsupported` (`store-cannot`).
    """

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds this store has."""

    def names(self, kind: Kind, prefix: str) -> tuple[str, ...]:
        """Names of that kind which begin with `prefix`, sorted; none for a kind the store lacks."""

    def create(self, identity: Identity, *, tags: Mapping[str, str], trust: str = "") -> None:
        """Make it, without any right. `trust` is the policy of a role that says who may take it."""

    def delete(self, identity: Identity) -> None:
        """Take it away: its keys first, then memberships and policies. Data is never touched."""

    def trust(self, role: str) -> str:
        """The trust policy of a role."""

    def set_trust(self, role: str, document: str) -> None:
        """Replace the trust policy of a role."""

    def policies(self, identity: Identity) -> dict[str, str]:
        """Its own (inline) policies, JSON by name."""

    def put_policy(self, identity: Identity, policy: str, document: str) -> None:
        """Make or replace one of its own policies."""

    def delete_policy(self, identity: Identity, policy: str) -> None:
        """Take one of its own policies away."""

    def attached(self, identity: Identity) -> tuple[str, ...]:
        """Policies that were hung on it from outside (ARNs); labops makes none."""

    def detach(self, identity: Identity, policy: str) -> None:
        """Take down a policy that was hung on it."""

    def groups_of(self, name: str) -> tuple[str, ...]:
        """The groups that the user `name` is in."""

    def join(self, group: str, name: str) -> None:
        """Put the user `name` into a group."""

    def leave(self, group: str, name: str) -> None:
        """Take the user `name` out of a group."""

    def keys(self, name: str) -> tuple[KeyInfo, ...]:
        """The keys of the user `name`, the oldest first."""

    def create_key(self, name: str) -> AccessKey:
        """A new key; the only time its secret is shown. `Conflict` (`store-conflict`) where there are too many."""

    def set_key_active(self, name: str, key_id: str, is_active: bool) -> None:
        """Switch one key; `Unsupported` (`store-cannot`) where a store only switches all keys of a user."""

    def set_active(self, name: str, is_active: bool) -> None:
        """Switch the user `name` with all keys."""

    def delete_key(self, name: str, key_id: str) -> None:
        """Take one key away for good."""

    def owner_key_is_root(self) -> bool:
        """True when the credentials in use are those of the account's root, which should have no key."""


def open_aws(access: S3Access) -> Identities:
    """Identities of AWS IAM, or of a server that speaks its API at `access.endpoint`."""
    from labops.drivers.iam.aws import AwsIdentities

    return AwsIdentities(access)


def open_ceph(access: S3Access) -> Identities:
    """Users of a Ceph object gateway; `access` needs the caps users=*, user-policy=* and metadata=read."""
    from labops.drivers.iam.ceph import CephIdentities

    return CephIdentities(access)
