"""What a cache keeps, in every layout and whoever shares it: one suite, subscribed by one test class per kind.

Objects are prepared and looked at *around* the cache, as plain files; expected values come from `hashlib`.

    class TestSharedCache(CacheContract):
        is_shared = True
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.drivers import fs
from labops.errors import Corrupt, InvalidInput, NotFound
from labops.model import HERE, HashName, Oid, parse_oid
from labops.places.cache import Cache
from labops.testing.faults import FaultyFiles, Killed


def oid_of(data: bytes, suffix: str = "") -> Oid:
    """The oid of binary `data`, the same in both layouts."""
    return parse_oid(hashlib.md5(data).hexdigest() + suffix)


def sample(count: int, size: int = 40, seed: int = 7) -> dict[Oid, bytes]:
    """`count` different small binary objects by oid."""
    maker = random.Random(seed)
    return {oid_of(data): data for data in (b"\0" + maker.randbytes(size) for _ in range(count))}


def crowd(shard: str, count: int) -> list[Oid]:
    """Made-up oids of one fan-out folder."""
    return [parse_oid(f"{shard}{n:030x}") for n in range(count)]


class CacheContract:
    """The promises of `Cache` and `Batch`."""

    hash_name = HashName.MD5
    is_shared = False

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "cache"

    @pytest.fixture
    def opened(self, root: Path) -> Callable[..., Cache]:
        """Open the cache anew, as another process would."""

        def open_it(*link_types: str) -> Cache:
            types = link_types or ("reflink", "copy")
            return Cache(str(root), self.hash_name, link_types=types, is_shared=self.is_shared)

        return open_it

    @pytest.fixture
    def cache(self, opened: Callable[..., Cache]) -> Cache:
        return opened()

    def place(self, root: Path, oid: Oid) -> Path:
        """Where dvc keeps the object."""
        return root / ("files/md5" if self.hash_name is HashName.MD5 else "") / oid[:2] / oid[2:]

    def put(self, root: Path, oid: Oid, data: bytes = b"") -> Path:
        """An object that somebody else, such as dvc, put there."""
        path = self.place(root, oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        return path

    def held(self, root: Path) -> dict[str, bytes]:
        """Every object by its oid."""
        base = self.place(root, parse_oid("0" * 32)).parent.parent
        return {
            path.parent.name + path.name: path.read_bytes() for path in base.glob("??/*") if len(path.parent.name) == 2
        }

    # --- asking -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("count", [0, 1, 7, 8, 50])
    def test_missing_names_exactly_what_is_not_there(self, root: Path, cache: Cache, count: int) -> None:
        oids = [*crowd("ab", count), *crowd("cd", count)]
        for oid in oids[::3]:
            self.put(root, oid)
        assert cache.missing(iter(oids)) == set(oids) - set(oids[::3])

    def test_an_empty_cache_has_nothing(self, cache: Cache) -> None:
        oids = sample(20)
        assert cache.missing(oids) == set(oids)
        assert list(cache.list()) == []
        assert cache.unverified(oids) == []
        assert cache.witness() == b""
        assert cache.size(next(iter(oids))) is None

    def test_list_gives_each_object_and_nothing_foreign(self, root: Path, cache: Cache) -> None:
        objects = {**sample(30), oid_of(b"[]", ".dir"): b"[]"}
        for oid, data in objects.items():
            self.put(root, oid, data)
        base = self.place(root, parse_oid("0" * 32)).parent.parent
        for foreign in ("ab/short", "ab/.temporary.tmp", "runs/ab/" + "0" * 30, ".lab/verified/md5/ab", "readme"):
            path = base / foreign
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        assert sorted(cache.list()) == sorted(objects)
        oid, data = next(iter(objects.items()))
        assert cache.size(oid) == len(data)

    # --- verifying --------------------------------------------------------------------------------------

    def test_what_others_put_there_is_unverified_until_hashed_and_that_is_remembered(
        self, root: Path, cache: Cache, opened: Callable[..., Cache]
    ) -> None:
        objects = sample(20)
        for oid, data in objects.items():
            self.put(root, oid, data)
        absent = oid_of(b"absent")
        assert set(cache.unverified([*objects, absent])) == set(objects)
        for oid in objects:
            cache.verify(oid)
        assert cache.unverified(objects) == []
        cache.save()
        assert opened().unverified(objects) == []

    def test_an_object_that_changed_since_is_unverified_again(
        self, root: Path, cache: Cache, opened: Callable[..., Cache]
    ) -> None:
        """Other bytes of the same length, with dvc's trusted mode."""
        (oid,) = objects = sample(1)
        path = self.put(root, oid, objects[oid])
        cache.verify(oid)
        cache.save()
        before = path.stat().st_mtime_ns
        path.chmod(0o644)
        path.write_bytes(b"X" * len(objects[oid]))
        path.chmod(0o444)
        os.utime(path, ns=(before + 1, before + 1))
        assert opened().unverified([oid]) == [oid]

    def test_a_replaced_object_is_unverified_even_with_equal_times(self, root: Path, cache: Cache) -> None:
        (oid,) = objects = sample(1)
        path = self.put(root, oid, objects[oid])
        cache.verify(oid)
        stat_before = path.stat()
        other = path.with_name("other")
        other.write_bytes(b"X" * len(objects[oid]))
        os.utime(other, ns=(stat_before.st_atime_ns, stat_before.st_mtime_ns))
        other.rename(path)
        assert cache.unverified([oid]) == [oid]

    def test_a_bad_object_goes_to_quarantine_and_is_not_deleted(self, root: Path, cache: Cache) -> None:
        oid, bad = oid_of(b"good"), b"\0bad"
        self.put(root, oid, bad)
        with pytest.raises(Corrupt) as caught:
            cache.verify(oid)
        assert caught.value.code == "corrupt-object"
        assert caught.value.hint
        assert cache.missing([oid]) == {oid}
        (kept,) = (root / ".lab/quarantine").iterdir()
        assert kept.name.startswith(oid)
        assert kept.read_bytes() == bad
        assert list(cache.list()) == []

    def test_to_verify_what_is_absent_is_not_found(self, cache: Cache) -> None:
        with pytest.raises(NotFound):
            cache.verify(oid_of(b"absent"))

    def test_a_record_that_is_damaged_or_forged_only_costs_a_hash(
        self, root: Path, cache: Cache, opened: Callable[..., Cache]
    ) -> None:
        (oid,) = objects = sample(1)
        self.put(root, oid, objects[oid])
        cache.verify(oid)
        cache.save()
        (record,) = [path for path in (root / ".lab/verified").rglob("*") if path.is_file()]
        record.write_bytes(record.read_bytes()[:-1] + b"?")
        again = opened()
        assert again.unverified([oid]) == [oid]
        again.verify(oid)

    # --- storing ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
    def test_a_stored_file_is_an_object_and_stays_as_it_was(
        self, root: Path, cache: Cache, tmp_path: Path, size: int
    ) -> None:
        data = bytes(size)
        source = tmp_path / "source"
        source.write_bytes(data)
        source.chmod(0o755)
        with cache.batch() as batch:
            assert batch.store_file(str(source)).oid == oid_of(data)
        assert self.held(root) == {oid_of(data): data}
        assert stat.S_IMODE(self.place(root, oid_of(data)).stat().st_mode) == 0o444
        assert source.read_bytes() == data
        assert stat.S_IMODE(source.stat().st_mode) == 0o755
        assert cache.unverified([oid_of(data)]) == [], "it was hashed on its way in"

    def test_a_text_with_crlf_is_kept_unconverted(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        data = b"line1\r\nline2\r\n"
        legacy, plain = "4fcc82a88ee38e0aa16c17f512c685c9", "c6242222cf6ccdb15a43e0e5b1a08810"
        (tmp_path / "f").write_bytes(data)
        with cache.batch() as batch:
            batch.store_file(str(tmp_path / "f"))
        assert self.held(root) == {plain if self.hash_name is HashName.MD5 else legacy: data}

    @pytest.mark.parametrize("is_known", [True, False])
    def test_an_object_that_is_there_is_not_written_again(
        self, root: Path, cache: Cache, tmp_path: Path, *, is_known: bool
    ) -> None:
        data = b"\0same"
        inode = self.put(root, oid_of(data), data).stat().st_ino
        (tmp_path / "f").write_bytes(data)
        with cache.batch() as batch:
            batch.store_file(str(tmp_path / "f"), is_known=is_known)
            batch.store_file(str(tmp_path / "f"))
            batch.store_bytes(oid_of(data), data)
        assert self.place(root, oid_of(data)).stat().st_ino == inode

    def test_the_same_content_twice_in_one_batch_is_one_object(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        for name in "ab":
            (tmp_path / name).write_bytes(b"\0same")
        with cache.batch() as batch:
            for name in "ab":
                batch.store_file(str(tmp_path / name))
            batch.store_bytes(oid_of(b"\0same"), b"\0same")
        assert self.held(root) == {oid_of(b"\0same"): b"\0same"}
        assert self.temporaries(root) == []

    def temporaries(self, root: Path) -> list[str]:
        folder = root / ".lab/tmp"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def test_an_adopted_file_becomes_the_object(self, root: Path, cache: Cache) -> None:
        (oid,) = objects = sample(1)
        with cache.batch() as batch:
            path = batch.temporary()
            Path(path).write_bytes(objects[oid])
            batch.adopt(oid, path, len(objects[oid]))
            assert cache.missing([oid]) == {oid}, "no name before it is on disk"
        assert self.held(root) == objects
        assert stat.S_IMODE(self.place(root, oid).stat().st_mode) == 0o444

    def test_an_error_still_names_what_was_finished(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"\0done")
        with pytest.raises(KeyboardInterrupt), cache.batch() as batch:
            batch.store_file(str(tmp_path / "f"))
            raise KeyboardInterrupt
        assert self.held(root) == {oid_of(b"\0done"): b"\0done"}
        assert self.temporaries(root) == []

    @pytest.mark.parametrize("is_done", [False, True])
    def test_a_flush_that_is_interrupted_is_finished_when_the_batch_ends(
        self, root: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
    ) -> None:
        """Ctrl-C just before or just after one of the objects got its name."""
        objects = sample(12)
        rename, calls = fs.rename, iter(range(1000))

        def interrupted(source: str, target: str) -> None:
            number = next(calls)
            if number == 5 and not is_done:
                raise KeyboardInterrupt
            rename(source, target)
            if number == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), cache.batch() as batch:
            for oid, data in objects.items():
                (tmp_path / oid).write_bytes(data)
                batch.store_file(str(tmp_path / oid))
            monkeypatch.setattr(fs, "rename", interrupted)
            batch.flush()
        assert self.held(root) == objects
        assert self.temporaries(root) == []

    def test_a_kill_at_any_call_leaves_whole_objects_or_none_and_trees_last(
        self, root: Path, opened: Callable[..., Cache], tmp_path: Path
    ) -> None:
        """From then on nothing more happens, as after `kill -9`; the next batch finishes."""
        objects = sample(12)
        listing = json.dumps([{"md5": oid, "relpath": oid} for oid in sorted(objects)]).encode()
        tree = oid_of(listing, ".dir")
        source = tmp_path / "sources"
        source.mkdir()
        for oid, data in objects.items():
            (source / oid).write_bytes(data)

        def store() -> None:
            with opened().batch() as batch:
                batch.store_bytes(tree, listing)
                for oid in objects:
                    batch.store_file(str(source / oid))

        root.mkdir()
        with FaultyFiles(str(root)) as counting:
            store()
        whole = self.held(root)
        assert whole == {**objects, tree: listing}
        calls = counting.calls
        for at in range(1, len(calls) + 1, 3):
            self.wipe(root)
            with pytest.raises(Killed), FaultyFiles(str(root), fail_at=at):
                store()
            held = self.held(root)
            assert held.items() <= whole.items()
            assert tree not in held or held == whole
            if at % 4 == 0:
                store()
                assert self.held(root) == whole

    @staticmethod
    def wipe(root: Path) -> None:
        for path in sorted(root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def test_bytes_are_on_disk_before_they_get_their_name(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"\0data")
        with FaultyFiles(str(root)) as faulty, cache.batch() as batch:
            batch.store_file(str(tmp_path / "f"))
            batch.flush()
            calls = [call for call in faulty.calls if call in ("fsync", "rename")]
        assert calls == ["fsync", "rename", "fsync"]

    def test_folders_are_for_the_group_when_shared(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"\0data")
        before = os.umask(0o077)
        try:
            with cache.batch() as batch:
                batch.store_file(str(tmp_path / "f"))
        finally:
            os.umask(before)
        modes = {
            stat.S_IMODE(path.stat().st_mode)
            for path in (self.place(root, oid_of(b"\0data")).parent, root / ".lab", root / ".lab/tmp", root)
        }
        assert modes == ({0o2775} if self.is_shared else {0o700})

    # --- trees ------------------------------------------------------------------------------------------

    def test_read_tree(self, root: Path, cache: Cache) -> None:
        a, b = oid_of(b"a"), oid_of(b"b")
        data = json.dumps([{"md5": a, "relpath": "a"}, {"md5": b, "relpath": "s/b"}]).encode()
        tree = oid_of(data, ".dir")
        self.put(root, tree, data)
        assert [(entry.path, entry.oid) for entry in cache.read_tree(tree).entries] == [("a", a), ("s/b", b)]
        single = cache.read_tree(a)
        assert [(entry.path, entry.oid) for entry in single.entries] == [(HERE, a)]

    def test_an_absent_tree_is_not_found(self, cache: Cache) -> None:
        with pytest.raises(NotFound) as caught:
            cache.read_tree(oid_of(b"x", ".dir"))
        assert caught.value.code == "tree-not-in-cache"

    def test_a_tree_with_other_bytes_than_its_name_says_goes_to_quarantine(self, root: Path, cache: Cache) -> None:
        tree = oid_of(b"[]", ".dir")
        self.put(root, tree, b'[{"md5": "' + b"0" * 32 + b'", "relpath": "a"}]')
        with pytest.raises(Corrupt):
            cache.read_tree(tree)
        assert cache.missing([tree]) == {tree}

    @pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//x", ".", "x/", "\0"])
    def test_a_tree_that_names_a_path_outside_is_refused(self, root: Path, cache: Cache, name: str) -> None:
        data = json.dumps([{"md5": "0" * 32, "relpath": name}]).encode()
        tree = oid_of(data, ".dir")
        self.put(root, tree, data)
        with pytest.raises(InvalidInput) as caught:
            cache.read_tree(tree)
        assert caught.value.code == "unsafe-path"

    @pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'[{"md5": "x", "relpath": "a"}]', b"\xff\xfe", b"[" * 9999])
    def test_a_tree_that_is_no_list_is_corrupt(self, root: Path, cache: Cache, data: bytes) -> None:
        tree = oid_of(data, ".dir")
        self.put(root, tree, data)
        with pytest.raises(Corrupt) as caught:
            cache.read_tree(tree)
        assert caught.value.code == "bad-tree-object"

    # --- linking ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
    @pytest.mark.parametrize("data", [b"", b"\0data"], ids=["empty", "full"])
    def test_a_link_holds_the_object_and_an_empty_file_is_never_hard_linked(
        self, root: Path, opened: Callable[..., Cache], tmp_path: Path, kind: str, data: bytes
    ) -> None:
        cache = opened(kind)
        oid = oid_of(data)
        placed = self.put(root, oid, data)
        target = tmp_path / "target"
        used = cache.link(oid, str(target))
        assert used == (kind if data or kind == "symlink" else "copy")
        assert target.read_bytes() == data
        assert cache.is_linked(oid, str(target), kind) == (used != "copy")
        if used == "copy":
            assert not target.samefile(placed)
            assert stat.S_IMODE(target.stat().st_mode) == 0o644
        elif used == "symlink":
            assert os.path.isabs(os.readlink(target))
        assert stat.S_IMODE(placed.stat().st_mode) == 0o444

    def test_an_executable_copy_leaves_the_object_as_it_is(self, root: Path, cache: Cache, tmp_path: Path) -> None:
        oid = oid_of(b"\0run")
        placed = self.put(root, oid, b"\0run")
        cache.link(oid, str(tmp_path / "run"), types=("reflink", "copy"), mode=0o766)
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o744
        assert stat.S_IMODE(placed.stat().st_mode) == 0o444

    def test_a_link_never_replaces_a_file(self, root: Path, opened: Callable[..., Cache], tmp_path: Path) -> None:
        oid = oid_of(b"\0data")
        self.put(root, oid, b"\0data")
        (tmp_path / "mine").write_bytes(b"mine")
        for kind in ("copy", "hardlink", "symlink", "reflink"):
            with pytest.raises(Exception, match="mine"):
                opened(kind).link(oid, str(tmp_path / "mine"))
            assert (tmp_path / "mine").read_bytes() == b"mine"

    def test_a_hardlinking_cache_takes_the_file_itself(
        self, root: Path, opened: Callable[..., Cache], tmp_path: Path
    ) -> None:
        """Its mode becomes the object's: nobody edits the cache by accident. An empty file stays apart."""
        for name, data in (("full", b"\0data"), ("empty", b"")):
            (tmp_path / name).write_bytes(data)
        with opened("hardlink", "copy").batch() as batch:
            hashed = batch.store_file(str(tmp_path / "full"))
            batch.store_file(str(tmp_path / "empty"))
        assert (tmp_path / "full").samefile(self.place(root, oid_of(b"\0data")))
        assert stat.S_IMODE((tmp_path / "full").stat().st_mode) == 0o444
        assert hashed.fingerprint.ino == (tmp_path / "full").stat().st_ino
        assert not (tmp_path / "empty").samefile(self.place(root, oid_of(b"")))
        assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o644

    def test_no_link_type_that_works_is_said(self, root: Path, opened: Callable[..., Cache], tmp_path: Path) -> None:
        oid = oid_of(b"\0data")
        self.put(root, oid, b"\0data")
        with pytest.raises(InvalidInput) as caught:
            opened("nonsense").link(oid, str(tmp_path / "t"))
        assert caught.value.code == "no-link-type"

    def test_a_linked_object_that_is_absent_is_not_found(self, opened: Callable[..., Cache], tmp_path: Path) -> None:
        for kind in ("copy", "hardlink"):
            with pytest.raises(NotFound):
                opened(kind).link(oid_of(b"absent"), str(tmp_path / "t"))
            assert not os.path.lexists(tmp_path / "t")
