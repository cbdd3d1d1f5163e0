"""From two states to changes: the order that keeps people safe, reasons, and nothing when both are equal."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from labops.planning.lab import SUSPENDED, YES, Act, Change, Ignored, Thing, count, plan_lab

BUCKET, RUSSELL, ALICE = Thing("bucket", "homes"), Thing("user", "lab-x.russell"), Thing("user", "lab-x.alice")
WANTED = {
    RUSSELL: {"policy:home": "H", "group:students": YES},
    BUCKET: {"lifecycle": "L", "public-access": "blocked", "versioning": "Enabled"},
}


def applied(state: Mapping[Thing, Mapping[str, str]], changes: tuple[Change, ...]) -> dict[Thing, dict[str, str]]:
    """A model of a store that does what it is told."""
    now = {thing: dict(settings) for thing, settings in state.items()}
    for change in changes:
        if change.act is Act.CREATE:
            assert change.thing not in now, "what exists is not made again"
            now[change.thing] = {}
        elif change.value:
            now[change.thing][change.setting] = change.value
        else:
            del now[change.thing][change.setting]
    return now


def test_a_suspension_takes_access_and_its_end_gives_it() -> None:
    """Read in the same words, an end of a suspension would look like the suspension itself."""
    off, on = Change(Act.REVOKE, ALICE, SUSPENDED, YES), Change(Act.REVOKE, ALICE, SUSPENDED)

    assert str(off) == "revoke all access of user lab-x.alice"
    assert str(on) == "grant access of user lab-x.alice"
    assert count([off, on]) == {"create": 0, "set": 0, "grant": 1, "revoke": 1}


def test_from_nothing_everything_is_made_in_a_safe_order() -> None:
    """Buckets are closed to the world before anything else, and nobody gets a right before that."""
    changes = plan_lab(WANTED, {}, {RUSSELL: "russell is a student", BUCKET: "homes lie there"})

    assert [(change.act.value, str(change.thing), change.setting) for change in changes] == [
        ("create", "bucket homes", ""),
        ("create", "user lab-x.russell", ""),
        ("set", "bucket homes", "public-access"),
        ("set", "bucket homes", "versioning"),
        ("set", "bucket homes", "lifecycle"),
        ("grant", "user lab-x.russell", "group:students"),
        ("grant", "user lab-x.russell", "policy:home"),
    ]
    assert changes[1].why == "russell is a student"


def test_equal_states_give_no_change() -> None:
    """The second apply has nothing to do."""
    assert plan_lab(WANTED, WANTED, {}) == ()


def test_what_somebody_changed_by_hand_is_put_back() -> None:
    """A changed policy is granted anew and says what it was; one that nobody asked for is revoked."""
    seen = {**WANTED, RUSSELL: {"policy:home": "WIDE", "group:students": YES, "policy:extra": "E"}}
    changes = plan_lab(WANTED, seen, {})

    assert [(change.act, change.setting, change.before) for change in changes] == [
        (Act.GRANT, "policy:home", "WIDE"),
        (Act.REVOKE, "policy:extra", "E"),
    ]
    assert "changed it by hand" in changes[0].why
    assert changes[1].why == "nothing in lab.toml asks for it"


def test_who_left_the_file_loses_keys_first_and_rights_then() -> None:
    """The identity itself stays, and so does the home: no change deletes a thing."""
    seen = {**WANTED, ALICE: {"policy:home": "A", "group:students": YES}}
    changes = plan_lab(WANTED, seen, {})

    assert [(change.act, change.setting, change.value) for change in changes] == [
        (Act.REVOKE, SUSPENDED, YES),
        (Act.REVOKE, "group:students", ""),
        (Act.REVOKE, "policy:home", ""),
    ]
    assert {change.why for change in changes} == {"nobody of this name is in lab.toml"}
    assert plan_lab(WANTED, applied(seen, changes), {}) == ()


def test_who_comes_back_is_switched_on_last() -> None:
    """A member whose suspension ended has all rights back before a key works again."""
    changes = plan_lab(WANTED, {**WANTED, RUSSELL: {SUSPENDED: YES}}, {RUSSELL: "russell is a student"})

    assert [(change.act, change.setting) for change in changes] == [
        (Act.GRANT, "group:students"),
        (Act.GRANT, "policy:home"),
        (Act.REVOKE, SUSPENDED),
    ]
    assert changes[-1].value == ""


def test_a_setting_that_the_store_does_not_keep_is_asked_for_once() -> None:
    """It counts as equal until lab.toml asks for another value."""
    seen = {**WANTED, BUCKET: {"public-access": "blocked", "versioning": "Enabled"}}

    assert plan_lab(WANTED, seen, {}, ignored=[Ignored(BUCKET, "lifecycle", "L")]) == ()
    assert len(plan_lab(WANTED, seen, {}, ignored=[Ignored(BUCKET, "lifecycle", "other")])) == 1
    by_hand = {**WANTED, BUCKET: {**WANTED[BUCKET], "lifecycle": "by hand"}}
    assert len(plan_lab(WANTED, by_hand, {}, ignored=[Ignored(BUCKET, "lifecycle", "L")])) == 1


def test_a_role_is_born_with_its_trust() -> None:
    """There is no role without a trust policy, not for a moment."""
    role = Thing("role", "lab-x.students")
    changes = plan_lab({role: {"trust": "T", "policy:home": "H"}}, {}, {})

    assert [(change.act, change.setting, change.value) for change in changes] == [
        (Act.CREATE, "", "T"),
        (Act.GRANT, "policy:home", "H"),
    ]


THINGS = st.builds(Thing, st.sampled_from(["bucket", "user", "group"]), st.sampled_from(["a", "b", "c"]))
SETTINGS = st.dictionaries(
    st.sampled_from(["policy:home", "policy:datasets", "group:x", "versioning", "tags"]),
    st.sampled_from(["1", "2"]), max_size=3,
)  # fmt: skip
STATES = st.dictionaries(THINGS, SETTINGS, max_size=5)


@given(STATES, STATES, st.integers(0, 40))
def test_stopped_anywhere_a_second_run_converges(
    wanted: dict[Thing, dict[str, str]], seen: dict[Thing, dict[str, str]], stop: int
) -> None:
    """Whatever part of a plan was applied, planning again and applying it all ends where nothing is left to do."""
    half = applied(seen, plan_lab(wanted, seen, {})[:stop])
    changes = plan_lab(wanted, half, {})
    done = applied(half, changes)

    assert plan_lab(wanted, done, {}) == ()
    assert set(done) >= set(seen), "nothing is deleted"
    assert all(done[thing] == settings for thing, settings in wanted.items())
    acts = [list(Act).index(change.act) for change in changes]
    assert acts == sorted(acts)
