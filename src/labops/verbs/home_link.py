"""`lab home link` and `lab home clone`: tie a folder to a home, once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, NotFound
from labops.home import (
    NUMBERS,
    SETTINGS,
    HomeFolder,
    Link,
    parse_home_url,
    read_link,
    require_outside,
    with_numbers,
    write_link,
)
from labops.places.local import PRIVATE


class Linked(NamedTuple):
    """What `link` did: the folder, its home, and whether that is new."""

    root: str
    url: str
    is_new: bool


def link_home(
    root: str,
    url: str,
    options: Mapping[str, str],
    *,
    has_default_rules: bool = True,
    numbers: Mapping[str, int | None] = MappingProxyType({}),
    force: bool = False,
    dry_run: bool = False,
) -> Linked:
    """Tie the existing folder `root` to the home `url`. No file is moved by it.

    `numbers` are those of the link's settings that are numbers (`NUMBERS`); what is left out stays as it was.

    Asks the home whether it can be reached. A folder that is tied to another home is `Conflict`
    (`home-linked`) without `force`; what is known of the old one is then forgotten. When it is tied to this one
    already, the options that it has stay beside those given; `force` begins anew.
    """
    root = os.path.realpath(root)
    url = parse_home_url(url)
    if not os.path.isdir(root):
        raise NotFound(f"'{root}' is not a folder", code="no-such-folder", hint=f"mkdir -p '{root}'", path=root)
    require_outside(root, url)
    if os.path.exists(os.path.join(root, SETTINGS)) and not force:
        old = read_link(root)
        if old.url != url:
            raise Conflict(
                f"'{root}' is linked to '{old.url}' already",
                code="home-linked",
                hint="lab home link URL --force ties it to the new one; the next sync compares contents",
                path=root,
            )
        options = {**old.options, **options}
        if (old.options, old.has_default_rules) == (options, has_default_rules):
            if numbers and not dry_run:
                write_link(root, with_numbers(old, numbers))
            return Linked(root, url, False)
        numbers = {name: getattr(old, name) for name in NUMBERS} | dict(numbers)
    link = with_numbers(Link(url, dict(options), has_default_rules), numbers)
    folder = HomeFolder(root, link)
    folder.home.check()
    folder.home.close()
    if not dry_run:
        write_link(root, link)
        _keep_out_of_git(root)
    return Linked(root, url, True)


def change_link(folder: HomeFolder, numbers: Mapping[str, int | None]) -> Link:
    """Change those settings of a link that are numbers; None takes one back. The link as it is now."""
    if numbers:
        with folder.lock():
            folder.link = with_numbers(read_link(folder.root), numbers)
            write_link(folder.root, folder.link)
    return folder.link


def _keep_out_of_git(root: str) -> None:
    """git would show our folder as untracked; a `.gitignore` inside it keeps it silent, whatever the project says."""
    path = os.path.join(root, PRIVATE, ".gitignore")
    if not os.path.exists(path):
        fs.write_atomic(path, b"*\n")


def clone_home(url: str, target: str, options: Mapping[str, str], *, has_default_rules: bool = True) -> Linked:
    """Make the folder `target` (new, or empty) and tie it to the home `url`; `sync` then fills it."""
    url = parse_home_url(url)
    target = os.path.realpath(target or url.rpartition("/")[2])
    if os.path.isdir(target) and any(name != PRIVATE for name in fs.names_in(target)):
        raise Conflict(
            f"'{target}' is not empty",
            code="not-empty",
            hint=f"cd '{target}' && lab home link {url} && lab home sync, which compares contents and deletes nothing",
            path=target,
        )
    if os.path.lexists(target) and not os.path.isdir(target):
        raise InvalidInput(f"'{target}' is a file", code="bad-folder", path=target)
    is_made = not os.path.isdir(target)
    fs.make_folder(target)
    try:
        return link_home(target, url, options, has_default_rules=has_default_rules)
    except BaseException:
        if is_made:
            fs.remove_folder(target)
        raise


def parse_options(pairs: Sequence[str], url: str | None = None) -> dict[str, str]:
    """`NAME=VALUE` words as options of the store of `url`, or of any; `InvalidInput` (`bad-config`) for others.

    Secrets are refused: they belong to the environment or a profile.
    """
    from labops.formats.dvcconfig import validate_option
    from labops.settings import is_secret

    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"'{pair}' is not NAME=VALUE", code="bad-usage", hint="-o profile=lab")
        if is_secret(name):
            raise InvalidInput(
                f"'{name}' is a secret, which no settings file of a home keeps",
                code="secret-option",
                hint="use the AWS environment variables, or a profile: -o profile=NAME",
            )
        validate_option("remote.home", name.lower(), value, url=url)
        options[name.lower()] = value
    return options
