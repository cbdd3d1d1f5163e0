"""Small JPEG pictures made from a seed, so that the demo needs no download and no imaging library."""

from __future__ import annotations

import random

WIDTH_BLOCKS, HEIGHT_BLOCKS = 40, 30
"""A block is 8 by 8 pixels: the pictures are 320 by 240."""

# One grey level per block is a baseline JPEG whose only coefficient is DC: the length of each difference is
# Huffman coded (the standard luminance table), and every block ends at once (an AC table of one symbol).
_DC_LENGTHS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_SYMBOLS = bytes(range(12))
_DC_CODES = ("00", "010", "011", "100", "101", "110", *("1" * n + "0" for n in range(3, 9)))
_AC_LENGTHS = bytes([1] + [0] * 15)
_END_OF_BLOCK = "0"


def picture(seed: int) -> bytes:
    """A grey mosaic in which each row of blocks wanders at random; the same seed gives the same bytes."""
    chance = random.Random(seed)
    bits: list[str] = []
    level = 0
    for _ in range(WIDTH_BLOCKS * HEIGHT_BLOCKS):
        wanted = max(-60, min(60, level + chance.randint(-9, 9)))
        bits.append(_difference(wanted - level))
        level = wanted
    return _file("".join(bits))


def _difference(value: int) -> str:
    """A DC difference as bits: the code of its length, its bits, and the end of the block."""
    length = abs(value).bit_length()
    low_bits = value if value >= 0 else value + (1 << length) - 1
    return _DC_CODES[length] + (f"{low_bits:0{length}b}" if length else "") + _END_OF_BLOCK


def _file(bits: str) -> bytes:
    padded = bits + "1" * (-len(bits) % 8)
    scan = int(padded, 2).to_bytes(len(padded) // 8, "big").replace(b"\xff", b"\xff\x00")
    size = (HEIGHT_BLOCKS * 8).to_bytes(2, "big") + (WIDTH_BLOCKS * 8).to_bytes(2, "big")
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, b"\x00" + bytes([16] * 64)),
            _segment(0xC0, b"\x08" + size + b"\x01\x01\x11\x00"),
            _segment(0xC4, b"\x00" + _DC_LENGTHS + _DC_SYMBOLS),
            _segment(0xC4, b"\x10" + _AC_LENGTHS + b"\x00"),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            scan,
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
