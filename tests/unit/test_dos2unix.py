"""The 2.x text rule; the two hashes are dvc's own for the same bytes."""

from __future__ import annotations

import hashlib

import pytest

from labops.formats.dos2unix import is_text, to_unix


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", True),
        (b"plain\r\n\t\f\b", True),
        (b"a\x00b", False),
        (b"\xff" * 3 + b"a" * 7, True),
        (b"\xff" * 31 + b"a" * 69, False),
        (b"\x7f\x0b", False),
    ],
)
def test_is_text(block: bytes, expected: bool) -> None:
    assert is_text(block) is expected


def test_text_is_hashed_without_carriage_returns() -> None:
    chunk = b"line1\r\nline2\r\n"
    assert hashlib.md5(to_unix(chunk)).hexdigest() == "4fcc82a88ee38e0aa16c17f512c685c9"
    assert to_unix(b"a\rb\r\r\nc\r") == b"a\rb\r\nc\r"


def test_only_the_first_512_bytes_decide() -> None:
    binary_later = b"a" * 512 + b"\x00\r\n"
    assert to_unix(binary_later) == b"a" * 512 + b"\x00\n"
    binary_first = b"\x00" + b"a" * 600 + b"\r\n"
    assert to_unix(binary_first) is binary_first
