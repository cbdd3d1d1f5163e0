"""The table of commands: a name, where it lives, one line about it. Imports nothing, so that help is instant."""

from __future__ import annotations


class Entry:
    """`place` is `module:attribute` below `labops.cli`, resolved when the command is called."""

    __slots__ = ("place", "summary")

    def __init__(self, place: str, summary: str) -> None:
        self.place = place
        self.summary = summary


GROUPS: dict[str, dict[str, Entry]] = {
    "Start a project": {
        "init": Entry("setup:init", "Make a DVC project of this git repository."),
        "remote": Entry("configure:remote", "Add, list, change and remove remotes."),
        "config": Entry("configure:config", "Get or set configuration options."),
        "cache": Entry("configure:cache", "Say where the cache is."),
    },
    "Version data": {
        "add": Entry("track:add", "Track files or folders with a DVC file."),
        "commit": Entry("track:commit", "Record what changed in tracked files and folders."),
        "checkout": Entry("sync:checkout", "Make the workspace equal to its DVC files, from the cache."),
        "unprotect": Entry("track:unprotect", "Turn links into the cache into plain, editable copies."),
    },
    "Share data": {
        "push": Entry("sync:push", "Upload tracked data to a remote."),
        "fetch": Entry("sync:fetch", "Download tracked data into the cache."),
        "pull": Entry("sync:pull", "Fetch, then checkout."),
    },
    "Your own files": {
        "home": Entry("home:home", "Keep a folder the same on every machine: link, sync, restore."),
    },
    "Look": {
        "status": Entry("look:status", "Show what differs from the DVC files, or from a remote (-c)."),
        "data": Entry("look:data", "Compare the last commit, the DVC files and the workspace."),
        "check-ignore": Entry("look:check_ignore", "Say which paths .dvcignore excludes."),
        "root": Entry("setup:root", "Print the way to the root of the project."),
        "version": Entry("setup:version", "Describe this installation, the project and its disks."),
        "completion": Entry("setup:completion", "Print a script that teaches your shell to complete."),
    },
}

COMMANDS: dict[str, Entry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}

ALIASES = {"doctor": "version"}

LEFT_TO_DVC = frozenset({
    "artifacts", "dag", "destroy", "diff", "du", "exp", "experiments", "freeze", "gc", "get", "get-url",
    "git-hook", "import", "import-db", "import-url", "install", "list", "list-url", "ls", "ls-url", "machine",
    "metrics", "move", "mv", "params", "plots", "queue", "remove", "repro", "rm", "run", "stage", "studio",
    "unfreeze", "update", "dataset", "daemon",
})  # fmt: skip
"""Commands of dvc that labops does not have (yet): they end in a hint to run dvc itself."""

_USAGE = """\
usage: lab [-q | -v] [-h] [-V] [--cd <path>] [--wait-for-lock] command ...

Versioned datasets for a lab, in a git repository that dvc understands too.

options:
  -q, --quiet        Say nothing but errors.
  -v, --verbose      Say more; twice for more still.
  -h, --help         Show this help and exit.
  -V, --version      Print the version and exit.
  --cd <path>        Change to this folder first.
  --wait-for-lock    Wait while another process holds the repository, however long.
"""


def overview() -> str:
    """What `lab --help` prints."""
    lines = [_USAGE]
    for title, group in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {name:<17}{entry.summary}" for name, entry in group.items()]
        lines.append("")
    lines.append("`lab <command> --help` explains one command.")
    return "\n".join(lines) + "\n"
