"""A watched folder: when it is synced, what is told, and how it ends. No test waits: clock and changes are its own."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labops.drivers.watching import Notices
from labops.errors import LabError, Unsupported
from labops.home import HomeFolder
from labops.home.report import HomeReport
from labops.home.watching import Polling, changes_of, is_relevant
from labops.verbs.home_link import link_home
from labops.verbs.home_sync import SyncOptions
from labops.verbs.home_watch import LONGEST_RESTLESS, watch_home


class Script:
    """A source of changes that plays acts: each is a time to pass and what happens then; at the end comes Ctrl-C."""

    def __init__(self, *acts: tuple[float, Callable[[], object] | None]) -> None:
        self.acts = list(acts)
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self.acts:
            raise KeyboardInterrupt
        after, act = self.acts[0]
        if after > seconds:
            self.acts[0] = (after - seconds, act)
            self.now += seconds
            return False
        self.acts.pop(0)
        self.now += after
        if act is not None:
            act()
        return act is not None


@pytest.fixture
def folder(tmp_path: Path) -> HomeFolder:
    (tmp_path / "server/me").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    link_home(str(tmp_path / "work"), str(tmp_path / "server/me"), {})
    return HomeFolder.find(str(tmp_path / "work"))


def play(folder: HomeFolder, script: Script, **more: Any) -> tuple[list[tuple[float, HomeReport]], list[LabError]]:
    reports: list[tuple[float, HomeReport]] = []
    errors: list[LabError] = []
    with pytest.raises(KeyboardInterrupt):
        watch_home(
            folder, script, every=60, debounce=2, clock=script.clock, on_error=errors.append,
            on_report=lambda report: reports.append((script.now, report)), **more,
        )  # fmt: skip
    return reports, errors


def test_a_change_is_synced_when_the_folder_came_to_rest(folder: HomeFolder) -> None:
    """Three saves within two seconds are one sync, two seconds after the last."""
    root, home = Path(folder.root), Path(folder.home.url)
    script = Script(
        (10, lambda: (root / "a").write_text("1")),
        (1, lambda: (root / "a").write_text("12")),
        (1, lambda: (root / "b").write_text("1")),
        (200, None),
    )
    reports, errors = play(folder, script)

    assert [(when, [one.step.path for one in report.ended]) for when, report in reports] == [(14, ["a", "b"])]
    assert (home / "a").read_text() == "12"
    assert errors == []


def test_the_home_is_looked_at_from_time_to_time(folder: HomeFolder) -> None:
    """Nothing changes here; what another machine stored comes all the same."""
    home = Path(folder.home.url)

    def another() -> None:
        (home / "theirs").write_text("1")

    script = Script((50, None), (70, None))
    script.acts.insert(1, (20, another))
    reports, _ = play(folder, script)

    assert [[one.step.path for one in report.ended] for _, report in reports] == [["theirs"]]
    assert Path(folder.root, "theirs").exists()


def test_a_folder_that_never_rests_is_synced_all_the_same(folder: HomeFolder) -> None:
    """A log that is written to every second does not keep the rest at home."""
    log = Path(folder.root, "log")
    script = Script(*((1.0, lambda: log.write_text("x")) for _ in range(int(LONGEST_RESTLESS) + 5)))
    reports, _ = play(folder, script)

    assert reports
    assert reports[0][0] <= LONGEST_RESTLESS + 1


def test_errors_are_told_once_and_the_watch_goes_on(folder: HomeFolder) -> None:
    """The disk of the home goes away for a while: one word about it, and no deletion here."""
    root, home = Path(folder.root), Path(folder.home.url)
    (root / "a").write_text("1")
    away = home.parent.parent / "away"
    script = Script(
        (10, lambda: home.parent.rename(away)),
        (100, None),
        (100, None),
        (10, lambda: away.rename(home.parent)),
        (10, lambda: (root / "b").write_text("1")),
        (10, None),
    )
    (home.parent.parent / "keep").mkdir()
    reports, errors = play(folder, script)

    assert [error.code for error in errors] in (["no-such-folder"], ["home-side-empty"])
    assert (root / "a").exists()
    assert (home / "b").exists()
    assert [[one.step.path for one in report.ended] for _, report in reports] == [["a"], ["b"]]


def test_a_conflict_is_told_and_both_are_kept(folder: HomeFolder) -> None:
    root, home = Path(folder.root), Path(folder.home.url)
    (root / "a").write_text("1")

    def both() -> None:
        (root / "a").write_text("ours")
        (home / "a").unlink()
        (home / "a").write_text("theirs!")

    reports, _ = play(folder, Script((10, both), (10, None)))

    assert [len(report.conflicts) for _, report in reports] == [0, 1]
    assert {path.read_text() for path in root.glob("a*")} == {"ours", "theirs!"}


def test_failures_that_stay_are_told_once(folder: HomeFolder) -> None:
    """A file and a folder of one name cannot both be: told once, not every minute."""
    home = Path(folder.home.url)
    (home / "a").write_text("1")
    Path(folder.root, "a").mkdir()
    Path(folder.root, "a/x").write_text("1")
    reports, _ = play(folder, Script((60, None), (60, None), (60, None)))

    assert sum(bool(report.errors) for _, report in reports) == 1


# -- sources of changes ---------------------------------------------------------------------------------


def test_polling_sees_what_changed_since_the_last_wait(folder: HomeFolder) -> None:
    """Also when it changed while nobody waited; and it rests in between."""
    root = Path(folder.root)
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    polling = Polling(folder, clock=lambda: now[0], sleep=sleep)
    assert not polling.wait(5)
    assert slept == [2, 2, 1]
    (root / "a").write_text("1")
    assert polling.wait(5)
    assert not polling.wait(0)
    (root / "__pycache__").mkdir()
    (root / "__pycache__/x").write_text("1")
    assert not polling.wait(0)
    (root / "a").unlink()
    assert polling.wait(0)


def test_the_system_tells_of_changes(folder: HomeFolder) -> None:
    """Of those that matter: not of our own folder, nor of what the rules leave out."""
    root = Path(folder.root)
    notices = Notices(folder.root, is_relevant(folder))
    (root / ".lab/x").write_text("1")
    (root / "a.pyc").write_text("1")
    assert not notices.wait(0)
    (root / "a").write_text("1")
    assert notices.wait(30)


def test_what_matters(folder: HomeFolder) -> None:
    matters = is_relevant(folder)
    assert [
        path for path in ("a", "d/b", ".lab/base", ".lab", ".git/x", "d/.git/y", ".trash/x", "") if matters(path)
    ] == [
        "a",
        "d/b",
    ]


def test_without_the_library_it_looks_by_itself(folder: HomeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "watchfiles":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(Unsupported) as caught:
        Notices(folder.root, lambda _: True)
    assert caught.value.code == "no-notices"
    changes, note = changes_of(folder)
    assert isinstance(changes, Polling)
    assert "labops[watch]" in note
    assert changes_of(folder, polls=True)[1] == ""


def test_options_reach_each_sync(folder: HomeFolder) -> None:
    play(folder, Script(), options=SyncOptions(limit=12345))
    assert folder.home.pace.rate == 12345
