"""Where a bench plays: data made once, repositories of each tool, a fresh folder for every run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Command

AWS = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
"""What every S3 client is told; the last two because rclone does not know dvc's checksums."""

PER_FOLDER = 200
"""Files in each folder of a dataset."""


@dataclass
class Stage:
    """Everything a scenario needs. `scale` multiplies the number of files, never their size.

    Nothing is deleted before the end: creating files right after a mass deletion is slower on many file
    systems, and would hit whoever runs next.
    """

    root: Path
    tools: Mapping[str, str]
    scale: float
    closing: ExitStack = field(default_factory=ExitStack)
    keys: dict[str, str] = field(default_factory=dict)
    """Credentials of the S3 server that runs at the moment."""
    _made: dict[str, Path] = field(default_factory=dict)
    _number: int = 0

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command: no settings of the person who runs the bench."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        names = {"NAME": "Bench", "EMAIL": "bench@lab.example"}
        git = {f"GIT_{who}_{key}": text for who in ("AUTHOR", "COMMITTER") for key, text in names.items()}
        home = self.root / "home"
        own = {"HOME": str(home), "DVC_SITE_CACHE_DIR": str(home / "dvc-site"), "DVC_NO_ANALYTICS": "1"}
        return {**kept, **git, **own, **AWS, **self.keys, "GIT_CONFIG_NOSYSTEM": "1"}

    def count(self, files: int) -> int:
        return max(20, round(files * self.scale))

    def fresh(self, name: str) -> Path:
        """A new empty folder."""
        self._number += 1
        folder = self.root / f"{self._number:03d}-{name}"
        folder.mkdir()
        return folder

    def call(self, argv: Sequence[str], cwd: Path) -> None:
        """Run something that is not timed."""
        done = subprocess.run(argv, cwd=cwd, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed in {cwd}:\n{done.stdout}{done.stderr}")

    def dataset(self, files: int, size_bytes: int) -> Path:
        """A folder of `files` different files, the same on every machine; made once, never changed."""
        key = f"data-{files}x{size_bytes}"
        if key not in self._made:
            folder = self.fresh(key)
            chance = random.Random(key)
            for number in range(files):
                if number % PER_FOLDER == 0:
                    part = folder / f"{number // PER_FOLDER:04d}"
                    part.mkdir()
                with open(part / f"{number:06d}.bin", "wb") as file:
                    for start in range(0, size_bytes, 1 << 20):
                        file.write(chance.randbytes(min(1 << 20, size_bytes - start)))
            self._made[key] = folder
        return self._made[key]

    def repository(self, tool: str, name: str, config: str = "") -> Path:
        """A fresh git repository initialised by `tool`, with `config` as its `.dvc/config`."""
        folder = self.fresh(f"{name}-{tool}")
        self.call(["git", "init", "--quiet"], folder)
        self.call([self.tools[tool], "init", "--quiet"], folder)
        self.configure(folder, config)
        return folder

    def configure(self, repository: Path, config: str) -> None:
        (repository / ".dvc/config").write_text(config)

    def with_data(self, tool: str, name: str, data: Path, config: str = "") -> Path:
        """A fresh repository holding a copy of `data` that is not added yet."""
        folder = self.repository(tool, name, config)
        shutil.copytree(data, folder / "data")
        return folder

    def added(self, tool: str, data: Path) -> Path:
        """A repository in which `tool` has added a copy of `data`; made once for each tool and dataset."""
        key = f"added-{tool}-{data.name}"
        if key not in self._made:
            folder = self.with_data(tool, "added", data)
            self.call([self.tools[tool], "add", "data"], folder)
            self._made[key] = folder
        return self._made[key]

    def clone(self, tool: str, repository: Path, config: str) -> Path:
        """A fresh repository that knows the same dataset but has none of its files."""
        folder = self.repository(tool, "clone", config)
        for name in ("data.dvc", ".gitignore"):
            shutil.copy(repository / name, folder / name)
        return folder

    def command(self, tool: str, *arguments: str, cwd: Path) -> Command:
        return Command((self.tools[tool], *arguments), cwd)


def folder_remote(store: Path) -> str:
    """The configuration of a remote in a folder."""
    return f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n"


def s3_remote(endpoint: str, bucket: str) -> str:
    """The configuration of a remote on the loopback S3 server."""
    url = f"url = s3://{bucket}/lab\n    endpointurl = {endpoint}"
    return f"[core]\n    remote = store\n['remote \"store\"']\n    {url}\n"
