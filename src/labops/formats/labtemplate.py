"""The `lab.toml` that `lab admin init` writes: the answers, and a comment beside everything else one may want."""

from __future__ import annotations

import json
from collections.abc import Sequence

from labops.membership import Lab, Member, Provider

_HEAD = """\
# The lab, on one page: change it, look at `lab admin plan`, then `lab admin apply`.
# It lies in the datasets repository, so a change is a commit that others can review. No secrets belong here.

[lab]
name = {name}{repository}

[provider]
{provider}

[buckets]
home = {home}        # one folder for each member, private
datasets = {datasets}  # everybody reads, curators add, only admins replace or delete

[retention]
old_versions_days = {old_versions_days}      # how long replaced and deleted files can be brought back
aborted_uploads_days = {aborted_uploads_days}   # then the parts of unfinished uploads go

"""

_TIERING = """\
[tiering]                   # AWS only
intelligent = {intelligent}          # cheaper tiers for what nobody reads; reading it stays immediate
archive_days = {archive_days}            # 90 or more: an archive where a read takes hours; 0 is never

"""

_MEMBERS = """\
# role: admin    runs `lab admin`
#       curator  has a home, adds datasets
#       student  has a home, reads datasets
#       guest    reads datasets, has no home
# Also: groups = ["vision"], ends = 2027-03-31 (the last day), suspended = true (keys off, nothing deleted).
[members]
"""

_TAIL = """
# [machines]
# gpu1 = { shared = true }
# laptop-russell = { users = ["russell"] }

# Let others read a folder of somebody's home; "@vision" is everybody in that group.
# [[grants]]
# home = "russell"
# folder = "models"
# to = ["@vision"]

# [budgets]
# total = { monthly_usd = 50, warn_percent = 80, email = "admin@lab.example" }
"""


def template(lab: Lab) -> str:
    """A commented `lab.toml` that reads back as `lab` (its names, provider, buckets, days and members)."""
    head = _HEAD.format(
        name=_text(lab.name),
        repository=f"\nrepository = {_text(lab.repository)}" if lab.repository else "",
        provider="\n".join(_provider(lab)),
        home=_text(lab.home_bucket),
        datasets=_text(lab.dataset_bucket),
        **lab.retention._asdict(),
    )
    tiering = ""
    if lab.provider is Provider.AWS:
        intelligent = "true" if lab.tiering.is_intelligent else "false"
        tiering = _TIERING.format(intelligent=intelligent, archive_days=lab.tiering.archive_days)
    members = "".join(member_row(member) + "\n" for member in lab.members)
    return head + tiering + _MEMBERS + members + _TAIL


def member_row(member: Member) -> str:
    """The line of `[members]` for one member."""
    parts = [f"role = {_text(member.role)}"]
    if member.email:
        parts.append(f"email = {_text(member.email)}")
    if member.groups:
        parts.append(f"groups = {_texts(member.groups)}")
    if member.ends:
        parts.append(f"ends = {member.ends}")
    if member.is_suspended:
        parts.append("suspended = true")
    # A dot in a bare key would make a table of it.
    name = _text(member.name) if "." in member.name else member.name
    return f"{name} = {{ {', '.join(parts)} }}"


def _provider(lab: Lab) -> list[str]:
    rows = [f"kind = {_text(lab.provider)}"]
    for key in ("region", "endpoint", "root"):
        value = getattr(lab, key)
        if value:
            rows.append(f"{key} = {_text(value)}")
    if lab.provider is Provider.AWS:
        rows.append(f'identity = {_text(lab.identity)}      # or "roles": members log in by SSO, nobody holds a key')
        if lab.trust:
            rows.append(f"trust = {_text(lab.trust)}")
    return rows


def _text(value: str) -> str:
    # Basic strings of TOML have JSON's escapes; DEL is the one character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"
