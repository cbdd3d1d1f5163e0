"""A folder that is linked to a home: its settings below `.lab/`, the two sides it hands out, and its base."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from labops.drivers import fs
from labops.drivers.lock import FOREVER, WAIT_SECONDS, Holder, RepositoryLock
from labops.errors import Conflict, InvalidInput, NotFound
from labops.formats.basefile import Base, parse_base, render_base
from labops.home.stamps import machine_name, new_stamp
from labops.model import RemoteSettings
from labops.places.home import Home, open_home
from labops.places.local import PRIVATE, LocalFolder

SETTINGS = f"{PRIVATE}/home.json"
_BASE = f"{PRIVATE}/base"
_LIMIT = 1 << 20
_RESUMED_FROM = 64 << 20
NUMBERS = ("limit", "max_size", "keep_trash")
"""Settings of a link that are numbers."""
_URL = re.compile(r"(?:s3|gs|azure)://.+")


class Link(NamedTuple):
    """What `.lab/home.json` says."""

    url: str
    options: Mapping[str, str]
    has_default_rules: bool = True
    conditions: frozenset[str] | None = None
    """What the store was seen to refuse when it should; None while nobody asked."""
    limit: int | None = None
    """Bytes per second, in both directions together."""
    max_size: int | None = None
    """Bytes; larger files are left alone on both sides."""
    keep_trash: int | None = None
    """Seconds after which what is in the trash is deleted for good; None keeps it."""


def with_numbers(link: Link, numbers: Mapping[str, int | None]) -> Link:
    """`link` with those of its `NUMBERS` that are given."""
    limit, max_size, keep_trash = (numbers.get(name, getattr(link, name)) for name in NUMBERS)
    return link._replace(limit=limit, max_size=max_size, keep_trash=keep_trash)


class HomeFolder:
    """One linked folder."""

    def __init__(
        self,
        root: str,
        link: Link,
        *,
        waits: bool = False,
        on_wait: Callable[[str], None] = lambda _: None,
        home: Home | None = None,
        machine: str = "",
    ) -> None:
        """`home` and `machine` stand in for the linked home and this computer's name."""
        self.root = root
        self.link = link
        self.local = LocalFolder(root)
        self.home = home or open_home(RemoteSettings("home", link.url, link.options), conditions=link.conditions)
        self.home.pace.rate = link.limit
        self.machine = machine or machine_name()
        self._waits = waits
        self._on_wait = on_wait

    @classmethod
    def find(
        cls, start: str = ".", *, waits: bool = False, on_wait: Callable[[str], None] = lambda _: None
    ) -> HomeFolder:
        """The linked folder at or above `start`; `NotFound` (`not-a-home`) when there is none."""
        folder = os.path.realpath(start)
        while True:
            if os.path.isfile(os.path.join(folder, SETTINGS)):
                return cls(folder, read_link(folder), waits=waits, on_wait=on_wait)
            parent = os.path.dirname(folder)
            if parent == folder:
                raise NotFound(
                    f"'{os.path.realpath(start)}' is not linked to a home, nor is a folder above it",
                    code="not-a-home",
                    hint="lab home link URL; if it was linked before: is its disk mounted?",
                )
            folder = parent

    def __repr__(self) -> str:
        return f"HomeFolder({self.root!r}, {self.link.url!r})"

    def lock(self) -> RepositoryLock:
        """One command at a time in this folder; the second waits a little, then says who holds it."""

        def tell(holder: Holder) -> None:
            self._on_wait(f"waiting for {holder}, which holds this folder")

        seconds = FOREVER if self._waits else WAIT_SECONDS
        return RepositoryLock(f"{self.root}/{PRIVATE}/lock", wait_seconds=seconds, on_wait=tell, guards="this folder")

    def load_base(self) -> Base:
        """What both sides last agreed on; empty where nobody knows (then contents are compared)."""
        base = parse_base(fs.read_cache_file(f"{self.root}/{_BASE}"))
        return base if base is not None and base.url == self.link.url else Base(self.link.url)

    def save_base(self, base: Base) -> None:
        """Atomically, and on disk when this returns."""
        fs.write_atomic(f"{self.root}/{_BASE}", render_base(base))

    def remember_conditions(self) -> None:
        """Keep what was found out about the store, so that it is asked once a home."""
        found = self.home.store.conditions
        if self.link.conditions != found:
            self.link = self.link._replace(conditions=found)
            write_link(self.root, self.link)

    def journal(self, direction: str, path: str, size: int) -> str | None:
        """Where a large transfer (`up` or `down`) keeps what it needs to go on after a kill; None for a small one."""
        if size < _RESUMED_FROM:
            return None
        folder = f"{self.root}/{PRIVATE}/parts"
        fs.make_folder(folder)
        return f"{folder}/{direction}-{hashlib.md5(path.encode()).hexdigest()}"

    def new_stamp(self) -> str:
        """Where this run's trash goes, and what its objects are marked with."""
        return new_stamp(self.machine)


def parse_home_url(text: str, start: str = ".") -> str:
    """A home's url, or the absolute path of a folder; `InvalidInput` (`bad-home-url`) otherwise."""
    if _URL.fullmatch(text):
        return text.rstrip("/")
    if "://" in text or not text:
        raise InvalidInput(
            f"'{text}' is not the address of a home",
            code="bad-home-url",
            hint="s3://BUCKET/MEMBER/PROJECT, gs://…, azure://… or the path of a folder",
        )
    return os.path.realpath(os.path.join(start, os.path.expanduser(text)))


def read_link(root: str) -> Link:
    """The link of the folder `root`; `InvalidInput` (`bad-home-settings`) for what is none."""
    path = f"{root}/{SETTINGS}"
    try:
        found = json.loads(fs.read_bytes(path, limit=_LIMIT))
        conditions = found.get("conditions")
        return Link(
            str(found["url"]),
            {str(name): str(value) for name, value in found.get("options", {}).items()},
            bool(found.get("default_rules", True)),
            None if conditions is None else frozenset(map(str, conditions)),
            *(None if found.get(name) is None else int(found[name]) for name in NUMBERS),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"'{path}' cannot be understood",
            code="bad-home-settings",
            hint="lab home link URL --force writes it anew; no file is lost by it",
            path=path,
        ) from error


def write_link(root: str, link: Link) -> None:
    """Replace the link of the folder `root`."""
    document: dict[str, object] = {"url": link.url, "options": dict(link.options)}
    document["default_rules"] = link.has_default_rules
    document |= {name: getattr(link, name) for name in NUMBERS if getattr(link, name) is not None}
    if link.conditions is not None:
        document["conditions"] = sorted(link.conditions)
    fs.make_folder(f"{root}/{PRIVATE}")
    fs.write_atomic(f"{root}/{SETTINGS}", json.dumps(document, indent=2).encode() + b"\n")


def require_outside(root: str, url: str) -> None:
    """Raise `Conflict` (`home-inside-itself`) when a folder and its home lie within each other."""
    if url.startswith("/"):
        ours, theirs = os.path.realpath(root) + "/", url.rstrip("/") + "/"
        if ours.startswith(theirs) or theirs.startswith(ours):
            raise Conflict(
                f"'{root}' and its home '{url}' lie within each other",
                code="home-inside-itself",
                hint="link a folder that is outside of the home; a name alone is your own home only after lab join",
            )
