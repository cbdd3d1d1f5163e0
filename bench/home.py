"""The scenarios of a home: `lab home` beside aws, s5cmd and rclone, over rclone's `serve s3 :memory:`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bench.measure import Command
from bench.plays import Prepare, Scenario
from bench.stage import Stage
from bench.targets import Limit, Ratio
from labops.testing.proxy import proxy
from labops.testing.servers import rclone

PEERS = ("aws", "s5cmd", "rclone")


class _Homes:
    """Fresh buckets on one server, and each tool's way to sync a folder with one."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        server = stage.closing.enter_context(rclone())
        stage.keys = {
            "AWS_ACCESS_KEY_ID": server.key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret,
            "AWS_ENDPOINT_URL": server.endpoint,
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_ENDPOINT": server.endpoint,
            "RCLONE_CONFIG": "/dev/null",
        }
        self.endpoint = server.endpoint
        self.s5cmd = (stage.tools["s5cmd"], "--endpoint-url", self.endpoint, "--log", "error")
        self.count = 0

    def bucket(self) -> str:
        self.count += 1
        self.stage.call([*self.s5cmd, "mb", f"s3://homes-{self.count}"], self.stage.root)
        return f"homes-{self.count}"

    def up(self, tool: str, folder: Path, bucket: str) -> tuple[str, ...]:
        """The command that makes the bucket like the folder."""
        stage = self.stage
        return {
            "aws": (stage.tools["aws"], "s3", "sync", "--only-show-errors", f"{folder}/", f"s3://{bucket}/me/p/"),
            "s5cmd": (*self.s5cmd, "sync", f"{folder}/", f"s3://{bucket}/me/p/"),
            "rclone": (*self._rclone(), "sync", str(folder), f"store:{bucket}/me/p"),
            "lab": (stage.tools["lab"], "home", "sync", "-q", "-y"),
        }[tool]

    def down(self, tool: str, folder: Path, bucket: str) -> tuple[str, ...]:
        """The command that makes the folder like the bucket."""
        stage = self.stage
        return {
            "aws": (stage.tools["aws"], "s3", "sync", "--only-show-errors", f"s3://{bucket}/me/p/", f"{folder}/"),
            "s5cmd": (*self.s5cmd, "sync", f"s3://{bucket}/me/p/*", f"{folder}/"),
            "rclone": (*self._rclone(), "sync", f"store:{bucket}/me/p", str(folder)),
            "lab": (stage.tools["lab"], "home", "sync", "-q", "-y"),
        }[tool]

    def _rclone(self) -> tuple[str, ...]:
        # Tuned: as many transfers as the others make, and one listing instead of one per folder.
        return (self.stage.tools["rclone"], "--transfers", "32", "--checkers", "32", "--fast-list", "-q")

    def link(self, tool: str, folder: Path, bucket: str, endpoint: str = "") -> None:
        if tool == "lab":
            option = ["-o", f"endpointurl={endpoint}"] if endpoint else []
            self.stage.call([self.stage.tools["lab"], "home", "link", f"s3://{bucket}/me/p", *option], folder)

    def copy_of(self, tool: str, data: Path) -> Path:
        folder = self.stage.fresh(f"home-{tool}") / "p"
        shutil.copytree(data, folder)
        return folder


def _sides(prepare: Callable[[str], Prepare], stage: Stage) -> dict[str, Prepare]:
    return {tool: prepare(tool) for tool in ("lab", *PEERS) if tool in stage.tools}


def home_up(stage: Stage) -> Scenario:
    data, homes = stage.dataset(stage.count(5000), 8192), _Homes(stage)

    def first(tool: str) -> Prepare:
        def prepare() -> Command:
            folder, bucket = homes.copy_of(tool, data), homes.bucket()
            homes.link(tool, folder, bucket)
            return Command(homes.up(tool, folder, bucket), folder)

        return prepare

    return Scenario(
        f"home: first upload of {stage.count(5000):,} × 8 KiB",
        _sides(first, stage),
        [
            Ratio("aws", "lab", at_least=6),
            Ratio("s5cmd", "lab", at_least=1.3),
            Ratio("rclone", "lab", at_least=1.3),
        ],
    )


def home_down(stage: Stage) -> Scenario:
    data, homes = stage.dataset(stage.count(5000), 8192), _Homes(stage)
    bucket = homes.bucket()
    stage.call(list(homes.up("rclone", data, bucket)), stage.root)

    def first(tool: str) -> Prepare:
        def prepare() -> Command:
            folder = stage.fresh(f"home-{tool}") / "p"
            folder.mkdir()
            homes.link(tool, folder, bucket)
            return Command(homes.down(tool, folder, bucket), folder)

        return prepare

    return Scenario(
        f"home: first download of {stage.count(5000):,} × 8 KiB",
        _sides(first, stage),
        [
            Ratio("aws", "lab", at_least=6),
            Ratio("s5cmd", "lab", at_least=1.2),
            Ratio("rclone", "lab", at_least=1.2),
        ],
    )


def _synced(stage: Stage, homes: _Homes, tool: str, data: Path) -> tuple[Path, str]:
    """A folder whose bucket holds the same, by the tool's own first sync."""
    folder, bucket = homes.copy_of(tool, data), homes.bucket()
    homes.link(tool, folder, bucket)
    stage.call(list(homes.up(tool, folder, bucket)), folder)
    stage.call(list(homes.up(tool, folder, bucket)), folder)  # whatever it wants to note the second time
    return folder, bucket


def home_again(stage: Stage) -> Scenario:
    count = stage.count(50_000)
    data, homes = stage.dataset(count, 64), _Homes(stage)
    synced = {tool: _synced(stage, homes, tool, data) for tool in ("lab", *PEERS) if tool in stage.tools}
    changed = _synced(stage, homes, "lab", data)

    def again(tool: str) -> Prepare:
        folder, bucket = synced[tool]
        return lambda: Command(homes.up(tool, folder, bucket), folder)

    def one_changed() -> Command:
        (changed[0] / "0000/000007.bin").write_bytes(os.urandom(64))
        return Command(homes.up("lab", *changed), changed[0])

    return Scenario(
        f"home: sync again, nothing changed, {count:,} files",
        {**{tool: again(tool) for tool in synced}, "lab, one changed": one_changed},
        [
            Ratio("aws", "lab", at_least=5),
            Ratio("s5cmd", "lab", at_least=2),
            Ratio("rclone", "lab", at_least=2),
            Ratio("lab, one changed", "lab", at_most=1.2),
            Limit("lab", "rss_mb", 300),
        ],
    )


def home_requests(stage: Stage) -> Scenario:
    count = stage.count(5000)
    data, homes = stage.dataset(count, 64), _Homes(stage)
    counting = stage.closing.enter_context(proxy(homes.endpoint))
    folder, bucket = homes.copy_of("lab", data), homes.bucket()
    homes.link("lab", folder, bucket, counting.endpoint)
    stage.call(list(homes.up("lab", folder, bucket)), folder)
    pages = -(-count // 1000)

    def again() -> Command:
        return Command(homes.up("lab", folder, bucket), folder, through=counting)

    return Scenario(
        f"home: requests of a sync that changes nothing, {count:,} files",
        {"lab": again},
        [Limit("lab", "requests", pages)],
    )


def _home_big(stage: Stage, direction: str) -> Scenario:
    homes = _Homes(stage)
    data = stage.dataset(1, round(2**32 * stage.scale))
    shared = homes.bucket()
    if direction == "down":
        stage.call(list(homes.up("s5cmd", data, shared)), stage.root)
    filled: list[str] = []

    def move(tool: str) -> Prepare:
        def prepare() -> Command:
            if direction == "down":
                folder = stage.fresh(f"home-{tool}") / "p"
                folder.mkdir()
                homes.link(tool, folder, shared)
                return Command(homes.down(tool, folder, shared), folder)
            for bucket in filled:  # the server keeps everything in memory
                stage.call([*homes.s5cmd, "rm", f"s3://{bucket}/*"], stage.root)
            folder, bucket = homes.copy_of(tool, data), homes.bucket()
            filled[:] = [bucket]
            homes.link(tool, folder, bucket)
            return Command(homes.up(tool, folder, bucket), folder)

        return prepare

    return Scenario(
        f"home: one file of {4 * stage.scale:g} GiB, {direction}",
        _sides(move, stage),
        [Ratio(peer, "lab", at_least=0.9) for peer in PEERS],
    )


def home_big_up(stage: Stage) -> Scenario:
    return _home_big(stage, "up")


def home_big_down(stage: Stage) -> Scenario:
    return _home_big(stage, "down")


ALL: dict[str, Callable[[Stage], Scenario]] = {
    "home-up": home_up,
    "home-down": home_down,
    "home-again": home_again,
    "home-requests": home_requests,
    "home-big-up": home_big_up,
    "home-big-down": home_big_down,
}
