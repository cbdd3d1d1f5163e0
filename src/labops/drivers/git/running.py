"""Run git, in one repository and in English, and turn its failures into ours by one table."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from labops.errors import AccessDenied, Conflict, Corrupt, InvalidInput, LabError, NoSpace, NotFound

if TYPE_CHECKING:
    from subprocess import Popen

# `git rev-parse --local-env-vars`, less the three through which people pass configuration (safe.directory in
# a container, say). A hook exports the others for *its* repository, which need not be ours.
_REPOSITORY_VARIABLES = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS", "LANGUAGE",
})  # fmt: skip


class _Rule(NamedTuple):
    pattern: str
    error: type[LabError]
    code: str
    message: str
    hint: str


def _rule(pattern: str, error: type[LabError], code: str, message: str, hint: str = "") -> _Rule:
    return _Rule(pattern, error, code, message, hint)


# First match wins. `{root}` and `{line}` (git's own first `fatal:` line) are filled in.
_RULES = (
    _rule(
        r"detected dubious ownership|safe\.directory", AccessDenied, "git-dubious-ownership",
        "git does not trust '{root}', because another user owns it",
        "git config --global --add safe.directory '{root}'",
    ),
    _rule(
        r"index\.lock'?: File exists", Conflict, "git-index-locked",
        "another git command is working on the index of '{root}'",
        "wait for it; when none is running, remove '{root}/.git/index.lock'",
    ),
    _rule(r"not a git repository|must be run in a work tree", NotFound, "not-a-git-repository",
          "'{root}' is not a git repository", "git init"),
    _rule(r"no space left|disk quota exceeded", NoSpace, "no-space", "no room to write in '{root}'"),
    _rule(r"permission denied|read-only file system|insufficient permission", AccessDenied, "git-denied",
          "git cannot write in '{root}': {line}"),
    _rule(r"unknown revision|bad revision|(not a valid|invalid) object name|needed a single revision",
          NotFound, "unknown-revision", "git does not know that revision: {line}", "git fetch --all --tags"),
    _rule(r"tell me who you are|empty ident|auto-detect email|no email was given|no name was given", InvalidInput,
          "no-git-identity", "git does not know who you are",
          "git config --global user.name 'Your Name' && git config --global user.email you@example.org"),
    _rule(r"tag '.*' already exists|refs/tags/.*' exists; cannot create", Conflict, "tag-exists",
          "a git tag of this name, or of a part of it, exists: {line}", "see them with: git tag"),
    _rule(r"is not a valid tag name", InvalidInput, "bad-tag-name", "git cannot hold such a tag: {line}",
          "use letters, digits, '.', '-' and '_'"),
    _rule(r"did not match any file", NotFound, "git-no-such-path", "git finds no such file: {line}"),
    _rule(r"beyond a symbolic link|is outside repository|in submodule", InvalidInput, "git-outside",
          "the path does not belong to '{root}': {line}"),
    _rule(r"corrupt|is empty|bad object|bad signature|missing blob|unable to read|inflate|hash mismatch",
          Corrupt, "git-corrupt", "the git repository '{root}' is damaged: {line}", "git fsck"),
)  # fmt: skip


def translate(root: str, command: str, stderr: bytes) -> LabError:
    """The error for a git that failed; the message never carries more than git's first line."""
    text = os.fsdecode(stderr).strip()
    lines = text.splitlines() or ["no message"]
    line = next((item for item in lines if item.startswith(("fatal:", "error:"))), lines[0])
    line = line.partition(": ")[2] if line.startswith(("fatal: ", "error: ")) else line
    for rule in _RULES:
        if re.search(rule.pattern, text, re.IGNORECASE):
            message = rule.message.replace("{root}", root).replace("{line}", line)
            return rule.error(message, code=rule.code, hint=rule.hint.replace("{root}", root))
    return LabError(f"'git {command}' failed: {line}", code="git-failed")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    quiet = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat", "GIT_OPTIONAL_LOCKS": "0"}
    return kept | quiet


def run(root: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Standard output of git in the repository `root`, or the translated error."""
    code, out, err = try_run(root, *arguments, stdin=stdin)
    if code:
        command = next((word for word in arguments if not word.startswith("-")), "")
        raise translate(root, command, err)
    return out


def text(root: str, *arguments: str) -> str:
    """What git prints, without white space around it."""
    return os.fsdecode(run(root, *arguments)).strip()


def names(root: str, *arguments: str) -> list[str]:
    """The NUL-separated names that git prints."""
    return [os.fsdecode(name) for name in run(root, *arguments).split(b"\0") if name]


def try_run(root: str, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Exit code, standard output and standard error of git."""
    with popen(root, *arguments) as process:
        out, err = process.communicate(stdin)
    return process.returncode, out, err


def popen(root: str, *arguments: str) -> Popen[bytes]:
    """A git that is running, with pipes."""
    from subprocess import PIPE, Popen  # 5 ms that `lab --help` need not pay

    try:
        return Popen(["git", "-C", root, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_environment())
    except FileNotFoundError as error:
        hint = "install git (https://git-scm.com), or use `lab init --no-scm`"
        raise NotFound("the 'git' command is not installed", code="git-missing", hint=hint) from error
    except PermissionError as error:
        raise AccessDenied("the 'git' command cannot be run", code="git-missing") from error
