"""The workspace: what a scan sees, what a recall believes, what placing may touch. Rules: dvc-compat 3.4."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labops.drivers import forking, fs
from labops.errors import Conflict, InvalidInput, LabError
from labops.formats.ignore import IgnoreRules
from labops.formats.statefile import StateTable, parse_state, render_state
from labops.model import HERE, Oid, RelPath
from labops.places.workspace import Recall, Scan, Workspace, changed_paths

SECOND = 1_000_000_000


def md5(data: bytes) -> Oid:
    return Oid(hashlib.md5(data).hexdigest())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(root: Path, tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    bench = tmp_path / "bench"
    bench.mkdir()
    made: list[Workspace] = []

    def open_it(*rules: str) -> Workspace:
        is_ignored = IgnoreRules([("", "\n".join(rules))]).match if rules else None
        made.append(Workspace(str(root), lambda: str(bench), is_ignored))
        return made[-1]

    yield open_it
    for workspace in made:
        workspace.close()
    assert os.listdir(bench) == []


@pytest.fixture
def workspace(opened: Callable[..., Workspace]) -> Workspace:
    return opened()


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def paths(scan: Scan) -> set[str]:
    return {
        f"{folder}/{name}" if folder else name for folder, listing in scan.folders.items() for name in listing.names
    }


# --- scanning -----------------------------------------------------------------------------------------


def test_a_scan_lists_every_file_and_what_dvc_cannot_keep(root: Path, workspace: Workspace) -> None:
    files = {"d/a": b"1", "d/.hidden": b"22", "d/s/deep/c": b"4444"}
    files |= dict.fromkeys(("d/s/b", "d/x.dvc", "d/dvc.yaml", "d/.gitignore"), b"")
    write(root, files)
    write(root, dict.fromkeys(("d/.git/config", "d/.hg/x", "d/s/.git", "d/nested/.dvc/config", "d/nested/f"), b"x"))
    (root / "d/empty/inner").mkdir(parents=True)
    (root / "d/to_file").symlink_to("a")
    (root / "d/to_folder").symlink_to("s")

    scan = workspace.scan(str(root / "d"))

    assert scan.kind == "dir"
    assert paths(scan) == {name.removeprefix("d/") for name in files} | {"to_file"}
    assert scan.links == ("to_folder",)
    assert scan.nested == ("nested",)
    assert scan.empty == ("empty/inner",)
    assert (scan.nfiles, scan.size) == (8, 1 + 2 + 4 + 1)
    assert scan.absolute("s/deep", "c") == str(root / "d/s/deep/c")


@pytest.fixture
def many_folders(root: Path) -> Path:
    """More files than one process looks at alone, and something of every kind among them."""
    for folder in range(30):
        write(root, {f"d/{folder % 3}/{folder}/{number}": b"x" * folder for number in range(100)})
    write(root, {"d/2/29/nested/.dvc/config": b"x"})
    (root / "d/1/28/empty").mkdir()
    (root / "d/1/28/link").symlink_to("../../0")
    (root / "d/0/27/run").write_bytes(b"")
    (root / "d/0/27/run").chmod(0o755)
    return root / "d"


def test_a_scan_that_is_shared_out_sees_the_same(
    many_folders: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(processes: int) -> Scan:
        monkeypatch.setattr(forking, "processors", lambda **_: processes)
        return workspace.scan(str(many_folders))

    alone, shared = scan(1), scan(2)
    assert shared == alone
    assert (shared.nfiles, shared.empty, shared.links, shared.nested) == (
        3001,
        ("1/28/empty",),
        ("1/28/link",),
        ("2/29/nested",),
    )
    assert shared.folders["0/27"].executables == ["run"]


def test_what_a_child_may_not_read_is_refused_here(
    many_folders: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "processors", lambda **_: 2)
    broken(many_folders / "2/29/broken")
    with pytest.raises(InvalidInput) as caught:
        workspace.scan(str(many_folders))
    assert caught.value.code == "broken-link"


@pytest.mark.parametrize("is_link", [False, True])
def test_a_single_file_and_a_link_to_one(root: Path, workspace: Workspace, *, is_link: bool) -> None:
    write(root, {"real": b"12345"})
    (root / "link").symlink_to("real")
    scan = workspace.scan(str(root / ("link" if is_link else "real")))
    assert (scan.kind, scan.nfiles, scan.size) == ("file", 1, 5)
    assert bool(scan.folders[HERE].links) == is_link


def test_what_is_not_there_is_missing(root: Path, workspace: Workspace) -> None:
    write(root, {"file": b""})
    for name in ("absent", "absent/inside", "file/inside"):
        assert workspace.scan(str(root / name)).kind == "missing"


def test_an_empty_folder_is_a_folder_without_files(root: Path, workspace: Workspace) -> None:
    (root / "d").mkdir()
    scan = workspace.scan(str(root / "d"))
    assert (scan.kind, scan.nfiles, scan.folders) == ("dir", 0, {})


def broken(path: Path) -> None:
    path.symlink_to("nowhere")


def project(path: Path) -> None:
    path.with_name(".dvc").mkdir()


def rules_inside(path: Path) -> None:
    path.with_name(".dvcignore").write_text("x")


def not_unicode(path: Path) -> None:
    with open(os.fsencode(path) + b"\xff", "w"):
        pass


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (broken, "broken-link"),
        (os.mkfifo, "not-a-file"),
        (project, "nested-project"),
        (rules_inside, "dvcignore-inside"),
        (not_unicode, "name-not-unicode"),
    ],
)
def test_what_cannot_be_a_dataset_is_refused(
    root: Path, workspace: Workspace, make: Callable[[Path], None], code: str
) -> None:
    write(root, {"d/a": b""})
    make(root / "d/odd")
    with pytest.raises(InvalidInput) as caught:
        workspace.scan(str(root / "d"))
    assert caught.value.code == code
    if code in ("broken-link", "not-a-file"):
        with pytest.raises(InvalidInput) as caught:
            workspace.scan(str(root / "d/odd"))
        assert caught.value.code == code


def test_what_is_ignored_is_not_seen_nor_refused(root: Path, opened: Callable[..., Workspace]) -> None:
    write(root, {"d/a": b"", "d/a.tmp": b"", "d/skip/b": b"", "d/skip/.dvcignore": b"", "d/s/a.tmp": b"", "d/s/c": b""})
    (root / "d/x.tmp").symlink_to("nowhere")
    os.mkfifo(root / "d/y.tmp")
    scan = opened("*.tmp", "skip/").scan(str(root / "d"))
    assert paths(scan) == {"a", "s/c"}


# --- recalling ----------------------------------------------------------------------------------------


def remember(workspace: Workspace, top: Path, *, clock_ns: int = 0) -> StateTable:
    """What a first survey would leave behind: every file's oid, `clock_ns` after the files' last change."""
    recall = Recall(workspace.scan(str(top)), StateTable())
    for folder, index in list(recall.unknown):
        name = recall.scan.folders[folder].names[index]
        recall.learn(folder, index, fs.hash_file(recall.scan.absolute(folder, name)))
    table = recall.table("f" * 32 + ".dir", clock_ns or 2**63)
    return parse_state(render_state(table))


def test_nothing_changed_nothing_to_read(root: Path, workspace: Workspace) -> None:
    write(root, {"d/a": b"1", "d/s/b": b"2", "d/s/c": b"1"})
    table = remember(workspace, root / "d")
    recall = Recall(workspace.scan(str(root / "d")), table)
    assert recall.unknown == []
    assert recall.tree_oid == "f" * 32 + ".dir"
    assert {entry.path: (entry.oid, entry.size) for entry in recall.entries()} == {
        "a": (md5(b"1"), 1),
        "s/b": (md5(b"2"), 1),
        "s/c": (md5(b"1"), 1),
    }
    assert [entry.path for entry in recall.entries()] == ["a", "s/b", "s/c"]


def edit_keeping_size(path: Path) -> None:
    path.write_bytes(b"9")


def edit_keeping_size_and_mtime(path: Path) -> None:
    """Only ctime tells, which nobody can set back."""
    before = path.stat()
    path.write_bytes(b"9")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace_keeping_size_and_mtime(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"9")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


def grow(path: Path) -> None:
    path.write_bytes(b"99")


@pytest.mark.parametrize("edit", [edit_keeping_size, edit_keeping_size_and_mtime, replace_keeping_size_and_mtime, grow])
def test_one_edit_of_many_files_is_noticed_and_only_that(
    root: Path, workspace: Workspace, edit: Callable[[Path], None]
) -> None:
    write(root, {f"d/{n % 3}/{n}": b"1" for n in range(20)})
    for path in (root / "d").rglob("*"):
        os.utime(path, ns=(SECOND + 1, SECOND + 1))
    table = remember(workspace, root / "d")
    clock = fs.clock_ns(str(root))
    while fs.clock_ns(str(root)) == clock:  # the next tick of the clock that stamps ctime
        pass
    edit(root / "d/1/7")
    recall = Recall(workspace.scan(str(root / "d")), table)
    assert list(changed_paths(recall)) == ["1/7"]
    assert recall.known_names == {("1", "7")}
    assert recall.tree_oid is None


def test_a_change_within_the_same_tick_is_noticed(root: Path, workspace: Workspace) -> None:
    """Same size, times and inode: only the rule that young rows are not believed can tell."""
    young = 5 * SECOND + 1
    write(root, {"d/a": b"1", "d/old": b"1"})
    os.utime(root / "d/a", ns=(young, young))
    os.utime(root / "d/old", ns=(SECOND + 1, SECOND + 1))
    for clock_ns, expected in ((young, ["a"]), (young + 20_000_000, ["a"]), (young + 20_000_001, [])):
        recall = Recall(workspace.scan(str(root / "d")), remember(workspace, root / "d", clock_ns=clock_ns))
        assert list(changed_paths(recall)) == expected
        assert (recall.tree_oid is None) == bool(expected)


def test_a_file_that_came_or_went_changes_the_tree_only(root: Path, workspace: Workspace) -> None:
    write(root, {"d/a": b"1", "d/b": b"2", "d/s/c": b"3"})
    table = remember(workspace, root / "d")
    (root / "d/b").unlink()
    write(root, {"d/t/new": b"4"})
    recall = Recall(workspace.scan(str(root / "d")), table)
    assert list(changed_paths(recall)) == ["t/new"]
    assert recall.known_names == set()
    assert recall.tree_oid is None
    (root / "d/t/new").unlink()
    (root / "d/t").rmdir()
    recall = Recall(workspace.scan(str(root / "d")), table)
    assert (recall.unknown, recall.tree_oid) == ([], None)


def test_rows_there_and_back(root: Path, workspace: Workspace) -> None:
    write(root, {"d/a": b"1", "d/s/b": b"2", "f": b"3"})
    for name, expected in (("d", {"a", "s/b"}), ("f", {HERE})):
        scan = workspace.scan(str(root / name))
        recall = Recall(scan, remember(workspace, root / name))
        assert recall.rows().keys() == expected
        again = Recall.of_rows(scan, recall.rows())
        assert again.unknown == []
        assert again.entries() == recall.entries()
        assert len(Recall.of_rows(scan, {}).unknown) == len(expected)


# --- placing ------------------------------------------------------------------------------------------


def made(workspace: Workspace, data: bytes) -> str:
    path = workspace.temporary()
    Path(path).write_bytes(data)
    return path


def test_placing_makes_folders_and_replaces_files(root: Path, workspace: Workspace) -> None:
    write(root, {"d/a": b"old"})
    for name in ("d/a", "d/new/deep/b", "top"):
        seen = workspace.place(made(workspace, b"new"), str(root / name))
        assert (root / name).read_bytes() == b"new"
        assert seen == fs.stat(str(root / name))


@pytest.mark.parametrize("where", ["link/a", "link/new/a", "d/link/a", "d/link/s/a"])
def test_nothing_is_written_or_removed_through_a_link(
    root: Path, workspace: Workspace, tmp_path: Path, where: str
) -> None:
    outside = tmp_path / "outside"
    write(outside, {"a": b"precious", "s/a": b"precious"})
    (root / "d").mkdir()
    for link in ("link", "d/link"):
        (root / link).symlink_to(outside)
    with pytest.raises(Conflict) as caught:
        workspace.place(made(workspace, b"new"), str(root / where))
    assert caught.value.code == "link-in-the-way"
    workspace.remove(str(root / where))
    assert {str(path.relative_to(outside)) for path in outside.rglob("*")} == {"a", "s", "s/a"}
    assert (outside / "a").read_bytes() == (outside / "s/a").read_bytes() == b"precious"


def test_a_link_in_the_place_itself_is_replaced_not_followed(root: Path, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"precious")
    (root / "a").symlink_to(tmp_path / "outside")
    workspace.place(made(workspace, b"new"), str(root / "a"))
    assert not (root / "a").is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"precious"


def test_a_folder_in_the_place_stays_and_no_half_file_remains(root: Path, workspace: Workspace) -> None:
    write(root, {"a/inside": b"precious"})
    new = made(workspace, b"new")
    with pytest.raises(LabError):
        workspace.place(new, str(root / "a"))
    assert (root / "a/inside").read_bytes() == b"precious"
    assert not os.path.exists(new)


def test_pruning_takes_empty_folders_up_to_the_output(root: Path, workspace: Workspace) -> None:
    write(root, {"d/keep": b""})
    (root / "d/a/b/c").mkdir(parents=True)
    (root / "e").mkdir()
    workspace.prune([str(root / "d/a/b/c"), str(root / "d")], top=str(root / "d"), is_top_kept=False)
    assert sorted(path.name for path in (root / "d").iterdir()) == ["keep"]
    workspace.prune([], top=str(root / "e"), is_top_kept=True)
    assert (root / "e").exists()
    workspace.prune([], top=str(root / "e"), is_top_kept=False)
    assert not (root / "e").exists()


def test_an_entry_that_was_not_read_is_a_bug(root: Path, workspace: Workspace) -> None:
    write(root, {"d/a": b""})
    with pytest.raises(AssertionError):
        Recall(workspace.scan(str(root / "d")), StateTable()).entries()


def test_paths_are_spoken_of_from_the_root(root: Path, workspace: Workspace) -> None:
    assert workspace.relative(str(root / "d/a")) == RelPath("d/a")
