"""Random days: dvc and lab play the same random steps and must see and leave the same.

`LABOPS_DAYS` is the number of days (3 by default). A day that fails names its seed and prints its steps; play it
again with `-k 'day[SEED]'`. The steps keep away from what lab does better on purpose (tests/interop/test_traps.py):
data that is nowhere, and objects that were damaged.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from labops.testing.oracle import Sandbox

DAYS = int(os.environ.get("LABOPS_DAYS", "3"))
STEPS = 14
NAMES = ("f", "d", "e/g", "e/h", "ü x")
INSIDE = ("a", "b", "s/c", "s/t/d", "1", "é")
CONTENTS = ("", "1\n", "2\n", "line\r\n", "x" * 3000)


class Day:
    """Steps drawn from a seed; each is a plain sentence in `story` and something done to a sandbox."""

    def __init__(self, seed: int, sandbox: Sandbox) -> None:
        self.chance = random.Random(seed)
        self.s = sandbox
        self.story: list[str] = []
        self.tracked: list[str] = []
        self.is_pushed = False

    def play(self) -> None:
        self.s.init(remote=True)
        self.s.commit()
        moves: list[Callable[[], str]] = [
            self.write, self.write, self.write, self.erase, self.add, self.add, self.add_inside, self.commit,
            self.checkout, self.push, self.pull, self.lose_cache, self.lose_data, self.look, self.git_commit,
            self.travel, self.rewrite,
        ]  # fmt: skip
        for _ in range(STEPS):
            self.story.append(self.chance.choice(moves)())
            self.s.log.append(("story", self.story[-1]))
        self.s.see("status", "--json", ok=None)
        self.s.see("data", "status", "--json", "--granular", ok=None)
        self.s.index()

    def name(self) -> str:
        return self.chance.choice(NAMES)

    def write(self) -> str:
        """A new file, or a changed one; a name stays a file or a folder for the whole day."""
        name, data = self.name(), self.chance.choice(CONTENTS)
        path = name if name in ("f", "e/h") else f"{name}/{self.chance.choice(INSIDE)}"
        target = self.s.repo / path
        if any(parent.is_file() for parent in target.parents) or target.is_dir():
            return "wrote nothing"
        self.s.write(path, data, mode=0o755 if self.chance.random() < 0.1 else None)
        return f"wrote {path!r} ({len(data)} bytes)"

    def erase(self) -> str:
        path = f"{self.name()}/{self.chance.choice(INSIDE)}"
        self.s.delete(path)
        return f"deleted {path!r}"

    def add(self) -> str:
        """Of what is there: of several targets, one bad one leaves dvc with half the work done (trap 22)."""
        there = [name for name in NAMES if (self.s.repo / name).exists()]
        if not there:
            return "added nothing"
        names = self.chance.sample(there, min(len(there), self.chance.choice((1, 1, 2))))
        ran = self.s.run("add", *names, ok=None)
        return f"add {names} -> {ran.ok}"

    def add_inside(self) -> str:
        path = f"{self.chance.choice(('d', 'e/g', 'ü x'))}/{self.chance.choice(INSIDE)}"
        if not (self.s.repo / path).exists():
            return "added nothing inside"
        return f"add {path!r} -> {self.s.run('add', path, ok=None).ok}"

    def commit(self) -> str:
        return f"commit -f -> {self.s.run('commit', '-f', ok=None).ok}"

    def checkout(self) -> str:
        force = ["-f"] if self.chance.random() < 0.5 else []
        if self.lacks_objects():
            return "no checkout: objects are missing"
        return f"checkout {force} -> {self.s.run('checkout', *force, ok=None).ok}"

    def push(self) -> str:
        if self.lacks_objects():
            return "no push: objects are missing"
        self.is_pushed = True
        return f"push -> {self.s.run('push', ok=None).ok}"

    def pull(self) -> str:
        if self.lacks_objects():
            return "no pull: objects may be missing"
        force = ["-f"] if self.chance.random() < 0.5 else []
        return f"pull {force} -> {self.s.run('pull', *force, ok=None).ok}"

    def lose_cache(self) -> str:
        """Only after everything is on the remote, and with a fetch that brings it back."""
        if self.lacks_objects():
            return "kept the cache"
        if not self.s.run("push", ok=None).ok:
            return "kept the cache"
        self.s.forget_cache()
        self.s.see("status", "--json", ok=None)
        return f"lost the cache, fetched -> {self.s.run('fetch', ok=None).ok}"

    def lose_data(self) -> str:
        name = self.name()
        self.s.delete(name)
        return f"deleted {name!r}"

    def look(self) -> str:
        self.s.see("status", "--json", ok=None)
        self.s.see("data", "status", "--json", "--granular", "--untracked-files", ok=None)
        self.s.see("data", "status", "--json", "--unchanged", ok=None)
        return "looked"

    def git_commit(self) -> str:
        self.s.commit()
        return "git commit"

    def travel(self) -> str:
        """One commit back, and the data with it."""
        self.s.commit()
        if self.s.git("rev-parse", "-q", "--verify", "HEAD~1", ok=None).strip() and not self.lacks_objects():
            self.s.git("checkout", "-q", "--detach", "HEAD~1", ok=None)
            return f"went back, checkout -f -> {self.s.run('checkout', '-f', ok=None).ok}"
        return "stayed"

    def rewrite(self) -> str:
        """The same bytes in a new file: nothing changed."""
        for name in ("f", "e/h"):
            path = self.s.repo / name
            if path.is_file():
                data = path.read_bytes()
                self.s.write(name, data)
        return "rewrote the same bytes"

    def lacks_objects(self) -> bool:
        """True when some output's object is absent from the cache: there lab does better, so twins differ."""
        said = self.s.run("data", "status", "--json", "--granular", ok=None)
        return not said.ok or bool(said.json().get("not_in_cache"))


@pytest.mark.parametrize("seed", range(DAYS))
def test_day(twins, seed):
    def script(s: Sandbox) -> None:
        Day(seed, s).play()

    twins(script)
