"""The floors of the house: what may import what, and what `lab --help` may load."""

from __future__ import annotations

import subprocess
import sys
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
