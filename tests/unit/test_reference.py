"""`NAME@VERSION`: where the split is, and what is left whole."""

from __future__ import annotations

import pytest

from labops.formats.reference import Reference, parse_reference


@pytest.mark.parametrize(
    ("text", "path", "version"),
    [
        ("dogs", "dogs", None),
        ("dogs@v3", "dogs", "v3"),
        ("data/dogs@2026-04-01", "data/dogs", "2026-04-01"),
        ("dogs/sub/a.jpg@gold", "dogs/sub/a.jpg", "gold"),
        ("a@b@v1", "a@b", "v1"),
        ("dogs@feature/x", "dogs", "feature/x"),
        ("dogs@", "dogs@", None),
        ("@v1", "@v1", None),
        ("@", "@", None),
        ("", "", None),
        ("with\nline@v1", "with\nline", "v1"),
    ],
)
def test_the_split_is_at_the_last_at(text: str, path: str, version: str | None) -> None:
    assert parse_reference(text, lambda _: False) == Reference(path, version)


def test_a_tracked_name_wins_over_the_split() -> None:
    tracked = {"img@2x", "img@2x@v1"}

    assert parse_reference("img@2x", tracked.__contains__) == Reference("img@2x")
    assert parse_reference("img@2x@v1", tracked.__contains__) == Reference("img@2x@v1")
    assert parse_reference("img@2x@v2", tracked.__contains__) == Reference("img@2x", "v2")
