"""The planners, each against a rule that is written here a second time, in another way."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from labops.model import HERE, Action, Entry, Oid, Plan, RelPath, Step, Tree, file_tree
from labops.planning.add import merge_into
from labops.planning.checkout import Sides, as_mapping, plan_checkout
from labops.planning.compare import compare
from labops.planning.exchange import Wanted, is_complete, plan_fetch, plan_push
from labops.testing.strategies import oids_few, path_sets, trees_of

A, B, C, D = (Oid(digit * 32) for digit in "abcd")
TREE = Oid("e" * 32 + ".dir")
TREE2 = Oid("f" * 32 + ".dir")


def path(text: str) -> RelPath:
    return RelPath(text)


# --- checkout -----------------------------------------------------------------------------------------


def sides(
    want: Mapping[str, Oid], have: Mapping[str, Oid], lost: set[Oid] | None = None, unsaved: set[Oid] | None = None
) -> Sides:
    return Sides(
        "d",
        {path(p): o for p, o in want.items()},
        {path(p): o for p, o in have.items()},
        lost or set(),
        unsaved or set(),
    )


def steps_of(plan: Plan) -> list[tuple[str, str]]:
    return [(step.action.value, step.path) for step in plan.steps]


def plain(given_sides: Sides, *, is_forced: bool = False) -> Plan:
    return plan_checkout(given_sides, is_forced=is_forced, relinking=frozenset())


def test_checkout_makes_replaces_and_removes() -> None:
    plan = plain(sides({"a": A, "b": B, "same": C}, {"b": A, "same": C, "old": D}))
    assert steps_of(plan) == [("create", "a"), ("replace", "b"), ("delete", "old")]


def test_checkout_of_equal_sides_does_nothing() -> None:
    assert plain(sides({"a": A}, {"a": A}, lost={A}, unsaved={A})).steps == ()


def test_checkout_never_touches_unsaved_work_unless_forced() -> None:
    both = sides({"a": A}, {"a": B, "mine": C}, unsaved={B, C})
    assert steps_of(plain(both)) == [("conflict", "a"), ("conflict", "mine")]
    assert steps_of(plain(both, is_forced=True)) == [("replace", "a"), ("delete", "mine")]


def test_a_lost_object_costs_no_good_file() -> None:
    """What lies in the place of a lost object stays, also under force."""
    both = sides({"a": A, "b": B}, {"a": C}, lost={A}, unsaved={C})
    for is_forced in (False, True):
        assert steps_of(plain(both, is_forced=is_forced)) == [("missing", "a"), ("create", "b")]


def test_a_file_makes_room_for_a_folder_and_the_reverse() -> None:
    assert steps_of(plain(sides({"x/a": A}, {"x": B, "y": B}))) == [
        ("delete", "x"), ("create", "x/a"), ("delete", "y"),
    ]  # fmt: skip
    assert steps_of(plain(sides({"x": A}, {"x/a": B, "x/s/b": B, "y": B}))) == [
        ("delete", "x/a"), ("delete", "x/s/b"), ("create", "x"), ("delete", "y"),
    ]  # fmt: skip


def test_an_output_that_was_a_file_becomes_a_folder_and_the_reverse() -> None:
    assert steps_of(plain(sides({"a": A}, {HERE: B}))) == [("delete", ""), ("create", "a")]
    assert steps_of(plain(sides({HERE: A}, {"a": B, "s/b": B}))) == [
        ("delete", "a"), ("delete", "s/b"), ("create", ""),
    ]  # fmt: skip


def test_relinking_replaces_what_is_equal() -> None:
    plan = plan_checkout(sides({"a": A, "b": B}, {"a": A, "b": B}), is_forced=False, relinking={path("a")})
    assert steps_of(plan) == [("replace", "a")]


def apply(plan: Plan, have: Mapping[RelPath, Oid]) -> dict[RelPath, Oid]:
    """The workspace after the plan, failing where a real file system would."""
    files = dict(have)
    for step in plan.steps:
        at = path(step.path)
        if step.action is Action.DELETE:
            del files[at]
        elif step.action in (Action.CREATE, Action.REPLACE):
            assert (at in files) == (step.action is Action.REPLACE)
            others = [other for other in files if other != at]
            assert not any(other.startswith(at + "/") or at.startswith(other + "/") for other in others)
            assert at != HERE or not others
            assert step.oid is not None
            files[at] = step.oid
    return files


@given(trees_of(oids_few), trees_of(oids_few), st.sets(oids_few), st.sets(oids_few), st.booleans())
def test_checkout_keeps_its_promises(
    want: dict[RelPath, Oid], have: dict[RelPath, Oid], lost: set[Oid], unsaved: set[Oid], is_forced: bool
) -> None:
    """Applied in order the plan never collides, ends at `want`, and without force never costs unsaved content."""
    plan = plan_checkout(Sides("d", want, have, lost, unsaved), is_forced=is_forced, relinking=frozenset())
    assert len({step.path for step in plan.steps}) == len(plan.steps)
    if not is_forced:
        for step in plan.of(Action.REPLACE, Action.DELETE):
            assert have[path(step.path)] not in unsaved
    if plan.conflicts:
        assert not is_forced
        return
    missing = {path(step.path) for step in plan.of(Action.MISSING)}
    assert missing == {p for p, oid in want.items() if oid in lost and have.get(p) != oid}
    if not missing:
        assert apply(plan, have) == want


def test_a_mapping_of_entries() -> None:
    assert as_mapping([Entry(path("a"), A, 1), Entry(path("b"), B)]) == {"a": A, "b": B}


# --- exchange -----------------------------------------------------------------------------------------


def folder(oid: Oid, *entries: tuple[str, Oid]) -> Tree:
    return Tree(oid, tuple(Entry(path(name), entry) for name, entry in entries))


def test_push_sends_files_first_and_trees_last_each_once() -> None:
    one = Wanted("one", folder(TREE, ("a", A), ("b", B)))
    two = Wanted("two", folder(TREE2, ("b", B), ("c", C)))
    plan = plan_push([one, two, one], on_remote={C}, sizes={A: 1, B: 2, TREE: 3, TREE2: 4})
    assert plan.steps == (
        Step(Action.UPLOAD, "one/a", A, 1),
        Step(Action.UPLOAD, "one/b", B, 2),
        Step(Action.UPLOAD, "one/", TREE, 3),
        Step(Action.UPLOAD, "two/", TREE2, 4),
    )


def test_push_says_what_neither_side_has() -> None:
    plan = plan_push([Wanted("d", folder(TREE, ("a", A)))], on_remote=set(), sizes={TREE: 3})
    assert [(step.action, step.oid) for step in plan.steps] == [(Action.MISSING, A), (Action.UPLOAD, TREE)]
    assert plan.steps[0].reason


def test_push_of_a_part_sends_that_part() -> None:
    wanted = Wanted("d", folder(TREE, ("a", A), ("b", B)), frozenset([path("b")]))
    assert [s.oid for s in plan_push([wanted], on_remote={TREE}, sizes={A: 1, B: 2}).steps] == [B]


def test_push_of_one_file_has_no_tree() -> None:
    assert plan_push([Wanted("f", file_tree(A, 9))], on_remote=set(), sizes={A: 9}).steps == (
        Step(Action.UPLOAD, "f", A, 9),
    )


def test_a_tree_is_complete_with_all_its_files() -> None:
    tree = folder(TREE, ("a", A), ("b", B))
    assert is_complete(tree, {A, B})
    assert not is_complete(tree, {A})
    assert is_complete(folder(TREE), set())


def test_fetch_asks_for_each_absent_object_once() -> None:
    wanted = [Wanted("d", folder(TREE, ("a", A), ("b", A), ("c", C))), Wanted("f", file_tree(B, 5))]
    plan = plan_fetch(wanted, absent={A, B})
    assert [(s.action, s.path, s.oid, s.size) for s in plan.steps] == [
        (Action.DOWNLOAD, "d/a", A, None),
        (Action.DOWNLOAD, "f", B, 5),
    ]
    assert plan_fetch(wanted, absent=set()).steps == ()


# --- add: a part of a folder ----------------------------------------------------------------------------


@given(trees_of(oids_few), path_sets(max_size=1, min_size=1), trees_of(oids_few, may_be_file=True))
def test_a_merged_part_is_the_old_tree_with_that_part_replaced(
    old: dict[RelPath, Oid], parts: set[RelPath], found: dict[RelPath, Oid]
) -> None:
    (part,) = parts
    old = {p: oid for p, oid in old.items() if p != HERE}
    merged = merge_into(
        [Entry(p, oid) for p, oid in sorted(old.items())], part, [Entry(p, oid, 10) for p, oid in found.items()], 1000
    )
    expected = {
        p: oid for p, oid in old.items() if p != part and not p.startswith(part + "/") and not part.startswith(p + "/")
    }
    expected |= {path(f"{part}/{p}" if p else part): oid for p, oid in found.items()}
    assert {entry.path: entry.oid for entry in merged.entries} == expected
    assert list(merged.entries) == sorted(merged.entries)
    is_additive = all(expected.get(p) == oid for p, oid in old.items())
    assert merged.size == (1000 + 10 * (len(expected) - len(old)) if is_additive else None)


def test_a_size_that_was_unknown_stays_unknown() -> None:
    assert merge_into([], path("a"), [Entry(HERE, A, 1)], None).size is None


# --- compare --------------------------------------------------------------------------------------------


def test_compare_names_each_kind() -> None:
    changes = compare({"same": A, "gone": B, "old": C, "mod": A}, {"same": A, "new": C, "mod": B, "come": D})
    assert changes.added == ("come",)
    assert changes.modified == ("mod",)
    assert changes.deleted == ("gone",)
    assert changes.renamed == (("old", "new"),)


def test_what_one_side_could_not_list_is_unknown() -> None:
    changes = compare({"d": A, "d/old": B, "e": C}, {"d": B, "d/new": B, "f": D}, unknown={"d"})
    assert changes.unknown == ("d/new",)
    assert (changes.modified, changes.deleted, changes.added, changes.renamed) == (("d",), ("e",), ("f",), ())


listings = st.dictionaries(st.sampled_from("pqrstuvw"), oids_few)


@given(listings, listings)
def test_compare_accounts_for_every_path_once(old: dict[str, Oid], new: dict[str, Oid]) -> None:
    changes = compare(old, new)
    sources, targets = [p[0] for p in changes.renamed], [p[1] for p in changes.renamed]
    assert sorted([*changes.added, *targets]) == sorted(new.keys() - old.keys())
    assert sorted([*changes.deleted, *sources]) == sorted(old.keys() - new.keys())
    assert list(changes.modified) == sorted(p for p in old.keys() & new.keys() if old[p] != new[p])
    assert all(old[source] == new[target] for source, target in changes.renamed)
    left = {old[p] for p in changes.deleted} & {new[p] for p in changes.added}
    assert not left, "a pair of equal content was not told as renamed"
