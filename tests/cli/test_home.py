"""`lab home` as people and scripts meet it: text, JSON, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Lab


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "server").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_a_new_user_links_looks_and_syncs(lab: Lab, here: Path) -> None:
    """Each command says what happened and what to type next."""
    Path("a.txt").write_text("hello")
    linked = lab("home", "link", "../server/me")
    looked = lab("home", "status")
    synced = lab("home", "sync")
    again = lab("home", "sync")

    assert linked.code == looked.code == synced.code == again.code == 0
    assert "lab home sync" in linked.out
    assert looked.out.splitlines()[-1] == "1 file to upload"
    assert synced.out.splitlines()[-1] == "1 file uploaded"
    assert again.out == f"1 file in sync with {here / 'server/me'}\n"
    assert lab("home", "link").out == f"{here / 'work'} ↔ {here / 'server/me'}\n"
    assert lab("home", "ls").out == "a.txt\n"


def test_documents(lab: Lab, here: Path) -> None:
    """`--json` of every reading command, and of a sync."""
    Path("a").write_text("1")
    lab("home", "link", "../server/me")
    synced = lab("home", "sync", "--json").document
    Path("a").write_text("22")
    status = lab("home", "status", "--json").document
    lab("home", "sync")

    assert synced["steps"] == [
        {"action": "upload", "path": "a", "size_bytes": 1, "reason": "new here", "result": "done"}
    ]
    assert (synced["failed"], synced["conflicts"], synced["dry_run"]) == ([], [], False)
    assert status["dry_run"]
    assert [(step["action"], step["path"]) for step in status["steps"]] == [("upload", "a")]
    (row,) = lab("home", "ls", "--json").document
    assert (row["path"], row["size_bytes"], row["is_folder"]) == ("a", 2, False)
    (old,) = lab("home", "trash", "--json").document
    assert (old["path"], old["size_bytes"], old["where"]) == ("a", 1, "trash")
    restored = lab("home", "restore", "a", "--to", "b", "--json").document
    assert [row["path"] for row in restored["restored"]] == ["a"]
    assert Path("b").read_text() == "1"


def test_a_conflict_ends_with_3_and_names_both(lab: Lab, here: Path) -> None:
    Path("train.py").write_text("ours")
    (here / "server/me").mkdir()
    (here / "server/me/train.py").write_text("theirs")
    lab("home", "link", "../server/me")
    ran = lab("home", "sync")

    assert ran.code == 3
    assert "yours is now 'train.conflict-" in ran.out
    assert Path("train.py").read_text() == "theirs"


def test_outside_of_a_home_the_way_in_is_named(lab: Lab, here: Path) -> None:
    for words in (("status",), ("sync",), ("ls",), ("trash",), ("restore", "x"), ("link",)):
        ran = lab("home", *words)
        assert ran.code == 10
        assert "lab home link" in ran.err
    assert lab("home", "sync", "--json").document["error"]["code"] == "not-a-home"


def test_clone_fills_a_new_folder(lab: Lab, here: Path) -> None:
    Path("a").write_text("1")
    lab("home", "link", "../server/me")
    lab("home", "sync")
    ran = lab("home", "clone", str(here / "server/me"), "../copy")

    assert ran.code == 0
    assert (here / "copy/a").read_text() == "1"


def test_sizes_are_summed(lab: Lab, here: Path) -> None:
    for name in ("d/a", "d/b", "c"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("1234")
    lab("home", "link", "../server/me")
    lab("home", "sync")

    assert [line.split() for line in lab("home", "ls", "--size").out.splitlines()] == [
        ["4", "B", "c"],
        ["8", "B", "d/"],
        ["12", "B", "3", "files", "in", "all"],
    ]
    assert lab("home", "ls", "-R", "d").out.split() == ["d/a", "d/b"]
    assert [line.split()[2] for line in lab("home", "ls", "--du").out.splitlines()[:2]] == ["d/", "c"]
    assert lab("home", "ls", "d/a").out == "d/a\n"
    assert lab("home", "ls", "nothing").out == ""


def test_a_name_that_is_nothing_is_an_error(lab: Lab, here: Path) -> None:
    """As with `ls`; a home that is empty yet is not."""
    lab("home", "link", "../server/me")
    assert lab("home", "ls").code == 0
    ran = lab("home", "ls", "nothing")
    assert ran.code == 10
    assert "there is no 'nothing' in" in ran.err


def test_all_that_was_left_alone_is_counted(lab: Lab, here: Path) -> None:
    """Ten are named, and it is said that there are more."""
    for number in range(13):
        Path(f"{number}").write_text("too large")
    lab("home", "link", "../server/me", "--max-size", "2")
    ran = lab("home", "sync")
    named = lab("home", "sync", "-v")

    assert ran.err.count("was left alone") == 10
    assert "3 more were left alone (-v names them all)" in ran.err
    assert named.err.count("was left alone") == 13


def test_what_a_push_does_not_carry_is_counted(lab: Lab, here: Path) -> None:
    Path("a").write_text("1")
    Path("b").write_text("2")
    lab("home", "link", "../server/me")
    lab("home", "sync")
    Path("a").unlink()

    assert lab("home", "push").out == "1 file left alone (see `lab home status`)\n"
