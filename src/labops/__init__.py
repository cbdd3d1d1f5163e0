"""labops: the data system for small and medium university labs.

    import labops

    cats = labops.require("dog_and_cat@v3")          # fails when this machine holds another version
    folder = labops.Dataset("dog_and_cat", version="v1").path()
    with labops.open("dog_and_cat/0001.jpg", mode="rb") as file: ...

Names are loaded when they are first used: importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labops.api import filesystem, open, read  # noqa: A004 - named as in dvc's api
    from labops.datasets import Dataset, require

__version__ = "0.1.0"

__all__ = ["Dataset", "filesystem", "open", "read", "require"]

if not TYPE_CHECKING:
    _HOMES = {
        "Dataset": "labops.datasets",
        "filesystem": "labops.api",
        "open": "labops.api",
        "read": "labops.api",
        "require": "labops.datasets",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'labops' has no attribute '{name}'")
        import importlib

        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *_HOMES})
