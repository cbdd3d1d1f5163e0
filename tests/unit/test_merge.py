"""Two versions and their ancestor: by path for files, by key for what is said about them."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from labops.model import Entry, Oid, Output, RelPath
from labops.planning.merge import Sizes, follow_files, merge_annotations, merge_files, three_way

Side = dict[str, str]
NO_SIZES = Sizes(None, None, None, {})


def oid(text: str) -> Oid:
    return Oid(hashlib.md5(text.encode()).hexdigest())


def tree(side: Side) -> list[Entry]:
    return [Entry(RelPath(path), oid(text)) for path, text in side.items()]


def read(entries) -> dict[str, Oid]:
    return {entry.path: entry.oid for entry in entries}


def test_three_way():
    assert three_way(1, 1, 2) == (2, False)
    assert three_way(1, 2, 1) == (2, False)
    assert three_way(1, 2, 2) == (2, False)
    assert three_way(1, 2, 3) == (2, True)


names = st.sampled_from(["a", "b", "c", "a/x", "d/y"])
sides = st.dictionaries(names, st.sampled_from("123"), max_size=4)


@given(sides, sides, sides)
def test_either_way_round(base: Side, ours: Side, theirs: Side):
    """The same paths are in conflict, and without one both ways give the same; a side that did nothing gives way."""
    one = merge_files(tree(base), tree(ours), tree(theirs), NO_SIZES)
    two = merge_files(tree(base), tree(theirs), tree(ours), NO_SIZES)
    differing = {
        path
        for path in base.keys() | ours.keys() | theirs.keys()
        if len({base.get(path), ours.get(path), theirs.get(path)}) == 3
    }
    assert {clash.path for clash in one.clashes} >= differing
    assert {clash.path for clash in one.clashes} - differing == {
        clash.path for clash in two.clashes
    } - differing or differing
    if not one.clashes:
        assert one.entries == two.entries
    assert [entry.path for entry in one.entries] == sorted(entry.path for entry in one.entries)
    assert read(merge_files(tree(base), tree(ours), tree(base), NO_SIZES).entries) == read(tree(ours))
    assert read(merge_files(tree(base), tree(base), tree(theirs), NO_SIZES).entries) == read(tree(theirs))


@given(sides, sides, sides)
def test_sizes_add_up(base: Side, ours: Side, theirs: Side):
    """Where a size is said it is the sum of the sizes of what came out."""
    lengths = {oid(text): 10 ** int(text) for text in "123"}

    def total(side: Side) -> int:
        return sum(lengths[oid(text)] for text in side.values())

    merged = merge_files(tree(base), tree(ours), tree(theirs), Sizes(total(base), total(ours), total(theirs), lengths))
    if not merged.clashes:
        assert merged.size == sum(lengths[entry.oid] for entry in merged.entries)


def test_an_unknown_size_stays_unknown():
    """Both sides added the same file, and nobody here knows how large it is."""
    same = tree({"a": "1"})
    assert merge_files([], same, same, Sizes(0, 5, 5, {})).size is None
    assert merge_files([], same, tree({"b": "2"}), Sizes(0, 5, 6, {})).size == 11
    assert merge_files(tree({"z": "3"}), same, same, Sizes(None, 5, 5, {})).size is None


def test_a_file_and_a_folder():
    merged = merge_files([], tree({"a": "1"}), tree({"a/x": "2"}), NO_SIZES)
    assert [clash.path for clash in merged.clashes] == ["a"]


def test_following_leaves_away_what_is_not_here():
    base, here = {"a": "1", "b": "1", "c": "1"}, {"a": "1", "mine": "2"}
    merged = follow_files(tree(base), tree(here), tree({"a": "3", "b": "3", "new": "1"}))
    assert merged.clashes == ()
    assert read(merged.entries) == read(tree({"a": "3", "mine": "2", "new": "1"}))


def test_annotations():
    base = Output("d", desc="old", labels=("x",), meta={"a": 1, "b": 1})
    ours = base._replace(desc="new", meta={"a": 2, "b": 1})
    theirs = base._replace(labels=("x", "y"), meta={"a": 1, "b": 1, "c": 3})
    merged, clashes = merge_annotations(base, ours, theirs)
    assert clashes == ()
    assert (merged.desc, merged.labels, merged.meta) == ("new", ("x", "y"), {"a": 2, "b": 1, "c": 3})
    merged, clashes = merge_annotations(base, ours, base._replace(desc="other", meta={"a": 9}))
    assert [clash.what for clash in clashes] == ["'desc' of 'd'", "'meta.a' of 'd'"]
    assert merged.desc == "new"
