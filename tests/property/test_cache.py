"""The cache against a dict: whatever members, processes and damage do, an object handed out is what its name says."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labops.errors import Corrupt
from labops.model import HashName, Oid
from labops.places.cache import Cache

DATA = {Oid(hashlib.md5(data).hexdigest()): data for data in (b"", b"\0a", b"\0bb", b"\0" * 5000, b"\0c")}
oids = st.sampled_from(sorted(DATA))


class CacheMachine(RuleBasedStateMachine):
    """`good` is the model: oid → bytes on disk, right or wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.good: dict[Oid, bytes] = {}

    @initialize(
        hash_name=st.sampled_from(HashName), is_shared=st.booleans(), first=st.sampled_from(["copy", "hardlink"])
    )
    def begin(self, hash_name: HashName, is_shared: bool, first: str) -> None:
        self.kind = (hash_name, is_shared, first)
        self.reopen()

    def reopen(self) -> None:
        hash_name, is_shared, first = self.kind
        self.cache = Cache(str(self.folder / "cache"), hash_name, link_types=(first, "copy"), is_shared=is_shared)

    @rule()
    def another_process_goes_on(self) -> None:
        self.cache.save()
        self.reopen()

    @rule()
    def a_process_dies_before_it_saves(self) -> None:
        self.reopen()

    @rule(wanted=st.lists(oids, max_size=4), as_bytes=st.booleans(), fails=st.booleans())
    def store(self, wanted: list[Oid], as_bytes: bool, fails: bool) -> None:
        """What is there, good or bad, is not written again; an interruption keeps what was finished."""
        try:
            with self.cache.batch() as batch:
                for number, oid in enumerate(wanted):
                    if as_bytes:
                        batch.store_bytes(oid, DATA[oid])
                    else:
                        source = self.folder / f"source{number}"
                        source.unlink(missing_ok=True)
                        source.write_bytes(DATA[oid])
                        assert batch.store_file(str(source)).oid == oid
                    self.good.setdefault(oid, DATA[oid])
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    @rule(oid=oids)
    def dvc_puts_an_object(self, oid: Oid) -> None:
        path = Path(self.cache.path(oid))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(DATA[oid])
            path.chmod(0o444)
            self.good[oid] = DATA[oid]

    @precondition(lambda self: self.good)
    @rule(data=st.data())
    def something_damages_an_object(self, data: st.DataObject) -> None:
        oid = data.draw(st.sampled_from(sorted(self.good)))
        path = Path(self.cache.path(oid))
        bad = data.draw(st.sampled_from([b"\0x", b"\0yy"]))
        other = path.with_name("new")
        other.write_bytes(bad)
        other.chmod(0o444)
        other.rename(path)
        self.good[oid] = bad

    @precondition(lambda self: self.good)
    @rule(data=st.data())
    def somebody_deletes_an_object(self, data: st.DataObject) -> None:
        oid = data.draw(st.sampled_from(sorted(self.good)))
        os.unlink(self.cache.path(oid))
        del self.good[oid]

    @rule(wanted=st.sets(oids))
    def use(self, wanted: set[Oid]) -> None:
        """As a checkout does: verify what is doubtful, then make files of the rest."""
        missing = self.cache.missing(wanted)
        assert missing == {oid for oid in wanted if oid not in self.good}
        for oid in self.cache.unverified(wanted):
            try:
                self.cache.verify(oid)
            except Corrupt:
                assert self.good.pop(oid) != DATA[oid]
                missing.add(oid)
        target = self.folder / "target"
        for oid in wanted - missing:
            self.cache.link(oid, str(target))
            assert target.read_bytes() == DATA[oid]
            target.unlink()

    @invariant()
    def lists_and_holds_what_the_model_holds(self) -> None:
        if hasattr(self, "cache"):
            assert sorted(self.cache.list()) == sorted(self.good)
            assert {oid: self.cache.size(oid) for oid in DATA} == {
                oid: len(self.good[oid]) if oid in self.good else None for oid in DATA
            }

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
