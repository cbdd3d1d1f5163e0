"""Sources: any git repository as a place to take data from, whether it is a folder here or a url, dvc's or ours.

    source = open_source("https://git.lab.example/registry", "v3")
    source.tracked, source.find("dog_and_cat/cat1.jpg"), source.tree(output), source.bring(wanted, landing)

A local path without a revision is taken as it is right now, even where nothing was committed; everything else
is read from git without a checkout. A repository elsewhere is cloned once (`drivers/git/cloning.py`).
Nothing is ever written into a source. Whatever it says is parsed as if an enemy had written it: paths cannot
leave it, and objects are hashed before they get a name.
"""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from labops import index
from labops.drivers.git import Git
from labops.drivers.git.cloning import Clone, is_url, shown_url
from labops.errors import InvalidInput, LabError, NotFound
from labops.formats.dirfile import parse_tree, render_tree, tree_oid
from labops.formats.dvcconfig import Settings
from labops.model import (
    HERE,
    Entry,
    Oid,
    OnEvent,
    Outcome,
    Tracked,
    Tree,
    file_tree,
    ignore,
    is_tree_oid,
    parse_relpath,
)
from labops.project import Project
from labops.settings import find_root, load_settings
from labops.source.files import PRIVATE, CommitFiles, Files, FolderFiles, Found, SourceFile
from labops.source.places import Landing, SourcePlaces, Want
from labops.source.settings import Overrides, cache_folder
from labops.survey import survey

__all__ = ["Found", "Landing", "Overrides", "Source", "SourceFile", "Want", "forget_clones", "open_source"]


class Source:
    """One repository at one revision (`commit`), or a local folder as it is (`commit` None).

    Paths are posix and relative to `root`: the dvc project that a local path is in, else the repository's top.
    """

    def __init__(
        self,
        url: str,
        files: Files,
        *,
        root: str,
        git: Git | None,
        commit: str | None,
        rev: str | None,
        is_local: bool,
        overrides: Overrides,
        warnings: Sequence[str] = (),
        clone: Clone | None = None,
    ) -> None:
        self.url, self.rev, self.commit = url, rev, commit
        self.root, self.git, self.is_local = root, git, is_local
        self.files = files
        self.clone = clone
        self.warnings = list(warnings)
        self._overrides = overrides
        self._trees: dict[Oid, Tree] = {}

    def __repr__(self) -> str:
        return f"Source({shown_url(self.url)!r}, {self.commit or 'workspace'})"

    @property
    def name(self) -> str:
        """The source as people are told of it, without a password."""
        return shown_url(self.url)

    def reopened(self, rev: str) -> Source:
        """The same repository at another revision."""
        config, remote, remote_config = self._overrides
        return open_source(self.url, rev, config=config, remote=remote, remote_config=remote_config)

    # -- what is there --------------------------------------------------------------------------------

    @functools.cached_property
    def projects(self) -> list[str]:
        """The folders that are dvc projects, the deepest first; none in a plain git repository."""
        if isinstance(self.files, CommitFiles):
            found = list(self.files.projects)
        else:
            found = [""] if os.path.isdir(os.path.join(self.root, ".dvc")) else []
            names = self.git.list_files(["config"], self.root) if self.git is not None else []
            prefix = prefix_of(self.root, self.git)
            inside = [name[len(prefix) :] for name in names if name.startswith(prefix)]
            found += [posixpath.dirname(posixpath.dirname(name)) for name in inside if name.endswith("/.dvc/config")]
        return sorted(set(found), key=lambda folder: (-folder.count("/") - bool(folder), folder))

    @functools.cached_property
    def tracked(self) -> list[Tracked]:
        """Every output of every project in the source, by path."""
        found: list[Tracked] = []
        for folder in self.projects:
            start = folder + "/" if folder else ""
            own = [item for item in self._tracked_of(folder) if self._owner(start + item.file) == folder]
            found += [_moved(item, start) for item in own]
        return sorted(found, key=lambda item: item.path)

    def _tracked_of(self, folder: str) -> list[Tracked]:
        if self.commit is None:
            here = self.places.here(folder)
            return here.tracked() if here is not None else []
        assert self.git is not None
        prefix = prefix_of(self.root, self.git) if self.is_local else ""
        return index.load_revision(self.git, self.commit, prefix + (folder + "/" if folder else ""))

    def _owner(self, path: str) -> str:
        """The project that the file at `path` belongs to."""
        return next((folder for folder in self.projects if not folder or path.startswith(folder + "/")), "")

    @functools.cached_property
    def paths(self) -> index.PathIndex:
        """The outputs by path."""
        return index.PathIndex(self.tracked)

    def find(self, path: str) -> Found:
        """What is at `path`, relative to the root; raises `NotFound` (`no-such-path`) and `InvalidInput`.

        A part of a tracked folder is looked up in its listing, which may have to come from the remote.
        """
        path = posixpath.normpath(path.strip("/") or ".") if not path.startswith("/") else path
        if path == ".":
            return Found("", is_folder=True)
        parse_relpath(path)
        if not PRIVATE.isdisjoint(part.lower() for part in path.split("/")):
            raise self._absent(path)
        item = self.paths.at(path)
        if item is not None:
            return Found(path, self._is_folder(item), item)
        item = self.paths.above(path)
        if item is not None:
            return self._find_inside(path, item)
        kind = self.files.kind(path)
        if not kind and self.paths.overlapping(path) is None:
            raise self._absent(path)
        return Found(path, kind != "file")

    def _is_folder(self, item: Tracked) -> bool:
        if item.output.oid is not None:
            return is_tree_oid(item.output.oid)
        return self.files.kind(item.path) == "folder"

    def _find_inside(self, path: str, item: Tracked) -> Found:
        inside = parse_relpath(path[len(item.path) + 1 :])
        kind = self.files.kind(path) if self.commit is None else ""
        if not kind and item.output.oid is not None and is_tree_oid(item.output.oid):
            below = self.listing(item).below(inside)
            kind = "" if not below else "file" if below[0].path == inside else "folder"
        if not kind:
            raise self._absent(path)
        return Found(path, kind == "folder", item, inside)

    def _absent(self, path: str) -> NotFound:
        at = f" at '{self.rev}'" if self.rev else ""
        rev = f" --rev {self.rev}" if self.rev else ""
        return NotFound(
            f"'{self.name}' has no '{path}'{at}",
            code="no-such-path",
            hint=f"see what there is: lab list '{self.name}'{rev}",
            path=path,
        )

    def at(self, found: Found, lost: dict[str, LabError] | None = None) -> list[SourceFile]:
        """Every file at or below `found`, sorted by path; plain files and tracked ones alike.

        Of a local folder as it is, the files that are there are meant, and the tracked ones that are absent.
        What keeps a folder's listing from being read is raised, or put into `lost` by the output's path.
        """
        rows: dict[str, SourceFile] = {}
        for item in self._outputs_at(found):
            output, start = item.output, item.path + "/"
            is_listed = output.oid is None or is_tree_oid(output.oid)
            for inside, content, size in self._entries(item, found, lost):
                path = start + inside if inside else item.path
                size = size if is_listed else output.size
                rows[path] = SourceFile(path, size, output.is_executable and not inside, item, content, is_plain=False)
        if self.commit is None or found.tracked is None or not found.tracked.output.is_cached:
            for file in self.files.below(found.path):
                known = rows.get(file.path)
                owner = known.tracked if known else self.paths.at(file.path) or self.paths.above(file.path)
                oid = known.oid if known else None
                rows[file.path] = SourceFile(file.path, file.size, file.is_executable, owner, oid, blob=file.blob)
        return [rows[path] for path in sorted(rows)]

    def _outputs_at(self, found: Found) -> list[Tracked]:
        items = [found.tracked] if found.tracked is not None else self.below(found.path)
        return [item for item in items if item.output.oid is not None and item.output.is_cached]

    def below(self, path: str) -> list[Tracked]:
        """The outputs whose path lies below `path`."""
        start = path + "/" if path else ""
        return [item for item in self.tracked if item.path.startswith(start)]

    def _entries(self, item: Tracked, found: Found, lost: dict[str, LabError] | None) -> tuple[Entry, ...]:
        oid = item.output.oid
        assert oid is not None
        if not is_tree_oid(oid):
            return (Entry(HERE, oid, item.output.size),)
        try:
            return self.listing(item).below(found.inside if found.tracked is item else HERE)
        except LabError as error:
            if lost is None:
                raise
            lost[item.path] = error
            return ()

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, tracked or plain, checked where it has an oid."""
        found = self.find(path)
        rows = [] if found.is_folder else self.at(found)
        if not rows:
            raise InvalidInput(f"'{path}' is a folder", code="is-a-folder", hint="name a file in it", path=path)
        file = rows[0]
        if file.is_plain:
            return self.files.read(file.path)
        assert file.tracked is not None
        assert file.oid is not None
        return self.places.read_object(file.tracked, file.oid)

    # -- trees ----------------------------------------------------------------------------------------

    def listing(self, item: Tracked) -> Tree:
        """The tree that an output's oid names, from a cache or the remote; raises what prevents it."""
        oid = item.output.oid
        if oid is None:
            raise self.places.gone(item.path, None, f"'{item.path}' has no hash yet")
        if not is_tree_oid(oid):
            return file_tree(oid, item.output.size)
        if oid not in self._trees:
            self._trees[oid] = parse_tree(self.places.read_object(item, oid), oid=oid)
        return self._trees[oid]

    def tree(self, item: Tracked) -> Tree:
        """An output's tree as it is here: of a local folder its real content, else what its oid names."""
        here = self.places.here(self._owner(item.file)) if self.commit is None else None
        if here is not None:
            start = self._owner(item.file)
            inside = item.path[len(start) + 1 :] if start else item.path
            seen = survey(here, inside, item.output.hash_name, remember=False).tree()
            if seen is not None:
                return self._completed(item, seen)
        return self.listing(item)

    def _completed(self, item: Tracked, seen: Tree) -> Tree:
        """What is in the folder, and what is tracked there but was not pulled."""
        if not seen.is_dir or item.output.oid in (None, seen.oid):
            return seen
        try:
            entries = {entry.path: entry for entry in self.listing(item).entries}
        except LabError:
            return seen
        entries.update((entry.path, entry) for entry in seen.entries)
        rows = tuple(sorted(entries.values()))
        return Tree(tree_oid(render_tree(rows)), rows)

    # -- objects and settings -------------------------------------------------------------------------

    @functools.cached_property
    def places(self) -> SourcePlaces:
        """Where the objects are."""
        files = self.files
        return SourcePlaces(
            self.name,
            self.root,
            is_local=self.is_local,
            owner=lambda item: self._owner(item.file),
            config=files.config if isinstance(files, CommitFiles) else lambda _: b"",
            overrides=self._overrides,
        )

    def bring(
        self, wanted: Iterable[Want], landing: Landing, *, jobs: int | None = None, on_event: OnEvent = ignore
    ) -> list[Outcome]:
        """Objects into `landing`, each once; see `SourcePlaces.bring`."""
        return self.places.bring(wanted, landing, jobs=jobs, on_event=on_event)

    def settings(self) -> Settings:
        """The settings of the project at the root, overrides included."""
        return self.places.settings("")


def _moved(item: Tracked, start: str) -> Tracked:
    return replace(item, path=start + item.path, file=start + item.file) if start else item


def prefix_of(root: str, git: Git | None) -> str:
    """The folder `root` inside its git repository: `""` or `sub/`."""
    if git is None:
        return ""
    inside = os.path.relpath(os.path.realpath(root), os.path.realpath(git.root)).replace(os.sep, "/")
    return "" if inside == "." else inside + "/"


# -- opening ------------------------------------------------------------------------------------------


def open_source(
    repo: str | None = None,
    rev: str | None = None,
    *,
    config: str | Mapping[str, object] | None = None,
    remote: str | None = None,
    remote_config: Mapping[str, str] | None = None,
    is_committed: bool = False,
) -> Source:
    """The repository `repo` (a path or a git url; None: the one around the current directory) at `rev`.

    Without `rev` a dvc project on this machine is taken as it is right now (its last commit with
    `is_committed`), any other repository at the tip of its default branch. `config`, `remote` and `remote_config` are
    dvc's overrides of the source's settings. A clone that cannot be refreshed is used as it is, with a warning in
    `Source.warnings`. Raises `NotFound` (`no-such-repository`, `unknown-revision`), `AccessDenied`
    (`git-refused`), `Unavailable` (`git-unreachable`) or `InvalidInput` (`bad-repository-url`).
    """
    text = repo or "."
    overrides = Overrides(config, remote, remote_config)
    place = os.path.abspath(os.path.expanduser(text))
    if not is_url(text) and os.path.isdir(place):
        root = find_root(place)
        git = Git.find(root or place)
        if root is not None or git is not None:
            return _open_folder(text, rev, root, git, overrides, is_committed=is_committed)
        if os.path.isfile(os.path.join(place, "HEAD")) and os.path.isdir(os.path.join(place, "objects")):
            return _open_clone(place, text, rev, overrides)  # a bare repository
    elif is_url(text) or text.startswith("-"):
        return _open_clone(text, text, rev, overrides)
    raise NotFound(
        f"there is no repository at '{text}'",
        code="no-such-repository",
        hint="name a folder inside a git repository, or a url such as https://github.com/lab/registry",
        path=text,
    )


def _open_folder(
    url: str, rev: str | None, root: str | None, git: Git | None, overrides: Overrides, *, is_committed: bool
) -> Source:
    if rev is None and root is not None and not is_committed:
        files: Files = FolderFiles(root, Project(root, load_settings(root)).rules)
        return Source(url, files, root=root, git=git, commit=None, rev=None, is_local=True, overrides=overrides)
    if git is None:
        raise InvalidInput(
            f"'{url}' is not in a git repository, so it has no revisions",
            code="no-git",
            hint="leave out --rev, or start one there: git init",
        )
    commit = git.resolve(rev or "HEAD")
    top = root or git.root
    files = CommitFiles(git, commit, prefix_of(top, git))
    return Source(url, files, root=top, git=git, commit=commit, rev=rev, is_local=True, overrides=overrides)


def _open_clone(address: str, url: str, rev: str | None, overrides: Overrides) -> Source:
    clone = _clone(address)
    commit = clone.commit(rev)
    # The relative url of a folder remote leads from where the repository is, not from our copy of it.
    place = address.removeprefix("file://")
    root = os.path.abspath(place) if os.path.isdir(place) else clone.folder
    warnings = []
    if clone.trouble is not None:
        warnings.append(f"{clone.trouble.message}; its copy of an earlier day is used")
    return Source(
        url,
        CommitFiles(clone.git, commit),
        root=root,
        git=clone.git,
        commit=commit,
        rev=rev,
        is_local=False,
        overrides=overrides,
        warnings=warnings,
        clone=clone,
    )


@functools.lru_cache(maxsize=64)
def _clone(address: str) -> Clone:
    """One clone a process, so that its origin is asked once a command."""
    return Clone(address, os.path.join(cache_folder(), "git"))


def forget_clones() -> None:
    """Ask the origins again when a source is opened next: for programs that live longer than a command."""
    _clone.cache_clear()
