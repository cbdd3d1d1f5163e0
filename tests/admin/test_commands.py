"""`lab admin …` as people and scripts meet it: text, JSON, exit codes, and no secret anywhere."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from labops.formats.labfile import read_lab
from labops.membership import Grant, Member, Provider, Role
from labops.testing import servers
from tests.admin.conftest import Office


def test_init_writes_what_the_options_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Any, run_git: Any
) -> None:
    """Into the root of the repository, wherever one stands; the token in git's address stays out of it."""
    run_git("init", "-q")
    run_git("remote", "add", "origin", "https://me:hunter2hunter2@git.lab.example/matsui/datasets.git")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    options = ("--name", "matsui", "--provider", "aws", "--region", "eu-west-1", "--admin", "yusuke")

    shown = lab("admin", "init", *options, "--dry-run")
    assert not (tmp_path / "lab.toml").exists()
    done = lab("admin", "init", *options)

    assert done.code == 0
    text = (tmp_path / "lab.toml").read_text()
    assert shown.out.rstrip("\n") == text.rstrip("\n")
    made = read_lab(text)
    assert (made.home_bucket, made.dataset_bucket) == ("matsui-s3-home", "matsui-s3-dvc-storage")
    assert made.members == (Member("yusuke", Role.ADMIN),)
    assert made.repository == "https://git.lab.example/matsui/datasets.git"
    assert "hunter2" not in text + done.out + done.err
    again = lab("admin", "init", *options)
    assert again.code == 11
    assert "there is a lab.toml already" in again.err
    assert lab("admin", "init", *options, "--force").code == 0


def test_init_asks_five_questions_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Any) -> None:
    """What is typed counts, an empty line takes the suggestion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("labops.cli.admin.is_terminal", lambda _stream: True)
    typed = ["matsui", "aws", "", "yusuke", "git@git.lab.example:matsui/datasets.git"]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{answer}\n" for answer in typed)))

    assert lab("admin", "init").code == 0

    made = read_lab((tmp_path / "lab.toml").read_text())
    assert (made.name, made.region, made.repository) == ("matsui", "ap-northeast-1", typed[-1])
    assert made.members == (Member("yusuke", Role.ADMIN),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--provider", "s3", "--name", "x", "--admin", "a"), "'--endpoint' is needed"),
        (("--name", "My Lab", "--admin", "a"), "'lab.name'"),
        (("--name", "x", "--admin", "../a"), "will not do"),
        (("--name", "x", "--admin", "a", "--home-bucket", "A_B"), "'buckets.home'"),
        (("--name", "x", "--admin", "a", "--provider", "gcp"), "gcp"),
    ],
)
def test_bad_answers_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Any, options: tuple[str, ...], words: str
) -> None:
    """Each is an error of usage, and leaves no file."""
    monkeypatch.chdir(tmp_path)
    done = lab("admin", "init", *options)
    assert done.code == 2
    assert words in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_day_of_an_administrator(ministack_office: Office, lab: Any) -> None:
    """Plan, refuse without a yes, apply, plan again, prove, audit: text for people, JSON and codes for scripts."""
    planned = lab("admin", "plan")
    assert planned.code == 0
    assert re.search(
        r"^\+ create user lab-\S+\.russell\n +russell is a student in lab\.toml$", planned.out, re.MULTILINE
    )
    assert lab("admin", "plan", "--check").code == 4
    document = lab("admin", "plan", "--json").document
    assert {row["action"] for row in document["changes"]} == {"create", "set", "grant"}
    assert all(row["why"] for row in document["changes"])

    refused = lab("admin", "apply")
    assert refused.code == 11
    assert "nothing was changed" in refused.err
    assert lab("admin", "apply", "--dry-run").code == 0
    assert lab("admin", "plan", "--json").document == document

    applied = lab("admin", "apply", "--yes", "--json")
    assert applied.code == 0
    assert {row["result"] for row in applied.document["changes"]} == {"done"}
    assert lab("admin", "plan", "--check").code == 0
    assert "the store is as lab.toml says" in lab("admin", "apply", "--yes").out

    proof = lab("admin", "prove", "--member", "russell", "--member", "gina")
    assert proof.code == 0
    assert re.search(r"^own home +russell\(s\)$", proof.out, re.MULTILINE)
    assert re.search(r"^  overwrite +yes\*$", proof.out, re.MULTILINE)
    assert re.search(r"^datasets +russell\(s\)  gina\(g\)$", proof.out, re.MULTILINE)
    assert re.search(r"rights tried, 0 not as promised", proof.out)
    rows = lab("admin", "prove", "--member", "gina", "--json").document
    assert rows["broken"] == 0
    assert {row["member"] for row in rows["answers"]} == {"gina"}

    assert "nothing to look at" in lab("admin", "audit").out
    ministack_office.key("alice")
    ministack_office.key("alice")
    found = lab("admin", "audit", "--json")
    assert found.code == 4
    assert [row["code"] for row in found.document["findings"]] == ["two-keys"]


def test_a_broken_right_is_loud(ministack_office: Office, lab: Any) -> None:
    """Text, JSON and the exit code say which member can do what at which place."""
    from labops.drivers.iam import user

    ministack_office.apply()
    identity = user(ministack_office.lab.identity_of("gina"))
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    ministack_office.store.identities().put_policy(identity, "mine", everything)

    found = lab("admin", "prove", "--member", "gina", "--broken")

    assert found.code == 4
    assert "NOT AS PROMISED: gina (guest), datasets, delete: promised denied, seen allowed" in found.out
    assert lab("admin", "audit").code == 4


def test_mistakes_are_explained(ministack_office: Office, lab: Any) -> None:
    """A wrong line of lab.toml, a wrong --as, an unknown member: the message, the hint, the code."""
    text = (ministack_office.folder / "lab.toml").read_text()
    (ministack_office.folder / "lab.toml").write_text(text.replace('role = "guest"', 'role = "gest"'))
    wrong = lab("admin", "plan", "--json")
    assert wrong.code == 2
    line = next(at for at, row in enumerate(text.splitlines(), 1) if row.startswith("gina"))
    assert wrong.document["error"]["line"] == line
    (ministack_office.folder / "lab.toml").write_text(text)
    assert "is not NAME=PROFILE" in lab("admin", "prove", "--as", "russell").err
    assert lab("admin", "prove", "--as", "russell=none-such").code == 10
    assert lab("admin").code == 2
    assert lab("admin", "plan", "--profile", "none-such").code == 10


def test_schema_and_terraform_are_printed(ministack_office: Office, lab: Any) -> None:
    """The schema is JSON; Terraform gets every bucket, identity, policy and membership once."""
    schema = lab("admin", "schema").document
    assert schema["title"] == "lab.toml"
    office = ministack_office
    office.write(office.lab._replace(endpoint="", members=(*office.lab.members, Member("a.b", Role.STUDENT))),
                 '\n[budgets]\ntotal = { monthly_usd = 50, email = "a@b.example" }\n')  # fmt: skip
    text = lab("admin", "export", "terraform").out
    resources = re.findall(r'^resource "(\w+)" "([\w-]+)"', text, re.MULTILINE)
    assert len(resources) == len(set(resources))
    kinds = [kind for kind, _ in resources]
    assert kinds.count("aws_s3_bucket") == kinds.count("aws_s3_bucket_policy") == 2
    assert kinds.count("aws_iam_user") == kinds.count("aws_iam_user_group_membership") == len(office.lab.members)
    assert kinds.count("aws_iam_group") == kinds.count("aws_iam_group_policy") == 4
    assert kinds.count("aws_budgets_budget") == 1
    assert len(re.findall(r"^import \{", text, re.MULTILINE)) == 2 + 4 + len(office.lab.members)
    assert text.count("{") == text.count("}")
    assert "import {" not in lab("admin", "export", "terraform", "--no-imports").out
    office.write(office.lab._replace(provider=Provider.S3, endpoint="http://127.0.0.1:1"))
    assert lab("admin", "export", "terraform").code == 16


def test_roles_are_exported_with_their_trust(ministack_office: Office, lab: Any) -> None:
    """`${aws:PrincipalTag/…}` reaches AWS as it is: Terraform must not take it for an expression of its own."""
    office = ministack_office
    trust = "arn:aws:iam::123456789012:saml-provider/uni"
    office.write(office.lab._replace(endpoint="", identity="roles", trust=trust,
                                     grants=(Grant("russell", "models", ("alice",)),)))  # fmt: skip
    text = lab("admin", "export", "terraform").out
    assert "aws_iam_role_policy" in text
    assert "$${aws:PrincipalTag/lab-member}" in text
    assert not re.search(r"(?<!\$)\$\{", text)


def test_no_secret_is_ever_shown(office: Office, tmp_path: Path) -> None:
    """The administrator's secret and every borrowed one are in no output, crash report, note or lab.toml.

    The borrowed keys are caught where the store hands them out, in the child itself, and written where only this
    test looks.
    """
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(
        "import os\n"
        "from labops.membership import Secret\n"
        "made = Secret.__init__\n"
        "def init(self, text):\n"
        "    made(self, text)\n"
        "    open(os.environ['SPY'], 'a').write(text + '\\n')\n"
        "Secret.__init__ = init\n"
    )
    secrets = tmp_path / "secrets.txt"
    env = {**os.environ, "PYTHONPATH": str(spy), "SPY": str(secrets), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    said = ""
    for words in (
        ("plan", "-vv"), ("apply", "--yes", "-v"), ("prove", "--member", "alice", "-vv"), ("audit", "-v"),
        ("prove", "--member", "alice", "--json"), ("prove", "--member", "nobody", "-vv"), ("apply", "--yes", "--json"),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "labops", "admin", *words], env=env, capture_output=True, text=True, check=False
        )
        said += done.stdout + done.stderr
    planted = {*secrets.read_text().split(), office.store.server.secret}
    assert len(planted) >= 3
    for path in [*(tmp_path / "tmp").rglob("*"), *Path(os.environ["HOME"]).rglob("*"), tmp_path / "lab.toml"]:
        if path.is_file():
            said += path.read_text(errors="replace")
    assert not [secret for secret in planted if secret in said]
    assert tomllib.loads((tmp_path / "lab.toml").read_text())["lab"]["name"] == office.lab.name


def test_the_recipe_by_hand_works_and_is_as_long_as_it_says(ministack_office: Office, tmp_path: Path) -> None:
    """The page that compares runs with the real aws command, and its count of commands is the true one."""
    try:
        aws = servers.program("aws")
    except servers.ServerAbsent as reason:
        pytest.skip(str(reason))
    page = (Path(__file__).parents[2] / "docs/explanation/by-hand.md").read_text()
    script = re.search(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert script is not None
    number = ministack_office.lab.name
    text = script[1].replace("matsui", number)
    log = tmp_path / "calls"
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(f'#!/bin/sh\necho "$2" >>{log}\nexec {aws} "$@"\n')
    (tools / "aws").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": ministack_office.store.server.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    subprocess.run(["sh", "-c", text], cwd=tmp_path, env=env, check=True, capture_output=True)

    assert f"| {len(log.read_text().split())}, with 5 JSON documents |" in page
    iam = ministack_office.store.client("iam")
    assert len(iam.list_access_keys(UserName=f"{number}-ann")["AccessKeyMetadata"]) == 1


def test_the_page_of_lab_toml_has_every_key() -> None:
    """The reference is made from the table that the reader checks, so nothing is missing there."""
    from labops.formats.labschema import LISTS, NAMED, TABLES
    from tests.architecture.test_docs import generator

    page = generator().lab_page()
    for tables in (TABLES, NAMED, LISTS):
        for name, fields in tables.items():
            assert f"[{name}]" in page
            assert all(f"| `{key}`" in page for key in fields)
