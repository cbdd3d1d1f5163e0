"""The words of the house, above all the two parsers that outside strings must pass."""

from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.errors import InvalidInput, NotFound
from labops.model import (
    HERE,
    Action,
    Entry,
    Oid,
    Outcome,
    Output,
    Plan,
    RelPath,
    Report,
    Result,
    Selected,
    Step,
    Tracked,
    Tree,
    file_tree,
    is_tree_oid,
    parse_oid,
    parse_relpath,
)

A, B, C = (Oid(digit * 32) for digit in "abc")
TREE = Oid("d" * 32 + ".dir")
hostile = st.lists(st.sampled_from(["a", ".", "..", "...", "", "\0", "/", "~", "a.", ".b", "\n"]), max_size=6).map(
    "/".join
)


@given(st.text(max_size=30) | hostile | hostile.map("/{}".format) | hostile.map("{}\n".format))
def test_a_path_that_is_let_in_stays_below_any_root(text: str) -> None:
    """What `parse_relpath` accepts, a plain join leaves below the root; what it refuses has a bad part."""
    try:
        path = parse_relpath(text)
    except InvalidInput as error:
        assert error.code == "unsafe-path"
        assert "\0" in text or {"", ".", ".."} & set(text.split("/"))
    else:
        assert path == text
        joined = posixpath.normpath(posixpath.join("/srv/of/all", path))
        assert joined == "/srv/of/all/" + text
        assert "\0" not in text


@pytest.mark.parametrize(
    "text", ["", ".", "..", "/", "/etc/passwd", "a//b", "a/", "./a", "a/.", "../a", "a/../../b", "a\0b", "//a", "a/.."]
)
def test_an_unsafe_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_relpath(text)
    assert caught.value.code == "unsafe-path"
    assert caught.value.hint


@pytest.mark.parametrize("text", ["a", "...", "..a", "a..", ".hidden", "a b/c:d", "back\\slash", "line\nbreak", "~/x"])
def test_a_strange_but_legal_name_is_kept(text: str) -> None:
    assert parse_relpath(text) == text


@given(st.from_regex(r"[0-9a-f]{32}(\.dir)?", fullmatch=True))
def test_an_oid_is_kept_as_it_is(text: str) -> None:
    assert parse_oid(text) == text
    assert is_tree_oid(parse_oid(text)) == text.endswith(".dir")


@given(
    st.text(max_size=40)
    | st.text("0123456789abcdefABCDEFg./\n", min_size=30, max_size=37)
    | st.sampled_from(["A" * 32, "0" * 31, "0" * 33, "0" * 32 + ".DIR", "0" * 32 + "\n", "٣" * 32, "../" + "0" * 29])
)
def test_anything_else_is_no_oid(text: str) -> None:
    is_oid = re.match(r"^[0123456789abcdef]{32}(\.dir)?$", text) is not None and not text.endswith("\n")
    try:
        assert parse_oid(text) == text
    except InvalidInput as error:
        assert not is_oid
        assert error.code == "bad-oid"
    else:
        assert is_oid


def test_a_long_refused_text_is_not_repeated_in_full() -> None:
    for parse in (parse_oid, parse_relpath):
        with pytest.raises(InvalidInput) as caught:
            parse("/" + "x" * 10_000)
        assert len(str(caught.value)) < 300


def test_a_tree_counts_its_files_and_bytes() -> None:
    tree = Tree(TREE, (Entry(RelPath("a"), A, 1), Entry(RelPath("s/b"), B, 20)))
    assert (tree.is_dir, tree.nfiles, tree.size) == (True, 2, 21)
    assert list(tree.oids()) == [A, B, TREE]
    assert Tree(TREE, ()).size == 0


def test_one_unknown_size_makes_the_whole_unknown() -> None:
    assert Tree(TREE, (Entry(RelPath("a"), A, 1), Entry(RelPath("b"), B))).size is None


def test_a_single_file_is_a_tree_of_one_at_here() -> None:
    tree = file_tree(A, 7)
    assert tree.entries == (Entry(HERE, A, 7),)
    assert list(tree.oids()) == [A]
    assert not tree.is_dir
    assert tree.size == 7


def test_below_ends_at_whole_names() -> None:
    """`s` is not above `s.txt` nor `sub`."""
    names = ["s", "s.txt", "s/a", "s/b/c", "sub/a"]
    tree = Tree(TREE, tuple(Entry(RelPath(name), A) for name in names))
    assert [entry.path for entry in tree.below(RelPath("s"))] == ["s", "s/a", "s/b/c"]
    assert tree.below(HERE) == tree.entries
    assert tree.below(RelPath("s/b/c/d")) == ()


def test_a_selection_covers_its_parts_and_globs() -> None:
    tracked = Tracked("data/d", Output("d", TREE), "data/d.dvc")
    assert Selected(tracked).covers(RelPath("any/thing"))
    part = Selected(tracked, inside=(RelPath("s"),))
    assert [part.covers(RelPath(name)) for name in ("s", "s/a", "s.txt", "t")] == [True, True, False, False]
    globbed = Selected(tracked, patterns=(re.compile(r"data/d/[^/]*\.csv"),))
    assert [globbed.covers(RelPath(name)) for name in ("a.csv", "s/a.csv", "a.csv.bak")] == [True, False, False]
    assert Selected(tracked).is_whole
    assert not part.is_whole
    assert not globbed.is_whole


@pytest.mark.parametrize(
    ("file", "stage", "address"),
    [("a/d.dvc", "", "a/d.dvc"), ("dvc.yaml", "train", "train"), ("a/dvc.yaml", "train", "a/dvc.yaml:train")],
)
def test_an_output_has_the_address_that_dvc_prints(file: str, stage: str, address: str) -> None:
    assert Tracked("d", Output("d"), file, stage).address == address


def test_two_equal_looking_outputs_are_not_the_same() -> None:
    one, two = (Tracked("d", Output("d"), "d.dvc") for _ in range(2))
    assert one != two
    assert len({one, two, one}) == 2


def test_a_plan_adds_up() -> None:
    steps = (
        Step(Action.UPLOAD, "a", A, 10),
        Step(Action.UPLOAD, "b", B),
        Step(Action.CONFLICT, "c", C),
        Step(Action.DELETE, "d", size=5),
    )
    plan = Plan(steps)
    assert plan.bytes == 15
    assert plan.count(Action.UPLOAD) == 2
    assert plan.conflicts == (steps[2],)
    assert plan.of(Action.DELETE, Action.UPLOAD) == (steps[0], steps[1], steps[3])


def test_a_report_counts_only_what_was_done() -> None:
    step = Step(Action.UPLOAD, "a", A)
    error = NotFound("'a' is not there", code="no-such-file")
    done = Outcome(step, Result.DONE)
    report = Report("push", Plan((step,)), (done, Outcome(step, Result.FAILED, error), Outcome(step, Result.ALREADY)))
    assert report.count(Action.UPLOAD) == 1
    assert [outcome.error for outcome in report.failed] == [error]
    assert report.exit_code == 3
    assert Report("push", Plan((step,)), (done,)).exit_code == 0
    assert Report("push").exit_code == 0


def test_the_import_of_a_repository_is_told_from_other_imports() -> None:
    from labops.model import DvcFile

    assert DvcFile(deps=({"repo": {"url": "u"}, "path": "p"},)).is_repo_import
    assert not DvcFile(deps=({"path": "https://example.org/x"},)).is_repo_import
    assert DvcFile(deps=({"path": "x"},)).is_import
    assert not DvcFile(deps=({"path": "x"},), cmd="make").is_import
    assert not DvcFile().is_import
