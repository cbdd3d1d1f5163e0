"""Small worlds for tests of verbs: a git repository with a project, a folder remote, and ways to look at all of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from labops.testing.oracle import check_store, dir_object, md5, objects

Everything = dict[str, tuple[str, int, int, bytes]]
"""Path → (kind, mode, inode, content) of every file, folder and link."""


class World:
    """A project at `root/repo` with its cache inside and its default remote, a folder, at `root/store`."""

    def __init__(self, root: Path, *, links: str = "copy") -> None:
        self.root = root
        self.repo = root / "repo"
        self.store = root / "store"
        self.cache = self.repo / ".dvc/cache"
        if not self.repo.exists():
            self._make(links)

    def _make(self, links: str) -> None:
        self.store.mkdir(parents=True)
        self.repo.mkdir()
        self.git("init", "-q", "--template=", "-b", "main")
        (self.repo / ".dvc").mkdir()
        (self.repo / ".dvc/config").write_text(
            f"[core]\n    remote = store\n[cache]\n    type = {links}\n['remote \"store\"']\n    url = ../../store\n"
        )
        (self.repo / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints."""
        done = subprocess.run(["git", *arguments], cwd=self.repo, capture_output=True, text=True, check=True)
        return done.stdout

    def copy(self, root: Path) -> World:
        """The same world somewhere else, with equal times; what was there goes."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.root, root, symlinks=True)
        return World(root)

    def write(self, name: str, files: Mapping[str, bytes]) -> None:
        """Make the folder `name` of the repository hold exactly these files."""
        shutil.rmtree(self.repo / name, ignore_errors=True)
        for path, data in files.items():
            target = self.repo / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def everything(self) -> Everything:
        """All there is, `.git` and `.dvc` included."""
        found: Everything = {}
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                path = Path(folder, name)
                info = path.lstat()
                kind = {stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}.get(stat.S_IFMT(info.st_mode), "file")
                content = {"dir": lambda _: b"", "link": lambda p: os.fsencode(os.readlink(p))}.get(
                    kind, Path.read_bytes
                )
                found[str(path.relative_to(self.root))] = (kind, info.st_mode, info.st_ino, content(path))
        return found

    def wrong(self) -> list[str]:
        """What is wrong with the cache and the remote, by `hashlib` alone."""
        return check_store(self.cache) + check_store(self.store)

    def holds(self, files: Mapping[str, bytes]) -> bool:
        """True when the cache has the tree of `files` and all they consist of."""
        return objects(self.cache) >= {dir_object(files)[0], *map(md5, files.values())}


def pointer(files: Mapping[str, bytes], name: str = "d") -> str:
    """The text of the `.dvc` file that tracks a folder `name` of these files."""
    size = sum(map(len, files.values()))
    oid = dir_object(files)[0]
    return f"outs:\n- md5: {oid}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: {name}\n"
