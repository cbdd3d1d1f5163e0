"""`admin plan`: what would change at the store if `lab.toml` were applied, and why."""

from __future__ import annotations

from typing import NamedTuple

from labops.administration.days import today
from labops.administration.labfiles import find_lab
from labops.administration.opening import open_provider, reached
from labops.administration.provider import Limits, Provider
from labops.administration.unkept import Unkept
from labops.membership import Lab
from labops.planning.lab import Change, Ignored, plan_lab


class LabPlan(NamedTuple):
    """The lab, the changes in the order of their being made, and what this store cannot do."""

    lab: Lab
    changes: tuple[Change, ...]
    limits: Limits
    unkept: tuple[Ignored, ...] = ()
    """What the lab asks for and the store was seen not to keep."""


def plan(folder: str = ".", *, profile: str = "", day: str = "", provider: Provider | None = None) -> LabPlan:
    """Compare the store with the `lab.toml` at or above `folder`. Writes nothing.

    `day` (`YYYY-MM-DD`, today by default) decides whose last day has passed; `provider` is opened by default.
    """
    lab = reached(find_lab(folder), profile=profile)
    store = provider or open_provider(lab, profile=profile)
    wanted = store.wanted(lab, day or today())
    ignored = Unkept(lab).load()
    changes = plan_lab(wanted.state, store.observe(lab), wanted.why, ignored=ignored)
    asked = {Ignored(thing, name, value) for thing, rows in wanted.state.items() for name, value in rows.items()}
    return LabPlan(lab, changes, store.limits(lab), tuple(sorted(ignored & asked)))
