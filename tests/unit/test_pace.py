"""A limit on bytes per second, with a clock of the test's own."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from labops.drivers.pace import Pace, PacedFile
from labops.errors import InvalidInput
from labops.formats.quantities import parse_size


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


def paced(rate: int | None) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(rate, clock=clock, sleep=clock.sleep), clock


def test_many_takes_take_the_time_that_the_rate_says() -> None:
    """The first goes at once; 100 pieces of a tenth of the rate then take 9.9 seconds."""
    pace, clock = paced(1000)
    for _ in range(100):
        pace.take(100)

    assert clock.now - 100.0 == pytest.approx(9.9)


def test_idle_time_is_not_saved_up() -> None:
    """After a pause of an hour there is no burst of an hour's bytes."""
    pace, clock = paced(1000)
    pace.take(1000)
    clock.now += 3600
    before = clock.now
    for _ in range(3):
        pace.take(1000)

    assert clock.now - before == pytest.approx(2.0)


def test_without_a_rate_nothing_waits() -> None:
    pace, clock = paced(None)
    pace.take(10**12)
    pace.take(10**12)
    assert clock.now == 100.0
    pace.rate = 10
    pace.take(0)
    assert clock.now == 100.0


def test_threads_share_one_rate() -> None:
    """However many there are: each take waits for all before it."""
    slept: list[float] = []
    pace = Pace(1000, clock=lambda: 0.0, sleep=slept.append)
    threads = [threading.Thread(target=lambda: [pace.take(100) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(slept) == pytest.approx([number / 10 for number in range(1, 80)])


def test_pieces_are_small_when_the_rate_is() -> None:
    assert Pace(16 << 10).piece == 4 << 10
    assert Pace(1_600_000).piece == 100_000
    assert Pace(10**9).piece == 1 << 20


def test_a_paced_file_is_a_file(tmp_path: Path) -> None:
    """All bytes in order, in the time that they deserve."""
    data = bytes(range(256)) * 400
    (tmp_path / "f").write_bytes(data)
    pace, clock = paced(50_000)
    with PacedFile(str(tmp_path / "f"), pace) as file:
        assert file.read(100_000) == data[:100_000]
        assert file.read(100_000) == data[100_000:]
        assert file.read(1) == b""
    assert clock.now - 100.0 == pytest.approx(len(data) / 50_000, rel=0.2)
    pace.rate = None
    with PacedFile(str(tmp_path / "f"), pace) as file:
        assert file.read() == data


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("500k", 500_000), ("10MB", 10_000_000), ("10M", 10_000_000), ("10 MB/s", 10_000_000),
        ("1.5GiB", 3 << 29), ("2g", 2 * 10**9), ("10KiB", 10240), ("1TB", 10**12), ("7b", 7),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "10XB", "1e9", "10 M B", "0.1", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_size(text)
    assert caught.value.code == "bad-size"
    assert "10MB" in caught.value.hint
