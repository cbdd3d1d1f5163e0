"""`gc`: what is used is never touched, what is not goes to the trash, and all of it comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from labops import neighbours
from labops.errors import Conflict, Corrupt, InvalidInput, LabError, NotFound
from labops.model import HashName, Oid, Selection
from labops.places.remote.folder import FolderRemote
from labops.project import Project
from labops.reachability import Revisions, commits_of, used_objects
from labops.testing.oracle import dir_object, md5, objects
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.checkout import checkout
from labops.verbs.fetch import fetch
from labops.verbs.gc import GcOptions, gc
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.trash import empty_trash, restore

ONE = {"a": b"1", "s/b": b"22"}
TWO = {"a": b"1", "s/b": b"changed"}
BRANCH = {"x": b"on a branch"}
TRASH = ".dvc/tmp/lab/cache/trash"
NOW = GcOptions(grace=0)


def yes(_: object) -> bool:
    return True


def oids(*trees: dict[str, bytes]) -> set[str]:
    """Every object of these folders, by hashlib alone."""
    return {md5(data) for tree in trees for data in tree.values()} | {dir_object(tree)[0] for tree in trees}


def save(world: World, files: dict[str, bytes], message: str = "work") -> str:
    """Make `d` hold these files, add, push, commit; the commit's id."""
    world.write("d", files)
    add(Project.find(), ["d"])
    push(Project.find())
    world.git("add", "-A")
    world.git("commit", "-q", "-m", message)
    return world.git("rev-parse", "HEAD").strip()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two versions on `main`, another dataset on the branch `side`; everything is pushed."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    save(world, ONE, "one")
    world.git("checkout", "-q", "-b", "side")
    save(world, BRANCH, "side")
    world.git("checkout", "-q", "main")
    save(world, TWO, "two")
    checkout(Project.find())
    return world


@pytest.mark.usefixtures("world")
def test_the_workspace_alone(world: World) -> None:
    done = gc(Project.find(), NOW, confirm=yes)

    assert objects(world.cache) == oids(TWO)
    assert objects(world.store) == oids(ONE, TWO, BRANCH)
    assert done.removed == len(oids(ONE, BRANCH) - oids(TWO))
    assert done.removed_bytes == sum(step.size or 0 for step in done.report.plan.steps)


@pytest.mark.parametrize(
    ("revisions", "kept"),
    [
        (Revisions(all_branches=True), (TWO, BRANCH)),
        (Revisions(all_branches=True, number=2), (ONE, TWO, BRANCH)),
        (Revisions(all_commits=True), (ONE, TWO, BRANCH)),
        (Revisions(rev="HEAD~1"), (ONE, TWO)),
        (Revisions(rev="side"), (TWO, BRANCH)),
        (Revisions(since="2000-01-01"), (ONE, TWO, BRANCH)),
        (Revisions(since="2999-01-01"), (TWO,)),
        (Revisions(all_tags=True), (TWO, ONE)),
    ],
)
def test_revisions(world: World, revisions: Revisions, kept: tuple[dict[str, bytes], ...]) -> None:
    world.git("tag", "-a", "-m", "first", "v1", "HEAD~1")

    gc(Project.find(), NOW._replace(revisions=revisions, cloud=True), confirm=yes)

    assert objects(world.cache) == oids(*kept)
    assert objects(world.store) == oids(*kept)


def test_trees_go_before_their_files_and_come_back_after(world: World) -> None:
    before = {path: path.read_bytes() for path in world.store.rglob("*") if path.is_file()}

    done = gc(Project.find(), NOW._replace(cloud=True), confirm=yes)

    for place in ("cache", "store"):
        names = [step.path for step in done.report.plan.steps if step.path.startswith(f"{place}:")]
        assert [name.endswith(".dir") for name in names] == [True, True, False, False, False][: len(names)]
    back = restore(Project.find(), cloud=True)
    assert back.exit_code == 0
    for place in ("cache", "store"):
        names = [step.path for step in back.plan.steps if step.path.startswith(f"{place}:")]
        assert [name.endswith(".dir") for name in names][-2:] == [True, True]
    after = {path: path.read_bytes() for path in world.store.rglob("*") if path.is_file() and ".lab" not in str(path)}
    assert after == before
    assert not list(world.store.glob(".lab-trash"))
    assert world.wrong() == []
    world.git("checkout", "-q", "side")
    shutil.rmtree(world.cache)
    pull(Project.find(), force=True)
    assert (world.repo / "d/x").read_bytes() == BRANCH["x"]


def test_what_is_there_again_stays_and_a_day_can_be_named(world: World) -> None:
    yesterday = time.time() - 86_400
    gc(Project.find(), NOW, confirm=yes, now=yesterday)
    world.git("checkout", "-q", "side")
    pull(Project.find(), force=True)
    world.git("checkout", "-q", "main")
    day = time.strftime("%Y-%m-%d", time.gmtime(yesterday))

    assert restore(Project.find(), "2020-01-01").plan.steps == ()
    report = restore(Project.find(), day)

    assert objects(world.cache) == oids(ONE, TWO, BRANCH)
    assert {step.oid for step in report.plan.steps} == oids(ONE) - oids(TWO)
    with pytest.raises(InvalidInput) as caught:
        restore(Project.find(), "yesterday")
    assert caught.value.code == "bad-date"


def test_the_trash_is_emptied_by_age(world: World) -> None:
    gc(Project.find(), NOW._replace(cloud=True), confirm=yes, now=time.time() - 40 * 86_400)
    count = len([path for path in (world.repo / TRASH).rglob("*") if path.is_file()])

    assert empty_trash(Project.find(), 50 * 86_400, cloud=True, confirm=yes).plan.steps == ()
    with pytest.raises(Conflict):
        empty_trash(Project.find(), 30 * 86_400, cloud=True)
    report = empty_trash(Project.find(), 30 * 86_400, cloud=True, confirm=yes)

    assert len(report.outcomes) == 2 * count > 0
    assert not (world.repo / TRASH).exists()
    assert not list(world.store.rglob(".lab-trash"))
    assert restore(Project.find(), cloud=True).plan.steps == ()


def test_the_young_are_kept_with_all_their_files(world: World) -> None:
    """The tree of `side` is young, its one file is old: without that file the tree would be worth nothing."""
    old = time.time() - 100 * 86_400
    for path in [path for path in world.store.rglob("*") if path.is_file() and path.suffix != ".dir"]:
        os.utime(path, (old, old))
    plan = gc(Project.find(), GcOptions(cloud=True), dry_run=True)
    assert plan.report.plan.steps == ()
    assert sum(place.young for place in plan.places) == 2 * len(oids(ONE, BRANCH) - oids(TWO))

    later = gc(Project.find(), GcOptions(cloud=True), dry_run=True, now=time.time() + 15 * 86_400)
    assert len(later.report.plan.steps) == 2 * len(oids(ONE, BRANCH) - oids(TWO))


def test_nothing_is_touched_without_a_yes_and_by_a_dry_run(world: World) -> None:
    before = world.everything()
    with pytest.raises(Conflict) as caught:
        gc(Project.find(), NOW._replace(cloud=True))
    assert caught.value.code == "gc-not-confirmed"
    (world.store / ".lab/repositories").exists()
    shutil.rmtree(world.store / ".lab", ignore_errors=True)
    gc(Project.find(), NOW._replace(cloud=True), dry_run=True)
    after = world.everything()

    def real(rows: object) -> set[str]:
        return {name for name in rows if "/tmp" not in name}  # type: ignore[attr-defined]

    assert real(after) == real(before)


def test_foreign_names_are_left_alone(world: World) -> None:
    foreign = [world.store / "files/md5/00/notes.txt", world.store / "ab/readme", world.store / "files/md5/zz/x"]
    foreign += [world.cache / "files/md5/00/.half.tmp", world.cache / "runs/ab/cd", world.cache / "ab/c"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"foreign")

    gc(Project.find(), NOW._replace(cloud=True), confirm=yes)

    assert all(path.read_bytes() == b"foreign" for path in foreign)


def test_both_layouts_are_cleaned(world: World) -> None:
    for store in (world.cache, world.store):
        path = store / "ab" / ("0" * 30)
        path.parent.mkdir()
        path.write_bytes(b"nobody's")
        path.chmod(0o444)

    gc(Project.find(), NOW._replace(cloud=True, revisions=Revisions(all_commits=True)), confirm=yes)

    assert not list(world.cache.glob("ab/*"))
    assert not list(world.store.glob("ab/*"))
    restore(Project.find(), cloud=True)
    assert [len(list(store.glob("ab/*"))) for store in (world.cache, world.store)] == [1, 1]


# -- refusing -------------------------------------------------------------------------------------------


def test_a_listing_that_is_nowhere_refuses(world: World) -> None:
    """Not with `-f` either: only `--skip-failed` says that those files may go."""
    tree = dir_object(BRANCH)[0]
    for store in (world.cache, world.store):
        (store / "files/md5" / tree[:2] / tree[2:]).unlink()
    options = NOW._replace(revisions=Revisions(all_branches=True), cloud=True)

    with pytest.raises(NotFound) as caught:
        gc(Project.find(), options, confirm=yes)

    assert caught.value.code == "unreadable-listing"
    assert caught.value.fields["path"] == "d.dvc"
    assert caught.value.fields["commit"] == world.git("rev-parse", "side").strip()
    assert objects(world.store) == oids(ONE, TWO, BRANCH) - {tree}
    done = gc(Project.find(), options._replace(skip_failed=True), confirm=yes)
    assert any("d.dvc" in warning for warning in done.report.warnings)
    assert objects(world.store) == oids(TWO)


def test_a_damaged_listing_refuses(world: World) -> None:
    tree = dir_object(BRANCH)[0]
    (world.cache / "files/md5" / tree[:2] / tree[2:]).unlink()
    path = world.store / "files/md5" / tree[:2] / tree[2:]
    path.chmod(0o644)
    path.write_bytes(b"[]")
    path.chmod(0o444)

    with pytest.raises(Corrupt) as caught:
        gc(Project.find(), NOW._replace(revisions=Revisions(all_branches=True), cloud=True), confirm=yes)

    assert caught.value.code == "unreadable-listing"


def test_a_listing_that_only_the_remote_has_is_read_there(world: World) -> None:
    tree = dir_object(BRANCH)[0]
    (world.cache / "files/md5" / tree[:2] / tree[2:]).unlink()

    gc(Project.find(), NOW._replace(revisions=Revisions(all_branches=True)), confirm=yes)

    assert objects(world.cache) == oids(TWO, BRANCH) - {tree}


def test_a_remote_that_is_away_refuses(world: World) -> None:
    tree = dir_object(BRANCH)[0]
    (world.cache / "files/md5" / tree[:2] / tree[2:]).unlink()
    world.store.rename(world.root / "unmounted")

    with pytest.raises(LabError):
        gc(Project.find(), NOW._replace(revisions=Revisions(all_branches=True)), confirm=yes)

    assert objects(world.cache) == oids(ONE, TWO, BRANCH) - {tree}


def test_a_half_merged_pointer_of_some_commit_refuses(world: World) -> None:
    good = (world.repo / "d.dvc").read_text()
    (world.repo / "d.dvc").write_text(f"<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> side\n")
    world.git("commit", "-q", "-a", "-m", "half-merged")
    (world.repo / "d.dvc").write_text(good)
    world.git("commit", "-q", "-a", "-m", "mended")
    options = NOW._replace(revisions=Revisions(all_commits=True))

    with pytest.raises(Corrupt) as caught:
        gc(Project.find(), options, confirm=yes)

    assert caught.value.code == "unreadable-revision"
    assert caught.value.fields["commit"] == world.git("rev-parse", "HEAD~1").strip()
    assert gc(Project.find(), options._replace(skip_failed=True), confirm=yes).report.warnings


def test_a_shallow_clone_refuses_to_clean_the_remote(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.git("clone", "-q", "--depth", "1", f"file://{world.repo}", str(world.root / "shallow"))
    monkeypatch.chdir(world.root / "shallow")
    for options in (NOW._replace(cloud=True), NOW._replace(revisions=Revisions(all_commits=True))):
        with pytest.raises(NotFound) as caught:
            gc(Project.find(), options, confirm=yes)
        assert caught.value.code == "shallow-clone"


def test_a_clone_that_is_behind_refuses_to_clean_the_remote(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.git("clone", "-q", str(world.repo), str(world.root / "other"))
    save(world, {"new": b"pushed after the clone"})
    monkeypatch.chdir(world.root / "other")
    pull(Project.find())

    with pytest.raises(Conflict) as caught:
        gc(Project.find(), NOW._replace(cloud=True, revisions=Revisions(all_branches=True)), confirm=yes)

    assert caught.value.code == "stale-clone"
    subprocess.run(["git", "fetch", "-q", "--all"], cwd=world.root / "other", check=True)
    gc(Project.find(), NOW._replace(cloud=True, revisions=Revisions(all_branches=True)), confirm=yes)
    assert md5(b"pushed after the clone") in objects(world.store)


def test_what_is_pushed_meanwhile_gets_its_files_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine publishes an old file again, just after the remote was listed and the file found unused."""
    tree, listing = dir_object({"again": BRANCH["x"]})
    real = FolderRemote.trash

    def trash(self: FolderRemote, sizes: dict[Oid, int], day: str) -> None:
        self.upload_bytes(Oid(tree), listing)
        self.finish()
        real(self, sizes, day)

    monkeypatch.setattr(FolderRemote, "trash", trash)
    done = gc(Project.find(), NOW._replace(cloud=True), confirm=yes)

    assert objects(world.store) == oids(TWO) | {tree, md5(BRANCH["x"])}
    assert any(tree in warning for warning in done.report.warnings)


# -- several repositories -------------------------------------------------------------------------------


@pytest.fixture
def second(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Another repository on the same remote, with a dataset of its own."""
    second = World(tmp_path / "second")
    (second.repo / ".dvc/config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {world.store}\n"
    )
    monkeypatch.chdir(second.repo)
    save(second, {"theirs": b"another lab's data"})
    return second


def test_two_repositories_on_one_remote(world: World, second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = oids({"theirs": b"another lab's data"})
    gc(Project.find(), NOW._replace(cloud=True, revisions=Revisions(all_commits=True)), dry_run=True)
    neighbours.register(Project.find())
    monkeypatch.chdir(world.repo)

    done = gc(Project.find(), NOW._replace(cloud=True), confirm=yes)

    assert objects(world.store) == oids(TWO) | theirs
    assert len(done.others) == 1
    assert len(neighbours.read_list(Project.find())) == 2
    monkeypatch.chdir(second.repo)
    gc(Project.find(), NOW._replace(cloud=True), confirm=yes)
    restore(Project.find(), cloud=True)
    assert objects(world.store) >= oids(TWO) | theirs


def test_a_repository_that_cannot_be_read_refuses(world: World, second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours.register(Project.find())
    name = neighbours.identity(Project.find()).name
    second.repo.rename(second.root / "elsewhere")
    monkeypatch.chdir(world.repo)
    before = objects(world.store)

    with pytest.raises(NotFound) as caught:
        gc(Project.find(), NOW._replace(cloud=True), confirm=yes)
    assert caught.value.code == "neighbour-unreadable"
    assert name in caught.value.message
    assert objects(world.store) == before

    with pytest.raises(NotFound) as caught:
        neighbours.forget(Project.find(), "nobody")
    assert caught.value.code == "no-such-neighbour"
    neighbours.forget(Project.find(), name)
    gc(Project.find(), NOW._replace(cloud=True), confirm=yes)
    assert objects(world.store) == oids(TWO)


def test_a_publication_enters_its_repository_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = FolderRemote.put_note

    def put_note(self: FolderRemote, kind: str, name: str, data: bytes) -> None:
        written.append(kind)
        real(self, kind, name, data)

    monkeypatch.setattr(FolderRemote, "put_note", put_note)
    assert neighbours.register_once(Project.find())
    assert not neighbours.register_once(Project.find())
    assert written == ["repositories"]
    assert [entry.path for entry in neighbours.read_list(Project.find())] == [str(world.repo)]


def test_a_clone_named_with_p_stands_for_its_repository(
    world: World, second: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbours.register(Project.find())
    second.git("clone", "-q", str(second.repo), str(second.root / "clone"))
    second.git("remote", "add", "origin", "git@git.lab.example:lab/data.git")
    neighbours.register(Project.find())
    clone = second.root / "clone"
    subprocess.run(
        ["git", "remote", "set-url", "origin", "https://ada:secret@git.lab.example/lab/data"], cwd=clone, check=True
    )
    monkeypatch.chdir(world.repo)
    listed = [entry.name for entry in neighbours.read_list(Project.find())]
    assert "git.lab.example/lab/data" in listed
    assert "secret" not in str(neighbours.identity(Project.find(str(clone))))
    assert neighbours.identity(Project.find(str(clone))).name == "git.lab.example/lab/data"


@pytest.mark.usefixtures("second")
def test_p_keeps_another_projects_objects(world: World, second: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (second.repo / ".dvc/config").write_text(
        f"[core]\n    remote = store\n[cache]\n    dir = {world.cache}\n['remote \"store\"']\n    url = {world.store}\n"
    )
    pull(Project.find())
    monkeypatch.chdir(world.repo)
    theirs = oids({"theirs": b"another lab's data"})
    assert objects(world.cache) >= theirs

    gc(Project.find(), NOW._replace(projects=(str(second.repo), str(world.repo))), confirm=yes)

    assert objects(world.cache) == oids(TWO) | theirs


def test_clones_that_share_a_cache_know_of_each_other(
    world: World, second: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = world.root / "shared"
    shared.mkdir()
    for one in (world, second):
        (one.repo / ".dvc/config.local").write_text(f"[cache]\n    dir = {shared}\n")
        monkeypatch.chdir(one.repo)
        pull(Project.find())
    theirs = oids({"theirs": b"another lab's data"})
    monkeypatch.chdir(world.repo)
    fetch(Project.find(), Selection(all_branches=True))

    done = gc(Project.find(), NOW, confirm=yes)

    assert objects(shared) == oids(TWO) | theirs
    assert len(done.others) == 1
    shutil.rmtree(second.repo)
    gc(Project.find(), NOW, confirm=yes)
    assert objects(shared) == oids(TWO)
    (shared / ".lab/clones/other").write_text("another-machine\n/home/ben/datasets\n")
    with pytest.raises(NotFound) as caught:
        gc(Project.find(), NOW, confirm=yes)
    assert caught.value.code == "neighbour-unreadable"


# -- emptying the cache ---------------------------------------------------------------------------------


def test_not_in_remote_keeps_what_the_remote_lacks(world: World) -> None:
    lost = md5(TWO["s/b"])
    (world.store / "files/md5" / lost[:2] / lost[2:]).unlink()

    gc(Project.find(), NOW._replace(not_in_remote=True), confirm=yes)

    assert objects(world.cache) == {lost}
    assert objects(world.store) == oids(ONE, TWO, BRANCH) - {lost}


def test_not_in_remote_keeps_what_the_workspace_links_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "linked", links="symlink")
    monkeypatch.chdir(world.repo)
    save(world, ONE)

    gc(Project.find(), NOW._replace(not_in_remote=True), confirm=yes)

    assert objects(world.cache) == oids(ONE)
    assert (world.repo / "d/a").read_bytes() == b"1"


# -- reachability ---------------------------------------------------------------------------------------


def test_each_pointer_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (world.repo / "notes").write_text(str(number))
        world.git("add", "notes")
        world.git("commit", "-q", "-m", "notes")
    from labops import index

    parsed: list[str] = []
    real = index.parse_dvcfile

    def parse(text: str, *, name: str) -> object:
        parsed.append(text)
        return real(text, name=name)

    monkeypatch.setattr(index, "parse_dvcfile", parse)
    project = Project.find()
    used = used_objects(project, commits_of(project, Revisions(all_commits=True)), with_workspace=False)

    assert used.oids[HashName.MD5] == oids(ONE, TWO, BRANCH)
    assert len(parsed) == len(set(parsed)) == 3
    assert used.outputs == 3


def test_pipelines_of_other_revisions_count(world: World) -> None:
    out = f"    - path: out\n      hash: md5\n      md5: {md5(b'o')}\n"
    lock = f"schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs:\n{out}"
    (world.repo / "sub").mkdir()
    (world.repo / "sub/dvc.yaml").write_text("stages:\n  make:\n    cmd: make\n    outs: [out]\n")
    (world.repo / "sub/dvc.lock").write_text(lock)
    world.git("add", "sub")
    world.git("commit", "-q", "-m", "pipeline")
    world.git("rm", "-q", "-r", "sub")
    world.git("commit", "-q", "-m", "gone")
    project = Project.find()

    used = used_objects(project, commits_of(project, Revisions(all_commits=True)))

    assert used.has(HashName.MD5, md5(b"o"))  # type: ignore[arg-type]
