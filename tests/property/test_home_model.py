"""Three machines, one home, and everything that may go wrong between two requests: no content is ever lost.

Each history is random: files are written, deleted and renamed on three machines and by other tools in the
home; syncs, pushes and pulls are killed, lose answers, and are overtaken by other machines in the middle.
After every step all contents that could be found before can still be found somewhere (in a folder, in the
home, or in a trash), except what a person's own edit destroyed; and in the end all machines and the home hold
the same files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labops.agreement import Here
from labops.errors import LabError, Unavailable
from labops.formats.basefile import Base
from labops.home import HomeFolder, Link, write_link
from labops.places.home import Facts, Home
from labops.places.home.words import ALL_CONDITIONS
from labops.places.local import LocalFolder
from labops.planning.home import Mode
from labops.testing.home_memory import FaultyStore, MemoryStore
from labops.verbs.home_sync import SyncOptions, sync_home

HISTORIES = int(os.environ.get("LABOPS_HOME_HISTORIES", "150"))
PATHS = ("a", "a", "a", "b", "d/a", "a/x")
MACHINES = 3
URL = "memory://home"


class Killed(BaseException):
    """The process ended here."""


class Edit(NamedTuple):
    """A person's own act on one machine; machine 3 is another tool that writes to the home itself."""

    machine: int
    kind: Literal["write", "delete", "rename"]
    path: str
    other: str
    content: int


class Fault(NamedTuple):
    """What happens at the `at`-th moment of a sync (before or after a request or a local act)."""

    at: int
    kind: Literal["kill", "lose", "edit", "sync"]
    edit: Edit
    machine: int


class Sync(NamedTuple):
    """One sync of one machine, or a push or pull: `way` is one of `WAYS`."""

    machine: int
    faults: tuple[Fault, ...]
    way: int = 0


WAYS: tuple[tuple[Mode, bool, bool], ...] = (
    (Mode.SYNC, False, False),
    (Mode.SYNC, False, False),
    (Mode.PUSH, False, False),
    (Mode.PUSH, True, False),
    (Mode.PUSH, True, True),
    (Mode.PULL, False, False),
    (Mode.PULL, True, False),
    (Mode.PULL, True, True),
)
"""Mode, `--delete` and `--force`."""


edits = st.builds(
    Edit,
    st.sampled_from([*range(MACHINES + 1), MACHINES]),
    st.sampled_from(["write", "write", "delete", "rename"]),
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    st.integers(0, 3),
)
faults = st.builds(
    Fault, st.integers(0, 11), st.sampled_from(["kill", "lose", "edit", "edit", "sync"]), edits, st.integers(0, 2)
)
syncs = st.builds(
    Sync, st.integers(0, MACHINES - 1), st.lists(faults, max_size=2).map(tuple), st.integers(0, len(WAYS) - 1)
)
days = st.builds(lambda edit, sync: [edit, sync._replace(machine=edit.machine % MACHINES)], edits, syncs)
"""An edit and then a sync of the same machine, as people do."""
histories = st.lists(st.one_of(edits.map(lambda edit: [edit]), days, days, syncs.map(lambda sync: [sync])), min_size=4,
                     max_size=14).map(lambda parts: [event for part in parts for event in part])  # fmt: skip


class Doomed(LocalFolder):
    """A folder whose every act has a moment before it and one after it."""

    def __init__(self, root: str, moment: Callable[[str], None]) -> None:
        super().__init__(root)
        self._moment = moment

    def place(self, temporary: str, path: str, expected: Here | None, stamp: str) -> Here:
        self._moment("before place")
        placed = super().place(temporary, path, expected, stamp)
        self._moment("after place")
        return placed

    def bury(self, path: str, expected: Here, stamp: str) -> None:
        self._moment("before bury")
        super().bury(path, expected, stamp)
        self._moment("after bury")

    def also_as(self, path: str, new_path: str) -> None:
        self._moment("before second name")
        super().also_as(path, new_path)
        self._moment("after second name")


class DoomedHome(HomeFolder):
    """A linked folder that a kill leaves as it is: nothing is written by a dead process."""

    is_dead: Callable[[], bool]

    def save_base(self, base: Base) -> None:
        if self.is_dead():
            raise Killed
        super().save_base(base)


class Fate:
    """What happens to one sync, moment by moment."""

    def __init__(self, world: World, sync: Sync, depth: int) -> None:
        self.world, self.sync, self.depth = world, sync, depth
        self.now = 0
        self.is_dead = False

    def moment(self, what: str) -> None:
        if self.is_dead:
            raise Killed
        self.now += 1
        for fault in self.sync.faults:
            if fault.at == self.now - 1:
                self.strike(fault, what)

    def strike(self, fault: Fault, what: str) -> None:
        if fault.kind == "kill":
            self.is_dead = True
            raise Killed
        if fault.kind == "lose":
            if not what.endswith(("place", "bury", "second name")):
                raise Unavailable("the answer was lost", code="unreachable")
        elif fault.kind == "edit":
            self.world.edit(fault.edit)
        elif self.depth == 0 and fault.machine != self.sync.machine:
            self.world.sync(Sync(fault.machine, ()), self.depth + 1)


class World:
    """All machines and the home; `required` is what must be findable."""

    def __init__(self, root: str, conditions: frozenset[str]) -> None:
        self.store = MemoryStore(conditions=conditions)
        self.roots = [os.path.join(root, f"machine{number}") for number in range(MACHINES)]
        for path in self.roots:
            os.mkdir(path)
            write_link(path, Link(URL, {}, True, conditions))
        self.required: set[bytes] = set()
        self.number = 0

    # -- what a person does ----------------------------------------------------------------------------

    def edit(self, edit: Edit) -> None:
        before = self.findable()
        self.number += 1
        # Now and then the same bytes as elsewhere: contents decide, not times.
        data = f"content {edit.content}".encode() if edit.content < 2 else f"number {self.number}".encode()
        with contextlib.suppress(OSError, KeyError):
            if edit.machine < MACHINES:
                self._edit_folder(self.roots[edit.machine], edit, data)
            else:
                self._edit_home(edit, data)
        after = self.findable()
        self.required = (self.required - (before - after)) | (after - before)

    def _edit_folder(self, root: str, edit: Edit, data: bytes) -> None:
        path, other = os.path.join(root, edit.path), os.path.join(root, edit.other)
        if edit.kind == "write":
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path + ".new", "wb") as file:
                file.write(data)
            os.rename(path + ".new", path)
        elif edit.kind == "delete":
            os.unlink(path)
        else:
            os.makedirs(os.path.dirname(other), exist_ok=True)
            os.rename(path, other)

    def _edit_home(self, edit: Edit, data: bytes) -> None:
        if edit.kind == "write":
            # A store takes `a` beside `a/x`, but no folder does: other tools are kept from it here.
            if not any(key.startswith(edit.path + "/") or edit.path.startswith(key + "/") for key in self.store.held):
                self.store.held[edit.path] = (data, Facts())
        elif edit.kind == "delete":
            del self.store.held[edit.path]

    # -- what lab does ---------------------------------------------------------------------------------

    def sync(self, sync: Sync, depth: int = 0) -> None:
        self._run(sync, depth)
        missing = self.required - self.findable()
        assert not missing, f"lost: {missing}"

    def _run(self, sync: Sync, depth: int) -> None:
        fate = Fate(self, sync, depth)
        store = FaultyStore(self.store, lambda request, when: fate.moment(f"{when} {request}"))
        root = self.roots[sync.machine]
        link = Link(URL, {}, True, self.store.conditions)
        folder = DoomedHome(root, link, home=Home(URL, store), machine=f"machine{sync.machine}")
        folder.is_dead = lambda: fate.is_dead
        folder.local = Doomed(root, fate.moment)
        with contextlib.suppress(Killed, LabError):
            mode, deletes, forces = WAYS[sync.way]
            sync_home(folder, mode, SyncOptions(deletes=deletes, forces=forces, allows_empty=True, jobs=1))

    # -- what is so ------------------------------------------------------------------------------------

    def findable(self) -> set[bytes]:
        """Every content in a folder, in the home, or in a trash of either."""
        found = {data for data, _ in self.store.held.values()}
        for root in self.roots:
            for folder, _, names in os.walk(root):
                if "/.lab" in folder and "/.lab/trash" not in folder:
                    continue
                for name in names:
                    with open(os.path.join(folder, name), "rb") as file:
                        found.add(file.read())
        return found

    def files(self, root: str) -> dict[str, bytes]:
        found = {}
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name != ".lab"]
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = file.read()
        return found

    def home(self) -> dict[str, bytes]:
        return {key: data for key, (data, _) in self.store.held.items() if not key.startswith(".trash/")}

    def settle(self) -> None:
        """Everybody syncs in peace until no sync changes anything: a file that one deletes and the next brings back is
        no peace, though the round ends as it began."""
        for _ in range(6):
            is_quiet = True
            for machine in range(MACHINES):
                before = self.state()
                self.sync(Sync(machine, ()))
                is_quiet &= before == self.state()
            if is_quiet:
                return

    def state(self) -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
        return self.home(), [self.files(root) for root in self.roots]


@contextlib.contextmanager
def world(conditions: frozenset[str]) -> Iterator[World]:
    root = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        yield World(root, conditions)
    finally:
        shutil.rmtree(root)


def is_clashing(paths: set[str]) -> bool:
    return any(path.startswith(other + "/") for path in paths for other in paths)


def play(history: list[Edit | Sync], conditions: frozenset[str]) -> None:
    with world(conditions) as everything:
        for event in history:
            if isinstance(event, Edit):
                everything.edit(event)
            else:
                everything.sync(event)
        everything.settle()

        home = everything.home()
        assert everything.required <= everything.findable()
        folders = [everything.files(root) for root in everything.roots]
        if not is_clashing(set(home).union(*folders)):
            assert all(files == home for files in folders), (home, folders)


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
@example(
    [
        Edit(0, "write", "b", "b", 0),
        Edit(2, "write", "b", "b", 0),
        Sync(0, ()),
        Sync(1, ()),
        Edit(1, "delete", "b", "b", 0),
    ]
)
def test_no_content_is_lost_and_all_machines_converge(history: list[Edit | Sync]) -> None:
    """On a store that refuses when it should: whatever is killed, lost or overtaken."""
    play(history, ALL_CONDITIONS)


def without_races(history: list[Edit | Sync]) -> list[Edit | Sync]:
    """The same history, but nobody else touches the home while a sync is between two requests."""
    calm: list[Edit | Sync] = []
    for event in history:
        if isinstance(event, Sync):
            kept = [one for one in event.faults if one.kind != "sync" and not _touches_home(one)]
            event = event._replace(faults=tuple(kept))
        calm.append(event)
    return calm


def _touches_home(fault: Fault) -> bool:
    return fault.kind == "edit" and fault.edit.machine == MACHINES


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories.map(without_races))
def test_a_store_without_conditions_is_safe_while_one_machine_writes_at_a_time(history: list[Edit | Sync]) -> None:
    """The documented fall-back: a look just before each write takes the place of the condition."""
    play(history, frozenset())
