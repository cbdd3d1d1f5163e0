"""Words of a search: parts and patterns, in names, cards and listings."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labops.planning.search import Hit, Word, match_dataset, match_files, ranked


def listing(*paths: str) -> bytes:
    return json.dumps([{"md5": "0" * 32, "relpath": path} for path in paths]).encode()


def paths_of(data: bytes) -> list[str]:
    return [row["relpath"] for row in json.loads(data)]


def find(listed: bytes, *words: str) -> list[str]:
    return match_files([Word(word) for word in words], listed, paths_of)


def test_all_words_in_any_case() -> None:
    data = listing("Cats/IMG 1.jpg", "cats/2.png", "dogs/img.jpg")
    assert find(data, "cats") == ["Cats/IMG 1.jpg", "cats/2.png"]
    assert find(data, "CATS", "img") == ["Cats/IMG 1.jpg"]
    assert find(data, "bird") == []


def test_patterns_mean_whole_names() -> None:
    data = listing("a/x.jpg", "a/x.jpg.txt", "b/y.jpg")
    assert find(data, "*.jpg") == ["a/x.jpg", "b/y.jpg"]
    assert find(data, "a/*.jpg") == ["a/x.jpg"]
    assert find(data, "x.?pg") == ["a/x.jpg"]
    assert find(data, "[xy].JPG") == ["a/x.jpg", "b/y.jpg"]
    assert find(data, "*") == paths_of(data)


def test_names_that_json_writes_otherwise_are_found() -> None:
    data = listing("Ünï/ä.txt", 'qu"ote', "back\\slash", "new\nline")
    assert find(data, "ünÏ") == ["Ünï/ä.txt"]
    assert find(data, '"o') == ['qu"ote']
    assert find(data, "\\s") == ["back\\slash"]
    assert find(data, "w\nl") == ["new\nline"]


@given(st.lists(st.text(max_size=8), max_size=6), st.text(st.characters(codec="ascii"), min_size=1, max_size=4))
def test_the_short_cut_never_hides_a_file(paths: list[str], word: str) -> None:
    """Against plain Python, for words of ASCII and names of any letters that fold like ASCII."""
    paths = [path for path in paths if path.casefold() == path.lower()]
    if any(letter in word for letter in "*?["):
        return
    assert find(listing(*paths), word) == [path for path in paths if word.casefold() in path.casefold()]


def test_the_words_may_be_spread_over_name_card_and_files() -> None:
    words = [Word("cats"), Word("mit"), Word("img")]
    match, wanted = match_dataset(words, "pets/cats", ["MIT", "a sentence"])
    assert (match, [word.text for word in wanted]) == ("", ["img"])
    match, wanted = match_dataset(words[:2], "pets/cats", ["MIT"])
    assert (match, len(wanted)) == ("card", 2)
    assert match_dataset(words[:1], "pets/cats", [])[0] == "name"
    assert match_dataset([Word("c?ts")], "pets/cats", [])[0] == "name"
    assert match_dataset([Word("sent*")], "x", ["a sentence here"])[0] == "card"


def test_names_come_before_cards_before_files() -> None:
    hits = [Hit("a", "file"), Hit("z", "name"), Hit("b", "card"), Hit("c", "name")]
    assert [hit.path for hit in ranked(hits)] == ["c", "z", "b", "a"]
