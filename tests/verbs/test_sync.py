"""`sync`: the commits of others and their data; what someone has done here stays, whatever others did."""

from __future__ import annotations

import pytest

from labops.errors import Conflict, InvalidInput
from labops.following import OnTheWay
from labops.testing.faults import Killed
from labops.testing.oracle import dir_object
from labops.testing.worlds import pointer
from labops.verbs import sync as sync_module
from labops.verbs.pull import pull
from tests.hub import Clone, Hub

ONE = {"1.png": b"one", "sub/2.png": b"two", "3.png": b"three"}
THEIRS = {"1.png": b"one by bob", "4.png": b"four"}
NOW = {**ONE, **THEIRS}


@pytest.fixture
def hub(tmp_path) -> Hub:
    hub = Hub(tmp_path / "lab")
    ada = hub.clone("ada")
    ada.write("d", ONE)
    ada.write("e", {"x": b"e"})
    ada.publish("d", "e")
    return hub


@pytest.fixture
def ada(hub) -> Clone:
    return hub.clone("ada")


@pytest.fixture
def bob(hub) -> Clone:
    bob = hub.clone("bob")
    pull(bob.project())
    return bob


def by_bob(bob: Clone, files=THEIRS, gone=("3.png",), target="d") -> None:
    bob.write(target, files)
    for name in gone:
        (bob.folder / target / name).unlink()
    bob.publish(target)


AFTER = {name: data for name, data in NOW.items() if name != "3.png"}


def test_what_changed_and_by_how_much(ada, bob):
    by_bob(bob)
    done = ada.sync()
    assert ada.read("d") == AFTER
    assert done.how == "fast-forward"
    assert done.changes == (("d", 1, 1, 1, len(b"one by bob") + len(b"four")),)
    assert done.report.exit_code == 0
    again = ada.sync()
    assert (again.how, again.changes, again.report.plan.steps) == ("up-to-date", (), ())


def test_datasets_that_are_not_here_stay_away(hub, ada, bob):
    carl = hub.clone("carl")
    pull(carl.project(), sync_selection(carl, "e"))
    by_bob(bob)
    carl.sync()
    assert carl.git("rev-parse", "HEAD") == bob.head()
    assert not (carl.folder / "d").exists()
    assert not (carl.folder / ".dvc/cache/files/md5" / dir_object(AFTER)[0][:2]).exists()


def sync_selection(clone: Clone, *names: str):
    from labops.model import Selection

    return Selection(tuple(str(clone.folder / name) for name in names))


def test_a_dataset_here_in_part_stays_in_part(hub, ada, bob):
    """What was pulled follows, what was not pulled does not come; new files do."""
    carl = hub.clone("carl")
    pull(carl.project(), sync_selection(carl, "d/1.png"))
    by_bob(bob)
    carl.sync()
    assert carl.read("d") == THEIRS


def test_own_work_stays_and_that_of_others_comes(ada, bob):
    """Own new, changed and deleted files; then both are published, and both are there."""
    by_bob(bob)
    ada.write("d", {"mine.png": b"mine", "sub/2.png": b"two by ada"})
    done = ada.sync()
    assert done.report.exit_code == 0
    both = {**AFTER, "mine.png": b"mine", "sub/2.png": b"two by ada"}
    assert ada.read("d") == both
    ada.publish("d")
    bob.sync()
    assert bob.read("d") == both


def test_a_file_that_both_changed_is_named_and_stays_ours(ada, bob):
    """The others go on: the rest of the dataset, and other datasets."""
    by_bob(bob)
    bob.write("e", {"y": b"new"})
    bob.publish("e")
    ada.write("d", {"1.png": b"one by ada"})
    done = ada.sync()
    assert done.report.exit_code == 3
    (failed,) = done.report.failed
    assert failed.error is not None
    assert failed.error.code == "changed-on-both-sides"
    assert "d/1.png" in failed.error.message
    assert ada.read("d") == {**AFTER, "1.png": b"one by ada"}
    assert ada.read("e") == {"x": b"e", "y": b"new"}
    assert ada.sync().report.exit_code == 0, "it was said once; what is here is own work now"


def test_a_deletion_here_is_work_too(ada, bob):
    by_bob(bob, gone=())
    (ada.folder / "d/3.png").unlink()
    ada.sync()
    assert ada.read("d") == {**THEIRS, "sub/2.png": b"two"}


def test_unsaved_work_where_nobody_else_did_anything(ada, bob):
    ada.write("d", {"1.png": b"edit"})
    done = ada.sync()
    assert ada.read("d")["1.png"] == b"edit"
    assert (done.report.exit_code, done.changes) == (0, ())
    assert any("'d'" in warning for warning in done.report.warnings)


def test_after_a_git_pull_by_hand(ada, bob):
    """Nothing new in git, and the workspace is still the old version: it is brought forward."""
    by_bob(bob)
    ada.git("pull", "-q")
    done = ada.sync()
    assert ada.read("d") == AFTER
    assert (done.how, len(done.changes)) == ("up-to-date", 1)


def test_publishing_an_old_workspace_is_refused(hub, ada, bob):
    """The slip that takes back what others have added: after a git pull by hand, before the data came."""
    by_bob(bob)
    ada.git("pull", "-q")
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "stale-workspace"
    assert "v1" in caught.value.message
    assert hub.pointer("main", "d.dvc") == dir_object(AFTER)[0]


@pytest.mark.parametrize("then", ["sync", "publish"])
def test_killed_between_git_and_the_data(hub, ada, bob, monkeypatch, then):
    """With own work in the folder: nothing of the others' work is taken back, nothing of ours lost."""
    by_bob(bob)
    ada.write("d", {"mine.png": b"mine"})

    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(sync_module._Story, "bring", die)
    with pytest.raises(Killed):
        ada.sync()
    monkeypatch.undo()
    assert (ada.folder / "d.dvc").read_text() == pointer(AFTER)
    if then == "sync":
        ada.sync()
    else:
        ada.publish("d")
        assert hub.pointer("main", "d.dvc") == dir_object({**AFTER, "mine.png": b"mine"})[0]
    assert ada.read("d") == {**AFTER, "mine.png": b"mine"}
    assert OnTheWay(ada.project()).bases == {}


def test_a_real_merge(hub, ada, bob):
    """Both committed: git merges the listings, and what comes out is on the remote after a push."""
    by_bob(bob)
    ada.write("code.py", b"print()\n")
    ada.git("add", "code.py")
    ada.git("commit", "-q", "-m", "code")
    done = ada.sync()
    assert done.how == "merge"
    assert ada.read("d") == AFTER
    assert (ada.folder / "code.py").exists()


def test_the_same_file_in_two_commits(hub, ada, bob):
    """The merge stays half done, and everything that is to be decided has a name; a choice ends it."""
    by_bob(bob)
    from labops.verbs.add import add

    ada.write("d", {"1.png": b"one by ada"})
    add(ada.project(), [str(ada.folder / "d")])
    ada.git("commit", "-q", "-a", "-m", "ada's")
    with pytest.raises(Conflict) as caught:
        ada.sync()
    assert caught.value.code == "merge-conflict"
    assert "d/1.png: changed on both sides" in caught.value.message
    with pytest.raises(Conflict) as caught:
        ada.sync()
    assert caught.value.code == "merge-in-progress"
    assert "d/1.png" in caught.value.message
    assert (ada.folder / "d.dvc").read_text() == pointer({**ONE, "1.png": b"one by ada"})
    ada.git("checkout", "--theirs", "d.dvc")
    ada.git("add", "d.dvc")
    ada.git("commit", "-q", "-m", "bob's")
    ada.sync()
    assert ada.read("d") == AFTER


def test_local_edits_of_a_pointer(ada, bob):
    """Added and not committed, and others published: git would overwrite the pointer, so nothing moves."""
    by_bob(bob)
    from labops.verbs.add import add

    ada.write("d", {"mine.png": b"mine"})
    add(ada.project(), [str(ada.folder / "d")])
    head = ada.head()
    with pytest.raises(Conflict) as caught:
        ada.sync()
    assert caught.value.code == "git-local-changes"
    assert ada.head() == head
    assert ada.read("d") == {**ONE, "mine.png": b"mine"}
    ada.publish("d")
    assert ada.read("d") == {**AFTER, "mine.png": b"mine"}


def test_data_that_is_nowhere(hub, ada, bob):
    """A pointer was pushed without its data: that dataset stays as it is, the others go on."""
    bob.write("d.dvc", pointer({"lost": b"lost"}).encode())
    bob.git("commit", "-q", "-a", "-m", "a promise")
    bob.git("push", "-q", "--no-verify")
    by_bob(bob, {"y": b"new"}, (), "e")
    done = ada.sync()
    assert done.report.exit_code == 3
    assert ada.read("d") == ONE
    assert ada.read("e") == {"x": b"e", "y": b"new"}


def test_own_work_waits_for_a_listing_that_cannot_be_had(hub, ada, bob):
    """Ours is untouched, and nothing is published over what is not known, until the listing is there."""
    by_bob(bob)
    ada.write("d", {"mine.png": b"mine"})
    listing = dir_object(AFTER)[0]
    path = hub.store / "files/md5" / listing[:2] / listing[2:]
    path.rename(hub.root / "away")
    assert ada.sync().report.exit_code == 3
    assert ada.read("d") == {**ONE, "mine.png": b"mine"}
    with pytest.raises(Conflict) as caught:
        ada.publish("d")
    assert caught.value.code == "stale-workspace"
    (hub.root / "away").rename(path)
    ada.publish("d")
    assert ada.read("d") == {**AFTER, "mine.png": b"mine"}
    assert hub.pointer("main", "d.dvc") == dir_object(ada.read("d"))[0]


def test_a_dataset_that_others_stopped_tracking(ada, bob):
    bob.git("rm", "-q", "d.dvc")
    bob.git("commit", "-q", "-m", "away")
    bob.git("push", "-q")
    done = ada.sync()
    assert ada.read("d") == ONE
    assert any("tracked no more" in warning for warning in done.report.warnings)


def test_a_dataset_inside_another_is_pointed_out(hub, ada):
    """One person tracks a folder, another meanwhile one file in it: the merge is clean, and the file is buried."""
    carl, ines = hub.clone("carl"), hub.clone("ines")
    carl.write("new", {"a": b"a", "b": b"b"})
    carl.publish("new")
    ines.write("new/c", b"c")
    ines.publish("new/c")
    done = ines.sync()
    assert any("'new/c.dvc' lies inside 'new'" in warning for warning in done.report.warnings)


def test_without_a_git_remote_and_on_no_branch(ada):
    ada.git("remote", "remove", "origin")
    done = ada.sync()
    assert (done.how, done.report.exit_code) == ("no-remote", 0)
    ada.git("checkout", "-q", "--detach")
    with pytest.raises(InvalidInput) as caught:
        ada.sync()
    assert caught.value.code == "detached-head"


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.lstat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_writes_nothing(ada, bob):
    by_bob(bob)
    ada.sync(dry_run=True)
    before = snapshot(ada.folder)
    assert ada.sync(dry_run=True).how == "unknown"
    assert snapshot(ada.folder) == before
    ada.git("fetch", "-q")
    before = snapshot(ada.folder)
    done = ada.sync(dry_run=True)
    assert snapshot(ada.folder) == before
    assert done.how == "fast-forward"
    assert {step.path for step in done.report.plan.steps} >= {"d/1.png", "d/4.png"}
    assert ada.read("d") == ONE


def test_a_single_file(hub, ada, bob):
    bob.write("table.csv", b"a\n")
    bob.publish("table.csv")
    ada.sync()
    pull(ada.project(), sync_selection(ada, "table.csv"))
    bob.write("table.csv", b"a\nb\n")
    bob.publish("table.csv")
    ada.sync()
    assert (ada.folder / "table.csv").read_bytes() == b"a\nb\n"
    bob.write("table.csv", b"bob")
    bob.publish("table.csv")
    ada.write("table.csv", b"ada")
    done = ada.sync()
    assert (ada.folder / "table.csv").read_bytes() == b"ada"
    assert [o.error.code for o in done.report.failed if o.error] == ["changed-on-both-sides"]
