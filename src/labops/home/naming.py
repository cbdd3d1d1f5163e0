"""From what a person types to an object of a home: a key of the linked folder's home, or a whole address."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from labops.errors import AccessDenied, InvalidInput, NotFound
from labops.home import HomeFolder, parse_home_url
from labops.home.stamps import machine_name, new_stamp
from labops.model import RelPath, RemoteSettings, parse_relpath
from labops.places.home import TRASH, Home, open_home
from labops.places.local import PRIVATE

LOOK_FIRST: Final[frozenset[str]] = frozenset()
"""Conditions of a home that is met once, by its address: none is probed, each write looks just before."""


class Spot(NamedTuple):
    """A place in a home. `path` is its key there, as typed: empty for all of it, with a `/` at the end for a folder."""

    home: Home
    path: str
    folder: HomeFolder | None = None
    """The linked folder whose home it is."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def address(self) -> str:
        """In full."""
        return f"{self.home.url}/{self.path}" if self.path else self.home.url

    def new_stamp(self) -> str:
        """Names one run that writes here."""
        return self.folder.new_stamp() if self.folder else new_stamp(machine_name())


def find_spot(
    name: str,
    options: Mapping[str, str],
    *,
    start: str = ".",
    waits: bool = False,
    on_wait: Callable[[str], None] = lambda _: None,
    near: Spot | None = None,
) -> Spot:
    """What `name` means at `start`: a key of the home that the folder is linked to, or the address of anything.

    A key is one of the same home as `near`, another spot of this command.

    An address inside that home is one of its keys. Any other address belongs to the home whose trash lies above it,
    or else to the first folder of the bucket, which is the member's own.
    """
    if "://" not in name and not name.startswith("/"):
        if near is not None and near.folder is not None:
            return near._replace(path=name.removeprefix("./"))
        folder = HomeFolder.find(start, waits=waits, on_wait=on_wait)
        return Spot(folder.home, name.removeprefix("./"), folder)
    try:
        linked = HomeFolder.find(start, waits=waits, on_wait=on_wait)
    except NotFound:
        linked = None
    if linked is not None and f"{name}/".startswith(f"{linked.link.url}/"):
        return Spot(linked.home, name[len(linked.link.url) + 1 :], linked)
    return _of_address(name, options)


def _of_address(address: str, options: Mapping[str, str]) -> Spot:
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _of_path(address)
    parse_home_url(address)
    bucket, _, key = rest.partition("/")
    top = f"{scheme}://{bucket}"
    folders = key.split("/")[:-1]
    for depth in range(len(folders), 1, -1):
        inside = "/".join(folders[:depth])
        home = _open(f"{top}/{inside}", options)
        with contextlib.suppress(AccessDenied):  # a right to read one folder of somebody else's
            if any(True for _ in home.list_trash()):
                return Spot(home, key[len(inside) + 1 :])
        home.close()
    if folders and folders[0]:
        return Spot(_open(f"{top}/{folders[0]}", options), key[len(folders[0]) + 1 :])
    return Spot(_open(top, options), key)


def _of_path(address: str) -> Spot:
    """In a folder the home ends where its trash lies, or else at the folder above."""
    full = os.path.normpath(address)
    tail = "/" if address.endswith("/") or os.path.isdir(full) else ""
    first = above = full if tail else os.path.dirname(full)
    while above != "/":
        if os.path.isdir(f"{above}/{TRASH}"):
            break
        above = os.path.dirname(above)
    root = first if above == "/" else above
    return Spot(_open(root, {}), (full + tail)[len(root.rstrip("/")) + 1 :])


def _open(url: str, options: Mapping[str, str]) -> Home:
    return open_home(RemoteSettings("home", url, options), conditions=LOOK_FIRST)


def inside(home: Home, spot: Spot) -> Spot:
    """`spot`, which must be of `home`; `InvalidInput` (`another-home`) otherwise."""
    if spot.home is home or spot.home.url == home.url:
        return spot._replace(home=home)
    if f"{spot.address}/".startswith(f"{home.url}/"):
        return Spot(home, spot.address[len(home.url) + 1 :], spot.folder)
    raise InvalidInput(
        f"'{spot.address}' is not in '{home.url}'",
        code="another-home",
        hint="fetch it and store it there: lab home get, then lab home put",
    )


def require_writable(path: str) -> RelPath:
    """`path` as a name that every machine can hold and that is not labops' own.

    Raises `InvalidInput`: `unsafe-path` for what is no path, `private-name` for what is below `.lab` or `.trash`.
    """
    try:
        parsed = parse_relpath(path)
    except InvalidInput:
        raise InvalidInput(
            f"'{path}' is no name for a file that every machine can hold",
            code="unsafe-path",
            hint="a name without '//', '.', '..' and control characters",
            path=path,
        ) from None
    parts = parsed.split("/")
    if PRIVATE in parts or parts[0] == TRASH.rstrip("/"):
        raise InvalidInput(
            f"'{path}' belongs to labops itself",
            code="private-name",
            hint="choose another name; older contents come back with: lab home restore",
            path=path,
        )
    return parsed


def require_free_folders(home: Home, path: str) -> None:
    """Raise `Conflict` (`name-clash`) when a folder above `path` is a file in the home: a bucket would take both."""
    from labops.planning.home import name_clash

    for folder in _above(path):
        if home.look(folder) is not None:
            raise name_clash(path, f"'{folder}' is a file in the home")


def _above(path: str) -> Iterator[str]:
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def is_folder(home: Home, path: str) -> bool:
    """True when something lies below `path`."""
    return any(page for page in home.below(path.rstrip("/") + "/"))


def join(folder: str, name: str) -> str:
    """`name` below `folder`; either may be empty, and the folder may end with `/`."""
    folder = folder.rstrip("/")
    return f"{folder}/{name}" if folder and name else folder or name


def default_key(spot: Spot, path: str) -> Spot:
    """Where the file `path` of this machine goes when nobody says: its place in the linked folder, or else its name."""
    full = os.path.join(os.path.realpath(os.path.dirname(path.rstrip("/")) or "."), os.path.basename(path.rstrip("/")))
    root = spot.folder.root if spot.folder else ""
    if root and full.startswith(f"{root}/"):
        return spot._replace(path=full[len(root) + 1 :])
    return spot._replace(path=os.path.basename(full))
