"""Tree objects: dvc's bytes, and nothing hostile gets through."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest

from labops.errors import Corrupt, InvalidInput
from labops.formats.dirfile import parse_tree, render_tree, tree_oid
from labops.model import Entry, Oid, RelPath

ONE = Oid("b026324c6904b2a9cb4b88d6d61c81d1")
TWO = Oid("26ab0db90d72e28ad0ba1e22ee510510")
ANY = Oid("0" * 32 + ".dir")


def entry(path: str, oid: Oid = ONE) -> Entry:
    return Entry(RelPath(path), oid)


def test_the_example_of_the_format() -> None:
    data = render_tree([entry("s/b", TWO), entry("a")])
    assert data == (
        b'[{"md5": "b026324c6904b2a9cb4b88d6d61c81d1", "relpath": "a"}, '
        b'{"md5": "26ab0db90d72e28ad0ba1e22ee510510", "relpath": "s/b"}]'
    )
    assert tree_oid(data) == "2f83d11e62144c050f1158231deb8507.dir"


def test_an_empty_folder() -> None:
    assert render_tree([]) == b"[]"
    assert tree_oid(b"[]") == "d751713988987e9331980363e24189ce.dir"
    assert parse_tree(b"[]", oid=tree_oid(b"[]")).entries == ()


def test_the_order_is_by_code_point_and_the_text_is_ascii() -> None:
    order = [".hid/x", "1", "B", "Sub.txt", "a", "exe", "sub-x", "sub/b", "sub/deep/c", "é", "\uffee", "😀"]
    odd = ['"q"\\\t\n', *order]
    data = render_tree([entry(path) for path in reversed(odd)])
    listed = [{"md5": ONE, "relpath": path} for path in sorted(odd)]
    assert data == json.dumps(listed, sort_keys=True).encode()
    assert sorted(odd)[1:] == order
    assert [e.path for e in parse_tree(data, oid=ANY).entries] == sorted(odd)


def test_older_versions_wrote_more_keys_and_another_order() -> None:
    data = b'[{"relpath": "b", "md5": "%b", "size": 3, "isexec": true}, {"md5": "%b", "relpath": "a"}]'
    tree = parse_tree(data % (ONE.encode(), TWO.encode()), oid=ANY)
    assert tree.entries == (entry("a", TWO), entry("b"))
    assert tree.oid == ANY


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a/.", "a//b", "a/", "..", ".", "a\0b", "a/./b"],
)
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    rows = [{"md5": ONE, "relpath": "fine"}, {"md5": ONE, "relpath": path}]
    with pytest.raises(InvalidInput) as caught:
        parse_tree(json.dumps(rows).encode(), oid=ANY)
    assert caught.value.code == "unsafe-path"


@pytest.mark.parametrize("path", ["...", "..a", "a..", ".a/.b", "a.", "a\\b", "c:x", " ", "\n", "~", "-"])
def test_odd_but_harmless_paths_pass(path: str) -> None:
    assert parse_tree(render_tree([entry(path)]), oid=ANY).entries == (entry(path),)
    assert not PurePosixPath(path).is_absolute()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b'[{"md5": "%b"}]' % ONE.encode(),
        b'[{"relpath": "a"}]',
        b'[{"md5": null, "relpath": "a"}]',
        b'[{"md5": "%b.dir", "relpath": "a"}]' % ONE.encode(),
        b'[{"md5": "%b", "relpath": "a"}]' % ONE.upper().encode(),
        b'[{"md5": "", "relpath": "a"}]',
        b'[{"md5": "%b\\n", "relpath": "a"}]' % ONE[:31].encode(),
        b'[{"md5": "%b", "relpath": "a\xff"}]' % ONE.encode(),
        b'[{"md5": "%b", "relpath": "\\ud800"}]' % ONE.encode(),
        render_tree([entry("a"), entry("a", TWO)]),
        render_tree([entry("a"), entry("a/b")]),
        render_tree([entry("a/b"), entry("a/b!"), entry("a/b/c/d")]),
    ],
    ids=lambda data: ascii(data)[:40],
)
def test_damaged_objects_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        parse_tree(data, oid=ANY)
    assert caught.value.code == "bad-tree-object"


def test_hash_lengths_cannot_make_up_for_each_other() -> None:
    rows = [{"md5": ONE + "a", "relpath": "a"}, {"md5": ONE[:31], "relpath": "b"}]
    with pytest.raises(Corrupt):
        parse_tree(json.dumps(rows).encode(), oid=ANY)


def test_a_name_that_is_no_unicode_cannot_be_listed() -> None:
    with pytest.raises(InvalidInput) as caught:
        render_tree([entry("a"), entry("caf\udce9")])
    assert caught.value.code == "unsafe-path"
