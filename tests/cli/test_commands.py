"""Each command: its words reach the verb, and the verb's values are shown in dvc's layout."""

from __future__ import annotations

import pytest

from labops.model import (
    Action,
    Changes,
    CloudStatusRow,
    DataStatus,
    Oid,
    Outcome,
    Plan,
    Report,
    Result,
    Selection,
    StatusRow,
    Step,
)

OID = Oid("0" * 32)
TREE = Oid("1" * 32 + ".dir")


def report(verb: str, *steps: Step, **rest) -> Report:
    return Report(verb, Plan(steps), tuple(Outcome(step, Result.DONE) for step in steps), **rest)


PULLED = report(
    "pull",
    Step(Action.DOWNLOAD, "d/a", OID, 5),
    Step(Action.DOWNLOAD, "d/b", OID, 5),
    Step(Action.DOWNLOAD, "d/", TREE, 5),
    Step(Action.DOWNLOAD, "f", OID, 5),
    Step(Action.CREATE, "d/a"),
    Step(Action.CREATE, "d/b"),
    Step(Action.REPLACE, "f"),
    outputs=(("A", "d/"), ("M", "f")),
)


def test_add(lab, verbs):
    words = [
        "--no-commit",
        "--glob",
        "-o",
        "out",
        "--to-remote",
        "-r",
        "st",
        "--remote-jobs",
        "3",
        "-f",
        "--no-relink",
        "--desc",
        "D",
        "--type",
        "T",
    ]
    words += ["--label", "a", "--label", "b", "--meta", "k=v=w", "--meta", "n=", "--dry-run"]
    assert lab("add", *words, "x", "y").code == 0
    project, targets, given = verbs.arguments
    assert project is verbs.project
    assert targets == ("x", "y")
    assert verbs.options["dry_run"] is True
    assert (given.glob, given.out, given.to_remote, given.remote, given.jobs) == (True, "out", True, "st", 3)
    assert (given.commit, given.force, given.relink) == (False, True, False)
    assert (given.desc, given.type, given.labels, given.meta) == ("D", "T", ("a", "b"), {"k": "v=w", "n": ""})
    lab("add", "x")
    given = verbs.arguments[2]
    assert (given.commit, given.relink, given.labels, given.meta, given.jobs) == (True, True, None, None, None)
    assert lab("add", "x", "--meta", "novalue").code == 2


def test_add_tells_git(lab, verbs, tmp_path, monkeypatch):
    verbs["add"] = report("add", Step(Action.TRACK, "s/a b.dvc"), changed_files=("s/a b.dvc", "s/.gitignore"))
    (tmp_path / "s").mkdir()
    monkeypatch.chdir(tmp_path / "s")
    assert lab("add", "a b").out == (
        "\nTo track the changes with git, run:\n\n\tgit add 'a b.dvc' .gitignore\n\n"
        "To enable auto staging, run:\n\n\tlab config core.autostage true\n"
    )
    verbs["add"] = report("add")
    assert lab("add", "a").out == ""


def test_commit(lab, verbs):
    assert lab("commit", "-f", "-d", "-R", "--no-relink", "--dry-run", "x").code == 0
    assert verbs.arguments[1] == Selection(("x",), with_deps=True, recursive=True)
    assert (verbs.options["force"], verbs.options["relink"], verbs.options["dry_run"]) == (True, False, True)


@pytest.mark.parametrize("verb", ["push", "fetch", "pull"])
def test_transfers(lab, verbs, verb):
    words = ["-j", "4", "-r", "st", "-a", "-T", "-A", "-d", "-R", "--dry-run"]
    words += ["--glob"] if verb != "fetch" else ["--max-size", "9"]
    words += ["-f", "--allow-missing"] if verb == "pull" else []
    assert lab(verb, *words, "x").code == 0
    expected = Selection(("x",), True, True, True, True, True, verb != "fetch")
    assert verbs.arguments == (verbs.project, expected)
    assert (verbs.options["remote"], verbs.options["jobs"], verbs.options["dry_run"]) == ("st", 4, True)
    if verb == "pull":
        assert (verbs.options["force"], verbs.options["allow_missing"]) == (True, True)
    if verb == "fetch":
        assert verbs.options["max_size"] == 9
    ran = lab(verb, "--run-cache")
    assert ran.code == 16
    assert f"hint: dvc {verb} --run-cache" in ran.err


def test_fetch_types_are_left_to_dvc(lab, verbs):
    assert "hint: dvc fetch --type metrics" in lab("fetch", "--type", "metrics").err


def test_push_counts_objects(lab, verbs):
    verbs["push"] = report("push", *(Step(Action.UPLOAD, name, TREE) for name in "ab"))
    assert lab("push").out == "2 files pushed\n"


def test_fetch_counts_objects(lab, verbs):
    verbs["fetch"] = PULLED
    assert lab("fetch").out == "4 files fetched\n"
    verbs["fetch"] = report("fetch")
    assert lab("fetch").out == "Everything is up to date.\n"


def test_pull_shows_folders_once(lab, verbs, tmp_path, monkeypatch):
    verbs["pull"] = PULLED
    assert lab("pull").out == "M       f\nA       d/\n4 files fetched, 1 file modified and 2 files added\n"
    (tmp_path / "s").mkdir()
    monkeypatch.chdir(tmp_path / "s")
    assert lab("pull").out.startswith("M       ../f\nA       ../d/\n")


def test_nothing_pulled_because_it_is_missing(lab, verbs):
    step = Step(Action.MISSING, "f", OID)
    verbs["pull"] = Report("pull", Plan((step,)), (Outcome(step, Result.SKIPPED),), warnings=("'f' is nowhere",))
    ran = lab("pull")
    assert ran.out == ""
    assert "nowhere" in ran.err


def test_checkout(lab, verbs):
    assert lab("checkout", "-d", "-R", "-f", "--relink", "--allow-missing", "x").out == "Relinked successfully\n"
    assert verbs.arguments[1] == Selection(("x",), with_deps=True, recursive=True)
    assert all(verbs.options[name] for name in ("force", "relink", "allow_missing"))
    assert lab("checkout").out == ""
    assert lab("checkout", "--summary").out == "No changes.\n"
    verbs["checkout"] = PULLED
    assert lab("checkout", "--summary").out == "1 file modified and 2 files added\n"
    assert lab("checkout").out == "M       f\nA       d/\n"


def test_long_lists_are_cut(lab, verbs):
    verbs["checkout"] = Report("checkout", outputs=tuple(("A", f"f{n:04}") for n in range(250)))
    lines = lab("checkout").out.splitlines()
    assert len(lines) == 101
    assert lines[-1] == "… and 150 more (--json lists them all)"


def test_dry_run_shows_the_plan(lab, verbs):
    steps = (Step(Action.UPLOAD, "d/a", OID, 2048), Step(Action.MISSING, "d/b", OID, None, "nowhere"))
    verbs["push"] = Report("push", Plan(steps))
    assert lab("push", "--dry-run").out == (
        "upload    d/a  (2.0 KiB)\nmissing   d/b  nowhere\n"
        "dry run: 1 to upload and 1 to missing (2.0 KiB); nothing was done\n"
    ).replace("1 to missing", "1 missing")
    verbs["push"] = Report("push")
    assert lab("push", "--dry-run").out == "dry run: nothing to do\n"
    document = lab("push", "--dry-run", "--json").document
    assert document["dry_run"] is True
    assert document["verb"] == "push"


def test_report_json(lab, verbs):
    verbs["push"] = report("push", Step(Action.UPLOAD, "a", OID, 7), changed_files=("a.dvc",))
    document = lab("push", "--json").document
    assert document["steps"] == [{"action": "upload", "path": "a", "oid": OID, "size_bytes": 7}]
    assert document["summary"] == {
        "planned": {"upload": 1}, "planned_bytes": 7, "done": 1, "already": 0, "skipped": 0, "failed": 0,
    }  # fmt: skip
    assert document["dry_run"] is False
    assert document["changed_files"] == ["a.dvc"]
    verbs["pull"] = PULLED
    assert lab("pull", "--json").document["outputs"][0] == {"change": "A", "path": "d/"}


ROWS = (
    StatusRow("d.dvc", "changed outs", "d", "modified"),
    StatusRow("d.dvc", "changed outs", "e", "not in cache"),
    StatusRow("i.dvc", "changed deps", "src", "update available"),
    StatusRow("i.dvc", "changed outs", "i", "deleted"),
    StatusRow("s", "always changed"),
)


def test_status(lab, verbs):
    verbs["status"] = ROWS
    assert lab("status").out == (
        "d.dvc:\n\tchanged outs:\n\t\tmodified:           d\n\t\tnot in cache:       e\n"
        "i.dvc:\n\tchanged deps:\n\t\tupdate available:   src\n"
        "\tchanged outs:\n\t\tdeleted:            i\n"
        "s:\n\talways changed\n"
    )
    assert lab("status", "--json").document == {
        "d.dvc": [{"changed outs": {"d": "modified", "e": "not in cache"}}],
        "i.dvc": [{"changed deps": {"src": "update available"}}, {"changed outs": {"i": "deleted"}}],
        "s": ["always changed"],
    }
    ran = lab("status", "-q")
    assert (ran.code, ran.out) == (1, "")
    assert lab("status").code == 0
    assert lab("status", "--check").code == 4
    assert lab("status", "-d", "-R", "--no-updates", "x").code == 0
    assert verbs.arguments[1] == Selection(("x",), with_deps=True, recursive=True)


def test_clean_status(lab, verbs):
    verbs["status"] = ()
    assert lab("status").out == "Data and pipelines are up to date.\n"
    assert lab("status", "-q").code == 0
    assert lab("status", "--check").code == 0
    assert lab("status", "--json").document == {}
    verbs.project.pointer_files = []
    assert "no data or pipelines tracked" in lab("status").out


def test_cloud_status(lab, verbs):
    verbs["cloud_status"] = (CloudStatusRow("d", "new"), CloudStatusRow("d/c", "deleted"))
    ran = lab("status", "-c", "-j", "2", "-a")
    assert ran.out == "\tnew:                d\n\tdeleted:            d/c\n"
    assert verbs.options["jobs"] == 2
    assert verbs.arguments[1].all_branches
    assert lab("status", "-r", "o", "--json").document == {"d": "new", "d/c": "deleted"}
    assert verbs.options["remote"] == "o"
    verbs["cloud_status"] = ()
    assert lab("status", "-c").out == "Cache and remote 'st' are in sync.\n"
    assert lab("status", "-r", "o").out == "Cache and remote 'o' are in sync.\n"
    for flag in ("-a", "-T", "-A"):
        assert f"hint: lab status -c {flag}" in lab("status", flag).err


def test_data_status(lab, verbs):
    verbs["data_status"] = DataStatus(
        not_in_cache=("g",),
        committed=Changes(added=("n/",)),
        uncommitted=Changes(modified=("d/", "d/a"), renamed=(("old", "new"),)),
        untracked=("u",),
    )
    ran = lab("data", "status", "--granular", "--unchanged", "--untracked-files", "--not-in-remote", "-r", "st",
              "--no-remote-refresh")  # fmt: skip
    assert ran.out == (
        "Not in cache:\n"
        '  (use "lab fetch <file>..." to download files)\n'
        "        g\n\n"
        "DVC committed changes:\n"
        "  (git commit the corresponding dvc files to update the repo)\n"
        "        added: n/\n\n"
        "DVC uncommitted changes:\n"
        '  (use "lab commit <file>..." to track changes)\n'
        '  (use "lab checkout <file>..." to discard changes)\n'
        "        modified: d/\n        modified: d/a\n        renamed: old -> new\n\n"
        "Untracked files:\n"
        '  (use "git add <file> ..." or "lab add <file>..." to commit to git or to dvc)\n'
        "        u\n"
    )
    options = verbs.options
    assert options["granular"] and options["unchanged"] and options["untracked_files"] and options["not_in_remote"]
    assert options["remote_refresh"] is False
    assert options["remote"] == "st"
    assert lab("data", "status", "--json", "--untracked-files", "no").document == {
        "not_in_cache": ["g"],
        "committed": {"added": ["n/"]},
        "uncommitted": {"modified": ["d/", "d/a"], "renamed": [{"old": "old", "new": "new"}]},
        "untracked": ["u"],
    }
    assert verbs.options["untracked_files"] is False
    assert lab("data", "status", "--check").code == 4
    verbs["data_status"] = DataStatus(unchanged=("f",))
    assert lab("data", "status", "--check").code == 0
    verbs["data_status"] = DataStatus()
    assert lab("data", "status").out == "No changes.\n"


def test_unprotect(lab, verbs):
    verbs["unprotect"] = report("unprotect", Step(Action.REPLACE, "d/a"))
    assert lab("unprotect", "d").out == "1 file unprotected\n"
    assert verbs.arguments[1] == ("d",)


def test_progress_adds_up_and_waits(monkeypatch):
    from labops.cli.progress import Progress
    from labops.model import Event

    drawn = []

    class Bars:
        def update(self, phases):
            drawn.extend((phase.name, phase.count, phase.size, phase.total) for phase in phases)

        def drop(self, phase):
            drawn.append(("dropped", phase.name))

        def close(self):
            drawn.append("closed")

    import sys
    import time
    import types

    monkeypatch.setitem(sys.modules, "labops.cli.bars", types.SimpleNamespace(Bars=Bars))
    monkeypatch.setattr("labops.cli.progress.DELAY_SECONDS", 0.05)
    with Progress() as progress:
        progress(Event("started", "short"))
        progress(Event("finished", "short"))
        progress(Event("started", "long", total=3))
        for _ in range(2):
            progress(Event("advanced", "long", 1, 10))
        time.sleep(0.2)
        progress(Event("finished", "long"))
    assert ("long", 2, 20, 3) in drawn
    assert ("dropped", "long") in drawn
    assert drawn[-1] == "closed"
    assert not any(row[0] == "short" for row in drawn)


def test_no_thread_is_left_between_phases():
    """The next phase may be shared out to forked children only when this process has one thread."""
    import threading

    from labops.cli.progress import Progress
    from labops.model import Event

    before = threading.active_count()
    with Progress() as progress:
        progress(Event("started", "first"))
        assert threading.active_count() == before + 1
        progress(Event("finished", "first"))
        assert threading.active_count() == before


def test_bars_draw():
    from labops.cli.bars import Bars, _facts
    from labops.cli.phases import Phase

    phase = Phase("download", 3, 3000)
    phase.count, phase.size = 1, 1500
    assert _facts(phase, 1024.0) == "1/3  1.5 KiB/2.9 KiB  1.0 KiB/s"
    bars = Bars()
    bars.update([phase])
    bars.update([phase])
    assert bars._progress.console.options.max_width == bars._progress.console.width - 3
    bars.drop(phase)
    bars.close()
