"""Which keys go, and when: a rotation stops nobody and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping

from labops.membership import KeyInfo
from labops.planning.keys import Keyring, Turn, plan_new_key, plan_rotation

OLD = KeyInfo("OLD", created="2026-01-01T00:00:00Z", last_used="2026-03-01T00:00:00Z")
NEW = KeyInfo("NEW", created="2026-04-01T00:00:00Z")
USED = NEW._replace(last_used="2026-04-02T00:00:00Z")


def ring(*keys: KeyInfo, machines: Mapping[str, str] | None = None) -> Keyring:
    return Keyring(keys, machines or {})


def test_the_first_key() -> None:
    assert plan_new_key(ring()) == ((), (), ())


def test_a_key_in_use_stays_until_the_member_has_joined() -> None:
    assert plan_new_key(ring(OLD)) == ((), (OLD,), ())
    assert plan_new_key(ring(OLD), revoke_old=True) == ((), (), ())


def test_an_invite_that_nobody_opened_goes_first() -> None:
    assert plan_new_key(ring(OLD, NEW)) == ((NEW,), (OLD,), ())
    assert plan_new_key(ring(NEW)) == ((NEW,), (), ())


def test_the_older_of_two_used_ones_goes() -> None:
    assert plan_new_key(ring(OLD, USED)) == ((OLD,), (USED,), ())


def test_a_machine_that_would_be_cut_off_is_named() -> None:
    """With two keys in use a third would stop somebody; said, unless that is what is wanted."""
    both = ring(OLD, USED, machines={"laptop": "OLD", "server": "NEW"})
    assert plan_new_key(both) == ((OLD,), (USED,), ("laptop",))
    assert plan_new_key(both, revoke_old=True) == ((OLD,), (), ())


def test_a_machine_that_joined_proves_use_where_the_store_tells_nothing() -> None:
    """Ceph knows neither ages nor uses."""
    one, two = KeyInfo("ONE"), KeyInfo("TWO")
    assert plan_new_key(ring(one, two, machines={"laptop": "ONE"})) == ((two,), (one,), ())


def test_a_switched_off_key_makes_room() -> None:
    assert plan_new_key(ring(OLD._replace(is_active=False), USED)) == ((OLD._replace(is_active=False),), (USED,), ())


def test_a_rotation_goes_on_by_itself() -> None:
    """Old key → new invite → waits for every machine → the old key goes → nothing to do."""
    day = "2026-03-01"
    assert plan_rotation(ring(), day).turn is Turn.NONE
    assert plan_rotation(ring(OLD), day).turn is Turn.NEW
    assert plan_rotation(ring(OLD, NEW), day).turn is Turn.WAIT
    waiting = plan_rotation(ring(OLD, USED, machines={"laptop": "NEW", "server": "OLD"}), day)
    assert (waiting.turn, waiting.why) == (Turn.WAIT, "still on the old key: server")
    done = plan_rotation(ring(OLD, USED, machines={"laptop": "NEW", "server": "NEW"}), day)
    assert (done.turn, done.revoke) == (Turn.FINISH, (OLD,))
    assert plan_rotation(ring(USED), day).turn is Turn.FRESH


def test_whoever_is_named_gets_a_new_key_whatever_its_age() -> None:
    assert plan_rotation(ring(USED), "2026-03-01", is_asked=True).turn is Turn.NEW
    assert plan_rotation(ring(KeyInfo("X")), "2026-03-01").turn is Turn.NEW
