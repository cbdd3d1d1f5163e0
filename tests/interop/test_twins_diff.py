"""`diff` between commits and the workspace: dvc and lab say the same, as JSON, as text and as Markdown."""

from __future__ import annotations

import pytest

from labops.testing.oracle import Sandbox

ONE, TWO, THREE, FOUR = b"1\n", b"2\n", b"3\n", b"4\n"
TREE = {"a": ONE, "s/b": TWO, "s/c": THREE}


def _history(s: Sandbox) -> None:
    """Three commits: a folder and a file; both changed, with a rename; the file gone and another one new."""
    s.init(remote=True)
    s.files("d", TREE)
    s.write("f", ONE)
    s.run("add", "d", "f")
    s.commit("one")
    s.write("d/s/new", TWO)
    s.delete("d/s/b")
    s.write("d/a", FOUR)
    s.write("d/more", b"more\n")
    s.write("f", THREE)
    s.run("add", "d", "f")
    s.commit("two")
    s.delete("f", "f.dvc")
    s.delete("d/s/c")
    s.write("g", FOUR)
    s.run("add", "d", "g")
    s.commit("three")
    s.git("tag", "last")


def test_commits(twins):
    """Two revisions in every form that names one, and every form of the answer."""

    def script(s: Sandbox) -> None:
        _history(s)
        for revs in (
            ("HEAD~2", "HEAD~1"),
            ("HEAD~2", "HEAD"),
            ("HEAD", "HEAD~2"),
            ("HEAD~1", "last"),
            ("main", "last"),
        ):
            for flags in ((), ("--show-hash",), ("--hide-missing",)):
                s.see("diff", "--json", *flags, *revs)
            s.read("diff", "--show-hash", *revs)
            s.read("diff", *revs)
            s.read("diff", "--md", "--show-hash", *revs)
            s.read("diff", "--md", *revs)
        s.run("diff", "no-such-rev", ok=False)
        s.run("diff", "HEAD", "no-such-rev", ok=False)

    twins(script)


def test_workspace(twins):
    """HEAD or an older commit against what lies here, and what the cache lacks."""

    def script(s: Sandbox) -> None:
        _history(s)
        assert s.see("diff", "--json") == {}
        s.read("diff")
        s.see("diff", "--json", "HEAD~2")
        s.write("d/more", b"changed\n")
        s.write("d/extra", b"extra\n")
        s.delete("d/s/new", "g")
        s.see("diff", "--json")
        s.see("diff", "--json", "--show-hash")
        s.read("diff")
        s.see("diff", "--json", "HEAD~1")
        s.run("add", "d")
        s.see("diff", "--json", "HEAD")
        s.run("push")
        s.delete(".dvc/cache")
        s.run("fetch", "g.dvc", ok=None)
        s.see("diff", "--json", "--hide-missing")

    twins(script)


def test_missing_from_the_cache(twins):
    """What a commit has and the cache lacks is a section of its own, against the workspace only."""

    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.run("add", "d", "f")
        s.commit()
        s.delete(".dvc/cache/files/md5/b0")  # the object of "1\n"
        said = s.see("diff", "--json")
        assert [row["path"] for row in said["not in cache"]] == ["d/a", "f"]
        s.read("diff")
        s.read("diff", "--hide-missing")
        s.see("diff", "--json", "--hide-missing")
        s.read("diff", "--md")
        s.commit("same data")
        s.see("diff", "--json", "HEAD~1", "HEAD")

    twins(script)


@pytest.mark.parametrize("target", ["d", "d.dvc", "d/s", "d/a", "f", "g", "d/nothing"])
def test_targets(twins, target):
    """Only what is asked for, whether one side or both have it."""

    def script(s: Sandbox) -> None:
        _history(s)
        s.see("diff", "--json", "HEAD~2", "HEAD", "--targets", target)
        s.see("diff", "--json", "HEAD~2", "--targets", target, "--show-hash")

    twins(script)


def test_several_targets_and_unknown_ones(twins):
    def script(s: Sandbox) -> None:
        _history(s)
        s.see("diff", "--json", "HEAD~2", "HEAD", "--targets", "d/a", "f")
        s.see("diff", "--targets", "d/a", "f", "--json", "HEAD~2", ok=None)
        s.run("diff", "HEAD~2", "HEAD", "--targets", "nope", ok=False)
        s.see("diff", "--json", "HEAD~2", "HEAD", "--targets", "s/b", "--hide-missing", cwd="d")

    twins(script)


def test_without_commits(twins):
    def script(s: Sandbox) -> None:
        s.init()
        assert s.see("diff", "--json") == {}
        s.write("f", ONE)
        s.run("add", "f")
        assert s.see("diff", "--json") == {}

    twins(script)


def test_kinds_change(twins):
    """A file becomes a folder, a folder a file; whole outputs are renamed; git's own files do not count."""

    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.write("plain", TWO)
        s.run("add", "d", "f")
        s.commit()
        s.git("mv", "d.dvc", "e.dvc")
        s.write("e.dvc", s.text("e.dvc").replace("path: d", "path: e"))
        (s.repo / "d").rename(s.repo / "e")
        s.delete("f", "f.dvc")
        s.files("f", {"x": THREE})
        s.run("add", "f")
        s.commit()
        s.see("diff", "--json", "HEAD~1", "HEAD", "--show-hash")
        s.see("diff", "--json", "HEAD", "HEAD~1", "--show-hash")
        s.see("diff", "--json", "HEAD~1", "--hide-missing")

    twins(script)


def test_stages(twins):
    """What pipelines make is data too."""

    def script(s: Sandbox) -> None:
        s.init()
        s.write(
            "dvc.yaml",
            "stages:\n  make:\n    cmd: python3 make.py\n    outs:\n    - made\n    - small:\n        cache: false\n",
        )
        s.write("make.py", "open('made', 'w').write('1\\n'); open('small', 'w').write('1\\n')\n")
        s.dvc("repro", "-q")
        s.commit()
        s.write("make.py", "open('made', 'w').write('2\\n'); open('small', 'w').write('2\\n')\n")
        s.dvc("repro", "-q", "-f")
        s.see("diff", "--json")
        s.commit()
        s.see("diff", "--json", "HEAD~1", "HEAD")

    twins(script)


def test_a_project_in_a_sub_folder(twins):
    def script(s: Sandbox) -> None:
        s.git("init", "-q", "-b", "main")
        (s.repo / "sub").mkdir()
        s.run("init", "-q", "--subdir", cwd="sub")
        s.files("sub/d", TREE)
        s.run("add", "d", cwd="sub")
        s.commit()
        s.write("sub/d/a", FOUR)
        s.run("add", "d", cwd="sub")
        s.commit()
        s.see("diff", "--json", "HEAD~1", "HEAD", cwd="sub")
        s.see("diff", "--json", "HEAD~1", cwd="sub")

    twins(script)


def test_dvc_knows_what_to_do_with_a_version(box):
    """A version in the workspace is a change to dvc, which takes it back or records it; what lies beside is nothing."""
    _history(box)
    box.run("push")
    box.run("pull", "d@v1")
    assert box.dvc("status", "--json").json() == {"d.dvc": [{"changed outs": {"d": "modified"}}]}
    assert (box.repo / "d/s/b").read_bytes() == TWO
    box.dvc("checkout", "d")
    assert not (box.repo / "d/s/b").exists()
    box.run("pull", "d@v1", "-o", "beside")
    assert box.dvc("status", "--json").json() == {}
    box.run("pull", "d@v2")
    box.dvc("add", "d")
    assert box.run("log", "d", "--json").json()[1]["md5"] in box.text("d.dvc")
