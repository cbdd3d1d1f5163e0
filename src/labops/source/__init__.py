"""Another repository as a place to take data from, whether it is a folder here or a url, dvc's or ours."""

from labops.source.repository import (
    Found,
    Landing,
    Overrides,
    Source,
    SourceFile,
    Want,
    forget_clones,
    open_source,
    prefix_of,
)

__all__ = [
    "Found",
    "Landing",
    "Overrides",
    "Source",
    "SourceFile",
    "Want",
    "forget_clones",
    "open_source",
    "prefix_of",
]
