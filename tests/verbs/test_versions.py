"""A version as a target: put in its place or beside, fetched, refused where something is recorded; tags, log, diff."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from labops.drivers.git import Git
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.model import Action, Result, Selection
from labops.project import Project
from labops.testing.oracle import dir_object, md5
from labops.testing.worlds import World, pointer
from labops.verbs import tag as tags
from labops.verbs.add import add
from labops.verbs.checkout import checkout
from labops.verbs.commit import commit
from labops.verbs.data_status import data_status
from labops.verbs.diff import diff
from labops.verbs.diff_versions import Comparison, diff_versions
from labops.verbs.fetch import fetch
from labops.verbs.log import Counts, log, overview
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.status import cloud_status, status
from labops.verbs.take import take

ONE = {"a": b"1", "s/b": b"22", "img@2x.jpg": b"retina"}
TWO = {"a": b"changed", "s/renamed": b"22", "img@2x.jpg": b"retina", "new": b"4444"}
THREE = {"only": b"5"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three versions of the folder `d`, all of them pushed, and one of the file `f`."""
    world = World(tmp_path / "world")
    monkeypatch.chdir(world.repo)
    (world.repo / "f").write_bytes(b"file")
    for number, files in enumerate((ONE, TWO, THREE), 1):
        world.write("d", files)
        add(Project.find(), ["d", "f"])
        world.git("add", ".")
        world.git("commit", "-qm", f"version {number}")
        push(Project.find())
    return world


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def only_newest_cached(world: World) -> None:
    """As on a machine that has pulled the newest version only."""
    shutil.rmtree(world.cache)
    fetch(Project.find())


# -- in its place -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_cached", [True, False])
def test_pull_goes_to_a_version_and_back(world: World, is_cached: bool) -> None:
    """The workspace has it, the pointer and everything that git sees stay."""
    if not is_cached:
        only_newest_cached(world)
    text = (world.repo / "d.dvc").read_text()

    report = pull(Project.find(), Selection(("d@v1",)))

    assert report.exit_code == 0
    assert held(world.repo / "d") == ONE
    assert (world.repo / "d.dvc").read_text() == text
    assert world.git("status", "--porcelain") == ""
    assert [row.state for row in status(Project.find())] == ["modified"]
    assert status(Project.find(), Selection(("d@v1",))) == ()

    pull(Project.find(), Selection(("d",)))
    assert held(world.repo / "d") == THREE
    assert world.wrong() == []


def test_unsaved_work_is_in_nobodys_way(world: World) -> None:
    (world.repo / "d/only").write_bytes(b"unsaved")
    with pytest.raises(Conflict, match="saved nowhere"):
        pull(Project.find(), Selection(("d@v1",)))
    assert held(world.repo / "d") == {"only": b"unsaved"}
    pull(Project.find(), Selection(("d@v1",)), force=True)
    assert held(world.repo / "d") == ONE


def test_a_part_of_a_version(world: World) -> None:
    """Only what lies there is touched."""
    pull(Project.find(), Selection(("d/s@v1", "d/a@1")))
    assert held(world.repo / "d") == {**THREE, "s/b": b"22", "a": b"1"}


def test_checkout_and_fetch(world: World) -> None:
    shutil.rmtree(world.cache)
    fetch(Project.find(), Selection(("d@v1", "d@v2")))
    assert world.holds(ONE)
    assert world.holds(TWO)
    assert not world.holds(THREE)
    (world.repo / "d/only").unlink()
    checkout(Project.find(), Selection(("d@v2",)))
    assert held(world.repo / "d") == TWO


def test_push_and_cloud_status(world: World) -> None:
    (world.store / "files/md5" / md5(b"1")[:2] / md5(b"1")[2:]).unlink()
    assert [(row.path, row.state) for row in cloud_status(Project.find(), Selection(("d@v1",)))] == [("d/a", "new")]
    assert cloud_status(Project.find(), Selection(("d",))) == ()
    push(Project.find(), Selection(("d@v1", "d@v3")))
    assert cloud_status(Project.find(), Selection(("d@v1",))) == ()


def test_two_versions_do_not_fit_one_place(world: World) -> None:
    for targets in (("d@v1", "d@v2"), ("d", "d@v1")):
        with pytest.raises(InvalidInput) as caught:
            pull(Project.find(), Selection(targets))
        assert caught.value.code == "two-versions"
    pull(Project.find(), Selection(("d/s@v1", "d/a@v1", "f")))  # the same one twice is one


def test_a_version_of_what_is_tracked_no_more(world: World) -> None:
    (world.repo / "d.dvc").unlink()
    shutil.rmtree(world.repo / "d")
    with pytest.raises(InvalidInput) as caught:
        pull(Project.find(), Selection(("d@v1",)))
    assert caught.value.code == "not-tracked-now"
    take(Project.find(), "d/s@v1", "old")
    assert held(world.repo / "old") == {"b": b"22"}


def test_versions_of_dvc_2_and_3_change_places(world: World) -> None:
    """What one cache has is not unsaved work because the other has not."""
    sums = {name: md5(data) for name, data in ONE.items()}
    listing = dir_object(ONE)
    for oid in [*sums.values(), listing[0]]:
        (world.cache / oid[:2]).mkdir(exist_ok=True)
        shutil.copy(world.cache / "files/md5" / oid[:2] / oid[2:], world.cache / oid[:2] / oid[2:])
    (world.repo / "d.dvc").write_text(pointer(ONE).replace("  hash: md5\n", ""))
    world.git("commit", "-qam", "as dvc 2 wrote it")
    assert [row.state for row in status(Project.find())] == ["modified"]
    pull(Project.find(), Selection(("d@v3",)))
    assert held(world.repo / "d") == THREE
    pull(Project.find(), Selection(("d",)))
    assert held(world.repo / "d") == ONE


# -- what an '@' means --------------------------------------------------------------------------------


def test_files_with_an_at_in_their_names(world: World) -> None:
    """`d/img@2x.jpg` is a file of `d`, whether it is here, in the listing, or only in the remote's listing."""
    pull(Project.find(), Selection(("d@v2",)))
    (world.repo / "d.dvc").write_text(pointer(TWO))
    for prepare in (lambda: None, lambda: shutil.rmtree(world.repo / "d"), lambda: shutil.rmtree(world.cache)):
        prepare()
        pull(Project.find(), Selection(("d/img@2x.jpg",)))
        assert held(world.repo / "d")["img@2x.jpg"] == b"retina"
    with pytest.raises(NotFound, match="no version '7'"):
        pull(Project.find(), Selection(("d/img@7",)))


def test_tracked_names_with_an_at(world: World) -> None:
    (world.repo / "d@v1").write_bytes(b"tricky")
    add(Project.find(), ["d@v1"])
    (world.repo / "d@v1").unlink()
    pull(Project.find(), Selection(("d@v1",)))
    assert (world.repo / "d@v1").read_bytes() == b"tricky"
    assert held(world.repo / "d") == THREE
    (world.repo / "d@v1").unlink()
    pull(Project.find(), Selection(("d@v1.dvc",)))
    assert (world.repo / "d@v1").exists()


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("d@v9", "no-such-version"),
        ("d@", "no-such-target"),
        ("nope@v1", "no-such-target"),
        ("f@nope", "no-such-version"),
        ("../x@v1", "outside-project"),
        ("d@2020-01-01", "no-such-version"),
    ],
)
def test_what_cannot_be_found(target: str, code: str) -> None:
    with pytest.raises(LabError) as caught:
        pull(Project.find(), Selection((target,)))
    assert caught.value.code == code


def test_what_records_refuses_a_version(world: World) -> None:
    for record in (lambda: add(Project.find(), ["d@v1"]), lambda: commit(Project.find(), Selection(("d@v1",)))):
        with pytest.raises(InvalidInput) as caught:
            record()
        assert caught.value.code == "version-given"
    with pytest.raises(NotFound):
        add(Project.find(), ["nope@v1"])
    (world.repo / "new@v1").write_bytes(b"x")
    add(Project.find(), ["new@v1"])


@pytest.mark.usefixtures("world")
def test_data_status_knows_no_versions() -> None:
    with pytest.raises(NotFound, match="'d@v1' is not tracked"):
        data_status(Project.find(), ["d@v1"])


def test_globs_and_revisions_beside_a_version(world: World) -> None:
    shutil.rmtree(world.cache)
    fetch(Project.find(), Selection(("d@v1", "f"), all_commits=True))
    assert world.holds(ONE)
    assert not world.holds(TWO)
    with pytest.raises(NotFound):
        pull(Project.find(), Selection(("d*@v1",)))
    pull(Project.find(), Selection(("d*@v1",), glob=True))  # a pattern that no file matches, and no version
    assert held(world.repo / "d") == THREE


def test_folders_of_datasets_at_a_day_or_commit(world: World) -> None:
    world.write("all/one", {"x": b"1"})
    add(Project.find(), ["all/one"])
    (world.repo / "all/two").write_bytes(b"2")
    add(Project.find(), ["all/two"])
    world.git("add", ".")
    world.git("commit", "-qm", "all")
    (world.repo / "all/two").write_bytes(b"later")
    add(Project.find(), ["all/two"])
    world.git("commit", "-qam", "later")
    with pytest.raises(NotFound):
        pull(Project.find(), Selection(("all@HEAD~1",)))
    pull(Project.find(), Selection(("all@HEAD~1",), recursive=True))
    assert (world.repo / "all/two").read_bytes() == b"2"


def test_names_with_an_at_where_there_is_no_git(world: World) -> None:
    shutil.rmtree(world.repo / ".git")
    shutil.rmtree(world.repo / "d")
    shutil.rmtree(world.cache)
    (world.repo / "d.dvc").write_text(pointer(TWO))
    pull(Project.find(), Selection(("d/img@2x.jpg",)))
    assert held(world.repo / "d") == {"img@2x.jpg": b"retina"}
    with pytest.raises(InvalidInput) as caught:
        pull(Project.find(), Selection(("d@v1",)))
    assert caught.value.code == "no-git"


# -- beside -------------------------------------------------------------------------------------------


def test_take_puts_it_beside(world: World) -> None:
    """Whole, twice without harm, never over something else, and nothing notices."""
    only_newest_cached(world)
    out = world.root / "old/deep"
    report = take(Project.find(), "d@v1", str(out))
    assert report.exit_code == 0
    assert held(out) == ONE
    assert take(Project.find(), "d@v1", str(out)).plan.steps == ()
    with pytest.raises(Conflict) as caught:
        take(Project.find(), "d@v2", str(out))
    assert caught.value.code == "output-exists"
    assert held(out) == ONE
    take(Project.find(), "d@v2", str(out), force=True)
    assert held(out) == TWO
    assert held(world.repo / "d") == THREE
    assert status(Project.find()) == ()
    assert world.wrong() == []


def test_take_files_parts_and_empty_folders(world: World) -> None:
    take(Project.find(), "f", "f2")
    assert (world.repo / "f2").read_bytes() == b"file"
    take(Project.find(), "d/s/b@v1", "b")
    assert (world.repo / "b").read_bytes() == b"22"
    take(Project.find(), "d/s@v1", "s")
    assert held(world.repo / "s") == {"b": b"22"}
    with pytest.raises(NotFound, match="has no 'nothing'"):
        take(Project.find(), "d/nothing@v1", "x")
    (world.repo / "e").mkdir()
    add(Project.find(), ["e"])
    take(Project.find(), "e", "e2")
    assert (world.repo / "e2").is_dir()


def test_take_keeps_the_exec_bit(world: World) -> None:
    (world.repo / "run").write_bytes(b"#!/bin/sh\n")
    (world.repo / "run").chmod(0o755)
    add(Project.find(), ["run"])
    take(Project.find(), "run", "run2")
    assert os.access(world.repo / "run2", os.X_OK)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("out", [".", "..", "d", "d/inside", "d.dvc/../d", ".dvc/x", ".git/x", "/"])
def test_take_stays_away_from_what_is_tracked(out: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        take(Project.find(), "d@v1", out)
    assert caught.value.code == "bad-destination"


@pytest.mark.usefixtures("world")
def test_take_never_replaces_what_is_not_a_copy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, another repository, the folder one stands in: not even with `force`."""
    (tmp_path / "other/.git").mkdir(parents=True)
    (tmp_path / "stand/here").mkdir(parents=True)
    (home / "mine").write_text("x")
    project = Project.find()
    monkeypatch.chdir(tmp_path / "stand/here")
    for out in (home, tmp_path / "other", tmp_path / "stand", tmp_path / "stand/here"):
        with pytest.raises(InvalidInput) as caught:
            take(project, f"{project.root}/d@v1", str(out), force=True)
        assert caught.value.code == "bad-destination"
    assert (home / "mine").exists()


@pytest.mark.usefixtures("world")
def test_take_takes_one() -> None:
    for target in (".", "nope"):
        with pytest.raises(LabError):
            take(Project.find(), target, "x")


def test_take_is_whole_or_nothing(world: World) -> None:
    """One object is nowhere: no half folder, and the old one stays even with `force`."""
    (world.repo / "x").mkdir()
    (world.repo / "x/mine").write_bytes(b"mine")
    shutil.rmtree(world.cache)
    (world.store / "files/md5" / md5(b"1")[:2] / md5(b"1")[2:]).unlink()
    report = take(Project.find(), "d@v1", "x", force=True)
    assert report.exit_code == 3
    assert held(world.repo / "x") == {"mine": b"mine"}
    assert sorted(os.listdir(world.repo)) == [".dvc", ".git", ".gitignore", "d", "d.dvc", "f", "f.dvc", "x"]


def test_take_finds_damage(world: World) -> None:
    """A damaged object of the cache never gets out."""
    bad = world.cache / "files/md5" / md5(b"1")[:2] / md5(b"1")[2:]
    bad.chmod(0o644)
    bad.write_bytes(b"!")
    report = take(Project.find(), "d@v1", "x")
    assert [outcome.step.path for outcome in report.failed] == ["x/a"]
    assert not (world.repo / "x").exists()


def test_take_without_doing_it(world: World) -> None:
    shutil.rmtree(world.cache)
    before = world.everything()
    report = take(Project.find(), "d/a@v1", "x", dry_run=True)
    assert world.everything() == before
    assert {step.action for step in report.plan.steps} == {Action.DOWNLOAD}
    assert report.outcomes == ()


# -- log ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_log_counts_what_changed() -> None:
    rows = log(Project.find(), ["d"]).rows
    assert [(row.version.number if row.version else 0, row.nfiles, row.size) for row in rows] == [
        (3, 1, 1),
        (2, 4, 19),
        (1, 3, 9),
    ]
    assert [row.counts for row in rows] == [Counts(1, 4, 0), Counts(2, 1, 1), Counts(3, 0, 0)]
    assert [row.is_current for row in rows] == [True, False, False]
    assert [row.counts for row in log(Project.find(), ["d"], most=1).rows] == [Counts(1, 4, 0)]
    assert [row.path for row in log(Project.find(), ["f.dvc", "d", "f"]).rows] == ["f", "d", "d", "d"]


def test_log_says_what_it_does_not_know(world: World) -> None:
    """Without the listings there are no counts, and no remote is asked."""
    shutil.rmtree(world.cache)
    shutil.rmtree(world.store)
    assert [row.counts for row in log(Project.find(), ["d"]).rows] == [None, None, None]
    assert [row.counts for row in log(Project.find(), ["f"]).rows] == [Counts(1, 0, 0)]
    with pytest.raises(NotFound) as caught:
        log(Project.find(), ["nope"])
    assert caught.value.code == "never-tracked"


def test_log_shows_what_is_not_committed(world: World) -> None:
    world.write("d", {"x": b"unborn"})
    add(Project.find(), ["d"])
    rows = log(Project.find(), ["d"]).rows
    assert [(row.version.number if row.version else None, row.is_current) for row in rows] == [
        (None, True),
        (3, False),
        (2, False),
        (1, False),
    ]
    assert (rows[0].nfiles, rows[0].size) == (1, 6)


def test_overview_names_everything(world: World) -> None:
    (world.repo / "g").write_bytes(b"new")
    add(Project.find(), ["g"])
    rows = overview(Project.find()).rows
    assert [(row.path, row.version.number if row.version else None) for row in rows] == [
        ("d", 3),
        ("f", 1),
        ("g", None),
    ]
    assert [row.is_current for row in rows] == [True, True, True]


# -- tag ----------------------------------------------------------------------------------------------


def test_tags_name_versions(world: World) -> None:
    row = tags.make_tag(Project.find(), "d", "gold", version="v2", message="the good one")
    assert row.git_name == "d@gold"
    assert world.git("cat-file", "-t", "d@gold").strip() == "tag"
    assert world.git("rev-parse", "d@gold^{commit}") == world.git("rev-parse", "HEAD~1")
    tags.make_tag(Project.find(), "d.dvc", "latest")
    world.git("tag", "other@thing")
    listed = [
        (row.tag, row.version.number if row.version else 0, row.message) for row in tags.list_tags(Project.find())
    ]
    assert sorted(listed) == [("gold", 2, "the good one"), ("latest", 3, "d v3")]
    pull(Project.find(), Selection(("d@gold",)))
    assert held(world.repo / "d") == TWO
    tags.delete_tag(Project.find(), "d", "gold")
    assert [row.tag for row in tags.list_tags(Project.find(), "d")] == ["latest"]
    assert tags.list_tags(Project.find(), "f") == ()


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("tag", ["", "v7", "3x y", "a@b", "2026-01-01", "x..y", "x.lock", "a~b", "-x\n"])
def test_bad_tags(tag: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tags.make_tag(Project.find(), "d", tag)
    assert caught.value.code == "bad-tag-name"
    assert tags.list_tags(Project.find()) == ()


def test_tags_that_exist_or_do_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.find()
    tags.make_tag(project, "d", "v3")  # the number that it is
    with pytest.raises(Conflict) as caught:
        tags.make_tag(project, "d", "v3", version="v3")
    assert caught.value.code == "tag-exists"
    world.git("tag", "d@x")
    with pytest.raises(Conflict):
        tags.make_tag(Project.find(), "d", "x/y")
    with pytest.raises(NotFound) as missing:
        tags.delete_tag(project, "d", "nope")
    assert missing.value.code == "no-such-tag"
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME")
        monkeypatch.delenv(f"GIT_{who}_EMAIL")
    world.git("config", "user.useConfigOnly", "true")
    with pytest.raises(InvalidInput) as nobody:
        tags.make_tag(Project.find(), "d", "mine")
    assert nobody.value.code == "no-git-identity"
    assert "git config" in nobody.value.hint


def test_tag_dry_runs(world: World) -> None:
    tags.make_tag(Project.find(), "d", "kept")
    before = world.everything()
    assert tags.make_tag(Project.find(), "d", "x", dry_run=True).version
    tags.delete_tag(Project.find(), "d", "kept", dry_run=True)
    assert world.everything() == before


def compared(old: str, new: str | None = None) -> Comparison:
    found = diff_versions(Project.find(), old, new)
    assert found is not None
    return found


# -- diff ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_diff_of_two_versions() -> None:
    found = compared("d@v1", "d@v2")
    kinds = found.difference
    assert [(row.path, row.new_size) for row in kinds.added] == [("d/new", 4)]
    assert [(row.path, row.old_size, row.new_size) for row in kinds.modified] == [("d/a", 1, 7)]
    assert [(row.old_path, row.path, row.old_size) for row in kinds.renamed] == [("d/s/b", "d/s/renamed", 2)]
    assert kinds.deleted == ()
    assert (found.old.number, found.new and found.new.number) == (1, 2)
    assert (found.old_files, found.new_files) == (3, 4)
    assert compared("d@v1", "d@v1").difference.is_empty
    part = compared("d/s@v1", "d/s@v2").difference
    assert [(row.old_path, row.path) for row in part.renamed] == [("d/s/b", "d/s/renamed")]


def test_diff_of_a_version_and_the_workspace(world: World) -> None:
    (world.repo / "d/mine").write_bytes(b"mine!")
    found = compared("d@v3").difference
    assert [(row.path, row.new_size) for row in found.added] == [("d/mine", 5)]
    (world.repo / "f").write_bytes(b"longer file")
    one = compared("f@v1").difference
    assert [(row.path, row.old_size, row.new_size) for row in one.modified] == [("f", 4, 11)]


def test_diff_reads_listings_from_the_remote(world: World) -> None:
    """Sizes are what the cache knows; the listings are had from anywhere, or it says so."""
    shutil.rmtree(world.cache)
    found = compared("d@v1", "d@v2").difference
    assert [(row.path, row.old_size, row.new_size) for row in found.modified] == [("d/a", None, None)]
    shutil.rmtree(world.store)
    with pytest.raises(NotFound) as caught:
        compared("d@v1", "d@v2")
    assert caught.value.code == "listing-nowhere"


@pytest.mark.usefixtures("world")
def test_what_is_a_version_and_what_a_revision() -> None:
    project = Project.find()
    assert compared("d/s@v1").old.number == 1
    for text in (None, "HEAD", "HEAD@{1}", "@", "@{1}", "main@{0}", "x@v1", "@~1", "/x@v1"):
        assert diff_versions(project, text, None) is None
    assert diff(project, "HEAD@{0}", "@").is_empty
    with pytest.raises(NotFound) as caught:
        diff_versions(project, "d@v1", "HEAD")
    assert caught.value.code == "no-such-version"


def test_the_history_of_a_project_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many versions a command names."""
    from labops.drivers.git import history as git_history

    reads: list[Git] = []
    read = git_history.read_commits
    monkeypatch.setattr(git_history, "read_commits", lambda git, *rest: (reads.append(git), read(git, *rest))[1])
    report = pull(Project.find(), Selection(("d/a@v1", "d/s@v1", "f@v1")))
    assert len(reads) == 1
    assert {outcome.result for outcome in report.outcomes} == {Result.DONE}
    assert held(world.repo / "d")["a"] == b"1"


def test_a_swap_that_fails_brings_the_old_one_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for the new name: what `force` would have replaced is there again."""
    from labops.drivers import fs
    from labops.errors import NoSpace

    (world.repo / "x").mkdir()
    (world.repo / "x/mine").write_bytes(b"mine")
    rename = fs.rename

    def failing(source: str, target: str) -> None:
        if source.endswith("/new"):
            raise NoSpace("no room", code="no-space")
        rename(source, target)

    monkeypatch.setattr(fs, "rename", failing)
    with pytest.raises(NoSpace):
        take(Project.find(), "d@v1", "x", force=True)
    assert held(world.repo / "x") == {"mine": b"mine"}
