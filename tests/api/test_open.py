"""`open` and `read`: files of a repository at any version, opened once and read many times."""

from __future__ import annotations

import threading

import pytest

import labops
from labops import api
from labops.errors import InvalidInput, NotFound, Unsupported
from labops.source import Source
from tests.api.conftest import VERSIONS, Registry


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were opened."""
    found: list[str] = []
    first = Source.__init__

    def init(self: Source, url: str, *words: object, **options: object) -> None:
        found.append(url)
        first(self, url, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Source, "__init__", init)
    return found


@pytest.mark.parametrize(
    ("path", "options", "want"),
    [
        ("cats/2.txt", {}, "two, again\n"),
        ("cats/2.txt", {"version": "v1"}, "two\n"),
        ("cats@v1/2.txt", {}, "two\n"),
        ("cats/2.txt@v1", {}, "two\n"),
        ("cats/2.txt@release", {}, "two, again\n"),
        ("cats/sub/s.txt", {"rev": "HEAD~2"}, "deep\n"),
        ("cats/sub/s.txt", {"version": "v2"}, "deep\n"),
        ("plain.txt", {}, "plain\n"),
        ("plain.txt", {"rev": "HEAD~1"}, "plain\n"),
        ("labels.csv@v1", {}, "name,label\n1.txt,cat\n"),
    ],
)
@pytest.mark.parametrize("is_far", [False, True], ids=["here", "elsewhere"])
def test_a_file_of_a_version(registry: Registry, is_far: bool, path: str, options: dict[str, str], want: str) -> None:
    repo = registry.url if is_far else None
    if is_far and options.get("rev"):
        options = {"rev": registry.git("rev-parse", options["rev"], cwd=registry.root)}

    assert labops.read(path, repo=repo, **options) == want
    with labops.open(path, repo=repo, mode="rb", **options) as file:
        assert file.read() == want.encode()


def test_the_workspace_is_read_as_it_is(registry: Registry) -> None:
    (registry.root / "cats/1.txt").write_text("edited\n")

    assert labops.read("cats/1.txt") == "edited\n"
    assert labops.read("cats@v3/1.txt") == "one\n"


def test_many_reads_open_the_repository_once(registry: Registry, opened: list[str]) -> None:
    for repo in (None, registry.url):
        for _ in range(5):
            for name in VERSIONS[0]:
                labops.read(f"cats@v1/{name}", repo=repo)
                labops.read(f"cats/{name}", repo=repo, version="v1")

    assert len(opened) == 2


def test_a_new_version_is_seen(registry: Registry) -> None:
    """A notebook runs for days; what was committed meanwhile counts."""
    assert labops.Dataset("cats").version == "v3"
    with pytest.raises(NotFound):
        labops.read("dogs/rex.txt")

    registry.write({"rex.txt": "rex\n"}, "dogs")
    registry.write({"1.txt": "other\n"})
    registry.save("dogs, and a fourth", "dogs", "cats")

    assert labops.Dataset("cats").version == "v4"
    assert labops.read("cats@v4/1.txt") == "other\n"
    assert labops.read("dogs@v1/rex.txt") == "rex\n"
    assert labops.read("cats@v1/2.txt") == "two\n"


def test_a_moved_branch_is_seen(registry: Registry) -> None:
    registry.git("branch", "old", "HEAD~2", cwd=registry.root)
    assert labops.read("cats/2.txt", rev="old") == "two\n"

    registry.git("branch", "-f", "old", "HEAD", cwd=registry.root)

    assert labops.read("cats/2.txt", rev="old") == "two, again\n"


def test_a_repository_elsewhere_is_asked_again_after_a_while(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert labops.Dataset("cats", registry.url).version == "v3"
    registry.write({"1.txt": "other\n"})
    registry.save("fourth", "cats")
    assert labops.Dataset("cats", registry.url).version == "v3"

    monkeypatch.setattr("labops.reading.readers.FRESH_SECONDS", -1.0)

    assert labops.Dataset("cats", registry.url).version == "v4"


def test_threads_read_at_once(registry: Registry) -> None:
    registry.lose_cache()
    registry.lose_workspace()
    said: list[str] = []

    def work() -> None:
        said.extend(labops.read(f"cats@v{number}/1.txt", repo=registry.url) for number in (1, 2, 3))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said == ["one\n"] * 24


def test_a_name_with_an_at_is_a_name(registry: Registry) -> None:
    registry.write({"img@2x.txt": "large\n"}, "icons@home")
    registry.save("icons", "icons@home")

    assert labops.read("icons@home/img@2x.txt") == "large\n"
    assert labops.read("icons@home@v1/img@2x.txt") == "large\n"
    assert labops.Dataset("icons@home").name == "icons@home"


def test_a_dataset_that_was_removed_can_still_be_read(registry: Registry) -> None:
    registry.git("rm", "-q", "--cached", "cats.dvc", cwd=registry.root)
    (registry.root / "cats.dvc").unlink()
    registry.lose_workspace()
    registry.git("commit", "-qam", "no cats", cwd=registry.root)

    assert labops.read("cats@v1/2.txt") == "two\n"


def test_a_renamed_dataset_keeps_its_past(registry: Registry) -> None:
    registry.git("mv", "cats.dvc", "felines.dvc", cwd=registry.root)
    pointer = registry.root / "felines.dvc"
    pointer.write_text(pointer.read_text().replace("path: cats", "path: felines"))
    (registry.root / "cats").rename(registry.root / "felines")
    registry.git("commit", "-qam", "Latin", cwd=registry.root)

    assert labops.read("felines@v1/2.txt") == "two\n"
    assert labops.Dataset("felines", registry.url, "v1").path("2.txt").endswith("felines/2.txt")


def test_only_a_with_statement_opens(registry: Registry) -> None:
    with pytest.raises(AttributeError, match="with statement"):
        labops.open("plain.txt").read()  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["w", "a", "x", "r+", "wb"])
def test_nothing_is_written(registry: Registry, mode: str) -> None:
    with pytest.raises(ValueError, match="read") as caught:
        labops.open("cats/1.txt", mode=mode)
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize(
    ("path", "options", "kind", "code"),
    [
        ("gone", {}, FileNotFoundError, "no-such-path"),
        ("cats/gone", {}, FileNotFoundError, "no-such-path"),
        ("cats/1.txt/below", {}, FileNotFoundError, "no-such-path"),
        ("cats@v1/3.txt", {}, FileNotFoundError, "no-such-path"),
        (".dvc/config", {}, FileNotFoundError, "no-such-path"),
        (".git/config", {}, FileNotFoundError, "no-such-path"),
        ("cats", {}, IsADirectoryError, "is-a-folder"),
        ("cats@v1", {}, IsADirectoryError, "is-a-folder"),
        ("cats@v1/sub", {}, IsADirectoryError, "is-a-folder"),
        ("../outside", {}, ValueError, "unsafe-path"),
        ("cats@v7/1.txt", {}, LookupError, "no-such-version"),
        ("plain.txt", {"rev": "nope"}, LookupError, "unknown-revision"),
        ("plain.txt", {"repo": "/no/such/place"}, LookupError, "no-such-repository"),
        ("plain.txt", {"repo": "no-such-folder"}, LookupError, "no-such-repository"),
        ("plain.txt", {"repo": "--upload-pack=x"}, ValueError, "bad-repository-url"),
    ],
)
def test_every_mistake_has_its_error(
    registry: Registry, path: str, options: dict[str, str], kind: type[Exception], code: str
) -> None:
    with pytest.raises(kind) as caught:
        labops.read(path, **options)

    assert getattr(caught.value, "code", "") == code


def test_a_link_that_leads_out_is_not_followed(registry: Registry) -> None:
    (registry.root.parent / "secret").write_text("secret")
    (registry.root / "way-out").symlink_to("../secret")

    with pytest.raises(InvalidInput) as caught:
        labops.read("way-out")

    assert caught.value.code == "link-outside"


def test_data_that_is_nowhere_is_named(registry: Registry) -> None:
    registry.lose_cache()
    registry.store.rename(registry.store.with_name("gone"))
    registry.lose_workspace()

    with pytest.raises(Exception, match=r"cats|store|gone") as caught:
        labops.read("cats@v1/2.txt")

    assert getattr(caught.value, "hint", "")


def test_the_url_of_data(registry: Registry) -> None:
    url = api.get_url("labels.csv")

    assert url.startswith(str(registry.store))
    assert (registry.store / url.removeprefix(f"{registry.store}/")).read_text().startswith("name")
    assert api.get_url("cats", version="v1").endswith(".dir")
    with pytest.raises(NotFound) as caught:
        api.get_url("plain.txt")
    assert caught.value.code == "not-tracked"


@pytest.mark.parametrize("name", ["params_show", "metrics_show", "get_dataset"])
def test_pipelines_are_left_to_dvc(name: str) -> None:
    with pytest.raises(Unsupported, match=name) as caught:
        getattr(api, name)("x")
    assert "dvc" in caught.value.hint


def test_a_project_without_git_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    from labops.verbs.init import init

    root = tmp_path_factory.mktemp("bare")
    init(str(root), no_scm=True)
    (root / "file").write_text("here\n")

    assert labops.read("file", repo=str(root)) == "here\n"
    with pytest.raises(InvalidInput) as caught:
        labops.read("file", repo=str(root), version="v1")
    assert caught.value.code == "no-git"


def test_a_shallow_clone_says_what_it_lacks(registry: Registry) -> None:
    shallow = registry.root.parent / "shallow"
    registry.git("clone", "-q", "--depth=1", registry.url, str(shallow))

    with pytest.raises(NotFound) as caught:
        labops.read("cats@v1/1.txt", repo=str(shallow))

    assert caught.value.code == "history-cut"
    assert "unshallow" in caught.value.hint


def test_half_merged_pointers_are_named(registry: Registry) -> None:
    (registry.root / "cats.dvc").write_text("<<<<<<< HEAD\nouts:\n=======\n>>>>>>> other\n")

    with pytest.raises(InvalidInput) as caught:
        labops.Dataset("cats")

    assert "cats.dvc" in caught.value.message
