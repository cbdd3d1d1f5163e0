"""The dvc oracle: run `lab` and the real `dvc` as black boxes in closed sandboxes; compare what they leave.

Nothing here imports the code under test: what a repository should look like is asked of DVC itself, or of
`hashlib`. Environment:

    LABOPS_LAB   the command that plays `lab` (default: beside the running interpreter, else PATH); naming a
                 `dvc` here lets dvc play both roles, which proves the expectations themselves
    LABOPS_DVC   the real dvc (default: PATH, else `.cache/peers/bin/dvc` of the checkout)
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

UMASK = 0o022
TIMEOUT_SECONDS = 120
"""No command of a test takes this long: a run that does is hanging, and is killed as a failure."""


# --- finding the tools -------------------------------------------------------------------------------


def find_lab() -> str:
    """The command under test; the bare name `lab` when it is nowhere, so that running it fails loudly."""
    named = os.environ.get("LABOPS_LAB")
    if named:
        return named
    beside = Path(sys.executable).with_name("lab")
    return str(beside) if beside.exists() else shutil.which("lab") or "lab"


def find_dvc() -> str | None:
    """The real dvc, or None where there is none (tests that need it are skipped)."""
    named = os.environ.get("LABOPS_DVC")
    if named:
        return named
    on_path = shutil.which("dvc")
    if on_path:
        return on_path
    for folder in Path(__file__).resolve().parents:
        peer = folder / ".cache/peers/bin/dvc"
        if peer.exists():
            return str(peer)
    return None


def lab_is_dvc() -> bool:
    """True while dvc plays lab's part."""
    return Path(find_lab()).name == "dvc"


# --- running them ------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """How one command ended."""

    args: tuple[str, ...]
    rc: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.rc == 0

    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"$ {' '.join(self.args)}\n[rc {self.rc}]\n{self.out}{self.err}"


class Runner(Protocol):
    """Plays the command under test: arguments in, how it ended out."""

    def __call__(self, args: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: str | None = None) -> Ran: ...


def run_process(argv: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: str | None = None) -> Ran:
    """Run a fresh process to its end, with empty stdin unless given."""
    done = subprocess.run(
        list(argv),
        cwd=cwd,
        env=dict(env),
        input=(stdin or "").encode(),
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        umask=UMASK,
        check=False,
    )
    return Ran(
        (Path(argv[0]).name, *argv[1:]),
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


_SERVER = r"""
import json, os, sys
from dvc.cli import main
from dvc.cli.parser import get_main_parser
get_main_parser()
import dvc.repo, dvc.repo.add, dvc.repo.push, dvc.repo.fetch, dvc.repo.checkout, dvc.repo.data  # noqa
import dvc_data.index, dvc_data.hashfile.db, dvc_data.hashfile.hash, dvc.scm, dvc.ignore, dvc.output  # noqa
import dvc.dvcfile, dvc.utils.strictyaml, dvc.stage, dvc.config  # noqa
requests = os.fdopen(int(sys.argv[1]), "rb", buffering=0)
answers = os.fdopen(int(sys.argv[2]), "wb", buffering=0)
answers.write(b"ready\n")
while True:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = requests.read(1)
        if not byte:
            sys.exit(0)
        line += byte
    ask = json.loads(line)
    pid = os.fork()
    if pid == 0:
        rc = 99
        try:
            os.umask(ask["umask"])
            os.environ.clear()
            os.environ.update(ask["env"])
            os.chdir(ask["cwd"])
            for fd, name, flags in ((0, "in", os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
                new = os.open(ask[name], flags)
                os.dup2(new, fd)
                os.close(new)
            sys.argv = ["dvc", *ask["args"]]
            try:
                rc = main(ask["args"])
            except SystemExit as end:
                rc = end.code if isinstance(end.code, int) else int(end.code is not None)
            import atexit
            atexit._run_exitfuncs()
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(rc or 0)
    _, status = os.waitpid(pid, 0)
    answers.write(b"%d\n" % os.waitstatus_to_exitcode(status))
"""


class _WarmDvc:
    """One dvc process that has imported everything and forks for each command: a start costs 20 ms, not 600.

    Each command still runs in a process of its own with its own environment, folder and streams.
    """

    def __init__(self, python: str) -> None:
        self._files = Path(tempfile.mkdtemp(prefix="warm-dvc-"))
        ask_r, ask_w = os.pipe()
        say_r, say_w = os.pipe()
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self._files), "DVC_NO_ANALYTICS": "1"}
        self._process = subprocess.Popen(
            [python, "-c", _SERVER, str(ask_r), str(say_w)],
            pass_fds=(ask_r, say_w),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
        )
        os.close(ask_r)
        os.close(say_w)
        self._ask = os.fdopen(ask_w, "wb", buffering=0)
        self._say = os.fdopen(say_r, "rb", buffering=0)
        self._owner = os.getpid()
        atexit.register(self.close)
        if self._line() != "ready":
            self.close()
            raise OSError("the dvc server did not start")

    def _line(self) -> str:
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = self._say.read(1)
            if not byte:
                return ""
            line += byte
        return line.decode().strip()

    def __call__(self, args: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: str | None = None) -> Ran:
        paths = {name: self._files / name for name in ("in", "out", "err")}
        paths["in"].write_text(stdin or "")
        paths["out"].write_bytes(b"")
        paths["err"].write_bytes(b"")
        ask = {"args": list(args), "cwd": cwd, "env": dict(env), "umask": UMASK}
        ask |= {name: str(path) for name, path in paths.items()}
        self._ask.write(json.dumps(ask).encode() + b"\n")
        rc = int(self._line())
        out, err = (paths[name].read_bytes().decode(errors="replace") for name in ("out", "err"))
        return Ran(("dvc", *args), rc, out, err)

    def close(self) -> None:
        if os.getpid() != self._owner or self._ask.closed:
            return
        self._ask.close()
        self._process.wait(timeout=TIMEOUT_SECONDS)
        self._say.close()
        shutil.rmtree(self._files, ignore_errors=True)


@functools.cache
def _warm(binary: str) -> Runner | None:
    try:
        with Path(binary).open("rb") as file:
            first = file.readline().decode().strip()
        if not first.startswith("#!") or "python" not in first:
            return None
        return _WarmDvc(first[2:].strip())
    except (OSError, UnicodeDecodeError):
        return None


def runner(binary: str) -> Runner:
    """How to run `binary`: a warm server for a dvc script, a fresh process for everything else."""
    warm = _warm(binary) if Path(binary).name == "dvc" else None
    if warm is not None:
        return warm

    def fresh(args: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: str | None = None) -> Ran:
        return run_process([binary, *args], cwd=cwd, env=env, stdin=stdin)

    return fresh


# --- what a folder holds ------------------------------------------------------------------------------


class Thing(NamedTuple):
    """One path: `what` is the sha256 of a file, the target of a symlink, empty for a folder."""

    kind: Literal["file", "dir", "link"]
    mode: str
    what: str


Snapshot = dict[str, Thing]


def _walk(folder: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            rel = below + entry.name
            yield rel, entry
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), rel + "/")


def _left_aside(rel: str) -> bool:
    padded = f"/{rel}/"
    return any(f"/{name}/" in padded for name in (".git", ".dvc/tmp", ".lab")) or is_leftover(rel)


def is_leftover(rel: str) -> bool:
    """True for a temporary file in a cache or remote (dvc's `--out` and `--to-remote` leave some behind)."""
    return "files/md5/" in rel and rel.rpartition("/")[2].startswith(".")


def leftovers(folder: Path) -> list[str]:
    """Temporary files that lie in the caches and remotes under `folder`."""
    return [rel for rel, _ in _walk(folder) if is_leftover(rel)]


def snapshot(folder: Path) -> Snapshot:
    """Everything under `folder` except `.git`, `.dvc/tmp`, temporary files of caches and remotes, and
    lab's own `.lab` folder in a cache (a test of its own says where that may be).

    Absolute link targets inside `folder` are written from `$ROOT`, so that two sandboxes compare equal. A
    folder of a cache or remote in which there is no object says nothing, and is left out. Of a file that its
    owner may both write and execute only that is kept: dvc makes 0744 of 0755 (trap 19), which we need not.
    """
    root = str(folder)
    found: Snapshot = {}
    for rel, entry in _walk(folder):
        if _left_aside(rel):
            continue
        info = entry.stat(follow_symlinks=False)
        bits = stat.S_IMODE(info.st_mode)
        mode = "executable" if stat.S_ISREG(info.st_mode) and bits & 0o300 == 0o300 else f"{bits:04o}"
        if stat.S_ISLNK(info.st_mode):
            found[rel] = Thing("link", "", os.readlink(entry.path).replace(root, "$ROOT"))
        elif stat.S_ISDIR(info.st_mode):
            found[rel] = Thing("dir", mode, "")
        else:
            found[rel] = Thing("file", mode, hashlib.sha256(Path(entry.path).read_bytes()).hexdigest())
    busy = {parent.as_posix() for rel, thing in found.items() if thing.kind != "dir" for parent in Path(rel).parents}
    return {
        rel: thing
        for rel, thing in found.items()
        if thing.kind != "dir" or rel in busy or not ("files/md5" in rel or ".dvc/cache" in rel)
    }


def difference(one: Mapping[str, object], two: Mapping[str, object], names: tuple[str, str] = ("one", "two")) -> str:
    """The paths on which two snapshots disagree, one per line; empty when they are the same."""
    lines = []
    for key in sorted(one.keys() | two.keys()):
        left, right = one.get(key), two.get(key)
        if left != right:
            lines.append(f"{key}\n    {names[0]}: {left or 'absent'}\n    {names[1]}: {right or 'absent'}")
    return "\n".join(lines)


def same_tree(one: Path, two: Path, names: tuple[str, str] = ("one", "two")) -> None:
    """Assert that two folders hold the same bytes, kinds and modes, showing small files that differ."""
    said = difference(snapshot(one), snapshot(two), names)
    if said:
        shown = [said]
        for line in said.splitlines():
            if line.startswith("    "):
                continue
            for name, folder in zip(names, (one, two), strict=True):
                path = folder / line
                if path.is_file() and path.stat().st_size < 2000:
                    shown.append(f"--- {line} ({name})\n{path.read_bytes().decode(errors='replace')}")
        raise AssertionError("the two trees differ:\n" + "\n".join(shown))


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes of every file under a data folder (symlinks followed)."""
    return {
        rel: Path(entry.path).read_bytes()
        for rel, entry in _walk(folder)
        if not _left_aside(rel) and not entry.is_dir(follow_symlinks=False)
    }


# --- independent hashing ------------------------------------------------------------------------------


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def dir_object(files: Mapping[str, bytes], digest: Callable[[bytes], str] = md5) -> tuple[str, bytes]:
    """The oid and the bytes of the tree object that lists `files`, as DVC's format says."""
    rows = [{"md5": digest(files[name]), "relpath": name} for name in sorted(files)]
    text = json.dumps(rows, sort_keys=True).encode()
    return md5(text) + ".dir", text


def dos2unix(data: bytes) -> str:
    """The 2.x hash of `data` (shorter than one MiB)."""
    head = data[:512]
    plain = bytes(range(0x20, 0x7F)) + b"\n\r\t\f\b"
    odd = sum(byte not in plain for byte in head)
    is_text = b"\0" not in head and (not head or odd / len(head) <= 0.3)
    return md5(data.replace(b"\r\n", b"\n") if is_text else data)


def objects(store: Path) -> set[str]:
    """The oids of the 3.x objects in a cache or a folder remote."""
    base = store / "files/md5"
    return {path.parent.name + path.name for path in base.glob("??/*")}


def check_store(store: Path) -> list[str]:
    """What is wrong with a cache or a folder remote: bytes that do not match their name, trees with missing
    files, strange names. Read-only, and by `hashlib` alone."""
    base = store / "files/md5"
    wrong = []
    held = objects(store)
    for path in sorted(base.glob("??/*")):
        oid = path.parent.name + path.name
        if path.name.startswith("."):
            continue  # a temporary file that an interrupted writer left is no object
        data = path.read_bytes()
        if md5(data) != oid.removesuffix(".dir"):
            wrong.append(f"{oid}: bytes hash to {md5(data)}")
        elif oid.endswith(".dir"):
            missing = [row["relpath"] for row in json.loads(data) if row["md5"] not in held]
            if missing:
                wrong.append(f"{oid}: lists {len(missing)} files that are not there, {missing[:3]}")
    return wrong


# --- sandboxes ----------------------------------------------------------------------------------------


@dataclass
class Sandbox:
    """A closed world: its own HOME, configuration, site cache and git identity.

    `repo` is the first repository; `store` is where the tests put the folder remote.
    """

    root: Path
    tool: str
    extra_env: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, object]] = field(default_factory=list)
    """What was seen, in order: compared between twins."""

    def __post_init__(self) -> None:
        for name in ("home", "world/repo"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def world(self) -> Path:
        """Repositories, remotes and clones: what twins must leave alike."""
        return self.root / "world"

    @property
    def repo(self) -> Path:
        return self.world / "repo"

    @property
    def store(self) -> Path:
        return self.world / "store"

    @property
    def env(self) -> dict[str, str]:
        """An environment in which nothing of this machine decides how a command behaves."""
        home = self.root / "home"
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "COLUMNS": "1000",  # dvc wraps even what goes into a pipe
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CONFIG_DIRS": str(home / "xdg"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "DVC_SYSTEM_CONFIG_DIR": str(home / "system"),
            "DVC_GLOBAL_CONFIG_DIR": str(home / "global"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@lab.example",
            "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@lab.example",
            "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z",
            **self.extra_env,
        }

    # running

    def run(
        self,
        *args: str,
        ok: bool | None = True,
        cwd: Path | str | None = None,
        stdin: str | None = None,
        tool: str | None = None,
    ) -> Ran:
        """Run the sandbox's tool (or `tool`). `ok` asserts success or failure, None leaves it open."""
        where = self.repo / cwd if cwd is not None else self.repo
        ran = runner(tool or self.tool)(args, cwd=str(where), env=self.env, stdin=stdin)
        self.log.append((f"{' '.join(args)} -> success", ran.ok))
        if ok is not None and ran.ok is not ok:
            raise AssertionError(f"{'failed' if ok else 'should have failed'}:\n{ran}")
        return ran

    def dvc(self, *args: str, ok: bool | None = True, cwd: Path | str | None = None) -> Ran:
        """Run the real dvc, whatever this sandbox's tool is."""
        binary = find_dvc()
        assert binary is not None, "no dvc here"
        return self.run(*args, ok=ok, cwd=cwd, tool=binary)

    def see(self, *args: str, cwd: Path | str | None = None, ok: bool | None = True) -> Any:
        """Run a command that prints JSON; what it says becomes part of the comparison."""
        ran = self.run(*args, cwd=cwd, ok=ok)
        value = json.loads(ran.out) if ran.out.strip() else None
        self.log.append((" ".join(args), _unordered(value)))
        return value

    def read(
        self,
        *args: str,
        cwd: Path | str | None = None,
        ok: bool | None = True,
        stdin: str | None = None,
        is_ordered: bool = True,
    ) -> str:
        """Run a command whose stdout is plain text for scripts; the text becomes part of the comparison."""
        ran = self.run(*args, cwd=cwd, ok=ok, stdin=stdin)
        text = ran.out.replace(str(self.root), "$ROOT")
        self.log.append((" ".join(args), text if is_ordered else "\n".join(sorted(text.splitlines()))))
        return text

    def git(self, *args: str, cwd: Path | str | None = None, ok: bool | None = True) -> str:
        where = self.repo / cwd if cwd is not None else self.repo
        ran = run_process(["git", *args], cwd=str(where), env=self.env)
        if ok is not None and ran.ok is not ok:
            raise AssertionError(f"git:\n{ran}")
        return ran.out

    def index(self, cwd: Path | str | None = None) -> str:
        """What git has staged; becomes part of the comparison."""
        text = self.git("ls-files", "-s", cwd=cwd)
        self.log.append(("git ls-files", text))
        return text

    def commit(self, message: str = "work", *, cwd: Path | str | None = None) -> None:
        self.git("add", "-A", cwd=cwd)
        self.git("commit", "-q", "--allow-empty", "-m", message, cwd=cwd)

    def clone(self, name: str = "clone", *, source: str = "repo") -> Path:
        """Clone a repository of this world beside it (the relative remote keeps working)."""
        self.git("clone", "-q", str(self.world / source), str(self.world / name), cwd=self.world)
        return self.world / name

    # making things

    def init(self, *flags: str, remote: bool = False, local_remote: bool = False) -> None:
        """`git init` and `init`, with a default folder remote `../store` if asked.

        With `-a`, `-T`, `-A` use `local_remote`: of an old revision's own configuration, dvc (3.67) resolves a
        relative url from `/`, and would write there. `config.local` is always the present one.
        """
        self.git("init", "-q", "-b", "main")
        self.run("init", "-q", *flags)
        if local_remote:
            self.run("remote", "add", "-q", "-d", "--local", "store", "../store")
        if remote:
            self.run("remote", "add", "-q", "-d", "store", "../store")

    def write(self, path: str, data: bytes | str, *, mode: int | None = None) -> Path:
        """Write a file as an editor would: a new inode, so that no link into a cache is written through."""
        target = self.repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            target.unlink()
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        target.chmod(0o644 if mode is None else mode)
        return target

    def files(self, folder: str, files: Mapping[str, bytes | str]) -> None:
        for name, data in files.items():
            self.write(f"{folder}/{name}", data)

    def append(self, path: str, data: bytes) -> None:
        """`cat … >> path`: the file as it is grows in place."""
        with (self.repo / path).open("ab") as file:
            file.write(data)

    def text(self, path: str) -> str:
        return (self.repo / path).read_bytes().decode()

    def delete(self, *paths: str) -> None:
        """Remove files or folders of the world, as `rm -rf` does."""
        for path in paths:
            target = self.repo / path
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.exists():
                shutil.rmtree(target)

    def forget_cache(self, cwd: str = ".") -> None:
        """`rm -rf .dvc/cache`."""
        self.delete(f"{cwd}/.dvc/cache")


def _unordered(value: Any) -> Any:
    """Lists of paths sorted: DVC prints some of them in set order."""
    if isinstance(value, dict):
        return {key: _unordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


Script = Callable[[Sandbox], object]


def play(script: Script, root: Path, tool: str) -> Sandbox:
    """Run a script in a fresh sandbox with one tool."""
    sandbox = Sandbox(root, tool)
    script(sandbox)
    return sandbox


def play_twins(script: Script, folder: Path, *, lab: str, dvc: str) -> None:
    """Run a script with dvc and with lab in two fresh sandboxes: they must see and leave the same."""
    theirs = play(script, folder / "dvc", dvc)
    ours = play(script, folder / "lab", lab)
    for index, (left, right) in enumerate(zip(theirs.log, ours.log, strict=True)):
        if left != right:
            raise AssertionError(f"observation {index} differs\n  dvc: {left}\n  lab: {right}")
    same_tree(theirs.world, ours.world, ("dvc", "lab"))
    if not lab_is_dvc():
        assert leftovers(ours.world) == []
