"""The command line itself: help, versions, speed of start, names, global options, how runs end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import labops
from labops.cli.commands import COMMANDS, LEFT_TO_DVC
from labops.errors import AccessDenied, Conflict, LabError, NotFound
from labops.model import Action, Outcome, Plan, Report, Result, Step

# What `dvc --help` of 3.67.1 lists, aliases included.
DVC_COMMANDS = [
    "add", "artifacts", "cache", "check-ignore", "checkout", "commit", "completion", "config", "dag", "data",
    "pull", "push", "fetch", "status", "destroy", "diff", "du", "experiments", "exp", "freeze", "unfreeze",
    "gc", "get", "get-url", "import", "import-db", "import-url", "init", "install", "list", "ls", "list-url",
    "ls-url", "metrics", "move", "mv", "params", "plots", "queue", "remote", "remove", "rm", "repro", "root",
    "stage", "studio", "unprotect", "update", "version", "doctor",
]  # fmt: skip
HEAVY = {"boto3", "botocore", "rich", "obstore", "starlette", "msgspec", "ruamel", "httpx", "pathspec", "asyncio"}
LEAVES = [[name] for name in COMMANDS if name not in {"remote", "cache", "data"}]
LEAVES += [["remote", name] for name in ("add", "default", "modify", "list", "remove", "rename")]
LEAVES += [["cache", "dir"], ["cache", "migrate"], ["data", "status"], ["remote"], ["cache"], ["data"]]


def python(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(lab, flag):
    ran = lab(flag)
    assert (ran.code, ran.out) == (0, f"{labops.__version__}\n")
    assert lab("-q", flag).out == ran.out


def test_overview(lab):
    ran = lab("--help")
    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in COMMANDS)
    assert lab("-v", "--help").out == ran.out
    assert lab("-h").out == ran.out
    bare = lab()
    assert (bare.code, bare.out) == (2, ran.out)


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_explains_itself(lab, words):
    for flag in ("--help", "-h"):
        ran = lab(*words, flag)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"Usage: lab {' '.join(words)} ")
        assert "--quiet" in ran.out


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["add", "--help"], ["remote", "add", "--help"]])
def test_help_imports_nothing_heavy(words):
    code = f"import sys; from labops.cli import main; main({words!r}); print(*sys.modules, file=sys.stderr)"
    loaded = {name.partition(".")[0] for name in python("-c", code).stderr.split()}
    assert not loaded & HEAVY
    if words[0].startswith("-"):
        assert "click" not in loaded


def test_python_m():
    assert python("-m", "labops", "-V").stdout == f"{labops.__version__}\n"


def test_every_dvc_command_is_ours_or_pointed_out(lab):
    for name in DVC_COMMANDS:
        if name in LEFT_TO_DVC:
            ran = lab(name, "-x", "a b", "--help")
            assert ran.code == 16
            assert f"hint: dvc {name} -x 'a b' --help" in ran.err
        else:
            assert lab(name, "--help").code == 0


def test_use_dvc_in_json(lab):
    ran = lab("repro", "--json")
    assert ran.code == 16
    assert ran.document["error"]["code"] == "use-dvc"
    assert ran.document["error"]["hint"] == "dvc repro --json"
    assert ran.err == ""


def test_unknown_words(lab):
    ran = lab("pul")
    assert ran.code == 2
    assert ran.err == "ERROR: 'pul' is not a lab command\nhint: did you mean 'lab pull'?\n"
    ran = lab("add", "--nope", "x")
    assert ran.code == 2
    assert ran.err == "ERROR: 'lab add' has no option '--nope'\nhint: lab add --help\n"
    assert lab("push", "--remot", "x").err.endswith("hint: did you mean '--remote'?\n")
    assert lab("--json", "status").document["error"]["hint"].endswith("lab status --json")
    assert lab("completion", "--json").document["error"]["hint"] == "lab completion --help"
    assert lab("add").code == 2
    assert lab("push", "-j", "0").code == 2
    assert lab("remote", "nope").code == 2
    assert lab("cache").err == "ERROR: 'lab cache' needs one of: dir, migrate\nhint: lab cache --help\n"


def test_quiet_and_verbose_on_both_sides(lab, verbs):
    assert lab("push").out == "Everything is up to date.\n"
    for words in (["-q", "push"], ["push", "-q"], ["push", "--quiet"]):
        ran = lab(*words)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert lab("-v", "push", "-vv").code == 0


def test_change_folder_first(lab, verbs, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir("/")
    assert lab("push").code == 10
    assert lab("--cd", str(tmp_path / "sub"), "root").out == "..\n"
    ran = lab("--cd", "/nowhere", "root")
    assert ran.code == 2
    assert "'/nowhere'" in ran.err


def test_wait_for_lock_reaches_the_project(lab, verbs):
    lab("push")
    assert verbs.project.waited is False
    lab("--wait-for-lock", "push")
    assert verbs.project.waited is True


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no 'x'", code="x", hint="lab init"), 10),
        (Conflict("two", code="x"), 11),
        (AccessDenied("no", code="x", bucket="b"), 12),
        (LabError("odd", code="x"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
)
def test_exit_codes(lab, verbs, error, code, monkeypatch):
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    verbs["push"] = error
    assert lab("push").code == code


def test_errors_in_words(lab, verbs):
    verbs["push"] = AccessDenied("key 'K' may not write", code="denied", hint="ask ana", bucket="b", key_id="K")
    ran = lab("push")
    assert ran.err == "ERROR: key 'K' may not write\n  bucket: b\nhint: ask ana\n"
    assert ran.out == ""
    ran = lab("push", "--json")
    expected = {"code": "denied", "message": "key 'K' may not write", "hint": "ask ana", "bucket": "b", "key_id": "K"}
    assert ran.document == {"error": expected}
    assert ran.err == ""


def test_interrupted(lab, verbs):
    verbs["pull"] = KeyboardInterrupt()
    assert "what was finished is kept" in lab("pull").err


def test_a_bug_leaves_its_traceback_in_a_file(lab, verbs, tmp_path):
    (tmp_path / ".dvc").mkdir()
    verbs["push"] = RuntimeError("boom")
    ran = lab("push", "secret-looking-target")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    (path,) = (tmp_path / ".dvc" / "tmp" / "lab").glob("crash-*.txt")
    assert str(path) in ran.err
    text = path.read_text()
    assert "boom" in text
    assert "secret-looking-target" not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in lab("push", "-vv").err


def test_a_bug_outside_a_project(lab, verbs, tmp_path, monkeypatch):
    verbs["push"] = ZeroDivisionError()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = lab("push", "--json")
    assert ran.code == 1
    assert Path(ran.document["error"]["traceback"]).parent == tmp_path


def test_a_closed_pipe_is_quiet(tmp_path):
    code = "import sys; from labops.cli import main; sys.exit(main(['completion']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert err == b""


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_process_gives_everything_back(tmp_path, number, expected):
    code = """
import signal, sys, types, time
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # whoever started the tests with nohup had us ignore it
stub = types.ModuleType("labops.project")
class Project:
    @staticmethod
    def find(start, wait_for_lock, on_wait):
        try:
            print("ready", flush=True); time.sleep(30)
        finally:
            print("given back", flush=True)
stub.Project = Project
sys.modules["labops.project"] = stub
from labops.cli import main
sys.exit(main(["root"]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert "run the same command again" in process.stderr.read()
        assert process.stdout.read() == "given back\n"
    assert process.returncode == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(lab, shell):
    ran = lab("completion", "-s", shell)
    assert ran.code == 0
    assert "_LAB_COMPLETE" in ran.out


def test_completion_answers():
    def complete(line: str, word: int) -> list[str]:
        env = os.environ | {"_LAB_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
        done = python("-m", "labops", env=env)
        return [row.partition(",")[2] for row in done.stdout.splitlines()]

    assert {"push", "pull"} <= set(complete("lab pu", 1))
    assert "repro" not in complete("lab ", 1)
    assert "--all-branches" in complete("lab push --all", 2)
    assert {"add", "list"} <= set(complete("lab remote ", 2))


def test_completion_knows_remotes_and_options(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    remote = st\n['remote \"st\"']\n    url = /x\n")

    def complete(line: str, word: int) -> list[str]:
        env = os.environ | {"_LAB_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
        return python("-m", "labops", env=env, cwd=tmp_path).stdout.split()

    assert complete("lab push -r s", 3) == ["plain,st"]
    assert complete("lab config core.", 2) == ["plain,core.remote"]
    assert complete("lab add ", 2) == ["file,"]
    (tmp_path / ".dvc" / "config").write_text("broken")
    assert complete("lab push -r s", 3) == []


def test_any_name_can_be_printed(tmp_path, monkeypatch):
    code = r"""
import sys
from labops.cli.session import Session, accept_any_name
accept_any_name()
Session().say("a\udcff\u2026")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True,
                          env=os.environ | {"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.stdout == b"a\xff\xe2\x80\xa6\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True,
                          env=os.environ | {"PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert done.stdout in (b"a\xff?\n", b"a??\n")


def test_a_terminal_is_not_commanded_by_file_names(lab, verbs, monkeypatch):
    verbs["push"] = NotFound("no '\033]0;x\007'", code="x")
    monkeypatch.setattr("labops.cli.session.is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert lab("push").err == "ERROR: no '\\x1b]0;x\\x07'\n"


def test_colour_only_for_people(lab, verbs, monkeypatch):
    verbs["push"] = NotFound("x", code="x")
    monkeypatch.setattr("labops.cli.session.is_terminal", lambda _: True)
    assert "\033[31mERROR\033[0m" in lab("push").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in lab("push").err


def test_confirm_is_no_without_a_person(lab, verbs):
    answers = []

    def commit(*_args, confirm, **_options):
        answers.append(confirm("record?"))
        return Report("commit")

    verbs["commit"] = commit
    lab("commit")
    assert answers == [False]


def test_failed_items_are_all_named(lab, verbs):
    step, other = Step(Action.UPLOAD, "d/a"), Step(Action.UPLOAD, "d/b")
    outcomes = (
        Outcome(step, Result.FAILED, NotFound("gone", code="gone", hint="lab pull")),
        Outcome(other, Result.DONE),
    )
    verbs["push"] = Report("push", Plan((step, other)), outcomes, warnings=("slow disk",))
    ran = lab("push")
    assert ran.code == 3
    assert ran.out == "1 file pushed\n"
    assert ran.err == "WARNING: slow disk\nERROR: 1 file failed\n  d/a: gone\nhint: lab pull\n"
    assert "d/a: gone" in lab("push", "-q").err
    document = lab("push", "--json").document
    assert document["failed"] == [
        {"action": "upload", "path": "d/a", "code": "gone", "message": "gone", "hint": "lab pull"}
    ]
    assert document["summary"]["failed"] == 1
    assert document["warnings"] == ["slow disk"]


def test_many_alike_are_told_once(lab, verbs):
    """A bucket that is gone is one message, not ten thousand."""
    steps = tuple(Step(Action.UPLOAD, f"d/{n:02}") for n in range(12))
    gone = [Outcome(step, Result.FAILED, NotFound("no bucket 'b'", code="x", hint="make it")) for step in steps]
    odd = Outcome(Step(Action.UPLOAD, "e"), Result.FAILED, NotFound("odd", code="y", hint="look"))
    verbs["push"] = Report("push", Plan((*steps, odd.step)), (*gone, odd))
    lines = lab("push").err.splitlines()
    assert lines[:4] == ["ERROR: 13 files failed", "  e: odd", "  no bucket 'b':", "    d/00"]
    assert lines[12:] == ["    d/09", "    … and 2 more (-v names them all)", "hint: make it", "hint: look"]
    assert "    d/11" in lab("push", "-v").err.splitlines()
    assert len(lab("push", "--json").document["failed"]) == 13
