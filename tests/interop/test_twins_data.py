"""Adding, committing, checking out and reporting: dvc and lab leave the same tree and say the same JSON."""

from __future__ import annotations

import os

import pytest

from labops.testing.oracle import Sandbox, dir_object, md5

ONE, TWO, THREE = b"1\n", b"2\n", b"3\n"
MD5 = {
    ONE: "b026324c6904b2a9cb4b88d6d61c81d1",
    TWO: "26ab0db90d72e28ad0ba1e22ee510510",
    THREE: "6d7fce9fee471194aa8b5b6e47267f03",
    b"": "d41d8cd98f00b204e9800998ecf8427e",
}
TREE = {"a": ONE, "s/b": TWO}


def test_literal_pointer_files(twins):
    """The exact text of `.dvc` files, against literals."""

    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", ONE)
        s.files("d", TREE)
        s.write("run.sh", THREE, mode=0o755)
        (s.repo / "empty").mkdir()
        s.write("zero", b"")
        s.run("add", "f", "d", "run.sh", "empty", "zero")
        assert s.text("f.dvc") == f"outs:\n- md5: {MD5[ONE]}\n  size: 2\n  hash: md5\n  path: f\n"
        assert s.text("d.dvc") == (
            "outs:\n- md5: 2f83d11e62144c050f1158231deb8507.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d\n"
        )
        assert s.text("run.sh.dvc") == (
            f"outs:\n- md5: {MD5[THREE]}\n  size: 2\n  isexec: true\n  hash: md5\n  path: run.sh\n"
        )
        assert s.text("empty.dvc") == (
            "outs:\n- md5: d751713988987e9331980363e24189ce.dir\n  size: 0\n  nfiles: 0\n  hash: md5\n  path: empty\n"
        )
        assert s.text("zero.dvc") == f"outs:\n- md5: {MD5[b'']}\n  size: 0\n  hash: md5\n  path: zero\n"
        assert s.text(".gitignore") == "/f\n/d\n/run.sh\n/empty\n/zero\n"
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")

    twins(script)


def test_folder_life(twins):
    """A folder grows, shrinks, changes; every state is reported alike."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.commit()
        s.files("d", TREE)
        s.see("data", "status", "--json", "--untracked-files")
        s.run("add", "d")
        s.see("data", "status", "--json", "--granular")
        s.commit()
        s.see("data", "status", "--json", "--unchanged", "--granular")
        s.write("d/new/deep", THREE)
        s.write("d/a", b"changed\n")
        s.delete("d/s/b")
        assert s.see("status", "--json") == {"d.dvc": [{"changed outs": {"d": "modified"}}]}
        said = s.see("data", "status", "--json", "--granular")
        assert said["uncommitted"]["modified"] == ["d/", "d/a"]
        s.see("data", "status", "--json")
        s.run("add", "d")
        s.see("data", "status", "--json", "--granular")
        s.see("data", "status", "--json", "--granular", "--not-in-remote")
        s.run("push")
        assert s.see("data", "status", "--json", "--not-in-remote", "--granular").get("not_in_remote") is None
        s.delete("d")
        assert s.see("status", "--json") == {"d.dvc": [{"changed outs": {"d": "deleted"}}]}
        s.see("data", "status", "--json", "--granular")
        s.run("checkout", "d.dvc")
        s.delete(".dvc/cache")
        assert s.see("status", "--json") == {"d.dvc": [{"changed outs": {"d": "not in cache"}}]}
        s.see("data", "status", "--json")  # with --granular dvc's own index knows trees that are nowhere any more
        s.run("pull")
        s.commit()
        s.git("checkout", "-q", "HEAD~1")
        s.run("checkout", "d", ok=False)
        s.run("pull", ok=False)
        s.delete("d")  # dvc has taken the good files away, with nothing to put in their place (trap 3)

    twins(script)


def test_listings_are_read_from_the_remote(twins):
    """After `git pull` and before `pull`, single files are reported; where nobody has the listing, unknown ones."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.files("d", TREE)
        s.run("add", "d")
        s.commit()
        s.run("push")
        clone = s.clone()
        s.see("data", "status", "--json", "--granular", "--unchanged", cwd=clone)
        s.run("pull", cwd=clone)
        s.write("d/c", THREE)
        s.delete("d/a")
        s.run("add", "d")
        s.commit()
        s.run("push")
        s.git("pull", "-q", "../repo", "main", cwd=clone)
        s.see("data", "status", "--json", "--granular", "--unchanged", cwd=clone)
        s.see("data", "status", "--json", "--granular", "d/c", cwd=clone)
        s.see("data", "status", "--json", "--granular", "--untracked-files=all", "d/c", cwd=clone)
        (s.store).rename(s.world / "elsewhere")
        other = s.clone("other")
        s.see("data", "status", "--json", "--granular", "--unchanged", cwd=other)
        s.write("../other/d/x", ONE)
        s.see("data", "status", "--json", "--granular", "--unchanged", cwd=other)

    twins(script)


def test_committed_changes_of_targets(twins):
    """Targets that only the last commit knows, or that are new, are told apart."""

    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.run("add", "d", "f")
        s.commit()
        s.delete("f", "f.dvc")
        s.write("g", THREE)
        s.run("add", "g")
        for target in ("f", "g", "d", "d/a"):
            s.see("data", "status", "--json", "--granular", "--unchanged", target)
        s.write("plain", TWO)
        (s.repo / "sub").mkdir()
        s.see("data", "status", "--json", "--untracked-files", cwd="sub")

    twins(script)


def test_unsaved_work_blocks_checkout(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.run("add", "d", "f")
        s.commit()
        s.write("f", b"precious")
        s.write("d/extra", b"also precious")
        s.run("checkout", ok=False)
        assert (s.repo / "f").read_bytes() == b"precious"
        assert (s.repo / "d/extra").read_bytes() == b"also precious"
        s.run("checkout", "f.dvc", ok=False)
        s.run("checkout", "--force", "f.dvc")
        assert (s.repo / "f").read_bytes() == ONE
        s.run("checkout", "-f")
        assert not (s.repo / "d/extra").exists()
        # content that the cache holds is replaced without a question
        s.write("f", TWO)
        s.run("checkout")
        assert (s.repo / "f").read_bytes() == ONE

    twins(script)


def test_checkout_summary_lines(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.run("add", "d", "f")
        s.read("checkout", "--summary")
        s.delete("d", "f")
        s.read("checkout", "--summary")
        s.delete("d/a")
        s.write("f", TWO)
        s.read("checkout", "--summary")

    twins(script)


def test_executable_file_round_trip(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("run.sh", b"#!/bin/sh\necho hi\n", mode=0o755)
        s.run("add", "run.sh")
        s.delete("run.sh")
        s.run("checkout")
        assert os.access(s.repo / "run.sh", os.X_OK)
        (s.repo / "run.sh").chmod(0o644)
        s.see("status", "--json")
        s.run("checkout")
        assert os.access(s.repo / "run.sh", os.X_OK), "only the bit was lost"
        s.see("status", "--json")

    twins(script)


def test_no_commit_then_commit(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", ONE)
        s.run("add", "--no-commit", "d", "f")
        assert not (s.repo / ".dvc/cache/files").exists() or not any((s.repo / ".dvc/cache/files").rglob("??/*"))
        assert s.see("status", "--json") == {
            "d.dvc": [{"changed outs": {"d": "not in cache"}}],
            "f.dvc": [{"changed outs": {"f": "not in cache"}}],
        }
        s.run("commit")
        assert s.see("status", "--json") == {}
        s.write("f", TWO)
        s.run("commit", ok=False)
        s.run("commit", "-f", "f.dvc")
        assert MD5[TWO] in s.text("f.dvc")
        s.write("d/c", THREE)
        s.run("commit", "-f")
        assert dir_object(TREE | {"c": THREE})[0] in s.text("d.dvc")
        assert s.see("status", "--json") == {}

    twins(script)


def test_glob(twins):
    def script(s: Sandbox) -> None:
        s.init()
        for name in ("x", "x/y", "x/y/z"):  # one match in each folder: dvc adds them in no order
            s.write(f"{name}/part.csv", name)
        s.write("x/other.txt", "t")
        s.run("add", "--glob", "x/*.csv")
        s.run("add", "--glob", "x/**/*.csv")
        s.run("add", "--glob", "nothing*", ok=False)
        s.run("add", "x/part*.csv", ok=False)

    twins(script)


def test_out(twins):
    def script(s: Sandbox) -> None:
        s.init()
        outside = s.world / "outside"
        outside.mkdir()
        (outside / "f").write_bytes(ONE)
        (outside / "d").mkdir()
        (outside / "d/a").write_bytes(TWO)
        s.run("add", "../outside/f", ok=False)
        s.run("add", "../outside/f", "-o", "taken")
        s.run("add", "../outside/d", "--out", "folder")
        (s.repo / "in").mkdir()
        s.run("add", "../outside/f", "-o", "in")
        s.write("busy", THREE)
        s.run("add", "../outside/f", "-o", "busy", ok=False)
        assert (s.repo / "busy").read_bytes() == THREE
        s.run("add", "-f", "../outside/f", "-o", "busy")
        assert (s.repo / "busy").read_bytes() == ONE
        s.see("status", "--json")

    twins(script)


def test_to_remote(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        outside = s.world / "outside"
        (outside / "d/s").mkdir(parents=True)
        (outside / "f").write_bytes(ONE)
        (outside / "d/s/b").write_bytes(TWO)
        s.run("add", "--to-remote", "../outside/f")
        s.run("add", "--to-remote", "../outside/d", "-o", "folder")
        assert not (s.repo / "f").exists()
        assert not (s.repo / "folder").exists()
        s.see("status", "--json")
        s.run("pull")
        assert (s.repo / "folder/s/b").read_bytes() == TWO
        s.see("status", "--json")
        s.delete(".gitignore")  # dvc (3.67) writes none here, and leaves the data open to git

    twins(script)


def test_to_remote_is_for_one_target(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("../outside/f", ONE)
        s.write("../outside/g", ONE)
        s.run("add", "--to-remote", "../outside/f", "../outside/g", ok=False)
        s.write("h", ONE)
        s.run("add", "-r", "store", "h", ok=False)

    twins(script)


def test_autostage(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.run("config", "core.autostage", "true")
        s.write("sub/f", ONE)
        s.files("d", TREE)
        s.run("add", "sub/f", "d")
        s.index()
        s.write("sub/f", TWO)
        s.run("add", "sub/f")
        s.index()

    twins(script)


def test_nothing_is_staged_without_autostage(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", ONE)
        s.run("add", "f")
        s.run("remote", "add", "r", "../store")
        s.index()

    twins(script)


def test_subdir_repository(twins):
    def script(s: Sandbox) -> None:
        s.git("init", "-q", "-b", "main")
        (s.repo / "project/deep").mkdir(parents=True)
        s.run("init", cwd="project", ok=False)
        s.run("init", "--subdir", cwd="project")
        s.index()
        s.write("project/deep/f", ONE)
        s.run("add", "f", cwd="project/deep")
        s.read("root", cwd="project/deep")
        s.see("status", "--json", cwd="project/deep")
        s.run("status", ok=False)
        s.run("init", "--subdir", cwd="project", ok=False)
        s.run("init", "--no-scm", "--subdir", ok=False)

    twins(script)


def test_no_scm_repository(twins):
    def script(s: Sandbox) -> None:
        s.run("init", ok=False)
        s.run("init", "--no-scm")
        assert s.text(".dvc/config") == "[core]\n    no_scm = True\n"
        s.write("sub/f", ONE)
        s.files("d", TREE)
        s.run("add", "sub/f", "d")
        assert not list(s.repo.rglob(".gitignore"))
        s.run("remote", "add", "-d", "r", "../store")
        s.run("push")
        s.see("status", "--json")
        s.see("data", "status", "--json")
        s.run("init", "--no-scm", ok=False)

    twins(script)


def test_outside_any_repository(twins):
    def script(s: Sandbox) -> None:
        for command in ("status", "push", "root", "checkout"):
            s.run(command, ok=False)
        s.git("init", "-q")
        s.run("status", ok=False)
        s.run("init")
        s.run("init", ok=False)
        s.run("no-such-command", ok=False)
        s.run("add", ok=False)
        s.run("status", "--no-such-flag", ok=False)

    twins(script)


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy", "reflink,hardlink,copy", "hardlink,symlink"])
def test_cache_type(twins, kind):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.run("config", "cache.type", kind)
        s.files("d", TREE | {"zero": b""})
        s.write("f", THREE)
        s.run("add", "d", "f")
        s.see("status", "--json")
        s.run("push")
        s.delete("d", "f", ".dvc/cache")
        s.run("pull")
        s.see("status", "--json")
        s.run("unprotect", "d", "f")
        for name in ("d/a", "f"):
            path = s.repo / name
            assert not path.is_symlink()
            assert path.stat().st_nlink == 1
            assert path.stat().st_mode & 0o777 == 0o644
        s.see("status", "--json")
        s.run("checkout", "--relink")
        s.see("status", "--json")
        s.run("unprotect", "nothing", ok=False)

    twins(script)


def test_change_of_link_type_and_relink(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.write("f", THREE)
        s.run("add", "d", "f")
        s.run("config", "cache.type", "symlink")
        s.run("checkout", "--relink")
        assert (s.repo / "d/a").is_symlink()
        s.see("status", "--json")
        s.run("config", "cache.type", "copy")
        s.run("checkout", "--relink", "f")
        assert not (s.repo / "f").is_symlink()
        assert (s.repo / "d/a").is_symlink()
        s.run("add", "--no-relink", "d")
        s.run("add", "d")

    twins(script)


def test_relative_cache_dir(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.read("cache", "dir")
        s.run("cache", "dir", "../shared-cache")
        s.read("cache", "dir")
        s.files("d", TREE)
        s.run("add", "d")
        assert (s.world / "shared-cache/files/md5/2f/83d11e62144c050f1158231deb8507.dir").exists()
        s.run("push")
        s.delete("d", "../shared-cache")
        s.run("pull")
        (s.repo / "sub").mkdir()
        s.run("cache", "dir", "--local", "cc", cwd="sub")
        s.read("cache", "dir")
        s.see("status", "--json")

    twins(script)


def test_shared_cache_modes(twins):
    """`cache.shared = group`: setgid folders, objects 0444."""

    def script(s: Sandbox) -> None:
        s.init()
        s.run("config", "cache.shared", "group")
        s.files("d", TREE)
        s.run("add", "d")
        assert (s.repo / ".dvc/cache/files/md5/2f").stat().st_mode & 0o7777 == 0o2775

    twins(script)


def test_recursive_targets(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        for name in ("one/a", "one/two/b", "three/c"):
            s.write(name, name)
            s.run("add", name)
        s.write("root-file", "r")
        s.run("add", "root-file")
        s.see("status", "-R", "one", "--json")
        s.run("push", "-R", "one")
        s.see("status", "-c", "--json")
        s.see("status", "-c", "-R", "one", "--json")
        s.delete("one/a", "one/two/b", "three/c", ".dvc/cache")
        s.run("pull", "-R", "one")
        assert not (s.repo / "three/c").exists()
        s.delete("one/a")
        s.run("checkout", "-R", "one")
        s.run("fetch", "-R", "one")
        s.write("one/a", "changed")
        s.run("commit", "-f", "-R", "one")

    twins(script)


def test_branches_tags_commits(twins):
    def script(s: Sandbox) -> None:
        s.init(local_remote=True)
        for name, data in (("one", ONE), ("two", TWO), ("three", THREE)):
            s.write(name, data)
            s.run("add", name)
            s.commit(name)
            s.git("tag", f"v-{name}")
            s.delete(name, f"{name}.dvc")
            s.commit("gone")
        s.write("four", b"4\n")
        s.run("add", "four")
        s.commit("four")
        s.see("status", "-c", "-A", "--json")
        s.run("push", "-a")
        s.see("status", "-c", "-A", "--json")
        s.see("status", "-c", "-T", "--json")
        s.run("push", "-T")
        s.see("status", "-c", "-A", "--json")
        s.run("push", "-A")
        s.delete(".dvc/cache", "four")
        s.run("fetch", "-T")
        s.run("fetch", "-a")
        s.run("fetch", "-A")
        s.run("pull")
        s.run("status", "-a", ok=False)
        s.run("status", "-T", "--json", ok=False)

    twins(script)


def test_quiet_status_answers_with_its_exit_code(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("f", ONE)
        s.run("add", "f")
        s.read("status", "-q")
        s.read("status", "-c", "-q", ok=False)
        s.run("push", "-q")
        s.read("status", "-c", "-q")
        s.write("f", TWO)
        s.read("status", "-q", ok=False)
        s.run("status")
        s.read("add", "-q", "f")

    twins(script)


def test_allow_missing(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("here", ONE)
        s.write("gone", TWO)
        s.run("add", "here", "gone")
        s.run("push", "here")
        s.delete("here", "gone", ".dvc/cache")
        s.run("pull", ok=False)
        s.run("pull", "--allow-missing")
        assert (s.repo / "here").read_bytes() == ONE
        s.delete("here")
        s.run("checkout", ok=False)
        s.delete("here")
        s.run("checkout", "--allow-missing")
        assert (s.repo / "here").read_bytes() == ONE
        s.see("status", "--json")

    twins(script)


def test_no_remote(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", ONE)
        s.run("add", "f")
        for command in (["push"], ["status", "-c"], ["push", "-r", "nope"], ["status", "-r", "nope"]):
            s.run(*command, ok=False)
        s.run("fetch")  # nothing is missing, so no remote is needed
        s.run("pull")
        s.delete(".dvc/cache", "f")
        s.run("pull", ok=False)
        s.run("data", "status", "-r", "nope", "--not-in-remote", ok=False)

    twins(script)


def test_unknown_targets(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.files("d", TREE)
        s.run("add", "d")
        for command in ("push", "pull", "fetch", "checkout", "status", "commit", "add"):
            s.run(command, "nothing", ok=False)
            s.run(command, "nothing.dvc", ok=False)
        s.run("checkout", "d/nothing")
        s.run("status", "d/nothing")

    twins(script)


def test_status_targets(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("sub/d", TREE)
        s.write("sub/f", ONE)
        s.run("add", "sub/d", "sub/f")
        s.commit()
        s.write("sub/f", TWO)
        s.write("sub/d/new", THREE)
        s.see("status", "--json", "sub/f")
        s.see("status", "--json", "sub/f.dvc")
        s.see("status", "--json", "sub/d")
        s.see("status", "--json", cwd="sub")
        s.see("status", "--json", "f.dvc", cwd="sub")
        s.see("data", "status", "--json", "--granular", cwd="sub")
        s.see("data", "status", "--json", "--granular", "sub/d")
        s.see("data", "status", "--json", "sub/f")

    twins(script)


def test_moved_files_are_renamed(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("d", TREE)
        s.run("add", "d")
        s.commit()
        (s.repo / "d/a").rename(s.repo / "d/z")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "d")
        s.see("data", "status", "--json", "--granular")

    twins(script)


def test_removed_pointer(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", ONE)
        s.write("g", TWO)
        s.run("add", "f", "g")
        s.commit()
        s.delete("f.dvc", "f")
        s.see("data", "status", "--json")
        s.see("status", "--json")

    twins(script)


def test_dir_becomes_file_and_back(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.files("x", TREE)
        s.run("add", "x")
        s.commit()
        s.delete("x")
        s.write("x", ONE)
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "x")
        s.commit()
        s.git("checkout", "-q", "HEAD~1")
        s.run("checkout")
        assert (s.repo / "x/s/b").read_bytes() == TWO
        s.git("checkout", "-q", "main")
        s.run("checkout")
        assert (s.repo / "x").read_bytes() == ONE

    twins(script)


def test_same_bytes_twice(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.files("d", {"a": ONE, "b": ONE, "c/d": ONE})
        s.write("e", ONE)
        s.run("add", "d", "e")
        s.run("push")
        s.see("status", "-c", "--json")
        s.delete("d", "e", ".dvc/cache")
        s.run("pull")

    twins(script)


def test_symlinked_files(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("target", ONE)
        (s.repo / "link").symlink_to("target")
        s.run("add", "link")
        assert not (s.repo / "link").is_symlink()
        s.files("d", TREE)
        (s.repo / "d/l").symlink_to("../target")
        s.run("add", "d")
        assert (s.repo / "d/l").read_bytes() == ONE
        s.see("status", "--json")
        s.files("real", TREE)
        (s.repo / "folder").symlink_to("real")
        s.run("add", "folder", ok=False)
        s.run("add", "folder/a", ok=False)
        (s.repo / "broken").symlink_to("nowhere")
        s.run("add", "broken", ok=False)

    twins(script)


def test_refusals(twins):
    """Overlaps, git's own files, ignored paths, and files that cannot be pointers."""

    def script(s: Sandbox) -> None:
        s.init()
        s.write("p/d/f", ONE)
        s.run("add", "p/d")
        s.run("add", "p", ok=False)
        s.write("mine", ONE)
        s.git("add", "mine")
        s.run("add", "mine", ok=False)
        s.git("rm", "-q", "--cached", "mine")
        s.run("add", "mine")
        s.write(".dvcignore", "skipped\n")
        s.write("skipped", TWO)
        s.run("add", "skipped", ok=False)
        s.run("add", "mine.dvc", ok=False)
        s.run("add", ".", ok=False)
        s.run("add", ".dvc/config", ok=False)
        s.run("add", "/etc/hostname", ok=False)
        s.write("twice.dvc", s.text("mine.dvc"))
        s.run("add", "mine", ok=False)

    twins(script)


def test_broken_pointers(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write("f", ONE)
        for number, text in enumerate(
            (
                "outs:\n- md5: x\n  path: f\n  colour: red\n",
                "outs:\n- path: f\n  path: g\n",
                "outs: [\n",
                "surprise: 1\n",
                "- a\n",
            )
        ):
            s.write(f"bad{number}.dvc", text)
            s.run("status", ok=False)
            s.run("add", "f", ok=False)
            s.delete(f"bad{number}.dvc", "f.dvc")
        s.write("void.dvc", "")
        s.see("status", "--json")

    twins(script)


def test_gitignored_places(twins):
    """A pointer in a git-ignored folder is not discovered; a name that git ignores is not added again."""

    def script(s: Sandbox) -> None:
        s.init()
        s.write(".gitignore", "*.bin\n/hidden/")
        s.write("x.bin", ONE)
        s.run("add", "x.bin")
        assert s.text(".gitignore") == "*.bin\n/hidden/"
        s.write("y", ONE)
        s.run("add", "y")
        assert s.text(".gitignore") == "*.bin\n/hidden/\n/y\n"
        s.write("hidden/z.dvc", s.text("y.dvc"))
        s.see("status", "--json")

    twins(script)


def test_folder_with_strange_members(twins):
    """Pointers, `dvc.yaml`, `.git*` files and hidden names inside a dataset are plain data."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.files(
            "d",
            {
                "dvc.yaml": "stages: {}\n",
                ".gitignore": "*.jpg\n",
                "a.jpg": b"\xff\xd8",
                ".hidden/x": ONE,
                "Sub.txt": TWO,
                "B": THREE,
                "1": b"",
                "sub/deep/c": b"c",
            },
        )
        (s.repo / "d/hollow").mkdir()
        (s.repo / "d/.git").mkdir()
        s.write("d/.git/config", "not data")
        s.write("d/.hg/x", "not data")
        s.run("add", "d")
        s.write("d/inner.dvc", "outs:\n- path: nothing\n")  # once d is tracked, a pointer in it is data
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.run("add", "d")
        s.see("status", "--json")
        s.run("push")
        s.commit()
        s.clone()
        s.run("pull", cwd=s.world / "clone")

    twins(script)


NAMES = [
    "with space", "tab\there", "ünïcödé", "日本語", "🐱.jpg", "[x]", "a*b", "q?", "#hash", "!bang", "-dash",
    "back\\slash", "quo\"te", "it's", "a,b", "na:me", "123", "1e3", "yes", "null", "~", "2020-01-01",
    "{x", "%x", "@x", "&x", "=", ".5", " lead", "x" * 100 + " " + "y" * 40,
]  # fmt: skip


def test_names_of_files(twins):
    """Every odd name as a single-file output: pointer text and `.gitignore` alike."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        for name in NAMES:
            s.write(name, name)
        s.run("add", "--", *NAMES)
        s.see("status", "--json")
        s.run("push")
        s.delete(*NAMES, ".dvc/cache")
        s.run("pull")
        assert {name: (s.repo / name).read_bytes() for name in NAMES} == {name: name.encode() for name in NAMES}
        s.see("data", "status", "--json")

    twins(script)


def test_names_of_members(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        names = [*NAMES, "new\nline", "trail "]  # alone, such a name breaks dvc's `.gitignore` (trap 8)
        s.files("d", {name: name for name in names} | {f"in/{name}/x": name for name in names})
        s.run("add", "d")
        files = {name: name.encode() for name in names} | {f"in/{name}/x": name.encode() for name in names}
        assert dir_object(files)[0] in s.text("d.dvc")
        s.run("push")
        s.delete("d", ".dvc/cache")
        s.run("pull")
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular", "--unchanged")

    twins(script)


def test_digits_only_md5_is_quoted(twins):
    """An md5 of decimal digits alone is quoted, or YAML reads a number."""
    number = 0
    while not (digest := md5(b"%d" % number)).isdigit():  # about one in three million: stop early
        number += 1
        if number > 200_000:
            break
    pinned = "'00000000000000000000000000000000'"

    def script(s: Sandbox) -> None:
        s.init()
        s.write("f.dvc", f"outs:\n- md5: {pinned}\n  hash: md5\n  path: f\n")
        s.see("status", "--json")
        if digest.isdigit():
            s.write("g", b"%d" % number)
            s.run("add", "g")

    twins(script)


def test_pointer_text_survives(twins):
    """Comments, flow lists, `desc`, `meta`, `labels`, key order of a hand-edited pointer."""
    before = (
        "# top comment\nouts:\n- md5: d00000000000000000000000000000aa\n  path: cm   # path c\n"
        '  desc: "hello: world"\n  labels: [a, b]\n  cache: true\n'
    )

    def script(s: Sandbox) -> None:
        s.init()
        s.write("cm", b"cm\n")
        s.write("cm.dvc", before)
        s.run("add", "cm")
        assert s.text("cm.dvc") == (
            f"# top comment\nouts:\n- md5: {md5(b'cm' + bytes([10]))}\n  path: cm   # path c\n"
            "  desc: 'hello: world'\n  labels: [a, b]\n  size: 3\n  hash: md5\n"
        )
        s.write(
            "k.dvc",
            "desc: whole file   # why\nmeta:\n  owner: Ada\n  list: [1, 2]\n\nouts:\n# before the out\n"
            f"- path: k\n  meta:\n    n: 1\n  md5: {MD5[ONE]}\n  hash: md5\n  size: 2\n"
            "  type: csv\n  remote: special\n  push: false\n",
        )
        s.write("k", TWO)
        s.run("add", "k")
        s.write("k", THREE)
        s.run("commit", "-f", "k.dvc")
        s.see("status", "--json")

    twins(script)


def test_several_outs_and_wdir(twins):
    """One pointer with two outs and a `wdir`."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("data/a", ONE)
        s.write("data/b", TWO)
        s.write(
            "pointers/two.dvc",
            f"wdir: ../data\nouts:\n- md5: {MD5[ONE]}\n  size: 2\n  hash: md5\n  path: a\n"
            f"- md5: {MD5[TWO]}\n  size: 2\n  hash: md5\n  path: b\n",
        )
        s.see("status", "--json")
        s.run("commit")
        s.run("push")
        s.see("status", "-c", "--json")
        s.delete("data/a", "data/b", ".dvc/cache")
        s.run("pull", "data/b")
        assert not (s.repo / "data/a").exists()
        s.run("pull", "pointers/two.dvc")
        s.write("data/b", THREE)
        s.see("status", "--json")
        s.run("commit", "-f", "pointers/two.dvc")

    twins(script)


def test_dvcignore(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write(".dvcignore", "# comment\n*.tmp\nbuild/\n!keep.tmp\n  padded  \n")
        s.files(
            "d",
            {"a": ONE, "x.tmp": TWO, "keep.tmp": TWO, "build/o": THREE, "padded": THREE, "sub/build/p": ONE},
        )
        s.write("d2/.keep", "")
        s.run("add", "d")
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")
        s.write("d/y.tmp", "later")
        s.see("status", "--json")
        s.write("sub/.dvcignore", "*.log\n")
        s.write("sub/e/x.log", ONE)
        s.write("sub/e/y", ONE)
        s.run("add", "sub/e")
        s.read("check-ignore", "d/x.tmp")
        s.read("check-ignore", "d/a", ok=False)
        s.read("check-ignore", "-d", "d/x.tmp", "d/keep.tmp", "sub/e/x.log", ".git/x")
        s.read("check-ignore", "-d", "-n", "d/a", "d/x.tmp")
        s.read("check-ignore", "--stdin", stdin="d/x.tmp\nd/a\n")
        s.run("check-ignore", "-n", "d/a", ok=False)
        s.read("check-ignore", "-d", "d/build", "d/build/o")
        s.read("check-ignore", "e/x.log", cwd="sub")

    twins(script)
