"""The machine line: what the figures were measured on, and with which tools."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def find_tool(name: str) -> str | None:
    """A tool by its variable `LABOPS_<NAME>`, else on PATH, else where `.ci/run` puts the peers."""
    named = os.environ.get(f"LABOPS_{name.upper()}")
    beside = ROOT / ".cache/peers/bin" / name
    return named or shutil.which(name) or (str(beside) if beside.exists() else None)


def find_lab() -> str | None:
    """`lab` of this checkout, unless `LABOPS_LAB` names another."""
    own = ROOT / ".venv/bin/lab"
    return os.environ.get("LABOPS_LAB") or (str(own) if own.exists() else shutil.which("lab"))


def machine_line(folder: Path) -> str:
    """Processor, cores, memory, kernel, file system of `folder` and Python, in one line."""
    cores = len(os.sched_getaffinity(0))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {cores} cores, {memory_gb:.0f} GiB; Linux {platform.release()}; "
        f"{_file_system(folder)}; Python {platform.python_version()}"
    )


def tool_line(tools: dict[str, str]) -> str:
    """The versions of the tools, in one line."""
    asks = {"s5cmd": "version", "rclone": "version"}
    said = [f"{name} {_first_line(path, asks.get(name, '--version'))}" for name, path in tools.items()]
    return ", ".join(said)


def _first_line(path: str, question: str) -> str:
    done = subprocess.run([path, question], capture_output=True, text=True, check=False)
    words = (done.stdout or done.stderr).strip().splitlines()
    return words[0].split()[-1] if words and words[0] else "?"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    done = subprocess.run(
        ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown file system"
