"""Datasets in code: one version of one dataset, asked for by name.

cats = Dataset("dog_and_cat", repo="https://git.lab.example/registry", version="v3")
cats.files, cats.path(), cats.path("0001.jpg"), cats.oid, cats.card
require("dog_and_cat@v3")
"""

from __future__ import annotations

import contextlib
import functools
import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, overload

from labops.drivers.git.cloning import shown_url
from labops.errors import Conflict, Corrupt, InvalidInput, LabError, NotFound
from labops.formats.statefile import pack_fingerprint
from labops.model import (
    HERE,
    Entry,
    Oid,
    OnEvent,
    Output,
    RelPath,
    Selection,
    Tracked,
    ignore,
    is_tree_oid,
    parse_relpath,
)
from labops.reading import Reader, folder_path
from labops.reading.readers import open_reader, repo_place
from labops.reading.stock import looks, raise_first

if TYPE_CHECKING:
    from labops.history import Version
    from labops.project import Project
    from labops.survey import Survey


_LOOKED_UP = ("_entries", "_seen", "files", "versions")
"""What a `Dataset` finds out when it is asked."""


class File(NamedTuple):
    """One file of a dataset. `path` is relative to the dataset, and empty where that is a single file.

    `size` is in bytes; None while neither the workspace nor a cache of this machine holds the file.
    """

    path: str
    size: int | None
    oid: str


class Card(NamedTuple):
    """What people wrote about a dataset, in the fields that DVC files have for it."""

    description: str | None = None
    type: str | None = None
    labels: tuple[str, ...] = ()
    meta: Mapping[str, object] = {}


class Verification(NamedTuple):
    """What hashing a version's files anew found. Paths are those of `Dataset.files`."""

    files: int
    """How many are on this machine and were hashed."""
    bad: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Not on this machine."""

    @property
    def is_whole(self) -> bool:
        """True when every file is here and every byte right."""
        return not self.bad and not self.missing


class Dataset:
    """One version of one dataset.

    `name` is its path in the repository, and may name the version itself (`dog_and_cat@v3`). `repo` is a folder
    or a git url; None means the repository around the current directory. `version` is what `lab log` shows
    (`v3`), a tag, a commit, or a day; without one, what the DVC file names now. `rev` is a git revision whose
    DVC file counts, in place of a version. The version is looked up once, here: a `Dataset` never changes,
    and can be sent to other processes. Raises `NotFound` and `InvalidInput` with what to type.
    """

    def __init__(
        self,
        name: str,
        repo: str | None = None,
        version: str | None = None,
        *,
        rev: str | None = None,
        remote: str | None = None,
    ) -> None:
        if version is not None and rev is not None:
            raise InvalidInput("a version and a revision were given", code="bad-usage", hint="leave out one of them")
        self.repo = repo_place(repo)
        self._options = (rev, remote)
        reader = self._reader
        row = reader.find(name.rstrip("/"), version)
        item = row.tracked
        if item is None or row.spot.inside != HERE or item.output.oid is None:
            raise _no_dataset(reader, name, item)
        self._item: Tracked = item
        self._version = row.spot.version
        if not reader.source.is_local and rev is None:
            self._options = (reader.source.commit, remote)  # the same for every process it is sent to

    @property
    def _reader(self) -> Reader:
        return open_reader(self.repo, self._options[0], remote=self._options[1])

    def __getstate__(self) -> dict[str, object]:
        """Without what can be looked up again: a million files are not sent to each worker."""
        return {name: value for name, value in self.__dict__.items() if name not in _LOOKED_UP}

    def __repr__(self) -> str:
        return f"Dataset({self.reference!r}, repo={self.repo!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and (self.repo, self.name, self.oid) == (other.repo, other.name, other.oid)

    def __hash__(self) -> int:
        return hash((self.repo, self.name, self.oid))

    # -- what it is -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return self._item.path

    @property
    def oid(self) -> str:
        """The id of its content: an md5, followed by `.dir` for a folder."""
        assert self._item.output.oid is not None
        return self._item.output.oid

    @functools.cached_property
    def version(self) -> str | None:
        """`v3`, or a commit's first letters where it has no number; None for what no commit holds yet."""
        found = self._version or next((one for one in reversed(self.versions) if one.output.oid == self.oid), None)
        return found.label if found else None

    @functools.cached_property
    def versions(self) -> tuple[Version, ...]:
        """Every version of this dataset in the history of HEAD (elsewhere: of the default branch), oldest first."""
        try:
            return self._reader.history.versions(self.name)
        except InvalidInput as error:
            if error.code != "no-git":
                raise
            return ()

    @property
    def reference(self) -> str:
        """`dog_and_cat@v3`: how to ask for just this again."""
        return f"{self.name}@{self.version}" if self.version else self.name

    @property
    def commit(self) -> str | None:
        """The git commit that brought this version in, or that was asked for; None for a folder as it is now."""
        return self._version.rev if self._version else self._reader.source.commit

    @property
    def url(self) -> str:
        """The repository's address without a password; for one on this machine its path."""
        return self._reader.source.name

    @property
    def address(self) -> str:
        """Where others can clone the repository: the url of its origin, without a password; else `url`."""
        source = self._reader.source
        found = source.git.remote_url("origin") if source.is_local and source.git is not None else None
        return shown_url(found) if found else self.url

    @property
    def card(self) -> Card:
        """What people wrote about it."""
        output = self._item.output
        return Card(output.desc, output.type, output.labels or (), output.meta or {})

    @property
    def output(self) -> Output:
        """All that its DVC file says, number of files and bytes among it."""
        return self._item.output

    @property
    def is_folder(self) -> bool:
        """False for a dataset that is one file."""
        return is_tree_oid(Oid(self.oid))

    @functools.cached_property
    def _entries(self) -> tuple[Entry, ...]:
        return tuple(self._reader.entries(self._item))

    @functools.cached_property
    def files(self) -> tuple[File, ...]:
        """Its files by path. Needs the listing only, which comes from the remote where it is not here."""
        sizes = self._sizes()
        return tuple(File(entry.path, sizes.get(entry.oid, entry.size), entry.oid) for entry in self._entries)

    def _sizes(self) -> dict[Oid, int]:
        found: dict[Oid, int] = {}
        for cache in self._reader.stock.caches(self._item):
            present = {entry.oid for entry in self._entries} - found.keys()
            present -= cache.missing(present)
            found |= {oid: size for oid in present if (size := cache.size(oid)) is not None}
        return found

    # -- its bytes ------------------------------------------------------------------------------------

    def path(self, file: str | None = None, *, on_event: OnEvent = ignore) -> str:
        """A path on this machine that holds exactly this version, or just `file` of it; fetched where it is not here.

        The workspace where that holds this version, with no edit; else a read-only folder of links into a cache.
        Asking for one file moves that file and the listing, no more.
        """
        inside = parse_relpath(posixpath.normpath(file)) if file else HERE
        entries = self._below(inside)
        here = self._workspace()
        if here is not None:
            project, path = here
            whole = project.absolute(path)
            if inside and len(entries) == 1 and self._is_here(f"{whole}/{inside}", entries[0]):
                return f"{whole}/{inside}"
            if not inside and _look(project, self._item, path).oid == self.oid:
                return whole
        return self._reader.stock.place(self._item, inside, entries, on_event=on_event)

    def _is_here(self, path: str, entry: Entry) -> bool:
        """True when the workspace file is the entry, by what one look at the whole folder found."""
        known, now = self._seen.get(entry.path), looks(path)
        return known is not None and now is not None and (pack_fingerprint(*now), entry.oid) == known

    @functools.cached_property
    def _seen(self) -> dict[RelPath, tuple[bytes, Oid]]:
        """The files of the workspace by path: how each looked, and its oid."""
        here = self._workspace()
        return _look(here[0], self._item, here[1]).recall.rows() if here is not None else {}

    def open(self, file: str | None = None) -> BinaryIO:
        """One file of it (or it itself, where it is a file), opened for reading bytes."""
        inside = parse_relpath(posixpath.normpath(file)) if file else HERE
        entries = self._below(inside)
        if len(entries) != 1 or entries[0].path != inside:
            raise folder_path(posixpath.join(self.name, inside))
        stock = self._reader.stock
        return open(stock.object_path(self._item, entries[0]), "rb")

    def _below(self, inside: str) -> Sequence[Entry]:
        reader = self._reader
        found = reader.entries_below(self._item, parse_relpath(inside) if inside else HERE)
        if not found and inside:
            raise reader.absent(f"{self.reference}/{inside}")
        return found

    def _workspace(self) -> tuple[Project, str] | None:
        """The project around this dataset and its path there, where that is on this machine."""
        source = self._reader.source
        project = source.places.here("") if source.is_local else None
        return (project, self.name) if project is not None else None

    def pull(self, *, force: bool = False, on_event: OnEvent = ignore) -> str:
        """Bring all of it to this machine and, in a local project, put it into the workspace; its path.

        Of another repository, and of a git revision, the path is that of `path()`. Unsaved work in the way raises
        `Conflict` (`unsaved-changes`), unless `force`.
        """
        here = self._workspace()
        if here is None or self._options[0] is not None:
            return self.path(on_event=on_event)
        from labops.verbs.pull import pull

        project, path = here
        place = project.absolute(path)
        target = f"{place}@{self._version.rev}" if self._version is not None else place
        report = pull(project, Selection((target,)), force=force, on_event=on_event)
        raise_first(report.outcomes)
        return place

    def verify(self, *, on_event: OnEvent = ignore) -> Verification:
        """Hash the objects of this version that this machine holds, whatever was known about them.

        A bad one is put in quarantine, so that the next use fetches a good copy.
        """
        from labops import transfer

        caches = self._reader.stock.caches(self._item)
        by_oid = {entry.oid: entry for entry in self._entries}
        missing, bad = dict(by_oid), set[Oid]()
        for cache in caches:
            present = sorted(missing.keys() - cache.missing(missing))
            results = transfer.each(present, cache.verify, phase="verifying", on_event=on_event)
            cache.save()
            for oid, result in zip(present, results, strict=True):
                if isinstance(result, LabError) and not isinstance(result, Corrupt):
                    raise result
                del missing[oid]
                if result is not None:
                    bad.add(oid)
        paths = [(entry.path or self.name, entry.oid) for entry in self._entries]
        absent = tuple(path for path, oid in paths if oid in missing)
        return Verification(len(paths) - len(absent), tuple(path for path, oid in paths if oid in bad), absent)


def _no_dataset(reader: Reader, name: str, item: Tracked | None) -> LabError:
    if item is not None and item.output.oid is None:
        return NotFound(
            f"'{name}' was never committed, so it has no version yet",
            code="never-tracked",
            hint=f"lab commit {item.file}",
        )
    where = f"it is a part of '{item.path}'" if item is not None else f"'{reader.source.name}' does not track it"
    return NotFound(
        f"'{name}' is not a dataset: {where}",
        code="not-a-dataset",
        hint=f"name a tracked path; to read one file: labops.open('{name}')",
        path=name,
    )


# -- require ------------------------------------------------------------------------------------------


@overload
def require(name: str, /, *, repo: str | None = None) -> Dataset: ...
@overload
def require(name: str, second: str, /, *more: str, repo: str | None = None) -> tuple[Dataset, ...]: ...


def require(name: str, /, *more: str, repo: str | None = None) -> Dataset | tuple[Dataset, ...]:
    """Make sure that the workspace of this machine holds the datasets named, each `NAME@VERSION`, with no edits.

    Returns the dataset (several: a tuple), so that it can be logged. Reads only files that changed since lab last
    looked. Raises `Conflict` (`other-version`, `unsaved-edits`, `not-here`) that says what this machine holds
    and what to type. A name without a version stands for the version that its DVC file names.
    """
    found = tuple(_required(each, repo) for each in (name, *more))
    return found if more else found[0]


def _required(text: str, repo: str | None) -> Dataset:
    dataset = Dataset(text, repo)
    here = dataset._workspace()
    if here is None:
        raise InvalidInput(
            f"'{repo}' is not a project on this machine, so it has no workspace to look at",
            code="no-workspace",
            hint="fetch the version that is needed: labops.Dataset(...).path()",
        )
    project, path = here
    now = _look(project, dataset._item, path)
    if now.oid == dataset.oid:
        return dataset
    pull = f"lab pull '{text}'" if dataset._version else f"lab pull '{path}'"
    if now.oid is None:
        raise Conflict(
            f"{dataset.reference} is required, and this machine holds nothing at '{path}'",
            code="not-here",
            hint=pull,
            path=path,
        )
    held = next((one for one in reversed(dataset.versions) if one.output.oid == now.oid), None)
    if held is not None:
        raise Conflict(
            f"{dataset.reference} is required, and this machine holds {path}@{held.label}",
            code="other-version",
            hint=pull,
            path=path,
            held=held.label,
        )
    raise Conflict(
        f"{dataset.reference} is required, and this machine holds edits at '{path}' that are in no version"
        + _difference(dataset, now),
        code="unsaved-edits",
        hint=f"see them: lab data status --granular '{path}'; to throw them away: {pull} --force",
        path=path,
    )


def _difference(dataset: Dataset, now: Survey) -> str:
    """How many files are other than in the required version, where that can be told."""
    with contextlib.suppress(LabError):
        want = {(entry.path, entry.oid) for entry in dataset._entries}
        have = {(entry.path, entry.oid) for entry in now.entries()}
        count = len({path for path, _ in want ^ have})
        return f" ({count} file{'s'[: count > 1]} differ{'s'[: count == 1]})"
    return ""


def _look(project: Project, item: Tracked, path: str) -> Survey:
    from labops.survey import survey

    return survey(project, path, item.output.hash_name)
