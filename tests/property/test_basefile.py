"""The base's file: what is written is read back, and what is damaged is no base."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labops.agreement import Known
from labops.formats.basefile import Base, parse_base, render_base

u64 = st.integers(0, 2**64 - 1)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1) | st.just("\udcff")
md5s = st.binary(min_size=16, max_size=16).map(bytes.hex)
digests = md5s | st.builds("{}-{}".format, md5s, st.integers(1, 10_000))
rows = st.builds(Known, u64, u64, u64, u64, digests, st.text(st.characters(exclude_characters="\0", codec="utf-8")))
bases = st.builds(Base, st.text(), st.dictionaries(names, rows, max_size=8), st.lists(st.text()).map(tuple))


@given(bases)
def test_a_base_is_read_back(base: Base) -> None:
    assert parse_base(render_base(base)) == base


@given(bases, st.data())
def test_a_damaged_base_is_none(base: Base, data: st.DataObject) -> None:
    """Any cut and any changed byte: nothing is decided by what may be wrong."""
    good = render_base(base)
    at = data.draw(st.integers(0, len(good) - 1))

    assert parse_base(good[:at]) is None
    assert parse_base(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]) is None
