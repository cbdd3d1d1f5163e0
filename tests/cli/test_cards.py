"""`lab describe` and `lab search`: text, JSON, an editor that is a small script."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labops.project import Project
from labops.testing.worlds import World
from labops.verbs.add import add
from labops.verbs.describe import edit_card


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path / "world")
    world.write("cats", {f"img_{number}.jpg": b"%d" % number for number in range(8)})
    world.write("sub/birds", {"eagle.png": b"4"})
    monkeypatch.chdir(world.repo)
    add(Project.find(), ["cats", "sub/birds"])
    world.git("add", ".")
    world.git("commit", "--author=Ann <ann@lab>", "-qm", "data")
    return world


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Let `$EDITOR` run a line of sed on the text."""

    def set_to(script: str) -> None:
        path = tmp_path / "editor"
        path.write_text(f'#!/bin/sh\n{script} "$1"\n')
        path.chmod(0o755)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", str(path))

    return set_to


FULL = [
    "--desc", "Cats of the lab", "--source", "https://x.org", "--licence", "MIT", "--citation", "Ann (2026)",
    "--contact", "ann@lab", "--type", "image", "--label", "a", "--label", "b",
]  # fmt: skip


def test_set_and_show(lab, world):
    ran = lab("describe", "cats", *FULL)
    assert ran.code == 0
    assert "To keep it: git add cats.dvc" in ran.out
    ran = lab("describe", "cats")
    assert ran.out.splitlines()[:9] == [
        "cats",
        "  description: Cats of the lab",
        "  source:      https://x.org",
        "  licence:     MIT",
        "  citation:    Ann (2026)",
        "  contact:     ann@lab",
        "  type:        image",
        "  labels:      a, b",
        "  size:        8 B, 8 files",
    ]
    assert " by Ann" in ran.out


def test_json(lab, world):
    lab("describe", "cats", *FULL)
    document = lab("describe", "cats", "--json").document
    assert {name: document[name] for name in ("path", "file", "desc", "licence", "labels", "size_bytes", "nfiles")} == {
        "path": "cats",
        "file": "cats.dvc",
        "desc": "Cats of the lab",
        "licence": "MIT",
        "labels": ["a", "b"],
        "size_bytes": 8,
        "nfiles": 8,
    }
    assert document["added"]["author"] == "Ann"
    assert document["added"]["time"].endswith("+00:00")
    rows = lab("describe", "--json").document
    assert [(row["path"], row["desc"], row["labels"]) for row in rows] == [
        ("cats", "Cats of the lab", ["a", "b"]),
        ("sub/birds", None, []),
    ]
    changed = lab("describe", "cats", "--unset", "labels", "--json").document
    assert (changed["labels"], changed["changed_files"], changed["dry_run"]) == ([], ["cats.dvc"], False)


def test_unset(lab, world):
    lab("describe", "cats", *FULL)
    ran = lab("describe", "cats", "--unset", "source", "--unset", "desc", "--license", "BSD")
    assert [line.split() for line in ran.out.splitlines()[:3]] == [
        ["description:", "(removed)"],
        ["source:", "(removed)"],
        ["licence:", "BSD"],
    ]
    assert lab("describe", "cats", "--unset", "desc").out == "Nothing changed.\n"
    assert lab("describe", "cats", "--unset", "nonsense").code == 2


def test_the_list(lab, world, monkeypatch):
    lab("describe", "cats", *FULL)
    assert lab("describe").out == "cats       Cats of the lab\nsub/birds\n"
    monkeypatch.chdir(world.repo / "sub")
    assert lab("describe").out == "../cats  Cats of the lab\nbirds\n"
    assert lab("describe", "birds").code == 0


def test_nonsense_is_refused(lab, world):
    for words in (
        ["--desc", "x"],
        ["--edit"],
        ["cats", "--desc", "x", "--unset", "desc"],
        ["cats", "--edit", "--desc", "x"],
    ):
        ran = lab("describe", *words)
        assert ran.code == 2
        assert "hint: lab describe --help" in ran.err
    assert lab("describe", "nothing").code == 10
    assert lab("describe", "cats/img_1.jpg").code == 2


def test_an_editor(lab, world, editor):
    editor("sed -i -e 's/^desc:.*/desc: edited/' -e 's/^labels:.*/labels: x, y/'")
    ran = lab("describe", "cats", "--edit")
    assert ran.code == 0
    document = lab("describe", "cats", "--json").document
    assert (document["desc"], document["labels"]) == ("edited", ["x", "y"])


def test_an_editor_that_saves_nothing(lab, world, editor):
    editor("true")
    before = (world.repo / "cats.dvc").read_text()
    assert lab("describe", "cats", "--edit").out == "Nothing changed.\n"
    assert (world.repo / "cats.dvc").read_text() == before


def test_what_was_typed_is_kept_when_it_is_no_card(lab, world, editor):
    editor("echo 'nonsense: typed for an hour' >>")
    ran = lab("describe", "cats", "--edit")
    assert ran.code == 2
    kept = world.repo / ".dvc/tmp/lab/card.yaml"
    assert str(kept) in ran.err
    assert "typed for an hour" in kept.read_text()


def test_a_card_that_changed_meanwhile_is_not_overwritten(lab, world, editor, monkeypatch):
    import click

    def edit(text: str, **_: object) -> str:
        edit_card(Project.find(), "cats", lambda card: card._replace(desc="theirs"))
        return text.replace("desc:", "desc: mine")

    monkeypatch.setattr(click, "edit", edit)
    ran = lab("describe", "cats", "--edit", "--json")
    assert ran.code == 11
    assert ran.document["error"]["code"] == "card-changed"
    assert lab("describe", "cats", "--json").document["desc"] == "theirs"
    assert "desc: mine" in (world.repo / ".dvc/tmp/lab/card.yaml").read_text()


def test_an_editor_that_fails(lab, world, editor):
    editor("false")
    ran = lab("describe", "cats", "--edit")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_a_dry_run(lab, world):
    before = (world.repo / "cats.dvc").read_text()
    ran = lab("describe", "cats", "--desc", "x", "--dry-run")
    assert ran.out.splitlines() == ["description: x", "dry run: nothing was written"]
    assert (world.repo / "cats.dvc").read_text() == before


# --- search -------------------------------------------------------------------------------------------


def test_search(lab, world):
    lab("describe", "sub/birds", "--desc", "No cats here")
    ran = lab("search", "CATS")
    assert ran.out.splitlines() == ["cats", "sub/birds  No cats here"]
    ran = lab("search", "*.jpg")
    assert ran.out.splitlines() == [
        "cats",
        *(f"    cats/img_{number}.jpg" for number in range(5)),
        "    … and 3 more files (-v names them all)",
    ]
    assert len(lab("search", "*.jpg", "-v").out.splitlines()) == 9
    assert lab("search", "nothing-of-the-kind").out == "Nothing was found.\n"
    assert lab("search", "--no-files", "eagle").out == "Nothing was found.\n"


def test_search_in_json(lab, world):
    assert lab("search", "eagle", "--json").document == {
        "hits": [{"path": "sub/birds", "match": "file", "desc": None, "files": ["sub/birds/eagle.png"]}],
        "unread": [],
    }


def test_search_says_what_it_could_not_read(lab, world):
    shutil.rmtree(world.cache)
    ran = lab("search", "cats")
    assert (ran.code, ran.out) == (0, "cats\n")
    assert "the listings of cats, sub/birds could not be read" in ran.err


def test_search_needs_a_word(lab, world):
    assert lab("search").code == 2
    assert lab("search", "").code == 2
