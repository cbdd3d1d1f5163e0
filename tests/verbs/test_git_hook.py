"""Hooks and the merge driver as git itself runs them: promises without data, keys, large files, branches, merges."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from labops.errors import Conflict
from labops.project import Project
from labops.testing.oracle import dir_object, find_lab
from labops.testing.worlds import pointer
from labops.verbs import install as install_module
from labops.verbs.add import add
from labops.verbs.install import install
from labops.verbs.push import push
from tests.hub import Clone, Hub

ONE = {"1.png": b"one", "sub/2.png": b"two"}


@pytest.fixture
def hub(tmp_path) -> Hub:
    return Hub(tmp_path / "lab with space")


@pytest.fixture
def ada(hub) -> Clone:
    ada = hub.clone("ada")
    ada.git("config", "user.name", "Ada")
    ada.git("config", "user.email", "ada@lab.example")
    install(ada.project())
    return ada


def commit_data(clone: Clone, name: str, files, message: str = "data") -> None:
    """Add and commit, but push no data."""
    clone.write(name, files)
    add(clone.project(), [str(clone.folder / name)])
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", message)


def attempt(clone: Clone, *words: str) -> tuple[int, str]:
    done = subprocess.run(["git", *words], cwd=clone.folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


# -- pre-push -----------------------------------------------------------------------------------------


def test_a_pointer_without_its_data_is_not_pushed(hub, ada):
    """The files and the command are named; after that command the push goes through."""
    commit_data(ada, "d", ONE)
    code, said = attempt(ada, "push")
    assert code != 0
    assert "d/1.png" in said
    assert "d/sub/2.png" in said
    assert "lab push d" in said
    assert len(hub.commits()) == 1
    push(ada.project())
    assert attempt(ada, "push")[0] == 0
    assert hub.promises_without_data() == []


def test_one_lost_object_is_enough(hub, ada):
    commit_data(ada, "d", ONE)
    push(ada.project())
    oid = dir_object(ONE)[0]
    (hub.store / "files/md5" / oid[:2] / oid[2:]).unlink()
    code, said = attempt(ada, "push")
    assert code != 0
    assert "1 file" in said


def test_an_older_version_in_the_commits_counts(hub, ada):
    """Only the newest version's data is on the remote: the commit before it would be an empty promise."""
    commit_data(ada, "d", ONE)
    push(ada.project())
    assert attempt(ada, "push")[0] == 0
    commit_data(ada, "d", {"1.png": b"another one"}, "third")
    ada.write("d", {"1.png": b"a fourth"})
    add(ada.project(), [str(ada.folder / "d")])
    ada.git("commit", "-q", "-a", "-m", "fourth")
    push(ada.project())
    code, said = attempt(ada, "push")
    assert code != 0
    assert "lab push --all-commits d" in said


def test_deleting_and_other_branches_and_tags(hub, ada):
    commit_data(ada, "d", ONE)
    ada.git("branch", "old")
    push(ada.project())
    assert attempt(ada, "push", "origin", "main", "old")[0] == 0
    assert attempt(ada, "push", "origin", ":old")[0] == 0
    ada.git("switch", "-q", "-c", "wip")
    commit_data(ada, "e", ONE | {"e": b"e"})
    ada.git("tag", "-a", "v1", "-m", "x")
    for words in (("push", "origin", "main", "wip"), ("push", "origin", "v1"), ("push", "-u", "origin", "HEAD")):
        code, said = attempt(ada, *words)
        assert code != 0, words
        assert "e/e" in said
    assert attempt(ada, "push", "--no-verify", "origin", "wip")[0] == 0, "a person may insist"


def test_what_the_other_side_has_is_not_asked_again(hub, ada):
    """Only new commits: an old promise of somebody else does not stop us."""
    commit_data(ada, "lost", {"x": b"x"})
    ada.git("push", "-q", "--no-verify")
    ada.write("code.py", b"1\n")
    ada.git("add", "code.py")
    ada.git("commit", "-q", "-m", "code")
    shutil.rmtree(hub.store)
    assert attempt(ada, "push")[0] == 0, "no pointer is pushed, so the data remote is not even asked"


def test_no_data_remote_at_all(hub, ada):
    ada.write(".dvc/config", b"")
    commit_data(ada, "d", ONE)
    code, said = attempt(ada, "push")
    assert code != 0
    assert "lab remote add" in said


def test_a_pointer_with_the_marks_of_a_merge(hub, ada):
    ada.write("d.dvc", b"<<<<<<< ours\nouts: []\n=======\nouts: []\n>>>>>>> theirs\n")
    ada.git("add", "d.dvc")
    code, said = attempt(ada, "commit", "-m", "oops")
    assert code != 0
    assert "d.dvc" in said
    ada.git("commit", "-q", "--no-verify", "-m", "oops")
    code, said = attempt(ada, "push")
    assert code != 0
    assert "d.dvc" in said
    ada.git("rm", "-q", "d.dvc")
    ada.git("commit", "-q", "-m", "mended")
    assert attempt(ada, "push")[0] == 0


def test_from_a_worktree(hub, ada):
    ada.git("worktree", "add", "-q", "../tree", "-b", "side")
    tree = Clone(hub.root / "tree")
    commit_data(tree, "d", ONE)
    code, said = attempt(tree, "push", "-u", "origin", "side")
    assert code != 0
    assert "d/1.png" in said


def test_a_project_below_the_top(hub, ada):
    from labops.verbs.init import init

    (ada.folder / "sub/project").mkdir(parents=True)
    init(str(ada.folder / "sub/project"), subdir=True)
    ada.write("sub/project/.dvc/config", b"[core]\n    remote = s\n['remote \"s\"']\n    url = ../../../../store2\n")
    ada.write("sub/project/d", ONE)
    inner = Project.find(str(ada.folder / "sub/project"))
    add(inner, [str(ada.folder / "sub/project/d")])
    ada.git("add", "-A")
    ada.git("commit", "-q", "-m", "inner")
    code, said = attempt(ada, "push")
    assert code != 0
    assert "d/1.png" in said
    push(inner)
    assert attempt(ada, "push")[0] == 0


# -- pre-commit ---------------------------------------------------------------------------------------


def test_large_files_are_refused_with_what_to_type(ada):
    ada.write("big.bin", bytes(5 << 20) + b"!")
    ada.write("just right.bin", bytes(5 << 20))
    ada.git("add", "-A")
    code, said = attempt(ada, "commit", "-m", "x")
    assert code != 0
    assert "big.bin" in said
    assert "just right.bin" not in said
    assert "lab add 'big.bin'" in said
    ada.git("config", "lab.maxfilesize", "6m")
    assert attempt(ada, "commit", "-m", "x")[0] == 0


def test_the_files_of_a_dataset_are_refused_however_small(ada):
    """`git add -f dog_and_cat` instead of `dog_and_cat.dvc`; the pointer, and files beside it, may be committed."""
    commit_data(ada, "deep/dog_and_cat", ONE)
    ada.write("deep/dog_and_catalogue", b"no part of it")
    ada.git("add", "-f", "deep")
    code, said = attempt(ada, "commit", "-m", "slip")
    assert code != 0
    assert "'deep/dog_and_cat/1.png', 'deep/dog_and_cat/sub/2.png'" in said
    assert "git rm -r -q --cached 'deep/dog_and_cat' && git add 'deep/dog_and_cat.dvc'" in said
    ada.git("rm", "-r", "-q", "--cached", "deep/dog_and_cat")
    assert attempt(ada, "commit", "-m", "the rest")[0] == 0
    assert ada.git("show", "--name-only", "--format=").splitlines() == ["deep/dog_and_catalogue"]


def test_what_git_keeps_itself_is_no_dataset(ada):
    ada.write("notes.dvc", b"outs:\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\n  cache: false\n  path: notes\n")
    ada.write("notes", b"1\n")
    ada.git("add", "-A")
    assert attempt(ada, "commit", "-m", "notes")[0] == 0


def test_large_files_count_for_a_commit_of_some_paths_only(ada):
    """`git commit PATH` has an index of its own: what is not in it is not judged."""
    ada.write("big.bin", bytes(6 << 20))
    ada.git("add", "big.bin")
    ada.write("README", b"hello\n")
    ada.git("add", "-N", "README")
    assert attempt(ada, "commit", "README", "-m", "x")[0] == 0
    assert attempt(ada, "commit", "-m", "y")[0] != 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys.env", "AWS_ACCESS_KEY_ID=AKIA{}\nAWS_SECRET_ACCESS_KEY={}\n".format("Q" * 16, "aB3/" * 10)),
        ("id_rsa", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc\n"),
        (".dvc/config", "['remote \"s\"']\n    secret_access_key = hunter2\n"),
    ],
)
def test_keys_are_refused(ada, name, text):
    ada.write(name, text.encode())
    ada.git("add", "-A")
    code, said = attempt(ada, "commit", "-m", "x")
    assert code != 0
    assert f"{name}:" in said
    assert "--no-verify" in said
    assert "hunter2" not in said
    assert "aB3/aB3/" not in said
    assert attempt(ada, "commit", "--no-verify", "-m", "x")[0] == 0


# -- post-checkout ------------------------------------------------------------------------------------


def test_the_workspace_follows_a_switch_of_branches(ada):
    commit_data(ada, "d", ONE)
    ada.git("switch", "-q", "-c", "other")
    commit_data(ada, "d", {"1.png": b"other"})
    assert attempt(ada, "switch", "main")[0] == 0
    assert ada.read("d") == ONE
    assert attempt(ada, "checkout", "other")[0] == 0
    assert ada.read("d")["1.png"] == b"other"
    ada.git("checkout", "main", "--", "d.dvc")
    assert ada.read("d")["1.png"] == b"other", "single files are not a switch of branches"


def test_unsaved_work_stays_at_a_switch_of_branches(ada):
    commit_data(ada, "d", ONE)
    ada.git("switch", "-q", "-c", "other")
    commit_data(ada, "d", {"1.png": b"other"})
    ada.write("d", {"1.png": b"unsaved"})
    _, said = attempt(ada, "switch", "main")
    assert "d/1.png" in said
    assert ada.read("d")["1.png"] == b"unsaved"
    assert ada.git("branch", "--show-current") == "main"


def test_data_that_is_not_in_the_cache_does_not_fail_a_switch(hub, ada):
    commit_data(ada, "d", ONE)
    push(ada.project())
    ada.git("push", "-q")
    bob = hub.clone("bob")
    install(bob.project())
    code, said = attempt(bob, "switch", "-c", "new")
    assert code == 0
    assert "lab pull" in said


def test_nothing_is_checked_out_during_a_rebase(ada):
    commit_data(ada, "d", ONE)
    ada.git("switch", "-q", "-c", "other")
    commit_data(ada, "d", {"1.png": b"other"})
    ada.git("switch", "-q", "main")
    ada.write("code", b"1\n")
    ada.git("add", "code")
    ada.git("commit", "-q", "-m", "code")
    ada.git("switch", "-q", "other")
    ada.write("d", {"1.png": b"unsaved"})
    assert attempt(ada, "rebase", "main")[0] == 0
    assert ada.read("d")["1.png"] == b"unsaved"


# -- install ------------------------------------------------------------------------------------------


def hooks_of(clone: Clone) -> dict[str, str]:
    folder = clone.folder / ".git/hooks"
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.endswith(".sample")}


def test_again_nothing_changes(ada):
    before = hooks_of(ada)
    config = (ada.folder / ".git/config").read_text()
    report = install(ada.project())
    assert {outcome.result.value for outcome in report.outcomes} == {"already"}
    assert (hooks_of(ada), (ada.folder / ".git/config").read_text()) == (before, config)
    assert (ada.folder / ".git/info/attributes").read_text().count("merge=lab") == 1
    assert ada.git("status", "--porcelain") == "", "no tracked file was touched"


def test_foreign_hooks_run_first_and_may_say_no(hub):
    bob = hub.clone("bob")
    said = bob.folder / "said"
    folder = bob.folder / ".git/hooks"
    foreign = f'#!/bin/sh\necho "$1" > "{said}"\ncat >> "{said}"\n[ ! -e "{said}.no" ]\n'
    (folder / "pre-push").write_text(foreign)
    (folder / "pre-push").chmod(0o755)
    install(bob.project())
    install(bob.project())
    assert hooks_of(bob)["pre-push.before-lab"] == foreign
    commit_data(bob, "d", ONE)
    assert attempt(bob, "push")[0] != 0
    assert said.read_text().startswith("origin\nrefs/heads/main ")
    push(bob.project())
    (bob.folder / "said.no").touch()
    assert attempt(bob, "push")[0] != 0
    (bob.folder / "said.no").unlink()
    assert attempt(bob, "push")[0] == 0


def test_a_foreign_hook_that_is_a_link_is_not_written_through(hub, tmp_path):
    bob = hub.clone("bob")
    target = tmp_path / "shared hook"
    target.write_text("#!/bin/sh\nexit 0\n")
    target.chmod(0o755)
    (bob.folder / ".git/hooks/pre-commit").symlink_to(target)
    install(bob.project())
    assert target.read_text() == "#!/bin/sh\nexit 0\n"
    assert (bob.folder / ".git/hooks/pre-commit.before-lab").is_symlink()
    bob.write("a", b"a")
    bob.git("add", "a")
    assert attempt(bob, "commit", "-m", "a")[0] == 0


def test_two_foreign_hooks_of_one_name(ada):
    (ada.folder / ".git/hooks/pre-push").write_text("#!/bin/sh\n# one\n")
    install(ada.project())
    (ada.folder / ".git/hooks/pre-push").write_text("#!/bin/sh\n# two\n")
    with pytest.raises(Conflict) as caught:
        install(ada.project())
    assert caught.value.code == "hook-in-the-way"
    assert "# two" in hooks_of(ada)["pre-push"]
    assert "# one" in hooks_of(ada)["pre-push.before-lab"]


def test_core_hooks_path(hub, tmp_path):
    """Inside the repository it is used; outside it would serve others too."""
    bob = hub.clone("bob")
    bob.git("config", "core.hooksPath", "my hooks")
    install(bob.project())
    assert (bob.folder / "my hooks/pre-push").exists()
    bob.git("config", "core.hooksPath", str(tmp_path / "elsewhere"))
    with pytest.raises(Conflict) as caught:
        install(bob.project())
    assert caught.value.code == "hooks-shared"
    assert not (tmp_path / "elsewhere").exists()


def test_without_git(tmp_path):
    from labops.verbs.init import init

    init(str(tmp_path), no_scm=True)
    report = install(Project.find(str(tmp_path)))
    assert (report.plan.steps, report.exit_code) == ((), 0)
    assert report.warnings


def test_hooks_when_lab_is_nowhere(hub, ada, monkeypatch):
    """Neither the interpreter nor `lab`: a commit goes on with a word, a push is stopped with a word."""
    with monkeypatch.context() as patch:
        patch.setattr(install_module.sys, "executable", "/gone/it's/python")
        install(ada.project())
    monkeypatch.setenv("PATH", os.pathsep.join(p for p in ("/usr/bin", "/bin")))
    ada.write("a", b"a")
    ada.git("add", "a")
    code, said = attempt(ada, "commit", "-m", "a")
    assert code == 0, said
    assert "lab install" in said
    code, said = attempt(ada, "push")
    assert code != 0
    assert "--no-verify" in said


def test_hooks_fall_back_to_the_lab_on_the_path(hub, ada, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(install_module.sys, "executable", "/gone/python")
        install(ada.project())
    monkeypatch.setenv("PATH", os.path.dirname(find_lab()) + os.pathsep + os.environ["PATH"])
    commit_data(ada, "d", ONE)
    assert "d/1.png" in attempt(ada, "push")[1]


def test_the_pre_commit_tool(ada):
    ada.write(".pre-commit-config.yaml", b"# ours\nrepos:\n- repo: local\n  hooks: []\n")
    install(ada.project(), use_pre_commit_tool=True)
    text = (ada.folder / ".pre-commit-config.yaml").read_text()
    assert text.startswith("# ours\n")
    assert text.count("lab git-hook pre-push") == 1
    install(ada.project(), use_pre_commit_tool=True)
    assert (ada.folder / ".pre-commit-config.yaml").read_text() == text


def test_a_module_called_labops_in_the_repository_is_not_run(hub, ada):
    ada.write("labops/__init__.py", b"raise SystemExit('hijacked')\n")
    ada.write("labops/__main__.py", b"raise SystemExit('hijacked')\n")
    ada.git("add", "-A")
    code, said = attempt(ada, "commit", "-m", "x")
    assert code == 0
    assert "hijacked" not in said


# -- merging ------------------------------------------------------------------------------------------


def two_branches(clone: Clone, ours, theirs, base=ONE) -> None:
    """`main` and `side` from one ancestor, each with its own state of `d`; we are on `main`."""
    if base is not None:
        commit_data(clone, "d", base, "base")
    clone.git("switch", "-q", "-c", "side")
    for name, files in (("side", theirs), ("main", ours)):
        clone.git("switch", "-q", name)
        shutil.rmtree(clone.folder / "d", ignore_errors=True)
        commit_data(clone, "d", files, name)


def merged(clone: Clone) -> str:
    return (clone.folder / "d.dvc").read_text()


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        ({**ONE, "a": b"a"}, {**ONE, "b": b"bb"}, {**ONE, "a": b"a", "b": b"bb"}),
        ({**ONE, "same": b"s"}, {**ONE, "same": b"s", "b": b"b"}, {**ONE, "same": b"s", "b": b"b"}),
        ({"1.png": b"one"}, {"1.png": b"one"} | {"n": b"n"}, {"1.png": b"one", "n": b"n"}),
        ({**ONE, "1.png": b"changed"}, {"1.png": b"one"}, {"1.png": b"changed"}),
    ],
    ids=["both add", "both add the same", "both delete the same", "one changes, one deletes another"],
)
def test_different_files_merge(ada, ours, theirs, both):
    two_branches(ada, ours, theirs)
    code, said = attempt(ada, "merge", "-q", "--no-edit", "side")
    assert code == 0, said
    assert merged(ada) == pointer(both)
    oid = dir_object(both)[0]
    assert (ada.folder / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).read_bytes() == dir_object(both)[1]


def test_two_new_datasets_of_one_name(ada):
    ada.git("commit", "-q", "--allow-empty", "-m", "base")
    two_branches(ada, {"a": b"a"}, {"b": b"b"}, base=None)
    assert attempt(ada, "merge", "-q", "--no-edit", "side")[0] == 0
    assert merged(ada) == pointer({"a": b"a", "b": b"b"})


@pytest.mark.parametrize(
    ("ours", "theirs", "said_of"),
    [
        ({**ONE, "1.png": b"a"}, {**ONE, "1.png": b"b"}, "d/1.png: changed on both sides"),
        ({**ONE, "n": b"a"}, {**ONE, "n": b"b"}, "d/n: added on both sides"),
        ({"sub/2.png": b"two"}, {**ONE, "1.png": b"b"}, "d/1.png: deleted here, changed there"),
        ({**ONE, "n": b"a"}, {**ONE, "n/deep": b"b"}, "d/n: a file on one side, a folder on the other"),
    ],
)
def test_the_same_file_is_a_named_conflict(ada, ours, theirs, said_of):
    """Ours stays in place, both sides can be chosen, and nothing is lost."""
    two_branches(ada, ours, theirs)
    code, said = attempt(ada, "merge", "--no-edit", "side")
    assert code == 1
    assert said_of in said
    assert "git checkout --theirs" in said
    assert merged(ada) == pointer(ours)
    ada.git("checkout", "--theirs", "d.dvc")
    assert merged(ada) == pointer(theirs)


def test_annotations_merge_by_key(ada):
    commit_data(ada, "d", ONE)
    text = merged(ada)
    ada.git("switch", "-q", "-c", "side")
    ada.write("d.dvc", (text + "  desc: cats and dogs\n").encode())
    ada.git("commit", "-q", "-a", "-m", "side")
    ada.git("switch", "-q", "main")
    commit_data(ada, "d", {"new": b"new"})
    assert attempt(ada, "merge", "-q", "--no-edit", "side")[0] == 0
    assert merged(ada) == pointer({**ONE, "new": b"new"}) + "  desc: cats and dogs\n"


def test_the_listing_comes_from_the_remote_when_the_cache_lacks_it(hub, ada):
    two_branches(ada, {**ONE, "a": b"a"}, {**ONE, "b": b"b"})
    from labops.model import Selection

    push(ada.project(), Selection(all_commits=True))
    shutil.rmtree(ada.folder / ".dvc/cache")
    assert attempt(ada, "merge", "-q", "--no-edit", "side")[0] == 0
    assert merged(ada) == pointer({**ONE, "a": b"a", "b": b"b"})


def test_a_listing_that_is_nowhere_is_a_conflict(hub, ada):
    two_branches(ada, {**ONE, "a": b"a"}, {**ONE, "b": b"b"})
    shutil.rmtree(ada.folder / ".dvc/cache")
    code, said = attempt(ada, "merge", "--no-edit", "side")
    assert code == 1
    assert "lab push" in said
    assert merged(ada) == pointer({**ONE, "a": b"a"})


def legacy(files) -> str:
    return pointer(files).replace("  hash: md5\n", "")


def test_two_kinds_of_hash_are_never_mixed(ada):
    """One side upgraded a 2.x dataset, the other changed it: there is nothing to compare by."""
    ada.write("d.dvc", legacy(ONE).encode())
    ada.git("add", "d.dvc")
    ada.git("commit", "-q", "-m", "old")
    ada.git("switch", "-q", "-c", "side")
    ada.write("d.dvc", legacy({**ONE, "b": b"b"}).encode())
    ada.git("commit", "-q", "-a", "-m", "side")
    ada.git("switch", "-q", "main")
    ada.write("d.dvc", pointer({**ONE, "a": b"a"}).encode())
    ada.git("commit", "-q", "-a", "-m", "main")
    code, said = attempt(ada, "merge", "--no-edit", "side")
    assert code == 1
    assert "2.x" in said


def test_a_repository_with_dvc_s_own_attribute(hub, dvc):
    """`*.dvc merge=dvc` is committed: with lab installed our driver merges, and dvc agrees with the result."""
    bob = hub.clone("bob")
    (bob.folder / ".git/info/attributes").unlink()
    bob.write(".gitattributes", b"*.dvc merge=dvc\n")
    bob.git("add", "-A")
    bob.git("commit", "-q", "-m", "attributes")
    install(bob.project())
    two_branches(bob, {**ONE, "a": b"a"}, {**ONE, "b": b"b"})
    assert attempt(bob, "merge", "-q", "--no-edit", "side")[0] == 0
    assert merged(bob) == pointer({**ONE, "a": b"a", "b": b"b"})
    dvc("checkout", "-q", cwd=bob.folder)
    assert bob.read("d") == {**ONE, "a": b"a", "b": b"b"}


def test_dvc_s_own_driver_comes_to_the_same(hub, dvc, monkeypatch):
    """Where dvc's driver merges (its attribute, its `install`), the file is the same, byte for byte."""
    dvc_command = os.environ.get("LABOPS_DVC") or shutil.which("dvc") or ""
    bob = hub.clone("bob")
    (bob.folder / ".git/info/attributes").write_text("*.dvc merge=dvc\n")
    bob.git("config", "merge.dvc.driver", f"{dvc_command} git-hook merge-driver --ancestor %O --our %A --their %B")
    two_branches(bob, {**ONE, "a": b"a"}, {**ONE, "b": b"bb"})
    assert attempt(bob, "merge", "-q", "--no-edit", "side")[0] == 0
    assert merged(bob) == pointer({**ONE, "a": b"a", "b": b"bb"})


def test_somebody_s_own_choice_stays(hub):
    bob = hub.clone("bob")
    (bob.folder / ".git/info/attributes").write_text("*.dvc merge=ours\n.gitignore merge=text\n")
    install(bob.project())
    assert (bob.folder / ".git/info/attributes").read_text() == "*.dvc merge=ours\n.gitignore merge=text\n"
