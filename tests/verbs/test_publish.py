"""`publish`: the pointer is never seen before its data, nothing else is swept in, and a failure can be gone on from."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from labops.errors import AccessDenied, Conflict, InvalidInput, LabError, NotFound
from labops.model import Action, Selection
from labops.survey import survey
from labops.testing.oracle import dir_object
from labops.testing.worlds import pointer
from labops.verbs.add import add
from labops.verbs.pull import pull
from tests.hub import Clone, Hub, run_git

ONE = {"1.png": b"one", "sub/2.png": b"two", "3.png": b"three"}


@pytest.fixture
def hub(tmp_path) -> Hub:
    return Hub(tmp_path / "lab")


@pytest.fixture
def ada(hub) -> Clone:
    return hub.clone("ada")


def files_of(hub: Hub, commit: str = "main") -> list[str]:
    """The files that a commit changed."""
    return run_git(hub.bare, "show", "--name-only", "--format=", commit).splitlines()


def everything(folder):
    return {
        str(path.relative_to(folder)): (path.lstat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_dataset(hub, ada):
    """Data on the remote, the pointer and the ignore line in one commit, the commit at the other side."""
    ada.write("d", ONE)
    done = ada.publish("d", message="first photos")
    assert files_of(hub) == [".gitignore", "d.dvc"]
    assert hub.pointer("main", "d.dvc") == dir_object(ONE)[0]
    assert hub.promises_without_data() == []
    assert run_git(hub.bare, "log", "-1", "--format=%s", "main") == "first photos"
    assert (done.place, done.commit, done.versions) == ("origin/main", ada.head(), (("d", 1),))
    assert ada.git("status", "--porcelain") == ""


def test_whoever_publishes_is_on_the_remotes_list(hub, ada):
    """Another repository on the same remote then counts what this one uses, and collects none of it."""
    ada.write("d", ONE)
    ada.publish("d")
    (entry,) = (hub.store / ".lab/repositories").iterdir()
    assert json.loads(entry.read_text())["repository"].endswith(str(hub.bare))
    entry.unlink()
    ada.write("d", {"4.png": b"four"})
    ada.publish("d")
    assert not entry.exists(), "a clone asks the remote for it once only"


def test_a_remote_that_takes_no_notes_takes_data_all_the_same(hub, ada, monkeypatch):
    def refuse(*_):
        raise AccessDenied("objects only", code="access-denied")

    monkeypatch.setattr("labops.places.remote.folder.FolderRemote.put_note", refuse)
    ada.write("d", ONE)
    done = ada.publish("d")
    assert done.place == "origin/main"
    assert [("garbage" in warning, "objects only" in warning) for warning in done.report.warnings] == [(True, True)]


def test_again_there_is_nothing_to_do(hub, ada):
    ada.write("d", ONE)
    ada.publish("d")
    head = ada.head()
    done = ada.publish("d")
    assert (done.commit, done.place) == (None, "origin/main")
    assert ada.head() == head


def test_several_targets_old_and_new_and_a_single_file(hub, ada):
    ada.write("d", ONE)
    ada.publish("d")
    ada.write("d", {"new.png": b"new"})
    ada.write("deep/er/table.csv", b"a,b\n")
    ada.publish("d.dvc", "deep/er/table.csv")
    assert sorted(files_of(hub)) == ["d.dvc", "deep/er/.gitignore", "deep/er/table.csv.dvc"]
    assert hub.pointer("main", "d.dvc") == dir_object({**ONE, "new.png": b"new"})[0]
    assert hub.promises_without_data() == []


def test_one_file_of_a_folder_that_is_not_here_otherwise(hub, ada):
    """A path inside a tracked folder updates its listing; the rest is on the remote already."""
    ada.write("d", ONE)
    ada.publish("d")
    bob = hub.clone("bob")
    bob.write("d", {"new.png": b"new"})
    bob.publish("d/new.png")
    assert hub.pointer("main", "d.dvc") == dir_object({**ONE, "new.png": b"new"})[0]
    assert hub.promises_without_data() == []


def test_a_dataset_that_is_not_here_keeps_its_pointer(hub, ada):
    ada.write("d", ONE)
    ada.publish("d")
    bob = hub.clone("bob")
    done = bob.publish("d")
    assert (done.commit, done.report.failed) == (None, ())
    assert hub.pointer("main", "d.dvc") == dir_object(ONE)[0]
    assert not (bob.folder / "d").exists()


def test_a_pointer_without_any_data_is_not_published(hub, ada):
    """Neither here nor on the remote: named, and nothing is committed."""
    ada.write("d.dvc", pointer(ONE).encode())
    head = ada.head()
    done = ada.publish("d")
    assert done.report.exit_code == 3
    assert {outcome.error.code for outcome in done.report.failed if outcome.error} == {"object-nowhere"}
    assert (ada.head(), len(hub.commits())) == (head, 1)


def test_other_staged_changes_are_refused_before_anything_happens(hub, ada):
    ada.write("d", ONE)
    ada.write("code.py", b"print()\n")
    ada.git("add", "code.py")
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "other-changes-staged"
    assert "code.py" in caught.value.message
    assert not (ada.folder / "d.dvc").exists()
    assert ada.git("diff", "--cached", "--name-only") == "code.py"


def test_unstaged_changes_stay_unstaged(hub, ada):
    """Even those in the ignore file that gets our line, and those in a file whose name looks like an option."""
    ada.write(".gitignore", b"*.tmp\n")
    ada.write("-rf", b"old")
    ada.git("add", "-A")
    ada.git("commit", "-q", "-m", "mine")
    ada.write(".gitignore", b"*.tmp\n*.bak\n")
    ada.write("-rf", b"new")
    ada.write("d", ONE)
    ada.publish("d")
    assert run_git(hub.bare, "show", "main:.gitignore") == "*.tmp\n/d"
    assert (ada.folder / ".gitignore").read_text() == "*.tmp\n*.bak\n/d\n"
    assert sorted(line[3:] for line in ada.git("status", "--porcelain").splitlines()) == ["-rf", ".gitignore"] or (
        ada.git("status", "--porcelain").split() == ["M", "-rf", "M", ".gitignore"]
    )


def test_with_autostage(hub, ada):
    ada.git("config", "user.name", "Ada")
    ada.write(".dvc/config.local", b"[core]\n    autostage = true\n")
    ada.write("d", ONE)
    ada.publish("d")
    assert files_of(hub) == [".gitignore", "d.dvc"]
    assert ada.git("status", "--porcelain") == ""


def test_after_add_and_a_commit_by_hand(hub, ada):
    """What was done already is found by looking: only the rest is done."""
    ada.write("d", ONE)
    add(ada.project(), [str(ada.folder / "d")])
    ada.git("add", "d.dvc", ".gitignore")
    ada.git("commit", "-q", "-m", "by hand")
    done = ada.publish("d")
    assert done.commit is None
    assert hub.promises_without_data() == []
    assert run_git(hub.bare, "log", "-1", "--format=%s", "main") == "by hand"


def test_earlier_commits_get_their_data_pushed_too(hub, ada):
    """A dataset that was only committed goes out with this push: its data must be there first."""
    ada.write("other", b"something else")
    add(ada.project(), [str(ada.folder / "other")])
    ada.git("add", "-A")
    ada.git("commit", "-q", "-m", "another dataset, never pushed")
    ada.write("d", ONE)
    ada.publish("d")
    assert hub.promises_without_data() == []
    assert len(hub.commits()) == 3


def test_an_earlier_commit_without_data_stops_the_push(hub, ada):
    ada.write("lost.dvc", pointer({"x": b"gone"}, "lost").encode())
    ada.git("add", "lost.dvc")
    ada.git("commit", "-q", "-m", "a promise")
    ada.write("d", ONE)
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "data-not-on-remote"
    assert "lost" in caught.value.message
    assert "lab push lost" in caught.value.hint
    assert len(hub.commits()) == 1


# -- the data remote, and git's -----------------------------------------------------------------------


def test_no_data_remote(hub, ada):
    ada.write(".dvc/config", b"")
    ada.write("d", ONE)
    head = ada.head()
    with pytest.raises(InvalidInput) as caught:
        ada.publish("d")
    assert caught.value.code == "no-remote"
    assert (ada.head(), (ada.folder / "d.dvc").exists()) == (head, False)


def test_an_unreachable_data_remote(hub, ada):
    ada.write("d", ONE)
    shutil.rmtree(hub.store)
    hub.store.write_text("this is no folder")
    head = ada.head()
    with pytest.raises(LabError):
        ada.publish("d")
    assert (ada.head(), len(hub.commits())) == (head, 1)
    hub.store.unlink()
    hub.store.mkdir()
    ada.publish("d")
    assert hub.promises_without_data() == []


def test_without_a_git_remote_the_commit_stays_here(hub, ada):
    ada.git("remote", "remove", "origin")
    ada.write("d", ONE)
    done = ada.publish("d")
    assert (done.place, done.commit, done.report.exit_code) == ("", ada.head(), 0)
    assert any("no remote" in warning for warning in done.report.warnings)


def test_a_new_branch_gets_its_upstream(hub, ada):
    ada.git("switch", "-q", "-c", "wip/photos")
    ada.write("d", ONE)
    assert ada.publish("d").place == "origin/wip/photos"
    assert ada.git("rev-parse", "--abbrev-ref", "@{upstream}") == "origin/wip/photos"


def test_a_branch_with_another_name_over_there(hub, ada):
    ada.git("switch", "-q", "-c", "mine")
    ada.git("branch", "-q", "-u", "origin/main")
    ada.write("d", ONE)
    assert ada.publish("d").place == "origin/main"
    assert hub.pointer("main", "d.dvc") == dir_object(ONE)[0]


def test_another_data_remote(hub, ada):
    (hub.root / "second").mkdir()
    ada.git("config", "user.name", "Ada")
    ada.write(
        ".dvc/config",
        b"[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
        b"['remote \"second\"']\n    url = ../../second\n",
    )
    ada.write("d", ONE)
    ada.publish("d", remote="second")
    hub.store = hub.root / "second"
    assert hub.promises_without_data() == []


@pytest.mark.parametrize(
    ("setting", "error", "code"),
    [
        ("detached", InvalidInput, "detached-head"),
        ("identity", InvalidInput, "no-git-identity"),
        ("gone", NotFound, "no-git-remote"),
        ("protected", AccessDenied, "git-protected-branch"),
        ("refused", AccessDenied, "git-push-refused"),
        ("no network", LabError, "git-network"),
    ],
)
def test_what_git_refuses(hub, ada, monkeypatch, setting, error, code):
    """Each has its own error; the data is never lost, and the commit never public."""
    if setting == "detached":
        ada.git("checkout", "-q", "--detach")
    if setting == "identity":
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.delenv(f"GIT_{who}_NAME")
            monkeypatch.delenv(f"GIT_{who}_EMAIL")
        ada.git("config", "user.useConfigOnly", "true")
    if setting == "gone":
        ada.git("remote", "set-url", "origin", str(hub.root / "nowhere.git"))
    if setting in ("protected", "refused"):
        said = "GH006: Protected branch update failed" if setting == "protected" else "not today"
        hook = hub.bare / "hooks/pre-receive"
        hook.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        hook.chmod(0o755)
    if setting == "no network":
        ada.git("remote", "set-url", "origin", "http://127.0.0.1:9/nothing.git")
    ada.write("d", ONE)
    with pytest.raises(error) as caught:
        ada.publish("d")
    assert caught.value.code == code
    assert caught.value.hint
    assert len(hub.commits()) == 1
    assert (ada.folder / "d/1.png").read_bytes() == b"one"


def test_a_hook_that_says_no_to_the_commit(hub, ada):
    hook = ada.folder / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'no tabs please' >&2\nexit 1\n")
    hook.chmod(0o755)
    ada.write("d", ONE)
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "git-commit-stopped"
    assert "no tabs please" in caught.value.message
    hook.unlink()
    ada.publish("d")
    assert hub.promises_without_data() == []


def test_a_merge_that_is_half_done(hub, ada):
    ada.write("code", b"a\n")
    ada.git("add", "code")
    ada.git("commit", "-q", "-m", "a")
    ada.git("switch", "-q", "-c", "b", "HEAD~1")
    ada.write("code", b"b\n")
    ada.git("add", "code")
    ada.git("commit", "-q", "-m", "b")
    ada.git("merge", "main", ok=False)
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "merge-in-progress"
    assert "code" in caught.value.message


def test_no_git_and_no_message(hub, ada):
    ada.write("d", ONE)
    with pytest.raises(InvalidInput) as caught:
        ada.publish("d", message="  ")
    assert caught.value.code == "bad-usage"
    ada.write(".dvc/config", b"[core]\n    no_scm = true\n")
    with pytest.raises(InvalidInput) as caught:
        ada.publish("d")
    assert caught.value.code == "no-git"


@pytest.mark.parametrize("name", ["nope", "../outside", "nope.dvc"])
def test_targets_that_are_nothing(hub, ada, name):
    with pytest.raises(LabError) as caught:
        ada.publish(name)
    assert caught.value.exit_code in (2, 10)
    assert ada.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["ä ö", "new\nline", "a'b", "-x"])
def test_names_of_all_kinds(hub, ada, name):
    ada.write(name, b"data")
    ada.publish(name)
    shown = run_git(hub.bare, "show", "main", "--raw", "-z", "--format=", "--no-abbrev").split("\0")
    assert f"{name}.dvc" in shown
    if "\n" not in name:  # no line of a .gitignore can hold it
        assert ada.git("status", "--porcelain") == ""


def test_an_empty_folder_and_zero_bytes(hub, ada):
    (ada.folder / "empty").mkdir()
    ada.write("zero", b"")
    ada.publish("empty", "zero")
    assert hub.promises_without_data() == []
    assert hub.pointer("main", "empty.dvc") == dir_object({})[0]


# -- others are faster --------------------------------------------------------------------------------


def bob_was_faster(hub, ada):
    """Both have a new file for what ada published; bob's is out already. Returns bob."""
    ada.write("d", ONE)
    ada.publish("d")
    bob = hub.clone("bob")
    bob.write("d", {"bob.png": b"bob"})
    bob.publish("d/bob.png")
    ada.write("d", {"ada.png": b"ada"})
    return bob


def test_others_were_faster_with_other_files(hub, ada):
    """Rejected by a newer remote: merged, and pushed once more; both find both files."""
    bob = bob_was_faster(hub, ada)
    done = ada.publish("d")
    both = {**ONE, "bob.png": b"bob", "ada.png": b"ada"}
    assert done.is_merged
    assert hub.pointer("main", "d.dvc") == dir_object(both)[0]
    assert run_git(hub.bare, "show", "main:d.dvc") == pointer(both).strip()
    assert hub.promises_without_data() == []
    assert run_git(hub.bare, "rev-parse", "main^1") == bob.head(), "what others have seen stays the main line"


def test_others_were_faster_with_the_same_file(hub, ada):
    """A clear error that names the file; the commit is here, the data on the remote, the merge undone."""
    ada.write("d", ONE)
    ada.publish("d")
    bob = hub.clone("bob")
    bob.write("d", {"1.png": b"bob's"})
    bob.publish("d/1.png")
    ada.write("d", {"1.png": b"ada's"})
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "publish-diverged"
    assert "d/1.png: changed on both sides" in caught.value.message
    assert "lab sync" in caught.value.hint
    assert ada.git("status", "--porcelain") == ""
    assert (ada.folder / "d/1.png").read_bytes() == b"ada's"
    assert hub.promises_without_data() == []


def test_taking_their_file_loses_nobody_s_other_files(hub, ada):
    """The way that the error names: a side of git's would be a whole dataset."""
    ada.write("d", ONE)
    ada.write("table.csv", b"1")
    ada.publish("d", "table.csv")
    bob = hub.clone("bob")
    bob.write("d", {"1.png": b"bob's", "bob.png": b"bob"})
    bob.write("table.csv", b"bob's")
    bob.publish("d/1.png", "d/bob.png", "table.csv")
    ada.write("d", {"1.png": b"ada's", "ada.png": b"ada"})
    ada.write("table.csv", b"ada's")
    with pytest.raises(Conflict) as caught:
        ada.publish("d", "table.csv")
    assert "lab pull NAME/FILE@origin/main" in caught.value.hint
    theirs = Selection(tuple(str(ada.folder / name) for name in ("d/1.png@origin/main", "table.csv@origin/main")))
    pull(ada.project(), theirs)
    assert ada.publish("d", "table.csv").is_merged
    both = {**ONE, "1.png": b"bob's", "bob.png": b"bob", "ada.png": b"ada"}
    assert hub.pointer("main", "d.dvc") == dir_object(both)[0]
    assert run_git(hub.bare, "show", "main:table.csv.dvc") == run_git(bob.folder, "show", "HEAD:table.csv.dvc")
    assert hub.promises_without_data() == []


def test_others_were_faster_with_another_new_dataset(hub, ada):
    """Both add a line to the same ignore file: git keeps both."""
    bob = hub.clone("bob")
    bob.write("b", b"bob's")
    bob.publish("b")
    ada.write("a", b"ada's")
    ada.publish("a")
    assert sorted(run_git(hub.bare, "show", "main:.gitignore").splitlines()) == ["/a", "/b"]


def plain_clone(hub: Hub, name: str) -> Clone:
    """As `git clone` leaves it: nobody has typed `lab install`."""
    run_git(hub.root, "clone", "-q", "hub.git", name)
    return Clone(hub.root / name)


def test_a_clone_without_install_merges_too(hub, ada):
    """What `lab` merges does not need `lab install`; and from then on git merges datasets there by itself."""
    ada.write("d", ONE)
    ada.publish("d")
    bob, cem = plain_clone(hub, "bob"), plain_clone(hub, "cem")
    ada.write("d", {"ada.png": b"ada"})
    ada.publish("d")
    bob.write("d", {"bob.png": b"bob"})
    assert bob.publish("d/bob.png").is_merged
    cem.write("e", b"e")
    cem.git("switch", "-q", "-c", "side", "HEAD")
    add(cem.project(), [str(cem.folder / "e")])
    cem.git("add", "e.dvc", ".gitignore")
    cem.git("commit", "-q", "-m", "e")
    cem.git("branch", "-q", "-u", "origin/main")
    assert cem.sync().how == "merge"
    assert hub.pointer("main", "d.dvc") == dir_object({**ONE, "bob.png": b"bob", "ada.png": b"ada"})[0]


PUSH_BETWEEN = """#!/bin/sh
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
next=$(git for-each-ref --count=1 --format='%(refname)' refs/waiting)
test -z "$next" && exit 0
git update-ref refs/heads/main "$next" && git update-ref -d "$next"
"""


def test_a_push_at_the_very_same_moment(hub, ada):
    """The server says that it could not lock the branch, not that there are newer commits: it means the same."""
    ada.write("d", ONE)
    ada.publish("d")
    start = ada.head()
    bob = hub.clone("bob")
    for name in ("1", "2", "3"):
        bob.write("d", {f"{name}.new": name.encode()})
        bob.publish(f"d/{name}.new")
        bob.git("push", "-q", "origin", f"HEAD:refs/waiting/{name}")
    run_git(hub.bare, "update-ref", "refs/heads/main", start)
    hook = hub.bare / "hooks/pre-receive"
    hook.write_text(PUSH_BETWEEN)
    hook.chmod(0o755)
    ada.write("d", {"ada.png": b"ada"})

    assert ada.publish("d").is_merged

    assert set(ada.read("d")) >= {*ONE, "ada.png"}
    new = {f"{name}.new": name.encode() for name in ("1", "2", "3")}
    assert hub.pointer("main", "d.dvc") == dir_object({**ONE, **new, "ada.png": b"ada"})[0]
    assert run_git(hub.bare, "for-each-ref", "refs/waiting") == "", "each of three tries met another push"
    first, second = run_git(hub.bare, "rev-parse", "main^1", "main^2").split()
    assert (first, run_git(hub.bare, "rev-parse", f"{second}^")) == (bob.head(), start), "and one merge is all of it"
    assert hub.promises_without_data() == []


# -- versions -----------------------------------------------------------------------------------------


def test_the_number_that_was_asked_for(hub, ada):
    ada.write("d", ONE)
    done = ada.publish("d", version="v1")
    assert done.tags == ("d@v1",)
    assert run_git(hub.bare, "rev-parse", "d@v1^{commit}") == ada.head()
    assert run_git(hub.bare, "cat-file", "-t", "d@v1") == "tag"
    assert ada.publish("d", version="1").commit is None, "again: all of it is there"


@pytest.mark.parametrize("asked", ["3", "v3", "v1"])
def test_another_number_is_refused_before_anything_is_sent(hub, ada, asked):
    ada.write("d", ONE)
    ada.publish("d", version="v1")
    ada.write("d", {"new": b"new"})
    with pytest.raises(Conflict) as caught:
        ada.publish("d", version=asked)
    assert caught.value.code == "wrong-version"
    assert caught.value.fields["version"] == 2
    assert "--version v2" in caught.value.hint
    assert len(hub.commits()) == 2


@pytest.mark.parametrize("asked", ["0", "three", "-1", "v"])
def test_what_is_no_number(hub, ada, asked):
    with pytest.raises(InvalidInput) as caught:
        ada.publish("d", version=asked)
    assert caught.value.code == "bad-version"


def test_a_number_that_others_took_meanwhile(hub, ada):
    ada.write("d", ONE)
    ada.publish("d", version="v1")
    bob = hub.clone("bob")
    bob.write("d", {"bob.png": b"bob"})
    bob.publish("d/bob.png", version="v2")
    ada.write("d", {"ada.png": b"ada"})
    with pytest.raises(Conflict) as caught:
        ada.publish("d", version="v2")
    assert caught.value.code in ("wrong-version", "tag-exists")
    assert run_git(hub.bare, "rev-parse", "d@v2^{commit}") == bob.head()
    assert hub.promises_without_data() == []
    assert ada.read("d") == {**ONE, "bob.png": b"bob", "ada.png": b"ada"}
    ada.git("push", "-q")
    assert hub.promises_without_data() == [], "the merged listing is there, even when the merge is pushed by hand"


def test_a_tag_goes_out_after_its_commit(hub, ada):
    """Others were faster, so this is another version now: nobody has seen a tag that says otherwise."""
    bob_was_faster(hub, ada)
    with pytest.raises(Conflict) as caught:
        ada.publish("d", version="v2")
    assert caught.value.code == "wrong-version"
    assert run_git(hub.bare, "tag") == ""


# -- plans --------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(hub, ada):
    ada.write("d", ONE)
    ada.publish("d")
    ada.write("d", {"new": b"new"})
    ada.write("e", {"1.png": b"another"})
    before = everything(hub.root)
    done = ada.publish("d", "e", dry_run=True)
    assert everything(hub.root) == before
    assert sorted(done.files) == ["d.dvc", "e.dvc"]
    assert done.place == "origin/main"
    assert {step.path for step in done.report.plan.steps} >= {"d", "d/new", "e", "e/1.png"}
    assert done.report.outcomes == ()


def test_a_dry_run_names_what_is_new_whatever_had_to_be_hashed(hub, ada):
    """By name, each content once; a machine that remembers no hash says the same as one that remembers all."""
    ada.write("d", ONE)
    ada.publish("d")
    ada.write("d", {"z.png": b"new", "a.png": b"new", "1.png": b"changed"})
    for _ in range(2):
        done = ada.publish("d", dry_run=True)
        assert [step.path for step in done.report.plan.of(Action.STORE)] == ["d/1.png", "d/a.png"]
        survey(ada.project(), "d")
        shutil.rmtree(ada.folder / ".dvc/tmp/lab", ignore_errors=True)


def test_dvc_agrees(hub, ada, dvc):
    """Another person with dvc alone gets what was published, and finds nothing to do."""
    ada.write("d", ONE)
    ada.publish("d")
    bob = hub.clone("bob")
    dvc("pull", "-q", cwd=bob.folder)
    assert bob.read("d") == ONE
    assert dvc("status", "--json", cwd=bob.folder).strip() == "{}"
    assert subprocess.run(["git", "status", "--porcelain"], cwd=bob.folder, capture_output=True).stdout == b""


# -- places of all kinds ------------------------------------------------------------------------------


def test_a_project_below_the_top_of_git(hub, ada):
    from labops.verbs.init import init

    (ada.folder / "sub/project").mkdir(parents=True)
    init(str(ada.folder / "sub/project"), subdir=True)
    ada.write(
        "sub/project/.dvc/config", (ada.folder / ".dvc/config").read_bytes().replace(b"../../s", b"../../../../s")
    )
    ada.git("add", "-A")
    ada.git("commit", "-q", "-m", "inner")
    inner = Clone(ada.folder / "sub/project")
    inner.write("d", ONE)
    done = inner.publish("d", version="1")
    assert done.tags == ("sub/project/d@v1",)
    assert files_of(hub) == ["sub/project/.gitignore", "sub/project/d.dvc"]
    assert hub.promises_without_data() == []
    assert inner.sync().report.exit_code == 0


def test_a_shallow_clone(hub, ada):
    """Publishing works; a number cannot be told, and is refused where one was asked for."""
    ada.write("d", ONE)
    ada.publish("d")
    ada.write("code", b"1")
    ada.git("add", "code")
    ada.git("commit", "-q", "-m", "code")
    ada.git("push", "-q")
    run_git(hub.root, "clone", "-q", "--depth", "1", f"file://{hub.bare}", "shallow")
    bob = Clone(hub.root / "shallow")
    bob.write("d", {"new": b"new"})
    with pytest.raises(NotFound) as caught:
        bob.publish("d/new", version="v2")
    assert caught.value.code == "history-cut"
    assert "--unshallow" in caught.value.hint
    done = bob.publish("d/new")
    assert (done.versions, done.place) == ((), "origin/main")
    assert hub.promises_without_data() == []


def test_a_linked_worktree(hub, ada):
    ada.git("worktree", "add", "-q", "../tree", "-b", "side")
    tree = Clone(hub.root / "tree")
    tree.write("d", ONE)
    assert tree.publish("d").place == "origin/side"
    assert hub.promises_without_data() == []


def test_with_hooks_installed(hub, ada):
    """Ours have nothing against it, on the way of a merge neither."""
    from labops.verbs.install import install

    install(ada.project())
    ada.write("d", ONE)
    ada.publish("d", version="v1")
    bob = hub.clone("bob")
    install(bob.project())
    bob.write("d", {"bob": b"bob"})
    bob.publish("d/bob")
    ada.write("d", {"ada": b"ada"})
    assert ada.publish("d").is_merged
    assert hub.pointer("main", "d.dvc") == dir_object({**ONE, "bob": b"bob", "ada": b"ada"})[0]
    assert ada.read("d") == {**ONE, "bob": b"bob", "ada": b"ada"}, "theirs came along: the folder is what was published"
    (hub.root / "second").mkdir()
    ada.write(
        ".dvc/config", (ada.folder / ".dvc/config").read_bytes() + b"['remote \"second\"']\n    url = ../../second\n"
    )
    ada.write("e", b"e")
    ada.publish("e", remote="second")
    assert (hub.root / "second/files").exists()
