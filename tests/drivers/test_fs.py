"""The file system driver, on a real disk."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labops.drivers import fs
from labops.drivers.fs import reading
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NoSpace, NotFound, Unavailable
from labops.model import HashName, Oid

MIB = 1 << 20
SIZES = [0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB + 12_345]


def text_with_crlf(size: int) -> bytes:
    """Lines of many lengths, so that some CRLF lies across the end of a MiB."""
    chance = random.Random(size)
    data = b"".join(b"x" * chance.randrange(40) + b"\r\n" for _ in range(size // 15 + 40))[:size]
    return data if size < MIB + 1 else data[: MIB - 1] + b"\r\n" + data[MIB + 1 :]


CONTENTS: dict[str, Callable[[int], bytes]] = {
    "random": lambda size: random.Random(size).randbytes(size),
    "text": text_with_crlf,
    "zeros": bytes,
}


def legacy(data: bytes) -> str:
    """The 2.x hash as section 4.3 of dvc's rules says it, in one expression after another."""
    digest = hashlib.md5()
    plain = set(range(0x20, 0x7F)) | set(b"\n\r\t\f\b")
    for start in range(0, len(data), MIB):
        chunk = data[start : start + MIB]
        head = chunk[:512]
        odd = sum(byte not in plain for byte in head)
        is_text = 0 not in head and odd <= 0.3 * len(head)
        digest.update(chunk.replace(b"\r\n", b"\n") if is_text else chunk)
    return digest.hexdigest()


EXPECTED: dict[HashName, Callable[[bytes], str]] = {
    HashName.MD5: lambda data: hashlib.md5(data).hexdigest(),
    HashName.MD5_DOS2UNIX: legacy,
}

all_sizes = pytest.mark.parametrize("size", SIZES)
all_kinds = pytest.mark.parametrize("kind", CONTENTS)


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield lambda mask: (os.umask(mask), None)[1]
    os.umask(before)


# --- hashing and copying ------------------------------------------------------------------------------


@all_sizes
@all_kinds
@pytest.mark.parametrize("hash_name", HashName)
def test_three_ways_to_hash_agree_with_hashlib(tmp_path: Path, size: int, kind: str, hash_name: HashName) -> None:
    data = CONTENTS[kind](size)
    assert len(data) == size
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    expected = EXPECTED[hash_name](data)

    hashed = fs.hash_file(str(source), hash_name)
    copied = fs.copy_hashing(str(source), str(target), hash_name)

    assert hashed.oid == copied.oid == fs.hash_bytes(data, hash_name) == expected
    assert hashed.fingerprint == copied.fingerprint == fs.stat(str(source))
    assert copied.is_written
    assert target.read_bytes() == data, "the copy is the original, unconverted"
    assert stat.S_IMODE(target.stat().st_mode) == 0o444


@pytest.mark.parametrize("size", [10, MIB + 10])
def test_an_unwanted_copy_does_not_remain(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(bytes(size))
    asked: list[Oid] = []

    def is_wanted(oid: Oid) -> bool:
        asked.append(oid)
        return False

    found = fs.copy_hashing(str(tmp_path / "a"), str(tmp_path / "b"), is_wanted=is_wanted)
    assert not found.is_written
    assert set(asked) == {found.oid} == {hashlib.md5(bytes(size)).hexdigest()}
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("size", [10, MIB + 10])
def test_a_copy_never_overwrites(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(bytes(size))
    (tmp_path / "b").write_bytes(b"precious")
    with pytest.raises(LabError):
        fs.copy_hashing(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"precious"


CHANGES: dict[str, Callable[[Path], object]] = {
    "grows": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "shrinks": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "is-touched": lambda path: os.utime(path, ns=(1, 1)),
}


@pytest.mark.parametrize("size", [10, 2 * MIB])
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_file_that_changes_under_its_reader_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: Callable[[Path], object]
) -> None:
    """The change falls between opening and the end of reading; no copy remains."""
    source = tmp_path / "a"
    source.write_bytes(bytes(size))
    opened = reading.open_regular

    def open_then_change(path: str) -> tuple[int, os.stat_result]:
        found = opened(path)
        change(source)
        return found

    monkeypatch.setattr(reading, "open_regular", open_then_change)
    for attempt in (lambda: fs.hash_file(str(source)), lambda: fs.copy_hashing(str(source), str(tmp_path / "b"))):
        source.write_bytes(bytes(size))
        with pytest.raises(Conflict) as caught:
            attempt()
        assert caught.value.code == "changed-while-read"
    assert os.listdir(tmp_path) == ["a"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO would block for ever."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        for attempt in (fs.hash_file, fs.read_bytes):
            with pytest.raises(InvalidInput) as caught:
                attempt(str(tmp_path / name))
            assert caught.value.code == "not-a-file"


@all_sizes
def test_a_plain_copy(tmp_path: Path, size: int, umask: Callable[[int], None]) -> None:
    umask(0o027)
    data = random.Random(size).randbytes(size)
    (tmp_path / "a").write_bytes(data)
    fs.copy(str(tmp_path / "a"), str(tmp_path / "b"), mode=0o666)
    assert (tmp_path / "b").read_bytes() == data
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o640


@pytest.mark.parametrize("size", [5, MIB, 3 * MIB + 1])
def test_a_plain_copy_of_a_file_that_was_cut_meanwhile_is_short_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Copy promises nothing about a moving source, but never waits for bytes that do not come."""
    source = tmp_path / "a"
    source.write_bytes(bytes(size))
    opened = reading.open_regular

    def open_then_cut(path: str) -> tuple[int, os.stat_result]:
        found = opened(path)
        os.truncate(path, 1)
        return found

    monkeypatch.setattr(reading, "open_regular", open_then_cut)
    fs.copy(str(source), str(tmp_path / "b"), mode=0o666)
    assert (tmp_path / "b").read_bytes() == b"\0"


def test_an_object_gets_its_mode_whatever_the_umask(tmp_path: Path, umask: Callable[[int], None]) -> None:
    umask(0o777)
    fs.write_new(str(tmp_path / "a"), b"x", mode=0o444)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o444


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert fs.read_bytes(str(tmp_path / "a"), limit=5) == b"12345"
    with pytest.raises(InvalidInput) as caught:
        fs.read_bytes(str(tmp_path / "a"), limit=4)
    assert caught.value.code == "file-too-large"


# --- writing ------------------------------------------------------------------------------------------


def test_write_atomic_keeps_the_mode_that_is_there(tmp_path: Path, umask: Callable[[int], None]) -> None:
    target = tmp_path / "a"
    umask(0o027)
    fs.write_atomic(str(target), b"1")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    target.chmod(0o604)
    fs.write_atomic(str(target), b"22")
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"22", 0o604)
    fs.write_atomic(str(target), b"333", mode=0o600)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"333", 0o600)


def test_write_atomic_follows_a_link_and_leaves_it_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/a")
    fs.write_atomic(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/a").read_bytes() == b"new"
    assert os.listdir(tmp_path / "real") == ["a"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "fchmod"])
def test_write_atomic_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(NoSpace):
        fs.write_atomic(str(target), b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_replaced_file_is_another_file_so_a_reader_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        fs.write_atomic(str(target), b"new")
        assert reader.read() == b"old"


def test_a_cache_file_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    fs.write_cache_file(str(tmp_path / "file/inside/state"), b"x")
    assert fs.read_cache_file(str(tmp_path / "file/inside/state")) == b""
    fs.write_cache_file(str(tmp_path / "new/folder/state"), b"x")
    assert fs.read_cache_file(str(tmp_path / "new/folder/state")) == b"x"
    assert os.listdir(tmp_path / "new/folder") == ["state"]


@pytest.mark.parametrize("count", [0, 1, 8, 9, 30])
def test_sync_of_few_and_many(tmp_path: Path, count: int) -> None:
    files = [str(tmp_path / str(n)) for n in range(count)]
    for name in files:
        fs.write_new(name, b"x")
    fs.sync(str(tmp_path), files)
    fs.sync_names(str(tmp_path), files)
    fs.sync_dir(str(tmp_path / "absent"))


# --- folders ------------------------------------------------------------------------------------------


def test_a_listing_tells_every_kind_apart(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_bytes(b"12345")
    (tmp_path / "run").write_bytes(b"")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "to_file").symlink_to("plain")
    (tmp_path / "to_folder").symlink_to("folder")
    (tmp_path / "to_nothing").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    os.utime(tmp_path / "run", ns=(0, -5_000_000_000))

    listing = fs.list_folder(str(tmp_path))

    assert sorted(listing.names) == ["plain", "run", "to_file"]
    assert listing.folders == ["folder"]
    assert listing.links == ["to_file"]
    assert listing.executables == ["run"]
    assert dict(listing.odd) == {
        "to_folder": "folder link",
        "to_nothing": "broken link",
        "fifo": "special",
    }
    for index, name in enumerate(listing.names):
        numbers = [number % 2**64 for number in fs.stat(str(tmp_path / name))]
        assert list(listing.stats[4 * index : 4 * index + 4]) == numbers
    sizes = dict(zip(listing.names, listing.stats[::4], strict=True))
    assert sizes == {"plain": 5, "run": 0, "to_file": 5}


def test_the_ctime_of_a_protected_link_does_not_count(tmp_path: Path) -> None:
    """Linking the same object elsewhere changes its ctime, not its bytes."""
    (tmp_path / "object").write_bytes(b"x")
    (tmp_path / "object").chmod(0o444)
    assert fs.stat(str(tmp_path / "object")).ctime_ns != 0
    assert fs.hardlink(str(tmp_path / "object"), str(tmp_path / "linked"))
    assert fs.stat(str(tmp_path / "linked")).ctime_ns == 0
    (tmp_path / "linked").chmod(0o644)
    assert fs.stat(str(tmp_path / "linked")).ctime_ns != 0


def settle(folder: Path) -> None:
    """Give all folders a time long ago, as if nothing had happened for a while."""
    for path in [folder, *folder.iterdir()]:
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))


def test_a_witness_changes_with_every_name_that_comes_or_goes(tmp_path: Path) -> None:
    for shard in ("00", "ff"):
        (tmp_path / shard).mkdir()
    settle(tmp_path)
    before = fs.witness(str(tmp_path))
    assert before == fs.witness(str(tmp_path)) != b""
    (tmp_path / "00/object").write_bytes(b"x")
    assert fs.witness(str(tmp_path)) == b"", "just changed: too early to tell"
    os.utime(tmp_path / "00", ns=(10**18 + 2, 10**18 + 2))
    later = fs.witness(str(tmp_path))
    assert later not in (before, b"")
    (tmp_path / "01").mkdir()
    os.utime(tmp_path / "01", ns=(10**18 + 1, 10**18 + 1))
    assert fs.witness(str(tmp_path)) not in (later, before, b"")
    assert fs.witness(str(tmp_path / "absent")) == b""


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_shared_folder_is_for_the_group_whatever_the_umask(
    tmp_path: Path, umask: Callable[[int], None], mask: int
) -> None:
    tmp_path.chmod(0o700)
    umask(mask)
    fs.make_folder(str(tmp_path / "a/b/c"), is_shared=True)
    fs.make_folder(str(tmp_path / "own/b"))
    umask(0)
    for name in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o2775
    assert stat.S_IMODE((tmp_path / "own/b").stat().st_mode) & 0o777 == 0o777 & ~mask
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700, "what existed is left as it was"


def test_the_workbench_of_a_dead_process_is_swept_and_no_other(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, host = int(child.stdout), socket.gethostname()
    mine = fs.make_workbench(str(tmp_path))
    (tmp_path / f"{host}-{dead}-00aa").mkdir()
    (tmp_path / f"{host}-{dead}-00aa/half").write_bytes(b"x")
    others = [f"{host}-1-00aa", f"other-machine-{dead}-00aa", f"{host}-x-00aa", "readme", f"{host}-{2**80}-00"]
    for name in others:
        (tmp_path / name).mkdir()
    fs.sweep_workbenches(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted([*others, os.path.basename(mine)])
    fs.remove_workbench(mine)
    fs.remove_workbench(mine)
    assert not os.path.exists(mine)
    fs.sweep_workbenches(str(tmp_path / "absent"))


def test_links_among_the_parents_are_found(tmp_path: Path) -> None:
    (tmp_path / "real/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    root = str(tmp_path)
    assert fs.link_parents(f"{root}/real/sub/file", root) is None
    assert fs.link_parents(f"{root}/file", root) is None
    assert fs.link_parents(f"{root}/link/sub/file", root) == f"{root}/link"
    assert fs.link_parents(f"{root}/link", root) is None, "the last name itself may be one: it is replaced"


def test_the_clock_is_that_of_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    first = fs.clock_ns(str(tmp_path))
    (tmp_path / "after").write_bytes(b"")
    assert first <= (tmp_path / "after").stat().st_mtime_ns
    assert os.listdir(tmp_path) == ["after"]
    assert fs.clock_ns(str(tmp_path / "absent")) > 0


def test_a_probe_of_the_clock_that_cannot_be_removed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_disk(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "unlink", bad_disk)
    assert fs.clock_ns(str(tmp_path)) > 0


def test_only_empty_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / "full/sub").mkdir(parents=True)
    assert not fs.remove_folder(str(tmp_path / "full"))
    assert fs.remove_folder(str(tmp_path / "full/sub"))
    assert not fs.remove_folder(str(tmp_path / "absent"))


# --- links --------------------------------------------------------------------------------------------


def test_links_of_each_kind(tmp_path: Path) -> None:
    source = tmp_path / "object"
    source.write_bytes(b"x")
    source.chmod(0o444)
    assert fs.is_protected(str(source))
    assert fs.hardlink(str(source), str(tmp_path / "hard"))
    assert fs.symlink(str(source), str(tmp_path / "soft"))
    assert (tmp_path / "hard").samefile(source)
    assert os.readlink(tmp_path / "soft") == str(source)
    assert fs.is_protected(str(tmp_path / "soft"))
    (tmp_path / "own").write_bytes(b"x")
    assert not fs.is_protected(str(tmp_path / "own"))
    for make in (fs.hardlink, fs.symlink):
        with pytest.raises(LabError):
            make(str(source), str(tmp_path / "own"))
    if fs.reflink(str(source), str(tmp_path / "clone")):
        assert (tmp_path / "clone").read_bytes() == b"x"
    else:
        assert not (tmp_path / "clone").exists()


@pytest.mark.parametrize(
    ("number", "make"), [(errno.EXDEV, "hardlink"), (errno.EMLINK, "hardlink"), (errno.EPERM, "symlink")]
)
def test_a_link_that_the_system_cannot_make_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, make: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, {"hardlink": "link", "symlink": "symlink"}[make], refuse)
    assert getattr(fs, make)(str(tmp_path / "a"), str(tmp_path / "b")) is False


# --- errors -------------------------------------------------------------------------------------------

CLASSES: dict[type[LabError], set[str]] = {
    NotFound: {"ENOENT", "ENOTDIR"},
    AccessDenied: {"EACCES", "EPERM", "EROFS"},
    NoSpace: {"ENOSPC", "EDQUOT", "EFBIG"},
    InvalidInput: {"ELOOP", "ENAMETOOLONG", "EISDIR"},
}


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_errno_becomes_one_of_ours(number: int) -> None:
    """All that the platform knows: the classes that mean something here, and `Unavailable` for the rest."""
    name = errno.errorcode[number]
    expected = next((cls for cls, names in CLASSES.items() if name in names), Unavailable)
    original = OSError(number, os.strerror(number))
    with pytest.raises(LabError) as caught, fs.translating("some/path"):
        raise original
    assert type(caught.value) is expected
    assert "'some/path'" in str(caught.value)
    assert caught.value.__cause__ is original
    assert caught.value.fields["path"] == "some/path"


def test_an_os_error_without_a_number_is_translated_too() -> None:
    assert isinstance(fs.translate(OSError("odd"), "p"), Unavailable)


def test_our_own_errors_pass_unchanged() -> None:
    """`NoSpace` and `AccessDenied` are `OSError`s as well."""
    ours = NoSpace("full", code="disk-full")
    with pytest.raises(NoSpace) as caught, fs.translating("p"):
        raise ours
    assert caught.value is ours
