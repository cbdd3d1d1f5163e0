"""`lab verify`: text for people, a record for machines, exit codes for scripts."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import labops
from labops.project import Project
from labops.testing.oracle import dir_object, md5
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.push import push


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path / "world")
    world.write("d", {"a": b"1", "b": b"22"})
    monkeypatch.chdir(world.repo)
    add(Project.find(), ["d"])
    push(Project.find())
    return world


def spoil(top: Path, data: bytes) -> None:
    oid = md5(data)
    path = top / "files/md5" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"X" * len(data))
    path.chmod(0o444)


def test_all_is_right(lab, world):
    ran = lab("verify", "--all")
    assert (ran.code, ran.err) == (0, "")
    size = 3 + len(dir_object({"a": b"1", "b": b"22"})[1])
    assert ran.out.splitlines() == [
        "workspace: 2 of 2 files hashed (3 B)",
        f"cache: 3 of 3 objects hashed ({size} B)",
        f"remote 'store': 3 read ({size} B)",
        "Everything is right.",
    ]


def test_what_is_wrong_is_named_with_a_hint(lab, world):
    spoil(world.cache, b"22")
    ran = lab("verify")
    assert ran.code == 4
    assert f"corrupt    cache: {md5(b'22')} (2 B), needed by d/b" in ran.out
    assert "1 not right: 1 corrupt" in ran.err
    assert "hint: repair it with: lab verify --repair" in ran.err
    assert lab("verify", "-q").out == ""
    assert (
        "hint: repair it with: lab verify d --cache -r store --repair\n"
        in lab("verify", "d", "--cache", "-r", "store").err
    )


def test_the_record(lab, world):
    spoil(world.store, b"1")
    (world.repo / "d/b").write_bytes(b"mine")
    ran = lab("verify", "--all", "--json")
    assert ran.code == 4
    document = ran.document
    assert abs((datetime.fromisoformat(document["time"]) - datetime.now(UTC)).total_seconds()) < 3600
    assert document["time"].endswith("+00:00")
    assert document["version"] == labops.__version__
    assert document["host"]
    assert (document["ok"], document["sample"], document["absent"]) == (False, None, [])
    assert [(place["place"], place["remote"], place["hashed"]) for place in document["places"]] == [
        ("workspace", None, 2),
        ("cache", None, 3),
        ("remote", "store", 3),
    ]
    assert sorted((row["place"], row["problem"], row["paths"], row["repaired"]) for row in document["problems"]) == [
        ("remote", "corrupt", ["d/a"], False),
        ("workspace", "modified", ["d/b"], False),
    ]


def test_repair_says_what_it_did(lab, world):
    spoil(world.cache, b"22")
    ran = lab("verify", "--repair")
    assert ran.code == 0
    assert "needed by d/b  repaired" in ran.out
    assert ran.out.endswith("1 repaired.\nEverything is right again.\n")
    assert lab("verify").code == 0


def test_a_repair_that_failed_exits_with_3(lab, world):
    spoil(world.cache, b"22")
    spoil(world.store, b"22")
    (world.repo / "d/b").unlink()
    ran = lab("verify", "--repair", "--json")
    assert ran.code == 3
    failed = [row for row in ran.document["problems"] if "error" in row]
    assert [(row["place"], row["error"]["code"]) for row in failed] == [("cache", "no-good-copy")]
    assert "NOT repaired" in lab("verify", "--repair").out


def test_a_sample_names_its_seed(lab, world):
    world.write("many", {str(number): b"%d" % number for number in range(50)})
    lab("add", "many")
    ran = lab("verify", "--sample", "10%", "many")
    (seed,) = re.findall(r"--seed (\d+)", ran.out)
    again = lab("verify", "--sample", "10%", "--seed", seed, "many")
    assert again.out == ran.out
    assert "5 of 50 files hashed" in ran.out
    assert lab("verify", "--sample", "10", "--seed", "3", "--json").document["sample"] == {"percent": 10.0, "seed": 3}


@pytest.mark.parametrize("share", ["0%", "101%", "x", "-1%", ""])
def test_a_share_must_be_one(lab, world, share):
    ran = lab("verify", "--sample", share)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_a_remote_by_name_means_the_remote(lab, world):
    assert lab("verify", "-r", "store").out.splitlines()[0].startswith("remote 'store'")
    ran = lab("verify", "-r", "nope")
    assert ran.code == 10
    assert "lab remote add" in ran.err


def test_without_a_remote_the_remote_cannot_be_proved(lab, world):
    (world.repo / ".dvc/config").write_text("")
    assert lab("verify").code == 0
    ran = lab("verify", "--remote", "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "no-remote"


def test_what_is_not_here_is_only_mentioned(lab, world):
    shutil.rmtree(world.repo / "d")
    shutil.rmtree(world.cache)
    ran = lab("verify")
    assert ran.code == 0
    assert "not on this machine: d" in ran.out
    assert lab("verify", "d").code == 4


def test_nothing_to_verify(lab, world):
    (world.repo / "d.dvc").unlink()
    ran = lab("verify")
    assert ran.code == 0
    assert "There is nothing to verify here." in ran.out


def test_paths_are_shown_from_here(lab, world, monkeypatch):
    spoil(world.cache, b"22")
    monkeypatch.chdir(world.repo / "d")
    assert "needed by b" in lab("verify").out
    (row,) = json.loads(lab("verify", "--json").out)["problems"]
    assert row["paths"] == ["d/b"]


def test_unknown_targets_and_no_project(lab, world, tmp_path, monkeypatch):
    assert lab("verify", "nothing").code == 10
    assert lab("verify", "../outside").code == 2
    monkeypatch.chdir(tmp_path)
    assert lab("verify").code == 10


def test_many_findings_are_shortened(lab, world):
    world.write("many", {f"{number:03}": b"%d" % number for number in range(50)})
    lab("add", "many")
    shutil.rmtree(world.cache)
    ran = lab("verify", "--cache", "many")
    assert ran.out.count("missing    cache") == 20
    assert "… and 31 more (-v names them all, --json too)" in ran.out
    assert lab("verify", "--cache", "many", "-v").out.count("missing    cache") == 51
