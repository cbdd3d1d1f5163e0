"""What a store's words prove, the part sizes behind a tag, and fair samples."""

from __future__ import annotations

import hashlib

import pytest

from labops.model import parse_oid
from labops.planning.proof import Held, Verdict, judge, part_sizes, sample

MIB = 1 << 20
OID = parse_oid(hashlib.md5(b"x").hexdigest())
TREE = parse_oid(f"{OID}.dir")


@pytest.mark.parametrize(
    ("held", "size", "verdict"),
    [
        (None, None, Verdict.MISSING),
        (Held(1, OID), 1, Verdict.GOOD),
        (Held(1, OID.upper()), None, Verdict.GOOD),
        (Held(None, OID), 1, Verdict.GOOD),
        (Held(2, OID), 1, Verdict.BAD),
        (Held(1, ""), 1, Verdict.UNSURE),
        (Held(1, "0" * 32), 1, Verdict.UNSURE),  # encrypted, or wrong: only the bytes can tell
        (Held(1, f"{OID}-1"), 1, Verdict.UNSURE),
        (Held(2, ""), None, Verdict.UNSURE),
    ],
)
def test_judgement(held: Held | None, size: int | None, verdict: Verdict) -> None:
    assert judge(OID, held, size) is verdict
    assert judge(TREE, held, size) is verdict


def test_a_store_that_is_not_believed_still_says_what_is_missing() -> None:
    assert judge(OID, Held(1, OID), 1, is_believed=False) is Verdict.UNSURE
    assert judge(OID, None, 1, is_believed=False) is Verdict.MISSING


def test_part_sizes_are_those_that_give_this_many_parts() -> None:
    digest = "0" * 32
    assert 50 * MIB in part_sizes(120 * MIB, f"{digest}-3")
    assert part_sizes(120 * MIB, f"{digest}-15") == [8 * MIB]
    assert part_sizes(120 * MIB, f"{digest}-1")[-1] == 512 * MIB
    assert 53 * MIB in part_sizes(10_000 * 53 * MIB, f"{digest}-10000")
    for tag in ("", digest, f"{digest}-0", f"{digest}-x", f"{digest}-99999999", "short-3"):
        assert part_sizes(120 * MIB, tag) == []


def test_a_sample_is_a_share_and_the_same_for_a_seed() -> None:
    oids = {parse_oid(hashlib.md5(b"%d" % n).hexdigest()) for n in range(1000)}
    some = sample(oids, 0.1, 7)
    assert len(some) == 100
    assert some < oids
    assert sample(sorted(oids, reverse=True), 0.1, 7) == some
    assert sample(oids, 0.1, 8) != some
    assert sample(oids, 0.00001, 7)
    assert sample(oids, 1, 7) == oids
    assert sample(set(), 0.5, 7) == set()
