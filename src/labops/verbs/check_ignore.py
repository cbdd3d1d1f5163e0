"""`check-ignore`: which paths `.dvcignore` excludes, and the rule that says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from labops.errors import InvalidInput
from labops.project import Project


class Answer(NamedTuple):
    """One path as it was given; `rule` is `SOURCE:LINE:PATTERN`, empty where no rule speaks of it.

    A rule that takes a path back (`!keep`) is named, and the path is not ignored.
    """

    path: str
    is_ignored: bool
    rule: str


def check_ignore(project: Project, paths: Iterable[str]) -> tuple[Answer, ...]:
    """One answer for each path, in order. A path outside the project is not ignored."""
    return tuple(_answer(project, path) for path in paths)


def _answer(project: Project, path: str) -> Answer:
    try:
        relative = project.relative(path)
    except InvalidInput:
        return Answer(path, False, "")
    is_dir = path.endswith("/") or os.path.isdir(project.absolute(relative))
    is_ignored, rule = project.rules.explain(relative, is_dir)
    return Answer(path, is_ignored, "" if rule is None else str(rule))
