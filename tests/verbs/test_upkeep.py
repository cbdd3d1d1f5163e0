"""`remove`, `move`, `du`, `destroy`, `cache migrate` and `doctor`: what they refuse, and what they never lose."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.errors import Conflict, InvalidInput, LabError, NotFound, Unsupported
from labops.model import Action, Result
from labops.places.remote.folder import FolderRemote
from labops.project import Project
from labops.source import open_source
from labops.testing.oracle import dir_object, dos2unix, md5, objects
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.destroy import destroy
from labops.verbs.doctor import FAIL, OK, WARN, Check, examine
from labops.verbs.du import Row, du
from labops.verbs.install import install
from labops.verbs.migrate import migrate
from labops.verbs.move import move
from labops.verbs.push import push
from labops.verbs.remove import remove

FILES = {"a": b"1", "s/b": b"22"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    world.write("d", FILES)
    add(Project.find(), ["d"])
    push(Project.find())
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "work")
    return world


# -- remove ---------------------------------------------------------------------------------------------


def test_remove_deletes_nothing_that_is_saved_nowhere(world: World) -> None:
    (world.repo / "d/new").write_bytes(b"unsaved")
    with pytest.raises(Conflict) as caught:
        remove(Project.find(), ["d.dvc"], outs=True)
    assert caught.value.code == "unsaved-changes"
    assert (world.repo / "d.dvc").exists()

    remove(Project.find(), ["d.dvc"], outs=True, force=True)

    assert not (world.repo / "d").exists()
    assert not (world.repo / ".gitignore").exists()


def test_remove_keeps_files_that_are_not_of_the_dataset(world: World) -> None:
    (world.repo / ".dvcignore").write_text("*.log\n")
    (world.repo / "d/my.log").write_bytes(b"mine")

    report = remove(Project.find(), ["d.dvc"], outs=True)

    assert (world.repo / "d/my.log").read_bytes() == b"mine"
    assert not (world.repo / "d/a").exists()
    assert "'d'" in report.warnings[0]


@pytest.mark.parametrize(
    ("target", "code"), [("d", "not-a-pointer"), ("d/a", "not-a-pointer"), ("x.dvc", "no-such-target")]
)
def test_remove_refuses_before_it_touches_anything(world: World, target: str, code: str) -> None:
    with pytest.raises(LabError) as caught:
        remove(Project.find(), ["d.dvc", target])
    assert caught.value.code == code
    assert (world.repo / "d.dvc").exists()


def test_stages_are_left_to_dvc(world: World) -> None:
    (world.repo / "dvc.yaml").write_text("stages:\n  make:\n    cmd: make\n    outs: [out]\n")
    for target in ("make", "dvc.yaml:make", "dvc.yaml"):
        with pytest.raises(Unsupported):
            remove(Project.find(), [target])
    (world.repo / "out").write_bytes(b"x")
    with pytest.raises(InvalidInput) as caught:
        move(Project.find(), "out", "other")
    assert caught.value.code == "pipeline-output"


def test_a_half_merged_pointer_is_not_removed(world: World) -> None:
    text = (world.repo / "d.dvc").read_text()
    (world.repo / "d.dvc").write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    with pytest.raises(InvalidInput):
        remove(Project.find(), ["d.dvc"])
    assert (world.repo / "d/a").exists()


# -- move -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("d", "taken", "output-exists"),
        ("d", "busy", "output-exists"),
        ("d", "no/such", "no-such-folder"),
        ("d/a", "b", "not-whole-output"),
        ("nothing", "b", "no-such-target"),
        ("d", "d/inside", "no-such-folder"),
        ("d", "../outside", "outside-project"),
        ("d", ".git/d", "not-data"),
    ],
)
def test_move_overwrites_nothing(world: World, source: str, target: str, code: str) -> None:
    (world.repo / "taken").write_bytes(b"mine")
    (world.repo / "busy.dvc").write_text("outs:\n- path: busy\n")
    before = {path: path.read_bytes() for path in world.repo.glob("*") if path.is_file()}
    with pytest.raises(LabError) as caught:
        move(Project.find(), source, target)
    assert (caught.value.code == code) or (target == "d/inside" and caught.value.code)
    assert {path: path.read_bytes() for path in world.repo.glob("*") if path.is_file()} == before
    assert (world.repo / "d/a").read_bytes() == b"1"


def test_move_needs_no_data_and_reads_none(world: World) -> None:
    (world.repo / "d/new").write_bytes(b"unsaved")
    (world.repo / "sub").mkdir()

    report = move(Project.find(), "d", "sub")

    assert (world.repo / "sub/d/new").read_bytes() == b"unsaved"
    assert dir_object(FILES)[0] in (world.repo / "sub/d.dvc").read_text()
    assert set(report.changed_files) == {".gitignore", "sub/.gitignore", "sub/d.dvc", "d.dvc"}
    shutil.rmtree(world.repo / "sub/d")
    assert "not here" in move(Project.find(), "sub/d", "e").warnings[0]
    assert (world.repo / "e.dvc").exists()


# -- du -------------------------------------------------------------------------------------------------


def test_du_in_the_workspace_and_at_a_commit(world: World) -> None:
    (world.repo / "plain").write_bytes(b"12345")
    assert du(open_source()).rows == (Row(".gitignore", 3), Row("d", 3), Row("plain", 5))
    assert du(open_source(), "d").rows == (Row("d/a", 1), Row("d/s", 2))
    assert du(open_source(), "d/s/b") == ((), 2, True)
    assert du(open_source(rev="HEAD")).rows == (Row(".gitignore", 3), Row("d", 3))
    shutil.rmtree(world.repo / "d")
    shutil.rmtree(world.cache)
    assert du(open_source(rev="HEAD"), "d").rows == (Row("d/a", None), Row("d/s", None))
    assert du(open_source()).total == 11
    with pytest.raises(NotFound):
        du(open_source(), "nothing")


def test_du_of_another_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.root)
    assert du(open_source(f"file://{world.repo}")).rows == (Row(".gitignore", 3), Row("d", 3))
    assert du(open_source(f"file://{world.repo}"), "d").total is None, "its cache is not ours to ask"


# -- destroy --------------------------------------------------------------------------------------------


def test_destroy_asks_first_and_keeps_a_shared_cache(world: World, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shutil.move(world.cache, shared)
    (world.repo / ".dvc/config.local").write_text(f"[cache]\n    dir = {shared}\n")
    with pytest.raises(Conflict) as caught:
        destroy(Project.find())
    assert caught.value.code == "destroy-not-confirmed"
    assert (world.repo / "d.dvc").exists()

    destroy(Project.find(), confirm=lambda _plan, _cached: True)

    assert not (world.repo / ".dvc").exists()
    assert not (world.repo / "d.dvc").exists()
    assert (world.repo / "d/s/b").read_bytes() == b"22"
    assert len(objects(shared)) == 3


# -- cache migrate --------------------------------------------------------------------------------------

CRLF = {"t": b"a\r\nb\r\n", "i": b"\0image"}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A repository of dvc 2.x, its data in the cache alone."""
    world = World(tmp_path / "old")
    monkeypatch.chdir(world.repo)
    tree, listing = dir_object(CRLF, dos2unix)
    for oid, data in [(tree, listing), *((dos2unix(data), data) for data in CRLF.values())]:
        path = world.cache / oid[:2] / oid[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
    (world.repo / "d.dvc").write_text(f"outs:\n- md5: {tree}\n  path: d\n")
    return world


def test_migrating_needs_neither_workspace_nor_remote(old: World) -> None:
    report = migrate(Project.find(), dvc_files=True)

    tree, _ = dir_object(CRLF)
    assert report.exit_code == 0
    assert objects(old.cache) == {tree, *map(md5, CRLF.values())}
    assert (
        old.repo / "d.dvc"
    ).read_text() == f"outs:\n- md5: {tree}\n  size: 12\n  nfiles: 2\n  hash: md5\n  path: d\n" or (
        f"md5: {tree}" in (old.repo / "d.dvc").read_text()
    )
    assert old.wrong() == []
    again = migrate(Project.find(), dvc_files=True)
    assert {outcome.result for outcome in again.outcomes} <= {Result.ALREADY, Result.SKIPPED}


def test_a_damaged_old_object_gets_no_new_name(old: World) -> None:
    oid = dos2unix(CRLF["i"])
    path = old.cache / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"\0damaged")

    report = migrate(Project.find(), dvc_files=True)

    assert report.exit_code == 3
    assert {outcome.error.code for outcome in report.failed if outcome.error} == {"corrupt-object", "not-in-cache"}
    assert objects(old.cache) == {md5(CRLF["t"])}
    assert "hash: md5" not in (old.repo / "d.dvc").read_text()


def test_a_remote_is_migrated_after_the_files_of_each_tree(old: World) -> None:
    for path in [path for path in old.cache.glob("??/*") if path.is_file()]:
        target = old.store / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    stray = old.store / "ab" / ("0" * 30)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"not in the cache")

    report = migrate(Project.find(), dvc_files=True, remote="store")

    assert objects(old.store) == objects(old.cache)
    uploads = [step.oid or "" for step in report.plan.of(Action.UPLOAD)]
    assert [oid.endswith(".dir") for oid in uploads] == [False, False, True]
    assert any("1 file(s)" in warning for warning in report.warnings)
    assert old.wrong() == []


def test_a_remote_is_migrated_after_the_dvc_files_too(old: World) -> None:
    """The guide migrates this machine first, and the remote by a second command: nothing old names the new listing."""
    for path in [path for path in old.cache.glob("??/*") if path.is_file()]:
        target = old.store / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    assert migrate(Project.find(), dvc_files=True).exit_code == 0

    report = migrate(Project.find(), dvc_files=True, remote="store")

    tree, _ = dir_object(CRLF)
    assert report.exit_code == 0
    assert objects(old.store) == {tree, *map(md5, CRLF.values())}
    assert [step.oid for step in report.plan.of(Action.UPLOAD)][-1] == tree


# -- doctor ---------------------------------------------------------------------------------------------


def checks(find: Callable[[], Project] = Project.find) -> dict[str, Check]:
    return {check.name: check for check in examine(find)}


def test_doctor_leaves_nothing_behind(world: World) -> None:
    def everything() -> set[Path]:
        found = {path.relative_to(world.root) for path in world.root.rglob("*")}
        return {path for path in found if "tmp" not in path.parts}

    before = everything()
    found = checks()
    assert everything() - before <= {Path("store/.lab"), Path("store/.lab/probe")}
    assert not [path for path in (world.store / ".lab").rglob("*") if path.is_file()]
    assert found["remote store: rights"].state == OK
    assert found["DVC files"].state == OK
    assert (found["merge driver"].state, found["hooks"].state) == (WARN, WARN), "a repository that dvc made"
    assert not [check for check in found.values() if check.state == FAIL]
    assert all(check.todo for check in found.values() if check.state != OK)


def test_doctor_sees_what_install_sets_up(world: World) -> None:
    install(Project.find())
    found = checks()
    assert (found["merge driver"].state, found["hooks"].state) == (OK, OK)


def test_doctor_finds_what_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.repo / "broken.dvc").write_text("outs: [")
    world.store.rename(world.root / "away")
    monkeypatch.setattr(FolderRemote, "clock", lambda _: time.time() - 3600)
    project = Project.find()
    with Project.find().lock():
        found = checks(lambda: project)
    assert found["DVC files"].state == FAIL
    assert "broken.dvc" in found["DVC files"].text
    assert found["lock"].state == WARN
    assert found["remote store: clock"].state == FAIL
    assert found["remote store: rights"].state == WARN


def test_doctor_outside_of_a_project_and_with_broken_settings(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    (world.repo / ".dvc/config").write_text("[core\n")
    assert checks()["settings"].state == FAIL
    monkeypatch.chdir(tmp_path)
    assert checks()["project"].state == WARN


def test_doctor_tells_of_a_missing_identity_and_a_closed_shared_cache(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME")
        monkeypatch.delenv(f"GIT_{who}_EMAIL")
    (world.repo / ".dvc/config.local").write_text("[cache]\n    shared = group\n")
    os.chmod(world.cache, 0o755)
    found = checks()
    assert found["git identity"].state == WARN
    assert found["shared cache"].state == WARN
    json.dumps([check._asdict() for check in found.values()])
