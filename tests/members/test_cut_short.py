"""`remove`, `suspend` and `invite` broken at every step: run again they end as if nothing had happened."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labops import alumni, inviting
from labops.administration.cloud import Cloud
from labops.drivers import age, fs
from labops.drivers.iam.aws import AwsIdentities
from labops.errors import LabError
from labops.office import Office
from tests.members.conftest import PASSPHRASE, LabCommand, Staffed

STEPS: tuple[tuple[Any, str], ...] = (
    (Cloud, "apply"), (AwsIdentities, "create_key"), (AwsIdentities, "delete_key"), (AwsIdentities, "delete"),
    (AwsIdentities, "delete_policy"), (AwsIdentities, "put_policy"), (AwsIdentities, "set_active"),
    (AwsIdentities, "leave"), (alumni, "copy"), (age, "seal"), (Office, "rewrite"), (inviting.fs, "write_atomic"),
)  # fmt: skip
"""Everything that these verbs write by."""

PARITIES = (0, 1) if os.environ.get("LABOPS_FAULT_STEP") == "1" else (0,)
"""Cut after the even steps and before the odd ones; with LABOPS_FAULT_STEP=1 also the other way round."""


class Cut(Exception):
    """The process ends here."""


class Knife:
    """Counts the writing steps, and cuts before the `at`th, or after it when `late`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.late, self.count = -1, False, 0
        for place, name in STEPS:
            monkeypatch.setattr(place, name, self._wrapped(getattr(place, name)))

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def step(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            mine = self.count
            if mine == self.at and not self.late:
                raise Cut
            value = function(*arguments, **named)
            if mine == self.at:
                raise Cut
            return value

        return step

    def run(self, lab: LabCommand, words: tuple[str, ...], at: int, *, late: bool) -> bool:
        """True when the command was cut."""
        self.at, self.late, self.count = at, late, 0
        code = lab(*words).code
        was_cut = self.count >= self.at
        self.at = -1
        assert code == (1 if was_cut else 0)
        return was_cut


@pytest.fixture
def knife(on_ministack: Staffed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Knife:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(age, "seal", lambda data, _: b"sealed: " + bytes(len(data)))  # a second each, and not at stake
    return Knife(monkeypatch)


@pytest.mark.parametrize("parity", PARITIES)
def test_remove(lab: LabCommand, on_ministack: Staffed, knife: Knife, parity: int) -> None:
    """Once the first step is done no key of the member works again, wherever it is cut; at the end all is done."""
    text = Path("lab.toml").read_text()
    step = 1
    while True:
        Path("lab.toml").write_text(text)
        on_ministack.clear()
        on_ministack.apply()
        assert lab("admin", "invite", "ada", "--passphrase-file", "../passphrase").code == 0
        for number in range(3):
            on_ministack.put(f"ada/{number}", b"x" * (number + 1))
        was_cut = knife.run(lab, ("admin", "remove", "ada", "--archive", "--yes"), step, late=step % 2 == parity)
        if was_cut:
            if step > 3:  # the change, its refusal by policy, the switch
                assert not any(active_keys(on_ministack))
            assert {b"x", b"xx", b"xxx"} <= set(on_ministack.objects().values())
            again = lab("admin", "remove", "ada", "--archive", "--yes")
            assert again.code in {0, 10}, again.err
        assert on_ministack.objects() == {f"alumni/ada/{number}": b"x" * (number + 1) for number in range(3)}
        assert not any(active_keys(on_ministack))
        assert "ada" not in tomllib.loads(Path("lab.toml").read_text())["members"]
        if not was_cut:
            break
        step += 1
    assert step > 8


def active_keys(staffed: Staffed) -> list[bool]:
    try:
        return list(staffed.keys("ada").values())
    except LabError:
        return []


@pytest.mark.parametrize("parity", PARITIES)
def test_suspend_and_back(lab: LabCommand, on_ministack: Staffed, knife: Knife, parity: int) -> None:
    assert lab("admin", "invite", "ada", "--passphrase-file", "../passphrase").code == 0
    for words, is_on in ((("admin", "suspend", "ada"), False), (("admin", "suspend", "ada", "--undo"), True)):
        step = 1
        while knife.run(lab, words, step, late=step % 2 == parity):
            assert lab(*words).code == 0
            assert list(on_ministack.keys("ada").values()) == [is_on]
            assert lab("admin", "plan", "--check").code == 0
            assert lab("admin", "suspend", "ada", *(() if is_on else ("--undo",))).code == 0
            step += 1
        assert step > 2


@pytest.mark.parametrize("parity", PARITIES)
def test_invite(lab: LabCommand, on_ministack: Staffed, knife: Knife, parity: int) -> None:
    """Never more than one key that nobody knows, and the next invite removes it."""
    step = 1
    words = ("admin", "invite", "ada", "--passphrase-file", "../passphrase")
    while knife.run(lab, words, step, late=step % 2 == parity):
        assert len(on_ministack.keys("ada")) <= 1
        assert lab(*words).code == 0
        assert len(on_ministack.keys("ada")) == 1
        assert fs.read_bytes("ada.labinvite").startswith(b"sealed: ")
        step += 1
    assert step > 3
