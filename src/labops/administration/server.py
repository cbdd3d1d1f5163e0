"""Folders of one server as a provider: accounts and groups where root works, or a trial that one person owns."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from labops.administration.provider import Finding, Limits
from labops.administration.wanted import Wanted
from labops.drivers import accounts
from labops.errors import AccessDenied, InvalidInput
from labops.membership import Lab
from labops.planning.lab import SUSPENDED, YES, Act, Change, State, Thing
from labops.planning.server import GROUP, MEMBERSHIP, MODE, OWNER, commands_for, names_of, wanted_server


class Server:
    """A lab server; see `Provider` for what each method promises."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.names = names_of(lab)

    @property
    def is_trial(self) -> bool:
        """True when one person without root's rights owns the place: no accounts, no groups, all folders theirs."""
        return not accounts.is_root() and accounts.owner_above(self.names.root) == accounts.me()[0]

    def wanted(self, lab: Lab, today: str) -> Wanted:
        """`InvalidInput` (`system-account`) for a member who would be `root` or `daemon`."""
        if self.is_trial:
            name, group = accounts.me()
            return Wanted(*wanted_server(lab, today, alone=name, alone_group=group))
        for member in lab.members:
            if accounts.is_system_account(member.name):
                raise InvalidInput(
                    f"'{member.name}' is an account of the system, not of a person",
                    code="system-account",
                    hint="choose another name for the member in lab.toml",
                    member=member.name,
                )
        return Wanted(*wanted_server(lab, today))

    def observe(self, lab: Lab) -> State:
        state: dict[Thing, Mapping[str, str]] = {}
        for path in self._folders(lab):
            found = accounts.folder(path)
            if found is not None:
                state[Thing("folder", path)] = {OWNER: found.owner, GROUP: found.group, MODE: found.mode}
        if not self.is_trial:
            state |= self._people(lab)
        return state

    def _folders(self, lab: Lab) -> list[str]:
        homes = [self.names.home(member.name) for member in lab.members if member.has_home]
        return [self.names.root, self.names.homes, self.names.datasets, *homes]

    def _people(self, lab: Lab) -> State:
        state: dict[Thing, Mapping[str, str]] = {}
        groups: dict[str, frozenset[str]] = {}
        for name in (self.names.members, self.names.curators):
            found = accounts.group_members(name)
            if found is not None:
                groups[name] = found
                state[Thing("group", name)] = {}
        for member in lab.members:
            if accounts.has_account(member.name):
                state[Thing("user", member.name)] = self._account(member.name, groups)
        for name in sorted(frozenset().union(*groups.values())):
            if lab.member(name) is None:
                # Out of the lab's groups, but not locked: the account may serve for more than this lab.
                state[Thing("user", name)] = {**self._groups(name, groups), SUSPENDED: YES}
        return state

    def _account(self, name: str, groups: Mapping[str, frozenset[str]]) -> dict[str, str]:
        settings = self._groups(name, groups)
        is_off = accounts.is_expired(name)
        # Only root may read ends of accounts; who is suspended is in no group of the lab, either.
        if is_off or (is_off is None and not settings):
            settings[SUSPENDED] = YES
        return settings

    @staticmethod
    def _groups(name: str, groups: Mapping[str, frozenset[str]]) -> dict[str, str]:
        return {f"{MEMBERSHIP}{group}": YES for group, members in groups.items() if name in members}

    def apply(self, change: Change) -> bool:
        """Accounts and groups want root: `AccessDenied` (`needs-root`)."""
        if change.thing.kind == "folder":
            self._apply_to_folder(change)
            return True
        if not accounts.is_root():
            raise AccessDenied(
                "accounts and groups are made by root",
                code="needs-root",
                hint="look at the commands: lab admin apply --script; then: lab admin apply --script | sudo sh",
            )
        for command in commands_for(change):
            accounts.run(command)
        return True

    @staticmethod
    def _apply_to_folder(change: Change) -> None:
        path = change.thing.name
        if change.act is Act.CREATE:
            accounts.make_closed(path)
        elif change.setting == MODE:
            accounts.set_mode(path, change.value)
        else:
            for command in commands_for(change):
                accounts.run(command)

    def limits(self, lab: Lab) -> Limits:
        notes = ["whoever may add to the datasets may also remove: `lab verify` and the bucket's copy find it"]
        if lab.grants:
            notes.append("grants are not made on folders: share a file by its group, or by setfacl")
        if self.is_trial:
            notes.append("a trial without root: all folders are yours, so nobody is kept from anybody else's")
        todo: tuple[str, ...] = ()
        if not self.is_trial and not accounts.is_root():
            todo = ("as root: lab admin apply; or look at the commands first: lab admin apply --script",)
        return Limits(tuple(notes), todo)

    def findings(self, lab: Lab, today: str) -> Iterable[Finding]:  # noqa: ARG002
        for member in lab.members:
            if not self.is_trial and accounts.is_system_account(member.name):
                yield Finding("system-account", member.name, "an account of the system", "another name in lab.toml")


def script(changes: Sequence[Change]) -> str:
    """The changes as a shell script for root, each with its why."""
    rows = ["#!/bin/sh", "# what lab.toml asks of this server; read it, then run it as root", "set -eu"]
    for change in changes:
        rows.append(f"# {change.why}".replace("\n", " "))
        rows += [shlex.join(command) for command in commands_for(change)]
    return "\n".join(rows) + "\n"
