"""Change one member in the text of `lab.toml`; every other line, comments included, stays as it is."""

from __future__ import annotations

import re

from labops.errors import Conflict, NotFound
from labops.formats.labfile import read_lab
from labops.formats.labtemplate import member_row
from labops.formats.tomllines import Lines
from labops.membership import Member


def set_member(text: str, member: Member) -> str:
    """`text` with this member, new or changed. Raises `Conflict` (`lab-file-by-hand`) where that needs a person."""
    before = read_lab(text)
    rows = text.splitlines(keepends=True)
    if before.member(member.name) is not None:
        first, last = _span(text, member.name)
        header = re.match(r"\s*\[\s*members\s*\.", rows[first])
        rows[first : last + 1] = [_table(member) if header else member_row(member) + "\n"]
    else:
        at = _end_of_members(text)
        if at is None:
            rows.append(f"\n[members]\n{member_row(member)}\n")
        else:
            rows.insert(at, member_row(member) + "\n")
    return _checked("".join(rows), member.name, member)


def drop_member(text: str, name: str) -> str:
    """`text` without the member. `NotFound` (`no-such-member`), or `Conflict` (`lab-file-by-hand`)."""
    if read_lab(text).member(name) is None:
        raise NotFound(f"no member is called '{name}'", code="no-such-member", hint="lab admin plan", member=name)
    first, last = _span(text, name)
    rows = text.splitlines(keepends=True)
    del rows[first : last + 1]
    return _checked("".join(rows), name, None)


def _checked(text: str, name: str, wanted: Member | None) -> str:
    """`text`, when it reads back as wanted; an odd spelling of the file is left to a person."""
    if read_lab(text).member(name) != wanted:
        raise Conflict(
            f"the entry of '{name}' in lab.toml is written in an unusual way",
            code="lab-file-by-hand",
            hint="change it in an editor",
            member=name,
        )
    return text


def _span(text: str, name: str) -> tuple[int, int]:
    """First and last row of the member's own lines, counted from 0."""
    lines = Lines(text)
    first = lines.of(("members", name)) - 1
    last = first
    if lines.rows[first].lstrip().startswith("["):
        for at in range(first + 1, len(lines.rows)):
            if lines.rows[at].lstrip().startswith("["):
                break
            if lines.rows[at].strip() and not lines.rows[at].lstrip().startswith("#"):
                last = at
    return first, last


def _end_of_members(text: str) -> int | None:
    """The row behind the last entry of `[members]`, None where there is no such table."""
    rows = Lines(text).rows
    start = next((at for at, row in enumerate(rows) if re.match(r"\s*\[\s*members\s*\]", row)), None)
    if start is None:
        return None
    last = start
    for at in range(start + 1, len(rows)):
        row = rows[at].strip()
        if row.startswith("["):
            break
        if row and not row.startswith("#"):
            last = at
    return last + 1


def _table(member: Member) -> str:
    row = member_row(member)
    name, _, inner = row.partition(" = { ")
    keys = re.sub(r", (?=[a-z]+ = )", "\n", inner.removesuffix(" }"))
    return f"[members.{name}]\n{keys}\n"
