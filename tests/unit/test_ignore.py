"""Ignore files. What git and `dvc check-ignore` answered to the same questions."""

from __future__ import annotations

import pytest

from labops.errors import InvalidInput
from labops.formats.ignore import IgnoreRules, add_ignore_line, remove_ignore_line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("data", "/data"),
        ("a b", "/a b"),
        ("a*[b]?!#\\", "/a\\*\\[b\\]\\?\\!\\#\\\\"),
        ("two  ", "/two\\ \\ "),  # dvc leaves the spaces bare, and git then ignores another name
        ("new\nline", "/new?line"),  # dvc writes two broken lines
        ("cr\r", "/cr?"),
    ],
)
def test_a_name_is_added_and_removed(name: str, line: str) -> None:
    assert add_ignore_line("", name) == line + "\n"
    assert add_ignore_line("/x", name) == f"/x\n{line}\n"
    assert add_ignore_line(f"{line}\n/x\n", name) == f"{line}\n/x\n"
    assert remove_ignore_line(f"# c\n\n{line}\n  y\n", name) == "# c\n\n  y\n"
    assert remove_ignore_line(line, name) == ""


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("a#b", "/a#b\n/a\\#b\n/x\n", "/x\n"),  # older escaping, and both at once
        ("a", "/a\r\n/b\r\n", "/b\r\n"),
        ("a", "/a  \n", ""),
        ("a", "a\n/a/\n!/a\n/a*\n/b/a\n# /a", "a\n/a/\n!/a\n/a*\n/b/a\n# /a"),
        ("a*", "/a*\n/a\\*\n", "/a*\n"),  # the first is a pattern of somebody else
        ("a\\b", "/a\\b\n/a\\\\b\n", "/a\\b\n"),
    ],
)
def test_only_lines_for_that_name_go(name: str, text: str, left: str) -> None:
    assert remove_ignore_line(text, name) == left


@pytest.mark.parametrize(
    ("path", "is_dir", "expected"),
    [
        (".git", True, True),
        (".git", False, True),
        ("a/.git/x", False, True),
        (".hg", True, True),
        (".hg", False, False),
        ("a/.dvc", True, True),
        ("a/.dvc", False, False),
        ("a/.dvc/tmp/x", False, True),
        (".github", True, False),
        ("data.dvc", False, False),
        (".dvcignore", False, False),
    ],
)
def test_built_in_rules(path: str, is_dir: bool, expected: bool) -> None:
    assert IgnoreRules().match(path, is_dir) is expected
    assert IgnoreRules([("", "zzz")]).match(path, is_dir) is expected
    assert (IgnoreRules().explain(path, is_dir)[1] is not None) is expected


RULES = IgnoreRules(
    [
        ("sub", " !keep.tmp \n/here\n"),
        ("", "# comment\n\n*.tmp\nbuild/\n/top\nd/**/x\n"),
        ("build", "!*\n"),
        ("sub/deep", "!here\nhere/there\n"),
    ]
)


@pytest.mark.parametrize(
    ("path", "is_dir", "expected", "rule"),
    [
        ("a.tmp", False, True, ".dvcignore:3:*.tmp"),
        ("a/b.tmp", False, True, ".dvcignore:3:*.tmp"),
        ("sub/keep.tmp", False, False, "sub/.dvcignore:1:!keep.tmp"),
        ("sub/x/keep.tmp", False, False, "sub/.dvcignore:1:!keep.tmp"),
        ("keep.tmp", False, True, ".dvcignore:3:*.tmp"),
        ("build", False, False, None),
        ("build", True, True, ".dvcignore:4:build/"),
        ("build/keep", False, True, ".dvcignore:4:build/"),
        ("top", False, True, ".dvcignore:5:/top"),
        ("a/top", False, False, None),
        ("d/x", True, True, ".dvcignore:6:d/**/x"),
        ("d/e/f/x", True, True, ".dvcignore:6:d/**/x"),
        ("sub/here", False, True, "sub/.dvcignore:2:/here"),
        ("sub/deep/here", False, False, "sub/deep/.dvcignore:1:!here"),
        ("sub/deep/here/there", False, True, "sub/deep/.dvcignore:2:here/there"),
        (".git", True, True, ":.git"),
        ("fine", False, False, None),
    ],
)
def test_dvcignore(path: str, is_dir: bool, expected: bool, rule: str | None) -> None:
    is_ignored, decider = RULES.explain(path, is_dir)
    assert (is_ignored, str(decider) if decider else None) == (expected, rule)
    assert RULES.match(path, is_dir) is expected


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        IgnoreRules([("a", "x\n!\n")])
    assert caught.value.code == "bad-dvcignore"
    assert caught.value.fields == {"path": "a/.dvcignore", "line": 2}
