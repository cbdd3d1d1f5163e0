"""The fast way through old `.dvc` files says what the parser says, or nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labops import index
from labops.errors import LabError
from labops.history.records import plain_output
from labops.model import Tracked

odd = st.sampled_from(
    ["null", "True", "no", "1e5", "0x1f", "a.b", "a-b", "été", "a b", "a:", "-a", "..", ".dvc", "x/y"]
)
names = odd | st.text("abeftrulsn019._-/ ", min_size=1, max_size=6)
oids = st.text("0123456789abcdefe", min_size=31, max_size=33) | st.text("0123456789e", min_size=32, max_size=32)
numbers = st.integers(0, 10**19).map(str) | st.sampled_from(["007", "-1", "1_000", "1e3", "", "0x1"])
folders = st.sampled_from(["", "data/", "a/b/", ".dvc/x/", "x/.git/", "../"])
tails = st.sampled_from(["", "\n", "  desc: x\n", "frozen: true\n", "# c\n", "  hash: md5\n"])


@settings(max_examples=500, deadline=None)
@given(oids, st.booleans(), numbers, st.none() | numbers, names, folders, tails)
def test_the_fast_reader_agrees_with_the_parser(
    oid: str, is_dir: bool, size: str, nfiles: str | None, name: str, folder: str, tail: str
) -> None:
    count = f"  nfiles: {nfiles}\n" if nfiles is not None else ""
    text = f"outs:\n- md5: {oid}{'.dir' * is_dir}\n  size: {size}\n{count}  hash: md5\n  path: {name}\n{tail}"
    file = f"{folder}d.dvc"
    fast = plain_output(file, text.encode())
    if fast is None:
        return
    try:
        (slow,) = index.load([file], lambda _: text)
    except LabError as error:
        raise AssertionError(f"the parser refuses it: {error}") from error
    assert _values(fast) == _values(slow)


def test_what_dvc_writes_takes_the_fast_way() -> None:
    text = "outs:\n- md5: 2f83d11e62144c050f1158231deb8507.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d\n"
    found = plain_output("sub/d.dvc", text.encode())
    assert found is not None
    assert (found.path, found.file, found.output.nfiles) == ("sub/d", "sub/d.dvc", 2)


def _values(item: Tracked) -> tuple[object, ...]:
    return item.path, item.output, item.file, item.stage, item.is_import, item.is_repo_import, item.is_frozen, item.deps
