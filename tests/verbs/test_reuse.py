"""`get`, `import`, `import-url`, `update`, `freeze`: stories that dvc has no part in."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from labops.errors import Conflict, Corrupt, InvalidInput, LabError, NotFound, Unsupported
from labops.model import Action, Result, Selection
from labops.project import Project
from labops.source import forget_clones, open_source
from labops.source.versions import at_version
from labops.urls import UrlOptions
from labops.verbs.add import add
from labops.verbs.freeze import freeze
from labops.verbs.get import get, object_url
from labops.verbs.get_url import get_url, list_url
from labops.verbs.import_repo import ImportOptions, import_repo
from labops.verbs.import_url import ImportUrlOptions, import_url
from labops.verbs.init import init
from labops.verbs.list import ListOptions, list_source
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.remotes import add as add_remote
from labops.verbs.update import UpdateOptions, update


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Lab:
    """A registry with a folder as its remote, and a project that uses it; the current directory is the project."""

    def __init__(self, top: Path) -> None:
        self.registry, self.store, self.mine = top / "registry", top / "store", top / "mine"
        self.store.mkdir()
        self.make(self.registry)
        add_remote(str(self.registry), "storage", str(self.store), is_default=True)
        self.publish({"d/a": b"1\n", "d/s/b": b"2\n", "f": b"one\n"}, "v1")
        self.make(self.mine)
        self.commit(self.mine)

    def make(self, folder: Path) -> None:
        folder.mkdir()
        git(folder, "init", "-q")
        os.chdir(folder)
        init(str(folder))

    @staticmethod
    def commit(folder: Path) -> None:
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "work")

    def publish(self, data: dict[str, bytes], tag: str) -> None:
        before = os.getcwd()
        os.chdir(self.registry)
        for path, content in data.items():
            place = self.registry / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        project = Project.find()
        add(project, ["d", "f"])
        push(Project.find())
        self.commit(self.registry)
        git(self.registry, "tag", tag)
        forget_clones()
        os.chdir(before)

    @property
    def project(self) -> Project:
        return Project.find(str(self.mine))

    @property
    def url(self) -> str:
        return self.registry.as_uri()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(tmp_path)
    forget_clones()
    return Lab(tmp_path)


# -- get ----------------------------------------------------------------------------------------------


def test_a_bare_repository_here_leads_to_its_folder_remote(lab: Lab, tmp_path: Path):
    """The relative url counts from where the repository is, not from the copy of it that we keep."""
    config = lab.registry / ".dvc/config"
    config.write_text(config.read_text().replace(str(lab.store), "../../store"))
    lab.commit(lab.registry)
    git(tmp_path, "clone", "-q", "--bare", str(lab.registry), "hub.git")
    shutil.rmtree(lab.registry)

    get(open_source("../hub.git"), "f", "../copy")

    assert (tmp_path / "copy").read_bytes() == b"one\n"


def test_one_file_of_many_moves_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """Of a large dataset the listing and the one file are read from the remote, and nothing else."""
    lab.publish({f"d/{number:05}": b"%d\n" % number for number in range(2000)}, "v2")
    from labops.places.remote.folder import FolderRemote

    asked: list[str] = []
    for name in ("read", "download"):
        real = getattr(FolderRemote, name)

        def spy(self, oid, *rest, real=real):
            asked.append(oid)
            return real(self, oid, *rest)

        monkeypatch.setattr(FolderRemote, name, spy)
    monkeypatch.setattr(FolderRemote, "contains", lambda *_, **__: pytest.fail("nobody need ask what is there"))
    report = get(open_source(lab.url), "d/01234")
    assert Path("01234").read_bytes() == b"1234\n"
    assert [oid[-4:] == ".dir" for oid in asked] == [True, False]
    assert asked[1] == md5(b"1234\n")
    assert report.count(Action.DOWNLOAD) == 1


def test_a_folder_appears_whole_or_not_at_all(lab: Lab):
    (lab.store / "files/md5" / md5(b"2\n")[:2] / md5(b"2\n")[2:]).unlink()
    report = get(open_source(lab.url), "d", "out")
    assert [outcome.error.code for outcome in report.failed if outcome.error] == ["source-data-missing"]
    assert sorted(os.listdir()) == [".dvc", ".dvcignore", ".git"]


def test_force_keeps_other_files(lab: Lab):
    Path("out/d/s").mkdir(parents=True)
    Path("out/d/mine").write_text("mine")
    Path("out/d/a").write_text("old")
    with pytest.raises(Conflict) as caught:
        get(open_source(lab.url), "d", "out")
    assert caught.value.code == "destination-exists"
    get(open_source(lab.url), "d", "out", force=True)
    assert files(Path("out/d")) == {"a": b"1\n", "s/b": b"2\n", "mine": b"mine"}


def test_nothing_is_written_through_a_link(lab: Lab, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    Path("out/d").mkdir(parents=True)
    Path("out/d/s").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict) as caught:
        get(open_source(lab.url), "d", "out", force=True)
    assert caught.value.code == "link-in-the-way"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_executables_stay_so(lab: Lab):
    tool = lab.registry / "tool"
    tool.write_text("#!\n")
    tool.chmod(0o755)
    lab.commit(lab.registry)
    get(open_source(lab.url), "tool")
    assert os.access("tool", os.X_OK)


def test_a_dry_run_writes_nothing(lab: Lab):
    before = files(lab.mine)
    assert len(get(open_source(lab.url), "d", dry_run=True).plan.steps) == 2
    assert import_repo(lab.project, lab.url, "d", dry_run=True).plan.count(Action.DOWNLOAD) == 2
    assert import_url(lab.project, str(lab.store), dry_run=True).plan.count(Action.TRACK) == 1
    assert files(lab.mine) == before


def test_a_hostile_listing_is_refused(lab: Lab):
    """A registry whose listing names a path outside, or inside `.git`."""
    for name in ("../../x", ".git/hooks/post-checkout"):
        listing = b'[{"md5": "%s", "relpath": "%s"}]' % (md5(b"1\n").encode(), name.encode())
        oid = md5(listing) + ".dir"
        place = lab.store / "files/md5" / oid[:2] / oid[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(listing)
        (lab.registry / "d.dvc").write_text(f"outs:\n- md5: {oid}\n  hash: md5\n  path: d\n")
        lab.commit(lab.registry)
        forget_clones()
        for act in (lambda: get(open_source(lab.url), "d", "x"), lambda: import_repo(lab.project, lab.url, "d")):
            with pytest.raises(InvalidInput) as caught:
                act()
            assert caught.value.code == "unsafe-path"
    assert sorted(os.listdir()) == [".dvc", ".dvcignore", ".git"]


@pytest.mark.parametrize("path", ["../../x", "/etc/x", ".git/x"])
def test_a_hostile_pointer_is_refused(lab: Lab, path: str):
    (lab.registry / "d.dvc").write_text(f"outs:\n- md5: {md5(b'')}\n  hash: md5\n  path: {path}\n")
    lab.commit(lab.registry)
    with pytest.raises(InvalidInput):
        get(open_source(lab.url), "d")


def test_show_url(lab: Lab):
    url = object_url(open_source(lab.url), "f")
    assert Path(url).read_bytes() == b"one\n"
    with pytest.raises(InvalidInput) as caught:
        object_url(open_source(lab.url), "d.dvc")
    assert caught.value.code == "not-an-output"


def test_listing_a_dataset_whose_listing_is_gone(lab: Lab):
    shutil.rmtree(lab.store / "files")
    listing = list_source(open_source(lab.url), "", ListOptions(is_deep=True, is_dvc_only=True))
    assert [row.path for row in listing.rows] == ["d", "f"]
    assert "'d'" in listing.warnings[0]


# -- import and update --------------------------------------------------------------------------------


def test_an_import_is_tracked_only_when_all_of_it_came(lab: Lab):
    (lab.store / "files/md5" / md5(b"2\n")[:2] / md5(b"2\n")[2:]).unlink()
    report = import_repo(lab.project, lab.url, "d")
    assert report.exit_code == 3
    assert sorted(os.listdir()) == [".dvc", ".dvcignore", ".git"]


def test_an_update_keeps_unsaved_work(lab: Lab):
    import_repo(lab.project, lab.url, "d")
    pointer = Path("d.dvc").read_text()
    lab.publish({"d/a": b"new\n"}, "v2")
    Path("d/a").write_bytes(b"mine\n")
    report = update(lab.project, ["d"])
    assert [outcome.error.code for outcome in report.failed if outcome.error] == ["unsaved-changes"]
    assert (Path("d.dvc").read_text(), Path("d/a").read_bytes()) == (pointer, b"mine\n")
    update(lab.project, ["d"], UpdateOptions(force=True))
    assert files(Path("d")) == {"a": b"new\n", "s/b": b"2\n"}


def test_one_update_that_fails_does_not_stop_the_others(lab: Lab):
    import_repo(lab.project, lab.url, "d")
    import_repo(lab.project, str(lab.registry), "f")
    text = Path("d.dvc").read_text().replace(lab.url, "file:///nowhere")
    Path("d.dvc").write_text(text)
    lab.publish({"f": b"two\n"}, "v2")
    report = update(lab.project, ["d", "f"])
    assert [outcome.error.code for outcome in report.failed if outcome.error] == ["no-such-repository"]
    assert Path("f").read_bytes() == b"two\n"


def test_a_clone_pulls_imports_and_pushes_none(lab: Lab, tmp_path: Path):
    import_repo(lab.project, lab.url, "d", ImportOptions(rev="v1"))
    lab.commit(lab.mine)
    lab.publish({"d/a": b"new\n"}, "v2")
    git(tmp_path, "clone", "-q", str(lab.mine), "again")
    os.chdir("../again")
    report = pull(Project.find())
    assert report.exit_code == 0
    assert files(Path("d")) == {"a": b"1\n", "s/b": b"2\n"}


def test_an_import_whose_commit_is_gone(lab: Lab, tmp_path: Path):
    import_repo(lab.project, lab.url, "d")
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("d")
    text = Path("d.dvc").read_text()
    Path("d.dvc").write_text(text.replace(git(lab.registry, "rev-parse", "HEAD"), "a1" * 20))
    report = pull(lab.project, Selection(("d",)))
    assert "unknown-revision" in [outcome.error.code for outcome in report.failed if outcome.error]


def test_an_import_that_says_something_else(lab: Lab):
    """A pointer that somebody edited, or an origin that was rewritten."""
    import_repo(lab.project, lab.url, "f")
    os.remove("f")
    shutil.rmtree(".dvc/cache")
    Path("f.dvc").write_text(Path("f.dvc").read_text().replace(md5(b"one\n"), md5(b"other\n")))
    report = pull(lab.project)
    assert "import-changed" in [outcome.error.code for outcome in report.failed if outcome.error]


def test_freeze_and_unfreeze(lab: Lab):
    import_repo(lab.project, lab.url, "f")
    before = Path("f.dvc").read_text()
    assert freeze(lab.project, ["f"], is_frozen=True).changed_files == ()
    freeze(lab.project, ["f"], is_frozen=False)
    assert Path("f.dvc").read_text() == before.replace("frozen: true\n", "")
    with pytest.raises(NotFound):
        freeze(lab.project, ["nope"], is_frozen=True)


@pytest.mark.parametrize("out", ["../outside", ".dvc/x", "nodir/x", "d/in", "x.dvc"])
def test_places_an_import_cannot_go(lab: Lab, out: str):
    import_repo(lab.project, lab.url, "d")
    before = files(lab.mine)
    with pytest.raises(LabError):
        import_repo(lab.project, lab.url, "f", ImportOptions(out=out))
    assert {path: data for path, data in files(lab.mine).items() if ".dvc/tmp/" not in path} == {
        path: data for path, data in before.items() if ".dvc/tmp/" not in path
    }


# -- urls ---------------------------------------------------------------------------------------------


class _Server(BaseHTTPRequestHandler):
    """One file, with an ETag and ranges; `cut` breaks the connection after so many bytes, once."""

    protocol_version = "HTTP/1.1"
    data = b""
    cut: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._head(200, len(self.data))

    def do_GET(self) -> None:
        wanted = self.headers.get("range", "")
        type(self).asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self._head(206 if wanted else 200, len(self.data) - start)
        end = self.cut.pop() if self.cut else len(self.data)
        self.wfile.write(self.data[start:end])
        if end < len(self.data):
            self.close_connection = True

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{md5(self.data)}"')
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    _Server.asked, _Server.cut = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def how(**rest: object) -> ImportUrlOptions:
    return ImportUrlOptions(how=UrlOptions(**rest))  # type: ignore[arg-type]


def test_a_broken_connection_is_gone_on_from(lab: Lab, web: str):
    """The rest is asked for, not the whole, and what is tracked is the whole."""
    _Server.data = os.urandom(3_000_000)
    _Server.cut = [2_500_000]
    import_url(lab.project, f"{web}/big.bin")
    assert Path("big.bin").read_bytes() == _Server.data
    assert _Server.asked[0] == ""
    assert [0 < int(wanted[6:-1]) <= 2_500_000 for wanted in _Server.asked[1:]] == [True]


def test_a_killed_download_is_gone_on_from(lab: Lab, web: str):
    """What an earlier run has left is used by the next, when the server still has the same file."""
    _Server.data = os.urandom(300_000)
    key = md5(f'{web}/big.bin|"{md5(_Server.data)}"'.encode())
    partial_folder = lab.mine / ".dvc/tmp/lab/partial"
    partial_folder.mkdir(parents=True)
    (partial_folder / key).write_bytes(_Server.data[:123_456])
    import_url(lab.project, f"{web}/big.bin")
    assert Path("big.bin").read_bytes() == _Server.data
    assert _Server.asked == ["bytes=123456-"]
    assert os.listdir(partial_folder) == []


def test_an_expected_hash(lab: Lab, web: str):
    _Server.data = b"data\n"
    with pytest.raises(Corrupt) as caught:
        import_url(lab.project, f"{web}/x", how(md5=md5(b"other")))
    assert caught.value.code == "wrong-hash"
    assert not Path("x").exists()
    assert not Path("x.dvc").exists()
    import_url(lab.project, f"{web}/x", how(md5=md5(b"data\n").upper()))
    assert Path("x").read_bytes() == b"data\n"


def test_an_archive_is_unpacked_and_updated(lab: Lab, web: str):
    _Server.data = zipped({"a": b"1\n", "s/b": b"2\n"})
    import_url(lab.project, f"{web}/pets.zip", how(is_unpacked=True))
    assert files(Path("pets")) == {"a": b"1\n", "s/b": b"2\n"}
    assert update(lab.project, ["pets"]).outcomes[0].result is Result.ALREADY
    _Server.data = zipped({"a": b"new\n"})
    update(lab.project, ["pets"])
    assert files(Path("pets")) == {"a": b"new\n"}


def test_a_hostile_archive_leaves_nothing(lab: Lab, web: str):
    _Server.data = zipped({"a": b"1\n", "../../x": b"2\n"})
    with pytest.raises(InvalidInput) as caught:
        import_url(lab.project, f"{web}/pets.zip", how(is_unpacked=True))
    assert caught.value.code == "unsafe-archive"
    assert sorted(os.listdir()) == [".dvc", ".dvcignore", ".git"]


def test_a_folder_is_sent_past_the_cache(lab: Lab, tmp_path: Path):
    (tmp_path / "bucket").mkdir()
    add_remote(str(lab.mine), "mine", str(tmp_path / "bucket"), is_default=True)
    (tmp_path / "run/s").mkdir(parents=True)
    (tmp_path / "run/s/b").write_bytes(b"2\n")
    import_url(lab.project, str(tmp_path / "run"), how(to_remote=True))
    assert not Path("run").exists()
    assert not Path(".dvc/cache/files").exists()
    pull(lab.project)
    assert files(Path("run")) == {"s/b": b"2\n"}


@pytest.mark.parametrize("url", ["gs://b/x", "ssh://h/x", "hdfs://h/x", "ftp://h/x"])
def test_urls_that_are_left_to_dvc(lab: Lab, url: str):
    for act in (partial(import_url, lab.project), get_url, list_url):
        with pytest.raises(Unsupported) as caught:
            act(url)
        assert caught.value.code == "unsupported-url"
        assert "dvc" in caught.value.hint


def test_names_of_every_kind(lab: Lab, tmp_path: Path):
    odd = {"über": b"1\n", "a b": b"2\n", "x\ny": b"3\n", "empty": b""}
    (tmp_path / "run").mkdir()
    for name, data in odd.items():
        (tmp_path / "run" / name).write_bytes(data)
    import_url(lab.project, str(tmp_path / "run"))
    assert files(Path("run")) == odd
    get_url(str(tmp_path / "run"), "copy")
    assert files(Path("copy")) == odd


# -- versions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "url"])
def test_versions_of_a_source(lab: Lab, kind: str):
    """`NAME@VERSION` counts the versions of the source; of a shallow clone the history is fetched for it."""
    lab.publish({"f": b"two\n"}, "v2")
    lab.publish({"d/a": b"three\n"}, "third")
    forget_clones()
    repo = lab.url if kind == "url" else str(lab.registry)
    for text, path, expected in (
        ("f@v1", "f", b"one\n"),
        ("f@2", "f", b"two\n"),
        ("d/a@v1", "d/a", b"1\n"),
        ("d/a@third", "d/a", b"three\n"),
        ("f", "f", b"two\n"),
    ):
        source, found = at_version(open_source(repo), text)
        assert (found, source.read(found)) == (path, expected)
    for text, code in (("f@v9", "no-such-version"), ("nope@v1", "no-such-version")):
        with pytest.raises(NotFound) as caught:
            at_version(open_source(repo), text)
        assert caught.value.code == code
    source, _ = at_version(open_source(repo), "d.dvc@v1")
    assert source.commit == git(lab.registry, "rev-parse", "v1")
