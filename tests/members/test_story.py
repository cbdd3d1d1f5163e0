"""From an empty store to three students at work, as the tutorials tell it; and no secret anywhere it should not be."""

from __future__ import annotations

import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from labops.cli import main
from labops.testing.servers import Server
from tests.hub import run_git
from tests.members.terminal import Shown, on_terminal, watching

STUDENTS = ("ada", "bob", "cleo")


class Lab:
    """The administrator's and the students' machines, each a home folder; every command typed is counted."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self.typed: list[str] = []
        self.shown: list[Shown] = []

    def env(self, who: str) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        found |= {"HOME": str(self.root / who), "AWS_EC2_METADATA_DISABLED": "true"}
        if who == "admin":
            found |= {"AWS_ACCESS_KEY_ID": self.server.key_id, "AWS_SECRET_ACCESS_KEY": self.server.secret}
        return found

    def type(self, who: str, folder: str, *words: str, answers: tuple[tuple[str, str], ...] = ()) -> Shown:
        """One command on a terminal of `who`, which must end well."""
        self.typed.append(f"{who}: lab {' '.join(words)}")
        cwd = self.root / who / folder
        cwd.mkdir(parents=True, exist_ok=True)
        shown = on_terminal(words, cwd, self.env(who), answers)
        self.shown.append(shown)
        assert shown.code == 0, f"{self.typed[-1]}\n{shown.screen}{shown.out}"
        return shown

    def secrets(self) -> list[str]:
        """The keys of all students, as their machines hold them."""
        found = []
        for student in STUDENTS:
            text = (self.root / student / ".aws/credentials").read_text()
            found += re.findall(r"aws_secret_access_key = (\S+)", text)
        return found


def set_up(lab: Lab) -> None:
    """The administrator's part of the tutorial: a repository, the lab, a first dataset."""
    run_git(lab.root, "init", "-q", "--bare", "-b", "main", "hub.git")
    (lab.root / "admin").mkdir()
    run_git(lab.root / "admin", "clone", "-q", "../hub.git", "data")
    data = lab.root / "admin/data"
    run_git(data, "symbolic-ref", "HEAD", "refs/heads/main")
    lab.type("admin", "data", "init")
    words = {"name": "tsukuba", "provider": "aws", "region": "us-east-1", "endpoint": lab.server.endpoint}
    words |= {"admin": "yusuke", "repository": str(lab.root / "hub.git")}
    options = [word for name, value in words.items() for word in (f"--{name}", value)]
    lab.type("admin", "data", "admin", "init", *options)
    text = (data / "lab.toml").read_text()
    rows = "".join(f'{name} = {{ role = "student" }}\n' for name in STUDENTS)
    (data / "lab.toml").write_text(text.replace("[members]\n", f"[members]\n{rows}", 1))
    lab.type("admin", "data", "admin", "apply", "--yes")
    bucket = tomllib.loads((data / "lab.toml").read_text())["buckets"]["datasets"]
    lab.type("admin", "data", "remote", "add", "-d", "storage", f"s3://{bucket}/store")
    lab.type("admin", "data", "remote", "modify", "--local", "storage", "endpointurl", lab.server.endpoint)
    run_git(data, "add", "-A")
    run_git(data, "commit", "-qm", "the lab")
    (data / "digits").mkdir()
    (data / "digits/a.txt").write_text("one")
    run_git(data, "push", "-q", "-u", "origin", "main")
    lab.type("admin", "data", "publish", "digits", "-m", "first")


def passphrase_of(shown: Shown) -> str:
    found = re.search(r"shown this once:\s+(\S+)", shown.screen)
    assert found, shown.screen
    return found[1]


def invite_and_join(lab: Lab, student: str) -> str:
    """The administrator makes the invite and tells the passphrase; the student types it."""
    shown = lab.type(
        "admin", "data", "admin", "invite", student, "-o", str(lab.root / student / f"{student}.labinvite")
    )
    passphrase = passphrase_of(shown)
    assert passphrase not in shown.out
    lab.type(
        student, ".", "join", f"{student}.labinvite", answers=(("Passphrase of the invite: ", passphrase.upper()),)
    )
    return passphrase


def work(lab: Lab, student: str) -> None:
    lab.type(student, "hub", "pull")
    assert (lab.root / student / "hub/digits/a.txt").read_text() == "one"
    folder = lab.root / student / "thesis"
    folder.mkdir()
    (folder / "text").write_text(f"by {student}")
    lab.type(student, "thesis", "home", "link", "thesis")
    lab.type(student, "thesis", "home", "sync")


def test_three_students_at_work_and_no_secret_in_sight(tmp_path: Path, ministack: Server) -> None:
    """Commands are counted; then everything that was shown, written, committed or run is searched for keys."""
    lab = Lab(tmp_path, ministack)
    started = time.monotonic()
    with watching(tmp_path) as watch:
        set_up(lab)
        passphrases = []
        for student in STUDENTS:
            (tmp_path / student).mkdir()
            passphrases.append(invite_and_join(lab, student))
            work(lab, student)
        lab.type("ada", ".", "whoami", "-v")
        lab.type("admin", "data", "admin", "members", "-v")
        old = lab.secrets()
        rotated = lab.type("admin", "data", "admin", "rotate", "ada", "-o", str(tmp_path / "ada"))
        passphrases.append(passphrase_of(rotated))
        lab.type("ada", ".", "join", "ada.labinvite", answers=(("Passphrase of the invite: ", passphrases[-1]),))
        lab.type("admin", "data", "admin", "rotate", "ada", "-vv")
        lab.type("admin", "data", "admin", "suspend", "bob")
        lab.type("admin", "data", "admin", "remove", "cleo", "--yes", "--archive")
        secrets = sorted({*old, *lab.secrets()})
    print(f"{len(lab.typed)} commands in {time.monotonic() - started:.0f} s", *lab.typed, sep="\n")

    assert len(secrets) == 4
    needles = [text.encode() for text in (*secrets, *passphrases)]
    assert all(len(needle) >= 19 for needle in needles)
    seen = {
        "a screen": [shown.screen.replace(word, "") for shown in lab.shown for word in passphrases],
        "standard output": [shown.out for shown in lab.shown],
    }
    for place, texts in seen.items():
        assert not [place for text in texts for secret in secrets if secret in text], place
    assert not [shown for shown in lab.shown for word in passphrases if word in shown.out]
    assert not [line for line in watch.lines for needle in needles if needle in line]
    assert not [line for line in watch.environments for needle in needles if needle in line]
    assert found_in_files(tmp_path, needles) == {f"{student}/.aws/credentials" for student in STUDENTS}
    for repository in (tmp_path / "hub.git", tmp_path / "admin/data", *(tmp_path / name / "hub" for name in STUDENTS)):
        assert not [needle for needle in needles if needle in every_object(repository)]


def found_in_files(top: Path, needles: list[bytes]) -> set[str]:
    """The files below `top` that hold one of these."""
    found = set()
    for path in top.rglob("*"):
        if path.is_file() and not path.is_symlink() and any(needle in path.read_bytes() for needle in needles):
            found.add(str(path.relative_to(top)))
    return found


def every_object(repository: Path) -> bytes:
    """The content of everything that git keeps there, reachable or not."""
    done = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"], cwd=repository, capture_output=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("words", [("-vv",), ("--json",), ()], ids=["traceback", "json", "plain"])
def test_a_crash_report_holds_no_secret(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However `join` breaks, with the key in its hands: not in the report, nor on the screen."""
    from labops import rights
    from tests.members.conftest import PASSPHRASE, seal

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    secret = "plantedSECRETplantedSECRETplantedSECRET0"
    fields = {
        "format": "labops-invite-1", "lab": "tsukuba", "member": "ada", "role": "student", "home": "s3://lab-homes/ada",
        "datasets": "s3://lab-data", "endpoint": "http://127.0.0.1:9", "key_id": "KEYOFADA", "secret": secret,
    }  # fmt: skip
    invite = seal(tmp_path, fields)

    def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rights, "check_key", breaks)
    code = main(["join", str(invite), "--passphrase-file", "passphrase", *words])
    shown = capsys.readouterr()
    (report,) = tmp_path.glob("crash-*")

    assert code == 1
    text = shown.out + shown.err + report.read_text()
    assert "a bug" in report.read_text()
    assert secret not in text
    assert PASSPHRASE not in text
