"""The error tree: what scripts match on, and what every class promises."""

from __future__ import annotations

import pytest

from labops import errors
from labops.errors import LabError

TABLE: dict[str, tuple[type[Exception], int, int]] = {
    "InvalidInput": (ValueError, 2, 400),
    "NotFound": (LookupError, 10, 404),
    "Conflict": (LabError, 11, 409),
    "AccessDenied": (PermissionError, 12, 403),
    "Corrupt": (LabError, 13, 502),
    "Unavailable": (LabError, 14, 503),
    "NoSpace": (OSError, 15, 507),
    "Unsupported": (LabError, 16, 501),
}
"""Class → (what it also is, exit code, HTTP status), from section 6 of the design."""


@pytest.mark.parametrize(("name", "expected"), TABLE.items(), ids=list(TABLE))
def test_each_class_is_what_the_design_says(name: str, expected: tuple[type[Exception], int, int]) -> None:
    cls = getattr(errors, name)
    error = cls("'a' failed", code="some-code", hint="lab status", path="a", size=3, nothing=None)
    assert isinstance(error, expected[0])
    assert isinstance(error, LabError)
    assert (error.exit_code, error.http_status) == expected[1:]
    assert (str(error), error.message, error.code, error.hint) == (
        "'a' failed",
        "'a' failed",
        "some-code",
        "lab status",
    )
    assert error.fields == {"path": "a", "size": 3}


def test_the_table_is_complete_and_every_exit_code_is_its_own() -> None:
    assert {cls.__name__ for cls in LabError.__subclasses__()} == set(TABLE)
    taken = [row[1] for row in TABLE.values()]
    assert len(set(taken)) == len(taken)
    assert not {0, 1, 3, 4, 130} & set(taken)


@pytest.mark.parametrize("code", ["", "Bad-Code", "bad_code", "-bad", "bad-", "a--b", "bad code", "bad-code\n"])
def test_a_code_that_is_not_kebab_case_is_a_bug(code: str) -> None:
    with pytest.raises(AssertionError):
        LabError("x", code=code)


@pytest.mark.parametrize("name", ["AccessDenied", "NoSpace"])
def test_those_that_are_also_os_errors_keep_their_message(name: str) -> None:
    """`OSError.__new__` looks at the arguments before we do."""
    error = getattr(errors, name)("'/a' is full", code="disk-full", path="/a")
    assert str(error) == "'/a' is full"
    assert error.errno is None
