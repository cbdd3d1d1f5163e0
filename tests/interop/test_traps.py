"""The twenty-two traps of today's DVC: what lab does there, and that the repository stays valid for dvc.

One test per trap or more, in the order of the compatibility specification. Those marked `safer` ask for more
than DVC does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labops.testing.oracle import Ran, Sandbox, check_store, contents, dir_object, dos2unix, md5, objects
from labops.testing.toys3 import toy_s3

safer = pytest.mark.safer

FILES = {"a": b"1\n", "s/b": b"2\n", "s/c": b"3\n"}


def start(box: Sandbox, files: dict[str, bytes] | None = None) -> None:
    box.init(remote=True)
    box.files("d", files or FILES)
    box.run("add", "d")
    box.commit()


def object_path(store: Path, oid: str) -> Path:
    return store / "files/md5" / oid[:2] / oid[2:]


def names(ran: Ran, word: str) -> bool:
    """True when the run tells the reader about `word`."""
    return word in ran.out + ran.err


# 1


@safer
def test_01_granular_push_never_publishes_an_incomplete_tree(box: Sandbox):
    start(box)
    box.run("push", "d/s")
    assert check_store(box.store) == []
    assert objects(box.store) >= {md5(b"2\n"), md5(b"3\n")}
    box.run("push")
    assert check_store(box.store) == []
    assert objects(box.store) == {md5(data) for data in FILES.values()} | {dir_object(FILES)[0]}
    clone = box.clone()
    box.dvc("pull", cwd=clone)
    assert contents(clone / "d") == FILES


def test_01_granular_push_publishes_the_tree_with_its_last_file(box: Sandbox):
    """When every other child is there already, the tree object may and should follow."""
    start(box)
    box.run("push")
    box.write("d/s/new", "4\n")
    box.run("add", "d")
    box.run("push", "d/s")
    assert check_store(box.store) == []
    assert box.dvc("status", "-c", "--json").json() == {}


# 2


@safer
def test_02_push_repairs_a_damaged_remote(box: Sandbox):
    start(box)
    box.run("push")
    object_path(box.store, md5(b"2\n")).unlink()
    assert box.run("status", "-c", "--json").json() == {"d/s/b": "new"}
    box.run("push")
    assert check_store(box.store) == []
    clone = box.clone()
    box.dvc("pull", cwd=clone)
    assert contents(clone / "d") == FILES


@safer
def test_02_pull_gets_what_a_damaged_remote_has(box: Sandbox):
    """What is there arrives; what is not is named; the exit code says that something is missing."""
    start(box)
    box.run("push")
    object_path(box.store, md5(b"2\n")).unlink()
    clone = box.clone()
    said = box.run("pull", cwd=clone, ok=False)
    assert names(said, "d/s/b")
    assert objects(clone / ".dvc/cache") >= {md5(b"1\n"), md5(b"3\n")}


# 3


@safer
@pytest.mark.parametrize("flags", [[], ["--allow-missing"], ["--force"]])
def test_03_one_missing_object_deletes_nothing_good(box: Sandbox, flags: list[str]):
    start(box)
    object_path(box.repo / ".dvc/cache", md5(b"2\n")).unlink()
    box.delete("d/s/b")
    said = box.run("checkout", *flags, ok="--allow-missing" in flags)
    assert flags == ["--allow-missing"] or names(said, "d")
    assert contents(box.repo / "d") == {"a": b"1\n", "s/c": b"3\n"}
    box.write("d/s/b", b"2\n")
    box.run("add", "d")
    assert box.dvc("status", "--json").json() == {}


@safer
def test_03_a_pull_without_the_object_deletes_nothing_good(box: Sandbox):
    start(box)
    object_path(box.repo / ".dvc/cache", md5(b"2\n")).unlink()
    box.delete("d/s/b")
    box.run("pull", ok=False)
    assert contents(box.repo / "d") == {"a": b"1\n", "s/c": b"3\n"}


# 4


@safer
def test_04_data_of_a_removed_pointer_stays(box: Sandbox):
    start(box)
    box.write("f", "1\n")
    box.run("add", "f")
    box.dvc("remove", "f.dvc")
    box.run("checkout")
    assert (box.repo / "f").read_bytes() == b"1\n"


def test_04_data_that_lab_stops_tracking_stays(box: Sandbox):
    """dvc remembers what it has added and, once no DVC file names it, deletes what looks unchanged."""
    box.init()
    box.files("d", FILES)
    box.write("f", b"one\n")
    box.dvc("add", "d", "f")
    box.run("remove", "d.dvc", "f.dvc")
    box.dvc("checkout")
    assert contents(box.repo / "d") == FILES
    assert (box.repo / "f").read_bytes() == b"one\n"


@safer
def test_04_members_once_named_stay(box: Sandbox):
    start(box)
    box.write("d/new", "4\n")
    box.run("add", "d/new")
    box.run("checkout")
    assert contents(box.repo / "d") == FILES | {"new": b"4\n"}


# 5


@safer
@pytest.mark.parametrize("damage", [b"3\n", b"", b"2\n2\n"], ids=["altered", "truncated", "grown"])
def test_05_mode_0444_is_no_proof_of_a_cache_object(box: Sandbox, damage: bytes):
    """Damaged bytes are not handed out, and good ones are fetched in their place."""
    start(box)
    box.run("push")
    victim = object_path(box.repo / ".dvc/cache", md5(b"2\n"))
    victim.chmod(0o644)
    victim.write_bytes(damage)
    victim.chmod(0o444)
    box.delete("d")
    box.run("pull")
    assert contents(box.repo / "d") == FILES
    assert check_store(box.repo / ".dvc/cache") == []
    assert box.dvc("status", "--json").json() == {}


@safer
def test_05_damaged_bytes_are_not_pushed(box: Sandbox):
    start(box)
    victim = object_path(box.repo / ".dvc/cache", md5(b"2\n"))
    victim.chmod(0o644)
    victim.write_bytes(b"oops")
    victim.chmod(0o444)
    box.run("push", ok=False)
    assert check_store(box.store) == []


@safer
def test_05_a_download_is_hashed_before_it_gets_its_name(box: Sandbox):
    start(box)
    box.run("push")
    victim = object_path(box.store, md5(b"2\n"))
    victim.chmod(0o644)
    victim.write_bytes(b"9\n")
    victim.chmod(0o444)
    clone = box.clone()
    said = box.run("pull", cwd=clone, ok=False)
    assert names(said, "d/s/b") or names(said, md5(b"2\n"))
    assert md5(b"2\n") not in objects(clone / ".dvc/cache")
    assert b"9\n" not in contents(clone).values()


# 6


def test_06_a_tree_without_size_and_with_comments(box: Sandbox):
    start(box)
    text = f"# ours\nouts:\n- md5: {dir_object(FILES)[0]}\n  hash: md5   # kind\n  path: d\n"
    box.write("d.dvc", text)
    assert box.run("status", "--json").json() == {}
    box.run("add", "d")
    box.write("d/a", "changed\n")
    box.run("add", "d")
    changed = dir_object(FILES | {"a": b"changed\n"})[0]
    assert box.text("d.dvc").startswith(f"# ours\nouts:\n- md5: {changed}\n")
    assert "hash: md5   # kind" in box.text("d.dvc")
    assert box.dvc("status", "--json").json() == {}


def test_06_unknown_keys_are_refused_and_left_alone(box: Sandbox):
    start(box)
    text = box.text("d.dvc") + "  colour: red\n"
    box.write("d.dvc", text)
    assert names(box.run("status", ok=False), "colour")
    box.run("add", "d", ok=False)
    assert box.text("d.dvc") == text


# 7


def test_07_no_hash_key_means_the_old_hash(box: Sandbox):
    crlf = b"line1\r\nline2\r\n"
    box.init()
    box.write("t", crlf)
    box.write("t.dvc", f"outs:\n- md5: {dos2unix(crlf)}\n  size: {len(crlf)}\n  path: t\n")
    assert box.run("status", "--json").json() == {"t.dvc": [{"changed outs": {"t": "not in cache"}}]}
    box.run("commit")
    assert (box.repo / ".dvc/cache/4f/cc82a88ee38e0aa16c17f512c685c9").read_bytes() == crlf
    assert box.dvc("status", "--json").json() == {}


# 8


def test_08_escaped_names_are_ignored_once(box: Sandbox):
    names_ = ["[x]", "a*b", "q?", "#h", "!b", "back\\slash"]
    box.init()
    for name in names_:
        box.write(name, name)
    box.run("add", *names_)
    text = box.text(".gitignore")
    box.run("add", *names_)
    assert box.text(".gitignore") == text
    box.git("add", "-A")
    assert not {f'"{name}"' for name in names_} & set(box.git("ls-files").splitlines())
    assert sorted(box.git("ls-files").split()) == sorted(
        [".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "#h.dvc", "!b.dvc", "[x].dvc",
         "a*b.dvc", "q?.dvc",
         '"back\\\\slash.dvc"']
    )  # fmt: skip


@safer
@pytest.mark.parametrize("name", ["new\nline", "trailing "])
def test_08_names_that_dvc_leaves_open_to_git(box: Sandbox, name: str):
    """Ignored properly, or refused; never tracked and open to `git add`."""
    box.init()
    box.write(name, "data")
    added = box.run("add", name, ok=None)
    assert (box.repo / f"{name}.dvc").exists() is added.ok
    box.git("add", "-A")
    staged = box.git("ls-files", "-z").split("\0")
    assert (f"{name}.dvc" in staged, name in staged) == (added.ok, not added.ok)
    assert box.dvc("status", "--json").json() == {}


@safer
def test_08_removing_takes_the_escaped_line_too(box: Sandbox):
    box.init()
    for name in ("with[brackets]", "plain", "#hash"):
        box.write(name, name)
        box.run("add", name)
    box.run("remove", "with[brackets].dvc", "#hash.dvc")
    assert box.text(".gitignore") == "/plain\n"
    box.run("move", "plain", "a[b]")
    box.run("move", "a[b]", "plain")
    assert box.text(".gitignore") == "/plain\n"


# 9


@safer
def test_09_a_folder_with_a_dvc_folder_is_not_an_empty_dataset(box: Sandbox):
    box.init()
    box.files("d", FILES)
    (box.repo / "d/.dvc").mkdir()
    said = box.run("add", "d", ok=False)
    assert names(said, ".dvc")
    assert not (box.repo / "d.dvc").exists()
    assert contents(box.repo / "d") == FILES


@safer
@pytest.mark.parametrize("kind", ["subrepo", "folder link", "empty folder", "executable"])
def test_09_what_the_format_cannot_hold_is_said(box: Sandbox, kind: str):
    box.init()
    box.files("d", FILES)
    if kind == "subrepo":
        (box.repo / "d/odd/.dvc").mkdir(parents=True)
        box.write("d/odd/x", "1\n")
    elif kind == "folder link":
        (box.repo / "d/odd").symlink_to("s")
    elif kind == "empty folder":
        (box.repo / "d/odd").mkdir()
    else:
        box.write("d/odd", "#!/bin/sh\n", mode=0o755)
    said = box.run("add", "d")
    assert "odd" in said.err
    assert (box.repo / "d/odd").exists()
    assert box.dvc("status", "--json").json() == {}


# 10


@safer
def test_10_gc_never_takes_what_a_remote_branch_needs(box: Sandbox):
    """Other people's branches count, and what is in no remote stays."""
    start(box)
    box.run("push")
    box.commit()
    clone = box.clone()
    box.run("pull", cwd=clone)
    box.git("checkout", "-q", "--detach", cwd=clone)
    box.git("branch", "-q", "-D", "main", cwd=clone)
    box.git("rm", "-q", "d.dvc", cwd=clone)
    box.git("commit", "-q", "-m", "gone here", cwd=clone)
    before = objects(clone / ".dvc/cache")
    box.run("gc", "-a", "-f", "--grace", "0", cwd=clone)
    assert objects(clone / ".dvc/cache") == before
    box.run("gc", "-w", "--not-in-remote", "-f", "--grace", "0", cwd=clone)
    assert objects(clone / ".dvc/cache") == set()
    assert objects(box.store) == before


@safer
def test_10_force_is_no_leave_to_delete_the_files_of_a_lost_listing(box: Sandbox):
    start(box)
    box.run("push")
    tree = dir_object(FILES)[0]
    for store in (box.repo / ".dvc/cache", box.store):
        object_path(store, tree).unlink()
    before = objects(box.store), objects(box.repo / ".dvc/cache")
    said = box.run("gc", "-w", "-c", "-f", "--grace", "0", ok=False)
    assert names(said, "d.dvc")
    assert (objects(box.store), objects(box.repo / ".dvc/cache")) == before
    box.write("d/a", FILES["a"])
    box.run("add", "d")
    box.run("push")
    box.dvc("gc", "-w", "-c", "-f")
    assert objects(box.store) == before[0] | {tree}


@safer
def test_10_names_that_are_no_objects_are_nobodys_garbage(box: Sandbox):
    start(box)
    box.run("push")
    foreign = [box.store / "ab/notes.txt", box.store / "files/md5/ab/notes.txt", box.repo / ".dvc/cache/ab/notes.txt"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a person's own")
    box.run("gc", "-w", "-c", "-f", "--grace", "0")
    assert all(path.exists() for path in foreign)


# 11


@safer
def test_11_an_ignored_member_is_refused(box: Sandbox):
    start(box)
    box.write(".dvcignore", "*.tmp\n")
    box.write("d/x.tmp", "1\n")
    before = box.text("d.dvc")
    said = box.run("add", "d/x.tmp", ok=False)
    assert names(said, "ignore")
    assert box.text("d.dvc") == before
    assert box.run("status", "--json").json() == box.dvc("status", "--json").json() == {}


def test_11_an_ignore_file_inside_a_dataset_is_refused(box: Sandbox):
    start(box)
    before = box.text("d.dvc")
    box.write("d/.dvcignore", "*.tmp\n")
    said = box.run("add", "d", ok=False)
    assert names(said, ".dvcignore")
    assert box.text("d.dvc") == before


def test_11_lines_are_trimmed_and_parents_stay_ignored(box: Sandbox):
    box.init()
    box.write(".dvcignore", "  padded  \nbuild/\n!build/keep\n")
    box.files("d", {"a": b"1\n", "padded": b"x", "build/keep": b"x"})
    box.run("add", "d")
    assert dir_object({"a": b"1\n"})[0] in box.text("d.dvc")
    assert box.dvc("status", "--json").json() == {}


# 12


def test_12_the_exact_bytes_of_a_tree_object(box: Sandbox):
    files = {
        "ÿ": b"1\n",
        "🐱": b"2\n",
        "\uffee": b"3\n",
        'q"\\\n': b"1\n",
        "B": b"2\n",
        "a/z": b"3\n",
        "a.b": b"1\n",
    }
    box.init()
    box.files("d", files)
    box.run("add", "d")
    one, two, three = (md5(data) for data in (b"1\n", b"2\n", b"3\n"))
    text = (
        f'[{{"md5": "{two}", "relpath": "B"}}, {{"md5": "{one}", "relpath": "a.b"}}, '
        f'{{"md5": "{three}", "relpath": "a/z"}}, {{"md5": "{one}", "relpath": "q\\"\\\\\\n"}}, '
        f'{{"md5": "{one}", "relpath": "\\u00ff"}}, {{"md5": "{three}", "relpath": "\\uffee"}}, '
        f'{{"md5": "{two}", "relpath": "\\ud83d\\udc31"}}]'
    ).encode()
    assert object_path(box.repo / ".dvc/cache", md5(text) + ".dir").read_bytes() == text
    assert box.dvc("status", "--json").json() == {}


# 13


@safer
def test_13_push_fails_when_something_wanted_is_nowhere(box: Sandbox):
    start(box)
    object_path(box.repo / ".dvc/cache", md5(b"2\n")).unlink()
    box.delete("d/s/b")
    said = box.run("push", ok=False)
    assert names(said, "d/s/b") or names(said, md5(b"2\n"))
    assert check_store(box.store) == []
    assert objects(box.store) == {md5(b"1\n"), md5(b"3\n")}


@safer
def test_13_fetch_fails_when_something_wanted_is_nowhere(box: Sandbox):
    start(box)
    box.write("f", "9\n")
    box.run("add", "f")
    box.run("push", "d")
    box.delete(".dvc/cache", "d", "f")
    said = box.run("fetch", ok=False)
    assert names(said, "f")
    assert objects(box.repo / ".dvc/cache") == objects(box.store)


@safer
def test_13_fetch_fails_without_a_remote_when_something_is_missing(box: Sandbox):
    box.init()
    box.write("f", "1\n")
    box.run("add", "f")
    box.delete(".dvc/cache")
    box.run("fetch", ok=False)


# 14


def test_14_paths_in_config_start_at_the_config_file(box: Sandbox):
    box.init()
    (box.repo / "deep/er").mkdir(parents=True)
    box.run("remote", "add", "-d", "MyRemote", "../../../store", cwd="deep/er")
    assert box.text(".dvc/config") == "[core]\n    remote = myremote\n['remote \"myremote\"']\n    url = ../../store\n"
    box.write("f", "1\n")
    box.run("add", "f")
    box.run("push", "-r", "MYREMOTE", ok=None)
    box.run("push")
    assert objects(box.store) == {md5(b"1\n")}
    assert box.dvc("status", "-c", "--json").json() == {}


def test_14_an_unknown_key_never_gets_into_the_file(box: Sandbox):
    box.init(remote=True)
    before = box.text(".dvc/config")
    for args in (
        ["config", "core.colour", "red"],
        ["remote", "modify", "store", "colour", "red"],
        ["config", "x.y", "z"],
    ):
        box.run(*args, ok=False)
        assert box.text(".dvc/config") == before


# 15


@pytest.mark.parametrize(
    ("base", "key"), [("s3://bkt/pre/", "/bkt/pre//x/files"), ("s3://bkt/pre", "/bkt/pre/x/files")]
)
def test_15_a_trailing_slash_on_a_base_remote_doubles(box: Sandbox, base: str, key: str):
    """Existing data lies under `pre//x/`; looking under `pre/x/` would not find it."""
    with toy_s3() as toy:
        box.extra_env |= {"AWS_EC2_METADATA_DISABLED": "true"}
        box.init()
        box.run("remote", "add", "base", base)
        for option, value in toy.remote_options().items():
            box.run("remote", "modify", "base", option, value)
        box.run("remote", "add", "-d", "sub", "remote://base/x")
        box.write("f", "1\n")
        box.run("add", "f")
        box.run("push")
        assert toy.held == {f"{key}/md5/b0/26324c6904b2a9cb4b88d6d61c81d1": b"1\n"}


# 16


ETAG = "b026324c6904b2a9cb4b88d6d61c81d1"
VERSIONED = {
    "folder": f"""\
outs:
- hash: md5
  path: d
  files:
  - relpath: a
    md5: {ETAG}
    size: 2
    cloud:
      va:
        etag: {ETAG}
        version_id: x
""",
    "file": f"""\
outs:
- md5: {ETAG}
  size: 2
  hash: md5
  path: d
  cloud:
    va:
      etag: {ETAG}
      version_id: x
""",
}


@safer
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_16_cloud_versioned_outputs_are_left_to_dvc(box: Sandbox, kind: str):
    box.init(remote=True)
    box.write("d/a" if kind == "folder" else "d", "1\n")
    box.write("d.dvc", VERSIONED[kind])
    box.run("push", ok=False)
    assert box.text("d.dvc") == VERSIONED[kind]
    assert not box.store.exists() or objects(box.store) == set()


# 17


def test_17_nothing_is_added_where_its_pointer_would_be_invisible(box: Sandbox):
    box.init(remote=True)
    box.write(".gitignore", "/scratch/\n*.dvc.dvc\n")
    box.write(".dvcignore", "/quiet/\n")
    for place in ("scratch", "quiet"):
        box.write(f"{place}/f", "1\n")
        said = box.run("add", f"{place}/f", ok=False)
        assert names(said, "ignore")
        assert not (box.repo / f"{place}/f.dvc").exists()
        assert (box.repo / f"{place}/f").read_bytes() == b"1\n"


def test_17_an_invisible_pointer_is_an_error_when_named(box: Sandbox):
    box.init(remote=True)
    box.write("f", "1\n")
    box.run("add", "f")
    box.write(".gitignore", "/scratch/\n/f\n")
    box.write("scratch/g.dvc", box.text("f.dvc"))
    assert box.run("status", "--json").json() == {}
    assert names(box.run("push", "scratch/g.dvc", ok=False), "ignore")
    box.write(".dvcignore", "/quiet/\n")
    box.write("quiet/h.dvc", box.text("f.dvc"))
    assert names(box.run("push", "quiet/h.dvc", ok=False), "ignore")


# 18


@safer
def test_18_removing_a_remote_leaves_a_valid_config(box: Sandbox):
    box.init()
    box.run("remote", "add", "-d", "r", "s3://bucket/x")
    box.run("remote", "modify", "--local", "r", "secret_access_key", "s3cret")
    box.run("remote", "remove", "r", ok=None)
    for tool in (box.run, box.dvc):
        tool("status")
        tool("remote", "list")


# 19


@safer
def test_19_adding_a_file_leaves_it_as_it_is(box: Sandbox):
    """With copies (the default) the workspace file keeps its inode and times: builds see no change."""
    box.init()
    box.write("f", "1\n")
    box.write("run.sh", "#!/bin/sh\n", mode=0o755)
    before = [
        (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in (box.repo / "f", box.repo / "run.sh")
    ]
    box.run("config", "cache.type", "copy")
    box.run("add", "f", "run.sh")
    after = [
        (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in (box.repo / "f", box.repo / "run.sh")
    ]
    assert after == before
    assert box.dvc("status", "--json").json() == {}


# 20


def test_20_yaml_as_dvc_writes_it(box: Sandbox):
    """YAML 1.2 plain words, quoted digits, folded long names; adding again changes nothing."""
    quoted = {"yes": "yes", "12:30": "12:30", "123": "'123'", "1e3": "'1e3'", "null": "'null'", "#h": "'#h'",
              "tr ": "'tr '",
              "tab\t": '"tab\\t"', "日本": "日本", "x'": "x'", "a,b": "a,b"}  # fmt: skip
    box.init()
    for name in quoted:
        box.write(name, "1\n")
    box.run("add", *quoted)
    for name, text in quoted.items():
        assert box.text(f"{name}.dvc").endswith(f"  path: {text}\n")
    long = "w" * 60 + " " + "v" * 60
    box.write(long, "1\n")
    box.run("add", long)
    assert box.text(f"{long}.dvc").endswith(f"  path: {'w' * 60} \n    {'v' * 60}\n")
    before = {name: box.text(f"{name}.dvc") for name in [*quoted, long]}
    box.dvc("add", *quoted, long)
    assert {name: box.text(f"{name}.dvc") for name in [*quoted, long]} == before


# 21


@safer
def test_21_hash_kinds_are_not_mixed_after_a_migration(box: Sandbox):
    """After `cache migrate` without `--dvc-files` dvc mixes the hashes. Here: refused, or whole."""
    old = {"notes.txt": b"a\r\nb\r\n"}
    box.init(remote=True)
    tree, listing = dir_object(old, dos2unix)
    for oid, data in ((tree, listing), (dos2unix(old["notes.txt"]), old["notes.txt"])):
        path = box.repo / ".dvc/cache" / oid[:2] / oid[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
    box.files("d", old)
    box.write("d.dvc", f"outs:\n- md5: {tree}\n  size: 6\n  nfiles: 1\n  path: d\n")
    box.write(".gitignore", "/d\n")
    box.dvc("cache", "migrate")
    before = box.text("d.dvc")
    box.write("d/new.txt", b"x\r\n")
    added = box.run("add", "d/new.txt", ok=None)
    if added.ok:
        assert dir_object(old | {"new.txt": b"x\r\n"})[0] in box.text("d.dvc")
    else:
        assert box.text("d.dvc") == before
    box.run("add", "d")
    assert dir_object(old | {"new.txt": b"x\r\n"})[0] in box.text("d.dvc")
    assert box.dvc("status", "--json").json() == {}


# 22


@safer
@pytest.mark.parametrize("order", [["good", "bad"], ["bad", "good"], ["good", "bad", "late"]])
def test_22_an_add_that_fails_half_way_never_opens_data_to_git(box: Sandbox, order: list[str]):
    box.init()
    box.write(".gitignore", "mine\n")
    box.write("good", "1\n")
    box.write("late", "2\n")
    box.files("bad", {"x": b"3\n"})
    (box.repo / "bad/broken").symlink_to("nowhere")
    box.run("add", *order, ok=False)
    box.git("add", "-A")
    staged = box.git("ls-files").split()
    for name in ("good", "late"):
        assert not ((box.repo / f"{name}.dvc").exists() and name in staged)
    assert not (box.repo / "bad.dvc").exists()
    assert box.text(".gitignore").startswith("mine\n")
    assert box.dvc("status", "--json").json() == {}
    box.delete("bad/broken")
    box.git("rm", "-q", "-r", "--cached", ".")
    box.run("add", *order)
    assert box.dvc("status", "--json").json() == {}


# what else section 5 of the plan promises


@safer
@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_an_executable_stays_one_and_its_object_stays_trusted(box: Sandbox, kind: str):
    """Links share their mode with the cache, where 0444 means verified: an executable is a copy."""
    box.init(remote=True)
    box.run("config", "cache.type", kind)
    box.write("run.sh", "#!/bin/sh\n", mode=0o755)
    box.run("add", "run.sh")
    box.run("push")
    box.delete("run.sh", ".dvc/cache")
    box.run("pull")
    assert (box.repo / "run.sh").stat().st_mode & 0o100
    assert object_path(box.repo / ".dvc/cache", md5(b"#!/bin/sh\n")).stat().st_mode & 0o777 == 0o444
    assert box.dvc("status", "--json").json() == {}


@pytest.mark.parametrize("flag", ["-a", "-T", "-A"])
def test_every_version_of_a_path_travels(box: Sandbox, flag: str):
    box.init(local_remote=True)
    for text in ("1\n", "2\n", "3\n"):
        box.write("f", text)
        box.run("add", "f")
        box.commit(text)
        box.git("tag", f"v{text.strip()}")
        box.git("branch", f"b{text.strip()}")
    everything = {md5(b"1\n"), md5(b"2\n"), md5(b"3\n")}
    box.run("push", flag)
    assert objects(box.store) == everything
    assert box.dvc("status", "-c", flag, "--json").json() == {}
    box.delete(".dvc/cache", "f")
    box.run("fetch", flag)
    assert objects(box.repo / ".dvc/cache") == everything


@safer
def test_what_goes_to_the_remote_is_hidden_from_git(box: Sandbox):
    box.init(remote=True)
    box.write("../outside/f", "1\n")
    box.run("add", "--to-remote", "../outside/f")
    box.run("pull")
    box.git("add", "-A")
    assert "f" not in box.git("ls-files").splitlines()


@safer
def test_init_again_keeps_the_cache(box: Sandbox):
    """`init -f` is about settings; the cache may be the only copy of somebody's data."""
    start(box)
    box.run("init", "-f")
    assert objects(box.repo / ".dvc/cache") == {md5(data) for data in FILES.values()} | {dir_object(FILES)[0]}
    assert box.dvc("status", "--json").json() == {}


@safer
def test_a_glob_inside_a_tracked_folder(box: Sandbox):
    start(box)
    box.run("push")
    box.delete("d", ".dvc/cache")
    box.run("pull", "--glob", "d/s/*")
    assert contents(box.repo / "d") == {"s/b": b"2\n", "s/c": b"3\n"}


@safer
def test_a_partial_push_of_a_missing_tree_is_named(box: Sandbox):
    start(box)
    box.run("push")
    object_path(box.store, dir_object(FILES)[0]).unlink()
    clone = box.clone()
    said = box.run("pull", cwd=clone, ok=False)
    assert names(said, "d")
    assert not (clone / "d").exists()


@safer
def test_json_of_a_tree_from_older_versions(box: Sandbox):
    """Extra keys in a tree object are read, never written."""
    rows = [{"md5": md5(data), "relpath": name, "size": len(data), "isexec": False} for name, data in FILES.items()]
    text = json.dumps(rows).encode()
    box.init(remote=True)
    for oid, data in [(md5(text) + ".dir", text), *((md5(data), data) for data in FILES.values())]:
        path = object_path(box.store, oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
    box.write("d.dvc", f"outs:\n- md5: {md5(text)}.dir\n  size: 6\n  nfiles: 3\n  hash: md5\n  path: d\n")
    box.run("pull")
    assert contents(box.repo / "d") == FILES
