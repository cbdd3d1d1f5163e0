"""A lab in a folder: a bare git repository, a data remote, and any number of clones. Looks at them without labops."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from labops.project import Project
from labops.testing.oracle import md5
from labops.verbs.init import init
from labops.verbs.publish import Published, PublishOptions, publish
from labops.verbs.sync import Synced, sync

Files = Mapping[str, bytes]


def run_git(folder: Path, *arguments: str, ok: bool = True, stdin: str = "") -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, input=stdin, check=False)
    assert done.returncode == 0 or not ok, f"git {arguments}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Clone:
    """One person's copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str, ok: bool = True, stdin: str = "") -> str:
        return run_git(self.folder, *arguments, ok=ok, stdin=stdin)

    def project(self) -> Project:
        return Project.find(str(self.folder))

    def write(self, name: str, files: Files | bytes) -> None:
        """Add these files, or write this one, as an editor would: a new inode."""
        for path, data in ({"": files} if isinstance(files, bytes) else files).items():
            target = self.folder / name / path if path else self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(data)

    def read(self, name: str) -> dict[str, bytes]:
        top = self.folder / name
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}

    def publish(
        self, *targets: str, message: str = "news", version: str | None = None, dry_run: bool = False, remote: str = ""
    ) -> Published:
        options = PublishOptions(message, version, remote or None)
        return publish(self.project(), [str(self.folder / name) for name in targets], options, dry_run=dry_run)

    def sync(self, *, dry_run: bool = False) -> Synced:
        return sync(self.project(), dry_run=dry_run)

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


class Hub:
    """`hub.git`, `store` and the clones, all below `root`; made once, with an initialised project on `main`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bare = root / "hub.git"
        self.store = root / "store"
        if self.bare.exists():
            return
        root.mkdir(parents=True, exist_ok=True)
        run_git(root, "init", "-q", "--bare", "-b", "main", "hub.git")
        self.store.mkdir()
        ada = self.clone("ada")
        init(str(ada.folder))
        ada.write(".dvc/config", b"[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n")
        ada.git("add", "-A")
        ada.git("commit", "-q", "-m", "init")
        ada.git("push", "-q", "-u", "origin", "main")

    def clone(self, name: str) -> Clone:
        """The clone `name`, made now unless it is there; git merges datasets in it."""
        folder = self.root / name
        if not folder.exists():
            run_git(self.root, "clone", "-q", "hub.git", name)
            if (folder / ".dvc").exists():
                from labops.drivers.git import Git
                from labops.installing import install_merge_driver
                from labops.testing.oracle import find_lab

                install_merge_driver(Git(str(folder)), str(Path(find_lab()).with_name("python")))
        return Clone(folder)

    def copy(self, root: Path) -> Hub:
        """All of it somewhere else, with the clones' remote moved along."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.root, root, symlinks=True)
        for folder in root.iterdir():
            if (folder / ".git").exists():
                run_git(folder, "remote", "set-url", "origin", "../hub.git")
        return Hub(root)

    def commits(self) -> list[str]:
        """Every commit that others can see."""
        return run_git(self.bare, "rev-list", "--all").split()

    def pointer(self, commit: str, name: str) -> str:
        """The hash in a `.dvc` file at a commit."""
        text = run_git(self.bare, "show", f"{commit}:{name}")
        found = re.search(r"md5: (\S+)", text)
        assert found, text
        return found[1]

    def promises_without_data(self) -> list[str]:
        """The pointers that others can see and whose data they cannot get: `commit:file object`."""
        broken = []
        for commit in self.commits():
            for name in run_git(self.bare, "ls-tree", "-r", "--name-only", commit).splitlines():
                if name.endswith(".dvc"):
                    lacking = self._lacking(self.pointer(commit, name))
                    broken += [f"{commit}:{name} {oid}" for oid in lacking]
        return broken

    def _lacking(self, oid: str) -> list[str]:
        path = self.store / "files/md5" / oid[:2] / oid[2:]
        if not path.exists():
            return [oid]
        if not oid.endswith(".dir"):
            return [] if md5(path.read_bytes()) == oid else [oid]
        return [one for row in json.loads(path.read_bytes()) for one in self._lacking(row["md5"])]
