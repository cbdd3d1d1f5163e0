"""What must change so that a store is as `lab.toml` says: two states → changes, each with its why.

A *state* says of each *thing* (a bucket, a user, a group, a role, a folder) which *settings* it has, as texts. A
provider observes one and applies changes; the deciding is here, and knows of no store. Nothing here deletes data or
a thing: what nobody wants loses its rights.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

SUSPENDED: Final = "suspended"
"""The setting of a user whose keys are off; `yes` when nothing works any more."""
TRUST: Final = "trust"
"""The setting of a role that says who may take it."""
YES: Final = "yes"


class Thing(NamedTuple):
    """Something at the store: `kind` is `bucket`, `group`, `role`, `user` or `folder`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


State = Mapping[Thing, Mapping[str, str]]
"""The settings of each thing that exists. A setting that is absent has no value."""


class Act(enum.StrEnum):
    """What a change does, in the order in which changes are applied."""

    CREATE = "create"
    SET = "set"
    GRANT = "grant"
    REVOKE = "revoke"


class Change(NamedTuple):
    """One step towards what is wanted. `setting` is empty for `create`; `value` is empty for `revoke`."""

    act: Act
    thing: Thing
    setting: str = ""
    value: str = ""
    before: str = ""
    """What the store has now; empty for nothing."""
    why: str = ""

    @property
    def words(self) -> tuple[str, str]:
        """What is done, and to what, as a person reads it: a suspension takes, and its end gives."""
        if self.setting == SUSPENDED:
            return ("revoke", f"all access of {self.thing}") if self.value else ("grant", f"access of {self.thing}")
        return self.act.value, f"{self.setting} of {self.thing}" if self.setting else str(self.thing)

    def __str__(self) -> str:
        return " ".join(self.words)


class Ignored(NamedTuple):
    """A setting that the store does not keep, as an earlier run found out."""

    thing: Thing
    setting: str
    value: str


_ORDER: Final = ("bucket", "folder", "group", "role", "user")
_SETTINGS: Final = (
    "public-access", "ownership", "encryption", "versioning", "lifecycle", "tiering", "tags", "bucket-policy",
)  # fmt: skip
"""The settings of buckets, in the order of their being set: closed to the world first."""


def plan_lab(
    wanted: State, observed: State, why: Mapping[Thing, str], *, ignored: Collection[Ignored] = ()
) -> tuple[Change, ...]:
    """The changes that make `observed` equal to `wanted`: create, set, grant, and revoke last.

    `why` explains each wanted thing; what nobody wants but exists is somebody's doing by hand, or a member who is no
    longer in the file. A setting in `ignored` with the same value counts as equal. Equal states give no change.
    """
    known = frozenset(ignored)
    changes: list[Change] = []
    for thing, settings in wanted.items():
        changes += _towards(thing, settings, observed.get(thing), why.get(thing, ""), known)
    for thing, settings in observed.items():
        if thing in wanted:
            changes += _unasked(thing, settings, wanted[thing], why.get(thing, ""))
        else:
            changes += _end_stranger(thing, settings)
    return tuple(sorted(changes, key=_rank))


def _towards(
    thing: Thing, settings: Mapping[str, str], present: Mapping[str, str] | None, reason: str, known: frozenset[Ignored]
) -> Iterator[Change]:
    """What a wanted thing lacks."""
    if present is None:
        # A role is born with its trust: there is none without.
        yield Change(Act.CREATE, thing, value=settings.get(TRUST, ""), why=reason)
    for setting, value in settings.items():
        before = (present or {}).get(setting, "")
        if before == value or (present is None and setting == TRUST):
            continue
        if not before and Ignored(thing, setting, value) in known:
            continue  # a store that holds another value does keep the setting: that is drift
        act = Act.SET if thing.kind in {"bucket", "folder"} else Act.GRANT
        if setting == SUSPENDED:
            act = Act.REVOKE
        yield Change(act, thing, setting, value, before, f"{reason}; {_DRIFT}" if before else reason)


def _unasked(thing: Thing, settings: Mapping[str, str], asked: Mapping[str, str], reason: str) -> Iterator[Change]:
    """What a wanted thing has too much."""
    for setting, value in settings.items():
        if setting not in asked:
            why = reason if setting == SUSPENDED else _UNASKED
            yield Change(Act.REVOKE, thing, setting, before=value, why=why)


_DRIFT: Final = "the store says something else: lab.toml changed, or somebody changed it by hand"
_UNASKED: Final = "nothing in lab.toml asks for it"
_STRANGER: Final = "nobody of this name is in lab.toml"


def _end_stranger(thing: Thing, settings: Mapping[str, str]) -> Iterator[Change]:
    """Keys off and rights away; the thing itself stays until a person removes it."""
    if thing.kind == "user" and settings.get(SUSPENDED) != YES:
        yield Change(Act.REVOKE, thing, SUSPENDED, YES, settings.get(SUSPENDED, ""), _STRANGER)
    for setting, value in settings.items():
        if setting not in {SUSPENDED, TRUST}:
            yield Change(Act.REVOKE, thing, setting, before=value, why=_STRANGER)


def _rank(change: Change) -> tuple[int, int, int, str, str]:
    acts = list(Act)
    kind = change.thing.kind
    setting = _SETTINGS.index(change.setting) if change.setting in _SETTINGS else len(_SETTINGS)
    place = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    # Switching somebody off comes before taking the rights away one by one; switching on, when all are back.
    late = setting if kind == "bucket" else int(change.setting != SUSPENDED or not change.value)
    return (acts.index(change.act), place, late, change.thing.name, change.setting)


def count(changes: Sequence[Change]) -> dict[str, int]:
    """How many changes of each act, as a person reads it."""
    return {act.value: sum(change.words[0] == act for change in changes) for act in Act}
