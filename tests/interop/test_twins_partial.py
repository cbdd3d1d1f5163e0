"""A part of a tracked folder: pulled, pushed, checked out, changed without the rest being there."""

from __future__ import annotations

from labops.testing.oracle import Sandbox, check_store, dir_object

FILES = {"a": b"1\n", "s/b": b"2\n", "s/c": b"3\n", "t/d": b"4\n"}


def start(s: Sandbox) -> None:
    s.init(remote=True)
    s.files("d", FILES)
    s.run("add", "d")
    s.commit()
    s.run("push")
    s.delete("d", ".dvc/cache")


def test_partial_pull(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("pull", "d/s")
        assert sorted(p.name for p in (s.repo / "d").rglob("*")) == ["b", "c", "s"]
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.run("pull", "d/a")
        assert (s.repo / "d/a").read_bytes() == b"1\n"
        s.run("fetch", "d/t/d")
        s.run("checkout", "d/t")
        s.see("status", "--json")

    twins(script)


def test_partial_pull_from_inside(twins):
    def script(s: Sandbox) -> None:
        start(s)
        (s.repo / "d").mkdir()
        s.run("pull", "s", cwd="d")
        s.run("pull", "--glob", "d*")

    twins(script)


def test_partial_checkout_keeps_to_its_part(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("pull")
        s.write("d/s/extra", b"1\n")  # content the cache has: may go
        s.write("d/t/extra", b"1\n")  # outside the part: stays
        s.delete("d/s/b", "d/a")
        s.run("checkout", "d/s")
        assert not (s.repo / "d/s/extra").exists()
        assert (s.repo / "d/t/extra").exists()
        assert not (s.repo / "d/a").exists()
        s.write("d/s/mine", b"unsaved")
        s.run("checkout", "d/s", ok=False)
        s.run("checkout", "d/s", "-f")

    twins(script)


def test_virtual_add_of_a_new_file(twins):
    """Only additions: the old size is known, so the new one is too."""

    def script(s: Sandbox) -> None:
        start(s)
        s.write("d/new", b"5\n")
        s.run("add", "d/new")
        oid = dir_object(FILES | {"new": b"5\n"})[0]
        assert s.text("d.dvc") == f"outs:\n- md5: {oid}\n  size: 10\n  nfiles: 5\n  hash: md5\n  path: d\n"
        s.run("push")
        assert not check_store(s.store)
        s.see("data", "status", "--json", "--granular")
        s.run("pull")
        s.see("status", "--json")

    twins(script)


def test_virtual_add_of_a_new_folder(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("d/n/x", b"5\n")
        s.write("d/n/y", b"6\n")
        s.run("add", "d/n")
        s.run("push")
        s.run("pull")
        s.see("status", "--json")
        s.delete(".dvc/cache")  # dvc leaves a tree of the part alone in it

    twins(script)


def test_virtual_modify(twins):
    """Something else than additions: the size is not known any more, and left out."""

    def script(s: Sandbox) -> None:
        start(s)
        s.write("d/s/b", b"changed\n")
        s.run("add", "d/s/b")
        oid = dir_object(FILES | {"s/b": b"changed\n"})[0]
        assert s.text("d.dvc") == f"outs:\n- md5: {oid}\n  nfiles: 4\n  hash: md5\n  path: d\n"
        s.run("push")
        s.run("pull")
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "d")

    twins(script)


def test_virtual_delete(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("pull")
        s.delete("d/s")
        s.run("add", "d/s")
        rest = {name: data for name, data in FILES.items() if not name.startswith("s/")}
        assert dir_object(rest)[0] in s.text("d.dvc")
        s.run("push")
        s.see("status", "--json")

    twins(script)


def test_virtual_add_that_changes_nothing(twins):
    def script(s: Sandbox) -> None:
        start(s)
        before = s.text("d.dvc")
        s.write("d/a", b"1\n")
        s.run("add", "d/a")
        assert s.text("d.dvc") == before

    twins(script)


def test_member_of_a_folder_that_is_there(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("pull")
        s.write("d/new", b"5\n")
        s.write("d/other", b"not named\n")
        s.run("add", "d/new")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "d/other", "d/new")
        s.see("status", "--json")
        s.run("add", "d/nothing", ok=None)

    twins(script)


def test_partial_status(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("pull", "d/s")
        s.see("status", "-c", "--json")
        s.see("data", "status", "--json", "--granular", "--unchanged")
        s.see("data", "status", "--json", "--granular", "--not-in-remote")

    twins(script)
