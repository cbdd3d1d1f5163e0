"""Black-box tests against the real dvc: the command line is the only door used.

`LABOPS_LAB=/path/to/dvc pytest tests/interop` makes dvc play both roles. Compatibility tests must pass then
too (the expectation is DVC's own behaviour); tests marked `safer` may fail, because there we do better.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labops.testing import oracle


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "safer: labops does better than dvc here, so dvc may fail this test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if oracle.lab_is_dvc():
        for item in items:
            if item.get_closest_marker("safer"):
                item.add_marker(pytest.mark.xfail(reason="dvc's known trap", strict=False))


@pytest.fixture(scope="session")
def dvc() -> str:
    """The real dvc."""
    found = oracle.find_dvc()
    if found is None:
        pytest.skip("no dvc: set LABOPS_DVC, or install one into .cache/peers")
    return found


@pytest.fixture(scope="session")
def lab() -> str:
    """The command under test."""
    return oracle.find_lab()


Twins = Callable[[oracle.Script], None]


@pytest.fixture
def twins(tmp_path: Path, lab: str, dvc: str) -> Twins:
    """Plays a script with dvc and with lab: both must see and leave the same."""

    def play(script: oracle.Script) -> None:
        oracle.play_twins(script, tmp_path, lab=lab, dvc=dvc)

    return play


@pytest.fixture
def box(tmp_path: Path, lab: str, dvc: str) -> oracle.Sandbox:
    """A sandbox driven by lab, in which `box.dvc(…)` is at hand."""
    return oracle.Sandbox(tmp_path / "box", lab)
