"""Single objects of a home: get, put, cat, rm, mv, share, and what they never do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labops.errors import Conflict, InvalidInput, LabError, NotFound, Unsupported
from labops.home import HomeFolder
from labops.home.naming import Spot, default_key, find_spot
from labops.verbs.home_get import cat_object, get_objects
from labops.verbs.home_link import link_home
from labops.verbs.home_put import put_objects
from labops.verbs.home_rearrange import move_objects, remove_objects
from labops.verbs.home_share import share_object
from labops.verbs.home_sync import sync_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "server/me/p"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def linked(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A linked folder, which is also where the person stands."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    link_home(str(folder), str(home), {})
    return folder


def spot(name: str) -> Spot:
    return find_spot(name, {})


def fill(home: Path, *names: str) -> None:
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"content of {name}")


def live(home: Path) -> set[str]:
    return {
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and ".trash" not in path.relative_to(home).parts
    }


def trashed(home: Path) -> list[str]:
    return sorted(path.read_text() for path in (home / ".trash").rglob("*") if path.is_file() and path.name != ".lock")


def read(name: str) -> bytes:
    found = bytearray()
    cat_object(spot(name), lambda data: found.extend(data))
    return bytes(found)


# -- get, cat -------------------------------------------------------------------------------------------


def test_a_file_comes_under_its_name_or_another(linked: Path, home: Path) -> None:
    fill(home, "d/a.txt")
    os.utime(home / "d/a.txt", (1_700_000_000, 1_700_000_000))
    (linked / "sub").mkdir()
    get_objects(spot("d/a.txt"))
    get_objects(spot("d/a.txt"), "b.txt")
    get_objects(spot("d/a.txt"), "sub")
    get_objects(spot("d/a.txt"), "new/deep/c.txt")

    for name in ("a.txt", "b.txt", "sub/a.txt", "new/deep/c.txt"):
        assert (linked / name).read_text() == "content of d/a.txt"
    assert (linked / "a.txt").stat().st_mtime == 1_700_000_000
    assert read("d/a.txt") == b"content of d/a.txt"


def test_a_folder_wants_a_word_and_a_slash_means_its_contents(linked: Path, home: Path) -> None:
    """As `cp -r` and `rsync` have it."""
    fill(home, "d/a", "d/e/b", "other")
    with pytest.raises(InvalidInput) as caught:
        get_objects(spot("d"))
    assert (caught.value.code, caught.value.hint) == ("is-a-folder", "lab home get -r 'd'")
    (linked / "there").mkdir()
    assert [row.path for row in get_objects(spot("d"), recursive=True).rows] == ["d/a", "d/e/b"]
    get_objects(spot("d"), "there", recursive=True)
    get_objects(spot("d/"), "flat")
    get_objects(spot("d"), "renamed", recursive=True)

    found = {str(path.relative_to(linked)) for path in linked.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith(".lab/")} == {
        "d/a", "d/e/b", "there/d/a", "there/d/e/b", "flat/a", "flat/e/b", "renamed/a", "renamed/e/b",
    }  # fmt: skip


def test_what_is_there_is_replaced_only_with_force_and_then_kept(linked: Path, home: Path) -> None:
    fill(home, "a")
    (linked / "a").write_text("my own")
    refused = get_objects(spot("a"))
    assert refused.exit_code == 3
    assert refused.rows[0].error is not None
    assert refused.rows[0].error.code == "destination-exists"
    assert (linked / "a").read_text() == "my own"
    get_objects(spot("a"), force=True)

    assert (linked / "a").read_text() == "content of a"
    assert [path.read_text() for path in (linked / ".lab/trash").rglob("a")] == ["my own"]


def test_a_dry_run_writes_nothing(linked: Path, home: Path) -> None:
    fill(home, "d/a", "b")
    (linked / "c").write_text("1")
    before = sorted(map(str, linked.parent.rglob("*")))
    assert [row.path for row in get_objects(spot("d/"), "x", dry_run=True).rows] == ["d/a"]
    assert [row.target for row in put_objects("c", spot("c"), dry_run=True).rows] == ["c"]
    assert [row.path for row in remove_objects([spot("b")], dry_run=True).rows] == ["b"]
    assert [row.target for row in move_objects(spot("b"), spot("d/"), dry_run=True).rows] == ["d/b"]

    assert sorted(map(str, linked.parent.rglob("*"))) == before


def test_nothing_is_fetched_through_a_link_or_out_of_its_folder(linked: Path, home: Path, tmp_path: Path) -> None:
    """A hostile home cannot write beside the folder it is fetched into."""
    (tmp_path / "outside").mkdir()
    fill(home, "d/evil/x")
    (linked / "d").mkdir()
    (linked / "d/evil").symlink_to(tmp_path / "outside")
    report = get_objects(spot("d/"), "d", force=True)

    assert report.exit_code == 3
    assert os.listdir(tmp_path / "outside") == []


def test_absent_things_are_named(linked: Path) -> None:
    for name in ("nope", "nope/"):
        with pytest.raises(NotFound) as caught:
            get_objects(spot(name))
        assert caught.value.code == "no-such-object"
        assert "lab home ls" in caught.value.hint
    with pytest.raises(NotFound) as caught:
        read("nope")
    assert caught.value.code == "no-such-object"
    with pytest.raises(NotFound) as caught:
        remove_objects([spot("nope")])
    assert caught.value.code == "no-such-object"
    with pytest.raises(NotFound) as caught:
        put_objects("nope", spot("x"))
    assert caught.value.code == "no-such-file"


def test_cat_of_a_folder_says_what_it_is(linked: Path, home: Path) -> None:
    fill(home, "d/a")
    for name in ("d", "d/"):
        with pytest.raises(LabError) as caught:
            read(name)
        assert caught.value.code == "is-a-folder"


# -- put ------------------------------------------------------------------------------------------------


def test_a_file_goes_to_its_place_or_where_it_is_told(linked: Path, home: Path) -> None:
    (linked / "sub").mkdir()
    (linked / "sub/a.txt").write_text("1")
    fill(home, "folder/x")
    put_objects("sub/a.txt", default_key(spot(""), "sub/a.txt"))
    put_objects("sub/a.txt", spot("b.txt"))
    put_objects("sub/a.txt", spot("new/"))
    put_objects("sub/a.txt", spot("folder"))

    assert live(home) == {"sub/a.txt", "b.txt", "new/a.txt", "folder/a.txt", "folder/x"}


def test_what_put_replaces_is_kept_and_an_equal_content_is_not_sent(linked: Path, home: Path) -> None:
    (linked / "a").write_text("old")
    put_objects("a", spot("a"))
    (linked / "a").write_text("new")
    assert put_objects("a", spot("a")).rows[0].note == "replaced"

    assert (home / "a").read_text() == "new"
    assert trashed(home) == ["old"]


def test_a_folder_goes_without_what_the_rules_leave_out(linked: Path, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "proj"
    for name in ("a", "d/b", ".git/config", "skip/c", ".labignore"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("skip/\n" if name == ".labignore" else name)
    with pytest.raises(InvalidInput) as caught:
        put_objects(str(source), spot("x"))
    assert caught.value.code == "is-a-folder"
    report = put_objects(str(source), spot("x"), recursive=True)
    put_objects(f"{source}/", spot("x/y"))

    assert set(report.left_out) == {".git/", "skip/"}
    assert live(home) == {"x/a", "x/d/b", "x/.labignore", "x/y/a", "x/y/d/b", "x/y/.labignore"}


@pytest.mark.parametrize("key", ["../x", "a//b", "/x/../y", ".lab/home.json", "d/.lab/x", ".trash/x", "a/../b"])
def test_keys_that_no_machine_should_meet_are_refused(linked: Path, home: Path, key: str) -> None:
    (linked / "a").write_text("1")
    with pytest.raises(LabError) as caught:
        put_objects("a", Spot(HomeFolder.find(".").home, key))
    assert caught.value.code in {"unsafe-path", "private-name"}
    assert live(home) == set()


def test_a_file_and_a_folder_of_one_name_are_refused(linked: Path, home: Path) -> None:
    fill(home, "a")
    (linked / "b").write_text("1")
    with pytest.raises(Conflict) as caught:
        put_objects("b", spot("a/b"))
    assert caught.value.code == "name-clash"


# -- rm, mv ---------------------------------------------------------------------------------------------


def test_rm_goes_to_the_trash_and_the_next_sync_follows(linked: Path, home: Path) -> None:
    for name in ("a", "d/b", "d/c", "keep"):
        (linked / name).parent.mkdir(exist_ok=True)
        (linked / name).write_text(f"content of {name}")
    sync_home(HomeFolder.find("."))
    with pytest.raises(InvalidInput) as caught:
        remove_objects([spot("d")])
    assert caught.value.code == "is-a-folder"
    report = remove_objects([spot("a"), spot("d")], recursive=True)

    assert [row.path for row in report.rows] == ["a", "d/b", "d/c"]
    assert report.is_linked
    assert live(home) == {"keep"}
    assert trashed(home) == ["content of a", "content of d/b", "content of d/c"]
    assert (linked / "a").exists()
    sync_home(HomeFolder.find("."))
    assert {path.name for path in linked.iterdir()} == {".lab", "keep"}


@pytest.mark.parametrize("name", ["", ".", "/.".removeprefix("/"), "./"])
def test_the_whole_home_is_never_removed_or_moved(linked: Path, home: Path, name: str) -> None:
    fill(home, "a")
    for act in (lambda: remove_objects([spot(name)], recursive=True), lambda: move_objects(spot(name), spot("x"))):
        with pytest.raises(InvalidInput) as caught:
            act()
        assert caught.value.code == "whole-home"
    assert live(home) == {"a"}


def test_rm_that_is_not_agreed_to_removes_nothing(linked: Path, home: Path) -> None:
    fill(home, "d/a")
    with pytest.raises(Conflict) as caught:
        remove_objects([spot("d/")], recursive=True, confirm=lambda report: False)
    assert caught.value.code == "not-confirmed"
    assert live(home) == {"d/a"}


def test_rm_does_not_follow_a_link_in_the_home(linked: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("1")
    (home / "link").symlink_to(tmp_path / "outside")
    remove_objects([spot("link")], recursive=True)

    assert (tmp_path / "outside/precious").exists()
    assert not (home / "link").is_symlink()


def test_mv_renames_files_and_folders(linked: Path, home: Path) -> None:
    fill(home, "a", "d/x", "d/e/y", "f/z")
    move_objects(spot("a"), spot("b"))
    move_objects(spot("b"), spot("f"))
    move_objects(spot("d"), spot("g"))
    move_objects(spot("g/"), spot("f/"))

    assert live(home) == {"f/b", "f/z", "f/g/x", "f/g/e/y"}
    assert (home / "f/b").read_text() == "content of a"
    assert trashed(home) == []


def test_mv_replaces_nothing_and_goes_into_no_circle(linked: Path, home: Path) -> None:
    fill(home, "a", "b", "d/x")
    report = move_objects(spot("a"), spot("b"))
    assert [row.error.code for row in report.failed if row.error] == ["destination-exists"]
    for target in ("d", "d/e"):
        with pytest.raises(InvalidInput):
            move_objects(spot("d"), spot(target))
    with pytest.raises(InvalidInput) as caught:
        move_objects(spot("a"), spot("/somewhere/else"))
    assert caught.value.code == "another-home"

    assert live(home) == {"a", "b", "d/x"}
    assert (home / "b").read_text() == "content of b"


# -- addresses ------------------------------------------------------------------------------------------


def test_an_address_works_anywhere_and_finds_the_trash_above(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a linked folder; what is removed lies in the trash of the home, not in a new one below it."""
    monkeypatch.chdir(tmp_path)
    fill(home, "d/e/a", "d/b")
    (home / ".trash").mkdir()
    get_objects(spot(f"{home}/d/e/a"), "copy")
    remove_objects([spot(f"{home}/d/e/a")])

    assert (tmp_path / "copy").read_text() == "content of d/e/a"
    assert trashed(home) == ["content of d/e/a"]
    assert not (home / "d/e/.trash").exists()
    with pytest.raises(NotFound) as caught:
        spot("d/b")
    assert caught.value.code == "not-a-home"


def test_an_address_inside_the_linked_home_is_one_of_its_keys(linked: Path, home: Path) -> None:
    fill(home, "d/a")
    found = spot(f"{home}/d/a")

    assert (found.path, found.home.url) == ("d/a", str(home))
    assert found.folder is not None


def test_a_folder_has_no_links_to_share(linked: Path, home: Path) -> None:
    fill(home, "a", "d/b")
    with pytest.raises(Unsupported) as caught:
        share_object(spot("a"), 3600)
    assert caught.value.code == "no-links"
    assert "chmod" in caught.value.hint
    with pytest.raises(InvalidInput) as folder:
        share_object(spot("d/"), 3600)
    assert folder.value.code == "is-a-folder"


def test_the_trash_of_a_home_inside_stays_out(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is itself a home is fetched and removed without what was deleted there."""
    monkeypatch.chdir(tmp_path)
    top = tmp_path / "server/me"
    fill(home, "a", ".trash/2026-04-01/093000123-laptop-1f2e3d/old", ".trash/.lock")
    (top / ".trash").mkdir()
    get_objects(spot(f"{top}/p"), "copy", recursive=True)
    with pytest.raises(InvalidInput):
        remove_objects([spot(f"{top}/p/")], recursive=True)
    remove_objects([Spot(spot(f"{top}/x").home, "p")], recursive=True)

    assert {path.name for path in (tmp_path / "copy").rglob("*")} == {"a"}
    assert (home / ".trash/2026-04-01/093000123-laptop-1f2e3d/old").exists()
    assert not (home / "a").exists()


def test_half_a_download_is_never_taken_for_a_file(linked: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the bytes and the name: what is left lies where no sync looks."""
    fill(home, "a")
    monkeypatch.setattr("labops.drivers.fs.rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr("labops.drivers.fs.remove", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        get_objects(spot("a"))
    monkeypatch.undo()

    assert [path.name for path in linked.iterdir()] == [".lab"]
    assert os.listdir(linked / ".lab/tmp")
