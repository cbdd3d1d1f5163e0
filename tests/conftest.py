"""For every test: a home of its own, no settings from outside, and no skip where none is allowed.

`LABOPS_NO_SKIPS=1` turns each skip into a failure that names its reason (CI installs everything first).
`HYPOTHESIS_PROFILE=ci` makes property tests repeatable.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings

from labops.cli import main
from labops.testing import servers
from labops.testing.ceph import ceph as start_ceph
from labops.testing.servers import Server, ServerAbsent

# Without the "explain" phase: on a failing test with deep values it can take an hour and all memory.
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink]
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, phases=_PHASES)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=_PHASES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

RunGit = Callable[..., str]

_FOREIGN = ("AWS_", "DVC_", "GIT_", "XDG_", "GOOGLE_", "AZURE_", "BOTO", "LAB_", "NO_COLOR", "FORCE_COLOR")
"""Prefixes of variables that would let the machine's own settings decide a test."""


@pytest.fixture(scope="session", autouse=True)
def isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The environment of the whole run, inherited by servers; yields the folder of all homes."""
    homes = tmp_path_factory.mktemp("homes")
    # A shell that starts the tests in the background lets them ignore Ctrl-C, and so would all they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("DVC_SITE_CACHE_DIR", str(homes / "dvc-site"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Russell")
            patch.setenv(f"GIT_{who}_EMAIL", "russell@lab.example")
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", "init.defaultBranch")
        patch.setenv("GIT_CONFIG_VALUE_0", "main")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        patch.setenv("LC_ALL", "C.UTF-8")
        patch.setenv("HOME", str(homes))
        yield homes


@pytest.fixture(autouse=True)
def home(isolated_session: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder for this test alone."""
    folder = Path(tempfile.mkdtemp(dir=isolated_session))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(folder / "global"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(folder / "system"))
    return folder


@pytest.fixture
def run_git(tmp_path: Path) -> RunGit:
    """Run git in `tmp_path` (or in `cwd`) and return what it prints."""

    def run(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or tmp_path, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def git_repo(tmp_path: Path, run_git: RunGit) -> Path:
    """An empty git repository at `tmp_path`."""
    run_git("init", "-q", "-b", "main")
    return tmp_path


# -- commands ---------------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


@pytest.fixture
def lab(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `lab` in this process."""

    def run(*words: str) -> Ran:
        capfd.readouterr()
        code = main(list(words))
        return Ran(code, *capfd.readouterr())

    return run


# -- servers: one of each a session; whoever uses one makes a bucket or a lab of its own ---------------------


def running(start: Callable[[], Any]) -> Iterator[Any]:
    """What `start` runs, until the session ends; a skip with the reason where it cannot run."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(start())
        except ServerAbsent as reason:
            pytest.skip(str(reason))
        yield server


@pytest.fixture(scope="session")
def ministack() -> Iterator[Server]:
    """MiniStack, with rights enforced."""
    yield from running(servers.ministack)


@pytest.fixture(scope="session")
def ceph() -> Iterator[tuple[Server, Server]]:
    """Ceph's gateway over plain http and over TLS."""
    yield from running(start_ceph)


@pytest.fixture(scope="session")
def rclone() -> Iterator[Server]:
    """The weak server."""
    yield from running(servers.rclone)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Server]:
    """Azure's emulator."""
    yield from running(servers.azurite)


def _forbid_skip(report: Any) -> None:
    if not os.environ.get("LABOPS_NO_SKIPS") or not report.skipped or hasattr(report, "wasxfail"):
        return
    where, line, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{where}:{line}: skipped where no skip is allowed (LABOPS_NO_SKIPS): {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    report = yield
    _forbid_skip(report)
    return report
