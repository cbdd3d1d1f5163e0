"""`verify`: what was damaged is found, nothing else is, and it is mended from any good copy."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.errors import LabError, NotFound
from labops.model import HERE, HashName, RelPath, Selection, parse_oid
from labops.places.workspace import Recall
from labops.project import Project
from labops.proof.words import Finding, Problem, Where
from labops.testing.faults import CountingReads, FaultyFiles, Killed
from labops.testing.oracle import contents, dir_object, md5, objects
from labops.testing.toys3 import ToyS3, toy_s3
from labops.testing.worlds import World, pointer
from labops.verbs.add import add
from labops.verbs.fetch import fetch
from labops.verbs.pull import pull
from labops.verbs.push import push
from labops.verbs.status import status
from labops.verbs.verify import Proof, VerifyOptions, verify

DATA = {"a": b"1", "s/b": b"22", "s/same": b"22", "t/c": b"333", "empty": b""}
LINKS = ("copy", "hardlink,copy", "symlink,copy")
ALL = frozenset(Where)
CACHE, REMOTE, WORKSPACE = (frozenset({where}) for where in (Where.CACHE, Where.REMOTE, Where.WORKSPACE))
every_link = pytest.mark.parametrize("links", LINKS, ids=[link.partition(",")[0] for link in LINKS])


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """One folder and one file, tracked, pushed, old enough to be believed."""

    def make(links: str = "copy") -> World:
        world = World(tmp_path / "world", links=links)
        world.write("d", DATA)
        (world.repo / "one.txt").write_bytes(b"one")
        for path in world.repo.rglob("*"):
            if path.is_file() and ".git" not in path.parts:
                os.utime(path, ns=(10**18 + 1, 10**18 + 1))
        monkeypatch.chdir(world.repo)
        add(Project.find(), ["d", "one.txt"])
        world.git("add", ".")
        world.git("commit", "-qm", "data")
        push(Project.find())
        return world

    return make


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


def flip(path: Path) -> bytes:
    """Change one bit and leave mode and times as they were; the bytes before."""
    info = path.stat()
    good = path.read_bytes()
    path.chmod(0o644)
    with path.open("r+b") as stream:  # the same file, as a bad disk would have it
        stream.write(bytes([good[0] ^ 1]))
    path.chmod(info.st_mode & 0o777)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    return good


def in_cache(world: World, data: bytes) -> Path:
    oid = md5(data)
    return world.cache / "files/md5" / oid[:2] / oid[2:]


def in_store(world: World, data: bytes) -> Path:
    oid = md5(data)
    return world.store / "files/md5" / oid[:2] / oid[2:]


def prove(*targets: str, **options: object) -> Proof:
    return verify(Project.find(), Selection(targets), VerifyOptions(**options))  # type: ignore[arg-type]


def facts(proof: Proof) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(finding.where.value, finding.problem.value, finding.paths) for finding in proof.findings}


def forget_nothing(path: Path, name: str, oid: str, inside: RelPath = HERE) -> None:
    """Let the state say what it said before the disk went bad: this very file had this content."""
    project = Project.find()
    scan = project.workspace.scan(str(path.parent if inside else path))
    rows = Recall(scan, project.state.load(name, HashName.MD5)).rows()
    everything = {**rows, inside: (_packed(path), parse_oid(oid))}
    recall = Recall.of_rows(scan, everything)
    project.state.save(name, HashName.MD5, recall.table("", project.state.clock_ns()))


def _packed(path: Path) -> bytes:
    from labops.drivers import fs
    from labops.formats.statefile import pack_fingerprint

    return pack_fingerprint(*fs.stat(str(path)))


# --- what is found ------------------------------------------------------------------------------------


@every_link
def test_nothing_is_wrong(make: Callable[..., World], links: str) -> None:
    world = make(links)
    before = {path: data for path, data in world.everything().items() if not path.startswith("repo/.dvc/tmp")}
    proof = prove(places=ALL)
    assert proof.findings == ()
    assert proof.exit_code == 0
    assert {look.where: (look.objects, look.hashed) for look in proof.looks} == {
        Where.WORKSPACE: (6, 6),
        Where.CACHE: (6, 6),  # five different contents and a tree object
        Where.REMOTE: (6, 6),
    }
    after = world.everything()
    assert {path: data for path, data in after.items() if not path.startswith("repo/.dvc/tmp")} == before


def test_one_flipped_byte_in_cache_and_remote_is_all_that_is_found(world: World) -> None:
    flip(in_cache(world, b"22"))
    flip(in_store(world, b"333"))
    proof = prove(places=ALL)
    assert facts(proof) == {
        ("cache", "corrupt", ("d/s/b", "d/s/same")),
        ("remote", "corrupt", ("d/t/c",)),
    }
    assert proof.exit_code == 4
    assert in_cache(world, b"22").exists()  # only a repair moves anything


def test_repair_mends_both_and_quarantines(world: World) -> None:
    flip(in_cache(world, b"22"))
    flip(in_store(world, b"333"))
    proof = prove(places=ALL, repair=True)
    assert [mended.error for mended in proof.mended] == [None, None]
    assert proof.exit_code == 0
    assert world.wrong() == []
    assert prove(places=ALL).findings == ()
    kept = list((world.repo / ".dvc/tmp/lab/cache/quarantine").iterdir())
    assert [path.name.partition(".")[0] for path in kept] == [md5(b"22")]
    assert in_cache(world, b"22").stat().st_mode & 0o777 == 0o444


def test_a_bad_object_is_no_longer_trusted_after_it_was_found(world: World) -> None:
    """Its note goes, so that the next pull hashes it and fetches a good one."""
    flip(in_cache(world, b"22"))
    shutil.rmtree(world.repo / "d")
    assert prove().exit_code == 4
    pull(Project.find())
    assert contents(world.repo / "d") == DATA


def test_missing_objects_and_files(world: World) -> None:
    in_cache(world, b"1").unlink()
    in_store(world, b"one").unlink()
    (world.repo / "d/t/c").unlink()
    assert facts(prove(places=ALL)) == {
        ("cache", "missing", ("d/a",)),
        ("remote", "missing", ("one.txt",)),
        ("workspace", "missing", ("d/t/c",)),
    }


def test_changed_and_new_files_are_work_and_stay(world: World) -> None:
    (world.repo / "d/a").unlink()
    (world.repo / "d/a").write_bytes(b"my work")
    (world.repo / "d/new").write_bytes(b"new")
    proof = prove(repair=True)
    assert facts(proof) == {("workspace", "modified", ("d/a",)), ("workspace", "added", ("d/new",))}
    assert proof.mended == ()
    assert proof.exit_code == 4
    assert (world.repo / "d/a").read_bytes() == b"my work"


def test_force_replaces_changed_files_and_leaves_new_ones(world: World) -> None:
    (world.repo / "d/a").unlink()
    (world.repo / "d/a").write_bytes(b"my work")
    (world.repo / "d/s/b").unlink()
    (world.repo / "d/new").write_bytes(b"new")
    (world.repo / "one.txt").unlink()
    (world.repo / "one.txt").write_bytes(b"two")
    proof = prove(repair=True, is_forced=True)
    assert [mended.error for mended in proof.mended] == [None] * 3
    assert contents(world.repo / "d") == DATA | {"new": b"new"}
    assert (world.repo / "one.txt").read_bytes() == b"one"


def test_damage_in_the_workspace_is_told_from_work_and_mended(world: World) -> None:
    """The state knows the file as it was, its fingerprint is the same, and its bytes are not."""
    flip(world.repo / "d/a")
    forget_nothing(world.repo / "d/a", "d", md5(b"1"), RelPath("a"))
    flip(world.repo / "one.txt")
    forget_nothing(world.repo / "one.txt", "one.txt", md5(b"one"))
    assert status(Project.find()) == ()  # nobody else can see it
    proof = prove(repair=True)
    assert facts(proof) == {("workspace", "corrupt", ("d/a",)), ("workspace", "corrupt", ("one.txt",))}
    assert proof.exit_code == 0
    assert contents(world.repo / "d") == DATA
    assert (world.repo / "one.txt").read_bytes() == b"one"
    assert prove().findings == ()


def test_damage_in_a_hard_linked_file_is_damage_in_both(make: Callable[..., World]) -> None:
    world = make("hardlink,copy")
    flip(world.repo / "d/t/c")
    proof = prove(repair=True)
    assert facts(proof) == {("workspace", "corrupt", ("d/t/c",)), ("cache", "corrupt", ("d/t/c",))}
    assert proof.exit_code == 0
    assert contents(world.repo / "d") == DATA
    assert (world.repo / "d/t/c").samefile(in_cache(world, b"333"))
    assert world.wrong() == []


def test_symbolic_links_are_whole_again_when_the_cache_is(make: Callable[..., World]) -> None:
    world = make("symlink,copy")
    flip(in_cache(world, b"333"))
    assert prove(repair=True).exit_code == 0
    assert contents(world.repo / "d") == DATA
    assert prove(places=ALL).findings == ()


def test_a_damaged_listing_is_found_and_mended(world: World) -> None:
    oid, listing = dir_object(DATA)
    for top in (world.cache, world.store):
        flip(top / "files/md5" / oid[:2] / oid[2:])
    proof = prove(places=ALL, repair=True)
    assert facts(proof) == {("cache", "corrupt", ("d/",)), ("remote", "corrupt", ("d/",))}
    assert proof.exit_code == 0  # made again from the workspace
    assert (world.cache / "files/md5" / oid[:2] / oid[2:]).read_bytes() == listing
    assert world.wrong() == []


def test_a_listing_that_is_nowhere_is_said(world: World) -> None:
    oid = dir_object(DATA)[0]
    for top in (world.cache, world.store):
        (top / "files/md5" / oid[:2] / oid[2:]).unlink()
    (world.repo / "d/a").unlink()
    proof = prove()
    assert ("cache", "missing", ("d/",)) in facts(proof)
    assert ["'d'" in warning for warning in proof.warnings] == [True]


def test_a_dry_run_repairs_nothing_and_notes_nothing(world: World) -> None:
    flip(in_cache(world, b"22"))
    flip(in_store(world, b"333"))
    shutil.rmtree(world.repo / ".dvc/tmp/lab")
    before = world.everything()
    with FaultyFiles(str(world.root)) as counted:
        proof = verify(Project.find(), Selection(), VerifyOptions(places=ALL, repair=True), dry_run=True)
    assert len(proof.findings) == 2
    assert (proof.mended, proof.exit_code) == ((), 4)
    assert counted.calls == []
    assert world.everything() == before


def test_what_has_nothing_to_prove_is_said(world: World) -> None:
    (world.repo / "new.dvc").write_text("outs:\n- path: new\n  hash: md5\n")
    cloud = (
        "outs:\n- path: cloud\n  files:\n  - relpath: a\n    size: 1\n    cloud: {s3: {etag: abcdef, version_id: y}}\n"
    )
    (world.repo / "cloud.dvc").write_text(cloud)
    proof = prove()
    assert proof.exit_code == 0
    assert ["new" in proof.warnings[1], "cloud-versioned" in proof.warnings[0]] == [True, True]


def test_an_import_from_another_repository_is_never_sought_on_our_remote(world: World) -> None:
    text = (world.repo / "one.txt.dvc").read_text()
    repo = "deps:\n- path: x\n  repo:\n    url: ../other\n    rev_lock: a000000000000000000000000000000000000000\n"
    (world.repo / "one.txt.dvc").write_text("md5: 0123456789abcdef0123456789abcdef\nfrozen: true\n" + repo + text)
    in_store(world, b"one").unlink()
    assert prove(places=ALL).findings == ()
    in_cache(world, b"one").unlink()
    (world.repo / "one.txt").unlink()
    proof = prove("one.txt", repair=True)
    assert [mended.error.code for mended in proof.mended if mended.error] == ["repo-import"]


# --- what repairs come from ----------------------------------------------------------------------------


def test_the_cache_is_mended_from_the_workspace_without_a_remote(world: World) -> None:
    shutil.rmtree(world.store)
    (world.repo / ".dvc/config").write_text("")
    flip(in_cache(world, b"1"))
    in_cache(world, b"333").unlink()
    assert prove(repair=True).exit_code == 0
    assert world.wrong() == []
    assert world.holds(DATA)


def test_the_remote_is_mended_from_the_workspace_when_the_cache_is_lost(world: World) -> None:
    flip(in_store(world, b"1"))
    shutil.rmtree(world.cache)
    assert prove(places=REMOTE, repair=True).exit_code == 0
    assert objects(world.store) >= {dir_object(DATA)[0], md5(b"1")}
    assert world.wrong() == []


def test_no_good_copy_anywhere_is_a_repair_that_failed(world: World) -> None:
    flip(in_cache(world, b"1"))
    flip(in_store(world, b"1"))
    (world.repo / "d/a").unlink()
    proof = prove(places=ALL, repair=True)
    errors = [mended.error for mended in proof.mended]
    assert [error.code for error in errors if error] == ["no-good-copy", "no-good-copy"]
    assert all(error.hint for error in errors if error)
    assert proof.exit_code == 3


def test_a_listing_is_not_shown_while_its_files_are_lost(world: World) -> None:
    oid = dir_object(DATA)[0]
    (world.store / "files/md5" / oid[:2] / oid[2:]).unlink()
    in_store(world, b"1").unlink()
    in_cache(world, b"1").unlink()
    (world.repo / "d/a").unlink()
    assert prove(places=REMOTE, repair=True).exit_code == 3
    assert oid not in objects(world.store)


def test_a_workspace_repair_never_takes_bad_bytes_from_the_cache(world: World) -> None:
    """Nobody asked for the cache, and its bad object looks as it did when it was verified."""
    flip(world.repo / "d/a")
    forget_nothing(world.repo / "d/a", "d", md5(b"1"), RelPath("a"))
    flip(in_cache(world, b"1"))
    assert prove(places=WORKSPACE, repair=True).exit_code == 0
    assert contents(world.repo / "d") == DATA
    assert world.wrong() == []


@every_link
@pytest.mark.parametrize("number", [0, errno.EIO, errno.ENOSPC], ids=["killed", "bad-disk", "no-space"])
def test_a_repair_that_is_cut_short_is_finished_by_the_next(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch, links: str, number: int
) -> None:
    """At any changing call: nothing good is lost, no new bad object appears, and the next run mends all."""
    damaged = make(links)
    flip(in_cache(damaged, b"22"))
    in_cache(damaged, b"1").unlink()
    flip(in_store(damaged, b"333"))
    in_store(damaged, b"one").unlink()
    bad = {md5(b"22"), md5(b"333")}

    def run(world: World, at: int) -> int:
        monkeypatch.chdir(world.repo)
        with FaultyFiles(str(world.root), fail_at=at, number=number) as faulty, contextlib.suppress(LabError, Killed):
            prove(places=ALL, repair=True)
        return len(faulty.calls)

    count = run(damaged.copy(damaged.root.with_name("count")), 0)
    for at in range(1, count + 1, 7):
        world = damaged.copy(damaged.root.with_name("round"))
        run(world, at)
        assert {wrong.partition(":")[0] for wrong in world.wrong() if "bytes hash" in wrong} <= bad
        if "symlink" not in links:
            assert contents(world.repo / "d").keys() == DATA.keys()
        run(world, 0)
        proof = prove(places=ALL)
        assert [finding for finding in proof.findings if finding.where is not Where.WORKSPACE] == [], at
        assert world.wrong() == [], at
        assert world.holds(DATA)


# --- what is looked at ---------------------------------------------------------------------------------


def test_targets_and_parts_of_them(world: World) -> None:
    flip(in_cache(world, b"1"))
    assert prove("one.txt").findings == ()
    assert prove("d/s").findings == ()
    assert facts(prove("d/a")) == {("cache", "corrupt", ("d/a",))}


def test_an_output_that_is_not_here_is_no_problem_unless_it_is_named(world: World) -> None:
    shutil.rmtree(world.repo / "d")
    for data in (*DATA.values(), dir_object(DATA)[1]):
        for path in (world.cache / "files/md5").rglob("*"):
            if path.is_file() and path.read_bytes() == data:
                path.unlink()
    proof = prove()
    assert (proof.findings, proof.absent, proof.exit_code) == ((), ("d",), 0)
    assert prove(places=ALL).exit_code == 0
    assert prove("d").exit_code == 4
    assert prove(places=CACHE).exit_code == 4
    assert facts(prove(places=WORKSPACE)) == {("workspace", "missing", ("d",))}


def test_all_revisions(world: World) -> None:
    world.write("d", {"a": b"changed"})
    add(Project.find(), ["d"])
    world.git("add", ".")
    world.git("commit", "-qm", "second")
    flip(in_cache(world, b"333"))
    assert prove().findings == ()
    proof = verify(Project.find(), Selection(all_commits=True))
    assert facts(proof) == {("cache", "corrupt", ("d/t/c",))}


def test_a_sample_reads_a_share_and_the_same_again(world: World) -> None:
    world.write("many", {f"{number:03}": b"%d" % number for number in range(200)})
    add(Project.find(), ["many"])
    with CountingReads() as reads:
        proof = prove("many", places=CACHE, share=0.05)
    objects_read = reads.below(str(world.cache / "files"))
    assert len(objects_read) == 10
    assert proof.seed is not None
    with CountingReads() as again:
        prove("many", places=CACHE, share=0.05, seed=proof.seed)
    assert again.below(str(world.cache / "files")) == objects_read
    in_cache(world, b"7").unlink()  # what is missing is found by any sample
    assert facts(prove("many", places=CACHE, share=0.05)) == {("cache", "missing", ("many/007",))}


def test_linked_files_are_read_once(make: Callable[..., World]) -> None:
    make("hardlink,copy")
    with CountingReads() as reads:
        proof = prove()
    assert proof.exit_code == 0
    assert len(reads.paths) <= 6 + 1 + 2  # six files, the listing, and the empty file, which is never linked


def test_what_was_verified_is_remembered(world: World) -> None:
    shutil.rmtree(world.repo / ".dvc/tmp/lab")
    project = Project.find()
    oids = [parse_oid(md5(data)) for data in DATA.values()]
    assert set(project.cache().unverified(oids)) == set(oids)
    prove()
    assert Project.find().cache().unverified(oids) == []


def test_an_unreadable_file_is_listed_and_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from labops.drivers import fs
    from labops.errors import AccessDenied

    real = fs.hash_file

    def refuse(path: str, hash_name: HashName = HashName.MD5) -> fs.Hashed:
        if path.endswith("/d/a"):
            raise AccessDenied("no", code="file-access-denied", path=path)
        return real(path, hash_name)

    monkeypatch.setattr(fs, "hash_file", refuse)
    flip(in_cache(world, b"22"))
    assert facts(prove()) == {("workspace", "unreadable", ("d/a",)), ("cache", "corrupt", ("d/s/b", "d/s/same"))}


def test_nothing_tracked_is_nothing_wrong(world: World) -> None:
    for name in ("d.dvc", "one.txt.dvc"):
        (world.repo / name).unlink()
    proof = prove(places=ALL)
    assert (proof.findings, proof.exit_code) == ((), 0)


def test_a_remote_that_is_asked_for_must_be_there(world: World) -> None:
    (world.repo / ".dvc/config").write_text("[core]\n    remote = r\n['remote \"r\"']\n    url = ../../not/mounted\n")
    with pytest.raises(NotFound) as caught:
        prove(places=REMOTE)
    assert caught.value.code == "no-such-folder"


def test_the_2x_layout(world: World) -> None:
    """A file with CRLF, named by the old rule, in the old places."""
    data, oid = b"line1\r\nline2\r\n", "4fcc82a88ee38e0aa16c17f512c685c9"
    for top in (world.cache, world.store):
        (top / oid[:2]).mkdir()
        (top / oid[:2] / oid[2:]).write_bytes(data)
    (world.repo / "old.txt").write_bytes(data)
    (world.repo / "old.txt.dvc").write_text(f"outs:\n- md5: {oid}\n  size: 14\n  path: old.txt\n")
    assert prove("old.txt", places=ALL).findings == ()
    flip(world.cache / oid[:2] / oid[2:])
    flip(world.store / oid[:2] / oid[2:])
    proof = prove("old.txt", places=ALL, repair=True)
    assert facts(proof) == {("cache", "corrupt", ("old.txt",)), ("remote", "corrupt", ("old.txt",))}
    assert proof.exit_code == 0
    assert (world.cache / oid[:2] / oid[2:]).read_bytes() == data
    assert (world.store / oid[:2] / oid[2:]).read_bytes() == data


# --- a bucket ------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(world: World) -> object:
    with toy_s3() as toy:
        (world.repo / ".dvc/config").write_text(
            "[core]\n    remote = b\n['remote \"b\"']\n    url = s3://box/pre\n"
            + "".join(f"    {name} = {value}\n" for name, value in toy.remote_options().items())
        )
        push(Project.find())
        toy.log.clear()
        yield toy


def _key(data: bytes) -> str:
    oid = md5(data)
    return f"/box/pre/files/md5/{oid[:2]}/{oid[2:]}"


@pytest.mark.usefixtures("world")
def test_a_bucket_is_proved_by_its_etags_without_a_download(bucket: ToyS3) -> None:
    proof = prove(places=REMOTE)
    (look,) = proof.looks
    assert (proof.findings, look.by_store, look.hashed, look.downloaded_bytes) == ((), 6, 0, 0)
    assert bucket.gets() == []
    assert look.requests >= 1


@pytest.mark.usefixtures("world")
def test_a_flipped_byte_in_a_bucket_is_found_by_one_download_and_mended(bucket: ToyS3) -> None:
    bucket.held[_key(b"333")] = b"332"
    proof = prove(places=REMOTE)
    (look,) = proof.looks
    assert facts(proof) == {("remote", "corrupt", ("d/t/c",))}
    assert bucket.gets() == [_key(b"333")]
    assert (look.by_store, look.hashed, look.downloaded_bytes) == (5, 1, 3)
    assert prove(places=REMOTE, repair=True).exit_code == 0
    assert bucket.held[_key(b"333")] == b"333"


@pytest.mark.usefixtures("world")
def test_a_wrong_size_needs_no_download(bucket: ToyS3) -> None:
    bucket.held[_key(b"333")] = b"33"
    assert facts(prove(places=REMOTE)) == {("remote", "corrupt", ("d/t/c",))}
    assert bucket.gets() == []


@pytest.mark.usefixtures("world")
def test_a_store_that_is_not_believed_is_read_in_full(bucket: ToyS3) -> None:
    (look,) = prove(places=REMOTE, is_store_believed=False).looks
    assert (look.by_store, look.hashed) == (0, 6)
    assert len(bucket.gets()) == 6


def test_a_finding_is_a_value() -> None:
    one = Finding(Where.CACHE, Problem.CORRUPT, ("a",))
    assert one == Finding(Where.CACHE, Problem.CORRUPT, ("a",))
    assert len({one, one._replace(size=1)}) == 2


def test_dvc_agrees(world: World, dvc: Callable[..., str]) -> None:
    """Damage on both sides, mended by us: dvc finds all in its place."""
    flip(in_cache(world, b"22"))
    flip(in_store(world, b"333"))
    in_store(world, b"1").unlink()
    assert prove(places=ALL, repair=True).exit_code == 0
    assert (world.repo / "d.dvc").read_text() == pointer(DATA)
    assert "in sync" in dvc("status", "-c", cwd=world.repo)
    shutil.rmtree(world.cache)
    dvc("fetch", cwd=world.repo)
    assert world.wrong() == []
    assert "up to date" in dvc("status", cwd=world.repo)
    assert fetch(Project.find()).failed == ()
