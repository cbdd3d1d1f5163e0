"""Where the keys of a TOML text stand, line by line: the standard library's parser does not say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ROW = re.compile(rf"\s*({_DOTTED})\s*=\s*")
_INNER = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")
_QUOTES = re.compile(r"\"\"\"|'''")

Path = tuple[str | int, ...]


class Lines:
    """The line of each key, counted from 1. Good enough to point a person there; nothing is decided by it."""

    def __init__(self, text: str) -> None:
        self.rows = text.splitlines()
        self._found: list[tuple[Path, int]] = []
        table: Path = ()
        lists: dict[Path, int] = {}
        is_inside = False
        for number, row in enumerate(self.rows, 1):
            if len(_QUOTES.findall(row)) % 2:
                is_inside = not is_inside
                if not is_inside:
                    continue
            elif is_inside:
                continue
            header = _HEADER.match(row)
            if header:
                table = _parts(header[2])
                if header[1] == "[[":
                    lists[table] = lists.get(table, -1) + 1
                    table = (*table, lists[table])
                self._found.append((table, number))
                continue
            key = _ROW.match(row)
            if key:
                path = (*table, *_parts(key[1]))
                self._found.append((path, number))
                for inner in _INNER.finditer(row, key.end() - 1):
                    self._found.append(((*path, *_parts(inner[1])), number))

    def of(self, path: Sequence[str | int]) -> int:
        """The line of the key at `path`, or of the nearest one around it; 0 where there is none."""
        first: dict[Path, int] = {}
        for found, number in self._found:
            for length in range(len(found), 0, -1):
                first.setdefault(found[:length], number)
        for length in range(len(path), 0, -1):
            line = first.get(tuple(path[:length]))
            if line is not None:
                return line
        return 0

    def repeated(self) -> tuple[tuple[str, ...], int] | None:
        """The first key that stands there twice, and the line of its second place."""
        seen: set[Path] = set()
        for path, number in self._found:
            if path in seen:
                return tuple(str(part) for part in path), number
            seen.add(path)
        return None


def _parts(dotted: str) -> Path:
    return tuple(_plain(part[0]) for part in re.finditer(_KEY, dotted))


def _plain(key: str) -> str:
    try:
        return str(json.loads(key)) if key.startswith('"') else key.strip("'")
    except ValueError:
        return key
