"""Files of this machine: hash, copy, link, list, write atomically, make durable.

Every function raises labops errors only: `NotFound`, `AccessDenied`, `NoSpace`, `InvalidInput`, `Conflict`
(`changed-while-read`), and `Unavailable` for anything else the operating system refuses.
"""

from labops.drivers.fs.durable import (
    protect,
    read_bytes,
    read_cache_file,
    remove,
    rename,
    sync,
    sync_dir,
    sync_names,
    write_atomic,
    write_cache_file,
)
from labops.drivers.fs.failures import translate, translating
from labops.drivers.fs.folders import (
    Listing,
    clock_ns,
    link_parents,
    list_folder,
    make_folder,
    make_workbench,
    names_in,
    remove_folder,
    remove_workbench,
    sweep_workbenches,
)
from labops.drivers.fs.linking import hardlink, is_protected, reflink, symlink
from labops.drivers.fs.reading import (
    CHUNK,
    Fingerprint,
    Hashed,
    changed_while_read,
    copy,
    copy_hashing,
    fingerprint,
    hash_bytes,
    hash_file,
    mode_of,
    new_file,
    stat,
    write_new,
)

__all__ = [
    "CHUNK",
    "Fingerprint",
    "Hashed",
    "Listing",
    "changed_while_read",
    "clock_ns",
    "copy",
    "copy_hashing",
    "fingerprint",
    "hardlink",
    "hash_bytes",
    "hash_file",
    "is_protected",
    "link_parents",
    "list_folder",
    "make_folder",
    "make_workbench",
    "mode_of",
    "names_in",
    "new_file",
    "protect",
    "read_bytes",
    "read_cache_file",
    "reflink",
    "remove",
    "remove_folder",
    "remove_workbench",
    "rename",
    "stat",
    "sweep_workbenches",
    "symlink",
    "sync",
    "sync_dir",
    "sync_names",
    "translate",
    "translating",
    "write_atomic",
    "write_cache_file",
    "write_new",
]
