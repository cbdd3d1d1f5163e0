"""What every home keeps, whatever it is made of: one suite, subscribed by one test class per backend.

Data is prepared and looked at *around* the home, through the same `Backing` as for remotes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labops.agreement import There
from labops.errors import Conflict, LabError, NotFound
from labops.places.home import Facts, Got, Home, Source, open_home
from labops.testing.remote_contract import Backing

NAMES = (
    "plain.txt",
    "d/e/f.txt",
    "with space.txt",
    "a+b&c=d;e.txt",
    "50%25 #1?.txt",
    "Grüße/naïve 日本.txt",
    "quote'\"<>|*:.txt",
    "~tilde",
    ".hidden/.file",
)
STAMP = "2026-04-01/093000123-laptop-1f2e3d"
MTIME = 1_700_000_000_123_456_789


def md5(data: bytes) -> str:
    """By the standard library alone."""
    return hashlib.md5(data).hexdigest()


def source_of(path: Path, facts: Facts = Facts()) -> Source:  # noqa: B008 - frozen
    """The file as a source that never changes."""
    return Source(str(path), path.stat().st_size, facts)


ODD_NAMES = frozenset({"line\nbreak", "bell\x07", "tab\tx"})
"""Names that other tools write and that some machines cannot hold."""
ODD_KEYS = ODD_NAMES | {"a//b", "/lead", "dir/", "../up", "x/../../y", "./here", "a/./b"}
"""These too are no path, or another one."""


class HomeContract:
    """Subclasses give a `backing`; `odd_keys` are those of the odd names that the store takes."""

    odd_keys = ODD_KEYS
    can_time = True
    """Whether the store keeps an object's metadata."""

    @pytest.fixture
    def home(self, backing: Backing) -> Iterator[Home]:
        """The backing as a home."""
        home = open_home(backing.settings)
        yield home
        home.close()

    def listed(self, home: Home, known: tuple[str, ...] = ()) -> dict[str, There]:
        """Path → what the listing says."""
        return {row.key: There(row.size, row.mark, row.digest) for page in home.list(known) for row in page}

    def put(self, home: Home, path: str, data: bytes, there: There | None = None, facts: Facts = Facts()) -> Got:  # noqa: B008
        """Store bytes."""
        return home.put(path, Source(data, len(data), facts), there, STAMP)

    def test_an_empty_home_lists_nothing(self, home: Home) -> None:
        """Nothing there is no error, as long as the place itself exists."""
        assert self.listed(home) == {}
        assert home.look("absent") is None

    def test_what_is_put_is_a_plain_object(self, home: Home, backing: Any) -> None:
        """Any other tool reads it under its own name."""
        for number, name in enumerate(NAMES):
            self.put(home, name, b"content %d" % number)
        home.finish()

        for number, name in enumerate(NAMES):
            assert backing.get(name) == b"content %d" % number
        assert set(self.listed(home)) == set(NAMES)

    def test_what_others_put_is_picked_up(self, home: Home, backing: Any, tmp_path: Path) -> None:
        """Listed with its size, and fetched with its md5."""
        for number, name in enumerate(NAMES):
            backing.put(name, b"x" * number)
        found = self.listed(home)

        assert {name: row.size for name, row in found.items()} == {name: at for at, name in enumerate(NAMES)}
        for number, name in enumerate(NAMES):
            got = home.get(name, str(tmp_path / str(number)))
            assert (tmp_path / str(number)).read_bytes() == b"x" * number
            assert (got.size, got.digest, got.mark) == (number, md5(b"x" * number), found[name].mark)

    def test_the_mark_changes_with_the_content_alone(self, home: Home) -> None:
        """`put` tells the mark that the next listing shows; another content has another one."""
        first = self.put(home, "a", b"one")
        shown = self.listed(home)["a"]
        second = self.put(home, "a", b"two", shown)

        assert first.mark == shown.mark
        assert second.mark == self.listed(home)["a"].mark != first.mark
        assert (first.digest, second.digest) == (md5(b"one"), md5(b"two"))

    def test_facts_survive(self, home: Home, tmp_path: Path) -> None:
        """Time, executable bit and symbolic link come back as they went."""
        if not self.can_time:
            pytest.skip("this store keeps no metadata")
        self.put(home, "script", b"#!/bin/sh\n", facts=Facts(MTIME, True))
        link = os.fsencode("../some/gräßlich target")
        home.put("link", Source(link, len(link), Facts(MTIME, False, os.fsdecode(link))), None, STAMP)

        script, linked = home.get("script", str(tmp_path / "s")), home.get("link", str(tmp_path / "l"))
        assert script.facts == Facts(MTIME, True)
        assert linked.facts.link == os.fsdecode(link)
        assert (tmp_path / "l").read_bytes() == link

    def test_nothing_is_put_over_what_nobody_saw(self, home: Home, backing: Any) -> None:
        """New means that there is nothing yet."""
        backing.put("a", b"theirs")

        with pytest.raises(Conflict) as caught:
            self.put(home, "a", b"ours")
        assert caught.value.code == "changed-there"
        assert backing.get("a") == b"theirs"

    def test_nothing_is_put_over_what_changed_since(self, home: Home, backing: Any) -> None:
        """Two machines cannot overwrite each other between look and write."""
        backing.put("a", b"old")
        seen = self.listed(home)["a"]
        backing.put("a", b"their new one")

        with pytest.raises(Conflict) as caught:
            self.put(home, "a", b"ours", seen)
        assert caught.value.code == "changed-there"
        assert backing.get("a") == b"their new one"
        with pytest.raises(LabError):
            home.remove("a", seen, STAMP)
        assert backing.get("a") == b"their new one"

    def test_putting_the_same_again_after_a_lost_answer_is_fine(self, home: Home, backing: Any) -> None:
        """The first attempt arrived, though nobody heard of it.

        A store that tells no md5 cannot see that: it refuses, and the next sync compares the contents.
        """
        tells = self.listed_digest(home, backing)
        backing.put("a", b"ours")

        if tells:
            assert self.put(home, "a", b"ours").mark == self.listed(home)["a"].mark
        else:
            with pytest.raises(Conflict) as caught:
                self.put(home, "a", b"ours")
            assert caught.value.code == "changed-there"
        assert backing.get("a") == b"ours"

    def listed_digest(self, home: Home, backing: Any) -> bool:
        """True when the listing tells the md5 of contents."""
        backing.put("probe", b"p")
        return bool(self.listed(home)["probe"].digest)

    def test_what_is_replaced_or_removed_is_kept(self, home: Home, backing: Any, tmp_path: Path) -> None:
        """Under its path, below the stamp of the run; and it is no part of the home any more."""
        backing.put("d/a", b"first")
        backing.put("d/b", b"second")
        seen = self.listed(home)
        self.put(home, "d/a", b"newer", seen["d/a"])
        home.remove("d/b", seen["d/b"], STAMP)

        buried = {one.path: one for one in home.list_trash()}
        assert {(one.path, one.stamp) for one in buried.values()} == {("d/a", STAMP), ("d/b", STAMP)}
        home.get(buried["d/a"].key, str(tmp_path / "a"))
        home.get(buried["d/b"].key, str(tmp_path / "b"))
        assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"first", b"second")
        assert set(self.listed(home)) == {"d/a"}
        assert backing.get("d/b") is None
        home.empty_trash(list(buried.values()))
        assert list(home.list_trash()) == []

    def test_a_move_keeps_content_and_facts(self, home: Home, backing: Any, tmp_path: Path) -> None:
        """No byte travels, and nothing is replaced."""
        self.put(home, "old name", b"text", facts=Facts(MTIME, True))
        seen = self.listed(home)["old name"]
        mark = home.move("old name", "new/name", seen)

        assert set(self.listed(home)) == {"new/name"}
        assert self.listed(home)["new/name"].mark == mark
        got = home.get("new/name", str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == b"text"
        if self.can_time:
            assert got.facts == Facts(MTIME, True)
        backing.put("another", b"in the way")
        with pytest.raises(LabError):
            home.move("new/name", "another", self.listed(home)["new/name"])
        assert backing.get("another") == b"in the way"
        assert backing.get("new/name") == b"text"

    def test_removing_what_is_gone_already(self, home: Home, backing: Any) -> None:
        """An error or nothing, but nothing else is touched."""
        backing.put("a", b"1")
        backing.put("b", b"2")
        seen = self.listed(home)["a"]
        home.remove("a", seen, STAMP)
        with pytest.raises(LabError):
            home.remove("a", seen, STAMP)
        assert set(self.listed(home)) == {"b"}

    def test_an_absent_object_is_not_found(self, home: Home, tmp_path: Path) -> None:
        """And leaves no file behind."""
        with pytest.raises(NotFound):
            home.get("absent", str(tmp_path / "x"))
        assert not (tmp_path / "x").exists()

    def test_an_absent_place_is_not_an_empty_home(self, backing: Backing) -> None:
        """A missing bucket or disk must never look as if everything had been deleted."""
        home = open_home(backing.absent())
        with pytest.raises(NotFound):
            self.listed(home)
        with pytest.raises(NotFound):
            home.check()
        home.close()

    def test_a_file_that_changes_while_it_is_read_is_not_stored(self, home: Home, tmp_path: Path, backing: Any) -> None:
        """The check after the last byte decides, for small files and for large ones."""
        for size in (10, 9 << 20):
            path = tmp_path / "growing"
            path.write_bytes(b"x" * size)

            def check() -> None:
                raise Conflict("it changed", code="changed-while-read")

            with pytest.raises(Conflict):
                home.put("growing", Source(str(path), size, Facts(), check), None, STAMP)
            assert backing.get("growing") is None

    def test_a_middling_file_goes_up_and_down(self, home: Home, tmp_path: Path) -> None:
        """More than one piece of memory, less than what is sent in parts."""
        path = tmp_path / "middling"
        path.write_bytes(os.urandom(9 << 20))
        put = home.put("m", source_of(path, Facts(MTIME)), None, STAMP)
        got = home.get("m", str(tmp_path / "back"))

        assert (tmp_path / "back").read_bytes() == path.read_bytes()
        assert put.digest == got.digest == md5(path.read_bytes())
        assert put.mark == got.mark

    def test_thousands_are_listed_alike_with_and_without_guesses(self, home: Home, backing: Any) -> None:
        """Known paths make the listing faster and change nothing in it, even when they are wrong."""
        names = [f"d{number % 7}/{number:05}" for number in range(2300)]
        self.fill(backing, names)
        self.put(home, "trash me", b"1")
        home.remove("trash me", self.listed(home)["trash me"], STAMP)

        expected = set(names)
        assert set(self.listed(home)) == expected
        assert set(self.listed(home, tuple(sorted(names)))) == expected
        guesses = sorted({*names[300:], *(f"d3/x{number}" for number in range(900))})
        assert set(self.listed(home, tuple(guesses))) == expected

    def fill(self, backing: Any, names: list[str]) -> None:
        """Many small objects."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: backing.put(name, b"x"), names))

    def test_odd_keys_are_listed_as_they_are(self, home: Home, backing: Any) -> None:
        """Whatever other tools wrote: nothing is left out, nothing becomes another path."""
        for key in self.odd_keys:
            backing.put(key, b"odd")
        backing.put("fine", b"1")

        assert set(self.listed(home)) == self.odd_keys | {"fine"}
