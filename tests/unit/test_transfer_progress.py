"""The engine tells of its progress while a run is under way."""

from __future__ import annotations

import time

from labops import transfer
from labops.model import Event


def test_a_slow_run_tells_of_each_part():
    """Progress comes by time, not by run: with a slow store nothing would be seen for seconds."""
    events: list[Event] = []

    transfer.each(
        range(6), lambda _: time.sleep(0.11), phase="slow", jobs=1, size_of=lambda _: 2, on_event=events.append
    )

    advanced = [event for event in events if event.kind == "advanced"]
    assert len(advanced) >= 2
    assert sum(event.count for event in advanced) == 6
    assert sum(event.size for event in advanced) == 12


def test_a_quick_run_is_told_once_each():
    """Thousands of small items do not cost an event each."""
    events: list[Event] = []

    transfer.each(range(640), lambda _: None, phase="quick", jobs=1, on_event=events.append)

    assert sum(event.count for event in events) == 640
    assert len(events) <= 2 + 640 // 64
