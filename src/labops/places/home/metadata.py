"""What a file is beside its bytes, as the metadata of an object: in rclone's spelling, so that it is read there too."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from labops.places.home.words import Facts

_EXECUTABLE: Final = 0o100755
_PLAIN: Final = 0o100644
_SECONDS = re.compile(r"(-?\d{1,12})(?:\.(\d{1,9}))?")
LINK: Final = "lab-symlink"
MD5: Final = "md5chksum"
RUN: Final = "lab-run"
_RUN = re.compile(r"\d{4}-\d{2}-\d{2}/\d{9}-[A-Za-z0-9-]{1,100}")


def to_metadata(facts: Facts, run: str = "") -> dict[str, str]:
    """`mtime` in seconds with nine digits, `mode` in octal where it is not the default, `lab-symlink`, `lab-run`."""
    found = {RUN: run} if run else {}
    if facts.mtime_ns:
        seconds, rest = divmod(facts.mtime_ns, 10**9)
        found["mtime"] = f"{seconds}.{rest:09d}"
    if facts.is_executable:
        found["mode"] = f"{_EXECUTABLE:o}"
    if facts.link is not None:
        found[LINK] = quote(facts.link.encode("utf-8", "surrogateescape"))
    return found


def from_metadata(found: Mapping[str, str]) -> Facts:
    """The facts in an object's metadata; what cannot be read is as if it were not there."""
    mtime = 0
    match = _SECONDS.fullmatch(found.get("mtime", ""))
    if match:
        mtime = int(match[1]) * 10**9 + int((match[2] or "0").ljust(9, "0"))
    try:
        mode = int(found.get("mode", ""), 8)
    except ValueError:
        mode = _PLAIN
    link = found.get(LINK)
    target = None if link is None else unquote(link, errors="surrogateescape")
    return Facts(mtime, bool(mode & 0o111), target or None)


def stored_md5(found: Mapping[str, str]) -> str:
    """The md5 that rclone keeps with objects that were sent in parts; empty where there is none."""
    try:
        raw = base64.b64decode(found.get(MD5, ""), validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == 16 else ""


def stored_run(found: Mapping[str, str]) -> str:
    """The stamp of the run that stored the object; empty where no labops did."""
    run = found.get(RUN, "")
    return run if _RUN.fullmatch(run) else ""
