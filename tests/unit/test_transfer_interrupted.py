"""The pool: order, errors that stop it, and Ctrl-C that does not wait for a blocked thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from labops import transfer
from labops.drivers import hands
from labops.errors import AccessDenied, NotFound, Unavailable
from labops.model import Event


def unreachable() -> Unavailable:
    return Unavailable("'http://x' cannot be reached", code="unreachable")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_results_keep_the_order_and_errors_are_results() -> None:
    lost = NotFound("lost", code="no-such-object")

    def work(number: int) -> int:
        if number == 3:
            raise lost
        return number * number

    assert transfer.each(range(5), work, phase="x", jobs=4) == [0, 1, 4, lost, 16]


@pytest.mark.parametrize("jobs", [1, 8])
def test_refusal_stops_the_pool(jobs: int) -> None:
    tried: list[int] = []

    def work(number: int) -> None:
        tried.append(number)
        raise AccessDenied("no", code="access-denied")

    with pytest.raises(AccessDenied):
        transfer.each(range(1000), work, phase="x", jobs=jobs)
    assert len(tried) <= jobs


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_remote_out_of_reach_stops_the_pool(jobs: int) -> None:
    tried: list[int] = []

    def work(number: int) -> None:
        tried.append(number)
        raise unreachable()

    with pytest.raises(Unavailable):
        transfer.each(range(1000), work, phase="x", jobs=jobs)
    assert transfer.GIVE_UP <= len(tried) <= transfer.GIVE_UP + jobs


def test_a_passing_break_does_not_stop_the_pool() -> None:
    def work(number: int) -> int:
        if number % 3:
            raise unreachable()
        return number

    values = transfer.each(range(30), work, phase="x", jobs=1)
    assert [value for value in values if isinstance(value, int)] == list(range(0, 30, 3))


@pytest.mark.parametrize("jobs", [1, 4])
def test_ctrl_c_leaves_a_blocked_thread_behind(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr(transfer, "GRACE_SECONDS", 0.05)
    release, ended, events = threading.Event(), threading.Event(), list[Event]()
    started: list[int] = []

    def work(number: int) -> None:
        started.append(number)
        interrupt()
        release.wait()
        if len(started) == number + 1:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        transfer.each(range(100), work, phase="x", jobs=jobs, on_event=events.append)
    assert hands.is_anyone_left()
    assert [event.kind for event in events] == ["started", "finished"]
    release.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(5)
    assert not hands.is_anyone_left()
    assert len(started) <= jobs
    assert [event.kind for event in events] == ["started", "finished"]


def test_ctrl_c_lets_what_is_under_way_finish() -> None:
    begun = threading.Event()
    finished: list[int] = []

    def work(number: int) -> None:
        begun.set()
        if number == 0:
            threading.Timer(0.1, interrupt).start()
            threading.Event().wait(0.4)
            finished.append(number)

    with pytest.raises(KeyboardInterrupt):
        transfer.each(range(2), work, phase="x", jobs=2)
    assert finished == [0]
    assert not hands.is_anyone_left()


def test_a_second_ctrl_c_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "GRACE_SECONDS", 3600.0)
    release = threading.Event()

    def work(_: int) -> None:
        threading.Timer(0.1, interrupt).start()
        threading.Timer(0.3, interrupt).start()
        release.wait()

    with pytest.raises(KeyboardInterrupt):
        transfer.each([1], work, phase="x")
    release.set()


def test_a_blocked_helper_does_not_keep_the_process_alive() -> None:
    program = (
        "import threading\n"
        "from labops.drivers.hands import Hands, each_ready\n"
        "hands = Hands(2, 'x')\n"
        "hands.submit(threading.Event().wait)\n"
        "assert sorted(each_ready(abs, [-1, -2, 3], most=2, name='y')) == [1, 2, 3]\n"
        "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
