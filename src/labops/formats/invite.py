"""The invite: what one member needs to join one lab, as a document inside an age file.

Outside it is an ordinary age file, encrypted with a passphrase, in the ASCII form that mail does not harm. Inside it is
JSON. Whoever opens an invite may have been sent it by anybody: every field is checked before it is believed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Final

from labops.errors import InvalidInput

LIMIT: Final = 64 << 10
"""Bytes that an invite may have, encrypted or not; real ones have about two thousand."""
SUFFIX: Final = ".labinvite"
MOST_WORK: Final = 20
"""The highest scrypt work factor (its binary logarithm) that is computed: 20 takes a GiB of memory and seconds."""
ROLES: Final = ("admin", "curator", "student", "guest")

_FORMAT: Final = "labops-invite-1"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_KEY = re.compile(r"[\x21-\x7e]{1,256}")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*")
_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?")
_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[a-z0-9][a-z0-9._-]*)*")
_FOLDER = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_AGE: Final = b"age-encryption.org/v1"
_ARMOUR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
_SCRYPT = re.compile(rb"-> scrypt [A-Za-z0-9+/]{1,64} ([1-9]\d{0,2})")

_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's: no letter looks like another, and people may type it as they hear it."""
_GROUPS, _GROUP = 4, 4
RANDOM_BYTES: Final = _GROUPS * _GROUP
"""How many random bytes make one passphrase of 80 bits."""
LEAST_LETTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Invite:
    """What is in an invite. Its repr shows no secret."""

    lab: str
    member: str
    role: str
    home: str
    """`s3://BUCKET/MEMBER`, or the absolute path of a folder on the lab server; empty for guests."""
    datasets: str
    """`s3://BUCKET`, or a folder; empty for a lab without shared data."""
    repository: str = ""
    """Where git clones the datasets repository from; empty when there is none yet."""
    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    """Empty for a lab whose members need no key: folders, or a login of their own."""
    secret: str = field(default="", repr=False)
    expires: str = ""
    """The last day on which it may be used to join, `2026-12-31`; empty for no end."""

    @property
    def profile(self) -> str:
        """The AWS profile that stands for this membership."""
        return profile_of(self.lab)


def profile_of(lab: str) -> str:
    """The name of a lab's AWS profile on its members' machines."""
    return f"lab-{lab}"


def render_invite(invite: Invite) -> bytes:
    """The document that is to be encrypted."""
    rows = {name: getattr(invite, name) for name in Invite.__slots__}
    return json.dumps({"format": _FORMAT, **rows}).encode()


def parse_invite(data: bytes) -> Invite:
    """What a decrypted invite says. Raises `InvalidInput` (`bad-invite`); no message repeats what was inside."""
    if len(data) > LIMIT:
        raise _bad("it is far too large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise _bad("it holds no document") from None  # the parser's message may quote the secret
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise _bad("it was made for another version of labops", hint="pip install -U labops, or ask for a new one")
    fields = {name: found.get(name, "") for name in Invite.__slots__}
    wrong = next((name for name, value in fields.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise _bad(f"its '{wrong}' is no text")
    invite = Invite(**fields)
    check_invite(invite)
    return invite


def check_invite(invite: Invite) -> None:
    """Raise `InvalidInput` (`bad-invite`) for a field that no lab can have: paths, control characters, options."""
    is_place = re.compile(f"{_PLACE.pattern}|{_FOLDER.pattern}")
    rules: tuple[tuple[str, re.Pattern[str], bool], ...] = (
        ("lab", _NAME, True),
        ("member", _NAME, True),
        ("role", re.compile("|".join(ROLES)), True),
        ("home", is_place, False),
        ("datasets", is_place, False),
        ("endpoint", _ENDPOINT, False),
        ("region", re.compile(r"[a-z0-9-]{1,40}"), False),
        ("key_id", _KEY, False),
        ("secret", _KEY, False),
        ("expires", _DAY, False),
        ("repository", _PLAIN, False),
    )
    for name, pattern, is_needed in rules:
        value = getattr(invite, name)
        if (is_needed and not value) or (value and (len(value) > 2000 or not pattern.fullmatch(value))):
            raise _bad(f"its '{name}' is {'nothing that a lab can have' if value else 'missing'}")
    if bool(invite.key_id) != bool(invite.secret):
        raise _bad("it holds one half of a key")
    if invite.key_id and not all(place.startswith("s3://") for place in (invite.home, invite.datasets) if place):
        raise _bad("it holds a key for a folder")


def check_day(invite: Invite, today: str) -> None:
    """Raise `InvalidInput` (`invite-expired`) when `today` (`2026-04-01`) is after its last day."""
    if invite.expires and today > invite.expires:
        raise InvalidInput(
            f"this invite could be used until {invite.expires}",
            code="invite-expired",
            hint=f"ask the administrator for a new one: lab admin invite {invite.member}",
            lab=invite.lab,
        )


def check_sealed(data: bytes) -> None:
    """Raise `InvalidInput` unless `data` is an age file with a passphrase that this machine can afford to try.

    `bad-invite` for anything else, `invite-too-costly` for a work factor that would fill the memory.
    """
    factor = work_factor(data)
    if factor > MOST_WORK:
        raise InvalidInput(
            f"to open this invite would take 2^{factor} steps, which nobody's invite asks for",
            code="invite-too-costly",
            hint="it does not come from labops; ask the administrator who sent it",
        )


def work_factor(data: bytes) -> int:
    """The binary logarithm of the work that it takes to open this age file; `InvalidInput` (`bad-invite`) for none."""
    if len(data) > LIMIT:
        raise _bad("it is far too large")
    head = _opened(data)
    first, _, rest = head.partition(b"\n")
    if first != _AGE:
        raise _bad("it is no age file")
    match = _SCRYPT.fullmatch(rest.partition(b"\n")[0])
    if match is None:
        raise _bad("it is encrypted for a key, not with a passphrase")
    return int(match[1])


def _opened(data: bytes) -> bytes:
    """The age file without its armour."""
    text = data.strip()
    if not text.startswith(_ARMOUR):
        return data
    body = b"".join(line.strip() for line in text.splitlines()[1:-1])
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise _bad("its text was cut or changed on the way") from error


def _bad(what: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(
        f"this is no invite that can be used: {what}",
        code="bad-invite",
        hint=hint or "ask the administrator to make it again: lab admin invite NAME",
    )


# -- the passphrase -------------------------------------------------------------------------------------


def new_passphrase(randomness: bytes) -> str:
    """`k3fh-9xwm-t7qp-2bdr` from `RANDOM_BYTES` random bytes."""
    letters = [_LETTERS[byte % len(_LETTERS)] for byte in randomness[:RANDOM_BYTES]]
    return _grouped("".join(letters))


def read_passphrase(text: str) -> str:
    """The passphrase that somebody typed: dashes, blanks, case and 0/o, 1/i/l do not matter in one of ours."""
    stripped = text.strip("\r\n")
    bare = re.sub(r"[\s-]+", "", stripped).lower().translate(str.maketrans("oil", "011"))
    if len(bare) == _GROUPS * _GROUP and all(letter in _LETTERS for letter in bare):
        return _grouped(bare)
    return stripped


def check_strength(passphrase: str) -> None:
    """Raise `InvalidInput` (`weak-passphrase`) for one that could be guessed: the file may be copied by anybody."""
    if len(passphrase) < LEAST_LETTERS:
        raise InvalidInput(
            f"a passphrase of fewer than {LEAST_LETTERS} characters can be guessed",
            code="weak-passphrase",
            hint="leave --passphrase-file away: a good one is made and shown",
        )


def _grouped(letters: str) -> str:
    return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
