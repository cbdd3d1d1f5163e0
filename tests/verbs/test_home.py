"""Stories of a linked folder: three machines, a conflict, a deletion, a rename, a restore, an unmounted disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from labops.errors import Conflict, InvalidInput, LabError, NoSpace, NotFound
from labops.home import HomeFolder, Link, read_link
from labops.home.report import HomeReport
from labops.places.home.folder import FolderStore
from labops.planning.home import Do, Mode
from labops.verbs.home_link import clone_home, link_home, parse_options
from labops.verbs.home_look import list_home
from labops.verbs.home_restore import list_trash, parse_time, restore_home
from labops.verbs.home_sync import SyncOptions, sync_home


class Machine:
    """One machine's folder, linked to the lab server's `home`."""

    def __init__(self, base: Path, name: str) -> None:
        self.root = base / name
        self.root.mkdir()
        self.name = name
        link_home(str(self.root), str(base / "server/member"), {})

    def folder(self) -> HomeFolder:
        return HomeFolder(str(self.root), read_link(str(self.root)), machine=self.name)

    def sync(self, mode: Mode = Mode.SYNC, *, dry_run: bool = False, **chosen: object) -> HomeReport:
        return sync_home(self.folder(), mode, SyncOptions(**chosen), dry_run=dry_run)  # type: ignore[arg-type]

    def write(self, path: str, text: str) -> None:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        fresh = full.with_name(full.name + ".new")
        fresh.write_text(text)
        fresh.rename(full)

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in self.root.rglob("*")
            if path.is_file() and ".lab" not in path.parts
        }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "server/member").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def laptop(base: Path) -> Machine:
    return Machine(base, "laptop")


@pytest.fixture
def cloud(base: Path) -> Machine:
    return Machine(base, "cloud")


def done(report: HomeReport) -> list[tuple[str, str]]:
    return sorted((one.step.do.value, one.step.path) for one in report.ended if one.error is None)


def tree(root: Path) -> dict[str, tuple[float, bytes]]:
    return {str(path): (path.stat().st_mtime, path.read_bytes() if path.is_file() else b"") for path in root.rglob("*")}


def test_a_day_with_two_machines(base: Path, laptop: Machine, cloud: Machine) -> None:
    """An edit here, one there, a deletion, a rename: after each sync both folders and the home are alike."""
    for name in ("train.py", "notes.md", "data/a.csv", "old.txt"):
        laptop.write(name, f"first {name}")
    assert [do for do, _ in done(laptop.sync())] == ["upload"] * 4
    assert [do for do, _ in done(cloud.sync())] == ["download"] * 4
    laptop.write("train.py", "laptop's second")
    (laptop.root / "old.txt").unlink()
    cloud.write("notes.md", "cloud's second")
    (cloud.root / "data/a.csv").rename(cloud.root / "data/b.csv")
    assert done(cloud.sync()) == [("move", "data/b.csv"), ("upload", "notes.md")]
    assert done(laptop.sync()) == [
        ("delete-here", "data/a.csv"),
        ("delete-there", "old.txt"),
        ("download", "data/b.csv"),
        ("download", "notes.md"),
        ("upload", "train.py"),
    ]
    assert done(cloud.sync()) == [("delete-here", "old.txt"), ("download", "train.py")]

    expected = {"train.py": "laptop's second", "notes.md": "cloud's second", "data/b.csv": "first data/a.csv"}
    home = base / "server/member"
    plain = {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}
    assert laptop.files() == cloud.files() == expected
    assert {name: text for name, text in plain.items() if not name.startswith(".trash")} == expected
    for machine in (laptop, cloud):
        report = machine.sync()
        assert report.plan.is_idle
        assert report.plan.kept == 3
        assert report.exit_code == 0


def test_a_conflict_keeps_both_everywhere(laptop: Machine, cloud: Machine) -> None:
    """The home's content keeps the name, ours gets one with machine and time; exit 3 says: look."""
    laptop.write("train.py", "first")
    laptop.sync()
    cloud.sync()
    laptop.write("train.py", "laptop's")
    cloud.write("train.py", "cloud's!")
    laptop.sync()
    report = cloud.sync()

    (conflict,) = report.conflicts
    assert report.exit_code == 3
    assert conflict.step.path == "train.py"
    assert conflict.kept_as.startswith("train.conflict-cloud-")
    assert conflict.kept_as.endswith(".py")
    assert cloud.files() == {"train.py": "laptop's", conflict.kept_as: "cloud's!"}
    assert (cloud.root / conflict.kept_as).stat().st_nlink == 1, "an edit in place changes nothing in the trash"
    laptop.sync()
    assert laptop.files() == cloud.files()
    assert cloud.sync().exit_code == 0


def test_the_first_sync_compares_and_deletes_nothing(laptop: Machine, cloud: Machine) -> None:
    """Two folders that were filled by hand: equal files agree, the others are kept from both sides."""
    for machine, own in ((laptop, "l"), (cloud, "c")):
        machine.write("same.txt", "the same")
        machine.write(f"only {own}", own)
    os.utime(cloud.root / "same.txt", (1, 1))
    laptop.sync()
    report = cloud.sync()

    assert done(report) == [("download", "only l"), ("upload", "only c")]
    assert report.exit_code == 0
    assert cloud.files() == {"same.txt": "the same", "only l": "l", "only c": "c"}


def test_times_modes_and_links_survive(laptop: Machine, cloud: Machine) -> None:
    """An executable stays one, a link stays a link, and a file keeps its time."""
    laptop.write("run.sh", "#!/bin/sh\n")
    (laptop.root / "run.sh").chmod(0o755)
    os.utime(laptop.root / "run.sh", ns=(1_600_000_000_123_456_789,) * 2)
    (laptop.root / "latest").symlink_to("run.sh")
    (laptop.root / "away").symlink_to("/nowhere/at all")
    laptop.sync()
    cloud.sync()

    assert os.access(cloud.root / "run.sh", os.X_OK)
    assert (cloud.root / "run.sh").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert os.readlink(cloud.root / "latest") == "run.sh"
    assert os.readlink(cloud.root / "away") == "/nowhere/at all"
    assert cloud.sync().plan.is_idle


def test_an_equal_size_and_an_older_time_are_no_reason_to_skip(laptop: Machine, cloud: Machine) -> None:
    """The article's recipe loses this edit: same size, older than the copy."""
    laptop.write("a", "version 1")
    laptop.sync()
    cloud.sync()
    laptop.write("a", "version 2")
    os.utime(laptop.root / "a", (1_000_000_000, 1_000_000_000))
    laptop.sync()
    cloud.sync()

    assert cloud.files() == {"a": "version 2"}


def test_an_unmounted_folder_deletes_nothing(base: Path, laptop: Machine) -> None:
    """Without its `.lab` a folder is no home at all; with it, but empty, it is suspicious; so is an empty home."""
    laptop.write("a", "1")
    laptop.sync()
    (laptop.root / "a").unlink()
    with pytest.raises(Conflict) as caught:
        laptop.sync()
    assert caught.value.code == "home-side-empty"
    assert (base / "server/member/a").read_text() == "1"

    laptop.write("a", "1")
    (base / "server/member").rename(base / "server/away")
    with pytest.raises(Conflict):
        laptop.sync()
    (base / "server").rename(base / "elsewhere")
    with pytest.raises(Conflict):
        laptop.sync()
    assert laptop.files() == {"a": "1"}
    with pytest.raises(NotFound) as unlinked:
        HomeFolder.find(str(base))
    assert unlinked.value.code == "not-a-home"


def test_an_unreadable_folder_is_not_a_deleted_one(laptop: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is below it is neither there nor gone; the rest is synced, and the run fails loudly."""
    laptop.write("closed/a", "1")
    laptop.write("b", "2")
    laptop.sync()
    laptop.write("b", "2 again")
    real = os.scandir

    def scandir(path: str) -> object:
        if path.rstrip("/").endswith("laptop/closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = laptop.sync()

    assert done(report) == [("upload", "b")]
    assert [error.code for _, error in report.failed] == ["folder-unreadable"]
    assert report.exit_code == 3
    monkeypatch.undo()
    assert laptop.sync().plan.is_idle


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    base: Path, laptop: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's, new, changed or only touched, on either side: it is told, and left alone."""
    for name in ("touched", "changed", "theirs", "z"):
        laptop.write(name, "1")
    laptop.sync()
    for name, text in (("touched", "1"), ("changed", "22"), ("new", "1"), ("zz", "1")):
        laptop.write(name, text)
    (base / "server/member/theirs").write_text("22")
    closed = {str(laptop.root / name) for name in ("touched", "changed", "new")} | {str(base / "server/member/theirs")}
    for path in closed:
        os.chmod(path, 0o600)
    monkeypatch.setattr(os, "access", lambda path, mode: path not in closed)
    report = laptop.sync()

    assert done(report) == [("upload", "zz")]
    assert {path for path, _ in report.errors} == {"touched", "changed", "new", "theirs"}
    assert {error.code for _, error in report.errors if error} == {"file-unreadable"}
    assert report.exit_code == 3
    monkeypatch.undo()
    assert done(laptop.sync()) == [("download", "theirs"), ("upload", "changed"), ("upload", "new")]


def test_many_deletions_stop_before_the_first(base: Path, laptop: Machine) -> None:
    """101 of 200: nothing is deleted until somebody says how many may go."""
    for number in range(200):
        laptop.write(f"f{number}", str(number))
    laptop.sync()
    for number in range(101):
        (laptop.root / f"f{number}").unlink()
    with pytest.raises(Conflict) as caught:
        laptop.sync()
    assert caught.value.code == "too-many-deletions"
    assert (base / "server/member/f0").exists()

    laptop.sync(max_delete=101)
    assert not (base / "server/member/f0").exists()


def test_dry_run_writes_nothing(base: Path, laptop: Machine, cloud: Machine) -> None:
    """Not even below `.lab`; and it says what a sync then does."""
    laptop.write("a", "1")
    laptop.write("b", "2")
    laptop.sync()
    laptop.write("a", "11")
    (laptop.root / "b").unlink()
    before = tree(base)
    report = laptop.sync(dry_run=True)

    assert tree(base) == before
    assert [(step.do, step.path) for step in report.plan.steps] == [(Do.UPLOAD, "a"), (Do.DELETE_THERE, "b")]
    assert report.exit_code == 0
    assert done(laptop.sync()) == [("delete-there", "b"), ("upload", "a")]


def test_push_and_pull_are_one_way(base: Path, laptop: Machine, cloud: Machine) -> None:
    """The article's two commands: they write one side, delete only with --delete, and overwrite nothing unseen."""
    laptop.write("a", "1")
    laptop.write("b", "1")
    laptop.sync(Mode.PUSH)
    cloud.sync(Mode.PULL)
    assert cloud.files() == {"a": "1", "b": "1"}
    (laptop.root / "b").unlink()
    cloud.write("c", "cloud's")
    cloud.sync(Mode.PUSH)
    laptop.sync(Mode.PUSH)
    assert sorted(os.listdir(base / "server/member")) == [".trash", "a", "b", "c"]
    laptop.sync(Mode.PUSH, deletes=True)
    assert sorted(os.listdir(base / "server/member")) == [".trash", "a", "c"]
    cloud.write("a", "cloud's a")
    cloud.sync(Mode.PUSH)
    laptop.write("a", "laptop's a")
    report = laptop.sync(Mode.PUSH)
    assert report.exit_code == 3
    assert (base / "server/member/a").read_text() == "cloud's a"
    laptop.sync(Mode.PUSH, forces=True)
    assert (base / "server/member/a").read_text() == "laptop's a"
    assert "cloud's a" in {Path(base / "server/member" / old.key).read_text() for old in list_trash(laptop.folder())}


def test_what_was_replaced_and_deleted_comes_back(laptop: Machine, cloud: Machine) -> None:
    """From this machine's trash or from the home's, the newest content or the one of a time."""
    laptop.write("notes", "first")
    laptop.sync()
    cloud.sync()
    cloud.write("notes", "second")
    cloud.sync()
    laptop.sync()
    (laptop.root / "notes").unlink()
    laptop.write("other", "keeps the folder alive")
    laptop.sync()

    restored = restore_home(laptop.folder(), "notes")
    assert [old.path for old in restored.rows] == ["notes"]
    assert laptop.files()["notes"] == "second"
    first = restore_home(laptop.folder(), "notes", at=1.0, to="notes.first")
    assert first.exit_code == 0
    assert laptop.files()["notes.first"] == "first"
    laptop.sync()
    cloud.sync()
    assert cloud.files()["notes"] == "second"
    with pytest.raises(NotFound) as caught:
        restore_home(laptop.folder(), "never was")
    assert caught.value.code == "nothing-to-restore"


def test_what_was_never_carried_away_is_to_be_fetched_from_the_home(laptop: Machine) -> None:
    """Deleted or spoilt here and not synced since: no trash holds it, the home does."""
    laptop.write("notes", "first")
    laptop.write("d/x", "1")
    laptop.sync()
    for name in ("notes", "d/x"):
        (laptop.root / name).unlink()
    for name, command in (("notes", "lab home get --force 'notes'"), ("d/", "lab home get 'd/'")):
        with pytest.raises(NotFound) as caught:
            restore_home(laptop.folder(), name)
        assert caught.value.hint.endswith(command)


def test_a_whole_folder_comes_back(laptop: Machine) -> None:
    """`restore DIR` brings back everything below it."""
    for name in ("d/a", "d/b", "e"):
        laptop.write(name, name)
    laptop.sync()
    for name in ("d/a", "d/b"):
        (laptop.root / name).unlink()
    (laptop.root / "d").rmdir()
    laptop.sync()
    restore_home(laptop.folder(), "d/")

    assert laptop.files() == {"d/a": "d/a", "d/b": "d/b", "e": "e"}


def test_ignored_files_stay_where_they_are(base: Path, laptop: Machine) -> None:
    """On both sides: neither uploaded, nor downloaded, nor deleted."""
    for name in (".git/config", ".venv/x", "a.pyc", "keep", "scratch/big", "build/out"):
        laptop.write(name, name)
    laptop.write(".labignore", "/scratch/\n")
    home = base / "server/member"
    (home / ".git").mkdir()
    (home / ".git/HEAD").write_text("theirs")
    report = laptop.sync()

    assert {path for _, path in done(report)} == {".labignore", "keep", "build/out"}
    assert set(report.ignored) == {".git/", ".venv/", "a.pyc", "scratch/"}
    assert (home / ".git/HEAD").read_text() == "theirs"
    assert not (laptop.root / ".git/HEAD").exists()
    laptop.write(".labignore", "build/\n")
    laptop.sync()
    assert (home / "build/out").exists()
    assert (laptop.root / "build/out").exists()
    assert (home / "scratch/big").exists()


def test_filters_are_about_one_run(base: Path, laptop: Machine) -> None:
    """What is filtered out is left alone and remembered."""
    for name in ("a.py", "b.csv", "d/c.py"):
        laptop.write(name, "1")
    assert done(laptop.sync(include=("*.py",))) == [("upload", "a.py"), ("upload", "d/c.py")]
    (laptop.root / "a.py").unlink()
    assert done(laptop.sync(exclude=("a.py",))) == [("upload", "b.csv")]
    assert (base / "server/member/a.py").exists()
    assert done(laptop.sync()) == [("delete-there", "a.py")]


def test_a_file_becomes_a_folder_and_back(laptop: Machine, cloud: Machine) -> None:
    """Deletions that stand in the way come first."""
    laptop.write("x", "file")
    laptop.write("y", "stays")
    laptop.sync()
    cloud.sync()
    (laptop.root / "x").unlink()
    laptop.write("x/inside", "folder")
    assert laptop.sync().exit_code == 0
    assert cloud.sync().exit_code == 0
    assert cloud.files() == {"x/inside": "folder", "y": "stays"}
    (cloud.root / "x/inside").unlink()
    (cloud.root / "x").rmdir()
    cloud.write("x", "file again")
    assert cloud.sync().exit_code == 0
    assert laptop.sync().exit_code == 0
    assert laptop.files() == {"x": "file again", "y": "stays"}


def test_nothing_is_written_through_a_link(base: Path, laptop: Machine, cloud: Machine) -> None:
    """A folder that became a link here is not followed: the object below it fails by name."""
    outside = base / "outside"
    outside.mkdir()
    laptop.write("d/secret", "1")
    laptop.write("e", "1")
    laptop.sync()
    (cloud.root / "d").symlink_to(outside)
    report = cloud.sync()

    assert [(path, error.code) for path, error in sorted(report.errors, key=lambda one: one[0]) if error] == [
        ("d", "name-clash"),
        ("d/secret", "name-clash"),
    ]
    assert os.listdir(outside) == []


def test_a_hostile_home_reaches_nothing_of_ours(base: Path, laptop: Machine) -> None:
    """Objects named like our own settings are listed and left alone."""
    laptop.write("a", "1")
    laptop.sync()
    (base / "server/member/.lab").mkdir()
    (base / "server/member/.lab/home.json").write_text('{"url": "s3://evil"}')
    report = laptop.sync()

    assert [name for name, _ in report.odd] == [".lab/home.json"]
    assert read_link(str(laptop.root)).url == str(base / "server/member")
    assert [row.path for row in list_home(laptop.folder())] == [".lab/", "a"]


def test_a_damaged_base_costs_time_and_nothing_else(laptop: Machine) -> None:
    """Contents are compared anew."""
    laptop.write("a", "1")
    laptop.write("b", "2")
    laptop.sync()
    (laptop.root / ".lab/base").write_bytes(b"rubbish")
    (laptop.root / "b").unlink()
    report = laptop.sync()

    assert done(report) == [("download", "b")]
    assert report.exit_code == 0


def test_a_full_disk_is_not_left_full_of_half_done_work(
    laptop: Machine, cloud: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is removed at once, not by the next sync; what was fetched whole stays."""
    laptop.write("a", "1")
    laptop.write("b", "2")
    laptop.sync()
    get = FolderStore.get

    def full(store: FolderStore, key: str, target: str, **more: Any) -> Any:
        if key == "b":
            raise NoSpace("no room", code="no-space")
        return get(store, key, target, **more)

    monkeypatch.setattr(FolderStore, "get", full)
    with pytest.raises(NoSpace):
        cloud.sync(jobs=1)

    assert list((cloud.root / ".lab/tmp").iterdir()) == []
    assert cloud.files() == {"a": "1"}
    monkeypatch.undo()
    cloud.sync()
    assert cloud.files() == {"a": "1", "b": "2"}


def test_the_second_sync_of_a_folder_says_who_holds_it(laptop: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits a little first."""
    monkeypatch.setattr("labops.home.WAIT_SECONDS", 0.0)
    laptop.write("a", "1")
    with laptop.folder().lock(), pytest.raises(Conflict) as caught:
        laptop.sync()
    assert caught.value.code == "lock-busy"
    assert str(os.getpid()) in caught.value.message
    assert caught.value.message.startswith("this folder is busy")


def test_linking_again_keeps_the_options(base: Path, laptop: Machine) -> None:
    """Whoever takes all files in has not meant to leave the profile out."""
    url, root = str(base / "server/member"), str(laptop.root)
    link_home(root, url, {"jobs": "3"})
    link_home(root, url, {"verify": "true"}, has_default_rules=False)
    assert read_link(root).options == {"jobs": "3", "verify": "true"}
    assert not read_link(root).has_default_rules
    link_home(root, url, {}, force=True)
    assert read_link(root).options == {}


def test_linking_says_what_cannot_be(base: Path, laptop: Machine) -> None:
    """Another home, a home inside the folder, an address that is none, a secret, a full folder."""
    root = str(laptop.root)
    cases: list[tuple[str, object]] = [
        ("home-linked", lambda: link_home(root, str(base / "server/other"), {})),
        ("home-inside-itself", lambda: link_home(root, str(laptop.root / "inside"), {})),
        ("bad-home-url", lambda: link_home(root, "ftp://x/y", {})),
        ("no-such-folder", lambda: link_home(str(base / "absent"), str(base / "server/other"), {})),
        ("secret-option", lambda: parse_options(["secret_access_key=x"])),
        ("bad-usage", lambda: parse_options(["profile"])),
        ("bad-config", lambda: parse_options(["endpoint=https://s3.example.org"], "s3://bucket/me")),
        ("not-empty", lambda: clone_home(str(base / "server/member"), str(base), {})),
        ("bad-time", lambda: parse_time("yesterday")),
    ]
    for code, attempt in cases:
        with pytest.raises(LabError) as caught:
            attempt()  # type: ignore[operator]
        assert caught.value.code == code
    (laptop.root / ".lab/home.json").write_text("{")
    with pytest.raises(InvalidInput) as broken:
        read_link(root)
    assert broken.value.code == "bad-home-settings"
    assert link_home(root, str(base / "server/other"), {}, force=True).is_new
    assert read_link(root) == Link(str(base / "server/other"), {})


def test_clone_makes_and_links(base: Path, laptop: Machine) -> None:
    """A new folder; what a failed clone made is gone again."""
    laptop.write("a", "1")
    laptop.sync()
    made = clone_home(str(base / "server/member"), str(base / "fresh"), {})
    sync_home(HomeFolder(made.root, read_link(made.root)), Mode.PULL)

    assert (base / "fresh/a").read_text() == "1"
    with pytest.raises(NotFound):
        clone_home("/absent/disk/member", str(base / "never"), {})
    assert not (base / "never").exists()
