"""Tree objects (`.dir`): the JSON list of a folder's files, in the exact bytes that dvc hashes."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import repeat
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from labops.errors import Corrupt, InvalidInput
from labops.model import Entry, Oid, RelPath, Tree, parse_relpath

if TYPE_CHECKING:
    import msgspec

_BETWEEN = "/\x00/"
_HEX_DIGITS = b"0123456789abcdef"


def render_tree(entries: Iterable[Entry]) -> bytes:
    """The tree object of `entries`, which may come in any order: dvc's JSON list of them.

    Raises `InvalidInput` (`unsafe-path`) for a name that is not valid Unicode: dvc cannot store it either.
    """
    in_order = sorted(entries, key=itemgetter(0))
    rows = [f'{{"md5": "{entry[1]}", "relpath": {encode_basestring_ascii(entry[0])}}}' for entry in in_order]
    text = "[" + ", ".join(rows) + "]"
    if "\\ud" in text:  # half of an astral character, or a byte that was no UTF-8
        for entry in in_order:
            _refuse_surrogates(entry.path)
    return text.encode("ascii")


def tree_oid(data: bytes) -> Oid:
    """The name under which the tree object `data` is stored."""
    return Oid(hashlib.md5(data).hexdigest() + ".dir")


def parse_tree(data: bytes, *, oid: Oid) -> Tree:
    """The tree that the object `data`, called `oid`, lists; entries sorted, sizes unknown.

    Extra keys of older versions are accepted. That `data` has the hash `oid` is the cache's to check.
    Raises `Corrupt` (`bad-tree-object`) for anything that is no such list, for a path listed twice and for
    a path that is a file here and a folder there; `InvalidInput` (`unsafe-path`) as `parse_relpath` does.
    """
    paths, md5s = _decode(data, oid)
    if not _are_hashes(md5s):
        raise _corrupt(oid, "a file's hash is not 32 hex digits")
    _check_paths(paths)
    known = set(paths)
    if len(known) != len(paths):
        raise _corrupt(oid, "a path is listed twice")
    clash = _folders(paths) & known
    if clash:
        raise _corrupt(oid, f"'{min(clash)[:200]}' is listed as a file and used as a folder")
    return Tree(oid, _entries(paths, md5s))


def _entries(paths: list[str], md5s: list[str]) -> tuple[Entry, ...]:
    # A million new tuples trigger hundreds of garbage collections that cannot find anything: none is in a
    # cycle. Without them this takes a fifth of the time. Two threads here at once do no harm: only the one
    # that found collection enabled turns it on again.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        make = partial(tuple.__new__, Entry)
        entries: list[Entry] = list(map(make, zip(paths, md5s, repeat(None))))
    finally:
        if was_enabled:
            gc.enable()
    entries.sort(key=itemgetter(0))
    return tuple(entries)


def _decode(data: bytes, oid: Oid) -> tuple[list[str], list[str]]:
    import msgspec

    try:
        rows = _decoder().decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise _corrupt(oid, "it is not a list of hashes and paths") from error
    return [row.relpath for row in rows], [row.md5 for row in rows]


class _Row(Protocol):
    md5: str
    relpath: str


@cache
def _decoder() -> msgspec.json.Decoder[list[_Row]]:
    import msgspec  # nine milliseconds that most commands need not spend

    row = msgspec.defstruct("Row", [("md5", str), ("relpath", str)], gc=False)
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


def _are_hashes(md5s: Sequence[str]) -> bool:
    """True when each is 32 lower-case hex digits; asked of all at once, which is far faster than of each."""
    if not md5s:
        return True
    joined = "\n".join(md5s)
    if len(joined) != 33 * len(md5s) - 1 or not joined.isascii():
        return False
    breaks = "\n" * (len(md5s) - 1)
    return joined[32::33] == breaks and joined.encode().translate(None, _HEX_DIGITS).decode() == breaks


def _check_paths(paths: Sequence[str]) -> None:
    """`parse_relpath` for all: the rule over one long text, and one by one only to name the bad one."""
    joined = "/" + _BETWEEN.join(paths) + "/"
    if not paths or (
        "//" not in joined and "/./" not in joined and "/../" not in joined and joined.count("\x00") == len(paths) - 1
    ):
        return
    for path in paths:
        parse_relpath(path)


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder above the paths."""
    folders: set[str] = set()
    parents = {path.rpartition("/")[0] for path in paths}
    while parents:
        folders |= parents
        parents = {folder.rpartition("/")[0] for folder in parents} - folders
    return folders - {""}


def _corrupt(oid: Oid, problem: str) -> Corrupt:
    return Corrupt(
        f"tree object '{oid}' is damaged: {problem}",
        code="bad-tree-object",
        hint="fetch it again, or push it again from a machine that has a good copy",
        oid=oid,
    )


def _refuse_surrogates(path: RelPath) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the name '{ascii(path)[1:-1][:200]}' is not valid UTF-8",
            code="unsafe-path",
            hint="rename the file: a dataset can hold only names that every machine can spell",
        ) from error
