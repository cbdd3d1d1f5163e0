"""Which parameters of a stage are not what they were when it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def compare_params(
    keys: Sequence[str], locked: Mapping[str, object], document: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """(key, state) of each key that differs between `locked` and a file's `document`, in dvc's words.

    Keys lead inside by dots (`train.lr`). Without any, every top-level key counts.
    """
    actual = dict(document)
    if keys:
        actual = {key: value for key in keys for value in _found(document, key)}
    for key in keys or dict.fromkeys([*actual, *locked]):
        if key not in actual:
            yield key, "deleted"
        elif key not in locked:
            yield key, "new"
        elif actual[key] != locked[key]:
            yield key, "modified"


def _found(document: object, key: str) -> Iterator[object]:
    for part in key.split("."):
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return
    yield document
