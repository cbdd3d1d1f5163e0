"""What the lab promises about rights, as a table; written from the words of the documentation, not from the policies.

`lab admin prove` asks the store each of these questions with a member's own key. The table knows roles and places
alone, so a mistake in a policy cannot hide in it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from labops.membership import Lab, Member, Role

ACTIONS: Final = (
    "list", "get", "put", "overwrite", "delete", "bulk-delete", "multipart", "copy-from", "list-versions",
    "get-version", "delete-version", "get-tags", "put-tags", "presigned-get", "presigned-put", "publish",
)  # fmt: skip
"""What is tried on a place that holds objects. `publish` is a put that gives the object to the whole world."""
BUCKET_ACTIONS: Final = ("list-all", "read-policy", "change-policy")
"""What is tried on a bucket as a whole."""


class Promise(enum.StrEnum):
    """What must come of a trial."""

    ALLOWED = "allowed"
    DENIED = "denied"
    KEPT = "kept"
    """Allowed, and what was there before stays as an old version."""


class Target(NamedTuple):
    """A place: `kind` is `own`, `home`, `granted`, `datasets`, `home-bucket` or `dataset-bucket`."""

    kind: str
    bucket: str
    prefix: str = ""
    owner: str = ""

    @property
    def words(self) -> str:
        """For people: `home of russell`."""
        return {
            "own": "own home",
            "home": f"home of {self.owner}",
            "granted": f"shared by {self.owner}",
            "datasets": "datasets",
            "home-bucket": "bucket of homes",
            "dataset-bucket": "bucket of datasets",
        }[self.kind]


class Trial(NamedTuple):
    """One question to the store, and the answer that is promised."""

    actor: Member
    target: Target
    action: str
    promise: Promise


_EVERYTHING: Final = frozenset(ACTIONS)
_READING: Final = frozenset({"list", "get", "copy-from", "presigned-get"})
_DATA_READING: Final = _READING | {"get-version", "get-tags"}
_DATA_ADDING: Final = _DATA_READING | {"list-versions", "put", "multipart", "presigned-put", "overwrite"}


def cast(lab: Lab, today: str, *, names: Sequence[str] = ()) -> tuple[Member, ...]:
    """Who plays: `names`, else of each role the first active member, and of students and curators two."""
    active = [member for member in lab.members if member.is_active(today)]
    if names:
        return tuple(member for member in active if member.name in names)
    most = {Role.ADMIN: 1, Role.CURATOR: 2, Role.STUDENT: 2, Role.GUEST: 1}
    chosen = [[member for member in active if member.role is role][: most[role]] for role in Role]
    return tuple(member for members in chosen for member in members)


def trials(lab: Lab, actors: Sequence[Member]) -> Iterator[Trial]:
    """Every question for every pair of these members, and for the datasets and the buckets."""
    for actor in actors:
        for target in targets(lab, actor, actors):
            actions = BUCKET_ACTIONS if target.kind.endswith("bucket") else ACTIONS
            for action in actions:
                if action == "copy-from" and not actor.has_home and actor.role is not Role.ADMIN:
                    continue  # nowhere to copy to
                yield Trial(actor, target, action, promised(lab, actor, target, action))


def targets(lab: Lab, actor: Member, others: Sequence[Member]) -> Iterator[Target]:
    """The places that matter for `actor`."""
    if actor.has_home:
        yield Target("own", lab.home_bucket, lab.home_prefix(actor.name), actor.name)
    for other in others:
        if other.name != actor.name and other.has_home:
            yield Target("home", lab.home_bucket, lab.home_prefix(other.name), other.name)
    if actor.role is not Role.ADMIN:
        mine = {actor.name, *("@" + group for group in actor.groups)}
        for grant in lab.grants:
            if grant.folder and grant.home != actor.name and not mine.isdisjoint(grant.to):
                yield Target("granted", lab.home_bucket, f"{lab.home_prefix(grant.home)}{grant.folder}/", grant.home)
    yield Target("datasets", lab.dataset_bucket)
    yield Target("home-bucket", lab.home_bucket)
    yield Target("dataset-bucket", lab.dataset_bucket)


def promised(lab: Lab, actor: Member, target: Target, action: str) -> Promise:
    """What the documentation says of this actor, place and action."""
    if action == "publish":
        return Promise.DENIED
    if actor.role is Role.ADMIN:
        return Promise.KEPT if action == "overwrite" else Promise.ALLOWED
    if target.kind.endswith("bucket"):
        reads = target.kind == "dataset-bucket" and action == "list-all"
        return Promise.ALLOWED if reads else Promise.DENIED
    if target.kind == "datasets":
        allowed = _DATA_ADDING if actor.role is Role.CURATOR else _DATA_READING
        if action == "overwrite" and lab.is_write_conditional:
            return Promise.DENIED
    elif target.kind == "own":
        allowed = _EVERYTHING - {"delete-version"}
    elif target.kind == "granted" or _is_whole_home_granted(lab, actor, target.owner):
        allowed = _READING
    else:
        allowed = frozenset()
    if action not in allowed:
        return Promise.DENIED
    return Promise.KEPT if action == "overwrite" else Promise.ALLOWED


def _is_whole_home_granted(lab: Lab, actor: Member, owner: str) -> bool:
    mine = {actor.name, *("@" + group for group in actor.groups)}
    return any(grant.home == owner and not grant.folder and not mine.isdisjoint(grant.to) for grant in lab.grants)
