"""Repositories of DVC 2.x: no `hash: md5`, `xx/` at the root of cache and remote, dos2unix md5s."""

from __future__ import annotations

from pathlib import Path

import pytest

from labops.testing.oracle import Sandbox, dir_object, dos2unix, md5

CRLF = b"line1\r\nline2\r\n"
BINARY = b"\0\1\r\n\2" * 40
FOLDER = {"notes.txt": b"other\r\nlines\r\n", "cat.jpg": BINARY, "sub/lf.txt": b"one\ntwo\n"}


def test_hashes_of_the_fixture():
    """The fixture's own arithmetic, against the literals of the specification."""
    assert dos2unix(CRLF) == "4fcc82a88ee38e0aa16c17f512c685c9"
    assert md5(CRLF) == "c6242222cf6ccdb15a43e0e5b1a08810"
    assert dos2unix(BINARY) == md5(BINARY)


def put(store: Path, oid: str, data: bytes) -> None:
    path = store / oid[:2] / oid[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o444)


def legacy(s: Sandbox) -> None:
    """The article's kind of repository: everything is in the remote, nothing here."""
    s.init(remote=True)
    tree, listing = dir_object(FOLDER, dos2unix)
    put(s.store, tree, listing)
    for data in (CRLF, *FOLDER.values()):
        put(s.store, dos2unix(data), data)
    size = sum(map(len, FOLDER.values()))
    s.write("dog_and_cat.dvc", f"outs:\n- md5: {tree}\n  size: {size}\n  nfiles: 3\n  path: dog_and_cat\n")
    s.write("readme.txt.dvc", f"outs:\n- md5: {dos2unix(CRLF)}\n  size: {len(CRLF)}\n  path: readme.txt\n")
    s.write(".gitignore", "/dog_and_cat\n/readme.txt\n")
    s.commit()


def test_pull_and_report(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.see("status", "--json")
        s.see("status", "-c", "--json")
        s.run("pull")
        assert (s.repo / "readme.txt").read_bytes() == CRLF
        assert (s.repo / "dog_and_cat/cat.jpg").read_bytes() == BINARY
        assert (s.repo / ".dvc/cache/4f/cc82a88ee38e0aa16c17f512c685c9").read_bytes() == CRLF
        assert s.see("status", "--json") == {}
        assert s.see("status", "-c", "--json") == {}
        s.see("data", "status", "--json", "--granular", "--unchanged")
        s.delete("readme.txt", "dog_and_cat/sub")
        s.see("status", "--json")
        s.run("checkout")
        assert s.see("status", "--json") == {}
        s.delete(".dvc/cache/e3")  # dvc leaves a tree of what `status` saw in it

    twins(script)


def test_push_keeps_the_layout(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull")
        s.run("remote", "add", "second", "../second")
        s.run("push", "-r", "second")
        assert (s.world / "second/4f/cc82a88ee38e0aa16c17f512c685c9").exists()
        assert not (s.world / "second/files").exists()
        s.write("new", "1\n")
        s.run("add", "new")
        s.run("push", "-r", "second")
        assert (s.world / "second/files/md5/b0/26324c6904b2a9cb4b88d6d61c81d1").exists()
        s.see("status", "-c", "-r", "second", "--json")

    twins(script)


def test_unchanged_stays_legacy(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull")
        before = s.text("dog_and_cat.dvc"), s.text("readme.txt.dvc")
        s.run("add", "dog_and_cat", "readme.txt")
        s.run("commit")
        s.run("commit", "-f")
        # line ends alone are no change under the old hash
        s.write("readme.txt", CRLF.replace(b"\r\n", b"\n"))
        assert s.see("status", "--json") == {}
        assert (s.text("dog_and_cat.dvc"), s.text("readme.txt.dvc")) == before

    twins(script)


def test_changed_is_upgraded(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull")
        s.write("dog_and_cat/new.jpg", b"\0new")
        s.write("readme.txt", CRLF + b"3\r\n")
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "dog_and_cat", "readme.txt")
        assert dir_object(FOLDER | {"new.jpg": b"\0new"})[0] in s.text("dog_and_cat.dvc")
        assert "  hash: md5\n" in s.text("dog_and_cat.dvc")
        assert md5(CRLF + b"3\r\n") in s.text("readme.txt.dvc")
        s.run("push")
        assert s.see("status", "--json") == {}
        s.see("status", "-c", "--json")
        s.delete("dog_and_cat", "readme.txt", ".dvc/cache")
        s.run("pull")
        assert s.see("status", "--json") == {}

    twins(script)


def test_commit_upgrades_too(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull")
        s.write("readme.txt", b"other\r\n")
        s.run("commit", "-f", "readme.txt.dvc")
        assert s.see("status", "--json") == {}

    twins(script)


def test_hash_kinds_are_never_mixed(twins):
    """A file is not added into a folder whose tree lists the other kind of hash."""

    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull")
        before = s.text("dog_and_cat.dvc")
        s.write("dog_and_cat/new.txt", b"x\r\n")
        s.run("add", "dog_and_cat/new.txt", ok=False)
        assert s.text("dog_and_cat.dvc") == before
        s.delete(".dvc/cache")  # dvc leaves a tree of mixed hashes in it

    twins(script)


def test_partial_pull(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("pull", "dog_and_cat/sub")
        assert not (s.repo / "dog_and_cat/cat.jpg").exists()
        assert (s.repo / "dog_and_cat/sub/lf.txt").exists()
        s.see("status", "--json")

    twins(script)


def test_old_and_new_side_by_side(twins):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.write("new.txt", CRLF)
        s.run("add", "new.txt")
        assert md5(CRLF) in s.text("new.txt.dvc")
        s.run("pull")
        s.run("push")
        s.see("status", "-c", "--json")
        s.see("status", "--json")
        s.delete("new.txt", "readme.txt", "dog_and_cat", ".dvc/cache")
        s.run("fetch")
        s.run("checkout")
        assert s.see("status", "--json") == {}

    twins(script)


@pytest.mark.parametrize(("pusher", "puller"), [("lab", "dvc"), ("dvc", "lab")])
def test_both_ways(box: Sandbox, pusher: str, puller: str):
    """The 2.x half of the article: one tool moves old data to a new store, the other pulls it there."""

    def by(who: str, *args: str, **options):
        return box.dvc(*args, **options) if who == "dvc" else box.run(*args, **options)

    legacy(box)
    by(pusher, "pull")
    by(pusher, "remote", "add", "-f", "-d", "store", "../moved")
    by(pusher, "push")
    box.commit()
    clone = box.clone()
    by(puller, "pull", cwd=clone)
    assert (clone / "dog_and_cat/notes.txt").read_bytes() == FOLDER["notes.txt"]
    assert box.dvc("status", "--json", cwd=clone).json() == box.run("status", "--json", cwd=clone).json() == {}
