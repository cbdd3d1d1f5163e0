"""A lab in folders of one server: which groups, accounts and folders there should be, and the commands that make them.

Pure: what there is comes in as a state, in the words of `planning.lab`. Members are Unix accounts of the same name; the
lab is one group, its curators another. A folder's settings are its owner, group and mode.

    ROOT            root  lab-NAME           0750   the lab alone
    ROOT/HOMES      root  lab-NAME           0751
    ROOT/HOMES/ada  ada   lab-NAME           0700   ada alone
    ROOT/DATASETS   root  lab-NAME-curators  2775   curators add (new files keep the group), the lab reads

Without root's rights (a trial) there are no accounts: one person owns all folders, with the same modes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from labops.errors import InvalidInput
from labops.membership import Lab, Member, Role
from labops.planning.lab import SUSPENDED, YES, Act, Change, State, Thing
from labops.planning.rights import Promise, Target, Trial

_LONGEST: Final = 32
"""Letters that Linux allows in the name of a group."""
MEMBERSHIP: Final = "group:"
"""What a setting of an account begins with that says which group it is in."""
OWNER: Final = "owner"
GROUP: Final = "group"
MODE: Final = "mode"


class Names(NamedTuple):
    """The groups of a lab, and its folders, absolute."""

    members: str
    curators: str
    root: str
    homes: str
    datasets: str

    def home(self, member: str) -> str:
        """The folder of one member."""
        return f"{self.homes}/{member}"


class Asked(NamedTuple):
    """A state, and why each thing of it is wanted."""

    state: State
    why: Mapping[Thing, str]


def names_of(lab: Lab) -> Names:
    """Raises `InvalidInput` (`group-name-too-long`) where Linux would not take them."""
    root = lab.root.rstrip("/")
    names = Names(
        f"lab-{lab.name}", f"lab-{lab.name}-curators", root, f"{root}/{lab.home_bucket}", f"{root}/{lab.dataset_bucket}"
    )
    if len(names.curators) > _LONGEST:
        raise InvalidInput(
            f"the group '{names.curators}' would have more than {_LONGEST} letters",
            code="group-name-too-long",
            hint="give the lab a shorter name in lab.toml",
        )
    return names


def wanted_server(lab: Lab, today: str, *, alone: str = "", alone_group: str = "") -> Asked:
    """What `lab` asks of the server on the day `today`. With `alone` all folders are that person's: a trial."""
    names = names_of(lab)
    state: dict[Thing, dict[str, str]] = {}
    why: dict[Thing, str] = {}

    def folder(path: str, owner: str, group: str, mode: str, reason: str) -> None:
        thing = Thing("folder", path)
        state[thing] = {OWNER: alone or owner, GROUP: alone_group or group, MODE: mode}
        why[thing] = reason

    if not alone:
        for group, reason in ((names.members, "everybody in lab.toml"), (names.curators, "who adds datasets")):
            state[Thing("group", group)] = {}
            why[Thing("group", group)] = reason
    folder(names.root, "root", names.members, "0750", "the lab's own folder")
    folder(names.homes, "root", names.members, "0751", "homes, one below")
    folder(names.datasets, "root", names.curators, "2775", "datasets: curators add, the lab reads")
    for member in lab.members:
        if not alone:
            _add_account(names, member, today, state, why)
        if member.has_home:
            folder(names.home(member.name), member.name, names.members, "0700", f"the home of {member.name}")
    return Asked(state, why)


def _add_account(
    names: Names, member: Member, today: str, state: dict[Thing, dict[str, str]], why: dict[Thing, str]
) -> None:
    thing = Thing("user", member.name)
    if member.is_active(today):
        state[thing] = {f"{MEMBERSHIP}{names.members}": YES}
        if member.role in {Role.CURATOR, Role.ADMIN}:
            state[thing][f"{MEMBERSHIP}{names.curators}"] = YES
        why[thing] = f"{member.name} is {member.role.value} in lab.toml"
    else:
        state[thing] = {SUSPENDED: YES}
        why[thing] = f"{member.name} is suspended, or past the last day"


def commands_for(change: Change) -> tuple[tuple[str, ...], ...]:
    """The commands of one change, for root. None of them deletes anything."""
    thing, name = change.thing, change.thing.name
    if thing.kind == "group":
        return (("groupadd", "--system", "--force", name),)
    if thing.kind == "folder":
        return _folder_commands(change)
    if change.act is Act.CREATE:
        return (("useradd", "--create-home", "--shell", "/bin/bash", "--comment", "member of the lab", name),)
    if change.setting == SUSPENDED:
        # The first day of the epoch: no login of any kind, ssh keys too.
        return (("usermod", "--expiredate", "1970-01-02" if change.value else "", name),)
    group = change.setting.removeprefix(MEMBERSHIP)
    if change.value:
        return (("usermod", "--append", "--groups", group, name),)
    return (("gpasswd", "--delete", name, group),)


def _folder_commands(change: Change) -> tuple[tuple[str, ...], ...]:
    path = change.thing.name
    if change.act is Act.CREATE:
        # Closed until it has its owner, whatever the mode is to be.
        return (("install", "-d", "-m", "0700", path),)
    command = {OWNER: ("chown", "--no-dereference", change.value, path),
               GROUP: ("chgrp", "--no-dereference", change.value, path),
               MODE: ("chmod", change.value, path)}  # fmt: skip
    return (command[change.setting],)


# -- rights -----------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A folder as the server tells: who owns it, its group, its mode in octal digits."""

    owner: str
    group: str
    mode: str


def place_in(state: State, path: str) -> Place | None:
    """The folder `path` of an observed state."""
    found = state.get(Thing("folder", path))
    return None if found is None else Place(found.get(OWNER, ""), found.get(GROUP, ""), found.get(MODE, "0"))


def may(place: Place, name: str, groups: frozenset[str], right: str) -> bool:
    """Does the mode give this account `right` (`r`, `w`, `x`)? The kernel's rule: the first class that fits counts."""
    bit = {"r": 4, "w": 2, "x": 1}[right]
    mode = int(place.mode, 8)
    if name == "root":
        return True
    if name == place.owner:
        return bool(mode >> 6 & bit)
    if place.group in groups:
        return bool(mode >> 3 & bit)
    return bool(mode & bit)


ACTIONS: Final = ("list", "get", "put", "delete")
"""What is tried on a folder: to see its names, to read, add and remove files."""
RIGHTS: Final = {"list": "rx", "get": "x", "put": "wx", "delete": "wx"}
"""What the kernel asks of a folder for each."""


def promised(actor: Member, target: Target, action: str) -> Promise:
    """What a lab in folders promises. Whoever may add to a folder may remove from it: so are folders."""
    if target.kind == "home":
        return Promise.DENIED
    if target.kind == "own" or action in {"list", "get"}:
        return Promise.ALLOWED
    return Promise.ALLOWED if actor.role in {Role.CURATOR, Role.ADMIN} else Promise.DENIED


def trials(lab: Lab, actors: Sequence[Member]) -> Iterator[Trial]:
    """Every question for every pair of these members, and for the datasets."""
    names = names_of(lab)
    for actor in actors:
        targets = [
            Target("own" if other.name == actor.name else "home", names.home(other.name), owner=other.name)
            for other in actors
            if other.has_home
        ]
        for target in (*targets, Target("datasets", names.datasets)):
            for action in ACTIONS:
                yield Trial(actor, target, action, promised(actor, target, action))


def by_modes(places: Sequence[Place], name: str, groups: frozenset[str], action: str) -> bool:
    """Do the modes of a folder (the last of `places`) and of those above it give this account the right?"""
    above = all(may(place, name, groups, "x") for place in places[:-1])
    return above and all(may(places[-1], name, groups, right) for right in RIGHTS[action])
