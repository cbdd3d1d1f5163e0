"""Single objects, the log, the trash and the settings of a home, as people and scripts meet them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from labops.cli import home_watch
from tests.cli.conftest import Lab


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Path:
    (tmp_path / "server").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    lab("home", "link", "../server/me")
    return tmp_path


def test_a_file_goes_there_and_back(lab: Lab, here: Path) -> None:
    Path("d").mkdir()
    Path("d/a.txt").write_text("hello")
    put = lab("home", "put", "d/a.txt")
    got = lab("home", "get", "d/a.txt", "copy.txt")
    again = lab("home", "put", "d/a.txt")

    assert (put.code, got.code, again.code) == (0, 0, 0)
    assert put.out == "a.txt → d/a.txt  (5 B)\n1 file stored\n"
    assert got.out == "d/a.txt → copy.txt  (5 B)\n1 file fetched\n"
    assert Path("copy.txt").read_text() == "hello"
    assert (here / "server/me/d/a.txt").read_text() == "hello"


def test_an_address_is_listed_from_anywhere(lab: Lab, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To see what there is to clone."""
    (here / "server/me/d").mkdir(parents=True)
    (here / "server/me/d/x").write_text("1")
    monkeypatch.chdir(here)
    assert lab("home", "ls", f"{here}/server/me").out == "d/\n"
    assert lab("home", "ls", "-R", f"{here}/server/me/").out == "d/x\n"
    assert lab("home", "ls").code == 10


def test_cat_writes_bytes_and_nothing_else(lab: Lab, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "server/me").mkdir()
    data = bytes(range(256))
    (here / "server/me/b").write_bytes(data)
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    from labops.cli import main

    assert main(["home", "cat", "b"]) == 0
    assert out.buffer.getvalue() == data  # type: ignore[attr-defined]


def test_rm_and_mv_say_that_the_folder_here_waits_for_a_sync(lab: Lab, here: Path) -> None:
    for name in ("a", "b"):
        Path(name).write_text(name)
    lab("home", "sync")
    moved = lab("home", "mv", "a", "new/a")
    removed = lab("home", "rm", "b")

    assert moved.out.splitlines() == [
        "a → new/a  (1 B)",
        "1 file moved in the home",
        "the folder here is as it was; `lab home sync` carries this to it",
    ]
    assert removed.out.splitlines()[1] == "1 file deleted into the trash of the home"
    assert "lab home sync" in removed.out
    assert Path("a").exists()
    assert Path("b").exists()
    lab("home", "sync")
    assert not Path("a").exists()
    assert not Path("b").exists()
    assert Path("new/a").read_text() == "a"
    assert lab("home", "restore", "b").code == 0
    assert Path("b").read_text() == "b"


def test_documents_of_objects(lab: Lab, here: Path) -> None:
    Path("a").write_text("1")
    assert lab("home", "put", "a", "--json").document == {
        "verb": "put", "dry_run": False, "failed": [], "left_out": [],
        "objects": [{"path": "a", "size_bytes": 1, "target": "a", "result": "done"}],
    }  # fmt: skip
    failed = lab("home", "get", "a", "--json")
    assert failed.code == 3
    assert failed.document["failed"][0]["code"] == "destination-exists"
    assert lab("home", "rm", "a", "--dry-run", "--json").document["objects"] == [{"path": "a", "size_bytes": 1}]
    assert lab("home", "get", "nope", "--json").document["error"]["code"] == "no-such-object"


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("get", "nope"), 10, "lab home ls"),
        (("get", "d"), 2, "lab home get -r 'd'"),
        (("rm", "d"), 2, "lab home rm -r 'd'"),
        (("rm", "-r", "."), 2, "lab home ls"),
        (("put", "nope"), 10, "ls"),
        (("mv", "d", "d/e"), 2, "another name"),
        (("share", "d/x"), 16, "chmod"),
        (("get", "d/x", "--limit", "fast"), 2, "10MB"),
        (("link", "--keep-trash", "soon"), 2, "14d"),
        (("trash", "a", "b"), 2, "lab home trash empty"),
        (("trash", "empty", "b"), 2, "lab home trash empty"),
        (("rm",), 2, "--help"),
    ],
)
def test_bad_words_end_in_a_hint(lab: Lab, here: Path, words: tuple[str, ...], code: int, hint: str) -> None:
    (here / "server/me/d").mkdir(parents=True)
    (here / "server/me/d/x").write_text("1")
    ran = lab("home", *words)
    assert ran.code == code, ran.err
    assert hint in ran.err


def test_outside_of_a_home_the_way_in_is_named(lab: Lab, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    for words in (("get", "x"), ("put", "work"), ("cat", "x"), ("rm", "x"), ("mv", "x", "y"), ("log",), ("watch",)):
        ran = lab("home", *words)
        assert ran.code == 10, words
        assert "lab home link" in ran.err


def test_the_log_tells_when_what_and_who(lab: Lab, here: Path) -> None:
    for name in ("a", "keep"):
        Path(name).write_text("1")
    lab("home", "sync")
    Path("a").unlink()
    lab("home", "sync")
    (deleted,) = lab("home", "log", "a", "--json").document
    text = lab("home", "log").out

    assert (deleted["path"], deleted["change"], deleted["size_bytes"]) == ("a", "deleted", 1)
    assert deleted["machine"]
    assert f"deleted        1 B  a  (by {deleted['machine']})" in text
    assert lab("home", "log", "b").out == "nothing is known to have changed\n"


def test_the_trash_is_emptied_only_of_what_is_old(lab: Lab, here: Path) -> None:
    for name in ("a", "keep"):
        Path(name).write_text("1")
    lab("home", "sync")
    Path("a").unlink()
    lab("home", "sync")
    assert lab("home", "trash", "empty").out == "0 files (0 B) deleted for good\n"
    asked = lab("home", "trash", "empty", "--older-than", "0", "--dry-run", "--json").document
    assert (asked["files"], asked["dry_run"]) == (1, True)
    assert lab("home", "trash", "empty", "--older-than", "0").out == "1 file (1 B) deleted for good\n"
    assert lab("home", "trash").out == "the trash is empty\n"


def test_settings_of_a_link_are_shown_and_changed(lab: Lab, here: Path) -> None:
    lab("home", "link", "--limit", "10MB", "--max-size", "2GiB", "--keep-trash", "30d")
    text = lab("home", "link", "-v").out
    assert "at most 10 MB per second" in text
    assert "above 2.0 GiB" in text
    assert "30 days" in text
    assert ".venv/" in text
    document = lab("home", "link", "--limit", "off", "--json").document
    assert (document["limit"], document["max_size"], document["keep_trash"]) == (None, 2 << 30, 30 * 86400)
    assert json.loads((here / "work/.lab/home.json").read_text())["max_size"] == 2 << 30


def test_a_size_limit_names_what_it_leaves(lab: Lab, here: Path) -> None:
    Path("big").write_text("x" * 100)
    Path("small").write_text("x")
    ran = lab("home", "sync", "--max-size", "50")
    assert ran.code == 0
    assert "'big' was left alone: it is larger than 50 bytes" in ran.err
    assert lab("home", "ls").out == "small\n"


def test_watching_ends_well(lab: Lab, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync at once, then Ctrl-C: no traceback, exit code 0."""

    class Interrupted:
        def wait(self, seconds: float) -> bool:
            raise KeyboardInterrupt

    monkeypatch.setattr("labops.home.watching.changes_of", lambda folder, polls: (Interrupted(), "a note"))
    assert home_watch.watch.name == "watch"
    Path("a").write_text("1")
    ran = lab("home", "watch")

    assert ran.code == 0
    assert "Ctrl-C ends it" in ran.out
    assert "1 file uploaded" in ran.out
    assert ran.out.endswith("stopped\n")
    assert "a note" in ran.err
    assert (here / "server/me/a").exists()
