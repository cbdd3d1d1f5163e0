"""Texts that look like secret keys: what must never get into a repository's history."""

from __future__ import annotations

import re
from typing import NamedTuple

_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_KEY_ID = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_NAMED_SECRET = re.compile(
    r"(?:aws_?)?secret_?(?:access_?)?key[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])", re.IGNORECASE
)
_BARE_SECRET = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_HEX = re.compile(r"[0-9a-fA-F]{40}")
_CONFIG_SECRET = re.compile(
    r"^\s*(secret_access_key|session_token|password|account_key|sas_token|connection_string|client_secret"
    r"|gdrive_client_secret|custom_auth_header)\s*=\s*(\S.*)$",
    re.IGNORECASE,
)


class Secret(NamedTuple):
    """One suspicion: the line, counted from 1, and what it looks like. Never the secret itself."""

    line: int
    what: str


def find_secrets(path: str, text: str) -> tuple[Secret, ...]:
    """What in the file `path` looks like a secret key; documented examples (`…EXAMPLE`) are let through."""
    found = []
    lines = text.splitlines()
    has_key_id = any(not match[0].endswith("EXAMPLE") for match in _KEY_ID.finditer(text))
    is_config = path == ".dvc/config" or path.endswith("/.dvc/config")
    for number, line in enumerate(lines, 1):
        config = _CONFIG_SECRET.match(line) if is_config else None
        if config:
            found.append(Secret(number, f"the option '{config[1].lower()}' of a remote"))
        elif _PRIVATE_KEY.search(line):
            found.append(Secret(number, "a private key"))
        elif _is_aws_secret(line, has_key_id=has_key_id):
            found.append(Secret(number, "an AWS secret access key"))
    return tuple(found)


def _is_aws_secret(line: str, *, has_key_id: bool) -> bool:
    named = _NAMED_SECRET.search(line)
    if named and not named[1].endswith("EXAMPLEKEY"):
        return True
    if not has_key_id:
        return False
    # Beside a key id any word of that shape counts, but for the hashes that repositories are full of.
    return any(not _HEX.fullmatch(word[0]) and _is_mixed(word[0]) for word in _BARE_SECRET.finditer(line))


def _is_mixed(word: str) -> bool:
    """Random letters hold both cases and a digit; a path or a long name seldom does."""
    if word.endswith("EXAMPLEKEY"):
        return False
    return any(c.isupper() for c in word) and any(c.islower() for c in word) and any(c.isdigit() for c in word)
