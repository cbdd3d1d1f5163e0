"""Listing, getting, importing and updating: dvc and lab take the same from other repositories and write the same."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labops.testing.oracle import Sandbox, contents

USER = "../user"
TREE = {"x": b"x\n", "s/y": b"y\n"}


def source(s: Sandbox, *, is_absolute: bool = False) -> None:
    """`repo` with a remote and the tags v1 and v2. By url only an absolute path of a remote makes sense."""
    s.init(remote=not is_absolute)
    if is_absolute:
        s.dvc("remote", "add", "-q", "-d", "store", str(s.store))
    s.files("d", TREE)
    s.write("a.txt", b"one\n")
    s.write("exe", b"#!\n", mode=0o755)
    s.dvc("add", "-q", "d", "a.txt", "exe")
    s.write("README", b"about\n")
    s.write("code/run.py", b"print()\n", mode=0o755)
    (s.repo / "link").symlink_to("README")
    s.commit("one")
    s.git("tag", "-m", "first", "v1")
    s.dvc("push", "-q")
    s.write("a.txt", b"two\n")
    s.write("d/z", b"z\n")
    s.dvc("add", "-q", "d", "a.txt")
    s.dvc("push", "-q")
    s.commit("two")
    s.git("tag", "v2")


def user(s: Sandbox, *, remote: bool = False) -> None:
    """A second project beside the source."""
    (s.world / "user").mkdir()
    s.git("init", "-q", "-b", "main", cwd=USER)
    s.dvc("init", "-q", cwd=USER)
    if remote:
        s.dvc("remote", "add", "-q", "-d", "mine", "../mine", cwd=USER)
    s.commit("start", cwd=USER)


def pointers(s: Sandbox) -> None:
    """The exact text of every pointer and ignore file of the user's project."""
    for path in sorted((s.world / "user").rglob("*.dvc")) + sorted((s.world / "user").rglob(".gitignore")):
        if path.is_file():
            s.log.append((str(path.relative_to(s.world)), path.read_text()))


def test_list(twins):
    def script(s: Sandbox) -> None:
        source(s)
        s.write("untracked", b"u\n")
        s.write("a.txt", b"changed\n")
        for words in (
            [],
            ["-R"],
            ["--dvc-only"],
            ["-R", "--dvc-only"],
            ["--rev", "v1"],
            ["--rev", "v1", "-R"],
            ["-T"],
            ["-T", "-L", "1"],
            ["-R", "-L", "1"],
            ["-R", "-L", "2"],
            ["-T", "--rev", "v2"],
        ):
            s.read("list", ".", *words)
            s.read("list", "repo", *words, cwd="..")
        for path in ("d", "d/s", "a.txt", "code", "README"):
            s.read("list", ".", path)
            s.read("list", ".", path, "-R", "--rev", "v1")
        s.see("list", ".", "-R", "--json")
        s.see("list", ".", "d", "-R", "--json", "--rev", "v1")  # of 'exe' at a commit dvc forgets the exec bit
        s.see("list", ".", "a.txt", "--json", "--rev", "v1")
        s.read("ls", ".", "code", "--size", "--show-hash")
        s.run("list", ".", "nope", ok=False)
        s.run("list", ".", "--rev", "nope", ok=False)
        s.run("list", "../nowhere", ok=False)
        s.run("list", ".", "-T", "--json", ok=False)

    twins(script)


def test_list_a_clone(twins):
    """By url: what the last commit holds, and nothing of the working folder."""

    def script(s: Sandbox) -> None:
        source(s, is_absolute=True)
        s.write("untracked", b"u\n")
        said = []
        for words in ([], ["-R"], ["--rev", "v1", "-R", "--dvc-only"], ["d", "-R"]):
            said.append(s.run("list", s.repo.as_uri(), *words).out)
        s.log[:] = [("listings", said)]
        s.delete(".dvc/config", ".git")  # they hold an absolute path

    twins(script)


def test_get(twins):
    def script(s: Sandbox) -> None:
        source(s)
        (s.world / "out").mkdir()
        get = partial(s.run, "get", cwd="../out")
        get("../repo", "a.txt")
        get("../repo", "a.txt", ok=False)
        get("../repo", "a.txt", "--rev", "v1", "-f")
        get("../repo", "a.txt", "-o", "new/deep/name")
        get("../repo", "d")
        get("../repo", "d", "-o", "new")
        get("../repo", "d", "-o", "new", ok=False)
        get("../repo", "d", "-o", "d1", "--rev", "v1")
        get("../repo", "d/s", "-o", "part")
        get("../repo", "d/s/y")
        get("../repo", "README")
        get("../repo", "link", "--rev", "v1")
        get("../repo", "nope", ok=False)
        get("../repo", "d/nope", ok=False)
        get("../repo", "a.txt.dvc", ok=False)
        get("../repo", "a.txt", "-o", "x", "--rev", "nope", ok=False)
        get("../nowhere", "a.txt", "-o", "x", ok=False)
        s.delete("d")
        s.forget_cache()
        get("../repo", "d", "-o", "from-remote")
        s.read("get", "../repo", "a.txt", "--show-url", cwd="../out")
        s.read("get", "../repo", "d/x", "--show-url", "--rev", "v1", cwd="../out")
        s.run("get", "../repo", "README", "--show-url", cwd="../out", ok=False)

    twins(script)


def test_import_and_update(twins):
    def script(s: Sandbox) -> None:
        source(s)
        user(s)
        run = partial(s.run, cwd=USER)
        run("import", "../repo", "d")
        run("import", "../repo", "a.txt", "--rev", "v1")
        run("import", "../repo", "a.txt", "--rev", "v1", "-o", "one.txt")
        (s.world / "user/k").mkdir()
        run("import", "../repo", "d/s", "-o", "k")
        run("import", "../repo", "d/x", "-o", "k/x1")
        run("import", "../repo", "README")
        run("import", "../repo", "code", "-o", "code2")
        run("import", "../repo", "code/run.py")
        run("import", "../repo", "exe")
        run("import", "../repo", ".", "-o", "all", "--rev", "v2")  # without --rev dvc takes the working folder
        run("import", "../repo", "d", "-o", "empty", "--no-download")
        run("import", "../repo", "d", "-o", "planned", "--no-exec")
        run("import", "../repo", "d", ok=False)
        run("import", "../repo", "d", "-f")
        run("import", "../repo", "d", "-o", "../outside", ok=False)
        run("import", "../repo", "d", "-o", "nodir/x", ok=False)
        run("import", "../repo", "nope", ok=False)
        run("import", "../repo", "a.txt", "-o", "b", "--rev", "nope", ok=False)
        run("import", "../repo", "a.txt", "-o", "b", "--no-exec", "--no-download", ok=False)
        run("import", "../repo", "a.txt", "-o", "c1", "--remote", "store")
        run("import", "../repo", "a.txt", "-o", "c2", "--remote-config", "jobs=3")
        run("import", "../repo", "a.txt", "-o", "c4", "--remote", "store", "--remote-config", "nope=1", ok=False)
        pointers(s)
        s.commit("imports", cwd=USER)
        run("update", "a.txt")
        run("update", "one.txt", "--rev", "v2")
        run("update", "one.txt", "--rev", "v2")
        run("update", "one.txt", "--rev", "nope", ok=False)
        run("update", "c1", "--no-download")
        run("update", "README", "--to-remote", ok=False)
        run("update", "README", "-r", "x", ok=False)
        run("update", "nope", ok=False)
        run("update", "empty", "planned")
        run("update", "-R", "k")
        run("update", "d.dvc", "--rev", "v1")
        pointers(s)
        s.write("a.txt", b"three\n")
        s.dvc("add", "-q", "a.txt")
        s.dvc("push", "-q")
        s.commit("three")
        run("update", "c2", "d.dvc")
        pointers(s)
        s.see("status", "--json", "--no-updates", cwd=USER)
        run("freeze", "nope", ok=False)
        run("unfreeze", "d.dvc", "one.txt.dvc")
        pointers(s)
        run("freeze", "d.dvc")
        pointers(s)

    twins(script)


def test_imports_are_fetched_from_their_source(twins):
    """A clone of a project with imports pulls them from where they came, at the commit they came from."""

    def script(s: Sandbox) -> None:
        source(s)
        user(s)
        for words in (["d", "--rev", "v1"], ["a.txt"], ["code"], ["d/s", "-o", "part"], ["README"]):
            s.dvc("import", "-q", "../repo", *words, cwd=USER)
        s.commit("imports", cwd=USER)
        s.write("a.txt", b"later\n")
        s.dvc("add", "-q", "a.txt")
        s.dvc("push", "-q")
        s.commit("later")
        s.clone("again", source="user")
        s.run("fetch", cwd="../again")
        s.run("pull", cwd="../again")
        s.see("status", "--json", "--no-updates", cwd="../again")

    twins(script)


@pytest.mark.safer
def test_a_part_of_an_import(box):
    """One file of an imported folder is fetched and placed alone; dvc fails on this."""
    source(box)
    user(box)
    box.dvc("import", "-q", "../repo", "d", cwd=USER)
    box.commit("imports", cwd=USER)
    box.clone("part", source="user")
    box.run("pull", "d/x", cwd="../part")
    assert contents(box.world / "part/d") == {"x": b"x\n"}


def test_lab_pulls_what_dvc_imported_by_url(box):
    """An import by url, pulled by the other tool, both ways."""
    source(box, is_absolute=True)
    user(box)
    box.dvc("import", "-q", box.repo.as_uri(), "d", cwd=USER)
    box.run("import", box.repo.as_uri(), "a.txt", "--rev", "v1", cwd=USER)
    box.commit("imports", cwd=USER)
    box.delete("d")
    box.forget_cache()
    for name, tool in (("ours", box.run), ("theirs", box.dvc)):
        box.clone(name, source="user")
        tool("pull", cwd=f"../{name}")
        assert (box.world / name / "d/z").read_bytes() == b"z\n"
        assert (box.world / name / "a.txt").read_bytes() == b"one\n"


# -- urls ---------------------------------------------------------------------------------------------


class _Handler(SimpleHTTPRequestHandler):
    """Files with an ETag, as a real server gives them."""

    protocol_version = "HTTP/1.1"

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return None
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return io.BytesIO(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the url under which it is served."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_import_url(twins, web):
    folder, url = web

    def script(s: Sandbox) -> None:
        (folder / "w.txt").write_bytes(b"web\n")
        user(s, remote=True)
        run = partial(s.run, cwd=USER)
        s.files("../ext", {"e1": b"1\n", "sub/e2": b"2\n"})
        s.write("../extfile", b"f\n")
        run("import-url", "../extfile")
        run("import-url", "../ext")
        run("import-url", f"{url}/w.txt")
        run("import-url", f"{url}/none.txt", ok=False)
        run("import-url", "../extfile", "empty", "--no-download")
        run("import-url", f"{url}/w.txt", "empty2", "--no-download")
        run("import-url", "../extfile", "planned", "--no-exec")
        run("import-url", "../extfile", "sent", "--to-remote")
        run("import-url", "../ext", "sent2", "--to-remote")
        run("import-url", f"{url}/w.txt", "sent3", "--to-remote")
        s.write("../user/loc", b"local\n")
        run("import-url", "loc", "loc2")
        (s.world / "user/s").mkdir()
        run("import-url", "loc", "s/loc3")
        run("import-url", "../nosuch", ok=False)
        run("import-url", "../extfile", ok=False)
        run("import-url", "../extfile", "-f")
        s.dvc("remote", "add", "-q", "other", "../ext", cwd=USER)
        run("import-url", "remote://other/sub", "fromremote")
        run("import-url", "remote://nope/files", "x", ok=False)
        run("import-url", "../extfile", "x", "--to-remote", "--no-exec", ok=False)
        run("import-url", "../extfile", "x", "-r", "mine", ok=False)
        pointers(s)
        run("update", "extfile.dvc")
        s.append("../extfile", b"more\n")
        run("update", "extfile.dvc")
        run("update", "empty")
        (folder / "w.txt").write_bytes(b"web two\n")
        run("update", "w.txt")
        s.write("../ext/e3", b"3\n")
        run("update", "ext", "--no-download")
        s.delete("../user/ext")  # dvc deletes the data of the version before, lab keeps it
        run("update", "sent2.dvc")
        run("update", "-R", "s")
        pointers(s)

    twins(script)


def test_get_and_list_url(twins, web):
    folder, url = web
    (folder / "w.txt").write_bytes(b"web\n")

    def script(s: Sandbox) -> None:
        s.files("../ext", {"e1": b"1\n", "sub/e2": b"2\n"})
        s.write("../one", b"1\n")
        (s.world / "out").mkdir()
        run = partial(s.run, cwd="../out")
        run("get-url", "../ext")
        run("get-url", "../ext", ok=False)
        run("get-url", "../one", "deep/name")
        run("get-url", "../one", "deep/name", "-f")
        run("get-url", "../one", "deep")
        run("get-url", f"{url}/w.txt")
        run("get-url", f"{url}/nope", ok=False)
        run("get-url", "../nope", ok=False)
        for words in (["../ext"], ["../ext", "-R"], ["../ext", "-R", "-L", "1"]):
            s.read("list-url", *words, cwd="../out")
            s.read("ls-url", *words, cwd="../out")
        run("list-url", "../nope", ok=False)

    twins(script)


# -- artifacts ----------------------------------------------------------------------------------------


def test_artifacts_get(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("dvc.yaml", "artifacts:\n  pet:\n    path: model.bin\n    type: model\n")
        for number in ("1.0.0", "1.10.0", "1.2.0"):
            s.write("model.bin", number)
            s.dvc("add", "-q", "model.bin")
            s.dvc("push", "-q")
            s.commit(number)
            s.git("tag", "-m", number, f"pet@v{number}")
        s.git("tag", "-m", "stage", "pet#prod#1", "pet@v1.0.0^{commit}")
        s.git("tag", "-m", "stage", "pet#prod#2", "pet@v1.2.0^{commit}")
        s.git("tag", "pet@v9.0.0")  # not annotated: GTO made it not
        (s.world / "out").mkdir()
        run = partial(s.run, "artifacts", "get", cwd="../out")
        run("../repo", "pet")
        run("../repo", "pet", "-o", "old", "--rev", "v1.0.0")
        run("../repo", "pet", "-o", "prod", "--stage", "prod")
        run("../repo", "pet", "-o", "x", "--rev", "v3.0.0", ok=False)
        run("../repo", "nope", "-o", "x", ok=False)
        run("../repo", "pet", "-o", "x", "--rev", "v1.0.0", "--stage", "prod", ok=False)

    twins(script)
