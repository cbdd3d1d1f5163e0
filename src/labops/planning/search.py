"""Which datasets, and which files in them, the words of a search mean: pure, and fast on long listings."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_GLOB = re.compile(r"[*?\[]")
_PLAIN = re.compile(r"[ !#-\[\]-~]+")
"""Text that stands in JSON as it is."""


class Word:
    """One word of a search: a part of a text, or, with `*`, `?` or `[`, a pattern for a whole name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded = text.casefold()
        self._pattern = re.compile(fnmatch.translate(self._folded)) if _GLOB.search(text) else None
        plain = self._folded
        if self._pattern is not None:
            plain = "" if "[" in text else max(re.split(r"[*?]", self._folded), key=len)
        # What must stand in a listing that has this word, in any case; empty where that cannot be said.
        self._bytes = plain.encode("ascii", "ignore") if plain.isascii() and _PLAIN.fullmatch(plain) else b""

    def is_in_name(self, path: str) -> bool:
        """True for a path that it means."""
        folded = path.casefold()
        if self._pattern is None:
            return self._folded in folded
        return bool(self._pattern.match(folded) or self._pattern.match(folded.rpartition("/")[2]))

    def is_in_text(self, text: str) -> bool:
        """True for a sentence that holds it; a pattern must fit one word of it, or all."""
        folded = text.casefold()
        if self._pattern is None:
            return self._folded in folded
        return any(self._pattern.match(part) for part in (folded, *folded.split()))

    def may_be_in(self, lowered: bytes) -> bool:
        """False when a listing, in lower case, surely has no path with this word."""
        return not self._bytes or self._bytes in lowered


class Hit(NamedTuple):
    """One dataset that was found. `match` is the best reason: `name`, `card` or `file`."""

    path: str
    match: str
    desc: str = ""
    files: tuple[str, ...] = ()
    """Matching paths inside it, relative to the project's root."""


RANKS = ("name", "card", "file")


def match_dataset(words: Sequence[Word], path: str, texts: Sequence[str]) -> tuple[str, list[Word]]:
    """How the dataset itself is found (`name`, `card`, or nothing), and the words that its files must have.

    Each word may be found in another place. When the dataset has all of them, files count that have all too.
    """
    unnamed = [word for word in words if not word.is_in_name(path)]
    if not unnamed:
        return "name", list(words)
    missing = [word for word in unnamed if not any(word.is_in_text(text) for text in texts)]
    return ("", missing) if missing else ("card", list(words))


def match_files(words: Sequence[Word], listing: bytes, paths: Callable[[bytes], Sequence[str]]) -> list[str]:
    """The paths of a listing that have every word; most listings are dismissed without being parsed."""
    lowered = listing.lower()
    if not all(word.may_be_in(lowered) for word in words):
        return []
    return [path for path in paths(listing) if all(word.is_in_name(path) for word in words)]


def ranked(hits: Sequence[Hit]) -> list[Hit]:
    """Names before cards before files, each by path."""
    return sorted(hits, key=lambda hit: (RANKS.index(hit.match), hit.path))
