"""Repositories that live elsewhere: a shallow copy of each, kept in the user's cache folder and refreshed.

The copy is made by us (`git init`, no template), never checked out and never written into by its origin:
no hooks run, no submodules are entered, and only git's own transports are spoken. What comes over the wire is
the commit asked for, without history and without files over a mebibyte; git fetches those when they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NotFound, Unavailable

SAFE = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "protocol.fd.allow=never"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "gc.auto=0"),
    *("-c", "advice.detachedHead=false"),
)
"""Options of every git that talks to another repository: nothing of theirs is executed here."""

_FILTER = "--filter=blob:limit=1m"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SECRET = re.compile(r"(?<=://)[^/@]+@")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCP = re.compile(r"[^/:\s]+:(?!//)")
_HELPER = re.compile(r"\A[A-Za-z0-9+.-]+::")
_LOCK_SECONDS = 600.0


class Ref(NamedTuple):
    """One name a repository publishes: `refs/heads/main`, the commit, and whether it is an annotated tag."""

    name: str
    sha: str
    is_annotated: bool = False


def _held(sha: str) -> str:
    """The ref that keeps a fetched commit."""
    return f"refs/lab/commits/{sha}"


class _Rule(NamedTuple):
    pattern: str
    error: type[LabError]
    code: str
    message: str
    hint: str


# First match wins; `{url}` is the url without its password.
_RULES = (
    _Rule(
        r"transport '.*' not allowed|strange (?:hostname|pathname)|unable to find remote helper|is not a git command",
        InvalidInput, "bad-repository-url", "git does not speak to '{url}'",
        "use an https, ssh or file url, or a path",
    ),
    _Rule(
        r"authentication failed|could not read (username|password)|permission denied|terminal prompts disabled"
        r"|host key verification failed|http basic: access denied|error: 403|error: 401|invalid credentials",
        AccessDenied, "git-refused", "'{url}' does not let you in",
        "check your key or token: git ls-remote '{url}'",
    ),
    _Rule(
        r"could not resolve host|failed to connect|connection (refused|reset|timed out)|operation timed out"
        r"|network is unreachable|no route to host|temporary failure|unable to connect|ssl|early eof"
        r"|the remote end hung up|error: 5\d\d|couldn't connect",
        Unavailable, "git-unreachable", "'{url}' cannot be reached",
        "check the network, then: git ls-remote '{url}'",
    ),
    _Rule(
        r"couldn't find remote ref|not our ref|unadvertised object|no such remote ref",
        NotFound, "unknown-revision", "'{url}' has no such revision",
        "see what there is: git ls-remote '{url}'",
    ),
    _Rule(
        r"repository .*not (found|exist)|does not appear to be a git repository|not found|does not exist"
        r"|not a git repository|error: 404|no such file or directory",
        NotFound, "no-such-repository", "there is no git repository at '{url}'",
        "check the address: git ls-remote '{url}'",
    ),
)  # fmt: skip


def is_url(text: str) -> bool:
    """True for what git takes as the address of a repository elsewhere (`https://…`, `git@host:path`)."""
    return bool(_URL.match(text) or (_SCP.match(text) and not os.path.exists(text)))


def shown_url(url: str) -> str:
    """`url` without the name and password that it may hold."""
    return _SECRET.sub("", url)


def check_url(url: str) -> None:
    """Raise `InvalidInput` (`bad-repository-url`) for an address that git could take as an option or a command."""
    if not url or url.startswith("-") or _HELPER.match(url) or any(ord(letter) < 32 for letter in url):
        raise InvalidInput(
            f"'{shown_url(url)[:200]!s}' is not the address of a git repository",
            code="bad-repository-url",
            hint="use an https, ssh or file url, or a path",
        )


def translate(url: str, stderr: bytes) -> LabError:
    """The error for a git that could not talk to `url`."""
    text = os.fsdecode(stderr)
    shown = shown_url(url)
    for rule in _RULES:
        if re.search(rule.pattern, text, re.IGNORECASE):
            return rule.error(
                rule.message.replace("{url}", shown), code=rule.code, hint=rule.hint.replace("{url}", shown)
            )
    return git.translate(shown, "fetch", stderr)


def run_safe(root: str, url: str, *arguments: str) -> bytes:
    """git's standard output, run in `root` with `SAFE`; raises the translated network error."""
    code, out, err = git.try_run(root, *SAFE, *arguments)
    if code:
        raise translate(url, err)
    return out


class Clone:
    """A cached, shallow copy of the repository at `url`, below the folder `store`.

    `refresh` asks the origin once for the names it publishes; `commit` brings what a revision names. Where
    the origin cannot be reached the last copy answers, and `is_stale` says so.
    """

    def __init__(self, url: str, store: str) -> None:
        check_url(url)
        self.url = url
        self.folder = os.path.join(store, hashlib.sha256(os.fsencode(url)).hexdigest()[:32])
        self.git = Git(self.folder)
        self.trouble: LabError | None = None
        """What kept the origin from answering, when the copy of an earlier day is used."""
        self._refs: dict[str, Ref] | None = None

    @property
    def is_stale(self) -> bool:
        """True when the origin could not be asked."""
        return self.trouble is not None

    # -- what the origin has --------------------------------------------------------------------------

    def refs(self) -> dict[str, Ref]:
        """The origin's names, asked for once; those of the last time when it is out of reach."""
        if self._refs is None:
            with self._locked():
                self._make()
                try:
                    text = run_safe(self.folder, self.url, "ls-remote", "--", self.url)
                except Unavailable as error:
                    known = self._remembered()
                    if known is None:
                        raise
                    self.trouble, text = error, known
                else:
                    self._write("lab-refs", text)
            self._refs = _parse_refs(text)
        return self._refs

    def commit(self, rev: str | None) -> str:
        """The id of the commit that `rev` names at the origin (None: its default branch), fetched if absent.

        Raises `NotFound` (`unknown-revision`), or what keeps git from fetching it.
        """
        if rev is not None and self._has(rev):
            return rev
        ref = self._ref(rev)
        if ref is None:
            assert rev is not None
            sha = self._by_id(rev)
        elif self._has(ref.sha):
            return ref.sha
        else:
            # Between asking and fetching the branch may have moved: what arrived counts.
            sha = self._fetch(f"+{ref.name}:refs/lab/tip")
        git.run(self.folder, "update-ref", _held(sha), sha)
        return sha

    def history(self) -> None:
        """Bring all branches and tags with their whole history (still without large files)."""
        refs = self.refs()
        if self.is_stale:
            return
        shallow = ("--unshallow",) if self.git.is_shallow else ()
        # Under their own names, so that `main~3` means what it means there; nothing is checked out here.
        options = ("--update-head-ok", *shallow)
        self._fetch("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", options=options)
        self._write("lab-whole", b"")
        if "HEAD" in refs:
            git.run(self.folder, "update-ref", "--no-deref", "HEAD", refs["HEAD"].sha)

    def _ref(self, rev: str | None) -> Ref | None:
        refs = self.refs()
        if rev is None:
            found = refs.get("HEAD")
            if found is None:
                raise NotFound(
                    f"'{shown_url(self.url)}' has no commits",
                    code="unknown-revision",
                    hint="name a branch with --rev, or push a first commit there",
                )
            return found
        name = rev.removeprefix("origin/")
        candidates = (f"refs/tags/{rev}", f"refs/heads/{name}", rev)
        return next((refs[candidate] for candidate in candidates if candidate in refs), None)

    def _by_id(self, rev: str) -> str:
        """A commit that no name leads to: by its full id, else by searching the whole history."""
        try:
            if self._is_whole:
                with contextlib.suppress(NotFound):
                    return self.git.resolve(rev)
            if _SHA.fullmatch(rev) and not self.is_stale:
                with contextlib.suppress(NotFound):
                    return self._fetch(f"+{rev}:refs/lab/tip")
            self.history()
            return self.git.resolve(rev)
        except NotFound as error:
            if self.trouble is not None:
                raise self.trouble from error
            hint = f"see what there is: git ls-remote '{shown_url(self.url)}'"
            raise NotFound(
                f"'{shown_url(self.url)}' has no revision '{rev}'", code="unknown-revision", hint=hint, rev=rev
            ) from error

    @property
    def _is_whole(self) -> bool:
        return os.path.exists(self._path("lab-whole"))

    def _has(self, rev: str) -> bool:
        """True for the id of a commit that was fetched. Asked of a ref: asking for the object would fetch it."""
        return bool(_SHA.fullmatch(rev)) and git.try_run(self.folder, "show-ref", "--verify", "-q", _held(rev))[0] == 0

    # -- the copy -------------------------------------------------------------------------------------

    def _fetch(self, *refspecs: str, options: tuple[str, ...] | None = None) -> str:
        """Fetch by refspecs; the commit that `refs/lab/tip` then names, where one of them leads there."""
        if self.trouble is not None:
            raise self.trouble
        if options is None:  # a depth would cut off again the history that was fetched before
            options = () if self._is_whole else ("--depth=1",)
        arguments = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", *options)
        with self._locked():
            if "--unshallow" in arguments and not self.git.is_shallow:  # another process was faster
                arguments = tuple(word for word in arguments if word != "--unshallow")
            run_safe(self.folder, self.url, *arguments, _FILTER, "origin", *refspecs)
            return self.git.resolve("refs/lab/tip") if refspecs[0].endswith(":refs/lab/tip") else ""

    def _make(self) -> None:
        if os.path.exists(self._path("lab-ready")):
            return
        git.run(self.folder, "init", "--quiet", "--template=")
        for option, value in (
            ("remote.origin.url", self.url),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialclonefilter", _FILTER.partition("=")[2]),
            ("core.hooksPath", os.devnull),
            ("protocol.ext.allow", "never"),
        ):
            git.run(self.folder, "config", option, value)
        self._write("lab-ready", b"")

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, ".git", name)

    def _write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with _keeping(self.folder):
            with open(f"{path}.new", "wb") as stream:
                stream.write(data)
            os.replace(f"{path}.new", path)

    def _remembered(self) -> bytes | None:
        try:
            with open(self._path("lab-refs"), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time works on the copy; the system lets go of the lock when it dies."""
        import fcntl

        with _keeping(self.folder):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            handle = os.open(os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() > deadline:
                        raise Conflict(
                            f"another process works on the copy of '{shown_url(self.url)}'",
                            code="source-busy",
                            hint="wait for it and try again",
                        ) from error
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)


@contextlib.contextmanager
def _keeping(folder: str) -> Iterator[None]:
    """Tell in our words what the file system refuses in the folder of copies."""
    try:
        yield
    except OSError as error:
        raise AccessDenied(
            f"the copy of another repository cannot be kept in '{folder}'",
            code="source-cache-denied",
            hint="make that folder writable, or set XDG_CACHE_HOME to one that is",
            path=folder,
        ) from error


def _parse_refs(text: bytes) -> dict[str, Ref]:
    refs: dict[str, Ref] = {}
    for line in os.fsdecode(text).splitlines():
        sha, _, name = line.partition("\t")
        if not _SHA.fullmatch(sha):
            continue
        if name.endswith("^{}"):
            name = name.removesuffix("^{}")
            refs[name] = Ref(name, sha, is_annotated=True)
        else:
            refs.setdefault(name, Ref(name, sha))
    return refs
