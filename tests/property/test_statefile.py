"""State files: what was recorded comes back, what is damaged is forgotten, what is racy is not believed."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labops.formats.statefile import (
    Columns,
    StateTable,
    join_names,
    pack_fingerprint,
    parse_state,
    render_state,
    split_names,
)
from labops.model import Oid

names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=6) | st.binary(
    min_size=1, max_size=4
).filter(lambda raw: not set(b"\0/") & set(raw)).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
numbers = st.integers(0, 2**64 - 1)
oids = st.binary(min_size=16, max_size=16).map(lambda raw: Oid(raw.hex()))
files = st.dictionaries(names, st.tuples(numbers, numbers, numbers, numbers, oids), min_size=1, max_size=5)
directories = st.dictionaries(st.just("") | names | st.tuples(names, names).map("/".join), files, max_size=4)
tree_oids = st.just("") | oids.map("{}.dir".format)
LONG_AGO = 2**64 + 10**10
"""A clock so late that nothing is racy."""


def table_of(rows: dict[str, dict[str, tuple[int, int, int, int, Oid]]], tree_oid: str = "") -> StateTable:
    table = StateTable(tree_oid=tree_oid)
    for directory, entries in rows.items():
        stats = array("Q", [number for row in entries.values() for number in row[:4]])
        assert table.record(directory, list(entries), stats, [row[4] for row in entries.values()], LONG_AGO)
    return table


@settings(max_examples=60)
@given(directories, tree_oids)
def test_what_was_recorded_comes_back(rows: dict[str, dict[str, tuple[int, int, int, int, Oid]]], tree: str) -> None:
    back = parse_state(render_state(table_of(rows, tree)))
    assert back.tree_oid == tree
    assert {
        directory: {name: (packed, oid) for name, (packed, oid) in columns.rows().items()}
        for directory, columns in back
    } == {
        directory: {name: (pack_fingerprint(*row[:4]), row[4]) for name, row in entries.items()}
        for directory, entries in rows.items()
    }


@settings(max_examples=60)
@given(directories, tree_oids, st.data())
def test_a_damaged_file_is_an_empty_table(
    rows: dict[str, dict[str, tuple[int, int, int, int, Oid]]], tree: str, data: st.DataObject
) -> None:
    """One changed byte, a cut, or rubbish at the end: nothing is believed and nothing is raised."""
    good = render_state(table_of(rows, tree))
    at = data.draw(st.integers(0, len(good) - 1))
    flipped = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    for bad in (flipped, good[:at], good + b"\0" * data.draw(st.integers(1, 9))):
        assert (dict(parse_state(bad)), parse_state(bad).tree_oid) == ({}, "")


@given(st.binary(max_size=60) | st.binary(max_size=40).map(b"labops-state-1\n".__add__))
def test_rubbish_is_an_empty_table(data: bytes) -> None:
    assert dict(parse_state(data)) == {}


@given(st.lists(names, min_size=1, max_size=5))
def test_names_come_back(listed: list[str]) -> None:
    assert split_names(join_names(listed)) == listed


def test_an_empty_directory_has_no_rows() -> None:
    assert Columns(b"", b"", b"").rows() == {}
    assert Columns(b"", b"", b"").oids() == []


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("mtime_ns", "clock_ns", "is_trusted"),
    [
        (100 * SECOND + 1, 100 * SECOND + 1, False),
        (100 * SECOND + 1, 100 * SECOND + 20_000_001, False),
        (100 * SECOND + 1, 100 * SECOND + 20_000_002, True),
        (100 * SECOND, 102 * SECOND, False),  # whole seconds: a file system that keeps no finer times
        (100 * SECOND, 102 * SECOND + 1, True),
        (100 * SECOND + 1, 99 * SECOND, False),  # a time in the future
    ],
)
def test_a_file_changed_within_a_tick_is_not_believed(mtime_ns: int, clock_ns: int, *, is_trusted: bool) -> None:
    """Git's racy rule: the row stays, but no fingerprint can equal it; its neighbour is believed."""
    table = StateTable()
    stats = array("Q", [5, mtime_ns, 7, 8, 5, 1, 7, 9])
    settled = table.record("", ["racy", "old"], stats, [Oid("a" * 32), Oid("b" * 32)], clock_ns)
    assert settled == is_trusted
    rows = table.directories[""].rows()
    assert (rows["racy"][0] == pack_fingerprint(5, mtime_ns, 7, 8)) == is_trusted
    assert rows["old"][0] == pack_fingerprint(5, 1, 7, 9)
    assert stats[3] == 8, "the caller's numbers are its own"


def test_times_before_1970_and_far_away_can_be_packed() -> None:
    assert len(pack_fingerprint(2**63, -1, -(10**18), 2**64 - 1)) == 32
    assert pack_fingerprint(0, -1, 0, 1) != pack_fingerprint(0, 1, 0, 1)
