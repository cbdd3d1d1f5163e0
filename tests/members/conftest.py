"""A lab on a real server, made by hand with boto3: two buckets, members with keys and policies, a repository."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyrage import passphrase as age

from labops.testing.servers import Server
from tests.conftest import Ran
from tests.hub import Hub

PASSPHRASE = "correct-horse-battery"
_numbers = itertools.count()


LabCommand = Callable[..., Ran]


@dataclass
class Place:
    """A lab whose rights were made by hand: what join and leave are tried against."""

    server: Server
    folder: Path
    hub: Hub
    home_bucket: str
    dataset_bucket: str
    secrets: dict[str, str] = field(default_factory=dict)

    def client(self, kind: str) -> Any:
        return boto3.client(
            kind,
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=self.server.key_id,
            aws_secret_access_key=self.server.secret,
        )

    def add(self, member: str) -> dict[str, Any]:
        """A member with a key and a policy; what an invite of theirs holds."""
        iam = self.client("iam")
        name = f"{self.home_bucket}-{member}"
        iam.create_user(UserName=name)
        home, data = f"arn:aws:s3:::{self.home_bucket}", f"arn:aws:s3:::{self.dataset_bucket}"
        own = {"StringLike": {"s3:prefix": [f"{member}/*", f"{member}/"]}}
        rows = [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": home, "Condition": own},
            {"Effect": "Allow", "Action": "s3:*", "Resource": f"{home}/{member}/*"},
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [data, f"{data}/*"]},
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": rows}, separators=(",", ":"))
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        iam.close()
        return self.fields(member, *self.new_key(member))

    def new_key(self, member: str) -> tuple[str, str]:
        iam = self.client("iam")
        key = iam.create_access_key(UserName=f"{self.home_bucket}-{member}")["AccessKey"]
        iam.close()
        self.secrets[member] = key["SecretAccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def fields(self, member: str, key_id: str, secret: str) -> dict[str, Any]:
        return {
            "format": "labops-invite-1",
            "lab": "tsukuba",
            "member": member,
            "role": "student",
            "home": f"s3://{self.home_bucket}/{member}",
            "datasets": f"s3://{self.dataset_bucket}",
            "repository": str(self.hub.bare),
            "endpoint": self.server.endpoint,
            "region": self.server.region,
            "key_id": key_id,
            "secret": secret,
            "expires": "2999-12-31",
        }

    def listed(self, prefix: str = "") -> list[str]:
        s3 = self.client("s3")
        rows = s3.list_objects_v2(Bucket=self.home_bucket, Prefix=prefix).get("Contents", [])
        s3.close()
        return [row["Key"] for row in rows]

    def object(self, key: str) -> bytes | None:
        s3 = self.client("s3")
        try:
            body: bytes = s3.get_object(Bucket=self.home_bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        finally:
            s3.close()
        return body


@pytest.fixture
def place(ministack: Server, tmp_path: Path) -> Place:
    """Two fresh buckets, a hub whose project has a dataset in the second, nobody invited yet."""
    number = next(_numbers)
    hub = Hub(tmp_path / "hub")
    made = Place(ministack, tmp_path, hub, f"lab-homes-{number}", f"lab-datasets-{number}")
    s3 = made.client("s3")
    for bucket in (made.home_bucket, made.dataset_bucket):
        s3.create_bucket(Bucket=bucket)
    s3.close()
    ada = hub.clone("ada")
    url = f"s3://{made.dataset_bucket}/store"
    ada.write(".dvc/config", f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n".encode())
    options = "".join(f"    {name} = {value}\n" for name, value in ministack.options().items())
    ada.write(".dvc/config.local", f"['remote \"store\"']\n{options}".encode())
    ada.git("commit", "-qam", "use the bucket")
    ada.write("digits", {"a.txt": b"one", "b.txt": b"two"})
    ada.publish("digits")
    return made


def seal(folder: Path, fields: dict[str, Any], passphrase: str = PASSPHRASE) -> Path:
    """An invite made without labops."""
    path = folder / f"{fields.get('member', 'somebody')}.labinvite"
    path.write_bytes(age.encrypt(json.dumps(fields).encode(), passphrase, armored=True))
    (folder / "passphrase").write_text(passphrase + "\n")
    return path


def run_lab(*words: str, cwd: Path, home: Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """`lab` in a process of its own, with another home folder: another machine."""
    import os

    return subprocess.run(
        [sys.executable, "-m", "labops", *words],
        cwd=cwd, input=stdin, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(home), **env},
    )  # fmt: skip


# -- a lab with an administrator --------------------------------------------------------------------------


@dataclass
class Staffed:
    """A folder with a lab.toml, identities at the store made as `apply` would, and an administrator's environment."""

    server: Server
    root: Path
    name: str

    @property
    def home_bucket(self) -> str:
        return f"{self.name}-homes"

    @property
    def dataset_bucket(self) -> str:
        return f"{self.name}-data"

    def client(self, kind: str = "s3", key: tuple[str, str] = ("", "")) -> Any:
        return boto3.client(
            kind,
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=key[0] or self.server.key_id,
            aws_secret_access_key=key[1] or self.server.secret,
        )

    @property
    def is_ceph(self) -> bool:
        return self.server.name == "ceph"

    def write(self, members: str, repository: str = "") -> None:
        kind = "s3" if self.is_ceph else "aws"
        (self.root / "lab.toml").write_text(
            f'[lab]\nname = "{self.name}"\nrepository = "{repository}"\n\n'
            f'[provider]\nkind = "{kind}"\nregion = "us-east-1"\nendpoint = "{self.server.endpoint}"\n\n'
            f'[buckets]\nhome = "{self.home_bucket}"\ndatasets = "{self.dataset_bucket}"\n\n[members]\n{members}'
        )

    def identities(self) -> Any:
        from labops.office import Office

        return Office(str(self.root)).identities

    def identity(self, member: str) -> str:
        return f"lab-{self.name}.{member}"

    def apply(self) -> None:
        """As `lab admin apply` does."""
        from labops.verbs.admin_apply import apply
        from labops.verbs.admin_plan import plan

        found = plan(str(self.root))
        assert not apply(found.lab, found.changes).failed

    def keys(self, member: str) -> dict[str, bool]:
        return {key.id: key.is_active for key in self.identities().keys(self.identity(member))}

    def put(self, key: str, data: bytes, by: tuple[str, str] = ("", "")) -> None:
        s3 = self.client("s3", by)
        s3.put_object(Bucket=self.home_bucket, Key=key, Body=data)
        s3.close()

    def clear(self) -> None:
        """Empty the bucket of homes."""
        s3 = self.client()
        for row in s3.list_objects_v2(Bucket=self.home_bucket).get("Contents", []):
            s3.delete_object(Bucket=self.home_bucket, Key=row["Key"])
        s3.close()

    def objects(self) -> dict[str, bytes]:
        """All but labops' own notes."""
        s3 = self.client()
        rows = s3.list_objects_v2(Bucket=self.home_bucket).get("Contents", [])
        rows = [row for row in rows if "/.lab/" not in row["Key"]]
        found = {
            row["Key"]: s3.get_object(Bucket=self.home_bucket, Key=row["Key"])["Body"].read() for row in rows
        }  # fmt: skip
        s3.close()
        return found


def staffed_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staffed:
    root = tmp_path / "lab"
    root.mkdir()
    made = Staffed(server, root, f"tsukuba{next(_numbers)}")
    s3 = made.client()
    for bucket in (made.home_bucket, made.dataset_bucket):
        s3.create_bucket(Bucket=bucket)
    s3.close()
    made.write('ada = { role = "student", email = "russell@lab.example" }\nbob = { role = "student" }\n')
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
    monkeypatch.chdir(root)
    made.apply()
    return made


@pytest.fixture(params=["ministack", "ceph"])
def staffed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staffed:
    """The same lab at both stores; Ceph has no ages of keys and switches users as a whole."""
    server = request.getfixturevalue(request.param)
    return staffed_on(server[0] if request.param == "ceph" else server, tmp_path, monkeypatch)


@pytest.fixture
def on_ministack(ministack: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staffed:
    return staffed_on(ministack, tmp_path, monkeypatch)
