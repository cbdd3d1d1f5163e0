"""The floors of the house: what may import what, and what `lab --help` may load."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

HEAVY = {
    "boto3",
    "botocore",
    "obstore",
    "httpx",
    "rich",
    "ruamel",
    "sqlite3",
    "starlette",
    "msgspec",
    "pathspec",
}


def test_every_import_contract_holds() -> None:
    """The contracts of pyproject.toml hold: no import runs upwards, no pure floor touches the world."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_is_on_a_floor() -> None:
    """No module escapes the floors by not being named; the kit and the starter stand beside the house."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {room for floor in floors for room in re.split(r"\s*[|:]\s*", floor)}
    package = ROOT / "src/labops"
    rooms = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}

    assert named == {f"labops.{room}" for room in rooms - {"__init__", "__main__", "testing"}}


def test_help_loads_nothing_heavy() -> None:
    """`lab --help` answers without a cloud library, a terminal library or a database."""
    code = (
        "import sys\n"
        "from labops.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())

    assert done.stdout.lower().startswith("usage:")
    assert not loaded & HEAVY
