"""The engine: what callers may rely on, whatever the pool looks like inside."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from labops import transfer
from labops.errors import AccessDenied, LabError, NoSpace, NotFound
from labops.model import Action, Event, Oid, Result, Step

every_width = pytest.mark.parametrize("jobs", [1, 2, 7])


def absent(item: object) -> NotFound:
    return NotFound(f"'{item}' is not there", code="no-such-file")


@every_width
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000])
def test_results_come_in_the_order_of_the_items(jobs: int, count: int) -> None:
    assert transfer.each(range(count), lambda n: n * n, phase="p", jobs=jobs) == [n * n for n in range(count)]


@every_width
def test_each_item_is_worked_on_once(jobs: int) -> None:
    seen: list[int] = []
    transfer.each(range(500), seen.append, phase="p", jobs=jobs, size_of=lambda n: n << 16)
    assert sorted(seen) == list(range(500))


@every_width
def test_one_bad_item_does_not_stop_the_others(jobs: int) -> None:
    errors = {n: absent(n) for n in (0, 7, 99)}

    def work(n: int) -> int:
        if n in errors:
            raise errors[n]
        return n

    assert transfer.each(range(100), work, phase="p", jobs=jobs) == [errors.get(n, n) for n in range(100)]


STOPPERS: dict[str, Callable[[], BaseException]] = {
    "access-denied": lambda: AccessDenied("no", code="file-access-denied"),
    "no-space": lambda: NoSpace("full", code="disk-full"),
    "bug": lambda: ZeroDivisionError("a bug"),
    "ctrl-c": KeyboardInterrupt,
}


@every_width
@pytest.mark.parametrize("make", STOPPERS.values(), ids=list(STOPPERS))
def test_what_would_fail_a_thousand_times_stops_at_once(jobs: int, make: Callable[[], BaseException]) -> None:
    """It is raised as itself, and of ten thousand items hardly any are begun after it."""
    stopper = make()
    begun: list[int] = []

    def work(n: int) -> None:
        begun.append(n)
        raise stopper

    with pytest.raises(type(stopper)) as caught:
        transfer.each(range(10_000), work, phase="p", jobs=jobs)
    assert caught.value is stopper
    assert len(begun) <= jobs


def test_nothing_is_under_way_any_more_when_the_stopper_is_raised() -> None:
    """One hand fails while the other is in the middle of its work: that ends first."""
    is_other_under_way, ended = threading.Event(), threading.Event()

    def work(n: int) -> None:
        if n == 0:
            assert is_other_under_way.wait(10)
            raise NoSpace("full", code="disk-full")
        is_other_under_way.set()
        ended.set()

    with pytest.raises(NoSpace):
        transfer.each([0, 1], work, phase="p", jobs=2)
    assert ended.is_set()


def test_several_hands_really_work_at_once() -> None:
    meeting = threading.Barrier(4, timeout=10)
    transfer.each(range(4), lambda _: meeting.wait(), phase="p", jobs=4)


@every_width
def test_progress_adds_up(jobs: int) -> None:
    events: list[Event] = []
    transfer.each(range(300), lambda n: n, phase="adding", jobs=jobs, size_of=lambda n: n, on_event=events.append)
    assert events[0] == Event("started", "adding", total=300, total_size=sum(range(300)))
    assert events[-1] == Event("finished", "adding")
    advanced = events[1:-1]
    assert {event.kind for event in advanced} == {"advanced"}
    assert sum(event.count for event in advanced) == 300
    assert sum(event.size for event in advanced) == sum(range(300))


def test_a_phase_that_is_stopped_is_finished_too() -> None:
    events: list[str] = []

    def work(_: int) -> None:
        raise NoSpace("full", code="disk-full")

    with pytest.raises(NoSpace):
        transfer.each([1], work, phase="p", on_event=lambda event: events.append(event.kind))
    assert (events[0], events[-1]) == ("started", "finished")


def test_no_items_no_events() -> None:
    events: list[Event] = []
    assert transfer.each([], lambda item: item, phase="p", on_event=events.append) == []
    assert events == []


def test_apply_makes_an_outcome_of_each_step() -> None:
    steps = [Step(Action.UPLOAD, name, Oid("a" * 32), 5) for name in "abc"]
    error = absent("b")

    def work(step: Step) -> Result | None:
        if step.path == "b":
            raise error
        return Result.ALREADY if step.path == "c" else None

    outcomes = transfer.apply(steps, work, phase="p")
    assert [outcome.step for outcome in outcomes] == steps
    assert [outcome.result for outcome in outcomes] == [Result.DONE, Result.FAILED, Result.ALREADY]
    failures: list[LabError | None] = [outcome.error for outcome in outcomes]
    assert failures == [None, error, None]
