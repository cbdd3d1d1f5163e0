"""aws, s5cmd and rclone read and write the same prefix as `lab home sync`, in turns."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from labops.home import HomeFolder, Link, write_link
from labops.testing.servers import Server, ServerAbsent, program
from labops.verbs.home_sync import sync_home


class World:
    """A bucket, a linked folder, and a second folder that another tool syncs."""

    def __init__(self, server: Server, base: Path, bucket: str) -> None:
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=server.key_id,
            aws_secret_access_key=server.secret,
        )
        self.client.create_bucket(Bucket=bucket)
        self.url = f"s3://{bucket}/me/proj"
        self.bucket = bucket
        self.ours, self.theirs = base / "ours", base / "theirs"
        self.ours.mkdir()
        self.theirs.mkdir()
        write_link(str(self.ours), Link(self.url, server.options()))
        self.folder = HomeFolder(str(self.ours), Link(self.url, server.options()))
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "AWS_ACCESS_KEY_ID": server.key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_ENDPOINT": server.endpoint,
        }
        self.endpoint = server.endpoint

    def call(self, tool: str, *words: str) -> None:
        try:
            path = program(tool)
        except ServerAbsent as reason:
            pytest.skip(str(reason))
        ran = subprocess.run([path, *words], env=self.env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def push(self, tool: str) -> None:
        """The other tool's folder becomes the prefix."""
        if tool == "aws":
            self.call("aws", "s3", "sync", f"{self.theirs}/", f"{self.url}/", "--delete", "--exclude", ".trash/*")
        elif tool == "s5cmd":
            self.call("s5cmd", "--endpoint-url", self.endpoint, "sync", f"{self.theirs}/", f"{self.url}/")
        else:
            self.call("rclone", "copy", str(self.theirs), f"store:{self.url.removeprefix('s3://')}")

    def pull(self, tool: str) -> None:
        """The prefix becomes the other tool's folder."""
        if tool == "aws":
            self.call("aws", "s3", "sync", f"{self.url}/", f"{self.theirs}/", "--delete", "--exclude", ".trash/*")
        elif tool == "s5cmd":
            words = ["sync", "--delete", "--exclude", "*.trash/*", f"{self.url}/*", f"{self.theirs}/"]
            self.call("s5cmd", "--endpoint-url", self.endpoint, *words)
        else:
            source = f"store:{self.url.removeprefix('s3://')}"
            self.call("rclone", "sync", source, str(self.theirs), "--exclude", ".trash/**")

    def files(self, root: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and ".lab" not in path.parts
        }


@pytest.fixture
def world(ministack: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(ministack, tmp_path, f"peers-{abs(hash(request.node.name)) % 10**8}")
    yield made
    made.folder.home.close()
    made.client.close()


NAMES = ("plain.txt", "d/with space.txt", "d/Grüße.txt", "a+b=c,d.txt", "100%25.txt")


@pytest.mark.parametrize("tool", ["aws", "s5cmd", "rclone"])
def test_in_turns(world: World, tool: str) -> None:
    """We write, they read; they write, we read; nobody's file is lost or renamed."""
    for name in NAMES:
        (world.ours / name).parent.mkdir(exist_ok=True)
        (world.ours / name).write_bytes(f"ours {name}".encode())
    sync_home(world.folder)
    world.pull(tool)
    assert world.files(world.theirs) == {name: f"ours {name}".encode() for name in NAMES}

    (world.theirs / "plain.txt").write_bytes(b"theirs, and longer than ours was")
    (world.theirs / "new").mkdir()
    (world.theirs / "new/file é+.txt").write_bytes(b"new")
    world.push(tool)
    report = sync_home(world.folder)
    assert report.errors == ()
    assert world.files(world.ours) == world.files(world.theirs)

    (world.ours / "d/Grüße.txt").unlink()
    (world.ours / "plain.txt").rename(world.ours / "renamed.txt")
    sync_home(world.folder)
    world.pull(tool)
    assert world.files(world.ours) == world.files(world.theirs)
    assert sync_home(world.folder).plan.is_idle


def test_keys_of_other_tools_that_are_no_paths_stay_untouched(world: World) -> None:
    """Listed by name, never downloaded to a wrong place, never deleted."""
    odd = {"a//b", "../../escape", "./dot", "x/../../y"}
    for key in odd:
        world.client.put_object(Bucket=world.bucket, Key=f"me/proj/{key}", Body=b"odd")
    world.client.put_object(Bucket=world.bucket, Key="me/proj/folder/", Body=b"")
    world.client.put_object(Bucket=world.bucket, Key="me/proj/line\nbreak", Body=b"fine")
    (world.ours / "mine").write_bytes(b"1")
    report = sync_home(world.folder)

    assert {name for name, _ in report.odd} == odd
    assert world.files(world.ours) == {"mine": b"1", "line\nbreak": b"fine"}
    assert not (world.ours.parent / "escape").exists()
    (world.ours / "line\nbreak").unlink()
    sync_home(world.folder)
    rows = world.client.list_objects_v2(Bucket=world.bucket, Prefix="me/proj/")["Contents"]
    left = {row["Key"].removeprefix("me/proj/") for row in rows}
    assert {key for key in left if not key.startswith(".trash/")} == odd | {"mine", "folder/"}
