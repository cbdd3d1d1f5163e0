"""Which outputs targets mean."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.errors import NotFound
from labops.model import Oid, Output, Selection, Tracked
from labops.planning.select import glob_pattern, select

TREE = Oid("d" * 32 + ".dir")
FILE = Oid("f" * 32)


def output(path: str, file: str = "", stage: str = "", oid: Oid = TREE, deps: tuple[str, ...] = ()) -> Tracked:
    return Tracked(path, Output(path.rpartition("/")[2], oid), file or path + ".dvc", stage, deps=deps)


D = output("d")
DATA = output("data/raw")
FILES = output("data/one.csv", oid=FILE)
PREP = output("out/clean", "pipe/dvc.yaml", "prep", deps=("data/raw/part",))
MODEL = output("out/model", "pipe/dvc.yaml", "train@a", FILE, deps=("out/clean",))
OTHER = output("out/other", "pipe/dvc.yaml", "train@b", FILE)
ALL = [D, DATA, FILES, PREP, MODEL, OTHER]


def chosen(*targets: str, **options: bool) -> list[Tracked]:
    return [item.tracked for item in select(ALL, targets, Selection(**options))]


def test_no_target_means_everything() -> None:
    assert [(item.tracked, item.is_whole) for item in select(ALL, [], Selection())] == [(item, True) for item in ALL]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("d", [D]),
        ("d.dvc", [D]),
        ("data/raw", [DATA]),
        ("data/raw.dvc", [DATA]),
        ("pipe/dvc.yaml", [PREP, MODEL, OTHER]),
        ("pipe/dvc.yaml:prep", [PREP]),
        ("pipe/prep", [PREP]),
        ("pipe/train", [MODEL, OTHER]),
        ("pipe/train@b", [OTHER]),
        ("out/model", [MODEL]),
    ],
)
def test_a_name_selects_whole_outputs(target: str, expected: list[Tracked]) -> None:
    found = select(ALL, [target], Selection())
    assert [item.tracked for item in found] == expected
    assert all(item.is_whole for item in found)


def test_a_path_inside_selects_that_part_whether_or_not_it_exists() -> None:
    (found,) = select(ALL, ["data/raw/a/b"], Selection())
    assert (found.tracked, found.inside) == (DATA, ("a/b",))


def test_several_parts_of_one_output_add_up_and_the_whole_swallows_them() -> None:
    (found,) = select(ALL, ["d/a", "d/b"], Selection())
    assert found.inside == ("a", "b")
    for targets in (["d/a", "d"], ["d", "d/a"]):
        (found,) = select(ALL, targets, Selection())
        assert found.is_whole


def test_the_order_is_that_of_tracking() -> None:
    assert chosen("out/model", "d", "data/raw") == [D, DATA, MODEL]


@pytest.mark.parametrize("target", ["nope", "data", "d.dv", "dd", "prep", "other/dvc.yaml:prep", ""])
def test_an_unknown_target_is_an_error_that_names_it(target: str) -> None:
    """A stage is known in its own folder only; a folder above outputs needs `recursive`."""
    with pytest.raises(NotFound) as caught:
        select(ALL, ["d", target], Selection())
    assert caught.value.code == "no-such-target"
    assert caught.value.fields["target"] == target


def test_a_pointer_without_outputs_is_no_error() -> None:
    assert select(ALL, ["empty.dvc"], Selection(), files=["empty.dvc"]) == ()


def test_recursive_takes_all_below_a_folder() -> None:
    assert chosen("data", recursive=True) == [DATA, FILES]
    assert chosen(".", recursive=True) == ALL


def test_with_deps_follows_the_pipeline_upwards() -> None:
    """`train@a` reads `out/clean`, whose stage reads a part of `data/raw`."""
    assert chosen("pipe/train@a", with_deps=True) == [DATA, PREP, MODEL]
    assert chosen("d", with_deps=True) == [D]


def test_dependencies_in_a_circle_end() -> None:
    one = output("one", "dvc.yaml", "one", deps=("two",))
    two = output("two", "dvc.yaml", "two", deps=("one",))
    assert {item.tracked for item in select([one, two], ["one"], Selection(with_deps=True))} == {one, two}


def test_a_glob_takes_whole_outputs_and_looks_into_folders() -> None:
    found = select(ALL, ["data/*"], Selection(glob=True))
    whole = [item.tracked for item in found if item.is_whole]
    partly = [item.tracked for item in found if not item.is_whole]
    assert whole == [DATA, FILES]
    assert partly == [D, PREP], "single files are never looked into"


def test_a_star_is_only_a_star_without_glob() -> None:
    with pytest.raises(NotFound):
        chosen("data/*")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csvx"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "x/a"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("[ab].x", ["a.x", "b.x"], ["c.x", "ab.x"]),
        ("[!ab].x", ["c.x"], ["a.x"]),
        ("[a-c]", ["b"], ["d"]),
        ("a[", ["a["], ["a"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)"]),
        ("*", ["line\nbreak"], ["a/b"]),
    ],
)
def test_a_shell_glob(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = glob_pattern(pattern)
    assert [name for name in yes if not compiled.fullmatch(name)] == []
    assert [name for name in no if compiled.fullmatch(name)] == []


@given(st.text("ab.*?[]!-^\\x", max_size=8).filter(lambda text: "**" not in text), st.text("ab.-x^!\\", max_size=5))
def test_within_one_name_a_glob_is_what_fnmatch_says(pattern: str, name: str) -> None:
    """The standard library is the model, for names without a slash; it knows no `[^…]`."""
    if "[^" not in pattern:
        assert bool(glob_pattern(pattern).fullmatch(name)) == fnmatch.fnmatchcase(name, pattern)
