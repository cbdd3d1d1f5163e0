"""The state that `lab.toml` asks of a cloud: buckets with their settings, and identities with their policies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from labops.errors import InvalidInput
from labops.formats import policy
from labops.membership import Lab, Member, Provider, Role
from labops.planning.lab import SUSPENDED, TRUST, YES, State, Thing

GROUPS: Final = {Role.ADMIN: "admins", Role.CURATOR: "curators", Role.STUDENT: "students", Role.GUEST: "guests"}
POLICY: Final = "policy:"
"""What a setting's name begins with when its value is one of an identity's own policies."""
MEMBERSHIP: Final = "group:"
ATTACHED: Final = "attached:"

PUBLIC_ACCESS: Final = "blocked"
OWNERSHIP: Final = "BucketOwnerEnforced"
ENCRYPTION: Final = "AES256"
VERSIONING: Final = "Enabled"


class Wanted(NamedTuple):
    """A state, and why each thing of it is wanted."""

    state: State
    why: Mapping[Thing, str]


def wanted(lab: Lab, today: str, *, kinds: frozenset[str], owner: str = "") -> Wanted:
    """What `lab` asks of its store on the day `today` (`YYYY-MM-DD`).

    `kinds` are those of identities that the store has (`user`, `group`, `role`); with none, buckets alone are
    wanted. `owner` owns the buckets, where the store's policies must name who does. Raises `InvalidInput`
    (`policy-too-long`) when a member's rights do not fit into the store's limits.
    """
    state: dict[Thing, dict[str, str]] = {}
    why: dict[Thing, str] = {}
    for bucket, what in ((lab.home_bucket, "homes"), (lab.dataset_bucket, "datasets")):
        thing = Thing("bucket", bucket)
        state[thing] = _bucket(lab, bucket, owner)
        why[thing] = f"lab.toml names it for {what}"
    if lab.identity == "roles" and "role" in kinds:
        _add_roles(lab, today, state, why)
    elif "user" in kinds:
        _add_members(lab, today, state, why, has_groups="group" in kinds)
    _check_sizes(state, lab.provider is Provider.AWS)
    return Wanted(state, why)


def _bucket(lab: Lab, bucket: str, owner: str) -> dict[str, str]:
    settings = {
        "versioning": VERSIONING,
        "lifecycle": lifecycle(lab),
        "tags": json.dumps({"lab": lab.name, "managed-by": "labops"}, separators=(",", ":")),
    }
    if lab.provider is Provider.AWS:
        settings |= {"public-access": PUBLIC_ACCESS, "ownership": OWNERSHIP, "encryption": ENCRYPTION}
        if lab.tiering.is_intelligent and lab.tiering.archive_days:
            settings["tiering"] = str(lab.tiering.archive_days)
    document = policy.bucket_policy(lab, bucket, owner=owner)
    if document:
        settings["bucket-policy"] = document
    return settings


def lifecycle(lab: Lab) -> str:
    """The rules of a bucket as compact JSON: old versions expire, unfinished uploads are aborted, tiers are used."""
    rules: list[dict[str, Any]] = [
        {
            "ID": "labops-keep-order",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": lab.retention.old_versions_days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": lab.retention.aborted_uploads_days},
        },
    ]
    if lab.provider is Provider.AWS:
        # A deletion marker whose versions are all gone is of no use to anybody.
        rules[0]["Expiration"] = {"ExpiredObjectDeleteMarker": True}
        if lab.tiering.is_intelligent:
            rules[0]["Transitions"] = [{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}]
    return json.dumps(rules, separators=(",", ":"), sort_keys=True)


def _add_members(
    lab: Lab, today: str, state: dict[Thing, dict[str, str]], why: dict[Thing, str], *, has_groups: bool
) -> None:
    if has_groups:
        for role, group in GROUPS.items():
            thing = Thing("group", f"{lab.identity_prefix}{group}")
            documents = policy.documents(lab, Member("x", role)).role
            state[thing] = {f"{POLICY}{name}": document for name, document in documents.items()}
            why[thing] = f"what every {role} may do"
    for member in lab.members:
        thing = Thing("user", lab.identity_of(member.name))
        settings: dict[str, str] = {}
        if member.is_active(today):
            own, common = policy.documents(lab, member)
            settings |= {f"{POLICY}{name}": document for name, document in own.items()}
            if has_groups:
                settings[f"{MEMBERSHIP}{lab.identity_prefix}{GROUPS[member.role]}"] = YES
            else:
                settings |= {f"{POLICY}{name}": document for name, document in common.items()}
            why[thing] = f"{member.name} is {_a(member.role)} in lab.toml"
        else:
            settings[SUSPENDED] = YES
            why[thing] = _off(member)
        state[thing] = settings


def _a(role: Role) -> str:
    return f"an {role}" if role is Role.ADMIN else f"a {role}"


def _off(member: Member) -> str:
    if member.is_suspended:
        return f"{member.name} is suspended in lab.toml"
    return f"the last day of {member.name} was {member.ends}"


def _add_roles(lab: Lab, today: str, state: dict[Thing, dict[str, str]], why: dict[Thing, str]) -> None:
    for role, group in GROUPS.items():
        thing = Thing("role", f"{lab.identity_prefix}{group}")
        documents = policy.role_documents(lab, role, today)
        state[thing] = {TRUST: policy.trust(lab), **{f"{POLICY}{name}": text for name, text in documents.items()}}
        why[thing] = f"what every {role} may do, known by the tag '{policy.TAG}'"


def _check_sizes(state: State, is_limited: bool) -> None:
    """AWS limits what all own policies of an identity hold together; better here than half-way through `apply`."""
    if not is_limited:
        return
    for thing, settings in state.items():
        texts = [text for name, text in settings.items() if name.startswith(POLICY) or name == "bucket-policy"]
        length, limit = sum(map(len, texts)), policy.LIMITS[thing.kind]
        if length > limit:
            raise InvalidInput(
                f"the policies of {thing} would be {length} letters long, and the store takes {limit}",
                code="policy-too-long",
                hint="grant whole homes instead of many folders, or to fewer members, in [[grants]] of lab.toml",
                identity=thing.name,
            )
