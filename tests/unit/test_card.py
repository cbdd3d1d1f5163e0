"""Cards: in and out of an output and of an editor, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.errors import InvalidInput
from labops.formats.card import FIELDS, Card, card_of, parse_card, render_card, with_card
from labops.formats.dvcfile import parse_dvcfile, render_dvcfile
from labops.model import Output

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30).map(str.strip)
cards = st.builds(
    Card, words, words, words, words, words, words, st.lists(words.filter(bool), max_size=3).map(tuple)
)  # fmt: skip


@given(cards)
def test_an_output_gives_back_its_card(card: Card) -> None:
    assert card_of(with_card(Output("d"), card)) == card


@given(cards, cards)
def test_the_last_card_wins_and_foreign_keys_stay(first: Card, second: Card) -> None:
    output = Output("d", meta={"mine": {"deep": 1}, "source": "old"})
    changed = with_card(with_card(output, first), second)
    assert card_of(changed) == second
    assert dict(changed.meta or {})["mine"] == {"deep": 1}


@given(cards)
def test_an_editor_gives_back_the_card(card: Card) -> None:
    assert parse_card(render_card(card, "d")) == card


def test_an_empty_card_names_every_entry() -> None:
    text = render_card(Card(), "d")
    assert [line.partition(":")[0] for line in text.splitlines() if not line.startswith("#")] == list(FIELDS)
    assert parse_card(text) == Card()


def test_several_lines_survive() -> None:
    card = Card(citation="@misc{x,\n  title = {A}\n}", desc="one: two # three")
    assert parse_card(render_card(card, "d")) == card


def test_labels_may_be_typed_with_commas() -> None:
    assert parse_card("labels: a, b\n").labels == ("a", "b")
    assert parse_card("labels: [1, x]\n").labels == ("1", "x")


@pytest.mark.parametrize(
    "text", ["nonsense: 1\n", "desc: [a]\n", "labels: {a: 1}\n", "desc: {a\n", "- a\n", "desc: a\ndesc: b\n"]
)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_card(text)
    assert caught.value.code == "bad-card"


def test_the_other_spelling_is_read_and_kept() -> None:
    output = Output("d", meta={"license": "MIT"})
    assert card_of(output).licence == "MIT"
    assert with_card(output, Card(licence="BSD")).meta == {"license": "BSD"}
    assert with_card(output, Card()).meta is None


def test_comments_and_order_stay_in_the_file() -> None:
    text = (
        "# mine\nouts:\n- path: d   # here\n  meta:\n    z: 1\n    contact: Ann\n  hash: md5\n  desc: old\n"
        "meta: {x: 1}\n"
    )
    dvcfile = parse_dvcfile(text, name="d.dvc")
    (output,) = dvcfile.outs
    new = with_card(output, card_of(output)._replace(desc="new", source="http://x", contact=""))
    assert render_dvcfile(dvcfile._replace(outs=(new,)), previous=text) == (
        "# mine\nouts:\n- path: d   # here\n  meta:\n    z: 1\n    source: http://x\n  hash: md5\n  desc: new\n"
        "meta: {x: 1}\n"
    )
