"""One file up or down, with its facts: what a sync and the single-object commands both do."""

from __future__ import annotations

import hashlib
import os
import stat as stat_bits

from labops.agreement import Here, There, is_comparable, is_of_parts
from labops.drivers import fs
from labops.errors import Corrupt
from labops.places.home import Facts, Got, Home, Source
from labops.places.local import LocalFolder, changed_here


def source_of(local: LocalFolder, path: str) -> tuple[Here, Source]:
    """The file as it is now, ready to be read; `Conflict` (`changed-here`) when it is gone or no file any more."""
    now = local.look(path)
    if now is None or not (now[0].is_link or stat_bits.S_ISREG(now[1])):
        raise changed_here(path)
    here, mode = now
    full = local.full(path)
    if here.is_link:
        with fs.translating(path):
            target = os.readlink(full)
        data = os.fsencode(target)
        return here, Source(data, len(data), Facts(here.mtime_ns, False, target))
    if not mode & 0o004:  # what everybody may read need not be asked about
        fs.require_readable(full)
    facts = Facts(here.mtime_ns, bool(mode & 0o100))
    return here, Source(full, here.size, facts, lambda: local.unchanged(path, here))


def fetch(home: Home, path: str, there: There | None, temporary: str, partial: str | None = None) -> Got:
    """The object's bytes in the new file `temporary`; `Corrupt` (`corrupt-download`) when they are not what was listed.

    With `partial` (a path) a large download that was killed goes on.
    """
    got = home.get(path, temporary, partial=partial)
    # The etag of an object in parts is its digest, if the parts are as long as ours.
    is_digest = home.marks_parts and is_of_parts(got.mark, got.size)
    said = got.mark if is_digest else there.digest if there and got.mark == there.mark else ""
    if said and is_comparable(said, got.digest) and got.digest != said:
        # Others may part it elsewhere, and encrypting stores make etags of their own; damage is not so twice alike.
        fs.remove(temporary)
        again = home.get(path, temporary)
        if again.digest == said:
            return again
        if again.digest != got.digest:
            fs.remove(temporary)
            raise Corrupt(
                f"'{path}' was damaged on its way here",
                code="corrupt-download",
                hint="run the command again; if it stays so, restore an older content: lab home restore",
                path=path,
            )
        home.marks_parts = home.marks_parts and not is_digest
    return got


def dress(temporary: str, got: Got) -> None:
    """Give the file its mode and time, or make it the symbolic link that it stands for."""
    facts = got.facts
    with fs.translating(temporary):
        if facts.link is not None and hashlib.md5(os.fsencode(facts.link)).hexdigest() == got.digest:
            os.unlink(temporary)
            os.symlink(facts.link, temporary)
        elif facts.is_executable:
            mode = os.stat(temporary).st_mode
            os.chmod(temporary, stat_bits.S_IMODE(mode) | ((mode & 0o444) >> 2))
        mtime = facts.mtime_ns or int(got.modified * 10**9)
        if mtime:
            os.utime(temporary, ns=(mtime, mtime), follow_symlinks=False)
