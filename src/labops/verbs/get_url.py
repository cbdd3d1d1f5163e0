"""`get-url` and `list-url`: files behind a url, without a repository there or here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.errors import Conflict
from labops.model import Action, OnEvent, Plan, Report, Step, ignore
from labops.places.outside import OutsideFile, is_folder, name_of
from labops.settings import find_root, load_settings
from labops.source.settings import cache_folder
from labops.taking import Shelf, destination, workbench
from labops.urls import open_url


class UrlRow(NamedTuple):
    """One file or folder at a url; `size` in bytes, None for a folder."""

    path: str
    is_folder: bool
    size: int | None


def get_url(
    url: str,
    out: str | None = None,
    *,
    fs_config: Mapping[str, str] | None = None,
    force: bool = False,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Put what is at `url` at `out` (default: its own name; inside an existing folder), whole or not at all.

    Raises `Conflict` (`destination-exists`) without `force`, and `NotFound` (`no-such-url`).
    """
    target = destination(name_of(url), out, force=force)
    outside = open_url(url, settings=load_settings(find_root()), fs_config=fs_config, base=os.getcwd())
    files = outside.files()
    if os.path.isdir(target) and not is_folder(files):
        raise Conflict(f"'{target}' is a folder", code="destination-exists", hint="choose another place", path=target)
    steps = [Step(Action.DOWNLOAD, file.path or url, None, max(file.size, 0)) for file in files]
    if dry_run:
        return Report("get-url", Plan(tuple(steps)))
    partials = os.path.join(cache_folder(), "partial")
    fs.make_folder(partials)
    with workbench(target) as bench:
        shelf = Shelf(bench, is_folder=is_folder(files))

        def work(file: OutsideFile) -> None:
            outside.fetch(file, shelf.place(file.path), os.path.join(partials, _key(url, file)))

        results = transfer.each(
            files, work, phase="fetching", jobs=jobs or transfer.DISK_JOBS, size_of=lambda f: f.size, on_event=on_event
        )
        outcomes = [transfer.outcome_of(step, result) for step, result in zip(steps, results, strict=True)]
        if not any(outcome.error for outcome in outcomes):
            shelf.settle(os.path.abspath(target))
    return Report("get-url", Plan(tuple(steps)), tuple(outcomes), outputs=(("A", target),))


def _key(url: str, file: OutsideFile) -> str:
    import hashlib

    return hashlib.md5(f"{url}|{file.path}|{file.etag}".encode()).hexdigest()


def list_url(
    url: str, *, is_deep: bool = False, depth: int | None = None, fs_config: Mapping[str, str] | None = None
) -> list[UrlRow]:
    """The files and folders at `url`, sorted; `is_deep` lists all files, down to `depth` where folders stand."""
    outside = open_url(url, settings=load_settings(find_root()), fs_config=fs_config, base=os.getcwd())
    files = outside.files()
    if not is_folder(files):
        return [UrlRow(name_of(url), False, files[0].size)]
    rows: dict[str, UrlRow] = {}
    limit = depth if is_deep else 1
    for path, size, *_ in files:
        parts = path.split("/")
        if limit is None or len(parts) <= limit:
            rows[path] = UrlRow(path, False, size)
        else:
            short = "/".join(parts[:limit])
            rows[short] = UrlRow(short, True, None)
    return sorted(rows.values())
