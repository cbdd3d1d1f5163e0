"""The rights are enough for what members really type: lab home, lab push and pull, dvc, the AWS command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labops.membership import AccessKey
from labops.testing import servers
from tests.admin.conftest import Office


class Desk:
    """A member's machine: a folder, a home folder, and the member's own key in the environment."""

    def __init__(self, office: Office, folder: Path, key: AccessKey) -> None:
        self.folder = folder
        folder.mkdir()
        self.env = {
            **os.environ,
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": key.id,
            "AWS_SECRET_ACCESS_KEY": key.secret.reveal(),
            "AWS_ENDPOINT_URL": office.store.server.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }

    def run(self, *words: str, at: str = ".", code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=self.folder / at, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def lab(self, *words: str, at: str = ".", code: int = 0) -> str:
        return self.run(sys.executable, "-m", "labops", *words, at=at, code=code)


def test_a_home_is_synced_by_its_member_and_by_nobody_else(office: Office, tmp_path: Path) -> None:
    """Link, sync, change, delete, restore; large enough for parts; a foreign home is refused with a clear error."""
    office.apply()
    url = f"s3://{office.lab.home_bucket}/russell/proj"
    russell = Desk(office, tmp_path / "russell", office.key("russell"))
    alice = Desk(office, tmp_path / "alice", office.key("alice"))
    (russell.folder / "proj").mkdir()
    (russell.folder / "proj" / "train.py").write_text("print('first')")
    (russell.folder / "proj" / "model.pt").write_bytes(os.urandom(9 << 20))
    russell.lab("home", "link", url, at="proj")
    russell.lab("home", "sync", "--yes", at="proj")
    (russell.folder / "proj" / "train.py").write_text("print('second')")
    (russell.folder / "proj" / "model.pt").unlink()
    russell.lab("home", "sync", "--yes", at="proj")
    russell.lab("home", "restore", "model.pt", at="proj")
    russell.lab("home", "clone", url, "other")
    assert (russell.folder / "other" / "train.py").read_text() == "print('second')"

    said = alice.lab("home", "clone", url, "stolen", code=12)
    assert "russell" in said
    assert not (alice.folder / "stolen" / "train.py").exists()


def test_a_curator_publishes_and_a_student_pulls(office: Office, tmp_path: Path) -> None:
    """`lab push` with a curator's key, `lab pull` and real `dvc pull` with a student's; a student's push is refused."""
    office.apply()
    carol = Desk(office, tmp_path / "carol", office.key("carol"))
    russell = Desk(office, tmp_path / "russell", office.key("russell"))
    carol.run("git", "init", "-q", "repo")
    carol.lab("init", at="repo")
    data = carol.folder / "repo" / "fish"
    data.mkdir()
    for number in range(3):
        (data / f"{number}.jpg").write_bytes(os.urandom(1000))
    (data / "big.bin").write_bytes(os.urandom(9 << 20))
    carol.lab("remote", "add", "-d", "storage", f"s3://{office.lab.dataset_bucket}", at="repo")
    carol.lab("remote", "modify", "storage", "endpointurl", office.store.server.endpoint, at="repo")
    carol.lab("add", "fish", at="repo")
    carol.lab("push", at="repo")
    carol.lab("verify", "--remote", at="repo")
    carol.run("git", "add", "-A", at="repo")
    carol.run("git", "commit", "-qm", "Fish", at="repo")

    russell.run("git", "clone", "-q", str(carol.folder / "repo"), "repo")
    russell.lab("pull", at="repo")
    assert (russell.folder / "repo" / "fish" / "big.bin").read_bytes() == (data / "big.bin").read_bytes()
    (russell.folder / "repo" / "mine").write_text("mine")
    russell.lab("add", "mine", at="repo")
    refused = russell.lab("push", at="repo", code=12)
    assert office.lab.dataset_bucket in refused

    try:
        dvc = servers.program("dvc")
    except servers.ServerAbsent as reason:
        pytest.skip(str(reason))
    (data / "more.jpg").write_bytes(b"more")
    carol.run(dvc, "add", "-q", "fish", at="repo")
    carol.run(dvc, "push", "-q", at="repo")
    carol.run("git", "commit", "-qam", "More fish", at="repo")
    russell.run("git", "pull", "-q", at="repo")
    russell.run(dvc, "pull", "-q", "fish", at="repo")
    assert (russell.folder / "repo" / "fish" / "more.jpg").read_bytes() == b"more"


def test_the_aws_command_works_too(office: Office, tmp_path: Path) -> None:
    """The article's own commands, both ways, with `--delete`, inside the own home."""
    try:
        aws = servers.program("aws")
    except servers.ServerAbsent as reason:
        pytest.skip(str(reason))
    office.apply()
    russell = Desk(office, tmp_path / "russell", office.key("russell"))
    url = f"s3://{office.lab.home_bucket}/russell/myproj"
    (russell.folder / "myproj").mkdir()
    (russell.folder / "myproj" / "train.py").write_text("print()")
    (russell.folder / "myproj" / "old.py").write_text("print()")
    russell.run(aws, "s3", "sync", ".", url, "--delete", at="myproj")
    (russell.folder / "myproj" / "old.py").unlink()
    russell.run(aws, "s3", "sync", ".", url, "--delete", at="myproj")
    assert "old.py" not in russell.run(aws, "s3", "ls", f"{url}/")
    russell.run(aws, "s3", "sync", url, "again", "--delete")
    assert (russell.folder / "again" / "train.py").read_text() == "print()"
    russell.run(aws, "s3", "ls", f"s3://{office.lab.home_bucket}/alice/", code=255)
