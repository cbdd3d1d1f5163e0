"""One dataset repository, opened: its settings read once, its places handed out.

    project = Project.find()
    project.cache(), project.remote("s3_storage"), project.workspace, project.state, project.git

Faces and verbs ask the project for places and never build one themselves.
"""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Self

from labops import index
from labops.drivers import fs
from labops.drivers.git import Git
from labops.errors import InvalidInput, NotFound
from labops.formats.dvcconfig import Settings
from labops.formats.ignore import IgnoreRules
from labops.model import HashName, Output, RemoteSettings, Selected, Selection, Tracked
from labops.places.cache import Cache
from labops.places.state import State
from labops.places.workspace import Workspace
from labops.planning.select import select
from labops.settings import find_root, ignore_private_files, load_settings

if TYPE_CHECKING:
    from labops.history import History
    from labops.places.remote import Remote


CLONES = "clones"
"""The kind of note in which a shared cache remembers the clones that use it: machine and path, a line each."""


class Project:
    """A folder with a `.dvc` folder in it. Opening reads the settings; everything else is opened when asked for."""

    def __init__(
        self,
        root: str,
        settings: Settings,
        *,
        wait_for_lock: bool = False,
        on_wait: Callable[[str], None] | None = None,
        is_looking: bool = False,
    ) -> None:
        self.root = root
        self.settings = settings
        self.is_looking = is_looking
        self.dvc_dir = os.path.join(root, ".dvc")
        self.state = State(os.path.join(self.dvc_dir, "tmp", "lab"), is_looking=is_looking)
        self._wait_for_lock = wait_for_lock
        self._on_wait = on_wait
        self._history: History | None = None

    @classmethod
    def find(
        cls, start: str = ".", *, wait_for_lock: bool = False, on_wait: Callable[[str], None] | None = None
    ) -> Self:
        """The project that holds the folder `start`; raises `NotFound` (`not-in-a-project`).

        The search goes up to the root of the file system and stops at a mount point, as dvc's does. Whoever
        must wait for its lock is told by `on_wait`, once, who holds it.
        """
        root = find_root(start)
        if root is None:
            raise NotFound(
                f"'{os.path.abspath(start)}' is not inside a dataset repository",
                code="not-in-a-project",
                hint="go to a cloned one, or make one here with: lab init",
            )
        return cls(root, load_settings(root), wait_for_lock=wait_for_lock, on_wait=on_wait)

    def looking(self) -> Self:
        """The same project for a dry run: it takes no lock, and its places note nothing and mend nothing."""
        return type(self)(self.root, self.settings, is_looking=True)

    @functools.cached_property
    def git(self) -> Git | None:
        """The git repository around the project; None with `core.no_scm` or where there is none."""
        return None if self.settings.no_scm else Git.find(self.root)

    @property
    def rules(self) -> IgnoreRules:
        """The `.dvcignore` rules of the project."""
        return self._layout[0]

    @property
    def pointer_files(self) -> list[str]:
        """The `.dvc` and `dvc.yaml` files there are, sorted; looked for once, and again after `forget_files`."""
        return self._layout[1]

    def forget_files(self) -> None:
        """Pointer or ignore files came or went: look for them again when next asked."""
        for name in ("_layout", "workspace"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def _layout(self) -> tuple[IgnoreRules, list[str]]:
        found = index.find_files(self.root, self.git)
        files = {".dvcignore", *(path for path in found if posixpath.basename(path) == ".dvcignore")}
        texts = ((posixpath.dirname(path), index.read_workspace(self.root, path) or "") for path in sorted(files))
        rules = IgnoreRules(tuple(texts))
        return rules, index.pointer_files(found, rules)

    @property
    def git_prefix(self) -> str:
        """The project's folder inside its git repository: `""` or `sub/folder/`."""
        if self.git is None:
            return ""
        inside = os.path.relpath(os.path.realpath(self.root), os.path.realpath(self.git.root))
        return "" if inside == "." else inside.replace(os.sep, "/") + "/"

    @property
    def history(self) -> History:
        """The versions of everything in the history of HEAD, read again only when HEAD has moved."""
        from labops.history import History

        if self.git is None:
            raise InvalidInput(
                "versions are read from git, and this project has none",
                code="no-git",
                hint="lab init, without --no-scm",
            )
        head = self.git.head()
        if self._history is None or self._history.head != head:
            self._history = History(self.git, self.git_prefix, head=head)
        return self._history

    @functools.cached_property
    def workspace(self) -> Workspace:
        """The files of the project."""
        is_ignored = None if self.rules.is_plain else self.rules.match
        return Workspace(self.root, self.state.workbench, is_ignored)

    @functools.lru_cache(maxsize=4)  # noqa: B019 - one project lives as long as its command
    def cache(self, hash_name: HashName = HashName.MD5) -> Cache:
        """The cache for one kind of hash."""
        root = self.settings.cache_dir or os.path.join(self.dvc_dir, "cache")
        return Cache(
            root,
            hash_name,
            link_types=self.settings.cache_types,
            is_shared=self.settings.cache_shared_group,
            notes=self._cache_notes(root),
            is_looking=self.is_looking,
        )

    def _cache_notes(self, root: str) -> str:
        """Where our notes about the cache `root` lie: out of dvc's sight in a project's own, beside a shared one."""
        real = os.path.realpath(root)
        if not real.startswith(os.path.realpath(self.dvc_dir) + os.sep):
            return ""
        parent = real if os.path.isdir(real) else self.dvc_dir
        if os.stat(parent).st_dev != os.stat(self.dvc_dir).st_dev:
            return ""
        return os.path.join(self.state.folder, "cache")

    def _sign_shared_cache(self) -> None:
        """Leave word in a cache that others use too, so that `gc` in any of the clones counts what this one needs."""
        import hashlib
        import socket

        root = self.settings.cache_dir
        if not root or not os.path.isdir(root) or self._cache_notes(root):
            return
        text = f"{socket.gethostname()}\n{self.root}\n".encode("utf-8", "surrogateescape")
        note = os.path.join(root, ".lab", CLONES, hashlib.md5(text).hexdigest())
        if not os.path.exists(note):
            fs.write_cache_file(note, text, is_shared=self.settings.cache_shared_group)

    def remote_settings(self, name: str | None = None) -> RemoteSettings:
        """The settings of the named or default remote; raises `NotFound` or `InvalidInput` with what to type."""
        chosen = (name or self.settings.core_remote or "").lower()
        if not chosen:
            raise InvalidInput(
                "no remote is configured for this repository",
                code="no-remote",
                hint="add one: lab remote add -d storage s3://bucket/folder (or a folder on a shared disk)",
            )
        found = self.settings.remotes.get(chosen)
        if found is None:
            known = ", ".join(self.settings.remotes) or "none yet"
            raise NotFound(
                f"remote '{chosen}' does not exist",
                code="no-such-remote",
                hint=f"known remotes: {known}; add it with: lab remote add {chosen} URL",
            )
        if any(found.options.get(key, "").lower() == "true" for key in ("worktree", "version_aware")):
            raise InvalidInput(
                f"remote '{chosen}' is cloud-versioned, which labops does not touch",
                code="cloud-versioned-remote",
                hint="use dvc for this remote",
            )
        return found

    @functools.lru_cache(maxsize=16)  # noqa: B019 - one project lives as long as its command
    def remote(self, name: str | None = None, hash_name: HashName = HashName.MD5) -> Remote:
        """The named or default remote, for one kind of hash."""
        from labops.places.remote import open_remote

        folder = os.path.join(self.state.folder, "remotes")
        return open_remote(self.remote_settings(name), hash_name, state_dir=folder, is_looking=self.is_looking)

    @contextlib.contextmanager
    def lock(self, paths: Sequence[str] = ()) -> Iterator[None]:
        """Hold dvc's repository lock; `paths` (absolute) must not be in use by a running pipeline.

        Like any dvc command, puts back what is missing in `.dvc/.gitignore`: secrets and objects stay out of git.
        A project that is only `looking` takes no lock, as `status` takes none.
        """
        if self.is_looking:
            yield
            return
        from labops.drivers.lock import FOREVER, WAIT_SECONDS, Holder, RepositoryLock, check_pipelines

        def tell(holder: Holder) -> None:
            if self._on_wait is not None:
                self._on_wait(f"waiting for the repository's lock, held by {holder}")

        lock = RepositoryLock(
            os.path.join(self.dvc_dir, "tmp", "lock"),
            use_hardlink=self.settings.hardlink_lock,
            owner=_member(),
            wait_seconds=FOREVER if self._wait_for_lock else WAIT_SECONDS,
            on_wait=tell,
        )
        with lock:
            if self.git is not None:
                ignore_private_files(self.root)
            self._sign_shared_cache()
            check_pipelines(os.path.join(self.dvc_dir, "tmp"), paths, use_hardlink=self.settings.hardlink_lock)
            yield

    # -- what is tracked ------------------------------------------------------------------------------

    def tracked(self) -> list[Tracked]:
        """Every output of the workspace, in the order of the pointer files' paths."""
        return index.load(self.pointer_files, lambda path: index.read_workspace(self.root, path))

    def select(
        self, selection: Selection, tracked: Sequence[Tracked] | None = None, *, has_versions: bool | None = None
    ) -> tuple[Selected, ...]:
        """The outputs of the workspace that `selection` means; `NAME@VERSION` is one as it was at that version.

        With `tracked` those of some revision, where targets name no versions unless `has_versions`.
        """
        known = self.tracked() if tracked is None else tracked
        if not (tracked is None if has_versions is None else has_versions) or not _may_name_version(selection):
            return self._select_plain(selection, known)
        from labops.history import references

        plain, asked = references.split(self, selection, known)
        now = self._select_plain(selection._replace(targets=plain), known) if plain or not asked else ()
        chosen = (*now, *references.merged(asked))
        if asked:
            references.refuse_two(chosen, known)
        return chosen

    def _select_plain(self, selection: Selection, known: Sequence[Tracked]) -> tuple[Selected, ...]:
        targets = [self.relative(target) for target in selection.targets]
        files = [target for target in targets if self._is_pointer(target)]
        self._refuse_ignored(set(files) - {item.file for item in known})
        return select(known, targets, selection, files=files)

    def _refuse_ignored(self, files: Collection[str]) -> None:
        """A pointer that git or dvc ignores was asked for by name: silence would look like success."""
        by_git = self.git.ignored(map(self.absolute, files)) if self.git is not None and files else set()
        for file in sorted(files):
            is_git = self.absolute(file) in by_git
            if is_git or index.is_left_out(file, self.rules):
                raise InvalidInput(
                    f"'{file}' is ignored by {'git' if is_git else '.dvcignore'}, so its data is not tracked",
                    code="pointer-ignored",
                    hint=f"see which rule: {'git check-ignore -v' if is_git else 'lab check-ignore -d'} '{file}'",
                    path=file,
                )

    def select_everywhere(self, selection: Selection) -> tuple[Selected, ...]:
        """The same, with the outputs at the other revisions that `selection` asks for; none twice.

        Several versions of one output may be asked for.
        """
        revisions = self._revisions(selection)
        tracked = self.tracked()
        asked: Sequence[Selected] = ()
        if _may_name_version(selection):
            from labops.history import references

            plain, dated = references.split(self, selection, tracked)
            asked = references.merged(dated)
            if not plain and asked:
                return tuple(asked)
            selection = selection._replace(targets=plain)
        found = [*self._select_if_there(selection, tracked, must=not revisions), *asked]
        seen = {_content(item) for item in found}
        for rev in revisions:
            assert self.git is not None
            for item in self._select_if_there(selection, index.load_revision(self.git, rev, self.git_prefix)):
                if _content(item) not in seen:
                    seen.add(_content(item))
                    found.append(item)
        return tuple(found)

    def _select_if_there(
        self, selection: Selection, tracked: Sequence[Tracked], *, must: bool = False
    ) -> tuple[Selected, ...]:
        """At another revision a target that did not exist yet selects nothing."""
        try:
            return self._select_plain(selection, tracked)
        except NotFound:
            if must:
                raise
            return ()

    def _revisions(self, selection: Selection) -> list[str]:
        if not (selection.all_branches or selection.all_tags or selection.all_commits):
            return []
        if self.git is None:
            raise InvalidInput(
                "other revisions need a git repository",
                code="no-git",
                hint="leave out --all-branches, --all-tags and --all-commits",
            )
        found = self.git.revisions(
            all_branches=selection.all_branches, all_tags=selection.all_tags, all_commits=selection.all_commits
        )
        return [revision.sha for revision in found]

    def _is_pointer(self, target: str) -> bool:
        is_pointer = target.endswith(".dvc") or posixpath.basename(target) == "dvc.yaml"
        return is_pointer and os.path.isfile(os.path.join(self.root, target))

    def relative(self, path: str) -> str:
        """A path as typed, relative to the project root, posix; links are not resolved beyond the folder it is in."""
        # abspath also drops the final slash that shells put behind the names of folders they complete.
        parent, name = os.path.split(os.path.abspath(path))
        absolute = os.path.join(os.path.realpath(parent), name)
        if os.path.basename(path.rstrip("/")) in ("", ".", ".."):
            absolute = os.path.realpath(path or ".")
        inside = os.path.relpath(absolute, self.root)
        if inside == ".." or inside.startswith(".." + os.sep):
            raise InvalidInput(
                f"'{path}' is outside the repository at '{self.root}'",
                code="outside-project",
                hint="move it inside, or copy it in with: lab add PATH -o NAME",
                path=path,
            )
        return inside.replace(os.sep, "/")

    def shown(self, path: str) -> str:
        """A project path as people name it from the current directory."""
        return os.path.relpath(self.absolute(path), os.path.realpath(os.getcwd())).replace(os.sep, "/")

    def absolute(self, path: str) -> str:
        """A project path as the operating system knows it."""
        return os.path.join(self.root, path)

    # -- telling git ----------------------------------------------------------------------------------

    def tell_git(self, changed: Sequence[str]) -> tuple[str, ...]:
        """Stage the changed pointer and ignore files where `core.autostage` asks for it.

        Returns those that are left for the person to `git add`.
        """
        if self.git is None:
            return ()
        if not self.settings.autostage:
            return tuple(changed)
        existing = [self.absolute(path) for path in changed if os.path.exists(self.absolute(path))]
        self.git.stage(existing)
        return ()


def _member() -> str:
    import getpass

    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _may_name_version(selection: Selection) -> bool:
    return any("@" in target for target in selection.targets)


def _content(item: Selected) -> tuple[str, object, object, object]:
    output: Output = item.tracked.output
    return item.tracked.path, output.oid, output.hash_name, item.inside or item.patterns
