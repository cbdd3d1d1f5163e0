"""One person's machine without any store: hostile invites, several labs, the keyring, files that others made."""

from __future__ import annotations

import stat
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from labops import lab as membership_files
from labops.lab import Membership
from tests.members.conftest import PASSPHRASE, LabCommand, seal

FOLDER_LAB = {"format": "labops-invite-1", "lab": "tsukuba", "member": "ada", "role": "student"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a home on a lab server, which needs no key."""
    (tmp_path / "homes/ada").mkdir(parents=True)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invite(here: Path, **changes: str) -> str:
    return str(seal(here, {**FOLDER_LAB, "home": f"{here}/homes/ada", **changes}))


def refused(lab: LabCommand, file: str, *words: str) -> tuple[int, str]:
    ran = lab("join", file, "--passphrase-file", "passphrase", *words, "--json")
    return ran.code, ran.document["error"]["code"]


def untouched(home: Path) -> bool:
    return not list(home.iterdir())


def test_what_anybody_may_have_sent(lab: LabCommand, here: Path, home: Path) -> None:
    """Each kind of bad file has its own error, and none writes anything."""
    Path("large").write_bytes(b"x" * 100_000)
    Path("other").write_bytes(b"hello")
    Path("costly").write_bytes(b"age-encryption.org/v1\n-> scrypt eW5oPkpY3ZzQebkq1dMDZg 30\nbody\n")
    good = invite(here)
    Path("cut").write_bytes(Path(good).read_bytes()[:-120])
    Path("wrong").write_text("another passphrase")
    cases = {
        "absent": (10, "no-such-file"),
        "large": (2, "bad-invite"),
        "other": (2, "bad-invite"),
        "costly": (2, "invite-too-costly"),
        "cut": (2, "bad-invite"),
    }
    assert {file: refused(lab, file) for file in cases} == cases
    assert refused(lab, invite(here, expires="2020-01-01")) == (2, "invite-expired")
    assert refused(lab, invite(here, home="/srv/../etc")) == (2, "bad-invite")
    assert refused(lab, invite(here), "--machine", "../x") == (2, "bad-machine-name")
    ran = lab("join", good, "--passphrase-file", "wrong", "--json")
    assert (ran.code, ran.document["error"]["code"]) == (12, "wrong-passphrase")
    assert untouched(home)


def test_without_a_terminal_nothing_is_asked(lab: LabCommand, here: Path) -> None:
    ran = lab("join", invite(here))
    assert ran.code == 2
    assert "--passphrase-file" in ran.err


def test_a_folder_lab_needs_no_key(lab: LabCommand, here: Path, home: Path) -> None:
    """No AWS file is made; the home is the folder, by its name."""
    assert lab("join", invite(here), "--passphrase-file", "passphrase", "--machine", "server").code == 0
    (here / "work").mkdir()
    (here / "work/a").write_text("1")
    assert not (home / ".aws").exists()
    assert lab("--cd", "work", "home", "link", "thesis").code == 0
    assert lab("home", "sync").code == 0  # --cd has moved us there
    assert (here / "homes/ada/thesis/a").read_text() == "1"
    assert (here / "homes/ada/.lab/machines/server/-").exists()
    path = lab("home", "link", "./there", "--json")  # a folder of this machine
    assert path.document["error"]["code"] == "home-inside-itself"


def test_a_bare_name_is_a_path_where_no_lab_was_joined(lab: LabCommand, here: Path) -> None:
    """As before there were labs."""
    (here / "work").mkdir()
    (here / "work/a").write_text("1")
    assert lab("home", "clone", "homes", "copy").code == 0
    assert (here / "copy/.lab/home.json").exists()


def test_guests_have_no_home(lab: LabCommand, here: Path) -> None:
    (here / "data").mkdir()
    ran = lab("join", invite(here, role="guest", home="", datasets=f"{here}/data"), "--passphrase-file", "passphrase")
    linked = lab("home", "link", "thesis", "--json")
    assert ran.code == 0, ran.err
    assert (linked.code, linked.document["error"]["code"]) == (10, "no-own-home")


def test_a_forged_invite_does_not_move_a_lab(lab: LabCommand, here: Path) -> None:
    """Somebody who knows the names of lab and member cannot send linked folders to a store of their own."""
    assert lab("join", invite(here), "--passphrase-file", "passphrase").code == 0
    (here / "evil/ada").mkdir(parents=True)
    forged = invite(here, home=f"{here}/evil/ada")
    ran = lab("join", forged, "--passphrase-file", "passphrase", "--json")
    (one,) = lab("whoami", "--json").document

    assert (ran.code, ran.document["error"]["code"]) == (11, "lab-moved")
    assert one["home"] == f"{here}/homes/ada"
    assert lab("join", forged, "--passphrase-file", "passphrase", "--moved").code == 0


def test_two_labs_are_told_apart(lab: LabCommand, here: Path) -> None:
    for name in ("tsukuba", "kyoto"):
        assert lab("join", invite(here, lab=name), "--passphrase-file", "passphrase").code == 0
    ran = lab("leave", "--json")
    assert (ran.code, ran.document["error"]["code"]) == (2, "several-labs")
    assert [one["lab"] for one in lab("whoami", "--json").document] == ["kyoto", "tsukuba"]
    assert lab("leave", "kyoto").code == 0
    assert lab("leave").code == 0


def test_a_membership_that_was_edited(lab: LabCommand, here: Path, home: Path) -> None:
    lab("join", invite(here), "--passphrase-file", "passphrase")
    path = home / ".config/labops/labs/tsukuba.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('{"lab": "tsukuba"}')
    ran = lab("whoami", "--json")
    assert (ran.code, ran.document["error"]["code"]) == (2, "bad-membership")


class Keyring(types.ModuleType):
    """A keyring in memory, in the place of the library."""

    def __init__(self, priority: float = 5) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.priority = priority
        self.errors = types.ModuleType("keyring.errors")
        self.errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
        self.errors.PasswordDeleteError = type("PasswordDeleteError", (Exception,), {})  # type: ignore[attr-defined]

    def get_keyring(self) -> Any:
        return types.SimpleNamespace(priority=self.priority)

    def set_password(self, service: str, name: str, secret: str) -> None:
        self.kept[service, name] = secret

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        self.kept.pop((service, name), None)


def install(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> Keyring:
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", keyring.errors)
    return keyring


ADA = Membership("tsukuba", "ada", "student", "laptop", "s3://homes/ada", key_id="KEYOFADA", region="us-east-1",
                 keeps_key="keyring")  # fmt: skip


def test_the_key_in_the_keyring(lab: LabCommand, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no file; AWS's tools get it by the command in the profile, a person on a terminal does not."""
    keyring = install(monkeypatch, Keyring())
    membership_files.write_profile(ADA, "a-secret", program='"/usr/bin/lab"')
    membership_files.save(ADA)
    texts = "".join(path.read_text() for path in home.rglob("*") if path.is_file())
    handed = lab("credentials", "tsukuba")

    assert "a-secret" not in texts
    assert 'credential_process = "/usr/bin/lab" credentials tsukuba' in texts
    assert handed.document == {"Version": 1, "AccessKeyId": "KEYOFADA", "SecretAccessKey": "a-secret"}
    assert [one["has_key"] for one in lab("whoami", "--json").document] == [True]
    membership_files.remove_profile(ADA)
    assert keyring.kept == {}
    assert lab("credentials", "tsukuba").code == 10


@pytest.mark.parametrize("priority", [0, -1])
def test_a_system_without_a_keyring(priority: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends that keep nothing, or keep it in a plain file, are none."""
    install(monkeypatch, Keyring(priority))
    with pytest.raises(Exception, match="no keyring"):
        membership_files.write_profile(ADA, "a-secret", program="lab")


def test_a_loose_credentials_file_is_closed(home: Path) -> None:
    """The key of somebody else in it was readable by all; ours must not be for a moment."""
    (home / ".aws").mkdir(mode=0o755)
    (home / ".aws/credentials").write_text("[default]\naws_access_key_id = MINE\n")
    (home / ".aws/credentials").chmod(0o644)
    membership_files.write_profile(ADA._replace(keeps_key="file"), "a-secret")

    assert stat.S_IMODE((home / ".aws/credentials").stat().st_mode) == 0o600
    assert (home / ".aws/credentials").read_text().startswith("[default]\naws_access_key_id = MINE\n")
