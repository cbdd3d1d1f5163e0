"""Other repositories as sources: what is in them, at which revision, and from where its data comes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labops.errors import InvalidInput, LabError, NotFound, Unavailable
from labops.model import HERE, Result
from labops.project import Project
from labops.source import Want, forget_clones, open_source
from labops.source.settings import cache_folder
from labops.verbs.add import add
from labops.verbs.init import init
from labops.verbs.push import push
from labops.verbs.remotes import add as add_remote


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Registry:
    """A dataset repository with a folder as its remote, and the commits `v1` and `v2` (its tip)."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "registry"
        self.store = folder / "store"
        self.root.mkdir()
        self.store.mkdir()
        git(self.root, "init", "-q")
        self.inside(lambda: init(str(self.root)))
        self.project = Project.find(str(self.root))
        self.inside(lambda: add_remote(str(self.root), "storage", str(self.store), is_default=True))
        self.write("README", "about\n")
        self.version("v1", {"d/a": "1\n", "d/s/b": "2\n", "f": "one\n"})
        self.version("v2", {"d/a": "changed\n", "d/c": "3\n"})

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def inside(self, act) -> None:
        before = os.getcwd()
        os.chdir(self.root)
        try:
            act()
        finally:
            os.chdir(before)

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def version(self, tag: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            self.write(path, text)
        self.inside(lambda: add(Project.find(), ["d", "f"]))
        self.inside(lambda: push(Project.find()))
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", tag)
        git(self.root, "tag", tag)
        forget_clones()
        return git(self.root, "rev-parse", "HEAD")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    forget_clones()
    return Registry(tmp_path)


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def names(source) -> list[str]:
    return [file.path for file in source.at(source.find(""))]


PLAIN = [".dvcignore", ".gitignore", "README", "d.dvc", "f.dvc"]


def test_a_folder_is_taken_as_it_is(registry: Registry):
    """Without a revision a local project shows its files now, committed or not."""
    registry.write("d/new", "not added\n")
    source = open_source(str(registry.root))
    assert source.commit is None
    assert names(source) == sorted([*PLAIN, "d/a", "d/c", "d/new", "d/s/b", "f"])
    assert source.read("d/new") == b"not added\n"


@pytest.mark.parametrize("kind", ["path", "url"])
def test_a_revision_is_read_without_a_checkout(registry: Registry, kind: str):
    source = open_source(str(registry.root) if kind == "path" else registry.url, "v1")
    assert source.commit == git(registry.root, "rev-parse", "v1")
    assert names(source) == sorted([*PLAIN, "d/a", "d/s/b", "f"])
    assert source.read("d/a") == b"1\n"
    assert source.read("README") == b"about\n"
    assert source.clone is None or not (Path(source.clone.folder) / "README").exists()


def test_what_a_path_is(registry: Registry):
    source = open_source(registry.url)
    whole, part, file = source.find("d"), source.find("d/s"), source.find("d/s/b")
    assert (whole.is_folder, part.is_folder, file.is_folder) == (True, True, False)
    assert (whole.inside, part.inside, file.inside) == (HERE, "s", "s/b")
    assert source.find("README").tracked is None
    assert source.find("./d/../f").path == "f"


@pytest.mark.parametrize("path", ["nope", "d/nope", ".dvc/config", ".git/config", "d/a/x"])
def test_absent_and_private_paths_are_not_there(registry: Registry, path: str):
    with pytest.raises(NotFound) as caught:
        open_source(registry.url).find(path)
    assert caught.value.code == "no-such-path"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "d/../../x"])
def test_no_path_leaves_the_source(registry: Registry, path: str):
    with pytest.raises(InvalidInput) as caught:
        open_source(registry.url).find(path)
    assert caught.value.code == "unsafe-path"


def test_links_lead_nowhere_outside(registry: Registry, tmp_path: Path):
    """In a folder a link is followed inside only; at a commit it is the text that git keeps, never followed."""
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    (registry.root / "out").symlink_to(secret)
    (registry.root / "up").symlink_to("../secret")
    (registry.root / "in").symlink_to("README")
    git(registry.root, "add", "-A")
    git(registry.root, "commit", "-qm", "links")
    here = open_source(str(registry.root))
    for name in ("out", "up"):
        with pytest.raises(InvalidInput) as caught:
            here.read(name)
        assert caught.value.code == "link-outside"
    assert here.read("in") == b"about\n"
    for source in (open_source(registry.url), open_source(str(registry.root), "HEAD")):
        assert [source.read(name) for name in ("out", "up", "in")] == [os.fsencode(secret), b"../secret", b"README"]


class Shelf:
    """A landing in a plain folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.got: dict[str, bytes] = {}

    def temporary(self) -> str:
        return str(self.folder / str(len(list(self.folder.iterdir()))))

    def adopt(self, oid: str, path: str, size: int) -> None:
        self.got[oid] = Path(path).read_bytes()
        assert len(self.got[oid]) == size


@pytest.mark.parametrize("left", ["workspace", "cache", "remote"])
def test_objects_come_from_wherever_they_are(registry: Registry, tmp_path: Path, left: str):
    """Workspace, then cache, then remote: any one of the three is enough."""
    source = open_source(str(registry.root), "v2" if left != "workspace" else None)
    item = source.paths.at("d")
    assert item is not None
    tree = source.listing(item)
    if left != "workspace":
        shutil.rmtree(registry.root / "d")
    if left != "cache":
        shutil.rmtree(registry.root / ".dvc/cache/files")
    if left != "remote":
        shutil.rmtree(registry.store / "files")
    shelf = Shelf(tmp_path / "shelf")
    outcomes = source.bring([Want(item, entry) for entry in tree.entries], shelf, jobs=1)
    assert [outcome.result for outcome in outcomes] == [Result.DONE] * 3
    assert shelf.got == {md5(text): text.encode() for text in ("changed\n", "3\n", "2\n")}


def test_a_damaged_copy_is_passed_over(registry: Registry, tmp_path: Path):
    """What the source's cache holds is hashed; a bad object is fetched from the remote and left where it is."""
    oid = md5("one\n")
    bad = registry.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    bad.chmod(0o644)
    bad.write_text("flip")
    (registry.root / "f").unlink()
    source = open_source(str(registry.root), "v1")
    item = source.paths.at("f")
    assert item is not None
    shelf = Shelf(tmp_path / "shelf")
    source.bring([Want(item, source.tree(item).entries[0])], shelf)
    assert shelf.got == {oid: b"one\n"}
    assert bad.read_text() == "flip"


def test_collected_data_is_told_by_its_path(registry: Registry, tmp_path: Path):
    shutil.rmtree(registry.store / "files" / "md5" / md5("one\n")[:2])
    source = open_source(registry.url)
    item = source.paths.at("f")
    assert item is not None
    (outcome,) = source.bring([Want(item, source.tree(item).entries[0])], Shelf(tmp_path / "shelf"))
    assert outcome.error is not None
    assert outcome.error.code == "source-data-missing"
    assert "'f'" in outcome.error.message


def test_a_project_without_a_remote_gives_from_its_cache(registry: Registry, tmp_path: Path):
    config = registry.root / ".dvc/config"
    config.write_text("")
    shutil.rmtree(registry.root / "d")
    assert open_source(str(registry.root)).read("d/a") == b"changed\n"
    git(registry.root, "commit", "-qam", "no remote")
    with pytest.raises(InvalidInput) as caught:
        open_source(registry.url).read("d/a")
    assert caught.value.code == "source-no-remote"
    given = open_source(registry.url, remote="x", remote_config={"url": str(registry.store)})
    assert given.read("d/a") == b"changed\n"


# -- clones -------------------------------------------------------------------------------------------


def clones() -> list[Path]:
    return list(Path(cache_folder(), "git").iterdir())


def test_a_registry_is_cloned_once_and_followed(registry: Registry):
    """A second opening uses the same copy, and a moved branch is seen."""
    first = open_source(registry.url).commit
    second = registry.version("v3", {"f": "three\n"})
    assert open_source(registry.url).commit == second != first
    assert len(clones()) == 1


def test_one_command_asks_once(registry: Registry):
    """The origin may change while a command runs; the command does not."""
    first = open_source(registry.url)
    registry.write("README", "changed\n")
    git(registry.root, "commit", "-qam", "more")
    assert open_source(registry.url).commit == first.commit


def test_the_copy_is_shallow_until_history_is_needed(registry: Registry):
    source = open_source(registry.url)
    assert source.git is not None
    assert source.git.is_shallow
    old = git(registry.root, "rev-parse", "HEAD~1")
    assert open_source(registry.url, "main~1").commit == old
    assert open_source(registry.url, old[:10]).commit == old


def test_a_commit_is_found_by_its_id(registry: Registry):
    old = git(registry.root, "rev-parse", "HEAD~1")
    assert open_source(registry.url, old).commit == old
    forget_clones()
    shutil.rmtree(registry.root)  # an id that is here needs no origin
    assert open_source(registry.url, old).commit == old


def test_an_origin_out_of_reach_is_a_warning(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    from labops.drivers.git import cloning

    open_source(registry.url, "v1")
    forget_clones()
    real = cloning.run_safe

    def broken(root: str, url: str, *arguments: str) -> bytes:
        raise cloning.translate(url, b"fatal: unable to access: Could not resolve host: git.lab")

    monkeypatch.setattr(cloning, "run_safe", broken)
    source = open_source(registry.url, "v1")
    assert source.read("README") == b"about\n"
    assert "cannot be reached" in source.warnings[0]
    with pytest.raises(Unavailable):
        open_source(registry.url, "main~1")
    monkeypatch.setattr(cloning, "run_safe", real)


def test_a_moved_tag_is_followed(registry: Registry):
    open_source(registry.url, "v1")
    git(registry.root, "tag", "-f", "v1", "v2")
    forget_clones()
    assert open_source(registry.url, "v1").commit == git(registry.root, "rev-parse", "v2")


@pytest.mark.parametrize("rev", ["nope", "0123456", "0" * 40, "--upload-pack=x", "v1:README"])
def test_unknown_revisions(registry: Registry, rev: str):
    for repo in (registry.url, str(registry.root)):
        with pytest.raises(NotFound) as caught:
            open_source(repo, rev)
        assert caught.value.code == "unknown-revision"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("--upload-pack=touch x", "bad-repository-url"),
        ("ext::sh -c 'touch x'", "bad-repository-url"),
        ("ssh://-oProxyCommand=touch/x", "bad-repository-url"),
        ("fd::17", "bad-repository-url"),
        ("file:///nowhere/at/all", "no-such-repository"),
        ("http://127.0.0.1:1/x.git", "git-unreachable"),
        ("nowhere/at/all", "no-such-repository"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, code: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError) as caught:
        open_source(url)
    assert caught.value.code == code
    assert os.listdir(tmp_path) == []


def test_nothing_of_theirs_is_executed(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Hooks of a template, and a submodule with a command for an address, stay untouched."""
    template = tmp_path / "template/hooks"
    template.mkdir(parents=True)
    (template / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (template / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    registry.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch ran"\n')
    head = git(registry.root, "rev-parse", "HEAD")
    git(registry.root, "update-index", "--add", "--cacheinfo", f"160000,{head},x")
    git(registry.root, "add", ".gitmodules")
    git(registry.root, "commit", "-qm", "submodule")
    assert "x" not in names(open_source(registry.url))
    assert not (tmp_path / "ran").exists()
    assert not any((clone / ".git/hooks").exists() for clone in clones())


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(Unavailable) as caught:
        open_source("http://me:secret@127.0.0.1:1/x.git")
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_plain_git_repository_is_a_source(tmp_path: Path):
    root = tmp_path / "code"
    root.mkdir()
    git(root, "init", "-q")
    (root / "run.py").write_text("print()\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    for repo in (str(root), root.as_uri()):
        source = open_source(repo)
        assert source.tracked == []
        assert source.read("run.py") == b"print()\n"


def test_a_bare_repository_is_a_source(registry: Registry, tmp_path: Path):
    git(tmp_path, "clone", "-q", "--bare", str(registry.root), "bare.git")
    assert open_source(str(tmp_path / "bare.git"), "v1").read("d/a") == b"1\n"


def test_an_empty_repository(tmp_path: Path):
    git(tmp_path, "init", "-q", "empty")
    for repo in (str(tmp_path / "empty"), (tmp_path / "empty").as_uri()):
        with pytest.raises(NotFound) as caught:
            open_source(repo)
        assert caught.value.code == "unknown-revision"


def test_projects_inside_a_repository_have_their_own_remotes(registry: Registry, tmp_path: Path):
    """A file of a nested project comes from that project's remote."""
    nested, store = registry.root / "nested", tmp_path / "other-store"
    nested.mkdir()
    store.mkdir()
    os.chdir(nested)
    init(str(nested), subdir=True)
    add_remote(str(nested), "other", str(store), is_default=True)
    (nested / "g").write_text("nested\n")
    add(Project.find(), ["g"])
    push(Project.find())
    git(registry.root, "add", "-A")
    git(registry.root, "commit", "-qm", "nested")
    os.chdir(tmp_path)
    for repo in (str(registry.root), registry.url):
        source = open_source(repo)
        assert source.projects == ["nested", ""]
        assert "nested/g" in [item.path for item in source.tracked]
        assert source.read("nested/g") == b"nested\n"
