"""Records: pointer files of old commits as outputs, read together and parsed once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from labops import index
from labops.drivers.git import Git
from labops.drivers.git.history import Change, read_objects
from labops.errors import LabError
from labops.model import HashName, Oid, Output, Tracked

_MOST_WARNINGS = 20
_SIMPLE = re.compile(r"[\w.-]+", re.ASCII)

_PLAIN = re.compile(
    # An id of digits and `e` alone might be a number in YAML, and so might a name that does not begin with a letter.
    rb"outs:\n- md5: (?P<oid>(?=[0-9e]*[a-df])[0-9a-f]{32}(?:\.dir)?)\n"
    rb"  size: (?P<size>0|[1-9][0-9]{0,17})\n(?:  nfiles: (?P<nfiles>0|[1-9][0-9]{0,17})\n)?"
    rb"  hash: md5\n  path: (?P<name>(?!(?i:true|false|null)\n)[A-Za-z][\w.-]*)\n"
)


def plain_output(file: str, data: bytes) -> Tracked | None:
    """The output of a `.dvc` file in the very form that dvc gives most of them; None says nothing.

    Equal to what the parser finds, at a tenth of its cost: a history holds thousands of these.
    """
    match = _PLAIN.fullmatch(data)
    folder, slash, _ = file.rpartition("/")
    if match is None or folder.startswith(".") or "/." in folder:
        return None
    oid, size, nfiles, name = match.group("oid", "size", "nfiles", "name")
    path = name.decode("ascii")
    output = Output(
        path=path,
        oid=Oid(oid.decode("ascii")),
        hash_name=HashName.MD5,
        size=int(size),
        nfiles=int(nfiles) if nfiles else None,
    )
    return Tracked(folder + slash + path, output, file)


class Records:
    """Contents of pointer files by blob id, and what they track.

    What cannot be parsed tracks nothing, and is said in `warnings`.
    """

    def __init__(self, git: Git, prefix: str) -> None:
        self._git = git
        self._prefix = prefix
        self._texts: dict[str, bytes | None] = {}
        self._parsed: dict[tuple[str, str], list[Tracked]] = {}
        self.warnings: list[str] = []

    def load(self, names: Iterable[str]) -> None:
        """Have the blobs (or `commit:path`) at hand; two processes, none when all are there."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._texts]
        found = read_objects(self._git, wanted)
        self._texts.update((name, found.get(name)) for name in wanted)

    def output(self, file: str, sha: str, path: str, commit: str) -> Tracked | None:
        """The output at `path` that `file` with this content tracks."""
        return next((item for item in self.outputs(file, sha, commit) if item.path == path), None)

    def outputs(self, file: str, sha: str, commit: str) -> list[Tracked]:
        """All outputs of a `.dvc` file, or of the stages beside a `dvc.lock`; `commit` is where it stands."""
        is_lock = posixpath.basename(file) == "dvc.lock"
        key = (file, f"{commit}:{sha}" if is_lock else sha)
        if key not in self._parsed:
            self.load([sha])
            self._parsed[key] = self._stages(file, sha, commit) if is_lock else self._dvcfile(file, sha, commit)
        return self._parsed[key]

    def _dvcfile(self, file: str, sha: str, commit: str) -> list[Tracked]:
        data = self._texts[sha]
        plain = plain_output(file, data) if data is not None else None
        return [plain] if plain is not None else self._parse(file, commit, {file: data})

    def _stages(self, file: str, sha: str, commit: str) -> list[Tracked]:
        """What the stages made; their `dvc.yaml`, and the parameters it may name, are those of the same commit."""
        texts: dict[str, bytes | None] = {file: self._texts[sha]}
        yaml = posixpath.join(posixpath.dirname(file), "dvc.yaml")
        return self._parse(yaml, commit, texts)

    def _parse(self, pointer: str, commit: str, texts: Mapping[str, bytes | None]) -> list[Tracked]:
        def read(path: str) -> str | None:
            if path in texts:
                data = texts[path]
            else:
                name = self._name(commit, path)
                self.load([name])
                data = self._texts[name]
            return None if data is None else data.decode()

        try:
            return index.load([pointer], read)
        except (LabError, UnicodeDecodeError) as error:
            said = error.message if isinstance(error, LabError) else "it is not UTF-8 text"
            if len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(f"'{pointer}' of commit {commit[:7]} is left out: {said}")
            return []

    def prepare(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Read together what parsing these (file, blob id, commit) takes; a few processes at most."""
        names: list[str] = []
        yamls: dict[str, tuple[str, str]] = {}
        for file, sha, commit in rows:
            names.append(sha)
            if posixpath.basename(file) == "dvc.lock":
                yaml = posixpath.join(posixpath.dirname(file), "dvc.yaml")
                yamls[self._name(commit, yaml)] = (commit, yaml)
        self.load([*names, *yamls])
        self.load(spec for name, place in yamls.items() for spec in self._params(name, *place))

    def _name(self, commit: str, path: str) -> str:
        return f"{commit}:{self._prefix}{path}"

    def _params(self, name: str, commit: str, yaml: str) -> list[str]:
        """The files whose values the templates of this `dvc.yaml` may name."""
        from labops.formats.dvclock import vars_files

        try:
            files = vars_files((self._texts[name] or b"").decode(), name=yaml)
        except (LabError, UnicodeDecodeError):
            return []  # it is said when the file is parsed
        folder = posixpath.dirname(yaml)
        return [self._name(commit, posixpath.normpath(posixpath.join(folder, file))) for file in files]

    def mentioning(self, path: str, changes: Mapping[str, list[tuple[int, Change]]]) -> list[str]:
        """Those pointer files of a history whose text, at some commit, has the last part of `path` in it."""
        name = posixpath.basename(path)
        self.load(change.new for rows in changes.values() for _, change in rows if change.new)
        if not _SIMPLE.fullmatch(name):  # YAML may have written it in another way
            return list(changes)
        wanted = name.encode()
        return [
            file
            for file, rows in changes.items()
            if any(wanted in (self._texts[change.new] or b"") for _, change in rows if change.new)
        ]

    def at_commit(self, commit: str, places: Iterable[tuple[str, str]]) -> Tracked | None:
        """The first output that a commit has of `places`: pointer files with the path that each may track."""
        rows = [(file, self._name(commit, file), path) for file, path in places]
        self.prepare((file, name, commit) for file, name, _ in rows)
        for file, name, path in rows:
            item = None if self._texts[name] is None else self.output(file, name, path, commit)
            if item is not None:
                return item
        return None
