"""The system's keyring (Secret Service, KWallet, Keychain): the one importer of keyring, which is an extra."""

from __future__ import annotations

from types import ModuleType

from labops.errors import AccessDenied, Unsupported

_SERVICE = "labops"


def keep(name: str, key_id: str, secret: str) -> None:
    """Keep `secret`. Raises `Unsupported` (`no-keyring`) or `AccessDenied` (`keyring-locked`)."""
    keyring = _keyring()
    try:
        keyring.set_password(_SERVICE, _entry(name, key_id), secret)
    except keyring.errors.KeyringError:
        raise _locked() from None  # not chained: a backend may quote what it was given


def fetch(name: str, key_id: str) -> str | None:
    """The secret; None when there is none."""
    keyring = _keyring()
    try:
        found: str | None = keyring.get_password(_SERVICE, _entry(name, key_id))
    except keyring.errors.KeyringError:
        raise _locked() from None
    return found


def drop(name: str, key_id: str) -> None:
    """Forget the secret; absent is fine."""
    keyring = _keyring()
    try:
        keyring.delete_password(_SERVICE, _entry(name, key_id))
    except keyring.errors.PasswordDeleteError:
        return
    except keyring.errors.KeyringError:
        raise _locked() from None


def _entry(name: str, key_id: str) -> str:
    return f"{name}/{key_id}"


def _locked() -> AccessDenied:
    return AccessDenied(
        "the system's keyring is locked, or refuses",
        code="keyring-locked",
        hint="unlock it, or join without --keyring: the key then lies in a file that only you can read",
    )


def _keyring() -> ModuleType:
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise Unsupported(
            "the keyring of the system is not used without its library",
            code="no-keyring",
            hint="pip install 'labops[keyring]', or join without --keyring",
        ) from error
    # A chainer without members and the "fail" and "null" backends say so by their priority.
    backend = keyring.get_keyring()
    if getattr(backend, "priority", 0) < 1 and not getattr(backend, "backends", ()):
        raise Unsupported(
            "this system has no keyring",
            code="no-keyring",
            hint="join without --keyring: the key then lies in a file that only you can read",
        )
    return keyring  # type: ignore[no-any-return]
