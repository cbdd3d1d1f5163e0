"""Removing, moving, collecting, migrating and destroying: dvc and lab leave the same tree."""

from __future__ import annotations

import pytest

from labops.testing.oracle import Sandbox, contents, dir_object, dos2unix, md5, objects

FILES = {"a": b"1\n", "s/b": b"2\n", "s/c": b"3\n"}
NEXT = {"a": b"1\n", "s/b": b"changed\n"}


def start(s: Sandbox) -> None:
    s.init()
    s.files("d", FILES)
    s.write("f", b"one\n")
    s.write("run.sh", b"#!/bin/sh\n", mode=0o755)
    s.run("add", "d", "f", "run.sh")
    s.commit()


# -- remove ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["--outs"]])
@pytest.mark.parametrize("word", ["remove", "rm"])
def test_remove(twins, flags: list[str], word: str):
    def script(s: Sandbox) -> None:
        start(s)
        s.run(word, *flags, "f.dvc")
        if flags:  # dvc takes the executable bit from a file that it frees
            s.run(word, *flags, "run.sh.dvc")
        s.run(word, *flags, "d.dvc")
        s.see("status", "--json")

    twins(script)


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_remove_frees_what_is_linked(twins, kind: str):
    def script(s: Sandbox) -> None:
        s.init()
        s.run("config", "cache.type", kind)
        s.files("d", FILES)
        s.write("f", b"one\n")
        s.run("add", "d", "f")
        s.run("remove", "f.dvc", "d.dvc")
        assert not (s.repo / "d/a").is_symlink()
        s.append("d/a", b"more\n")
        s.append("f", b"more\n")

    twins(script)


def test_remove_refuses(twins):
    """Data, what is not there, and an import in between: dvc stops at the first, lab before it."""

    def script(s: Sandbox) -> None:
        start(s)
        s.run("remove", "f", ok=False)
        s.run("remove", "d/a", ok=False)
        s.run("remove", "nothing", ok=False)
        s.run("remove", "nothing.dvc", ok=False)

    twins(script)


def test_remove_of_lost_data_and_in_folders(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("sub/g", b"g\n")
        s.write("sub/h", b"h\n")
        s.run("add", "sub/g", "sub/h")
        s.delete("f", "sub/g")
        s.run("remove", "f.dvc")
        s.run("remove", "g.dvc", cwd="sub")
        s.run("remove", "--outs", "sub/h.dvc")

    twins(script)


# -- move -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["move", "mv"])
def test_move(twins, word: str):
    def script(s: Sandbox) -> None:
        start(s)
        (s.repo / "sub/deep").mkdir(parents=True)
        s.run(word, "f", "g")
        s.run(word, "g", "sub")
        s.run(word, "d", "sub/deep/e")
        s.run(word, "run.sh", "sub/go")
        assert s.see("status", "--json") == {}
        s.run(word, "g", "deep", cwd="sub")
        s.run(word, "sub/deep/g", "g")
        s.see("data", "status", "--json", "--granular")

    twins(script)


def test_move_refuses(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("move", "nothing", "x", ok=False)
        s.run("move", "d/a", "x", ok=False)
        s.run("move", "f", "no/such/folder", ok=False)
        s.run("move", "f", "d", ok=False)

    twins(script)


def test_move_records_nothing_new_and_minds_no_absence(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("d/new", b"new\n")
        s.delete("f")
        s.run("move", "d", "e")
        s.run("move", "f", "g")
        assert s.see("status", "--json")["e.dvc"] == [{"changed outs": {"e": "modified"}}]
        s.run("add", "e")  # dvc has stored the new files with the move, and points at the old ones all the same

    twins(script)


def test_move_with_autostage(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("config", "core.autostage", "true")
        s.run("move", "f", "g")
        s.index()

    twins(script)


def test_move_keeps_a_name_of_its_own_and_annotations(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", b"one\n")
        s.write("named.dvc", f"outs:\n- md5: {md5(b'one' + bytes([10]))}\n  size: 4\n  hash: md5\n  path: f\n")
        s.write("g", b"two\n")
        s.write(
            "g.dvc",
            f"outs:\n- md5: {md5(b'two' + bytes([10]))}\n  size: 4\n  hash: md5\n  path: g\n  desc: about\n  type: x\n"
            "meta:\n  who: ada\n",
        )
        s.run("move", "f", "h")
        s.run("move", "g", "i")
        s.run("commit")  # dvc has stored the data with the move

    twins(script)


# -- gc -------------------------------------------------------------------------------------------------

SAFE = ["--grace", "0"]
"""dvc has no grace period."""


def flags(s: Sandbox, *words: str) -> tuple[str, ...]:
    """dvc knows no `--grace`, and needs none."""
    return words if s.tool.endswith("dvc") else (*words, *SAFE)


def gc(s: Sandbox, *words: str, ok: bool = True) -> None:
    s.log.append((" ".join(words), s.run("gc", *flags(s, *words), ok=ok).ok))
    s.log.pop(-2)  # the words differ


def versions(s: Sandbox) -> None:
    """Two versions on `main`, one on `side`, everything in the cache and in the remote."""
    s.init(local_remote=True)
    s.files("d", FILES)
    s.write("f", b"one\n")
    s.run("add", "d", "f")
    s.commit("one")
    s.run("push")
    s.git("checkout", "-q", "-b", "side")
    s.write("f", b"side\n")
    s.run("add", "f")
    s.commit("side")
    s.run("push")
    s.git("checkout", "-q", "main")
    s.run("checkout")
    s.delete("d")
    s.files("d", NEXT)
    s.run("add", "d")
    s.commit("two")
    s.run("push")


def same_objects(s: Sandbox) -> None:
    """What is left in cache and remote becomes part of the comparison; the trash is lab's alone."""
    s.log.append(("cache", sorted(objects(s.repo / ".dvc/cache"))))
    s.log.append(("store", sorted(objects(s.store))))
    s.delete("../store/.lab", "../store/.lab-trash")


@pytest.mark.parametrize(
    "words",
    [
        ("-w",),
        ("-a",),
        ("-a", "-n", "2"),
        ("-A",),
        ("-T",),
        ("-w", "-c"),
        ("-a", "-c"),
        ("--rev", "side"),
        ("--rev", "HEAD", "-n", "2", "-c"),
        ("--date", "2023-12-31"),
        ("--date", "2030-01-01"),
        ("-w", "--not-in-remote"),
    ],
    ids=" ".join,
)
def test_gc(twins, words: tuple[str, ...]):
    def script(s: Sandbox) -> None:
        versions(s)
        s.git("tag", "-a", "-m", "first", "v1", "HEAD~1")
        gc(s, *words, "--dry")
        if words in {("-w",), ("-w", "-c")}:
            gc(s, *words, ok=False)  # nobody is there to say yes; with nothing to remove lab asks nothing
        gc(s, *words, "-f")
        same_objects(s)

    twins(script)


def test_gc_refuses(twins):
    def script(s: Sandbox) -> None:
        versions(s)
        gc(s, "-f", ok=False)
        gc(s, "-w", "-n", "2", "-f", ok=False)
        gc(s, "-w", "-c", "--not-in-remote", "-f", ok=False)
        gc(s, "--rev", "nothing", "-f", ok=False)
        gc(s, "--date", "yesterday", "-f", ok=False)
        gc(s, "-w", "-c", "-r", "nothing", "-f", ok=False)
        same_objects(s)

    twins(script)


def test_gc_of_another_clone(twins):
    def script(s: Sandbox) -> None:
        versions(s)
        clone = s.clone()
        s.run("cache", "dir", "--local", "../repo/.dvc/cache", cwd=clone)
        s.git("checkout", "-q", "side", cwd=clone)
        s.run("checkout", cwd=clone)
        gc(s, "-w", "-p", "../clone", "-f")
        same_objects(s)

    twins(script)


def test_dvc_never_sees_the_trash(box: Sandbox):
    """After gc, and after restore, dvc finds nothing to complain of and nothing to collect."""
    versions(box)
    before = objects(box.store)
    box.run("gc", "-w", "-c", "-f", "--grace", "0")
    assert len(objects(box.store)) < len(before)
    assert list(box.store.glob(".lab-trash/*/files/md5/*/*"))
    said = box.dvc("gc", "-w", "-c", "--dry")
    assert "lab" not in said.out
    assert box.dvc("status", "-c", "--json").json() == {}
    kept = {path for path in box.store.rglob("*") if path.is_file()}
    box.dvc("gc", "-w", "-c", "-f")
    assert {path for path in box.store.rglob("*") if path.is_file()} == kept
    box.run("gc", "-c", "--restore")
    assert objects(box.store) == before
    box.git("checkout", "-q", "side")
    clone = box.clone()
    box.run("remote", "add", "-q", "-d", "--local", "store", "../store", cwd=clone)
    box.dvc("pull", cwd=clone)
    assert contents(clone / "d") == FILES
    assert (clone / "f").read_bytes() == b"side\n"


def test_gc_minds_both_layouts(twins):
    def script(s: Sandbox) -> None:
        versions(s)
        for store in (s.repo / ".dvc/cache", s.store):
            path = store / "ab" / ("0" * 30)
            path.parent.mkdir(parents=True)
            path.write_bytes(b"nobody's\n")
            path.chmod(0o444)
        gc(s, "-A", "-c", "-f")
        s.log.append(("old", [len(list(store.glob("ab/*"))) for store in (s.repo / ".dvc/cache", s.store)]))
        same_objects(s)

    twins(script)


# -- du -------------------------------------------------------------------------------------------------


def test_du(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("sub/g", b"x" * 3000)
        s.write("plain.txt", b"plain\n")
        s.run("add", "sub/g")
        s.append("sub/.gitignore", b"*.log\n")
        s.write("sub/ignored.log", b"12345")
        s.commit()
        for words in ((".",), (".", "d"), (".", "d/s"), (".", "f"), (".", "sub"), ("-s", ".")):
            s.read("du", *words, is_ordered=False)
        s.run("du", ".", "nothing", ok=False)
        s.run("du", "../nothing", ok=False)
        s.delete("d", "f")
        s.read("du", ".", is_ordered=False)  # `du . d` is 0 for dvc now, though the cache has it all
        s.read("du", "--rev", "HEAD~1", ".", is_ordered=False)
        s.run("du", "--rev", "nothing", ".", ok=False)

    twins(script)


# -- destroy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["copy", "symlink"])
def test_destroy(twins, kind: str):
    def script(s: Sandbox) -> None:
        s.init()
        s.run("config", "cache.type", kind)
        s.files("d", FILES)
        s.write("sub/f", b"one\n")
        s.write("dvc.yaml", "stages:\n  x:\n    cmd: echo x > out\n    outs: [out]\n")
        s.run("add", "d", "sub/f")
        s.run("destroy", ok=False)
        assert (s.repo / "d.dvc").exists()
        s.run("destroy", "-f")
        assert not (s.repo / "d/a").is_symlink()

    twins(script)


# -- cache migrate --------------------------------------------------------------------------------------

OLD = {"cat.jpg": b"\0\1\r\n\2" * 40, "notes.txt": b"one\ntwo\n"}
CRLF = b"line1\r\nline2\r\n"


def put(s: Sandbox, data: bytes, oid: str, *stores: str) -> None:
    for store in stores:
        path = s.repo / store / oid[:2] / oid[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)


def legacy(s: Sandbox, files: dict[str, bytes] = OLD) -> None:
    """A repository of DVC 2.x, everything in the cache, in the remote and in the workspace."""
    s.init(remote=True)
    tree, listing = dir_object(files, dos2unix)
    places = (".dvc/cache", "../store")
    put(s, listing, tree, *places)
    for data in (CRLF, *files.values()):
        put(s, data, dos2unix(data), *places)
    size = sum(map(len, files.values()))
    s.write("d.dvc", f"# ours\nouts:\n- md5: {tree}\n  size: {size}\n  nfiles: {len(files)}\n  path: d\n")
    s.write("t.dvc", f"outs:\n- md5: {dos2unix(CRLF)}\n  size: {len(CRLF)}\n  path: t\n")
    s.write(".gitignore", "/d\n/t\n")
    s.commit()
    s.run("checkout")


@pytest.mark.parametrize("words", [(), ("--dvc-files",)], ids=" ".join)
def test_cache_migrate(twins, words: tuple[str, ...]):
    def script(s: Sandbox) -> None:
        legacy(s)
        s.run("cache", "migrate", *words, "--dry")
        s.run("cache", "migrate", *words)
        s.run("cache", "migrate", *words)
        assert s.see("status", "--json") == {}

    twins(script)


def test_cache_migrate_of_a_pipeline(twins):
    def script(s: Sandbox) -> None:
        s.init()
        put(s, CRLF, dos2unix(CRLF), ".dvc/cache")
        s.write("dvc.yaml", "stages:\n  make:\n    cmd: make\n    outs:\n    - t\n")
        out = f"    - path: t\n      md5: {dos2unix(CRLF)}\n      size: {len(CRLF)}\n"
        s.write("dvc.lock", f"schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs:\n{out}")
        s.write(".gitignore", "/t\n")
        s.commit()
        s.run("checkout")
        s.run("cache", "migrate", "--dvc-files")
        assert s.see("status", "--json") == {}

    twins(script)


def test_cache_migrate_with_the_remote(box: Sandbox):
    """Old text files have another name today, so they are uploaded; everything else the store copies."""
    files = {**OLD, "crlf.txt": b"a\r\nb\r\n"}
    legacy(box, files)
    box.run("cache", "migrate", "--dvc-files", "-r", "store")
    tree, _ = dir_object(files)
    assert objects(box.store) == {tree, *map(md5, files.values()), md5(CRLF)}
    assert box.dvc("status", "-c", "--json").json() == {}
    box.commit()
    clone = box.clone()
    box.dvc("pull", cwd=clone)
    assert contents(clone / "d") == files
    assert (clone / "t").read_bytes() == CRLF
    box.delete("../store/files")
    box.run("cache", "migrate", "-r", "store")
    assert objects(box.store) == {tree, *map(md5, files.values()), md5(CRLF)}
