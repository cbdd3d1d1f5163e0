"""Where the objects of a source are: its working folder, its cache where it is on this machine, its remote."""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from labops import transfer
from labops.drivers import fs
from labops.errors import AccessDenied, Corrupt, InvalidInput, LabError, NotFound
from labops.formats.dvcconfig import Settings
from labops.model import (
    Action,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Step,
    Tracked,
    ignore,
    is_tree_oid,
)
from labops.places.cache import Cache
from labops.places.remote import Remote
from labops.places.state import State
from labops.project import Project
from labops.settings import load_settings
from labops.source.settings import UPSTREAM, Overrides, cache_folder, settings_at

_LISTING_LIMIT = 1 << 32


class Want(NamedTuple):
    """An object to bring: the output it belongs to and the entry of its tree (`HERE` for a single file)."""

    tracked: Tracked
    entry: Entry

    @property
    def path(self) -> str:
        return posixpath.join(self.tracked.path, self.entry.path) if self.entry.path else self.tracked.path


class Landing(Protocol):
    """Where brought objects go; a cache's `Batch` is one."""

    def temporary(self) -> str:
        """A path that nobody else uses."""
        ...

    def adopt(self, oid: Oid, path: str, size: int) -> None:
        """Take over the file made there, whose content was verified to be `oid`."""
        ...


class SourcePlaces:
    """The caches and remotes of the projects in one source; nothing is ever written into them.

    `owner` says in which folder of the source the project of an output is; `config` gives a folder's
    `.dvc/config` at the source's commit.
    """

    def __init__(
        self,
        name: str,
        root: str,
        *,
        is_local: bool,
        owner: Callable[[Tracked], str],
        config: Callable[[str], bytes],
        overrides: Overrides,
    ) -> None:
        self.name, self.root, self.is_local = name, root, is_local
        self._owner, self._config, self._overrides = owner, config, overrides

    def read_object(self, item: Tracked, oid: Oid) -> bytes:
        """The bytes of a small object (a listing), from this machine or the remote; hashed."""
        hash_name = HashName.MD5 if is_tree_oid(oid) else item.output.hash_name
        caches = [self._kept] if is_tree_oid(oid) else []
        for cache in [*caches, *self.caches(item)]:
            with contextlib.suppress(LabError):
                data = fs.read_bytes(cache.path(oid), limit=_LISTING_LIMIT)
                if fs.hash_bytes(data, hash_name) == oid[:32]:
                    return data
        try:
            data = self.remote(item).read(oid)
        except NotFound as error:
            raise self.gone(item.path, oid) from error
        if is_tree_oid(oid) and not self.is_local:
            with contextlib.suppress(LabError), self._kept.batch() as batch:
                batch.store_bytes(oid, data)
        return data

    def bring(
        self, wanted: Iterable[Want], landing: Landing, *, jobs: int | None = None, on_event: OnEvent = ignore
    ) -> list[Outcome]:
        """Objects into `landing`, each once, from the working folder, else the source's cache, else its remote.

        Everything is hashed on the way; one that is nowhere or damaged everywhere is a failed outcome.
        """
        once = {(want.tracked.output.hash_name, want.entry.oid): want for want in wanted}

        def work(want: Want) -> None:
            target = landing.temporary()
            landing.adopt(want.entry.oid, target, self._obtain(want, target))

        wants = list(once.values())
        steps = [Step(Action.DOWNLOAD, want.path, want.entry.oid, want.entry.size) for want in wants]
        results = transfer.each(
            wants,
            work,
            phase="fetching",
            jobs=jobs or (transfer.DISK_JOBS if self.is_local else transfer.NETWORK_JOBS),
            size_of=lambda want: want.entry.size or 0,
            on_event=on_event,
        )
        return [transfer.outcome_of(step, result) for step, result in zip(steps, results, strict=True)]

    def _obtain(self, want: Want, target: str) -> int:
        oid, hash_name = want.entry.oid, want.tracked.output.hash_name
        places = [cache.path(oid) for cache in self.caches(want.tracked)]
        if self.is_local:
            places.insert(0, os.path.join(self.root, want.path))
        for place in places:
            with contextlib.suppress(NotFound, InvalidInput, Corrupt, AccessDenied):
                copied = fs.copy_hashing(
                    place, target, hash_name, mode=0o666, is_wanted=lambda seen: seen == want.entry.oid
                )
                if copied.is_written:
                    return copied.fingerprint.size
        try:
            return self.remote(want.tracked).download(oid, target)
        except NotFound as error:
            raise self.gone(want.path, oid) from error

    def gone(self, path: str, oid: Oid | None, why: str = "") -> NotFound:
        """The error for data that is nowhere."""
        return NotFound(
            why or f"the data of '{path}' is neither in a cache of '{self.name}' nor on its remote",
            code="source-data-missing",
            hint="ask whoever keeps that repository to push it: lab push",
            path=path,
            oid=oid,
        )

    # -- settings and places --------------------------------------------------------------------------

    def settings(self, folder: str = "") -> Settings:
        """The settings of the project in `folder` at the revision, overrides included."""
        return self._project(folder).settings

    def remote(self, item: Tracked, name: str | None = None) -> Remote:
        """Where an output's objects lie: its own remote, the default one, or the local cache where there is none."""
        project = self._project(self._owner(item))
        return project.remote(name or self._remote_name(item, project), item.output.hash_name)

    def _remote_name(self, item: Tracked, project: Project) -> str:
        chosen = self._overrides.remote or item.output.remote or project.settings.core_remote
        if chosen is None:
            if project.settings.remotes.get(UPSTREAM) is None:
                raise InvalidInput(
                    f"the repository '{self.name}' has no default remote, so nobody knows where its data is",
                    code="source-no-remote",
                    hint="name one of its remotes with --remote, or give one: --remote NAME --remote-config url=URL",
                )
            chosen = UPSTREAM
        return chosen

    def object_url(self, item: Tracked, oid: Oid) -> str:
        """Where the object lies on the remote; neither that it does nor who may look is asked."""
        project = self._project(self._owner(item))
        settings = project.remote_settings(self._remote_name(item, project))
        inside = "files/md5/" if item.output.hash_name is HashName.MD5 else ""
        return f"{settings.url.rstrip('/')}/{inside}{oid[:2]}/{oid[2:]}"

    def caches(self, item: Tracked) -> list[Cache]:
        """The source's cache, where the source is on this machine."""
        if not self.is_local:
            return []
        here = self.here(self._owner(item))
        return [here.cache(item.output.hash_name)] if here is not None else []

    @functools.cached_property
    def _kept(self) -> Cache:
        """Listings that came from remotes, kept for the next command."""
        return Cache(os.path.join(cache_folder(), "listings"), notes=os.path.join(cache_folder(), "listings", ".lab"))

    @functools.lru_cache(maxsize=16)  # noqa: B019 - a source lives as long as its command
    def here(self, folder: str) -> Project | None:
        """The project in the local folder, by its own present settings."""
        root = os.path.join(self.root, folder) if folder else self.root
        if not self.is_local or not os.path.isdir(os.path.join(root, ".dvc")):
            return None
        return Project(root, load_settings(root))

    @functools.lru_cache(maxsize=16)  # noqa: B019 - a source lives as long as its command
    def _project(self, folder: str) -> Project:
        """The project in `folder` at the revision: only for its settings and remotes."""
        root = os.path.join(self.root, folder) if folder else self.root
        here = self.here(folder)
        settings = settings_at(
            self._config(folder).decode("utf-8", "replace"),
            f"{self.name}:{posixpath.join(folder, '.dvc/config')}",
            dvc_dir=os.path.join(root, ".dvc"),
            here=here.settings if here else None,
            cache_dir=here.cache().root if here else "",
            overrides=self._overrides,
        )
        project = Project(root, settings)
        project.state = State(os.path.join(cache_folder(), "state"))  # never in somebody else's repository
        return project
