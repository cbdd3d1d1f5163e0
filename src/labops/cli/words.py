"""Numbers and lists as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def human_size(size: int) -> str:
    """`1536` as `1.5 KiB`; bytes stay whole."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def files(number: int, what: str) -> str:
    """`1 file pushed`, `3 files pushed`."""
    return f"{number} file{'s' if number != 1 else ''} {what}"


def join(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`: the way dvc joins the parts of a summary."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
