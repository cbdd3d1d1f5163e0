"""Hypothesis strategies for the words of the house: paths, oids, trees, worlds of files."""

from __future__ import annotations

from hypothesis import strategies as st

from labops.model import HERE, Oid, RelPath

oids_few = st.sampled_from([Oid(digit * 32) for digit in "0123"])
"""Few different contents, so that equal ones meet."""

_names = st.sampled_from(["a", "b", "c"])
relpaths_few = st.lists(_names, min_size=1, max_size=3).map(lambda parts: RelPath("/".join(parts)))
"""Few different paths, so that files and folders of one name meet."""


def is_possible(paths: set[RelPath]) -> bool:
    """True when no path is a file here and a folder there."""
    if HERE in paths:
        return len(paths) == 1
    return not any(other.startswith(path + "/") for path in paths for other in paths)


def path_sets(*, min_size: int = 0, max_size: int = 6) -> st.SearchStrategy[set[RelPath]]:
    """Sets of paths that one folder can hold together."""
    return st.sets(relpaths_few, min_size=min_size, max_size=max_size).filter(is_possible)


def trees_of(contents: st.SearchStrategy[Oid], *, may_be_file: bool = True) -> st.SearchStrategy[dict[RelPath, Oid]]:
    """Path → oid of one output: a folder's files or, with `may_be_file`, a single file at `HERE`."""
    folders = st.dictionaries(relpaths_few, contents, max_size=6).filter(lambda files: is_possible(set(files)))
    return folders | st.builds(lambda oid: {HERE: oid}, contents) if may_be_file else folders
