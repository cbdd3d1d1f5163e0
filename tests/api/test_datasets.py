"""`Dataset` and `require`: one version of one dataset, on this machine or fetched to it."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import threading
from pathlib import Path

import pytest

import labops
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from tests.api.conftest import VERSIONS, Registry


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def files_in(folder: str) -> dict[str, str]:
    top = Path(folder)
    return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("is_far", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_version_is_exactly_its_files(registry: Registry, number: int, is_far: bool) -> None:
    cats = labops.Dataset("cats", repo=registry.url if is_far else None, version=f"v{number}")
    want = VERSIONS[number - 1]

    assert files_in(cats.path()) == want
    assert {file.path: file.oid for file in cats.files} == {name: md5(text) for name, text in want.items()}
    assert {file.path: file.size for file in labops.Dataset("cats", version=f"v{number}").files} == {
        name: len(text) for name, text in want.items()
    }
    assert (cats.version, cats.reference, cats.name) == (f"v{number}", f"cats@v{number}", "cats")


@pytest.mark.parametrize("text", ["v2", "2", "release", "HEAD~1"])
def test_a_version_has_many_names(registry: Registry, text: str) -> None:
    assert labops.Dataset("cats", version=text).version == "v2"
    assert labops.Dataset(f"cats@{text}", repo=registry.url).version == "v2"


def test_the_versions_are_listed_oldest_first(registry: Registry) -> None:
    cats = labops.Dataset("cats")

    assert [(one.label, one.message) for one in cats.versions] == [
        ("v1", "first cats"),
        ("v2", "second cats"),
        ("v3", "third cats"),
    ]
    assert cats.version == "v3"


def test_the_workspace_is_used_where_it_holds_the_version(registry: Registry) -> None:
    assert labops.Dataset("cats", version="v3").path() == str(registry.root / "cats")
    assert labops.Dataset("cats", version="v3").path("1.txt") == str(registry.root / "cats/1.txt")

    (registry.root / "cats/1.txt").write_text("edited\n")

    path = labops.Dataset("cats", version="v3").path()
    assert path != str(registry.root / "cats")
    assert files_in(path) == VERSIONS[2]
    assert (registry.root / "cats/1.txt").read_text() == "edited\n"


def test_one_file_moves_that_file_and_the_listing_only(registry: Registry) -> None:
    registry.lose_cache()
    registry.lose_workspace()
    cats = labops.Dataset("cats", version="v1")

    path = cats.path("sub/s.txt")

    assert path.endswith("/cats/sub/s.txt")
    assert Path(path).read_text() == "deep\n"
    assert registry.objects() == {md5("deep\n"), cats.oid}
    assert cats.path("sub") == str(Path(path).parent)


def test_what_was_handed_out_is_read_only(registry: Registry) -> None:
    cats = labops.Dataset("cats", version="v1")

    assert Path(cats.path("sub/s.txt")).stat().st_mode & 0o222 == 0
    assert (Path(cats.path()) / "1.txt").stat().st_mode & 0o222 == 0
    assert cats.path("1.txt") == str(registry.root / "cats/1.txt")  # the workspace has just this content


def test_a_file_that_was_spoilt_is_made_again(registry: Registry) -> None:
    folder = Path(labops.Dataset("cats", version="v1").path())
    (folder / "1.txt").unlink()
    (folder / "1.txt").write_text("spoilt\n")
    (folder / "more.txt").write_text("foreign\n")

    assert files_in(labops.Dataset("cats", version="v1").path()) == VERSIONS[0]


def test_a_bad_object_is_fetched_again(registry: Registry) -> None:
    oid = md5("two\n")
    bad = registry.root / f".dvc/cache/files/md5/{oid[:2]}/{oid[2:]}"
    bad.chmod(0o644)
    bad.write_text("bad\n")

    assert Path(labops.Dataset("cats", version="v1").path("2.txt")).read_text() == "two\n"


def test_bytes_that_are_wrong_on_the_remote_are_never_handed_out(registry: Registry) -> None:
    registry.lose_cache()
    registry.lose_workspace()
    oid = md5("two\n")
    stored = registry.store / f"files/md5/{oid[:2]}/{oid[2:]}"
    stored.chmod(0o644)
    stored.write_text("bad\n")

    with pytest.raises(LabError) as caught:
        labops.Dataset("cats", version="v1").path("2.txt")

    assert caught.value.code == "corrupt-download"
    assert oid not in registry.objects()


def test_beside_a_cache_that_is_read_only_the_members_own_is_used(
    registry: Registry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oid = md5("two\n")
    (registry.root / f".dvc/cache/files/md5/{oid[:2]}/{oid[2:]}").unlink()
    before = registry.objects()
    monkeypatch.setattr("labops.reading.stock._is_writable", lambda _: False)

    assert files_in(labops.Dataset("cats", version="v1").path()) == VERSIONS[0]

    assert registry.objects() == before
    assert (home / f".cache/labops/sources/objects/files/md5/{oid[:2]}/{oid[2:]}").exists()


def test_a_file_is_a_dataset_too(registry: Registry) -> None:
    labels = labops.Dataset("labels.csv", repo=registry.url)

    assert not labels.is_folder
    assert Path(labels.path()).name == "labels.csv"
    assert Path(labels.path()).read_text().startswith("name,label")
    assert [file.path for file in labels.files] == [""]
    with labels.open() as file:
        assert file.read(4) == b"name"


def test_pull_puts_the_version_into_the_workspace(registry: Registry) -> None:
    registry.lose_workspace()
    registry.lose_cache()

    assert labops.Dataset("cats", version="v2").pull() == str(registry.root / "cats")

    assert files_in(str(registry.root / "cats")) == VERSIONS[1]
    assert labops.require("cats@v2").version == "v2"


def test_pull_stops_before_unsaved_work(registry: Registry) -> None:
    (registry.root / "cats/1.txt").write_text("precious\n")

    with pytest.raises(Conflict, match="saved nowhere"):
        labops.Dataset("cats", version="v2").pull()

    assert (registry.root / "cats/1.txt").read_text() == "precious\n"
    labops.Dataset("cats", version="v2").pull(force=True)
    assert files_in(str(registry.root / "cats")) == VERSIONS[1]


def test_pull_of_another_repository_fetches_everything(registry: Registry) -> None:
    path = labops.Dataset("cats", registry.url, "v1").pull()
    (registry.store).rename(registry.store.with_name("gone"))

    assert files_in(path) == VERSIONS[0]
    assert labops.read("cats@v1/2.txt", repo=registry.url) == "two\n"


def test_verify_hashes_what_is_here(registry: Registry) -> None:
    oid = md5("two, again\n")
    place = registry.root / f".dvc/cache/files/md5/{oid[:2]}/{oid[2:]}"
    stat = place.stat()
    place.chmod(0o644)
    place.write_text("two, AGAIN\n")
    os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing but the bytes tells
    missing = md5("three\n")
    (registry.root / f".dvc/cache/files/md5/{missing[:2]}/{missing[2:]}").unlink()

    found = labops.Dataset("cats", version="v2").verify()

    assert (found.files, found.bad, found.missing) == (3, ("2.txt",), ("3.txt",))
    assert not found.is_whole
    assert files_in(labops.Dataset("cats", version="v2").path()) == VERSIONS[1]
    assert labops.Dataset("cats", version="v2").verify().is_whole


def test_a_dataset_travels_to_other_processes(registry: Registry) -> None:
    cats = labops.Dataset("cats", registry.url, "v1")
    assert len(cats.files) == 3

    same = pickle.loads(pickle.dumps(cats))

    assert same == cats
    assert hash(same) == hash(cats)
    assert files_in(same.path()) == VERSIONS[0]
    assert b"1.txt" not in pickle.dumps(cats)


def test_threads_share_one_repository(registry: Registry) -> None:
    registry.lose_cache()
    registry.lose_workspace()
    paths: list[str] = []

    def work() -> None:
        paths.append(labops.Dataset("cats", version="v2").path())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(paths) == 8
    assert len(set(paths)) == 1
    assert files_in(paths[0]) == VERSIONS[1]


def test_the_card_is_what_the_pointer_says(registry: Registry) -> None:
    text = (registry.root / "cats.dvc").read_text()
    (registry.root / "cats.dvc").write_text(
        text + "  desc: all cats\n  type: images\n  labels:\n  - animals\n  meta:\n    licence: CC0\n"
    )

    card = labops.Dataset("cats").card

    assert (card.description, card.type, card.labels) == ("all cats", "images", ("animals",))
    assert dict(card.meta) == {"licence": "CC0"}


@pytest.mark.parametrize(
    ("name", "version", "code"),
    [
        ("cats", "v9", "no-such-version"),
        ("cats", "nope", "no-such-version"),
        ("cats@v9", None, "no-such-version"),
        ("dogs", None, "no-such-path"),
        ("cats/1.txt", None, "not-a-dataset"),
        ("plain.txt", None, "not-a-dataset"),
        ("", None, "not-a-dataset"),
        ("dogs@v1", None, "never-tracked"),
    ],
)
def test_a_wrong_name_says_what_to_type(registry: Registry, name: str, version: str | None, code: str) -> None:
    with pytest.raises(NotFound) as caught:
        labops.Dataset(name, version=version)

    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize("name", ["../registry/cats", "/etc/passwd", "cats/../../x"])
def test_a_name_that_leads_out_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        labops.Dataset(name)


def test_a_version_and_a_revision_are_too_much(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="version and a revision"):
        labops.Dataset("cats", version="v1", rev="main")


def test_a_file_that_a_version_has_not(registry: Registry) -> None:
    with pytest.raises(FileNotFoundError, match=r"cats@v1/3\.txt"):
        labops.Dataset("cats", version="v1").path("3.txt")


def test_an_import_comes_from_where_it_was_imported(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labops.project import Project
    from labops.verbs.import_repo import ImportOptions, import_repo
    from labops.verbs.init import init

    other = tmp_path / "other"
    other.mkdir()
    registry.git("init", "-q", cwd=other)
    init(str(other))
    monkeypatch.chdir(other)
    import_repo(Project.find(), registry.url, "cats", ImportOptions())
    registry.git("add", "-A", cwd=other)
    registry.git("commit", "-qm", "import", cwd=other)
    for folder in (other / "cats", other / ".dvc/cache"):
        shutil.rmtree(folder)

    assert labops.read("cats@v1/1.txt") == "one\n"
    assert files_in(labops.Dataset("cats").path()) == VERSIONS[2]


# -- require ------------------------------------------------------------------------------------------


def test_require_returns_what_is_here(registry: Registry) -> None:
    assert labops.require("cats@v3").oid == labops.Dataset("cats").oid
    assert labops.require("cats").version == "v3"
    cats, labels = labops.require("cats@v3", "labels.csv@v1")
    assert (cats.reference, labels.reference) == ("cats@v3", "labels.csv@v1")


def test_require_fails_when_another_version_is_here(registry: Registry) -> None:
    with pytest.raises(Conflict) as caught:
        labops.require("cats@v1")

    assert caught.value.code == "other-version"
    assert caught.value.message == "cats@v1 is required, and this machine holds cats@v3"
    assert caught.value.hint == "lab pull 'cats@v1'"


def test_require_fails_when_the_pointer_moved_on(registry: Registry) -> None:
    """The slip of the article: git pulled, the data not."""
    registry.git("checkout", "-q", "HEAD~1", "--", "cats.dvc", cwd=registry.root)

    with pytest.raises(Conflict) as caught:
        labops.require("cats")

    assert caught.value.code == "other-version"
    assert "this machine holds cats@v3" in caught.value.message
    assert caught.value.hint == "lab pull 'cats'"


def test_require_fails_over_an_edit(registry: Registry) -> None:
    (registry.root / "cats/1.txt").write_text("edited\n")
    (registry.root / "cats/new.txt").write_text("new\n")

    with pytest.raises(Conflict, match=r"edits at 'cats' that are in no version \(2 files differ\)") as caught:
        labops.require("cats@v3")

    assert caught.value.code == "unsaved-edits"


def test_require_fails_when_nothing_is_here(registry: Registry) -> None:
    registry.lose_workspace()

    with pytest.raises(Conflict) as caught:
        labops.require("cats@v3")

    assert caught.value.code == "not-here"


def test_require_reads_no_unchanged_file(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    from labops.drivers import fs

    labops.require("cats@v3")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a file was hashed again")

    monkeypatch.setattr(fs, "hash_file", never)
    labops.require("cats@v3")


def test_require_needs_a_workspace(registry: Registry) -> None:
    with pytest.raises(InvalidInput) as caught:
        labops.require("cats@v3", repo=registry.url)

    assert caught.value.code == "no-workspace"
