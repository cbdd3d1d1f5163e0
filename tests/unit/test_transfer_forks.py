"""The engine with forked children: the same promises, and nobody is left behind."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from labops import transfer
from labops.drivers import forking
from labops.errors import AccessDenied, LabError, NoSpace, NotFound, Unavailable
from labops.model import Event
from labops.transfer import children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

COUNT = 1000


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "processors", lambda **_: 2)


def absent(item: int) -> NotFound:
    return NotFound(f"'{item}' is not there", code="no-such-file", hint="look", path=str(item))


def no_child_is_left() -> bool:
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(-1, os.WNOHANG) == (0, 0)  # somebody else's child, which runs
    return True


def test_values_come_in_order_from_other_processes_and_are_kept_in_this_one() -> None:
    def work(n: int) -> tuple[int, int]:
        return n * n, os.getpid()

    kept: dict[int, tuple[int, int]] = {}
    values = transfer.each(range(COUNT), work, phase="p", jobs=2, forks="files")
    assert [value for value, _ in values] == [n * n for n in range(COUNT)]  # type: ignore[misc]
    assert os.getpid() not in {process for _, process in values}  # type: ignore[misc]
    given = transfer.each(range(COUNT), work, phase="p", jobs=2, forks="files", keep=kept.__setitem__)
    assert given == [None] * COUNT
    assert [kept[n][0] for n in range(COUNT)] == [n * n for n in range(COUNT)]
    assert no_child_is_left()


def test_few_items_or_one_job_are_not_worth_a_child() -> None:
    few = transfer.each(range(children.FROM_ITEMS - 1), lambda _: os.getpid(), phase="p", jobs=2, forks="files")
    one = transfer.each(range(COUNT), lambda _: os.getpid(), phase="p", jobs=1, forks="files")
    assert {*few, *one} == {os.getpid()}


def test_one_bad_item_is_told_whole_and_stops_nobody() -> None:
    def work(n: int) -> int:
        if n in (0, 500):
            raise absent(n)
        return n

    values = transfer.each(range(COUNT), work, phase="p", jobs=2, forks="files")
    assert [n for n, value in enumerate(values) if isinstance(value, LabError)] == [0, 500]
    error = values[500]
    assert isinstance(error, NotFound)
    assert (error.message, error.code, error.hint, error.fields) == (
        "'500' is not there",
        "no-such-file",
        "look",
        {"path": "500"},
    )


def test_a_full_disk_stops_all_children(tmp_path: Path) -> None:
    def work(n: int) -> None:
        (tmp_path / str(n)).touch()
        if n == 3:
            raise NoSpace("full", code="disk-full")

    with pytest.raises(NoSpace, match="full"):
        transfer.each(range(100_000), work, phase="p", jobs=2, forks="files")
    assert len(list(tmp_path.iterdir())) < 50_000
    assert no_child_is_left()


def test_what_keeping_raises_counts_like_what_work_raises() -> None:
    def keep(n: int, _: int) -> None:
        if n == 7:
            raise absent(n)

    values = transfer.each(range(COUNT), lambda n: n, phase="p", jobs=2, forks="files", keep=keep)
    assert isinstance(values[7], NotFound)
    assert [n for n, value in enumerate(values) if value is not None] == [7]

    def full(_n: int, _value: int) -> None:
        raise NoSpace("full", code="disk-full")

    with pytest.raises(NoSpace):
        transfer.each(range(COUNT), lambda n: n, phase="p", jobs=2, forks="files", keep=full)
    assert no_child_is_left()


def test_a_bug_is_raised_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        transfer.each(range(COUNT), lambda n: 1 // (n - 400), phase="p", jobs=2, forks="files")
    assert no_child_is_left()


def test_what_a_killed_child_had_is_done_again_here() -> None:
    me = os.getpid()

    def work(n: int) -> int:
        if n == 300 and os.getpid() != me:
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    assert transfer.each(range(COUNT), work, phase="p", jobs=2, forks="files") == list(range(COUNT))
    assert no_child_is_left()


def test_ctrl_c_ends_the_children(tmp_path: Path) -> None:
    def interrupt(_n: int, _value: None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.each(
            range(100_000), lambda n: (tmp_path / str(n)).touch(), phase="p", jobs=2, forks="files", keep=interrupt
        )
    assert len(list(tmp_path.iterdir())) < 50_000
    assert no_child_is_left()


def test_progress_adds_up() -> None:
    events: list[Event] = []
    transfer.each(
        range(COUNT), lambda n: n, phase="p", jobs=2, forks="files", size_of=lambda n: n, on_event=events.append
    )
    first, *middle, last = events
    assert (first.kind, first.total, first.total_size) == ("started", COUNT, sum(range(COUNT)))
    assert (sum(event.count for event in middle), sum(event.size for event in middle)) == (COUNT, sum(range(COUNT)))
    assert last.kind == "finished"


@pytest.mark.parametrize("sizes", [[1] * 256, [1] * 1_000_000, [1 << 30] * 5000, [1, 1 << 40] * 400, [0] * 300])
def test_runs_fit_into_a_pipe_and_cover_every_item_once(sizes: list[int]) -> None:
    starts = children._cut(sizes, 8)
    assert starts[0] == 0
    assert starts[-1] == len(sizes)
    assert all(start < end for start, end in itertools.pairwise(starts))
    assert len(starts) - 1 <= forking.MOST_RUNS


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """After `kill -9` of the parent its locks are gone, so nothing more may be written."""
    program = f"""
import os, pathlib, signal, time
from labops import transfer
from labops.drivers import forking
forking.processors = lambda **_: 2
me = os.getpid()
def work(n):
    if n >= 2:  # each child has done one item at least
        os.kill(me, signal.SIGKILL)
        while os.getppid() == me: time.sleep(0.001)
    pathlib.Path({str(tmp_path)!r}, str(n)).touch()
transfer.each(range(100_000), work, phase="p", jobs=2, forks="files")
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE)  # until all have ended
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) <= 2 * 2


def test_children_that_ask_a_remote_have_their_share_of_the_threads() -> None:
    def work(n: int) -> tuple[int, str]:
        return n, f"{os.getpid()} {threading.current_thread().name}"

    values = transfer.each(range(COUNT), work, phase="p", jobs=64, forks="requests")
    assert [n for n, _ in values] == list(range(COUNT))  # type: ignore[misc]
    workers = [worker.split(" ", 1) for _, worker in values]  # type: ignore[misc]
    assert str(os.getpid()) not in {process for process, _ in workers}
    assert all("MainThread" not in thread for _, thread in workers)
    assert no_child_is_left()


def test_a_refusal_or_a_remote_out_of_reach_stops_all_children_that_ask(tmp_path: Path) -> None:
    def refused(n: int) -> None:
        (tmp_path / str(n)).touch()
        raise AccessDenied("no", code="access-denied")

    with pytest.raises(AccessDenied):
        transfer.each(range(100_000), refused, phase="p", jobs=64, forks="requests")
    assert len(list(tmp_path.iterdir())) < 50_000

    def unreachable(_: int) -> None:
        raise Unavailable("nobody there", code="unreachable")

    with pytest.raises(Unavailable):
        transfer.each(range(100_000), unreachable, phase="p", jobs=64, forks="requests")
    assert no_child_is_left()


def test_without_a_free_process_it_is_all_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    values = transfer.each(range(COUNT), lambda _: os.getpid(), phase="p", jobs=2, forks="files")
    assert set(values) == {os.getpid()}


def test_children_die_in_the_middle_of_a_file_with_their_parent(tmp_path: Path) -> None:
    program = """
import os, pathlib, signal, time
from labops import transfer
from labops.drivers import forking
forking.processors = lambda **_: 2
me = os.getpid()
def work(n):
    os.kill(me, signal.SIGKILL)
    time.sleep(600)
transfer.each(range(1000), work, phase="p", jobs=2, forks="files")
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_a_program_with_threads_is_never_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    try:
        assert forking.processors() == 1
    finally:
        go_on.set()
        thread.join()


def test_a_child_has_its_share_of_the_threads() -> None:
    """All eight are there at once, or the first would wait for ever."""

    def work(_: int) -> int:
        if not hasattr(thread, "has_met"):
            thread.has_met = True
            meeting.wait(20)
        return os.getpid()

    meeting, thread = multiprocessing.get_context("fork").Barrier(8), threading.local()
    values = transfer.each(range(400), work, phase="p", jobs=8, forks="requests")
    assert len({*values}) == 2  # type: ignore[type-var]


def test_what_comes_is_expected_before_it_is_worked_on(tmp_path: Path) -> None:
    """Each once, a few ahead, in the process that will work on it."""
    expected: dict[int, int] = {}

    def work(n: int) -> tuple[int, int]:
        return expected.pop(n), len(expected)

    def expect(n: int) -> None:
        assert n not in expected
        expected[n] = os.getpid()

    values = transfer.each(range(COUNT), work, phase="p", jobs=10, forks="requests", expect=expect)
    processes, ahead = zip(*values, strict=True)  # type: ignore[arg-type]
    assert os.getpid() not in processes
    assert max(ahead) == 5


def test_three_that_are_out_of_reach_stop_a_child_with_threads() -> None:
    def work(_: int) -> None:
        raise Unavailable("gone", code="unreachable")

    with pytest.raises(Unavailable):
        transfer.each(range(COUNT), work, phase="p", jobs=8, forks="requests")
    assert no_child_is_left()
