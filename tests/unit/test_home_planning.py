"""Every combination of (base, here, there) has one decided answer, written down here as a table."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.agreement import Here, Known, There
from labops.errors import Conflict
from labops.planning.home import (
    Do,
    HomePlan,
    Mode,
    Step,
    check_deletions,
    check_sides,
    conflict_name,
    decide,
    plan_home,
    to_ask,
    to_read,
)


def md5(text: str) -> str:
    return f"{sum(map(ord, text)):032x}"


def known(text: str) -> Known:
    return Known(len(text), 1, 1, 1, md5(text), f"mark of {text}")


def here(text: str, *, time: int = 1) -> Here:
    """A file whose content was read; the fingerprint is the base's unless `time` says otherwise."""
    return Here(len(text), time, time, 1, md5(text))


def there(text: str) -> There:
    return There(len(text), f"mark of {text}", md5(text))


#   base     here      there     two-way            push               pull
TABLE = """
    absent   absent    absent    forget             forget             forget
    absent   absent    new       download           leave              download
    absent   new       absent    upload             upload             leave
    absent   new       equal     agree              agree              agree
    absent   new       new       conflict           conflict           conflict
    present  same      same      keep               keep               keep
    present  same      touched   agree              agree              agree
    present  touched   same      agree              agree              agree
    present  same      changed   download           leave              download
    present  same      absent    delete-here        leave              delete-here
    present  changed   same      upload             upload             leave
    present  changed   equal     agree              agree              agree
    present  changed   changed   conflict           conflict           conflict
    present  changed   absent    upload             upload             leave
    present  absent    same      delete-there       delete-there       leave
    present  absent    changed   download           leave              download
    present  absent    absent    forget             forget             forget
"""
"""One row a combination. `new` and `changed` contents differ from side to side, `equal` is the same as here,
`touched` has another fingerprint or mark for the content of the base. Push and pull are with --delete."""

ROWS = [row.split() for row in TABLE.strip().splitlines()]


def sides(base: str, ours: str, theirs: str) -> tuple[Known | None, Here | None, There | None]:
    """Values for one row of the table."""
    mine = {
        "absent": None,
        "new": here("mine!", time=5),
        "changed": here("mine!", time=5),
        "same": here("old"),
        "touched": here("old", time=5),
    }[ours]
    other = {
        "absent": None,
        "new": there("other"),
        "changed": there("other"),
        "equal": there("mine!"),
        "same": there("old"),
        "touched": There(3, "a new mark", md5("old")),
    }[theirs]
    return known("old") if base == "present" else None, mine, other


def planned(base: Known | None, mine: Here | None, other: There | None, mode: Mode) -> str:
    plan = plan_home(
        {"p": base} if base else {},
        {"p": mine} if mine else {},
        {"p": other} if other else {},
        mode,
        deletes=True,
    )
    if plan.steps:
        (step,) = plan.steps
        return step.do.value
    return "keep" if plan.kept else "forget"


@pytest.mark.parametrize(("base", "ours", "theirs", "sync", "push", "pull"), ROWS)
def test_every_combination_has_its_answer(base: str, ours: str, theirs: str, sync: str, push: str, pull: str) -> None:
    """The plan of each mode is the one of the table."""
    values = sides(base, ours, theirs)

    assert decide(*values)[0].value == sync
    assert planned(*values, Mode.SYNC) == sync
    assert planned(*values, Mode.PUSH) == push
    assert planned(*values, Mode.PULL) == pull


def test_the_table_is_complete() -> None:
    """Every combination of what can be seen stands in the table."""
    with_base = set(itertools.product(["present"], ["absent", "same", "changed"], ["absent", "same", "changed"]))
    without = set(itertools.product(["absent"], ["absent", "new"], ["absent", "new"]))

    assert with_base | without <= {(base, ours, theirs) for base, ours, theirs, *_ in ROWS}


contents = st.sampled_from(["old", "mine!", "other", "x"])
maybe = st.none() | contents


@given(maybe, maybe, maybe)
def test_nothing_is_deleted_but_what_is_unchanged_since_the_base(
    base: str | None, mine: str | None, other: str | None
) -> None:
    """An independent statement of safety: a deletion needs a base, and the deleted side is just what it was."""
    do, _ = decide(
        known(base) if base else None,
        here(mine, time=5) if mine else None,
        there(other) if other else None,
    )

    if do is Do.DELETE_HERE:
        assert other is None
        assert mine == base
    if do is Do.DELETE_THERE:
        assert mine is None
        assert other == base
    if do is Do.DOWNLOAD:
        assert mine in {None, base}
    if do is Do.UPLOAD:
        assert other in {None, base}


@pytest.mark.parametrize(("mode", "deletes"), list(itertools.product([Mode.PUSH, Mode.PULL], [False, True])))
@given(base=maybe, mine=maybe, other=maybe, forces=st.booleans())
def test_one_way_writes_one_side_only(
    mode: Mode, deletes: bool, base: str | None, mine: str | None, other: str | None, forces: bool
) -> None:
    """Push never writes here and pull never there; without --delete neither deletes."""
    plan = plan_home(
        {"p": known(base)} if base else {},
        {"p": here(mine, time=5)} if mine else {},
        {"p": there(other)} if other else {},
        mode,
        deletes=deletes,
        forces=forces,
    )
    allowed = {Do.UPLOAD, Do.DELETE_THERE} if mode is Mode.PUSH else {Do.DOWNLOAD, Do.DELETE_HERE}
    written = {step.do for step in plan.steps} & {Do.UPLOAD, Do.DOWNLOAD, Do.DELETE_HERE, Do.DELETE_THERE, Do.MOVE}

    assert written <= allowed
    if not deletes:
        assert not written & {Do.DELETE_HERE, Do.DELETE_THERE}
    if forces and deletes and mine != other:
        assert written or mode is Mode.SYNC


def test_only_what_may_decide_is_read() -> None:
    """A file whose fingerprint is the base's is not read, nor one that nothing there could be equal to."""
    base = {"same": known("old"), "touched": known("old"), "longer": known("old"), "gone": known("moved")}
    ours = {
        "same": here("old")._replace(digest=""),
        "touched": here("old", time=5)._replace(digest=""),
        "longer": here("longer", time=5)._replace(digest=""),
        "new": here("new", time=5)._replace(digest=""),
        "first": here("first", time=5)._replace(digest=""),
        "renamed": here("moved", time=5)._replace(digest=""),
    }
    theirs = {"same": there("old"), "touched": there("old"), "longer": there("old"), "gone": there("moved")}
    theirs["first"] = there("other")

    assert set(to_read(base, ours, theirs)) == {"touched", "first", "renamed"}


def test_a_content_there_is_asked_for_only_when_it_may_be_ours() -> None:
    """Same size and an etag that is no md5: then, and only then, the home is asked."""
    unknown = There(5, "an etag of parts-3")

    assert to_ask({}, {"a": here("mine!")}, {"a": unknown}) == ["a"]
    assert to_ask({}, {"a": here("mine")}, {"a": unknown}) == []
    assert to_ask({}, {"a": here("mine!")}, {"a": there("other")}) == []
    assert to_ask({"a": known("mine!")}, {"a": here("mine!")}, {"a": unknown}) == []


def test_a_rename_becomes_a_move() -> None:
    """The same content under a new name is copied inside the home; a second new name of it is uploaded."""
    base = {"old": known("text")}
    ours = {"new": here("text", time=5), "newer": here("text", time=5)}
    plan = plan_home(base, ours, {"old": there("text")})

    assert [(step.do, step.path, step.source) for step in plan.steps] == [
        (Do.MOVE, "new", "old"),
        (Do.UPLOAD, "newer", ""),
    ]


def deletions(number: int) -> HomePlan:
    return HomePlan(tuple(Step(Do.DELETE_HERE, str(at)) for at in range(number)), 0)


@pytest.mark.parametrize(
    ("base", "number", "most", "is_fine"),
    [(50, 50, None, True), (200, 100, None, True), (200, 101, None, False), (1000, 300, None, True),
     (1000, 301, None, False), (1000, 301, 301, True), (1000, 2, 1, False), (10, 1, 0, False)],
)  # fmt: skip
def test_many_deletions_want_a_word(base: int, number: int, most: int | None, is_fine: bool) -> None:
    """100 files or 30 %, whichever is more, or what the person says."""
    if is_fine:
        check_deletions(deletions(number), base, most)
    else:
        with pytest.raises(Conflict) as caught:
            check_deletions(deletions(number), base, most)
        assert caught.value.code == "too-many-deletions"
        assert f"--max-delete {number}" in caught.value.hint


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "empty_fine", "is_fine"),
    [(5, 0, 5, False, False), (5, 5, 0, False, False), (5, 0, 5, True, True), (0, 0, 5, False, True)],
)
def test_an_empty_side_stops_everything(base: int, ours: int, theirs: int, empty_fine: bool, is_fine: bool) -> None:
    """A folder that is not mounted looks like one whose files were all deleted."""
    if is_fine:
        check_sides(base, ours, theirs, is_empty_fine=empty_fine)
    else:
        with pytest.raises(Conflict, match="empty"):
            check_sides(base, ours, theirs, is_empty_fine=empty_fine)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("train.py", "train.conflict-m-t.py"), ("d.x/Makefile", "d.x/Makefile.conflict-m-t"),
     (".bashrc", ".bashrc.conflict-m-t"), ("a.tar.gz", "a.tar.conflict-m-t.gz")],
)  # fmt: skip
def test_a_conflict_keeps_the_ending(path: str, expected: str) -> None:
    """So that the file still opens in its program."""
    assert conflict_name(path, "m", "t") == expected
