"""`describe` and `search` on small projects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labops.errors import InvalidInput, NotFound
from labops.formats.card import Card
from labops.project import Project
from labops.testing.worlds import World
from labops.verbs.add import AddOptions, add
from labops.verbs.describe import describe, describe_all, edit_card
from labops.verbs.push import push
from labops.verbs.search import search

FULL = Card("Cats & dogs", "https://example.org/x", "CC-BY-4.0", "Ann (2026)\nA title", "ann@lab", "image", ("a", "b"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path / "world")
    world.write("pets/cats", {"IMG_1.jpg": b"1", "sub/img_2.JPG": b"2", "notes.txt": b"3"})
    world.write("birds", {"eagle.png": b"4"})
    (world.repo / "table.csv").write_bytes(b"5")
    monkeypatch.chdir(world.repo)
    add(Project.find(), ["pets/cats", "birds", "table.csv"], AddOptions(desc="from the zoo"))
    world.git("add", ".")
    world.git("commit", "--author=Ann Én <ann@lab>", "-qm", "first data")
    return world


def set_to(card: Card) -> Callable[[Card], Card]:
    return lambda _: card


def test_a_description_says_what_the_files_and_git_know(world: World) -> None:
    found = describe(Project.find(), "pets/cats")
    assert (found.path, found.file, found.size, found.nfiles) == ("pets/cats", "pets/cats.dvc", 3, 3)
    assert found.card == Card("from the zoo")
    assert found.added is not None
    assert (found.added.author, found.added.subject) == ("Ann Én", "first data")
    edit_card(Project.find(), "pets/cats", set_to(FULL))
    world.git("commit", "--author=Bob <b@lab>", "-qam", "describe")
    again = describe(Project.find(), "pets/cats.dvc")
    assert again.card == FULL
    assert again.added == found.added
    assert again.changed is not None
    assert again.changed.author == "Bob"
    assert describe(Project.find(), "table.csv").nfiles == 1


def test_the_card_is_kept_in_a_file_that_dvc_accepts(world: World, dvc: Callable[..., str]) -> None:
    done = edit_card(Project.find(), "pets/cats", set_to(FULL))
    assert done.changed_files == ("pets/cats.dvc",)
    assert "up to date" in dvc("status", cwd=world.repo)
    assert json.loads(dvc("data", "status", "--json", cwd=world.repo)) == {}
    text = (world.repo / "pets/cats.dvc").read_text()
    (world.repo / "pets/cats/new").write_bytes(b"new")
    dvc("commit", "-f", "pets/cats", cwd=world.repo)  # dvc writes the file anew
    assert (world.repo / "pets/cats.dvc").read_text() != text
    assert describe(Project.find(), "pets/cats").card == FULL


@pytest.mark.parametrize("text", ["bad \udcff byte", "next\x85line", "null\x00", "bell\x07"])
def test_a_text_that_cannot_be_kept_is_refused_or_kept(world: World, text: str) -> None:
    before = (world.repo / "birds.dvc").read_bytes()
    try:
        edit_card(Project.find(), "birds", set_to(Card(text, source=text, labels=(text,))))
    except InvalidInput as error:
        assert error.code == "bad-card"
        assert (world.repo / "birds.dvc").read_bytes() == before
    else:
        assert describe(Project.find(), "birds").card == Card(text, source=text, labels=(text,))


def test_an_equal_card_writes_nothing(world: World) -> None:
    file = world.repo / "birds.dvc"
    before = file.read_text(), file.stat().st_ino
    assert edit_card(Project.find(), "birds", lambda card: card).changed_files == ()
    assert (file.read_text(), file.stat().st_ino) == before


def test_a_dry_run_writes_nothing(world: World) -> None:
    before = world.everything()
    done = edit_card(Project.find(), "birds", set_to(FULL), dry_run=True)
    assert done.description.card == FULL
    assert done.changed_files == ()
    assert world.everything() == before


def test_add_keeps_the_card(world: World) -> None:
    edit_card(Project.find(), "birds", set_to(FULL))
    world.write("birds", {"owl.png": b"owl"})
    add(Project.find(), ["birds"])
    assert describe(Project.find(), "birds").card == FULL


def test_every_dataset_is_listed(world: World) -> None:
    assert [(path, card.desc) for path, card in describe_all(Project.find())] == [
        ("birds", "from the zoo"),
        ("pets/cats", "from the zoo"),
        ("table.csv", "from the zoo"),
    ]


def test_a_dataset_that_was_never_committed_has_no_author(world: World) -> None:
    world.write("new", {"a": b"x"})
    add(Project.find(), ["new"])
    found = describe(Project.find(), "new")
    assert (found.added, found.changed) == (None, None)


def test_a_shallow_clone_does_not_pretend(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit_card(Project.find(), "birds", set_to(FULL))
    world.git("commit", "-qam", "describe")
    world.git("clone", "-q", "--depth", "1", f"file://{world.repo}", str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    found = describe(Project.find(), "birds")
    assert found.is_history_cut
    assert found.added is None


def test_without_git_there_is_no_author(world: World) -> None:
    shutil.rmtree(world.repo / ".git")
    (world.repo / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    assert describe(Project.find(), "birds").added is None


def test_a_part_and_a_stranger_are_refused(world: World) -> None:
    with pytest.raises(InvalidInput) as part:
        describe(Project.find(), "pets/cats/sub")
    assert part.value.code == "not-one-dataset"
    with pytest.raises(NotFound) as stranger:
        describe(Project.find(), "nothing")
    assert stranger.value.code == "no-such-target"


def test_a_pipeline_output_is_shown_and_not_edited(world: World) -> None:
    (world.repo / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: touch out\n"
        "    outs:\n    - out:\n        desc: made\n        meta: {licence: MIT}\n"
    )
    found = describe(Project.find(), "out")
    assert (found.stage, found.card) == ("make", Card("made", licence="MIT"))
    with pytest.raises(InvalidInput) as caught:
        edit_card(Project.find(), "out", set_to(FULL))
    assert caught.value.code == "card-of-pipeline"
    assert "dvc.yaml" in caught.value.hint


# --- search -------------------------------------------------------------------------------------------


def test_names_cards_and_files(world: World) -> None:
    edit_card(Project.find(), "table.csv", set_to(Card("Numbers of CATS")))
    found = search(Project.find(), ["cats"])
    assert [(hit.path, hit.match) for hit in found.hits] == [("pets/cats", "name"), ("table.csv", "card")]
    found = search(Project.find(), ["*.jpg"])
    assert [(hit.path, hit.match) for hit in found.hits] == [("pets/cats", "file")]
    assert found.hits[0].files == ("pets/cats/IMG_1.jpg", "pets/cats/sub/img_2.JPG")
    assert search(Project.find(), ["*.jpg"], files=False).hits == ()
    assert [hit.path for hit in search(Project.find(), ["zoo", "eagle"]).hits] == ["birds"]
    assert search(Project.find(), ["zoo", "nowhere"]).hits == ()


def test_listings_come_from_the_remote_and_are_kept_nowhere(world: World) -> None:
    push(Project.find())
    shutil.rmtree(world.cache)
    before = world.everything()
    found = search(Project.find(), ["eagle"])
    assert [hit.path for hit in found.hits] == ["birds"]
    assert found.unread == ()
    assert world.everything() == before


def test_what_could_not_be_read_is_said(world: World) -> None:
    shutil.rmtree(world.cache)
    found = search(Project.find(), ["cats"])
    assert [hit.path for hit in found.hits] == ["pets/cats"]
    assert found.unread == ("birds", "pets/cats")
    assert search(Project.find(), ["cats"], files=False).unread == ()


def test_no_word_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        search(Project.find(), [""])
