"""The suite guards itself: where CI allows no skip, a skip fails and says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPS = {
    "in a test": "import pytest\ndef test_it(): pytest.skip('no server here')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no server here')\ndef test_it(): pass\n",
    "of a module": "import pytest\npytest.skip('no server here', allow_module_level=True)\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no server here')\ndef test_it(f): pass\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert 1 == 2\n"


def run_suite(folder: Path, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_it.py").write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABOPS_NO_", "PYTEST_"))}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rs",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            folder,
        ],
        env={**clean, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip_fails_where_none_is_allowed(text: str, tmp_path: Path) -> None:
    """With `LABOPS_NO_SKIPS=1` the run is red and names the reason; without it the skip is a skip."""
    strict = run_suite(tmp_path, text, LABOPS_NO_SKIPS="1")
    usual = run_suite(tmp_path, text)

    assert strict.returncode not in {0, 5}, strict.stdout
    assert "no server here" in strict.stdout
    assert usual.returncode in {0, 5}, usual.stdout
    assert "1 skipped" in usual.stdout


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    """pytest reports both alike; only one of them means that something was not tried."""
    done = run_suite(tmp_path, EXPECTED_FAILURE, LABOPS_NO_SKIPS="1")

    assert done.returncode == 0, done.stdout
