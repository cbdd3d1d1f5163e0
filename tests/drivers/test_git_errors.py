"""What git says when it fails to publish, and the error that people get for it."""

from __future__ import annotations

import pytest

from labops.drivers.git.running import translate
from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NotFound, Unavailable

REJECTED = """\
To github.com:lab/data.git
 ! [rejected]        main -> main ({why})
error: failed to push some refs to 'github.com:lab/data.git'
"""
SAID: list[tuple[str, type[LabError], str]] = [
    (
        "Author identity unknown\n\n*** Please tell me who you are.\n\nfatal: unable to auto-detect email address",
        InvalidInput,
        "no-git-identity",
    ),
    ("fatal: empty ident name (for <a@b>) not allowed", InvalidInput, "no-git-identity"),
    (REJECTED.format(why="fetch first"), Conflict, "git-newer-remote"),
    (REJECTED.format(why="non-fast-forward"), Conflict, "git-newer-remote"),
    (
        (
            "remote: error: cannot lock ref 'refs/heads/main': is at 1fc154d but expected 4a2b3c4\n"
            " ! [remote rejected] main -> main (failed to update ref)"
        ),
        Conflict,
        "git-newer-remote",
    ),
    (
        " ! [remote rejected] main -> main (cannot lock ref 'refs/heads/main': is at 1f but expected 4a)",
        Conflict,
        "git-newer-remote",
    ),
    (" ! [remote rejected] main -> main (incorrect old value provided)", Conflict, "git-newer-remote"),
    (
        (
            "remote: error: cannot lock ref 'refs/heads/main': Unable to create '/srv/r.git/refs/heads/main.lock': "
            "File exists.\n ! [remote rejected] main -> main (failed to update ref)"
        ),
        Unavailable,
        "git-remote-busy",
    ),
    (
        (
            " ! [rejected]        d@v2 -> d@v2 (already exists)\nerror: failed to push some refs\n"
            "hint: Updates were rejected because the tag already exists in the remote."
        ),
        Conflict,
        "tag-exists",
    ),
    (
        (
            "remote: error: GH006: Protected branch update failed for refs/heads/main.\n"
            " ! [remote rejected] main -> main (protected branch hook declined)\nerror: failed to push some refs"
        ),
        AccessDenied,
        "git-protected-branch",
    ),
    (
        (
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n"
            " ! [remote rejected] main -> main (pre-receive hook declined)"
        ),
        AccessDenied,
        "git-protected-branch",
    ),
    (" ! [remote rejected] main -> main (pre-receive hook declined)", AccessDenied, "git-push-refused"),
    (
        (
            "remote: error: refusing to update checked out branch: refs/heads/main\n"
            " ! [remote rejected] main -> main (branch is currently checked out)"
        ),
        Conflict,
        "git-push-to-checkout",
    ),
    (
        "fatal: could not read Username for 'https://git.lab.example': terminal prompts disabled",
        AccessDenied,
        "git-auth",
    ),
    ("remote: Invalid username or password.\nfatal: Authentication failed for 'https://x/'", AccessDenied, "git-auth"),
    (
        (
            "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\n"
            "Please make sure you have the correct access rights\nand the repository exists."
        ),
        AccessDenied,
        "git-auth",
    ),
    ("Host key verification failed.\nfatal: Could not read from remote repository.", AccessDenied, "git-auth"),
    (
        "fatal: unable to access 'https://x/': The requested URL returned error: 403",
        AccessDenied,
        "git-auth",
    ),
    (
        "ssh: Could not resolve hostname x: Name or service not known\nfatal: Could not read from remote repository.",
        Unavailable,
        "git-network",
    ),
    ("fatal: unable to access 'https://x/': Failed to connect to x port 443", Unavailable, "git-network"),
    ("fatal: the remote end hung up unexpectedly", Unavailable, "git-network"),
    ("ssh: connect to host x port 22: No route to host", Unavailable, "git-network"),
    ("fatal: '../nope' does not appear to be a git repository", NotFound, "no-git-remote"),
    ("remote: Repository not found.\nfatal: repository 'https://x/y/' not found", NotFound, "no-git-remote"),
    (
        "error: Your local changes to the following files would be overwritten by merge:\n\td.dvc\nPlease commit",
        Conflict,
        "git-local-changes",
    ),
    ("fatal: You have not concluded your merge (MERGE_HEAD exists).", Conflict, "merge-in-progress"),
    ("fatal: refusing to merge unrelated histories", Conflict, "git-unrelated"),
    ("error: cannot lock ref 'HEAD': Permission denied", AccessDenied, "git-denied"),
]


@pytest.mark.parametrize(("said", "error", "code"), SAID, ids=[f"{code} {n}" for n, (_, _, code) in enumerate(SAID)])
def test_translation(said: str, error: type[LabError], code: str) -> None:
    """One error for each, of the class that tells what to do next, in one line."""
    found = translate("/repo", "push", said.encode())
    assert (type(found), found.code) == (error, code)
    assert "\n" not in found.message
    assert found.message[0].islower()
    assert found.hint or code == "git-denied"


def test_only_the_network_and_a_busy_branch_are_worth_a_retry() -> None:
    """A script may try again after `Unavailable`, and after nothing else."""
    retryable = {code for said, _, code in SAID if isinstance(translate("/r", "push", said.encode()), Unavailable)}
    assert retryable == {"git-network", "git-remote-busy"}
