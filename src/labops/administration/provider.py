"""What `plan`, `apply` and `audit` ask of whoever keeps the bytes, be it a cloud or a folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from labops.administration.wanted import Wanted
from labops.membership import Lab
from labops.planning.lab import Change, State


class Finding(NamedTuple):
    """Something that an administrator should look at; `code` is stable and kebab-case."""

    code: str
    subject: str
    message: str
    hint: str = ""


class Limits(NamedTuple):
    """What this store cannot do of what the lab asks, in words for people."""

    notes: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    """What a person must do by hand, because the store has no way for a program: a checklist."""


class Provider(Protocol):
    """One store, as the administrator's credentials reach it.

    `plan_lab(wanted, observe)` decides; `apply` makes one change at a time, each repeatable, so that a run which is
    cut short goes on where it stopped.
    """

    def wanted(self, lab: Lab, today: str) -> Wanted:
        """What the lab asks of this store on that day (`YYYY-MM-DD`), in the words that `observe` uses."""

    def observe(self, lab: Lab) -> State:
        """What there is, members who left the file included. Writes nothing."""

    def apply(self, change: Change) -> bool:
        """Make one change; False when the store took it and a second look shows that it keeps nothing of it.

        `Unsupported` (`store-cannot`) when the store does not know the setting.
        """

    def limits(self, lab: Lab) -> Limits:
        """What cannot be had here, and what a person must do. Sends no request."""

    def findings(self, lab: Lab, today: str) -> Iterable[Finding]:
        """What is wrong beside drift: old keys, root's keys, public buckets. Writes nothing."""
