"""Run git, in one repository and in English, and turn its failures into ours by one table."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from labops.errors import AccessDenied, Conflict, Corrupt, InvalidInput, LabError, NoSpace, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
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


# First match wins. `{root}`, `{line}` (git's own first `fatal:` line) and `{rejected}` (what a push says about the
# first refused ref) are filled in.
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
    _rule(
        r"please tell me who you are|empty ident name|unable to auto-detect email|no (name|email) was given",
        InvalidInput, "no-git-identity", "git does not know who you are, and a commit needs an author",
        'git config --global user.name "Your Name" && git config --global user.email "you@example.org"',
    ),
    _rule(
        r"could not read (username|password)|terminal prompts disabled|authentication failed|invalid username or"
        r"|permission denied \(|host key verification failed|returned error: 40[13]|HTTP 40[13]",
        AccessDenied, "git-auth", "the git server does not let you in: {line}",
        "see that 'git fetch' works without a question: an ssh key, or git config --global credential.helper store",
    ),
    _rule(
        r"could not resolve|connection (refused|timed out|reset|closed)|failed to connect|unable to connect"
        r"|network is unreachable|no route to host|operation timed out|hung up unexpectedly|early EOF|RPC failed"
        r"|unable to access 'http",
        Unavailable, "git-network", "the git server cannot be reached: {line}", "try again when the network is back",
    ),
    _rule(r"protected branch|not allowed to push", AccessDenied, "git-protected-branch",
          "the git server protects this branch from direct pushes",
          "push a branch of your own and ask for a merge: git switch -c NAME && git push -u origin HEAD"),
    _rule(r"branch is currently checked out", Conflict, "git-push-to-checkout",
          "the git remote is somebody's working copy, with this very branch checked out",
          "push to a bare repository: git clone --bare FOLDER FOLDER.git"),
    # Of two pushes at the same moment the later one hears this, from the server's own lock on the branch.
    _rule(r"\[rejected\].*(fetch first|non-fast-forward|stale)|updates were rejected because the (tip|remote)"
          r"|cannot lock ref 'refs/heads/.*(is at \w+ but expected|reference already exists)"
          r"|incorrect old value provided",
          Conflict, "git-newer-remote", "the remote branch has commits that are not here", "lab sync"),
    _rule(r"\[rejected\].*already exists", Conflict, "tag-exists",
          "the remote has another tag of that name: {rejected}", "git fetch --tags, then choose another version"),
    _rule(r"cannot lock ref .*\.lock': File exists", Unavailable, "git-remote-busy",
          "somebody else is pushing to the same branch right now", "do it again in a moment"),
    _rule(r"\[remote rejected\]|hook declined", AccessDenied, "git-push-refused",
          "the git server refuses the push: {rejected}", "nothing is lost; see all it says with: git push"),
    _rule(r"does not appear to be a git repository|repository .*not found|no such remote|no configured push dest",
          NotFound, "no-git-remote", "the git remote cannot be found: {line}", "look at: git remote -v"),
    _rule(r"would be overwritten|commit your changes or stash", Conflict, "git-local-changes",
          "files that were changed here and not committed are in the way of the merge",
          "commit them (lab publish TARGET -m MESSAGE, or git commit), then do it again"),
    _rule(r"not concluded your merge|unmerged files|unresolved conflict|unfinished merge", Conflict,
          "merge-in-progress", "a merge is half done", "git status; finish it with git commit, or git merge --abort"),
    _rule(r"refusing to merge unrelated", Conflict, "git-unrelated",
          "the remote branch has nothing in common with this one", "git remote -v: is it the right repository?"),
    _rule(r"not a git repository|must be run in a work tree", NotFound, "not-a-git-repository",
          "'{root}' is not a git repository", "git init"),
    _rule(r"no space left|disk quota exceeded", NoSpace, "no-space", "no room to write in '{root}'"),
    _rule(r"permission denied|read-only file system|insufficient permission", AccessDenied, "git-denied",
          "git cannot write in '{root}': {line}"),
    _rule(r"unknown revision|bad revision|(not a valid|invalid) object name|needed a single revision",
          NotFound, "unknown-revision", "git does not know that revision: {line}", "git fetch --all --tags"),
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
    rejected = next((item.partition("]")[2].strip() for item in lines if "rejected]" in item), line)
    for rule in _RULES:
        if re.search(rule.pattern, text, re.IGNORECASE):
            message = rule.message.replace("{root}", root).replace("{line}", line).replace("{rejected}", rejected)
            return rule.error(message, code=rule.code, hint=rule.hint.replace("{root}", root))
    return LabError(f"'git {command}' failed: {line}", code="git-failed")


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    quiet = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat", "GIT_OPTIONAL_LOCKS": "0"}
    return kept | quiet | dict(more or {})


def run(root: str, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """Standard output of git in the repository `root`, or the translated error; `env` adds variables."""
    code, out, err = try_run(root, *arguments, stdin=stdin, env=env)
    if code:
        command = next((word for word in arguments if not word.startswith("-")), "")
        raise translate(root, command, err)
    return out


def text(root: str, *arguments: str) -> str:
    """What git prints, without white space around it."""
    return os.fsdecode(run(root, *arguments)).strip()


def names(root: str, *arguments: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The NUL-separated names that git prints."""
    return [os.fsdecode(name) for name in run(root, *arguments, env=env).split(b"\0") if name]


def names_and_gaps(root: str, *arguments: str) -> list[str]:
    """The NUL-separated fields that git prints, empty ones too."""
    return [os.fsdecode(name) for name in run(root, *arguments).split(b"\0")]


def try_run(
    root: str, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """Exit code, standard output and standard error of git; `env` adds variables."""
    with popen(root, *arguments, env=env) as process:
        out, err = process.communicate(stdin)
    return process.returncode, out, err


def popen(root: str, *arguments: str, env: Mapping[str, str] | None = None) -> Popen[bytes]:
    """A git that is running, with pipes."""
    from subprocess import PIPE, Popen  # 5 ms that `lab --help` need not pay

    try:
        return Popen(["git", "-C", root, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_environment(env))
    except FileNotFoundError as error:
        hint = "install git (https://git-scm.com), or use `lab init --no-scm`"
        raise NotFound("the 'git' command is not installed", code="git-missing", hint=hint) from error
    except PermissionError as error:
        raise AccessDenied("the 'git' command cannot be run", code="git-missing") from error
