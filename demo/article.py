"""The lab's day on one computer: three folders play the laptop, the lab server and the cloud machine.

Every line after a `$` is a command exactly as a person would type it, and what follows is what it printed.
Run it with `make demo`, or `make demo DATA=/any/folder` to play it with a copy of your own files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pictures import picture

LAPTOP, SERVER, CLOUD = "laptop", "lab-server", "cloud"
MACHINES = (LAPTOP, SERVER, CLOUD)

Files = dict[str, str]
"""Path in the dataset → sha256 of its bytes. DVC and labops name content by md5; the judge here does not."""


class Stage:
    """A folder with a shared git repository, a shared store and one folder for each machine."""

    def __init__(self, root: Path, lab: str | None) -> None:
        self.root = root
        self.failures: list[str] = []
        for name in (*MACHINES, "home", "bin"):
            (root / name).mkdir(parents=True)
        if lab:
            (root / "bin/lab").symlink_to(Path(lab).absolute())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "XDG_"))},
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(root / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "init.defaultBranch",
            "GIT_CONFIG_VALUE_0": "main",
            "GIT_CONFIG_KEY_1": "pull.ff",
            "GIT_CONFIG_VALUE_1": "only",
            "GIT_AUTHOR_NAME": "Russell",
            "GIT_AUTHOR_EMAIL": "russell@lab.example",
            "GIT_COMMITTER_NAME": "Russell",
            "GIT_COMMITTER_EMAIL": "russell@lab.example",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(root / "home/dvc-site"),
            "LC_ALL": "C.UTF-8",
        }

    def type(self, where: str, command: str) -> None:
        """Show `command` as typed in the folder `where`, run it, show what it prints; stop when it fails."""
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.root / where,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.stdout:
            print(done.stdout.rstrip("\n"), flush=True)
        if done.returncode:
            sys.exit(
                f"\nThe demo stopped: this command ended with status {done.returncode}.\nIts files are in {self.root}"
            )

    def check(self, claim: str, is_true: bool) -> None:
        """Say whether `claim` holds, and remember when it does not."""
        print(f"  {'ok ' if is_true else 'NO '} {claim}", flush=True)
        if not is_true:
            self.failures.append(claim)


def say(text: str) -> None:
    print(f"\n# {text}", flush=True)


def contents(folder: Path) -> Files:
    """What a folder holds, read without labops."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def play(stage: Stage, name: str, make_version_1: Callable[[Path], object]) -> None:
    """The whole story, for a dataset called `name`."""
    share = f"{LAPTOP}/datasets"
    data = stage.root / share / name
    typed = shlex.quote(name)

    say("Once for the lab: a git repository for the pointers, and a store for the data (here two folders).")
    stage.type(".", "git init --quiet --bare datasets.git")
    stage.type(".", "mkdir store")

    say("On the laptop, the administrator makes the shared dataset repository.")
    stage.type(LAPTOP, "git clone --quiet ../datasets.git datasets")
    stage.type(share, "lab init")
    stage.type(share, "lab remote add -d s3_storage ../../store")
    stage.type(share, "cat .dvc/config")
    stage.type(share, "git add .dvc && git commit --quiet -m 'Start the dataset repository'")
    stage.type(share, "git push --quiet origin main")

    say(f"The administrator adds the dataset '{name}'.")
    make_version_1(data)
    version_1 = contents(data)
    if len(version_1) <= 20:
        stage.type(share, f"ls -l {typed}")
    stage.type(share, f"lab add {typed}")
    stage.type(share, f"cat {typed}.dvc .gitignore")
    stage.type(share, f"git add {typed}.dvc .gitignore && git commit --quiet -m {shlex.quote(f'Add {name}')}")

    say("Data first, then the pointer: nobody can pull a version whose data is not there.")
    stage.type(share, "lab push")
    stage.type(share, "git push --quiet origin main")

    say("The store now holds the files, each named by the md5 of its content.")
    stage.type(".", "find store -type f | sort | head -12")

    for machine in (SERVER, CLOUD):
        say(f"On the machine '{machine}': clone the pointers, pull the data.")
        stage.type(machine, "git clone --quiet ../datasets.git datasets")
        stage.type(f"{machine}/datasets", "lab pull")
        stage.type(f"{machine}/datasets", "lab status")

    say("Are the three machines identical? (sha256 of every file, computed without lab)")
    for machine in MACHINES:
        stage.check(
            f"{machine} holds version 1: {len(version_1)} files",
            contents(stage.root / machine / "datasets" / name) == version_1,
        )
    play_version_2(stage, name, version_1)


def play_version_2(stage: Stage, name: str, version_1: Files) -> None:
    """The dataset changes; one machine follows, the other does not."""
    share = f"{LAPTOP}/datasets"
    data = stage.root / share / name
    typed = shlex.quote(name)

    say("On the laptop the dataset changes: one file edited, one new, one removed.")
    change(data)
    version_2 = contents(data)
    stage.type(share, "lab status")
    stage.type(share, f"lab add {typed}")
    stage.type(share, f"git commit --quiet -am {shlex.quote(f'Update {name}')}")
    stage.type(share, "lab push && git push --quiet origin main")

    say("On the lab server: git brings the new pointer, and lab says what is behind.")
    stage.type(f"{SERVER}/datasets", "git pull --quiet")
    stage.type(f"{SERVER}/datasets", "lab status")
    stage.type(f"{SERVER}/datasets", "lab data status --granular")
    stage.type(f"{SERVER}/datasets", "lab pull")
    stage.type(f"{SERVER}/datasets", "lab status")

    say("Nobody updated the cloud machine. Which version does each machine hold?")
    for machine in MACHINES:
        stage.type(".", f"grep md5: {machine}/datasets/{typed}.dvc")
    stage.type(f"{CLOUD}/datasets", "git fetch --quiet && git log --oneline main..origin/main")

    say("The same question, asked without lab and without git.")
    holds = {machine: contents(stage.root / machine / "datasets" / name) for machine in MACHINES}
    stage.check("the two versions differ", version_1 != version_2)
    stage.check(f"{LAPTOP} holds version 2: {len(version_2)} files", holds[LAPTOP] == version_2)
    stage.check(f"{SERVER} holds version 2, identical to {LAPTOP}", holds[SERVER] == version_2)
    stage.check(f"{CLOUD} still holds version 1, complete", holds[CLOUD] == version_1)


def change(folder: Path) -> None:
    """Version 2 of a dataset: one file edited, one new, and the last one removed when there are several."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    edited, last = files[min(2, len(files) - 1)], files[-1]
    is_picture = edited.suffix == ".jpg" and len(edited.read_bytes()) < 10_000
    replacement = edited.with_name(edited.name + ".new")
    replacement.write_bytes(picture(102) if is_picture else edited.read_bytes() + b"edited\n")
    replacement.replace(edited)
    if last != edited:
        last.unlink()
    (folder / f"{len(files):04d}.jpg").write_bytes(picture(len(files)))


def six_pictures(folder: Path) -> None:
    """The article's dataset: `0000.jpg` to `0005.jpg`."""
    folder.mkdir()
    for number in range(6):
        (folder / f"{number:04d}.jpg").write_bytes(picture(number))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder to copy and play with, instead of six pictures")
    parser.add_argument("--lab", default=os.environ.get("LABOPS_LAB"), help="the command to play with (default: lab)")
    parser.add_argument("--into", type=Path, help="an empty folder for the stage (default: a new temporary one)")
    options = parser.parse_args()

    root = (options.into or Path(tempfile.mkdtemp(prefix="labops-demo-"))).absolute()
    print(f"Everything happens in {root}")
    stage = Stage(root, options.lab)
    if options.data:
        source = options.data.absolute()
        if not any(path.is_file() for path in source.rglob("*")):
            parser.error(f"'{source}' holds no files")
        play(stage, source.name, lambda folder: shutil.copytree(source, folder))
    else:
        play(stage, "dog_and_cat", six_pictures)

    if stage.failures:
        print("\nNot as it should be: " + "; ".join(stage.failures))
        return 1
    print(f"\nAll as it should be. Look around in {root}, and remove it when you have seen enough.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
