"""`publish` killed between any two steps: what others see always has its data, and the next run finishes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labops.drivers.git import running
from labops.testing.faults import FaultyFiles, Killed
from labops.testing.oracle import check_store, dir_object
from tests.hub import Clone, Hub

EVERY = int(os.environ.get("LABOPS_FAULT_STEP", "12"))
"""Of how many steps one fails in a quick run; 1 for all of them. Those of git that change something always do."""

OLD = {"1.png": b"one", "sub/2.png": b"two"}
NEW = {"1.png": b"ONE", "sub/2.png": b"two", "3.png": b"three"}
THEIRS = {"bob.png": b"bob"}
CHANGING = {
    "commit",
    "push",
    "update-index",
    "add",
    "hash-object",
    "tag",
    "fetch",
    "merge",
    "update-ref",
    "commit-tree",
}


@contextmanager
def dying(hub: Hub, monkeypatch: pytest.MonkeyPatch, at: int = 0) -> Iterator[list[str]]:
    """Count file-system calls and runs of git together; the process dies before step `at`."""
    real = running.popen
    with FaultyFiles(str(hub.root), fail_at=at) as faulty, monkeypatch.context() as patch:

        def popen(root: str, *words: str, **rest: Any) -> Any:
            name = next(word for word in words if not word.startswith("-") and "=" not in word)
            faulty._count(f"git {name}", root)
            return real(root, *words, **rest)

        patch.setattr(running, "popen", popen)
        yield faulty.calls


def run(ada: Clone) -> bool:
    try:
        done = ada.publish("d", message="new photos", version="v2")
    except Killed:
        return False
    assert done.report.exit_code == 0
    return True


def prepare(tmp_path) -> Hub:
    hub = Hub(tmp_path / "template")
    ada = hub.clone("ada")
    ada.write("d", OLD)
    ada.publish("d", version="v1")
    ada.write("d", NEW)
    return hub


def steps_to_try(calls: list[str]) -> list[int]:
    git = [at for at, name in enumerate(calls, 1) if name.removeprefix("git ") in CHANGING and name.startswith("git ")]
    after = [at + 1 for at in git if calls[at - 1] in ("git commit", "git push")]
    return sorted({*git, *after, *range(3, len(calls), EVERY)})


def test_at_every_step(tmp_path, monkeypatch):
    """Neither the bare repository nor the clone ever points at data that is nowhere; then all is as it should be."""
    template = prepare(tmp_path)
    with dying(template.copy(tmp_path / "count"), monkeypatch) as calls:
        assert run(Hub(tmp_path / "count").clone("ada"))
    assert {"git commit", "git push", "git tag"} <= set(calls)
    seen = set()
    for at in steps_to_try(calls):
        hub = template.copy(tmp_path / "round")
        ada = hub.clone("ada")
        with dying(hub, monkeypatch, at):
            is_done = run(ada)
        where = f"step {at}, {calls[min(at, len(calls)) - 1]}"
        assert hub.promises_without_data() == [], where
        assert check_store(hub.store) == [], where
        assert ada.read("d") == NEW, where
        seen.add((len(hub.commits()), is_done))
        assert run(ada), where
        assert hub.pointer("main", "d.dvc") == hub.pointer("d@v2", "d.dvc") == dir_object(NEW)[0], where
        assert len(hub.commits()) == 3, where
        assert [line for line in ada.git("status", "--porcelain").splitlines() if not line.endswith(".tmp")] == [], (
            where
        )
        assert hub.promises_without_data() == [], where
    assert (2, False) in seen


def test_the_data_comes_before_the_commit_and_the_commit_before_the_push(tmp_path, monkeypatch):
    """In the order of calls: the last object is on the remote before git commits, and git pushes last of all."""
    hub = prepare(tmp_path)
    ada = hub.clone("ada")
    moments: list[tuple[str, list[str]]] = []
    real = running.popen

    def popen(root: str, *words: str, **rest: Any) -> Any:
        name = next(word for word in words if not word.startswith("-") and "=" not in word)
        if name in ("commit", "push"):
            moments.append((name, hub._lacking(dir_object(NEW)[0])))
        return real(root, *words, **rest)

    monkeypatch.setattr(running, "popen", popen)
    ada.publish("d", version="v2")
    assert moments == [("commit", []), ("push", []), ("push", [])], "the tag goes out after its commit"


def test_killed_while_merging_with_others(tmp_path, monkeypatch):
    """Others were faster, and we die somewhere between fetching theirs and pushing both."""
    template = prepare(tmp_path)
    bob = template.clone("bob")
    bob.write("d", THEIRS)
    bob.publish("d/bob.png")
    with dying(template.copy(tmp_path / "count"), monkeypatch) as calls:
        Hub(tmp_path / "count").clone("ada").publish("d")
    late = [at for at, name in enumerate(calls, 1) if name.startswith("git ") and at > calls.index("git push")]
    kills = 0
    for at in late[::3]:
        hub = template.copy(tmp_path / "round")
        ada = hub.clone("ada")
        try:
            with dying(hub, monkeypatch, at):
                ada.publish("d")
        except Killed:
            kills += 1
        where = f"step {at}, {calls[at - 1]}"
        assert hub.promises_without_data() == [], where
        ada.publish("d")
        assert hub.pointer("main", "d.dvc") == dir_object({**NEW, **THEIRS})[0], where
        assert hub.promises_without_data() == [], where
        assert ada.git("status", "--porcelain") == "", where
    assert kills >= len(late) // 3 - 1, "the number of steps differs by a few from run to run"
