"""The types are right for the code that people write: `mypy --strict` reads it and finds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LIGHT = """
import sys
before = set(sys.modules)
import labops
print(labops.__version__, len(dir(labops)) > 3)
print(*sorted(set(sys.modules) - before))
"""


def test_user_code_has_the_right_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"),
         "--cache-dir", str(tmp_path), str(ROOT / "tests/typing/api.py")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout


def test_importing_the_package_loads_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.splitlines()

    assert said == "0.1.0 True"
    assert {name.partition(".")[0] for name in loaded.split()} <= {"labops", *sys.stdlib_module_names}
    assert not {"obstore", "boto3", "fsspec", "labops.api", "labops.project", "subprocess"} & set(loaded.split())


def test_every_public_name_is_there() -> None:
    import labops
    from labops import api

    for name in labops.__all__:
        assert getattr(labops, name) is not None
    for name in api.__all__:
        assert getattr(api, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(labops, "nothing")  # noqa: B009 - a type checker knows better
