"""The Python face: files of any repository, and dvc's api for data under its own names.

    import labops.api as api          # where a script says: import dvc.api as api

    with api.open("dog_and_cat/0001.jpg", repo="https://git.lab.example/registry", mode="rb") as file: ...
    api.read("labels.csv", version="v3"), api.get_url("dog_and_cat"), api.DVCFileSystem(repo)

`open`, `read`, `get_url`, `artifacts_show`, `all_branches`, `all_tags`, `all_commits` and `DVCFileSystem` take what
dvc's functions take and answer alike. `labops.open`, `labops.read` and `labops.filesystem` are these functions.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Generator, Mapping
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, TypeVar, overload

from labops.errors import InvalidInput, LabError, NotFound, Unsupported
from labops.reading import FolderPath, MissingPath, Reader, Row
from labops.reading.readers import commits, forget, open_reader, ref_names, repo_place

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    from labops.fsspec import DVCFileSystem, LabFileSystem

__all__ = [
    "DVCFileSystem",
    "FolderPath",
    "MissingPath",
    "all_branches",
    "all_commits",
    "all_tags",
    "artifacts_show",
    "filesystem",
    "forget",
    "get_dataset",
    "get_url",
    "metrics_show",
    "open",
    "params_show",
    "read",
]

Config = Mapping[str, object]
File = TypeVar("File", bound=IO[Any])

TextMode = Literal["r", "rt", "tr"]
BinaryMode = Literal["rb", "br"]


class Opened(contextlib.AbstractContextManager[File]):
    """What `open` returns: of use in a `with` statement only, as dvc's is."""

    def __init__(self, opening: Generator[File]) -> None:
        self._opening = opening

    def __enter__(self) -> File:
        return next(self._opening)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opening.close()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            raise AttributeError("labops.open() should be used in a with statement")


@overload
def open(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: TextMode = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> Opened[TextIO]: ...
@overload
def open(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    *,
    mode: BinaryMode,
    encoding: None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    version: str | None = None,
) -> Opened[BinaryIO]: ...
@overload
def open(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> Opened[IO[Any]]: ...


def open(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> Opened[Any]:
    """Open a file of a repository, tracked or kept by git; for a `with` statement.

    `path` is relative to the current directory where that is inside the repository, else to its root, and
    may name a version: `dog_and_cat@v3/0001.jpg`. `repo` is a folder or a git url (None: the one around the
    current directory); `rev` a git revision (None: the working folder, elsewhere the default branch); `version`
    a version of the dataset, as in `lab log`. `remote`, `config` and `remote_config` override the
    repository's settings. The bytes come from the working folder, else a cache, else the remote, and are
    hashed before the first of them is handed out.

    Raises `MissingPath` (a `NotFound` and a `FileNotFoundError`), `FolderPath` (an `IsADirectoryError`),
    `ValueError` for a mode that does not read, and the errors of git and the remote.
    """
    _check_mode(mode)
    where = _Where(repo, rev, remote, config, remote_config)
    return Opened(_opening(path, where, version, mode, encoding))


def _check_mode(mode: str) -> None:
    if "r" not in mode or "+" in mode:
        raise InvalidInput(
            f"mode '{mode}' does not only read, and datasets are read-only here",
            code="read-only",
            hint="open it with mode='r' or mode='rb'; to change a dataset: lab pull, edit, lab add",
        )


class _Where:
    """Which repository is meant, at which revision, with which settings."""

    def __init__(
        self,
        repo: str | None,
        rev: str | None = None,
        remote: str | None = None,
        config: Config | None = None,
        remote_config: Mapping[str, str] | None = None,
    ) -> None:
        self.repo, self.rev, self.remote = repo, rev, remote
        self.config, self.remote_config = config, remote_config

    def reader(self, *, is_new: bool = False) -> Reader:
        return open_reader(
            self.repo,
            self.rev,
            remote=self.remote,
            config=self.config,
            remote_config=self.remote_config,
            is_new=is_new,
        )

    def find(self, path: str, version: str | None) -> tuple[Reader, Row]:
        """What is at `path`; before it is called missing, the repository is looked at anew."""
        reader = self.reader()
        try:
            return reader, reader.find(reader.inside(os.fspath(path)), version)
        except NotFound:
            if reader.source.commit is not None:
                raise
        reader = self.reader(is_new=True)
        return reader, reader.find(reader.inside(os.fspath(path)), version)


def _opening(path: str, where: _Where, version: str | None, mode: str, encoding: str | None) -> Generator[IO[Any]]:
    reader, row = where.find(path, version)
    file: IO[Any] = reader.open(row)
    if "b" not in mode:
        file = io.TextIOWrapper(file, encoding=encoding)
    with file:
        yield file


@overload
def read(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: TextMode = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> str: ...
@overload
def read(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    *,
    mode: BinaryMode,
    encoding: None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    version: str | None = None,
) -> bytes: ...
@overload
def read(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> str | bytes: ...


def read(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> str | bytes:
    """The whole content of a file: text, or bytes with mode `rb`. Takes what `open` takes."""
    with open(path, repo, rev, remote, mode, encoding, config, remote_config, version=version) as file:
        content: str | bytes = file.read()
    return content


def filesystem(
    repo: str | None = None,
    rev: str | None = None,
    *,
    version: str | None = None,
    remote: str | None = None,
) -> LabFileSystem:
    """A read-only fsspec file system over a repository: `ls`, `find`, `glob`, `open`, `cat`, `get` …

    Paths may name versions (`dog_and_cat@v3/0001.jpg`); `version` is the one of paths that name none. Needs
    `pip install 'labops[fs]'`.
    """
    made: LabFileSystem = _fsspec().LabFileSystem(repo=repo, rev=rev, version=version, remote=remote)
    return made


def _fsspec() -> ModuleType:
    try:
        import labops.fsspec
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"file systems need the package '{error.name}'", code="needs-extra", hint="pip install 'labops[fs]'"
        ) from error
    return labops.fsspec


def get_url(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    config: Config | None = None,
    remote_config: Mapping[str, str] | None = None,
    *,
    version: str | None = None,
) -> str:
    """Where the bytes of a tracked file lie on the remote; of a folder, where its listing lies.

    Whether they are there is not asked. Raises `NotFound` (`not-tracked`) for what is not tracked.
    """
    absent = NotFound(
        f"'{path}' is not tracked, so it lies on no remote",
        code="not-tracked",
        hint="see what is: lab list -R --dvc-only",
        path=path,
    )
    try:
        reader, row = _Where(repo, rev, remote, config, remote_config).find(path, version)
    except MissingPath as error:
        raise absent from error
    stored = reader.stored(row)
    if stored is None or stored.oid is None or stored.tracked is None:
        raise absent
    return reader.source.places.object_url(stored.tracked, stored.oid)


def all_branches(repo: str | None = None) -> list[str]:
    """Names of the git branches of a repository."""
    return _names(repo, "refs/heads/")


def all_tags(repo: str | None = None) -> list[str]:
    """Names of the git tags of a repository."""
    return _names(repo, "refs/tags/")


def _names(repo: str | None, under: str) -> list[str]:
    return [name.removeprefix(under) for name in ref_names(open_reader(repo)) if name.startswith(under)]


def all_commits(repo: str | None = None) -> list[str]:
    """The ids of all commits of a repository."""
    return commits(open_reader(repo))


def artifacts_show(
    name: str, version: str | None = None, stage: str | None = None, repo: str | None = None
) -> dict[str, str]:
    """`rev` and `path` of an artifact that a `dvc.yaml` declares and a git tag `NAME@v1.2.3` marks."""
    from labops.verbs.artifacts import find_artifact

    found = find_artifact(repo_place(repo), name, version=version, stage=stage)
    return {"rev": found.rev, "path": found.path(open_reader(repo, found.rev).source)}


def params_show(*targets: str, **options: object) -> dict[str, object]:
    """Left to dvc: raises `Unsupported`."""
    raise _left_to_dvc("params_show")


def metrics_show(*targets: str, **options: object) -> dict[str, object]:
    """Left to dvc: raises `Unsupported`."""
    raise _left_to_dvc("metrics_show")


def get_dataset(name: str) -> dict[str, object]:
    """Left to dvc: raises `Unsupported`."""
    raise _left_to_dvc("get_dataset")


def _left_to_dvc(name: str) -> LabError:
    return Unsupported(
        f"labops does not do '{name}', which is about pipelines and not about data",
        code="use-dvc",
        hint=f"pip install dvc, then: dvc.api.{name}(...)",
    )


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "DVCFileSystem":
            return _fsspec().DVCFileSystem
        raise AttributeError(f"module 'labops.api' has no attribute '{name}'")
