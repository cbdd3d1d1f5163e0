"""What gc sets aside, decided over plain rows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.errors import InvalidInput
from labops.model import Oid, is_tree_oid
from labops.planning.gc import Stored, parse_duration, plan_gc, young_trees

NAMES = [Oid(f"{number:032x}") for number in range(6)] + [Oid(f"{number:032x}.dir") for number in range(3)]
ROWS = st.lists(
    st.builds(Stored, st.sampled_from(NAMES), st.integers(0, 9), st.sampled_from([1.0, 5.0, 9.0, math.inf])),
    unique_by=lambda row: row.oid,
)
SOME = st.sets(st.sampled_from(NAMES))


@given(ROWS, SOME, SOME, SOME)
def test_every_object_ends_in_one_of_three(rows: list[Stored], used: set[Oid], safe: set[Oid], near: set[Oid]) -> None:
    sweep = plan_gc(rows, used, youngest=5.0, safe_elsewhere=safe, sheltered=near)

    assert sorted((*sweep.remove, *sweep.used, *sweep.young)) == sorted(rows)
    assert all(row.oid in used for row in sweep.used)
    assert not [row for row in sweep.remove if row.oid not in safe and (row.oid in used or row.oid in near)]
    assert not [row for row in sweep.remove if row.oid not in safe and row.modified > 5.0]
    kinds = [is_tree_oid(row.oid) for row in sweep.remove]
    assert kinds == sorted(kinds, reverse=True)


@given(ROWS, SOME)
def test_young_trees_are_those_that_are_kept_for_their_age(rows: list[Stored], used: set[Oid]) -> None:
    kept = {row.oid for row in plan_gc(rows, used, youngest=5.0).young}

    assert set(young_trees(rows, used, youngest=5.0)) == {oid for oid in kept if is_tree_oid(oid)}


def test_no_grace_spares_nobody_for_age() -> None:
    rows = [Stored(NAMES[0], 1, math.inf)]

    assert plan_gc(rows, set(), youngest=math.inf).remove == (rows[0],)


@pytest.mark.parametrize(
    ("text", "seconds"), [("14d", 1_209_600), ("0", 0), ("2", 172_800), ("36h", 129_600), ("1w", 604_800), ("5m", 300)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1d", "soon", "1y", "1.5d", "9999999d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_duration(text)
    assert caught.value.code == "bad-duration"
