"""What is published: a pure wheel with its types, and no trace of anybody's machine or keys."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import labops
from tests.architecture.source import ROOT

FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.$}/~-])/(?:tmp|work|root)/|\.pyenv"),
    "the address of a package registry": re.compile(
        r"pypi[.]org|pythonhosted[.]|npmjs[.]|deb[.]debian[.]org|--(?:extra-)?index-url"
    ),
    "an AWS access key": re.compile(r"\bA[KS]IA(?=[A-Z0-9]*[0-9])(?![A-Z0-9]*EXAMPLE)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}
"""What no tracked file may hold. Keys made up for tests hold no digit, or end in EXAMPLE as AWS's own do."""


def tracked_files() -> list[Path]:
    """The files git keeps, and those it would keep if somebody added them."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_machine_a_registry_or_a_key() -> None:
    """The repository is about the lab's data, not about where somebody happened to write it."""
    found = []
    for path in tracked_files():
        if path == Path(__file__):
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found += [
                f"{path.relative_to(ROOT)}:{number}: {what}"
                for what, pattern in FORBIDDEN.items()
                if pattern.search(line)
            ]

    assert not found


def test_wheel_is_pure_and_typed(tmp_path: Path) -> None:
    """One wheel serves every machine, carries its types and its licence, and nothing but the package."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert wheel.name == f"labops-{labops.__version__}-py3-none-any.whl"
    assert "labops/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"labops"}
    assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc"))]
