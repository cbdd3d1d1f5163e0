"""Inviting, listing, rotating, suspending and removing members, on MiniStack and on Ceph."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pyrage import passphrase as age

from labops.errors import LabError
from tests.hub import run_git
from tests.members.conftest import PASSPHRASE, LabCommand, Staffed, run_lab


@pytest.fixture(autouse=True)
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def invite(lab: LabCommand, staffed: Staffed, member: str, *words: str) -> dict[str, Any]:
    """`lab admin invite`, and what is in the file."""
    file = staffed.root.parent / f"{member}.labinvite"
    ran = lab("admin", "invite", member, "-o", str(file), "--passphrase-file", str(staffed.root.parent / "passphrase"),
              *words, "--json")  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    inside: dict[str, Any] = json.loads(age.decrypt(file.read_bytes(), PASSPHRASE))
    return inside


def join(staffed: Staffed, member: str, machine: str) -> None:
    home = staffed.root.parent / machine
    home.mkdir(exist_ok=True)
    done = run_lab("join", str(staffed.root.parent / f"{member}.labinvite"), "--passphrase-file", "-", "--machine",
                   machine, cwd=home, home=home, stdin=PASSPHRASE + "\n",
                   AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def states(lab: LabCommand) -> dict[str, str]:
    return {row["name"]: row["state"] for row in lab("admin", "members", "--json").document}


def can_list(staffed: Staffed, fields: dict[str, Any]) -> bool:
    s3 = staffed.client("s3", (fields["key_id"], fields["secret"]))
    try:
        s3.list_objects_v2(Bucket=staffed.home_bucket, Prefix=f"{fields['member']}/")
    except s3.exceptions.ClientError:
        return False
    finally:
        s3.close()
    return True


def test_an_invite_holds_a_key_that_works(lab: LabCommand, staffed: Staffed) -> None:
    """The file is for its owner alone, says all that a machine needs, and opens by its passphrase."""
    inside = invite(lab, staffed, "ada", "--expires", "2999-01-02")
    file = staffed.root.parent / "ada.labinvite"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    assert can_list(staffed, inside)
    assert (inside["member"], inside["role"], inside["expires"]) == ("ada", "student", "2999-01-02")
    assert inside["home"] == f"s3://{staffed.home_bucket}/ada"
    assert inside["datasets"] == f"s3://{staffed.dataset_bucket}"
    assert inside["endpoint"] == staffed.server.endpoint


def test_who_is_where(lab: LabCommand, staffed: Staffed) -> None:
    """From nobody invited to everybody joined, with their machines."""
    assert states(lab) == {"ada": "not invited", "bob": "not invited"}
    inside = invite(lab, staffed, "ada")
    assert states(lab) == {"ada": "invited", "bob": "not invited"}
    join(staffed, "ada", "laptop")
    join(staffed, "ada", "server")
    rows = {row["name"]: row for row in lab("admin", "members", "--json").document}
    text = lab("admin", "members")

    assert rows["ada"]["state"] == "active"
    assert [(note["machine"], note["key_id"]) for note in rows["ada"]["machines"]] == [
        ("laptop", inside["key_id"]), ("server", inside["key_id"]),
    ]  # fmt: skip
    assert text.out.splitlines()[0].split() == ["NAME", "ROLE", "STATE", "ENDS", "KEYS", "MACHINES"]
    assert "laptop, server" in text.out
    assert inside["secret"] not in text.out + json.dumps(rows)


def test_a_rotation_stops_nobody(lab: LabCommand, staffed: Staffed) -> None:
    """Old key works → new invite → each machine joins → only then the old key goes; a fourth run does nothing."""
    old = invite(lab, staffed, "ada")
    join(staffed, "ada", "laptop")
    join(staffed, "ada", "server")
    rest = ("-o", "..", "--passphrase-file", "../passphrase", "--json")
    everybody = lab("admin", "rotate", "--all", "--older-than", "90d", *rest).document
    assert {row["member"]: row["turn"] for row in everybody} == {"ada": "fresh", "bob": "no key"}
    named = ("admin", "rotate", "ada", *rest)
    assert [row["turn"] for row in lab(*named, "--dry-run").document] == ["new key"]
    assert len(staffed.keys("ada")) == 1
    (made,) = lab(*named).document
    new = json.loads(age.decrypt(Path("../ada.labinvite").read_bytes(), PASSPHRASE))

    assert made["invite"]["stays"] == [old["key_id"]]
    assert can_list(staffed, old)
    assert can_list(staffed, new)
    assert [(row["turn"], row["why"]) for row in lab(*named).document] == [
        ("waiting", "the new invite was not opened yet")
    ]
    join(staffed, "ada", "laptop")
    assert [(row["turn"], row["why"]) for row in lab(*named).document] == [("waiting", "still on the old key: server")]
    join(staffed, "ada", "server")
    assert [(row["turn"], row["revoked"]) for row in lab(*named).document] == [("revoke old", [old["key_id"]])]
    assert not can_list(staffed, old)
    assert can_list(staffed, new)
    assert set(staffed.keys("ada")) == {new["key_id"]}


def test_an_invite_that_nobody_opened_is_replaced(lab: LabCommand, staffed: Staffed) -> None:
    """However often it is made again there is one key."""
    first = invite(lab, staffed, "ada")
    second = invite(lab, staffed, "ada")

    assert set(staffed.keys("ada")) == {second["key_id"]}
    assert not can_list(staffed, first)


def test_a_lost_laptop_loses_its_key_at_once(lab: LabCommand, staffed: Staffed) -> None:
    """`--revoke-old`: the new key is made, then every other one goes."""
    old = invite(lab, staffed, "ada")
    join(staffed, "ada", "laptop")
    new = invite(lab, staffed, "ada", "--revoke-old")

    assert set(staffed.keys("ada")) == {new["key_id"]}
    assert not can_list(staffed, old)
    assert states(lab)["ada"] == "invited"
    assert "laptop (key gone)" in lab("admin", "members").out


def test_suspending_and_back(lab: LabCommand, staffed: Staffed) -> None:
    """Keys off, said in lab.toml, nothing deleted; a suspended member gets no invite."""
    inside = invite(lab, staffed, "ada")
    staffed.put("ada/thesis.tex", b"x")
    before = Path("lab.toml").read_text()
    assert lab("admin", "suspend", "ada", "--dry-run").code == 0
    assert Path("lab.toml").read_text() == before
    suspended = lab("admin", "suspend", "ada")
    assert suspended.code == 0
    assert re.search(r"^  revoke all access of user \S+\.ada$", suspended.out, re.MULTILINE)
    assert not can_list(staffed, inside)
    assert states(lab)["ada"] == "suspended"
    assert tomllib.loads(Path("lab.toml").read_text())["members"]["ada"]["suspended"]
    refused = lab("admin", "invite", "ada", "--passphrase-file", "../passphrase", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "member-not-active")
    back = lab("admin", "suspend", "ada", "--undo")
    assert back.code == 0
    assert re.search(r"^  grant access of user \S+\.ada$", back.out, re.MULTILINE)
    assert "revoke" not in back.out
    assert can_list(staffed, inside)
    assert staffed.objects() == {"ada/thesis.tex": b"x"}
    assert "suspended" not in Path("lab.toml").read_text()


@pytest.mark.parametrize("archives", [False, True], ids=["kept", "archived"])
def test_a_member_leaves(lab: LabCommand, staffed: Staffed, archives: bool) -> None:
    """Keys off, identity gone, lab.toml without them; the home stays or lies in alumni/, whole; told what they had."""
    run_git(staffed.root, "init", "-q", "-b", "main")
    (staffed.root / "digits.dvc").write_text("outs: []\n")
    run_git(staffed.root, "add", "digits.dvc")
    run_git(staffed.root, "commit", "-qm", "digits")
    inside = invite(lab, staffed, "ada")
    files = {f"thesis/{number}.tex": b"x" * number for number in range(1, 6)} | {".trash/d/old": b"yy"}
    for name, data in files.items():
        staffed.put(f"ada/{name}", data, (inside["key_id"], inside["secret"]))
    staffed.put("adam/other", b"not hers")
    words = ("admin", "remove", "ada", *(["--archive"] if archives else []), "--json")
    asked = lab(*words)
    seen = lab(*words, "--dry-run").document
    assert (asked.code, asked.document["error"]["code"]) == (11, "not-confirmed")
    assert can_list(staffed, inside)
    done = lab(*words, "--yes")

    assert done.code == 0, done.out + done.err
    assert done.document["owned"] == {"files": 5, "size": 15, "trash": 2, "datasets": ["digits.dvc"]}
    assert seen["owned"] == done.document["owned"]
    assert not can_list(staffed, inside)
    with pytest.raises(LabError):
        staffed.keys("ada")
    assert "ada" not in tomllib.loads(Path("lab.toml").read_text())["members"]
    where = "alumni/ada/" if archives else "ada/"
    assert staffed.objects() == {f"{where}{name}": data for name, data in files.items()} | {"adam/other": b"not hers"}
    assert lab("admin", "remove", "ada", "--yes").code == 10


def test_somebody_of_the_same_name_is_not_overwritten(lab: LabCommand, staffed: Staffed) -> None:
    """A second `ada` who leaves finds the first one's files in the archive: told, and both kept."""
    staffed.put("alumni/ada/thesis.tex", b"of the first")
    staffed.put("ada/thesis.tex", b"of the second, longer")
    ran = lab("admin", "remove", "ada", "--archive", "--yes", "--json")

    assert (ran.code, ran.document["error"]["code"]) == (11, "alumni-in-the-way")
    assert staffed.objects() == {"alumni/ada/thesis.tex": b"of the first", "ada/thesis.tex": b"of the second, longer"}


def test_an_invite_in_a_repository_is_kept_from_git(lab: LabCommand, on_ministack: Staffed) -> None:
    """Where lab.toml lies git does not even see the file."""
    run_git(on_ministack.root, "init", "-q", "-b", "main")
    ran = lab("admin", "invite", "ada", "--passphrase-file", "../passphrase")

    assert ran.code == 0, ran.err
    assert Path("ada.labinvite").exists()
    assert run_git(on_ministack.root, "status", "--porcelain", "--untracked-files=all") == "?? lab.toml"


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("invite", "eve", "--passphrase-file", "../passphrase"), 10, "no-such-member"),
        (("invite", "ada"), 2, "no-terminal"),
        (("invite", "ada", "--passphrase-file", "../short"), 2, "weak-passphrase"),
        (("invite", "ada", "--passphrase-file", "../absent"), 10, "no-such-file"),
        (("invite", "ada", "--passphrase-file", "../passphrase", "--expires", "soon"), 2, "bad-duration"),
        (("invite", "ada", "--passphrase-file", "../passphrase", "--expires", "2026-01-31"), 2, "bad-usage"),
        (("invite", "ada", "--passphrase-file", "../passphrase", "--expires", "2126-13-01"), 2, "bad-usage"),
        (("invite", "ada", "--passphrase-file", "../passphrase", "--key-file", "../short"), 2, "bad-key-file"),
        (("rotate",), 2, "bad-usage"),
        (("rotate", "ada", "--all"), 2, "bad-usage"),
        (("suspend", "eve"), 10, "no-such-member"),
        (("remove", "eve", "--yes"), 10, "no-such-member"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_makes_no_key(
    lab: LabCommand, on_ministack: Staffed, words: tuple[str, ...], code: int, name: str
) -> None:
    """Every mistake is found before anything is made."""
    Path("../short").write_text("secret\n")
    ran = lab("admin", *words, "--json")

    assert (ran.code, ran.document["error"]["code"]) == (code, name)
    assert on_ministack.keys("ada") == {}


def test_an_invite_ends_with_its_member(lab: LabCommand, on_ministack: Staffed) -> None:
    """Nobody can join after the last day in lab.toml, however long the invite was asked to last."""
    on_ministack.write('ada = { role = "student", ends = 2126-03-31 }\nbob = { role = "curator" }\n')

    assert invite(lab, on_ministack, "ada", "--expires", "2126-12-31")["expires"] == "2126-03-31"


def test_a_path_with_a_slash_at_its_end_is_a_folder(lab: LabCommand, on_ministack: Staffed) -> None:
    ran = lab("admin", "invite", "ada", "-o", "../invites/", "--passphrase-file", "../passphrase")

    assert ran.code == 0, ran.err
    assert Path("../invites/ada.labinvite").is_file()


def test_a_member_who_is_not_applied_yet(lab: LabCommand, on_ministack: Staffed) -> None:
    on_ministack.write('ada = { role = "student" }\ncleo = { role = "student" }\n')
    ran = lab("admin", "invite", "cleo", "--passphrase-file", "../passphrase", "--json")

    assert (ran.code, ran.document["error"]["code"]) == (10, "not-applied")
    assert states(lab) == {"ada": "not invited", "cleo": "not applied", "bob": "not in lab.toml"}


def test_a_key_made_by_hand_goes_into_an_invite(lab: LabCommand, on_ministack: Staffed) -> None:
    """For stores whose accounts labops cannot make."""
    Path("../key.csv").write_text("Access key ID,Secret access key\nHANDMADE,hand/made+secret\n")
    inside = invite(lab, on_ministack, "bob", "--key-file", "../key.csv")

    assert (inside["key_id"], inside["secret"]) == ("HANDMADE", "hand/made+secret")
    assert on_ministack.keys("bob") == {}


def test_a_file_that_cannot_be_written_leaves_no_key(lab: LabCommand, on_ministack: Staffed) -> None:
    Path("../blocked").write_text("a file")
    ran = lab("admin", "invite", "ada", "-o", "../blocked/ada.labinvite", "--passphrase-file", "../passphrase")

    assert ran.code != 0
    assert on_ministack.keys("ada") == {}
