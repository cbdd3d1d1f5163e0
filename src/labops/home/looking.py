"""Look at both sides of a linked folder, as little as is needed to decide: the *observe* of every home verb."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from labops import transfer
from labops.agreement import Here, Known, There, is_comparable
from labops.errors import InvalidInput, LabError, NotFound
from labops.formats.basefile import Base
from labops.home import HomeFolder
from labops.home.rules import Rules
from labops.model import Event, OnEvent, ignore, parse_relpath
from labops.places.home import Stored
from labops.places.local import KEYS, MACHINES, PRIVATE, Scan, digest_file
from labops.planning.home import kinds, to_ask, to_read


class Sides(NamedTuple):
    """The three sides, of the paths that this run is about."""

    base: Base
    rows: Mapping[str, Known]
    here: dict[str, Here]
    there: dict[str, There]
    scan: Scan
    odd: tuple[tuple[str, str], ...]
    """Names that cannot be on both sides, and why: left alone wherever they are."""
    failed: tuple[tuple[str, LabError], ...]
    """Files that could not be read: nothing is decided about them."""
    here_total: int
    there_total: int


def observe(
    folder: HomeFolder,
    rules: Rules,
    *,
    max_size: int | None = None,
    is_looking: bool = False,
    on_event: OnEvent = ignore,
) -> Sides:
    """Scan and list at the same time, then read those contents that decide.

    Files that are larger than `max_size` on either side are left alone on both.
    """
    base = folder.load_base()
    listing = _Listing(folder, rules, base.rows, on_event)
    listing.start()
    try:
        scan = folder.local.scan(rules.is_ignored, base.rows, is_looking=is_looking)
    finally:
        there, odd = listing.join()
    here = _named(scan.files, odd)
    odd += scan.odd
    totals = len(here), len(there)
    unknown = _unknown_folders(scan, base)
    is_in = _selection(rules, unknown)
    known: Mapping[str, Known] = base.rows
    if is_in is not None:
        known = {path: row for path, row in known.items() if is_in(path)}
        here = {path: row for path, row in here.items() if is_in(path)}
        there = {path: row for path, row in there.items() if is_in(path)}
    if max_size is not None:
        known = _without_large(max_size, known, here, there, odd)
    failed = _read(folder, known, here, there, on_event)
    for path, _ in failed:
        here.pop(path, None)
        there.pop(path, None)
    known = {path: row for path, row in known.items() if path not in dict(failed)} if failed else known
    failed += [(name, _unreadable(name)) for name in unknown]
    return Sides(base, known, here, there, scan, tuple(odd), tuple(failed), *totals)


class _Listing(threading.Thread):
    """Lists the home while the folder is being scanned."""

    def __init__(self, folder: HomeFolder, rules: Rules, known: Mapping[str, Known], on_event: OnEvent) -> None:
        super().__init__(name="labops-list", daemon=True)
        self._folder, self._rules, self._known, self._on_event = folder, rules, known, on_event
        self._there: dict[str, There] = {}
        self._odd: list[tuple[str, str]] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        self._on_event(Event("started", "list", total=len(self._known) or None))
        try:
            for page in self._folder.home.list(sorted(self._known)):
                _sort_out(page, self._rules, self._known, self._there, self._odd)
                self._on_event(Event("advanced", "list", count=len(page)))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        finally:
            self._on_event(Event("finished", "list"))

    def join(  # type: ignore[override]
        self, timeout: float | None = None
    ) -> tuple[dict[str, There], list[tuple[str, str]]]:
        """Objects by path and odd keys, or what went wrong. A home that nobody wrote to yet has none."""
        while self.is_alive():
            super().join(0.2 if timeout is None else timeout)  # in pieces, so that Ctrl-C is heard
        if self._error is not None:
            raise self._error
        return self._there, list(dict.fromkeys(self._odd))


def _sort_out(
    rows: Iterable[Stored],
    rules: Rules,
    known: Mapping[str, Known],
    there: dict[str, There],
    odd: list[tuple[str, str]],
) -> None:
    """Objects by path into `there`, and the keys that no path can stand for into `odd`.

    What is as in `known` shares its text, so that a hundred thousand of them need little memory.
    """
    private = PRIVATE + "/"
    for key, size, mark, digest, _ in rows:
        try:
            path = parse_relpath(key)
        except InvalidInput:
            # A folder's marker, as consoles make them, is no file and no mistake.
            if size or not key.endswith("/") or not is_safe(key[:-1]):
                odd.append((key, "its key is no path of a file"))
            continue
        if path.startswith((KEYS, MACHINES)):
            continue
        if path.startswith(private) or f"/{private}" in path:
            odd.append((key, f"'{PRIVATE}' is labops' own folder"))
        elif not rules.is_ignored_path(path):
            row = known.get(path)
            mark = row.mark if row is not None and row.mark == mark else mark
            there[sys.intern(path)] = There(size, mark, mark if digest == mark else digest)


def is_safe(key: str) -> bool:
    """True for a key that is a path which stays inside its folder."""
    try:
        parse_relpath(key)
    except InvalidInput:
        return False
    return True


def _named(files: dict[str, Here], odd: list[tuple[str, str]]) -> dict[str, Here]:
    """Without the files whose names no key can hold: keys are Unicode text."""
    bent = [path for path in files if not path.isascii() and not _is_text(path)]
    odd += [(path, "its name is not Unicode text, which keys must be") for path in bent]
    return {path: row for path, row in files.items() if path not in set(bent)} if bent else files


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unknown_folders(scan: Scan, base: Base) -> list[str]:
    """Folders that could not be read, and mount points that are not mounted now."""
    mounted = set(scan.mounts)
    return [*scan.unreadable, *(name for name in base.mounts if name not in mounted)]


def _unreadable(name: str) -> LabError:
    from labops.errors import Unavailable

    return Unavailable(
        f"'{name}' cannot be read or is not mounted; nothing below it was touched",
        code="folder-unreadable",
        hint="mount it or give yourself the right, then sync again",
        path=name,
    )


def _selection(rules: Rules, unknown: list[str]) -> Callable[[str], bool] | None:
    """Which paths this run is about; None when it is about all."""
    if not rules.is_filtering and not unknown:
        return None
    wanted, starts = rules.is_wanted, tuple(unknown)
    return lambda path: wanted(path) and not path.startswith(starts) and not rules.is_ignored_path(path)


def _without_large(
    most: int,
    known: Mapping[str, Known],
    here: dict[str, Here],
    there: dict[str, There],
    odd: list[tuple[str, str]],
) -> Mapping[str, Known]:
    """Take the large files out of all three sides: nothing is decided about them."""
    large = {path for path, row in here.items() if row.size > most}
    large |= {path for path, row in there.items() if row.size > most}
    if not large:
        return known
    odd += [(path, f"it is larger than {most:,} bytes, the most that is synced") for path in sorted(large)]
    for path in large:
        here.pop(path, None)
        there.pop(path, None)
    return {path: row for path, row in known.items() if path not in large}


def _read(
    folder: HomeFolder,
    known: Mapping[str, Known],
    here: dict[str, Here],
    there: dict[str, There],
    on_event: OnEvent,
) -> list[tuple[str, LabError]]:
    """Fill in the digests that decide, here and then there; what could not be read."""
    failed: list[tuple[str, LabError]] = []
    paths = to_read(known, here, there)
    likes = dict(zip(paths, kinds(paths, known, here, there), strict=True))
    found = transfer.each(
        paths,
        lambda path: folder.local.digest(path, here[path], likes[path]),
        phase="read",
        size_of=lambda path: here[path].size,
        on_event=on_event,
    )
    for path, value in zip(paths, found, strict=True):
        if isinstance(value, Here):
            here[path] = value
        elif isinstance(value, NotFound):
            here.pop(path)
        else:
            failed.append((path, value))
    asked = to_ask(known, here, there)
    answers = transfer.each(
        asked, lambda path: _digest_there(folder, path, here[path].digest), phase="ask", jobs=8, on_event=on_event
    )
    for path, answer in zip(asked, answers, strict=True):
        if isinstance(answer, There):
            there[path] = answer
        elif isinstance(answer, NotFound):
            there.pop(path)
        else:
            failed.append((path, answer))
    return failed


def _digest_there(folder: HomeFolder, path: str, ours: str) -> There:
    """The object with its digest, of the kind of `ours`: from what the store says, or else by reading it."""
    from labops.drivers import fs

    found = folder.home.look(path)
    if found is not None:
        for said in (found.digest, found.mark):
            if said == ours or (said and said == found.digest and is_comparable(said, ours)):
                return There(found.size, found.mark, said)
    temporary = folder.local.temporary()
    try:
        got = folder.home.get(path, temporary)
        digest = got.digest if is_comparable(got.digest, ours) else digest_file(temporary, ours)[0]
    finally:
        fs.remove(temporary)
    return There(got.size, got.mark, digest)
