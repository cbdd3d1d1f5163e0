"""The named scenarios: what each side does in every round, and what is promised."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import home
from bench.measure import Command
from bench.plays import Prepare, Scenario
from bench.stage import Stage, folder_remote, s3_remote
from bench.targets import Limit, Ratio
from labops.testing.proxy import proxy
from labops.testing.servers import rclone

BOTH = ("lab", "dvc")
MD5 = "find data -type f -print0 | xargs -0 -P2 -n{n} md5sum > sums"
CLOCK_TICK_SECONDS = 1.5
"""Longer than any file system's clock tick: a file younger than that may be hashed again, rightly."""


def shell(script: str, cwd: Path) -> Command:
    return Command(("sh", "-c", script), cwd)


def start(stage: Stage) -> Scenario:
    def ask(*argv: str) -> Prepare:
        return lambda: Command(argv, stage.root)

    sides = {
        "python": ask(sys.executable, "-c", "pass"),
        "lab --version": ask(stage.tools["lab"], "--version"),
        "lab --help": ask(stage.tools["lab"], "--help"),
    }
    if "dvc" in stage.tools:
        sides["dvc --version"] = ask(stage.tools["dvc"], "--version")
    targets = [Ratio("lab --version", "python", at_most=3), Ratio("lab --help", "python", at_most=3)]
    return Scenario("`--version`, `--help`", sides, targets, rounds=11)


def add_small(stage: Stage) -> Scenario:
    data = stage.dataset(stage.count(20_000), 8192)

    def add(tool: str) -> Prepare:
        return lambda: stage.command(tool, "add", "data", cwd=stage.with_data(tool, "add", data))

    def by_hand() -> Command:
        folder = stage.fresh("md5sum")
        stage.call(["cp", "-r", str(data), "data"], folder)
        return shell(f"{MD5.format(n=200)} && cp -r data cache", folder)

    return Scenario(
        f"`add` {stage.count(20_000):,} × 8 KiB, first time, cache by copy",
        {**{tool: add(tool) for tool in BOTH}, "md5sum + cp": by_hand},
        [
            Ratio("dvc", "lab", at_least=6),
            Ratio("lab", "md5sum + cp", at_most=2),
            Limit("lab", "rss_mb", 150),
        ],
    )


def add_again(stage: Stage) -> Scenario:
    data = stage.dataset(stage.count(20_000), 8192)

    def add(tool: str) -> Prepare:
        def prepare() -> Command:
            folder = stage.added(tool, data)
            (folder / "data/0000/000007.bin").write_bytes(time.time_ns().to_bytes(8) * 1024)
            time.sleep(CLOCK_TICK_SECONDS)
            command = stage.command(tool, "add", "data", cwd=folder)
            return Command(command.argv, folder, watch=folder / "data")

        return prepare

    return Scenario(
        "`add` again, one file changed",
        {tool: add(tool) for tool in BOTH},
        [Ratio("dvc", "lab", at_least=20), Limit("lab", "opened", 1)],
    )


def status(stage: Stage) -> Scenario:
    data = stage.dataset(stage.count(20_000), 8192)

    def ask(tool: str) -> Prepare:
        def prepare() -> Command:
            folder = stage.added(tool, data)
            stage.call([stage.tools[tool], "status"], folder)  # both may note what they saw
            return stage.command(tool, "status", cwd=folder)

        return prepare

    def look() -> Command:
        return shell("find data -printf '%s %T@\\n' > listing", stage.added("lab", data))

    return Scenario(
        f"`status`, nothing changed, {stage.count(20_000):,} files",
        {**{tool: ask(tool) for tool in BOTH}, "find": look},
        [Ratio("dvc", "lab", at_least=10), Ratio("lab", "find", at_most=4), Limit("lab", "rss_mb", 150)],
        rounds=5,
    )


def _big(stage: Stage, link: str, by_hand: str) -> Scenario:
    data = stage.dataset(20, round(2**31 / 20 * stage.scale))
    config = f"[cache]\n    type = {link}\n"

    def add(tool: str) -> Prepare:
        return lambda: stage.command(tool, "add", "data", cwd=stage.with_data(tool, "big", data, config))

    def hash_by_hand() -> Command:
        folder = stage.fresh("md5sum")
        stage.call(["cp", "-r", str(data), "data"], folder)
        return shell(by_hand, folder)

    peer = "md5sum + cp" if "cp " in by_hand else "md5sum"
    return Scenario(
        f"`add` {2 * stage.scale:g} GiB in 20 files, cache by {link}",
        {**{tool: add(tool) for tool in BOTH}, peer: hash_by_hand},
        [Ratio(peer, "lab", at_least=0.85)],
    )


def add_big(stage: Stage) -> Scenario:
    return _big(stage, "copy", f"{MD5.format(n=1)} && cp -r data cache")


def add_big_hardlink(stage: Stage) -> Scenario:
    return _big(stage, "hardlink", MD5.format(n=1))


def push_folder(stage: Stage) -> Scenario:
    data = stage.dataset(stage.count(20_000), 8192)

    def push(tool: str) -> Prepare:
        def prepare() -> Command:
            folder = stage.added(tool, data)
            stage.configure(folder, folder_remote(stage.fresh("store")))
            return stage.command(tool, "push", cwd=folder)

        return prepare

    return Scenario(
        f"`push` {stage.count(20_000):,} files, folder remote",
        {tool: push(tool) for tool in BOTH},
        [Ratio("dvc", "lab", at_least=5), Limit("lab", "rss_mb", 150)],
    )


def pull_folder(stage: Stage) -> Scenario:
    data = stage.dataset(stage.count(20_000), 8192)
    config = folder_remote(stage.fresh("store"))
    stage.configure(stage.added("lab", data), config)
    stage.call([stage.tools["lab"], "push"], stage.added("lab", data))

    def pull(tool: str) -> Prepare:
        return lambda: stage.command(tool, "pull", cwd=stage.clone(tool, stage.added("lab", data), config))

    return Scenario(
        f"`pull` {stage.count(20_000):,} files, folder remote",
        {tool: pull(tool) for tool in BOTH},
        [Ratio("dvc", "lab", at_least=5), Limit("lab", "rss_mb", 150)],
    )


_S3_TARGETS = (
    Ratio("dvc", "lab", at_least=5),
    Ratio("lab", "s5cmd", at_most=1),
    Ratio("lab", "s5cmd", at_most=1, metric="cpu_s"),
)


class _Buckets:
    """Buckets on one in-memory server, made by s5cmd."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        server = stage.closing.enter_context(rclone())
        stage.keys = {"AWS_ACCESS_KEY_ID": server.key_id, "AWS_SECRET_ACCESS_KEY": server.secret}
        self.endpoint = server.endpoint
        self.s5cmd = (stage.tools["s5cmd"], "--endpoint-url", self.endpoint, "--log", "error")
        self.count = 0

    def new(self) -> str:
        self.count += 1
        self.stage.call([*self.s5cmd, "mb", f"s3://bench-{self.count}"], self.stage.root)
        return f"bench-{self.count}"


def push_s3(stage: Stage) -> Scenario:
    data, buckets = stage.dataset(stage.count(5000), 8192), _Buckets(stage)

    def push(tool: str) -> Prepare:
        def prepare() -> Command:
            folder = stage.added(tool, data)
            stage.configure(folder, s3_remote(buckets.endpoint, buckets.new()))
            return stage.command(tool, "push", cwd=folder)

        return prepare

    def copy() -> Command:
        return Command((*buckets.s5cmd, "cp", f"{data}/", f"s3://{buckets.new()}/"), stage.root)

    return Scenario(
        f"`push` {stage.count(5000):,} × 8 KiB, rclone `serve s3 :memory:`",
        {**{tool: push(tool) for tool in BOTH}, "s5cmd": copy},
        _S3_TARGETS,
    )


def pull_s3(stage: Stage) -> Scenario:
    data, buckets = stage.dataset(stage.count(5000), 8192), _Buckets(stage)
    objects, files = buckets.new(), buckets.new()
    config = s3_remote(buckets.endpoint, objects)
    stage.configure(stage.added("lab", data), config)
    stage.call([stage.tools["lab"], "push"], stage.added("lab", data))
    stage.call([*buckets.s5cmd, "cp", f"{data}/", f"s3://{files}/"], stage.root)

    def pull(tool: str) -> Prepare:
        return lambda: stage.command(tool, "pull", cwd=stage.clone(tool, stage.added("lab", data), config))

    def copy() -> Command:
        return Command((*buckets.s5cmd, "cp", f"s3://{files}/*", "data/"), stage.fresh("s5cmd"))

    return Scenario(
        f"`pull` {stage.count(5000):,} × 8 KiB, rclone `serve s3 :memory:`",
        {**{tool: pull(tool) for tool in BOTH}, "s5cmd": copy},
        _S3_TARGETS,
    )


def push_again(stage: Stage) -> Scenario:
    data, buckets = stage.dataset(stage.count(5000), 8192), _Buckets(stage)
    counting = stage.closing.enter_context(proxy(buckets.endpoint))
    pages = -(-(stage.count(5000) + 1) // 1000)

    def again(tool: str) -> Prepare:
        folder = stage.added(tool, data)
        config = s3_remote(counting.endpoint, buckets.new())

        def prepare() -> Command:
            stage.configure(folder, config)
            stage.call([stage.tools[tool], "push"], folder)
            return Command((stage.tools[tool], "push"), folder, through=counting)

        return prepare

    return Scenario(
        f"`push` again, nothing missing, {stage.count(5000):,} objects ({pages} pages of LIST)",
        {tool: again(tool) for tool in BOTH},
        [Limit("lab", "requests", pages + 10)],
    )


def memory(stage: Stage) -> Scenario:
    files = stage.count(200_000)
    data = stage.dataset(files, 64)
    config = folder_remote(stage.fresh("store"))
    made: list[Path] = []

    def add() -> Command:
        made.append(stage.with_data("lab", "memory", data, config))
        return stage.command("lab", "add", "data", cwd=made[0])

    def clone() -> Command:
        return stage.command("lab", "pull", cwd=stage.clone("lab", made[0], config))

    sides = {
        "lab add": add,
        "lab status": lambda: stage.command("lab", "status", cwd=made[0]),
        "lab push": lambda: stage.command("lab", "push", cwd=made[0]),
        "lab pull": clone,
    }
    limits = [Limit(side, "rss_mb", 300) for side in sides]
    return Scenario(f"peak memory, {files:,} files", sides, limits, rounds=1)


ALL: dict[str, Callable[[Stage], Scenario]] = {
    "start": start,
    "add-small": add_small,
    "add-again": add_again,
    "status": status,
    "add-big": add_big,
    "add-big-hardlink": add_big_hardlink,
    "push-folder": push_folder,
    "pull-folder": pull_folder,
    "push-s3": push_s3,
    "pull-s3": pull_s3,
    "push-again": push_again,
    "memory": memory,
    **home.ALL,
}
"""By the names that `make bench ONLY=...` knows."""

NEEDS = dict.fromkeys(("push-s3", "pull-s3", "push-again", *home.ALL), ("rclone", "s5cmd"))
"""Scenarios that cannot be played without a tool."""
