"""The text rule of DVC 2.x (`md5-dos2unix`): CRLF counts as LF when a file is hashed, if it looks like text.

A file is hashed in chunks of `CHUNK_BYTES`, and each chunk is judged on its own, as in dvc
(`dvc_data/hashfile/hash.py`, `istextfile.py`): a CRLF across two chunks stays, and one file may be text in
one chunk and binary in the next.
"""

from __future__ import annotations

CHUNK_BYTES = 2**20
"""The chunk size is part of the hash: another one gives other hashes."""

_LOOK_BYTES = 512
_TEXT_BYTES = bytes(range(32, 127)) + b"\n\r\t\f\b"


def is_text(block: bytes) -> bool:
    """True when `block`, the first 512 bytes of a chunk, has no NUL and at most 30 % unusual bytes."""
    if not block:
        return True
    if b"\x00" in block:
        return False
    return len(block.translate(None, _TEXT_BYTES)) / len(block) <= 0.30


def to_unix(chunk: bytes) -> bytes:
    """What to hash of one chunk (all but the last are `CHUNK_BYTES`): text with CRLF made LF, or `chunk`."""
    return chunk.replace(b"\r\n", b"\n") if is_text(chunk[:_LOOK_BYTES]) else chunk
