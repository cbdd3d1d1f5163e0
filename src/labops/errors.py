"""Every error labops raises, grouped by what the reader does next.

    LabError                            exit   web
    ├── InvalidInput  (ValueError)        2    400   fix the command or the file
    ├── NotFound      (LookupError)      10    404   name something that exists, or `lab init`
    ├── Conflict                         11    409   look at both sides; nothing was overwritten
    ├── AccessDenied  (PermissionError)  12    403   renew credentials or ask the administrator
    ├── Corrupt                          13    502   fetch again, or push again from a good copy
    ├── Unavailable                      14    503   wait and retry; the only retryable class
    ├── NoSpace       (OSError)          15    507   free room; nothing is half-written
    └── Unsupported                      16    501   use `dvc` for this, or another provider

Codes are append-only: scripts match on them, so a code is never renamed. `docs/reference/errors.md`
lists them all, and a test fails when one is missing there.
"""

from __future__ import annotations

import re
from typing import ClassVar

_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class LabError(Exception):
    """Base of everything labops raises on purpose.

    `code` is stable and kebab-case, `hint` says what to do next (a command to type where one exists),
    and `fields` holds the named facts (`path`, `bucket`, `key_id` …) that `--json` prints beside them.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, code: str, hint: str = "", **fields: str | int | None) -> None:
        if not _KEBAB.fullmatch(code):
            raise AssertionError(f"error code {code!r} is not kebab-case")
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel from worker processes whole."""
        return _remade, (type(self), self.message, self.code, self.hint, self.fields)


def _remade(kind: type[LabError], message: str, code: str, hint: str, fields: dict[str, str | int | None]) -> LabError:
    return kind(message, code=code, hint=hint, **fields)


class InvalidInput(LabError, ValueError):
    """The command line, a configuration or a pointer file says something that cannot be."""

    exit_code = 2
    http_status = 400


class NotFound(LabError, LookupError):
    """Something named does not exist: a target, a remote, a revision, a bucket."""

    exit_code = 10
    http_status = 404


class Conflict(LabError):
    """Two sides differ, or somebody else holds a lock. Nothing was overwritten."""

    exit_code = 11
    http_status = 409


class AccessDenied(LabError, PermissionError):
    """Credentials are absent, wrong, expired or too narrow. Stops the whole pool of transfers."""

    exit_code = 12
    http_status = 403


class Corrupt(LabError):
    """Bytes do not have the hash their name promises."""

    exit_code = 13
    http_status = 502


class Unavailable(LabError):
    """The other side cannot be reached or is overloaded. The only class that is worth a retry."""

    exit_code = 14
    http_status = 503


class NoSpace(LabError, OSError):
    """A disk or a quota is full. Stops the whole pool of transfers; nothing is half-written."""

    exit_code = 15
    http_status = 507


class Unsupported(LabError):
    """labops does not do this, or the store behind a remote cannot."""

    exit_code = 16
    http_status = 501
