"""Parameters of stages: states in dvc's words, keys that lead inside."""

from __future__ import annotations

import pytest

from labops.planning.params import compare_params


@pytest.mark.parametrize(
    ("keys", "locked", "document", "expected"),
    [
        (["lr"], {"lr": 1}, {"lr": 1, "other": 2}, []),
        (["lr"], {"lr": 1}, {"lr": 2}, [("lr", "modified")]),
        (["a.b", "c.1"], {"a.b": 1, "c.1": 5}, {"a": {"b": 1}, "c": [4, 5]}, []),
        (["a.b"], {"a.b": 1}, {"a": 3}, [("a.b", "deleted")]),
        (["c.7"], {"c.7": 1}, {"c": [1]}, [("c.7", "deleted")]),
        (["new"], {}, {"new": None}, [("new", "new")]),
        ([], {"x": 1, "gone": 2}, {"x": 2, "y": 1}, [("x", "modified"), ("y", "new"), ("gone", "deleted")]),
    ],
)
def test_states(keys, locked, document, expected):
    assert list(compare_params(keys, locked, document)) == expected
