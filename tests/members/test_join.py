"""`lab join`, `leave` and `whoami` against a server that checks rights, with invites made without labops."""

from __future__ import annotations

import configparser
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from labops.testing import servers
from labops.testing.servers import ServerAbsent
from tests.members.conftest import PASSPHRASE, LabCommand, Place, run_lab, seal


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "laptop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def profile(home: Path, file: str, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read(home / ".aws" / file)
    return dict(parser.items(section)) if parser.has_section(section) else {}


def joined(lab: LabCommand, place: Place, invite: Path, *words: str) -> object:
    ran = lab("join", str(invite), "--passphrase-file", str(place.folder / "passphrase"), *words, "--json")
    assert ran.code == 0, ran.out + ran.err
    return ran.document


def test_a_student_joins_pulls_and_syncs(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """One command makes the machine the student's: key, clone, hooks, remote, home."""
    fields = place.add("ada")
    invite = seal(place.folder, fields)
    ran = lab("join", str(invite), "--passphrase-file", str(place.folder / "passphrase"), "--machine", "laptop")
    assert ran.code == 0, ran.out + ran.err
    clone = here / "hub"

    assert "ada (student) in the lab 'tsukuba', on the machine 'laptop'" in ran.out
    assert f"cd {clone} && lab pull" in ran.out
    assert profile(home, "credentials", "lab-tsukuba") == {
        "aws_access_key_id": fields["key_id"],
        "aws_secret_access_key": fields["secret"],
    }
    assert profile(home, "config", "profile lab-tsukuba") == {
        "region": "us-east-1",
        "endpoint_url": place.server.endpoint,
    }
    for path in (home / ".aws/credentials", home / ".aws/config", home / ".config/labops/labs/tsukuba.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (clone / ".git/hooks/pre-push").exists()
    assert "merge=lab" in (clone / ".git/info/attributes").read_text()
    assert place.object(f"ada/.lab/machines/laptop/{fields['key_id']}") == b""

    os.chdir(clone)
    assert lab("pull").code == 0
    assert (clone / "digits/a.txt").read_bytes() == b"one"
    thesis = here / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("so far")
    os.chdir(thesis)
    assert lab("home", "link", "thesis").code == 0
    assert lab("home", "sync").code == 0
    assert place.object("ada/thesis/chapter.tex") == b"so far"
    assert lab("home", "status").out == f"1 file in sync with s3://{place.home_bucket}/ada/thesis\n"


def test_the_home_arrives_on_a_second_machine(lab: LabCommand, place: Place, here: Path, tmp_path: Path) -> None:
    """The same invite joins another machine, which clones the home by its name."""
    invite = seal(place.folder, place.add("ada"))
    joined(lab, place, invite, "--no-clone")
    Path("notes.txt").write_text("mine")
    lab("home", "link", "notes")
    lab("home", "sync")
    server = tmp_path / "server"
    server.mkdir()
    other = run_lab("join", str(invite), "--passphrase-file", "-", "--machine", "server",
                    cwd=server, home=server, stdin=PASSPHRASE + "\n")  # fmt: skip
    cloned = run_lab("home", "clone", "notes", cwd=server, home=server)

    assert other.returncode == 0, other.stdout + other.stderr
    assert cloned.returncode == 0, cloned.stdout + cloned.stderr
    assert (server / "notes/notes.txt").read_text() == "mine"


def test_joining_twice_changes_nothing(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """The second run finds all done, wherever it is run from."""
    invite = seal(place.folder, place.add("ada"))
    joined(lab, place, invite)
    before = {path: path.read_bytes() for path in sorted((home / ".aws").iterdir())}
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")
    again = joined(lab, place, invite)

    assert {row["what"]: row["result"] for row in again["rows"]} == {  # type: ignore[index]
        "key": "already", "home": "done", "other homes": "already", "datasets": "already", "hooks": "already",
        "remote": "already",
    }  # fmt: skip
    assert {path: path.read_bytes() for path in sorted((home / ".aws").iterdir())} == before
    assert not list((here / "elsewhere").iterdir())


def test_a_new_key_replaces_the_old_and_nothing_else(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """After a rotation the same command takes the new key; other profiles and comments stay byte for byte."""
    aws = home / ".aws"
    aws.mkdir()
    credentials = "# mine\n[default]\naws_access_key_id = AKIAMINE\naws_secret_access_key = x\n\n[work] ; note\nkey=1\n"
    (aws / "credentials").write_text(credentials)
    (aws / "config").write_text("[default]\nregion = eu-west-1\ns3 =\n    addressing_style = path\n")
    joined(lab, place, seal(place.folder, place.add("ada")))
    fields = place.fields("ada", *place.new_key("ada"))
    joined(lab, place, seal(place.folder, fields))
    text = (aws / "credentials").read_text()

    assert len(place.listed("ada/.lab/")) == 1
    assert text.startswith(credentials)
    assert text.count("[lab-tsukuba]") == 1
    assert profile(home, "credentials", "lab-tsukuba")["aws_access_key_id"] == fields["key_id"]
    assert (aws / "config").read_text().startswith("[default]\nregion = eu-west-1\ns3 =\n    addressing_style = path\n")
    lab("leave", "tsukuba")
    assert (aws / "credentials").read_text() == credentials
    assert (aws / "config").read_text() == "[default]\nregion = eu-west-1\ns3 =\n    addressing_style = path\n"


def test_a_key_that_the_store_refuses_writes_nothing(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """A revoked key is told of before anything is touched."""
    fields = place.add("ada") | {"secret": "wrong" * 8}
    ran = lab("join", str(seal(place.folder, fields)), "--passphrase-file", str(place.folder / "passphrase"), "--json")

    assert ran.code == 12
    assert ran.document["error"]["code"] == "invite-refused"
    assert not list(home.iterdir())
    assert not list(here.iterdir())


def test_a_policy_that_is_too_wide_is_told(lab: LabCommand, place: Place, here: Path) -> None:
    """A member who could open other homes learns it at once, and the probe leaves nothing."""
    fields = place.add("ada")
    iam = place.client("iam")
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_user_policy(
        UserName=f"{place.home_bucket}-ada",
        PolicyName="wide",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [wide]}),
    )
    iam.close()
    ran = lab("join", str(seal(place.folder, fields)), "--passphrase-file", str(place.folder / "passphrase"), "--json")
    (failed,) = (row for row in ran.document["rows"] if row["result"] == "failed")

    assert ran.code == 3
    assert failed["error"]["code"] == "homes-open"
    assert failed["error"]["message"].endswith("list foreign homes, read foreign homes, write into foreign homes")
    assert all(key.startswith("ada/") for key in place.listed())


def test_a_clone_that_fails_can_be_made_later(lab: LabCommand, place: Place, here: Path) -> None:
    """The key and the home are there already; the same command goes on where it stopped."""
    fields = place.add("ada")
    hidden = place.hub.bare.with_name("away.git")
    place.hub.bare.rename(hidden)
    invite = seal(place.folder, fields)
    words = ("join", str(invite), "--passphrase-file", str(place.folder / "passphrase"))
    first = lab(*words)
    hidden.rename(place.hub.bare)
    (here / "hub").mkdir(exist_ok=True)
    (here / "hub/file").write_text("in the way")
    second = lab(*words)
    (here / "hub/file").unlink()
    third = lab(*words)

    assert (first.code, second.code, third.code) == (3, 3, 0)
    assert "there is no git repository" in first.out
    assert "not a clone of" in second.out
    assert "run the same command again" in first.out


def test_leaving_keeps_data_and_asks_for_a_sync_first(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """What is not at home yet stops `leave`; with --force it goes, and no file is touched."""
    invite = seal(place.folder, place.add("ada"))
    joined(lab, place, invite, "--machine", "laptop")
    work = here / "work"
    work.mkdir()
    (work / "a").write_text("1")
    os.chdir(work)
    lab("home", "link", "work")
    refused = lab("leave")
    seen = lab("leave", "--dry-run", "--json").document
    lab("home", "sync")
    left = lab("leave")

    assert refused.code == 11
    assert "1 changed file" in refused.err
    assert seen["unsynced"] == [{"folder": str(work), "files": 1}]
    assert left.code == 0, left.err
    assert "lab admin invite ada --revoke-old" in left.out
    assert (work / "a").read_text() == "1"
    assert (here / "hub/digits.dvc").exists()
    assert "lab-tsukuba" not in (here / "hub/.dvc/config.local").read_text()
    assert profile(home, "credentials", "lab-tsukuba") == {}
    assert place.listed("ada/.lab/") == []
    assert lab("whoami").code == 10
    assert lab("leave").code == 10


def test_whoami_tells_and_notices_a_missing_key(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    """No request is sent; a profile that somebody deleted is told."""
    joined(lab, place, seal(place.folder, place.add("ada")), "--machine", "laptop")
    (one,) = lab("whoami", "--json").document
    (home / ".aws/credentials").unlink()
    told = lab("whoami")

    assert (one["lab"], one["member"], one["machine"], one["has_key"]) == ("tsukuba", "ada", "laptop", True)
    assert one["clone"] == str(here / "hub")
    assert "secret" not in json.dumps(one)
    assert "lab join ada.labinvite" in told.err


def test_another_member_is_not_put_on_top(lab: LabCommand, place: Place, here: Path) -> None:
    """Two people with one account on a machine are told to part."""
    joined(lab, place, seal(place.folder, place.add("ada")))
    ran = lab("join", str(seal(place.folder, place.add("bob"))), "--passphrase-file",
              str(place.folder / "passphrase"), "--json")  # fmt: skip

    assert ran.code == 11
    assert ran.document["error"]["code"] == "joined-as-other"


def test_a_dry_run_writes_nothing(lab: LabCommand, place: Place, here: Path, home: Path) -> None:
    invite = seal(place.folder, place.add("ada"))
    plan = joined(lab, place, invite, "--dry-run")

    assert [row["what"] for row in plan["rows"]] == ["key", "home", "datasets"]  # type: ignore[index]
    assert not list(home.iterdir())
    assert not list(here.iterdir())
    assert place.listed() == []


def test_the_aws_command_line_works_with_the_profile(lab: LabCommand, place: Place, here: Path) -> None:
    """What join writes is what every other tool reads."""
    try:
        aws = servers.program("aws")
    except ServerAbsent as reason:
        pytest.skip(str(reason))
    joined(lab, place, seal(place.folder, place.add("ada")), "--no-clone")
    Path("f").write_text("by aws")
    done = subprocess.run(
        [aws, "--profile", "lab-tsukuba", "s3", "cp", "f", f"s3://{place.home_bucket}/ada/f"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert place.object("ada/f") == b"by aws"


def test_real_dvc_pulls_with_the_profile(lab: LabCommand, place: Place, here: Path) -> None:
    """The clone works with dvc as it does with lab."""
    try:
        dvc = servers.program("dvc")
    except ServerAbsent as reason:
        pytest.skip(str(reason))
    joined(lab, place, seal(place.folder, place.add("ada")))
    done = subprocess.run([dvc, "pull"], cwd=here / "hub", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (here / "hub/digits/b.txt").read_bytes() == b"two"
