"""What a home loses for good: only old trash, only when told, and the half-done work of the killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labops.errors import Conflict
from labops.home import HomeFolder, Link, read_link, write_link
from labops.home.upkeep import STALE, tidy
from labops.verbs.home_link import change_link, link_home
from labops.verbs.home_restore import list_trash
from labops.verbs.home_sync import SyncOptions, sync_home
from labops.verbs.home_trash import empty_trash

DAY = 86400


@pytest.fixture
def folder(tmp_path: Path) -> HomeFolder:
    (tmp_path / "server/me").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    link_home(str(tmp_path / "work"), str(tmp_path / "server/me"), {})
    return HomeFolder.find(str(tmp_path / "work"))


def bury(folder: HomeFolder, stamp: str, name: str) -> None:
    """One older content in each of the two trashes."""
    for trash in (f"{folder.root}/.lab/trash", f"{folder.home.url}/.trash"):
        path = Path(trash, stamp, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")


OLD, YOUNG = "2026-01-01/000000000-laptop-1f2e3d", "2026-02-01/000000000-laptop-1f2e3d"
NOW = 1770768000.0  # 2026-02-11


def test_what_is_older_goes_for_good_and_the_rest_stays(folder: HomeFolder) -> None:
    bury(folder, OLD, "d/a")
    bury(folder, YOUNG, "b")
    asked = empty_trash(folder, 30 * DAY, now=NOW, dry_run=True)
    assert (asked.old.files, asked.old.size) == (2, 6)
    assert len(list_trash(folder)) == 4
    with pytest.raises(Conflict) as caught:
        empty_trash(folder, 30 * DAY, now=NOW, confirm=lambda old: False)
    assert caught.value.code == "not-confirmed"
    assert len(list_trash(folder)) == 4
    empty_trash(folder, 30 * DAY, now=NOW)
    assert [old.path for old in list_trash(folder)] == ["b", "b"]
    assert not Path(folder.root, ".lab/trash/2026-01-01").exists()
    empty_trash(folder, 0, now=NOW)
    assert list_trash(folder) == []


def test_names_that_are_no_stamps_are_never_emptied(folder: HomeFolder) -> None:
    """Nobody knows how old they are."""
    odd = Path(folder.home.url, ".trash/2026-01-01/000000000x/a")
    odd.parent.mkdir(parents=True)
    odd.write_text("1")
    Path(folder.root, ".lab/trash/kept/by/hand").mkdir(parents=True)
    empty_trash(folder, 0, now=NOW)

    assert odd.exists()
    assert Path(folder.root, ".lab/trash/kept/by/hand").exists()


def test_tidying_happens_once_a_day_and_not_at_first(folder: HomeFolder) -> None:
    """And deletes trash only where the link says how long it is kept."""
    bury(folder, OLD, "a")
    assert not tidy(folder, NOW - 3 * DAY)
    assert not tidy(folder, NOW - 3 * DAY + 60)
    assert tidy(folder, NOW - DAY)
    assert len(list_trash(folder)) == 2
    change_link(folder, {"keep_trash": 30 * DAY})
    assert not tidy(folder, NOW - 60)
    assert tidy(folder, NOW)
    assert list_trash(folder) == []


def test_killed_transfers_are_forgotten_after_a_week(folder: HomeFolder) -> None:
    for place in (f"{folder.root}/.lab/parts", f"{folder.home.url}/.trash/.tmp"):
        os.makedirs(place)
        for name, age in (("old", STALE + 60), ("young", 60)):
            Path(place, name).write_text("part")
            os.utime(f"{place}/{name}", (NOW - age, NOW - age))
    tidy(folder, NOW - 2 * DAY)
    assert tidy(folder, NOW)

    assert os.listdir(f"{folder.root}/.lab/parts") == ["young"]
    assert os.listdir(f"{folder.home.url}/.trash/.tmp") == ["young"]


def test_settings_of_a_link_are_kept_and_taken_back(folder: HomeFolder) -> None:
    change_link(folder, {"limit": 1000, "max_size": 5})
    link_home(folder.root, folder.link.url, {}, numbers={"keep_trash": 60})
    found = read_link(folder.root)
    assert (found.limit, found.max_size, found.keep_trash) == (1000, 5, 60)
    link_home(folder.root, folder.link.url, {}, has_default_rules=False)
    assert read_link(folder.root).limit == 1000, "what is not said stays"
    change_link(folder, {"limit": None})
    assert read_link(folder.root).limit is None
    before = Link("/x", {"profile": "lab"}, False, frozenset({"match"}), 1, 2, 3)
    write_link(folder.root, before)
    assert read_link(folder.root) == before


def test_large_files_are_left_alone_on_both_sides(folder: HomeFolder) -> None:
    """Neither sent, fetched nor deleted, even when one was synced while it was small; and they are told of."""
    root, home = Path(folder.root), Path(folder.home.url)
    (root / "small").write_text("1")
    (root / "grows").write_text("1")
    sync_home(folder)
    (root / "grows").write_text("x" * 100)
    (home / "large there").write_text("x" * 100)
    (root / "large here").write_text("x" * 100)
    report = sync_home(folder, options=SyncOptions(max_size=50))

    assert report.plan.is_idle
    assert [path for path, why in report.odd if "50 bytes" in why] == ["grows", "large here", "large there"]
    assert (home / "grows").read_text() == "1"
    assert not (root / "large there").exists()
    (root / "grows").unlink()
    (home / "grows").write_text("y" * 100)
    assert sync_home(folder, options=SyncOptions(max_size=50)).plan.is_idle
    assert (home / "grows").exists()
    change_link(folder, {"max_size": 10_000})
    sync_home(folder)
    assert (root / "large there").exists()
    assert (home / "large here").exists()
