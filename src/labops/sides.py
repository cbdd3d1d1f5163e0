"""Sides: which cache and which remote each output travels between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labops import transfer
from labops.model import HashName, Selected
from labops.places.cache import Cache
from labops.places.remote import Remote
from labops.project import Project


@dataclass(frozen=True, slots=True)
class Side:
    """The two places of one exchange, and the outputs that travel between them."""

    cache: Cache
    remote: Remote
    jobs: int
    selected: list[Selected]


def sides(project: Project, selected: Iterable[Selected], remote: str | None, jobs: int | None) -> list[Side]:
    """The selected outputs by remote and kind of hash.

    An output with a `remote:` of its own travels there, and is left out when another one was named.
    """
    groups: dict[tuple[str, HashName], list[Selected]] = {}
    for item in selected:
        own = item.tracked.output.remote
        if remote and own and own != remote:
            continue
        settings = project.remote_settings(own or remote)
        groups.setdefault((settings.name, item.tracked.output.hash_name), []).append(item)
    return [
        Side(project.cache(hash_name), project.remote(name, hash_name), jobs_for(project, name, jobs), items)
        for (name, hash_name), items in groups.items()
    ]


def jobs_for(project: Project, remote: str, asked: int | None) -> int:
    """How many threads talk to `remote`: as asked for, as configured, or what suits its kind."""
    settings = project.remote_settings(remote)
    configured = settings.options.get("jobs", "")
    if asked:
        return asked
    if configured.isdigit() and int(configured) > 0:
        return int(configured)
    return transfer.NETWORK_JOBS if "://" in settings.url else transfer.DISK_JOBS
