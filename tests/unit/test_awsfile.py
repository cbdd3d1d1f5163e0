"""AWS's files, changed line by line: what is not ours stays."""

from __future__ import annotations

import configparser

from hypothesis import given
from hypothesis import strategies as st

from labops.formats import awsfile

WORDS = st.text("abcxyz019-_ ", min_size=1, max_size=8).map(str.strip).filter(bool)
LINES = st.one_of(
    st.just(""),
    WORDS.map(lambda word: f"# {word}"),
    WORDS.map(lambda word: f"[{word}]"),
    st.tuples(st.sampled_from(["region", "key", "s3"]), WORDS).map(" = ".join),
    WORDS.map(lambda word: f"    nested = {word}"),
)


def test_set_read_and_remove() -> None:
    text = "[default]\nregion = x\n"
    made = awsfile.set_section(text, "lab-a", {"k": "1"})
    assert made == "[default]\nregion = x\n\n[lab-a]\nk = 1\n"
    assert awsfile.section(made, "lab-a") == {"k": "1"}
    assert awsfile.set_section(made, "lab-a", {"k": "1"}) == made
    assert awsfile.remove_section(made, "lab-a") == text
    assert awsfile.section(text, "lab-a") is None
    assert awsfile.set_section("", "lab-a", {}) == "[lab-a]\n"


def test_in_the_middle_with_comments() -> None:
    """Comments of the section stay in it, and those before the next head belong to the next."""
    text = "[lab-a]\n# mine\nk = 1\nold = 2\n\n# of b\n[b]\nk = 3\n"
    assert awsfile.set_section(text, "lab-a", {"k": "9"}) == "[lab-a]\n# mine\nk = 9\n\n# of b\n[b]\nk = 3\n"
    assert awsfile.remove_section(text, "lab-a") == "# of b\n[b]\nk = 3\n"


@given(st.lists(LINES, max_size=12), st.sampled_from(["lab-a", "profile lab-a"]))
def test_the_rest_is_what_it_was(lines: list[str], name: str) -> None:
    """Whatever was there: our values are read back by the standard parser, removing them gives the text again."""
    text = "".join(f"{line}\n" for line in lines)
    made = awsfile.set_section(text, name, {"aws_access_key_id": "AB", "region": "r"})
    parser = configparser.RawConfigParser(strict=False, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error:
        return  # no AWS tool reads it either
    parser = configparser.RawConfigParser(strict=False, default_section="\0")
    parser.read_string(made)
    assert dict(parser.items(name)) == {"aws_access_key_id": "AB", "region": "r"}
    assert awsfile.remove_section(made, name).rstrip("\n") == text.rstrip("\n")
