"""Files that a passphrase opens, in the age format: the one importer of pyrage.

pyrage chooses how much work a passphrase costs by timing a small piece of it, about a second's worth, and refuses to
open what would take sixteen. On a busy machine the timing can be far off, so both are tried again.
"""

from __future__ import annotations

from typing import Final

from labops.errors import AccessDenied, InvalidInput, Unavailable
from labops.formats.invite import work_factor

_TRIES: Final = 6
LEAST_WORK: Final = 15
"""The lowest scrypt work factor (its binary logarithm) that a sealed file may have."""


def seal(data: bytes, passphrase: str) -> bytes:
    """`data` as an age file in its ASCII form. Takes about a second on purpose: so does each guess."""
    from pyrage import passphrase as age

    for _ in range(_TRIES):
        sealed: bytes = age.encrypt(data, passphrase, armored=True)
        if work_factor(sealed) >= LEAST_WORK:
            return sealed
    raise _busy("sealed")


def unseal(data: bytes, passphrase: str) -> bytes:
    """What was sealed; nothing of it is shown in any error.

    Raises `AccessDenied` (`wrong-passphrase`), `InvalidInput` (`bad-invite`) for a file that was cut or changed, or
    `Unavailable` (`machine-busy`). The caller has looked at the work factor: nothing here limits it.
    """
    from pyrage import DecryptError
    from pyrage import passphrase as age

    for _ in range(_TRIES):
        try:
            opened: bytes = age.decrypt(data, passphrase)
        except DecryptError as error:
            if str(error).startswith("Excessive work"):
                continue
            raise _refusal(str(error)) from None  # its text is the library's, and says no more
        return opened
    raise _busy("opened")


def _refusal(text: str) -> AccessDenied | InvalidInput:
    if text == "Decryption failed":
        return AccessDenied(
            "the passphrase does not open this invite",
            code="wrong-passphrase",
            hint="type it as it was shown; after too many tries ask for a new invite",
        )
    return InvalidInput(
        "this is no invite that can be used: it was cut or changed on the way",
        code="bad-invite",
        hint="ask the administrator to send it again",
    )


def _busy(what: str) -> Unavailable:
    return Unavailable(
        f"this machine is too busy (or too slow) for an invite to be {what} now",
        code="machine-busy",
        hint="try again when less is running",
    )
