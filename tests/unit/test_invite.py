"""The invite: what goes in comes out, and what anybody may have sent is looked at first."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from labops.errors import InvalidInput
from labops.formats import invite as form
from labops.formats.invite import Invite

ADA = Invite(
    lab="tsukuba", member="ada", role="student", home="s3://lab-homes/ada", datasets="s3://lab-data",
    repository="git@git.lab.example:data.git", endpoint="https://s3.lab.example:7480", region="us-east-1",
    key_id="KEYOFADA", secret="a-secret/of+ada", expires="2026-12-31",
)  # fmt: skip


def document(**changes: object) -> bytes:
    return json.dumps(json.loads(form.render_invite(ADA)) | changes).encode()


def test_round_trip() -> None:
    assert form.parse_invite(form.render_invite(ADA)) == ADA
    assert ADA.profile == "lab-tsukuba"


def test_its_repr_holds_no_secret() -> None:
    assert "a-secret" not in repr(ADA) + str(ADA)


@pytest.mark.parametrize(
    "changes",
    [
        {"lab": "../../etc"}, {"lab": ""}, {"lab": "a\nb"}, {"lab": "A"}, {"member": "ada/../bob"}, {"member": "-x"},
        {"member": "a\x1b[31m"}, {"member": 7}, {"role": "root"}, {"home": "s3://lab-homes/../bob"},
        {"home": "s3://lab-homes/ada/../bob"}, {"home": "/srv/../etc"}, {"home": "file:///etc"}, {"home": "s3://UPPER/a"},
        {"datasets": "https://x"}, {"endpoint": "file:///x"}, {"endpoint": "https://a/b?c"},
        {"endpoint": "https://user:pw@host"}, {"region": "us east"}, {"key_id": "a b"}, {"key_id": "a\nb"},
        {"secret": "line\nbreak = 1"}, {"secret": ""}, {"key_id": ""}, {"expires": "soon"}, {"expires": "2026-13-01"},
        {"repository": "a\x00b"}, {"repository": "x\x1b]0;"}, {"repository": "gpj.\u202eexe"}, {"home": None},
        {"home": "/srv/lab/ada"}, {"secret": "x" * 3000}, {"format": "labops-invite-9"},
    ],
    ids=str,
)  # fmt: skip
def test_a_hostile_field_is_refused(changes: Mapping[str, object]) -> None:
    """Paths, control characters, options, halves: each is told, and nothing of the secret with it."""
    with pytest.raises(InvalidInput) as told:
        form.parse_invite(document(**changes))
    assert told.value.code == "bad-invite"
    assert "a-secret" not in told.value.message + told.value.hint


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 60_000, b"{}", b"x" * 70_000], ids=len)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as told:
        form.parse_invite(data)
    assert told.value.code == "bad-invite"
    assert told.value.__cause__ is None, "the parser's message would quote what was inside"


def test_a_folder_lab_needs_no_key() -> None:
    local = Invite("tsukuba", "ada", "student", "/srv/lab/homes/ada", "/srv/lab/datasets")
    assert form.parse_invite(form.render_invite(local)) == local


def test_the_last_day_counts() -> None:
    form.check_day(ADA, "2026-12-31")
    with pytest.raises(InvalidInput) as told:
        form.check_day(ADA, "2027-01-01")
    assert told.value.code == "invite-expired"
    assert "lab admin invite ada" in told.value.hint


def age_file(stanza: str, *, is_armoured: bool) -> bytes:
    body = f"age-encryption.org/v1\n{stanza}\nbody\n--- mac\n".encode()
    if not is_armoured:
        return body
    text = base64.encodebytes(body)
    return b"-----BEGIN AGE ENCRYPTED FILE-----\n" + text + b"-----END AGE ENCRYPTED FILE-----\n"


@pytest.mark.parametrize("is_armoured", [False, True])
def test_only_a_passphrase_that_can_be_afforded_is_tried(is_armoured: bool) -> None:
    """A file that would fill the memory, or that is for a key, is refused before any work is done."""
    form.check_sealed(age_file("-> scrypt eW5oPkpY3ZzQebkq1dMDZg 18", is_armoured=is_armoured))
    for stanza, code in (
        ("-> scrypt eW5oPkpY3ZzQebkq1dMDZg 30", "invite-too-costly"),
        ("-> scrypt eW5oPkpY3ZzQebkq1dMDZg 999999", "bad-invite"),
        ("-> X25519 eW5oPkpY3ZzQebkq1dMDZg", "bad-invite"),
    ):
        with pytest.raises(InvalidInput) as told:
            form.check_sealed(age_file(stanza, is_armoured=is_armoured))
        assert told.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x7fELF",
        b"x" * 70_000,
        b"-----BEGIN AGE ENCRYPTED FILE-----\n@@@\n-----END AGE ENCRYPTED FILE-----",
    ],
    ids=len,
)
def test_what_is_no_age_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as told:
        form.check_sealed(data)
    assert told.value.code == "bad-invite"


def test_a_passphrase_can_be_told_on_the_telephone() -> None:
    """Dashes, blanks, case, o for 0 and l for 1 do not matter; a chosen passphrase is taken as it is."""
    made = form.new_passphrase(bytes(range(16)))
    assert made == "0123-4567-89ab-cdef"
    assert form.read_passphrase("O1 23 4567-89AB cdef\r\n") == made
    assert form.read_passphrase("Ol23456789abcdef") == made
    assert form.read_passphrase("Correct Horse - battery\n") == "Correct Horse - battery"
    assert form.read_passphrase(made) == made


def test_every_letter_is_as_likely() -> None:
    letters = {form.new_passphrase(bytes([byte] * 16))[0] for byte in range(32)}
    assert len(letters) == 32
    assert form.new_passphrase(bytes([5] * 16)) == form.new_passphrase(bytes([5 + 32 * 7] * 16))


def test_a_short_passphrase_is_refused() -> None:
    form.check_strength("0123-4567-89ab-cdef")
    with pytest.raises(InvalidInput) as told:
        form.check_strength("password")
    assert told.value.code == "weak-passphrase"
