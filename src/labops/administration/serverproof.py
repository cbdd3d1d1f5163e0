"""The rights of a lab in folders, tried: by the kernel as each member where root can ask it, else by the modes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from labops.administration.server import Server
from labops.drivers import accounts
from labops.membership import Lab, Member
from labops.planning.lab import Thing
from labops.planning.rights import Promise, Trial
from labops.planning.server import GROUP, MODE, OWNER, RIGHTS, Place, by_modes, trials, wanted_server


class Seen(NamedTuple):
    """The answers, and who could not be asked, with the reason."""

    answers: tuple[tuple[Trial, str], ...]
    absent: tuple[tuple[str, str], ...]


def prove_server(lab: Lab, actors: Sequence[Member], today: str) -> Seen:
    """Ask for every right of these members. Nothing is written, and no file of anybody is opened."""
    server = Server(lab)
    if server.is_trial:
        why = "a trial: modes were read as if each home were its member's"
        return Seen(tuple(_by_modes(lab, actors, _as_wanted(lab, server, today))), (("the kernel", why),))
    known = [actor for actor in actors if accounts.has_account(actor.name)]
    absent = [(actor.name, "has no account yet: lab admin apply") for actor in actors if actor not in known]
    if accounts.is_root():
        return Seen(tuple(_by_kernel(lab, known)), tuple(absent))
    absent.append(("the kernel", "only root can ask it as somebody else; modes were read"))
    return Seen(tuple(_by_modes(lab, known, _as_is(lab, server))), tuple(absent))


def _by_kernel(lab: Lab, actors: Sequence[Member]) -> Iterator[tuple[Trial, str]]:
    for trial in trials(lab, actors):
        path = trial.target.bucket
        if not os.path.isdir(path):
            yield trial, "error:absent"
        else:
            yield trial, _word(all(accounts.can(trial.actor.name, path, right) for right in RIGHTS[trial.action]))


def _by_modes(lab: Lab, actors: Sequence[Member], places: dict[str, Place]) -> Iterator[tuple[Trial, str]]:
    names = Server(lab).names
    for trial in trials(lab, actors):
        path = trial.target.bucket
        way = [names.root, *([names.homes] if trial.target.kind != "datasets" else []), path]
        if not all(place in places for place in way):
            yield trial, "error:absent"
            continue
        groups = accounts.groups_of(trial.actor.name) | _groups_in(lab, trial.actor)
        yield trial, _word(by_modes([places[place] for place in way], trial.actor.name, groups, trial.action))


def _groups_in(lab: Lab, member: Member) -> frozenset[str]:
    """Those groups of the lab that name the member; in a trial, those that lab.toml would."""
    server = Server(lab)
    if server.is_trial:
        wanted = wanted_server(lab, "").state.get(Thing("user", member.name), {})
        return frozenset(setting.partition(":")[2] for setting in wanted)
    names = (server.names.members, server.names.curators)
    return frozenset(name for name in names if member.name in (accounts.group_members(name) or ()))


def _as_is(lab: Lab, server: Server) -> dict[str, Place]:
    return {
        thing.name: Place(found[OWNER], found[GROUP], found[MODE])
        for thing, found in server.observe(lab).items()
        if thing.kind == "folder"
    }


def _as_wanted(lab: Lab, server: Server, today: str) -> dict[str, Place]:
    """The real modes, with the owners and groups that a server run by root would have."""
    wanted = wanted_server(lab, today).state
    return {
        path: Place(wanted[Thing("folder", path)][OWNER], wanted[Thing("folder", path)][GROUP], place.mode)
        for path, place in _as_is(lab, server).items()
        if Thing("folder", path) in wanted
    }


def _word(is_allowed: bool) -> str:
    return (Promise.ALLOWED if is_allowed else Promise.DENIED).value
