"""The cache under proof: objects hashed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from labops import transfer
from labops.errors import LabError, NotFound
from labops.model import HashName, Oid, OnEvent, ignore
from labops.places.cache import Cache
from labops.project import Project
from labops.proof.words import GoodFiles, Look, Problem, Sampled, Subject, Where, each, everything, findings


def look_at_cache(
    project: Project,
    some: Sequence[Subject],
    good: GoodFiles,
    *,
    is_excused: Callable[[Subject], bool] = lambda _: False,
    sampled: Sampled = everything,
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> Look:
    """Hash the objects of the outputs. `good` are workspace files that need no second reading if linked in.

    An output of which the cache has nothing is no finding but absent where `is_excused` says so.
    """
    look = Look(Where.CACHE)
    for hash_name in HashName:
        cache = project.cache(hash_name)
        mine = [subject for subject in some if subject.hash_name is hash_name]
        absent = cache.missing({oid for subject in mine for oid, _ in subject.objects()})
        wanted = []
        for subject in mine:
            if is_excused(subject) and all(oid in absent for oid, _ in subject.objects()):
                look.absent.append(subject.name)
            else:
                wanted.append(subject)
        oids = {oid for subject in wanted for oid, _ in subject.objects()}
        look.objects += len(oids)
        sizes = {oid: cache.size(oid) or 0 for oid in sorted(oids - absent) if sampled(oid)}
        problems = dict.fromkeys(oids & absent, (Problem.MISSING, ""))
        problems |= _hash(cache, sizes, look, good, jobs or transfer.DISK_JOBS, on_event)
        cache.save()
        look.findings += findings(Where.CACHE, wanted, problems, sizes)
    return look


def _hash(
    cache: Cache, sizes: Mapping[Oid, int], look: Look, good: GoodFiles, jobs: int, on_event: OnEvent
) -> dict[Oid, tuple[Problem, str]]:
    oids = list(sizes)
    results = each(
        oids,
        lambda oid: cache.is_good(oid, twin=good.get((cache.hash_name, oid), "")),
        sizes.__getitem__,
        jobs=jobs,
        on_event=on_event,
    )
    problems = {}
    for oid, result in zip(oids, results, strict=True):
        if isinstance(result, NotFound):
            problems[oid] = (Problem.MISSING, "")
        elif isinstance(result, LabError):
            problems[oid] = (Problem.UNREADABLE, result.message)
        else:
            look.hashed += 1
            look.hashed_bytes += sizes[oid]
            if not result:
                problems[oid] = (Problem.CORRUPT, "")
    return problems
