"""`search`: datasets by words in their names, their cards and the names of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labops import transfer
from labops.errors import InvalidInput, LabError
from labops.formats.card import card_of
from labops.formats.dirfile import parse_tree
from labops.model import Oid, OnEvent, Tracked, ignore, is_tree_oid
from labops.planning.search import Hit, Word, match_dataset, match_files, ranked
from labops.project import Project
from labops.trees import Peek


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; `unread` are the datasets whose listing could not be had."""

    hits: tuple[Hit, ...] = ()
    unread: tuple[str, ...] = ()


def search(project: Project, words: Sequence[str], *, files: bool = True, on_event: OnEvent = ignore) -> Found:
    """Datasets that have all `words`, whatever their case, in name, card or (with `files`) file names.

    Listings come from the cache or else from the remote, and are kept nowhere.
    """
    asked = [Word(word) for word in words if word]
    if not asked:
        raise InvalidInput("nothing to search for", code="bad-usage", hint="lab search WORD...")
    project = project.looking()
    peek = Peek(project)
    hits: list[Hit] = []
    unread: list[str] = []
    datasets = [item for item in project.tracked() if item.output.is_cached]
    results = transfer.each(
        datasets,
        lambda item: _look(peek, item, asked, files=files),
        phase="reading listings",
        jobs=_jobs(project, datasets),
        on_event=on_event,
    )
    for item, result in zip(datasets, results, strict=True):
        if isinstance(result, LabError):
            unread.append(item.path)
            continue
        hit, is_read = result
        if hit is not None:
            hits.append(hit)
        if not is_read:
            unread.append(item.path)
    return Found(tuple(ranked(hits)), tuple(sorted(unread)))


def _jobs(project: Project, datasets: Sequence[Tracked]) -> int:
    """Many hands only where listings must come from elsewhere."""
    trees = [item.output for item in datasets if item.output.oid is not None and is_tree_oid(item.output.oid)]
    is_near = all(project.cache(output.hash_name).size(output.oid or Oid("")) is not None for output in trees)
    return 1 if is_near else transfer.NETWORK_JOBS


def _look(peek: Peek, item: Tracked, words: Sequence[Word], *, files: bool) -> tuple[Hit | None, bool]:
    """What one dataset has of the words, and whether its listing, where it was wanted, could be read."""
    card = card_of(item.output)
    match, wanted = match_dataset(words, item.path, card.texts())
    oid = item.output.oid
    inside: list[str] = []
    is_read = True
    if files and oid is not None and is_tree_oid(oid):
        listing = peek.listing(item)
        is_read = listing is not None
        if listing is not None:
            inside = match_files(
                wanted, listing, lambda data: [entry.path for entry in parse_tree(data, oid=oid).entries]
            )
    if not match and not inside:
        return None, is_read
    paths = tuple(f"{item.path}/{path}" for path in inside)
    return Hit(item.path, match or "file", card.desc, paths), is_read
