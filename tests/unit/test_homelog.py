"""The history of a home from what is left of it."""

from __future__ import annotations

from labops.planning.homelog import Change, Content, Maker, changes_of, name_machines


def told(contents: list[Content], makers: dict[Content, Maker] | None = None) -> list[tuple[float, str, str, str]]:
    changes = name_machines(changes_of(contents), makers or {}, contents)
    return [(change.when, change.path, change.what, change.machine) for change in changes]


def test_what_lies_in_the_trash_was_replaced_or_deleted() -> None:
    """With something under its name now it was replaced, with nothing it was deleted."""
    contents = [
        Content("a", 1, ended=10.0, ended_by="laptop", ended_in="r1"),
        Content("a", 2, began=10.5),
        Content("b", 3, ended=20.0, ended_by="cloud", ended_in="r2"),
    ]
    assert told(contents) == [
        (20.0, "b", "deleted", "cloud"),
        (10.5, "a", "changed", ""),
        (10.0, "a", "changed", "laptop"),
    ]


def test_a_content_that_its_own_run_stored_is_one_change() -> None:
    """The stamp in the trash and the one on the object are the same run's."""
    now = Content("a", 2, began=10.5)
    contents = [Content("a", 1, ended=10.0, ended_by="laptop", ended_in="r1"), now]

    assert told(contents, {now: Maker("r1", "laptop", 10.0)}) == [(10.5, "a", "changed", "laptop")]


def test_a_content_that_a_later_run_stored_was_deleted_in_between() -> None:
    now = Content("a", 2, began=30.5)
    contents = [Content("a", 1, ended=10.0, ended_by="laptop", ended_in="r1"), now]

    assert told(contents, {now: Maker("r3", "cloud", 30.0)}) == [
        (30.5, "a", "new", "cloud"),
        (10.0, "a", "deleted", "laptop"),
    ]


def test_a_content_in_the_trash_tells_who_stored_it() -> None:
    """Deleted by one machine and stored anew by another: the first did not write what the second did."""
    first = Content("a", 1, ended=10.0, ended_by="ws", ended_in="r1", key=".trash/r1/a")
    second = Content("a", 2, ended=30.0, ended_by="ws", ended_in="r3", key=".trash/r3/a")
    contents = [first, second, Content("b", 5, began=15.0)]

    assert told(contents, {second: Maker("r2", "laptop", 20.0)}) == [
        (30.0, "a", "deleted", "ws"),
        (20.0, "a", "new", "laptop"),
        (15.0, "b", "new", ""),
        (10.0, "a", "deleted", "ws"),
    ]
    assert (10.0, "a", "changed", "ws") in told(contents, {second: Maker("r1", "ws", 10.0)})
    assert (10.0, "a", "changed", "ws") in told(contents), "a store without metadata"


def test_a_content_that_is_younger_than_its_run_names_no_machine() -> None:
    """It was renamed or copied since, by nobody knows whom."""
    now = Content("a", 2, began=10 * 86400.0)

    assert told([now], {now: Maker("r1", "laptop", 5.0)}) == [(864000.0, "a", "new", "")]
    assert told([now], {now: Maker("r1", "laptop", 10 * 86400.0 - 60)}) == [(864000.0, "a", "new", "laptop")]


def test_versions_of_a_bucket_tell_each_change() -> None:
    """A gap between the end of one and the beginning of the next was a deletion."""
    contents = [
        Content("a", 1, 10.0, 20.0, version="v1"),
        Content("a", 2, 20.0, 30.0, version="v2"),
        Content("a", 3, 40.0, version="v3"),
        Content("b", 1, 5.0, 6.0, version="w"),
    ]
    assert told(contents) == [
        (40.0, "a", "new", ""),
        (30.0, "a", "deleted", ""),
        (20.0, "a", "changed", ""),
        (10.0, "a", "new", ""),
        (6.0, "b", "deleted", ""),
        (5.0, "b", "new", ""),
    ]


def test_nothing_tells_nothing() -> None:
    assert changes_of([]) == []
    assert changes_of([Content("a", 1)]) == []
    assert [type(change) for change in changes_of([Content("a", 1, 1.0)])] == [Change]
