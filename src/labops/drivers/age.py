"""Files that a passphrase opens, in the age format: the one importer of pyrage."""

from __future__ import annotations

from labops.errors import AccessDenied, InvalidInput


def seal(data: bytes, passphrase: str) -> bytes:
    """`data` as an age file in its ASCII form. Takes about a second on purpose: so does each guess."""
    from pyrage import passphrase as age

    sealed: bytes = age.encrypt(data, passphrase, armored=True)
    return sealed


def unseal(data: bytes, passphrase: str) -> bytes:
    """What was sealed; nothing of it is shown in any error.

    Raises `AccessDenied` (`wrong-passphrase`), or `InvalidInput` (`bad-invite`) for a file that was cut or changed.
    The caller has looked at the work factor: nothing here limits it.
    """
    from pyrage import DecryptError
    from pyrage import passphrase as age

    try:
        opened: bytes = age.decrypt(data, passphrase)
    except DecryptError as error:
        if str(error) == "Decryption failed":
            raise AccessDenied(
                "the passphrase does not open this invite",
                code="wrong-passphrase",
                hint="type it as it was shown; after too many tries ask for a new invite",
            ) from None
        raise InvalidInput(
            "this is no invite that can be used: it was cut or changed on the way",
            code="bad-invite",
            hint="ask the administrator to send it again",
        ) from None
    return opened
