"""Real object stores on free loopback ports, for tests, benches and the demo.

Each starter is a context manager that yields a `Server` and stops what it started, by pid. When the program
is not installed it raises `ServerAbsent` with the reason, which a test turns into a skip.

Programs are looked for in `LABOPS_MINISTACK`, `LABOPS_RCLONE`, `LABOPS_DVC`, `LABOPS_AWS` or `LABOPS_S5CMD`,
then on `PATH`, then in `.cache/peers/bin` of the repository.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[3]
_START_SECONDS = 20.0


class ServerAbsent(Exception):
    """The program behind a server is not installed here, or did not start; the message says which."""


@dataclass(frozen=True)
class Server:
    """A running store: where it listens and a key that works there."""

    name: str
    endpoint: str
    key_id: str = ""
    secret: str = field(default="", repr=False)
    ca_file: str | None = None
    """PEM file of the authority that signed the server's certificate, for a TLS server."""
    region: str = "us-east-1"

    def options(self) -> dict[str, str]:
        """The options of a dvc S3 remote that reach this server."""
        options = {
            "endpointurl": self.endpoint,
            "region": self.region,
            "access_key_id": self.key_id,
            "secret_access_key": self.secret,
        }
        if self.ca_file:
            options["ssl_verify"] = self.ca_file
        return options


def program(name: str) -> str:
    """Path of the program `name`; raises `ServerAbsent` when it is nowhere."""
    variable = f"LABOPS_{name.upper().replace('-', '_')}"
    given = os.environ.get(variable)
    if given:
        if os.access(given, os.X_OK):
            return given
        raise ServerAbsent(f"{variable} names '{given}', which cannot be run")
    found = shutil.which(name) or shutil.which(name, path=str(_REPOSITORY / ".cache" / "peers" / "bin"))
    if not found:
        raise ServerAbsent(f"'{name}' is not installed: set {variable}, or put it on PATH or in .cache/peers/bin")
    return found


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """True when somebody listens on the loopback `port`."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def wait_until(is_ready: Callable[[], bool], what: str, *, is_alive: Callable[[], bool] = lambda: True) -> None:
    """Return once `is_ready` says so; raises `ServerAbsent` when it died or took too long."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if is_ready():
            return
        if not is_alive():
            raise ServerAbsent(f"{what} ended while it was starting")
        time.sleep(0.03)
    raise ServerAbsent(f"{what} did not answer within {_START_SECONDS:.0f} s")


@contextlib.contextmanager
def _process(command: Sequence[str], port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    """Run `command` until the block ends; its output goes to a temporary file that nobody keeps."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: answers(port), command[0], is_alive=lambda: child.poll() is None)
            yield
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def ministack() -> Iterator[Server]:
    """MiniStack with checked signatures and IAM enforced; yields the keys of an IAM administrator.

    The root key is used once, to make that administrator: the server never checks the root key's secret, so
    a test with it would prove nothing.
    """
    port, root = free_port(), "AKIAROOTROOTROOTROOT"
    env = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,iam,sts",
        "AWS_ACCESS_KEY_ID": root,
        "AWS_SECRET_ACCESS_KEY": "root-secret",
    }
    with _process([program("ministack")], port, env):
        endpoint = f"http://127.0.0.1:{port}"
        key_id, secret = iam_user(endpoint, root, "root-secret", "labadmin", "*")
        yield Server("ministack", endpoint, key_id, secret)


def iam_user(endpoint: str, root: str, root_secret: str, name: str, resource: str) -> tuple[str, str]:
    """Make an IAM user who may do anything in S3 on `resource`; returns the key id and the secret."""
    import json

    import boto3  # type: ignore[import-untyped]

    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=root,
        aws_secret_access_key=root_secret,
    )
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "*" if resource == "*" else "s3:*", "Resource": resource}
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":")),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.close()
    return key["AccessKeyId"], key["SecretAccessKey"]


@contextlib.contextmanager
def rclone(folder: str | None = None) -> Iterator[Server]:
    """The weak server: `rclone serve s3` over memory or `folder` (ranges broken, conditions ignored)."""
    port = free_port()
    command = [program("rclone"), "--config", "", "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", "weakkey,weaksecret", folder or ":memory:"]
    with _process(command, port):
        yield Server("rclone", f"http://127.0.0.1:{port}", "weakkey", "weaksecret")


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the test run is the only reader."""


@contextlib.contextmanager
def http_folder(folder: str) -> Iterator[Server]:
    """`folder` over plain http, read-only and without ranges, by the standard library's server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_QuietHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Server("http", f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
