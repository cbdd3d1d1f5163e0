"""Small checks for the mappings in dvc's YAML files: known keys, right types, and where the mistake is.

The rules are those of dvc's own schema (`dvc/schema.py`, `dvc/output.py`): an unknown key anywhere is an
error, so that a file labops accepts is never one that dvc refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labops.errors import InvalidInput
from labops.formats.yamltext import Where, line_of

Check = Callable[[object, Where], None]
"""Returns for a good value, raises `Misfit` for a bad one."""


class Misfit(Exception):
    """A value that a file may not hold, and where it stands."""

    def __init__(self, where: Where, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.where = where
        self.problem = problem
        self.hint = hint

    def in_file(self, name: str, text: str, *, code: str) -> InvalidInput:
        """The error for people: file, key path and line."""
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.where)[:200]
        where = where.removeprefix(".")
        line = line_of(text, self.where)
        place = ", ".join(part for part in (where and f"at '{where}'", line and f"line {line}") if part)
        return InvalidInput(
            f"'{name}' is not valid: {self.problem}" + (f" ({place})" if place else ""),
            code=code,
            hint=self.hint or f"correct '{name}', or restore it with 'git checkout {name}'",
            path=name,
            key=where or None,
            line=line,
        )


def is_text(value: object, where: Where) -> None:
    if not isinstance(value, str):
        raise Misfit(where, f"expected text, got {_kind(value)}")


def is_optional_text(value: object, where: Where) -> None:
    if value is not None:
        is_text(value, where)


def is_bool(value: object, where: Where) -> None:
    if not isinstance(value, bool):
        raise Misfit(where, f"expected true or false, got {_kind(value)}")


def is_count(value: object, where: Where) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Misfit(where, f"expected a whole number, got {_kind(value)}")


def is_path(value: object, where: Where) -> None:
    is_text(value, where)
    if not value or "\x00" in str(value):
        raise Misfit(where, "expected a path")


def is_checksum(value: object, where: Where) -> None:
    """Text of some length, or nothing. An integer is the classic mistake: digits without quotes."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise Misfit(where, "a hash made of digits must stand in quotes", "put single quotes around the hash")
    is_optional_text(value, where)
    if isinstance(value, str) and 0 < len(value) < 3:
        raise Misfit(where, f"'{value}' is too short for a hash")


def is_anything(value: object, where: Where) -> None:
    """For free-form values such as `meta`."""


def is_mapping(value: object, where: Where) -> None:
    if not isinstance(value, dict):
        raise Misfit(where, f"expected a mapping, got {_kind(value)}")


def any_of(*checks: Check) -> Check:
    """A value that passes one of `checks`; the first one's complaint is reported."""

    def check(value: object, where: Where) -> None:
        first: Misfit | None = None
        for one in checks:
            try:
                one(value, where)
            except Misfit as misfit:
                first = first or misfit
            else:
                return
        assert first is not None
        raise first

    return check


def list_of(item: Check, *, optional: bool = False) -> Check:
    """A list whose values all pass `item`; with `optional`, nothing is as good as an empty list."""

    def check(value: object, where: Where) -> None:
        if optional and value is None:
            return
        if not isinstance(value, list):
            raise Misfit(where, f"expected a list, got {_kind(value)}")
        for at, one in enumerate(value):
            item(one, (*where, at))

    return check


def map_of(item: Check, *, at_most: int | None = None) -> Check:
    """A mapping from text to values that pass `item`."""

    def check(value: object, where: Where) -> None:
        is_mapping(value, where)
        assert isinstance(value, dict)
        if at_most is not None and len(value) > at_most:
            raise Misfit(where, f"expected at most {at_most} key")
        for key, one in value.items():
            if not isinstance(key, str):
                raise Misfit((*where, str(key)), f"key '{key}' is not text")
            item(one, (*where, key))

    return check


def record(fields: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    """A mapping with no keys but `fields`, and all of `required`."""

    def check(value: object, where: Where) -> None:
        is_mapping(value, where)
        assert isinstance(value, dict)
        for key, one in value.items():
            field = fields.get(key) if isinstance(key, str) else None
            if field is None:
                raise Misfit((*where, str(key)), f"unknown key '{str(key)[:80]}'")
            field(one, (*where, key))
        for key in required:
            if key not in value:
                raise Misfit(where, f"'{key}' is missing")

    return check


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"'{str(value)[:80]}'"
