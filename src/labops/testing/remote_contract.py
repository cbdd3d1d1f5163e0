"""What every remote keeps, whatever it is made of: one suite, subscribed by one test class per backend.

Data is prepared and looked at *around* the remote, through a `Backing`; expected values are computed here
with `hashlib` alone.

    class TestFolder(RemoteContract):
        @pytest.fixture
        def backing(self, tmp_path): ...
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from labops.errors import Corrupt, LabError, NotFound, Unsupported
from labops.model import Event, HashName, Oid, RemoteSettings, parse_oid
from labops.places.remote import Remote, open_remote
from labops.places.trash import Trashed


class Backing(Protocol):
    """The store itself. Keys are relative to the remote's url."""

    @property
    def settings(self) -> RemoteSettings: ...
    def put(self, key: str, data: bytes) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def keys(self) -> set[str]: ...
    def absent(self) -> RemoteSettings:
        """Settings of a remote whose bucket or parent folder does not exist."""
        ...


def oid_of(data: bytes, suffix: str = "") -> Oid:
    """The 3.x oid of `data`, by the standard library alone."""
    return parse_oid(hashlib.md5(data).hexdigest() + suffix)


def key_of(oid: Oid, hash_name: HashName = HashName.MD5) -> str:
    """Where dvc keeps an object, below the remote's url."""
    return ("files/md5/" if hash_name is HashName.MD5 else "") + oid[:2] + "/" + oid[2:]


def sample(count: int, size: int = 40, seed: int = 7) -> dict[Oid, bytes]:
    """`count` different small objects by oid."""
    maker = random.Random(seed)
    return {oid_of(data): data for data in (maker.randbytes(size) for _ in range(count))}


class _Opened:
    @pytest.fixture
    def opened(self, backing: Backing, tmp_path: Path) -> Iterator[Callable[..., Remote]]:
        """Open the backing's remote; closed after the test."""
        with contextlib.ExitStack() as stack:

            def open_it(hash_name: HashName = HashName.MD5, settings: RemoteSettings | None = None) -> Remote:
                remote = open_remote(settings or backing.settings, hash_name, state_dir=str(tmp_path / "state"))
                stack.callback(remote.close)
                return remote

            yield open_it

    @pytest.fixture
    def remote(self, opened: Callable[..., Remote]) -> Remote:
        return opened()


class ReadContract(_Opened):
    """What a remote that can be read keeps."""

    def test_contains_says_exactly_what_is_there(self, backing: Backing, remote: Remote) -> None:
        present, absent = sample(12), sample(12, seed=8)
        for oid, data in present.items():
            backing.put(key_of(oid), data)
        assert remote.contains([*present, *absent]) == set(present)
        assert remote.contains(list(present)[:2] + list(absent)[:1]) == set(list(present)[:2])
        assert remote.contains(list(absent)) == set()
        assert remote.contains([]) == set()

    def test_a_question_that_is_told_of_is_told_to_its_end(self, backing: Backing, remote: Remote) -> None:
        for _ in range(2):  # a remote that nobody pushed to yet, and one that has something
            events: list[Event] = []
            remote.contains([oid_of(b"a"), oid_of(b"b")], on_event=events.append)
            kinds = [event.kind for event in events]
            assert kinds.count("started") == kinds.count("finished")
            backing.put(key_of(oid_of(b"a")), b"a")

    def test_a_tree_object_proves_nothing_about_its_files(self, backing: Backing, remote: Remote) -> None:
        child = oid_of(b"child")
        listing = b'[{"md5": "%s", "relpath": "a"}]' % child.encode()
        tree = oid_of(listing, ".dir")
        backing.put(key_of(tree), listing)
        assert remote.contains([tree, child]) == {tree}
        assert remote.read(tree) == listing

    def test_download_makes_the_file(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        for data in (b"", b"x", os.urandom(3 << 20), os.urandom((9 << 20) + 1)):
            oid = oid_of(data)
            backing.put(key_of(oid), data)
            target = tmp_path / oid
            assert remote.download(oid, str(target)) == len(data)
            assert target.read_bytes() == data

    def test_download_makes_the_file_with_a_mode(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        for data in (b"x", os.urandom((9 << 20) + 1)):
            oid = oid_of(data)
            backing.put(key_of(oid), data)
            remote.download(oid, str(tmp_path / oid), mode=0o444)
            assert os.stat(tmp_path / oid).st_mode & 0o777 == 0o444

    def test_a_damaged_object_is_refused_and_leaves_no_file(
        self, backing: Backing, remote: Remote, tmp_path: Path
    ) -> None:
        for good in (b"right", os.urandom(9 << 20)):
            oid = oid_of(good)
            backing.put(key_of(oid), good[:-1] + bytes([good[-1] ^ 1]))
            target = tmp_path / "target"
            with pytest.raises(Corrupt) as caught:
                remote.download(oid, str(target))
            assert caught.value.code == "corrupt-download"
            assert not target.exists()
            with pytest.raises(Corrupt):
                remote.read(oid)

    def test_a_missing_object_is_not_found(self, remote: Remote, backing: Backing, tmp_path: Path) -> None:
        backing.put(key_of(oid_of(b"other")), b"other")
        with pytest.raises(NotFound) as caught:
            remote.download(oid_of(b"nothing"), str(tmp_path / "target"))
        assert caught.value.code == "no-such-object"
        assert not (tmp_path / "target").exists()
        with pytest.raises(NotFound):
            remote.read(oid_of(b"nothing"))

    def test_the_2x_layout_and_its_text_rule(
        self, backing: Backing, opened: Callable[..., Remote], tmp_path: Path
    ) -> None:
        legacy = opened(HashName.MD5_DOS2UNIX)
        data, name = b"line1\r\nline2\r\n", parse_oid("4fcc82a88ee38e0aa16c17f512c685c9")
        backing.put(key_of(name, HashName.MD5_DOS2UNIX), data)
        long = b"a\r\n" * 700_000  # three MiB of text: the rule works on each MiB, and one CRLF is split
        block = 1 << 20
        pieces = (long[at : at + block].replace(b"\r\n", b"\n") for at in range(0, len(long), block))
        long_name = parse_oid(hashlib.md5(b"".join(pieces)).hexdigest())
        backing.put(key_of(long_name, HashName.MD5_DOS2UNIX), long)
        assert legacy.contains([name, long_name, oid_of(data)]) == {name, long_name}
        assert legacy.read(name) == data
        assert legacy.download(long_name, str(tmp_path / "long")) == len(long)
        assert (tmp_path / "long").read_bytes() == long
        with pytest.raises(NotFound):
            opened().read(name)

    def test_fingerprints_say_what_is_there_and_never_more_than_the_truth(
        self, backing: Backing, opened: Callable[..., Remote]
    ) -> None:
        """A size is the stored one, and a tag that equals the oid is only there when the bytes are right."""
        present, absent = sample(12), sample(12, seed=8)
        damaged = {oid: data[:-1] + bytes([data[-1] ^ 1]) for oid, data in sample(6, seed=9).items()}
        for oid, data in (present | damaged).items():
            backing.put(key_of(oid), data)
        remote = opened()
        few = list(present)[:1] + list(damaged)[:1] + list(absent)[:1]
        for wanted in (few, [*present, *damaged, *absent]):
            found = remote.fingerprints(wanted)
            assert found.keys() == set(wanted) - absent.keys()
            assert {held.size for held in found.values()} <= {40, None}
            assert not any(found[oid].tag == oid for oid in damaged.keys() & found.keys())
        assert remote.fingerprints([]) == {}

    def test_checksums_are_those_of_the_bytes(self, backing: Backing, remote: Remote) -> None:
        ((oid, data),) = sample(1).items()
        backing.put(key_of(oid), data)
        kept = dict(remote.checksums(oid))
        known = {name: hashlib.new(name, data).hexdigest() for name in kept if name != "crc32"}
        if "crc32" in kept:
            known["crc32"] = f"{zlib.crc32(data):08x}"
        assert kept == known

    def test_verify_reads_all_of_an_object(self, backing: Backing, remote: Remote) -> None:
        for good in (b"", b"right", os.urandom(9 << 20)):
            oid = oid_of(good)
            backing.put(key_of(oid), good)
            assert remote.verify(oid) == len(good)
            if good:
                backing.put(key_of(oid), good[:-1] + bytes([good[-1] ^ 1]))
                with pytest.raises(Corrupt) as caught:
                    remote.verify(oid)
                assert caught.value.code == "corrupt-download"
        with pytest.raises(NotFound) as missing:
            remote.verify(oid_of(b"nothing"))
        assert missing.value.code == "no-such-object"

    def test_verify_knows_the_2x_rule(self, backing: Backing, opened: Callable[..., Remote]) -> None:
        data, name = b"line1\r\nline2\r\n", parse_oid("4fcc82a88ee38e0aa16c17f512c685c9")
        backing.put(key_of(name, HashName.MD5_DOS2UNIX), data)
        assert opened(HashName.MD5_DOS2UNIX).verify(name) == len(data)

    def test_check_finds_nothing_wrong(self, remote: Remote, backing: Backing) -> None:
        backing.put(key_of(oid_of(b"x")), b"x")
        remote.check()

    def test_access_is_told_without_a_secret_and_the_clock_is_near(self, remote: Remote, backing: Backing) -> None:
        backing.put(key_of(oid_of(b"x")), b"x")
        access = remote.access()
        assert access.bucket or access.prefix or access.endpoint
        secret = backing.settings.options.get("secret_access_key")
        assert not secret or secret not in access
        clock = remote.clock()
        assert clock is None or abs(clock - time.time()) < 60

    def test_no_repr_shows_a_secret(self, remote: Remote, backing: Backing) -> None:
        secret = backing.settings.options.get("secret_access_key")
        assert not secret or secret not in repr(remote) + str(vars(remote))


class RemoteContract(ReadContract):
    """What a remote that can be written keeps besides."""

    def test_upload_puts_the_bytes_where_dvc_looks(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        objects = {oid_of(data): data for data in (b"", b"x", os.urandom(2 << 20), os.urandom((9 << 20) + 1))}
        for oid, data in objects.items():
            source = tmp_path / oid
            source.write_bytes(data)
            remote.upload(oid, str(source), len(data))
            remote.upload(oid, str(source), len(data))
        listing = b"[]"
        tree = oid_of(listing, ".dir")
        remote.upload_bytes(tree, listing)
        remote.finish()
        assert backing.keys() == {key_of(oid) for oid in objects} | {key_of(tree)}
        assert all(backing.get(key_of(oid)) == data for oid, data in objects.items())
        assert backing.get(key_of(tree)) == listing
        assert remote.contains([*objects, tree]) == {*objects, tree}

    def test_upload_in_the_2x_layout(self, backing: Backing, opened: Callable[..., Remote], tmp_path: Path) -> None:
        legacy = opened(HashName.MD5_DOS2UNIX)
        data, name = b"line1\r\nline2\r\n", parse_oid("4fcc82a88ee38e0aa16c17f512c685c9")
        (tmp_path / "f").write_bytes(data)
        legacy.upload(name, str(tmp_path / "f"), len(data))
        legacy.finish()
        assert backing.keys() == {key_of(name, HashName.MD5_DOS2UNIX)}
        assert backing.get(key_of(name, HashName.MD5_DOS2UNIX)) == data
        with pytest.raises(Corrupt):
            legacy.upload(oid_of(data), str(tmp_path / "f"), len(data))

    def test_a_damaged_source_never_gets_the_name(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        for size in (10, 9 << 20):
            good = os.urandom(size)
            (tmp_path / "f").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
            with pytest.raises(Corrupt) as caught:
                remote.upload(oid_of(good), str(tmp_path / "f"), size)
            assert caught.value.code == "corrupt-object"
        with pytest.raises(Corrupt):
            remote.upload_bytes(oid_of(b"right"), b"wrong")
        remote.finish()
        assert backing.keys() == set()

    def test_a_source_of_another_size_is_refused(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")
        for size in (9, 11):
            with pytest.raises(LabError):
                remote.upload(oid_of(b"0123456789"), str(tmp_path / "f"), size)
        assert backing.keys() == set()

    def test_a_missing_source_is_named(self, remote: Remote, tmp_path: Path) -> None:
        with pytest.raises(NotFound) as caught:
            remote.upload(oid_of(b"x"), str(tmp_path / "absent"), 1)
        assert "absent" in caught.value.message

    def test_list_gives_each_object_once_and_nothing_foreign(self, backing: Backing, remote: Remote) -> None:
        objects = sample(15)
        for oid, data in objects.items():
            backing.put(key_of(oid), data)
        foreign = ("readme.txt", "files/md5/00/short", "files/md5/zz/" + "0" * 30, "runs/ab/" + "0" * 30, "files/x")
        for key in foreign:
            backing.put(key, b"foreign")
        legacy = next(iter(sample(1, seed=9).items()))
        backing.put(key_of(legacy[0], HashName.MD5_DOS2UNIX), legacy[1])
        found = list(remote.list())
        assert sorted(found) == sorted((oid, len(data)) for oid, data in objects.items())

    def test_delete_removes_just_those(self, backing: Backing, remote: Remote) -> None:
        objects = sample(6)
        for oid, data in objects.items():
            backing.put(key_of(oid), data)
        gone = list(objects)[:4]
        remote.delete([*gone, oid_of(b"never there")])
        assert backing.keys() == {key_of(oid) for oid in list(objects)[4:]}
        remote.delete([])
        assert remote.contains(list(objects)) == set(list(objects)[4:])

    def test_inventory_says_when_each_object_came(self, backing: Backing, remote: Remote) -> None:
        objects = sample(3)
        began = time.time()
        for oid, data in objects.items():
            backing.put(key_of(oid), data)
        found = {item.oid: item for item in remote.inventory()}
        assert {oid: item.size for oid, item in found.items()} == {oid: len(data) for oid, data in objects.items()}
        assert all(began - 5 <= item.modified <= time.time() + 5 for item in found.values())

    @pytest.mark.parametrize("hash_name", list(HashName))
    def test_the_trash_takes_and_gives_back(
        self, backing: Backing, opened: Callable[..., Remote], hash_name: HashName
    ) -> None:
        remote = opened(hash_name)
        objects = sample(7) | {oid_of(b"[]", ".dir"): b"[]"}
        for oid, data in objects.items():
            backing.put(key_of(oid, hash_name), data)
        other = next(name for name in HashName if name is not hash_name)
        twin = next(iter(objects))
        backing.put(key_of(twin, other), objects[twin])
        gone, kept = list(objects)[:5], list(objects)[5:]
        remote.trash({oid: len(objects[oid]) for oid in gone} | {oid_of(b"never there"): 11}, "2026-11-25")
        inside = {f".lab-trash/2026-11-25/{key_of(oid, hash_name)}": oid for oid in gone}
        assert backing.keys() == {key_of(oid, hash_name) for oid in kept} | {key_of(twin, other)} | set(inside)
        assert all(backing.get(key) == objects[oid] for key, oid in inside.items())
        assert remote.contains(list(objects)) == set(kept)
        assert {oid for oid, _ in remote.list()} == set(kept)
        assert list(opened(other).trashed()) == []
        items = list(remote.trashed())
        assert sorted(items) == sorted(("2026-11-25", oid, len(objects[oid])) for oid in gone)
        remote.restore(items[:3])
        remote.purge([item for item in items[3:] if item.oid == items[3].oid] + items[4:5])
        assert backing.keys() == {key_of(oid, hash_name) for oid in kept} | {key_of(twin, other)} | {
            key_of(item.oid, hash_name) for item in items[:3]
        }
        assert all(backing.get(key_of(item.oid, hash_name)) == objects[item.oid] for item in items[:3])
        remote.purge(items)
        assert list(remote.trashed()) == []
        remote.trash({}, "2026-11-25")
        remote.restore([])

    def test_an_object_of_the_other_layout_is_adopted(self, backing: Backing, opened: Callable[..., Remote]) -> None:
        data = b"\0binary" * 9
        oid = oid_of(data)
        backing.put(key_of(oid, HashName.MD5_DOS2UNIX), data)
        remote = opened(HashName.MD5)
        remote.adopt(oid, len(data))
        remote.finish()
        assert backing.get(key_of(oid)) == data
        assert backing.get(key_of(oid, HashName.MD5_DOS2UNIX)) == data
        with pytest.raises(NotFound):
            remote.adopt(oid_of(b"nothing"), 7)

    def test_notes_are_kept_and_are_no_objects(self, backing: Backing, remote: Remote) -> None:
        backing.put(key_of(oid_of(b"x")), b"x")
        assert remote.notes("kind") == {}
        remote.put_note("kind", "one", b"1")
        remote.put_note("kind", "two", b"2")
        remote.put_note("kind", "two", b"22")
        remote.put_note("other", "two", b"other")
        assert remote.notes("kind") == {"one": b"1", "two": b"22"}
        remote.remove_note("kind", "one")
        remote.remove_note("kind", "never there")
        assert remote.notes("kind") == {"two": b"22"}
        assert [oid for oid, _ in remote.list()] == [oid_of(b"x")]

    def test_many_threads_at_once(self, backing: Backing, remote: Remote, tmp_path: Path) -> None:
        objects = sample(120, size=3000)

        def round_trip(item: tuple[Oid, bytes]) -> bool:
            oid, data = item
            source = tmp_path / oid
            source.write_bytes(data)
            remote.upload(oid, str(source), len(data))
            remote.download(oid, str(source) + ".back")
            return Path(str(source) + ".back").read_bytes() == data

        with ThreadPoolExecutor(32) as pool:
            assert all(pool.map(round_trip, objects.items()))
        remote.finish()
        assert backing.keys() == {key_of(oid) for oid in objects}

    def test_an_absent_store_is_never_taken_for_an_empty_one(
        self, backing: Backing, opened: Callable[..., Remote], tmp_path: Path
    ) -> None:
        remote = opened(settings=backing.absent())
        (tmp_path / "f").write_bytes(b"x")
        oid = oid_of(b"x")
        attempts: tuple[Callable[[], object], ...] = (
            lambda: remote.contains([oid]),
            lambda: remote.fingerprints([oid]),
            lambda: remote.verify(oid),
            lambda: remote.contains(list(sample(20))),
            lambda: list(remote.list()),
            lambda: remote.read(oid),
            lambda: remote.download(oid, str(tmp_path / "t")),
            lambda: remote.upload(oid, str(tmp_path / "f"), 1),
            lambda: remote.delete([oid]),
            lambda: remote.trash({oid: 1}, "2026-11-25"),
            lambda: list(remote.trashed()),
            lambda: list(remote.inventory()),
            lambda: remote.adopt(oid, 1),
            lambda: remote.notes("kind"),
            lambda: remote.put_note("kind", "name", b"x"),
            remote.check,
        )
        for attempt in attempts:
            with pytest.raises(NotFound) as caught:
                attempt()
            assert caught.value.code in {"no-such-bucket", "no-such-folder"}
            assert caught.value.hint


class WebContract(ReadContract):
    """What a read-only remote says when it is asked for more."""

    def test_writing_and_listing_are_unsupported(self, remote: Remote, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x")
        assert remote.is_read_only
        attempts: tuple[Callable[[], None], ...] = (
            lambda: remote.upload(oid_of(b"x"), str(tmp_path / "f"), 1),
            lambda: remote.upload_bytes(oid_of(b"x"), b"x"),
            lambda: remote.delete([oid_of(b"x")]),
            lambda: remote.trash({oid_of(b"x"): 1}, "2026-11-25"),
            lambda: remote.restore([Trashed("2026-11-25", oid_of(b"x"), 1)]),
            lambda: remote.purge([Trashed("2026-11-25", oid_of(b"x"), 1)]),
            lambda: remote.adopt(oid_of(b"x"), 1),
            lambda: remote.put_note("kind", "name", b"x"),
            lambda: remote.remove_note("kind", "name"),
        )
        for attempt in attempts:
            with pytest.raises(Unsupported) as caught:
                attempt()
            assert caught.value.code == "read-only-remote"
        questions: tuple[Callable[[], object], ...] = (
            remote.list,
            remote.inventory,
            remote.trashed,
            lambda: remote.notes("kind"),
        )
        for question in questions:
            with pytest.raises(Unsupported):
                question()
