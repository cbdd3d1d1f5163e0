"""Buckets and identities of a store that speaks S3, as one provider."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from labops.administration.provider import Finding, Limits
from labops.administration.scrutiny import bucket_findings, key_findings
from labops.administration.unkept import Unkept
from labops.administration.wanted import ATTACHED, MEMBERSHIP, POLICY, Wanted, wanted
from labops.drivers.bucketadmin import SETTINGS, BucketAdmin
from labops.drivers.hands import each_ready
from labops.drivers.iam import Identities, Identity, Kind
from labops.errors import NotFound, Unsupported
from labops.formats.policy import SUSPENDED as DENY_ALL
from labops.formats.policy import canonical
from labops.membership import Lab
from labops.membership import Provider as Name
from labops.planning.lab import SUSPENDED, TRUST, YES, Act, Change, State, Thing

_KNOWN_EVERYWHERE: Final = ("versioning", "lifecycle", "tags", "bucket-policy")
_AT_ONCE: Final = 8
_SUSPENDED_POLICY: Final = "suspended"


class Cloud:
    """AWS, Ceph, or another store that speaks S3; see `Provider` for what each method promises."""

    def __init__(self, buckets: BucketAdmin, identities: Identities | None, *, is_slow_to_tell: bool = False) -> None:
        """`identities` is None where the store has no way to make users by program.

        `is_slow_to_tell` is for stores whose bucket settings may be read as they were for some seconds.
        """
        self.buckets = buckets
        self.identities = identities
        self.is_slow_to_tell = is_slow_to_tell

    def wanted(self, lab: Lab, today: str) -> Wanted:
        kinds = frozenset(kind.value for kind in self.identities.kinds) if self.identities else frozenset()
        # On AWS a bucket belongs to the account, and so does what anybody writes there.
        owner = self.buckets.owner(lab.home_bucket) if lab.provider is Name.S3 and kinds else ""
        return wanted(lab, today, kinds=kinds, owner=owner)

    def observe(self, lab: Lab) -> State:
        """Everything of this lab: its two buckets, and the identities whose names begin with its own."""
        state: dict[Thing, Mapping[str, str]] = {}
        for bucket in (lab.home_bucket, lab.dataset_bucket):
            if self.buckets.exists(bucket):
                state[Thing("bucket", bucket)] = dict(self._bucket(lab, bucket))
        if self.identities is not None:
            identities = [
                Identity(kind, name)
                for kind in sorted(self.identities.kinds)
                for name in self.identities.names(kind, lab.identity_prefix)
            ]
            # Five questions each, so two hundred members would take a minute one by one.
            looked = each_ready(
                lambda one: (one, dict(self._identity(one))), identities, most=_AT_ONCE, name="labops-iam"
            )
            found = dict(looked)
            state |= {Thing(one.kind.value, one.name): found[one] for one in identities}
        return state

    def _bucket(self, lab: Lab, bucket: str) -> Iterator[tuple[str, str]]:
        for setting in SETTINGS if lab.provider is Name.AWS else _KNOWN_EVERYWHERE:
            try:
                value = self.buckets.get(bucket, setting)
            except Unsupported:
                continue
            if value:
                yield setting, canonical(value) if setting == "bucket-policy" else value

    def _identity(self, identity: Identity) -> Iterator[tuple[str, str]]:
        assert self.identities is not None
        policies = {name: canonical(text) for name, text in self.identities.policies(identity).items()}
        suspended = policies.pop(_SUSPENDED_POLICY, "")
        if suspended:
            is_off = suspended == DENY_ALL and not any(key.is_active for key in self.identities.keys(identity.name))
            yield SUSPENDED, YES if is_off else "partly"
        for policy, document in policies.items():
            yield f"{POLICY}{policy}", document
        for arn in self.identities.attached(identity):
            yield f"{ATTACHED}{arn}", YES
        if identity.kind is Kind.USER:
            for group in self.identities.groups_of(identity.name):
                yield f"{MEMBERSHIP}{group}", YES
        if identity.kind is Kind.ROLE:
            yield TRUST, canonical(self.identities.trust(identity.name))

    def apply(self, change: Change) -> bool:
        """One change, looked at again where stores are known to keep nothing."""
        if change.thing.kind == "bucket":
            return self._apply_to_bucket(change)
        assert self.identities is not None
        identity = Identity(Kind(change.thing.kind), change.thing.name)
        if change.act is Act.CREATE:
            _, _, member = identity.name.partition(".")
            tags = {"member": member, "managed-by": "labops"}
            self.identities.create(identity, tags=tags, trust=change.value)
        elif change.value:
            self._give(self.identities, identity, change)
        else:
            self._take(self.identities, identity, change.setting)
        return True

    def _apply_to_bucket(self, change: Change) -> bool:
        bucket, setting = change.thing.name, change.setting
        if change.act is Act.CREATE:
            self.buckets.create(bucket)
        elif change.value:
            self.buckets.put(bucket, setting, change.value)
            return self._is_kept(bucket, setting, change.value)
        else:
            self.buckets.clear(bucket, setting)
        return True

    def _is_kept(self, bucket: str, setting: str, value: str) -> bool:
        """A second look at what was put; a third and more where the answer may be old, as it may be on AWS."""
        for seconds in (0.0, 0.2, 1.0, 3.0) if self.is_slow_to_tell else (0.0,):
            time.sleep(seconds)
            kept = self.buckets.get(bucket, setting)
            if (canonical(kept) if setting == "bucket-policy" else kept) == value:
                return True
        return False

    @staticmethod
    def _give(identities: Identities, identity: Identity, change: Change) -> None:
        setting = change.setting
        if setting == SUSPENDED:
            # The refusal first: it also ends links that were signed before.
            identities.put_policy(identity, _SUSPENDED_POLICY, DENY_ALL)
            identities.set_active(identity.name, False)
        elif setting == TRUST:
            identities.set_trust(identity.name, change.value)
        elif setting.startswith(MEMBERSHIP):
            identities.join(setting.removeprefix(MEMBERSHIP), identity.name)
        else:
            identities.put_policy(identity, setting.removeprefix(POLICY), change.value)

    @staticmethod
    def _take(identities: Identities, identity: Identity, setting: str) -> None:
        if setting == SUSPENDED:
            identities.set_active(identity.name, True)
            identities.delete_policy(identity, _SUSPENDED_POLICY)
        elif setting.startswith(MEMBERSHIP):
            identities.leave(setting.removeprefix(MEMBERSHIP), identity.name)
        elif setting.startswith(ATTACHED):
            identities.detach(identity, setting.removeprefix(ATTACHED))
        elif setting.startswith(POLICY):
            identities.delete_policy(identity, setting.removeprefix(POLICY))

    def limits(self, lab: Lab) -> Limits:
        """What plain http, an unknown store, or the lack of conditions means."""
        notes = []
        lost = {row.setting for row in Unkept(lab).load()}
        if lab.endpoint.startswith("http://"):
            notes.append("the endpoint is plain http: keys are safe, but everybody on the line reads the data")
        if lab.provider is Name.S3:
            notes.append("encryption and the public access block are the store's own business; ACLs to the world "
                         + ("too" if "bucket-policy" in lost else "are refused by the bucket policy"))  # fmt: skip
        if "versioning" in lost:
            notes.append("the store keeps no old versions: what somebody overwrites or deletes is gone")
        elif not lab.is_write_conditional:
            notes.append("a curator who overwrites a dataset object leaves the old version; `lab verify` finds it")
        return Limits(tuple(notes), tuple(_checklist(lab)) if self.identities is None else ())

    def findings(self, lab: Lab, today: str) -> Iterable[Finding]:
        yield from bucket_findings(lab, self.buckets)
        if self.identities is not None:
            yield from key_findings(lab, self.identities, today)

    def has_identity(self, name: str) -> bool:
        """True when the user `name` is there."""
        if self.identities is None:
            return False
        try:
            self.identities.keys(name)
        except NotFound:
            return False
        return True


def _checklist(lab: Lab) -> Iterator[str]:
    for member in lab.members:
        home = f"{lab.home_bucket}/{lab.home_prefix(member.name)}"
        rights = "everything in both buckets" if member.role == "admin" else f"read {lab.dataset_bucket}"
        if member.role == "curator":
            rights += f", put (not delete) in {lab.dataset_bucket}"
        if member.has_home and member.role != "admin":
            rights += f", everything below {home} and nothing else in {lab.home_bucket}"
        yield f"in the store's own console, give {member.name} a key that may: {rights}"
    yield "then: lab admin prove --as NAME=PROFILE …, which tries every right with the members' real keys"
