"""A lab in folders, as one person tries it without root; the real accounts of a server are tried where root may."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from labops.administration.server import Server
from labops.drivers import accounts
from labops.formats.labfile import read_lab
from labops.planning.lab import Act, Change, Thing
from tests.members.conftest import PASSPHRASE, LabCommand, run_lab

MEMBERS = 'ada = { role = "student" }\nbob = { role = "curator" }\n'


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab.toml for folders below a folder of our own; nobody here is root."""
    monkeypatch.setattr(accounts, "is_root", lambda: False)
    (tmp_path / "lab.toml").write_text(
        f'[lab]\nname = "tsukuba"\n\n[provider]\nkind = "local"\nroot = "{tmp_path}/srv"\n\n'
        f'[buckets]\nhome = "homes"\ndatasets = "datasets"\n\n[members]\n{MEMBERS}'
    )
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}


def test_a_trial_from_nothing_to_a_synced_home(lab: LabCommand, trial: Path) -> None:
    """Apply, invite, join, link, sync: all of it in a folder of one's own."""
    assert lab("admin", "apply", "--yes").code == 0
    assert modes(trial / "srv") == {"homes": 0o751, "datasets": 0o2775, "homes/ada": 0o700, "homes/bob": 0o700}
    assert lab("admin", "plan", "--json").document["changes"] == []
    (trial / "srv/homes/ada").chmod(0o755)
    (drift,) = lab("admin", "plan", "--json").document["changes"]
    assert (drift["setting"], drift["before"], drift["after"]) == ("mode", "0755", "0700")
    broken = lab("admin", "prove", "--json")
    assert broken.code == 4
    assert {(row["member"], row["action"]) for row in broken.document["answers"] if row["seen"] != row["promised"]} == {
        ("bob", "list"), ("bob", "get"),
    }  # fmt: skip
    assert lab("admin", "apply", "--yes").code == 0
    assert lab("admin", "prove", "--json").code == 0

    assert lab("admin", "invite", "ada", "--passphrase-file", "passphrase").code == 0
    laptop = trial / "laptop"
    (laptop / "work").mkdir(parents=True)
    done = run_lab("join", "../ada.labinvite", "--passphrase-file", "-", "--machine", "laptop",
                   cwd=laptop, home=laptop, stdin=PASSPHRASE)  # fmt: skip
    assert done.returncode == 0, done.stdout
    (laptop / "work/a").write_text("1")
    for words in (("home", "link", "work"), ("home", "sync")):
        ran = run_lab(*words, cwd=laptop / "work", home=laptop)
        assert ran.returncode == 0, ran.stderr
    assert (trial / "srv/homes/ada/work/a").read_text() == "1"
    rows = {row["name"]: row for row in lab("admin", "members", "--json").document}
    assert (rows["ada"]["state"], rows["bob"]["state"]) == ("active", "not joined")
    assert [note["machine"] for note in rows["ada"]["machines"]] == ["laptop"]

    removed = lab("admin", "remove", "ada", "--archive", "--yes", "--json").document
    assert removed["owned"]["files"] == 1
    assert (trial / "srv/homes/alumni/ada/work/a").read_text() == "1"
    assert stat.S_IMODE((trial / "srv/homes/alumni").stat().st_mode) == 0o700
    assert not (trial / "srv/homes/ada").exists()


def test_an_account_without_a_name_owns_its_trial(
    lab: LabCommand, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the user often has a number and no name; folders then say the number too."""

    def nameless(number: int) -> str:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nameless)

    assert lab("admin", "apply", "--yes").code == 0
    assert (trial / "srv" / "homes" / "ada").is_dir()


def test_without_root_a_server_is_a_script(lab: LabCommand, trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folders are not ours the commands are shown, and nothing is done."""
    monkeypatch.setattr(accounts, "owner_above", lambda _: "somebody-else")
    monkeypatch.setattr(accounts, "has_account", lambda _: False)
    ran = lab("admin", "apply", "--script")
    done = lab("admin", "apply", "--yes", "--json")

    assert ran.code == 0
    assert f"chmod 2775 {trial}/srv/datasets" in ran.out.splitlines()
    assert "usermod --append --groups lab-tsukuba-curators bob" in ran.out.splitlines()
    assert subprocess.run(["sh", "-n"], input=ran.out, text=True, check=False).returncode == 0
    assert done.code == 12
    assert done.document["error"]["code"] in {"needs-root", "file-access-denied"}


def test_an_account_of_the_system_is_no_member(lab: LabCommand, trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locking `daemon` because somebody wrote it into lab.toml would stop the server."""
    monkeypatch.setattr(accounts, "owner_above", lambda _: "somebody-else")
    text = (trial / "lab.toml").read_text() + 'daemon = { role = "student", suspended = true }\n'
    (trial / "lab.toml").write_text(text)
    ran = lab("admin", "plan", "--json")

    assert (ran.code, ran.document["error"]["code"]) == (2, "system-account")


def test_a_link_in_the_place_of_a_home_is_not_followed(trial: Path) -> None:
    """Whoever put a link there does not get what it leads to opened or closed."""
    (trial / "srv/homes").mkdir(parents=True)
    (trial / "victim").mkdir(mode=0o755)
    (trial / "srv/homes/ada").symlink_to(trial / "victim")
    server = Server(read_lab((trial / "lab.toml").read_text()))
    thing = Thing("folder", f"{trial}/srv/homes/ada")
    with pytest.raises(Exception) as told:
        server.apply(Change(Act.SET, thing, "mode", "0700"))

    assert type(told.value).__module__ == "labops.errors"
    assert stat.S_IMODE((trial / "victim").stat().st_mode) == 0o755


_REAL = """
set -e
cp -a /etc {top}/etc && mount --bind {top}/etc /etc
mkdir -p {top}/home && mount --bind {top}/home /home
cd {top}
{lab} admin apply --yes > /dev/null
{lab} admin plan --check > /dev/null && echo converged
{lab} admin prove > proof.txt && echo proved
chmod 755 srv/homes/ada
{lab} admin prove --broken > broken.txt || echo caught
{lab} admin apply --yes > /dev/null
{lab} admin suspend ada > /dev/null
id -nG ada | grep -q lab-tsukuba || echo out
{lab} admin plan --check > /dev/null && echo suspended
{lab} admin suspend ada --undo > /dev/null
id -nG ada
su ada -s /bin/sh -c 'echo hello > srv/homes/ada/f'
su bob -s /bin/sh -c 'cat srv/homes/ada/f' 2>/dev/null || echo closed
{lab} admin remove ada --archive --yes > /dev/null
cat srv/homes/alumni/ada/f
{lab} admin plan --check > /dev/null && echo removed
"""


def test_real_accounts_in_a_copy_of_the_server(trial: Path) -> None:
    """As root, in a mount namespace with its own /etc and /home: the kernel itself is asked as each member."""
    probe = ["unshare", "-m", "sh", "-c", "mount --bind /mnt /mnt && command -v useradd runuser gpasswd"]
    if os.geteuid() or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs root, mount namespaces and the programs of the package 'passwd'")
    for folder in (trial, *trial.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    script = _REAL.format(top=trial, lab=f"{sys.executable} -m labops")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n") == [
        "converged", "proved", "caught", "out", "suspended", "ada lab-tsukuba", "closed", "hello", "removed", "",
    ]  # fmt: skip
    assert "0 not as promised" in (trial / "proof.txt").read_text()
    assert "bob (curator), home of ada, list: promised denied, seen allowed" in (trial / "broken.txt").read_text()
