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
        "cache": Entry("configure:cache", "Say where the cache is, or migrate it."),
        "install": Entry("hooks:install", "Teach git to check pushes and commits, and to merge datasets."),
    },
    "Version data": {
        "add": Entry("track:add", "Track files or folders with a DVC file."),
        "commit": Entry("track:commit", "Record what changed in tracked files and folders."),
        "checkout": Entry("sync:checkout", "Make the workspace equal to its DVC files, from the cache."),
        "remove": Entry("rename:remove", "Stop tracking data; it stays unless --outs is given."),
        "move": Entry("rename:move", "Rename tracked data together with its DVC file."),
        "unprotect": Entry("track:unprotect", "Turn links into the cache into plain, editable copies."),
    },
    "Versions": {
        "log": Entry("history:log", "List the versions of datasets."),
        "tag": Entry("history:tag", "Name a version of a dataset."),
        "diff": Entry("history:diff", "Show what changed between commits or versions."),
    },
    "Share data": {
        "push": Entry("sync:push", "Upload tracked data to a remote."),
        "fetch": Entry("sync:fetch", "Download tracked data into the cache."),
        "pull": Entry("sync:pull", "Fetch, then checkout."),
        "publish": Entry("share:publish", "Add, push the data, commit its DVC files, push the commit."),
        "sync": Entry("share:sync", "Get the commits of others, and the data they point at."),
    },
    "Keep order": {
        "du": Entry("upkeep:du", "Say how much room tracked data takes."),
        "gc": Entry("upkeep:gc", "Move what nobody uses to the trash, here and in a remote (-c)."),
        "destroy": Entry("upkeep:destroy", "Make a plain git repository of the project; data stays."),
        "doctor": Entry("doctor:doctor", "Check everything that lab needs, line by line."),
    },
    "Use other repositories": {
        "list": Entry("reuse:list_", "List what a repository holds: git's files and tracked data."),
        "get": Entry("reuse:get", "Download a file or folder of a repository."),
        "import": Entry("imports:import_", "Download it and track it, with where it came from."),
        "get-url": Entry("reuse:get_url", "Download a file or folder from a url."),
        "import-url": Entry("imports:import_url", "Download it and track it, with where it came from."),
        "list-url": Entry("reuse:list_url", "List what is behind a url."),
        "artifacts": Entry("reuse:artifacts", "Download a named artifact by version or stage."),
        "update": Entry("imports:update", "Bring imports to what their source holds now."),
        "freeze": Entry("imports:freeze", "Keep imports or stages from changing by themselves."),
        "unfreeze": Entry("imports:unfreeze", "Let imports or stages change again."),
    },
    "Belong to a lab": {
        "join": Entry("members:join", "Make this machine yours with an invite: key, home, datasets."),
        "leave": Entry("members:leave", "Take the key and the membership off this machine; data stays."),
        "whoami": Entry("members:whoami", "Say which labs this machine has joined, and as whom."),
    },
    "Your own files": {
        "home": Entry("home:home", "Keep a folder the same on every machine: link, sync, restore."),
    },
    "Run the lab": {
        "admin": Entry("admin:admin", "Set the lab up from lab.toml, invite members, prove, audit."),
    },
    "Look": {
        "status": Entry("look:status", "Show what differs from the DVC files, or from a remote (-c)."),
        "data": Entry("look:data", "Compare the last commit, the DVC files and the workspace."),
        "describe": Entry("cards:describe", "Show or change the card of a dataset: source, licence, contact …"),
        "search": Entry("cards:search", "Find datasets by name, card and names of files."),
        "verify": Entry("proof:verify", "Hash what is tracked again, and repair what is bad (--repair)."),
        "check-ignore": Entry("look:check_ignore", "Say which paths .dvcignore excludes."),
        "root": Entry("setup:root", "Print the way to the root of the project."),
        "version": Entry("setup:version", "Describe this installation, the project and its disks."),
        "completion": Entry("setup:completion", "Print a script that teaches your shell to complete."),
    },
    "Called by git and AWS's tools": {
        "git-hook": Entry("hooks:git_hook", "What the hooks of 'lab install' call."),
        "merge-driver": Entry("hooks:merge_driver", "Merge two versions of a DVC file."),
        "credentials": Entry("members:credentials", "Hand the key in the keyring to AWS's tools."),
    },
}

COMMANDS: dict[str, Entry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}

ALIASES = {"rm": "remove", "mv": "move", "ls": "list", "ls-url": "list-url"}

LEFT_TO_DVC = frozenset({
    "dag", "dataset", "daemon", "exp", "experiments", "import-db", "machine", "metrics", "params", "plots", "queue",
    "repro", "run", "stage", "studio",
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
