"""`kill -9` in the middle of `lab home sync`: nothing is lost, and the next sync finishes.

`LABOPS_KILLS` is the number of moments, drawn from a seed; no outcome depends on when the blow really falls.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from labops.home import HomeFolder, Link, write_link
from labops.verbs.home_sync import SyncOptions, sync_home

KILLS = int(os.environ.get("LABOPS_KILLS", "5"))


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {".lab", ".trash"} & set(path.relative_to(root).parts)
    }


def everything(*roots: Path) -> set[bytes]:
    """Every content that can be found: in the folders and in their trashes."""
    found = set()
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and "tmp" not in path.parts and ".tmp" not in path.parts:
                found.add(path.read_bytes())
    return found


def edit(root: Path, chance: random.Random, number: int) -> None:
    for at in range(25):
        path = root / f"d{at % 5}" / f"{chance.randrange(120)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if chance.random() < 0.3 and path.exists():
            path.unlink()
        else:
            fresh = path.with_name("fresh")
            fresh.write_bytes(b"%s %d %d" % (root.name.encode(), number, at) + bytes(chance.randrange(20_000)))
            fresh.rename(path)


def test_a_killed_sync_loses_nothing_and_the_next_one_finishes(tmp_path: Path) -> None:
    chance = random.Random(4)
    server = tmp_path / "server"
    server.mkdir()
    machines = [tmp_path / "one", tmp_path / "two"]
    for root in machines:
        root.mkdir()
        write_link(str(root), Link(str(server), {}))
    command = [sys.executable, "-m", "labops", "home", "sync", "-q", "--allow-empty", "--max-delete", "999"]
    for number in range(KILLS):
        for root in machines:
            edit(root, chance, number)
        # What was there before the blow: an edit destroys what the person overwrote, a kill must not.
        before = everything(*machines, server)
        root = machines[number % 2]
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1 + chance.random() * 0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert before <= everything(*machines, server)
    for _ in range(3):
        for root in machines:
            folder = HomeFolder(str(root), Link(str(server), {}), machine=root.name)
            report = sync_home(folder, options=SyncOptions(allows_empty=True, max_delete=999))
            assert report.errors == ()

    assert files(machines[0]) == files(machines[1]) == files(server)
    assert not list((machines[0] / ".lab/tmp").iterdir())
