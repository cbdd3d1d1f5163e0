"""Sealing and opening: other programs' files too, wrong passphrases, damage, and machines that misjudge the work."""

from __future__ import annotations

from typing import Any

import pyrage
import pytest

from labops.drivers import age
from labops.errors import LabError
from labops.formats.invite import work_factor


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return age.seal(b"secret", "correct-horse")


def test_round_trip_with_the_library_itself(sealed: bytes) -> None:
    """Any age program opens what we seal, and we open what any has sealed."""
    assert pyrage.passphrase.decrypt(sealed, "correct-horse") == b"secret"
    assert age.unseal(pyrage.passphrase.encrypt(b"theirs", "pw"), "pw") == b"theirs"
    assert b"secret" not in sealed
    assert work_factor(sealed) >= age.LEAST_WORK


def test_failures_are_told_apart(sealed: bytes) -> None:
    cut = sealed[: len(sealed) // 2]
    for data, passphrase, code in ((sealed, "wrong", "wrong-passphrase"), (cut, "correct-horse", "bad-invite")):
        with pytest.raises(LabError) as told:
            age.unseal(data, passphrase)
        assert told.value.code == code
        assert told.value.__cause__ is None


def test_a_busy_machine_tries_again(sealed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timing that was off does not make a good invite a bad one, nor a weak one good enough."""
    answers: list[Any] = [
        pyrage.DecryptError("Excessive work parameter for passphrase.\nDecryption would take …"),
        b"x",
    ]

    def answer(*_: object, **__: object) -> Any:
        value = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(value, Exception):
            raise value
        return value

    monkeypatch.setattr(pyrage.passphrase, "decrypt", answer)
    assert age.unseal(sealed, "correct-horse") == b"x"
    answers[:] = [pyrage.DecryptError("Excessive work parameter")]
    with pytest.raises(LabError) as told:
        age.unseal(sealed, "correct-horse")
    assert told.value.code == "machine-busy"
    weak = b"age-encryption.org/v1\n-> scrypt eW5oPkpY3ZzQebkq1dMDZg 12\nbody\n"
    answers[:] = [weak, sealed]
    monkeypatch.setattr(pyrage.passphrase, "encrypt", answer)
    assert age.seal(b"secret", "correct-horse") == sealed
