"""A remote under proof: by what the store says where that is enough, else by reading."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from labops.drivers import fs
from labops.errors import Corrupt, LabError, NotFound
from labops.model import Oid, OnEvent, ignore
from labops.planning.proof import Held, Verdict, judge, part_sizes
from labops.project import Project
from labops.proof.words import Look, Problem, Sampled, Subject, Where, each, everything, findings
from labops.sides import Side, sides

_PROBLEMS = {Verdict.MISSING: (Problem.MISSING, ""), Verdict.BAD: (Problem.CORRUPT, "its size is wrong")}


def look_at_remote(
    project: Project,
    some: Sequence[Subject],
    *,
    remote: str | None = None,
    jobs: int | None = None,
    is_store_believed: bool = True,
    sampled: Sampled = everything,
    on_event: OnEvent = ignore,
) -> list[Look]:
    """Prove the objects on each remote that the outputs travel to, reading only what cannot be told otherwise."""
    by_item = {id(subject.item.tracked): subject for subject in some if _travels(subject)}
    looks = []
    for side in sides(project, [subject.item for subject in by_item.values()], remote, jobs):
        mine = [by_item[id(item.tracked)] for item in side.selected]
        looks.append(_RemoteLook(side, mine, is_store_believed=is_store_believed).run(sampled, on_event))
    return looks


def _travels(subject: Subject) -> bool:
    """Data imported from another repository never lies on our remote."""
    return subject.item.tracked.output.is_pushed and not subject.item.tracked.is_repo_import


class _RemoteLook:
    """One remote, one kind of hash."""

    def __init__(self, side: Side, some: Sequence[Subject], *, is_store_believed: bool) -> None:
        self._side, self._some = side, some
        self._is_believed = is_store_believed
        self._held: Mapping[Oid, Held] = {}
        self._sizes: dict[Oid, int] = {}

    def run(self, sampled: Sampled, on_event: OnEvent) -> Look:
        remote = self._side.remote
        look = Look(Where.REMOTE, remote.name)
        before = remote.requests
        oids = {oid for subject in self._some for oid, _ in subject.objects()}
        look.objects = len(oids)
        self._held = remote.fingerprints(oids, on_event=on_event)
        self._sizes = self._good_sizes(oids)
        verdicts = {
            oid: judge(oid, self._held.get(oid), self._sizes.get(oid), is_believed=self._is_believed) for oid in oids
        }
        problems = {oid: _PROBLEMS[verdict] for oid, verdict in verdicts.items() if verdict in _PROBLEMS}
        unsure = sorted(oid for oid, verdict in verdicts.items() if verdict is Verdict.UNSURE and sampled(oid))
        look.by_store = sum(verdict is Verdict.GOOD for verdict in verdicts.values())
        results = each(unsure, self._read, self._size, jobs=self._side.jobs, on_event=on_event)
        for oid, result in zip(unsure, results, strict=True):
            self._note(look, problems, oid, result)
        self._side.cache.save()
        look.requests = remote.requests - before
        shown = {oid: held.size for oid, held in self._held.items()}
        look.findings += findings(Where.REMOTE, self._some, problems, shown, remote.name)
        return look

    def _good_sizes(self, oids: Collection[Oid]) -> dict[Oid, int]:
        """The sizes of those objects of which the cache has a copy that was found good."""
        cache = self._side.cache
        here = set(oids) - cache.missing(oids)
        here -= set(cache.unverified(here))
        return {oid: size for oid in here if (size := cache.size(oid)) is not None}

    def _size(self, oid: Oid) -> int:
        return self._held[oid].size or 0

    def _read(self, oid: Oid) -> int | None:
        """Bytes that had to be read, or None when the store's checksums are those of the good copy here."""
        if self._is_believed and self._is_told(oid):
            return None
        return self._side.remote.verify(oid)

    def _is_told(self, oid: Oid) -> bool:
        held = self._held[oid]
        parts = part_sizes(held.size or 0, held.tag) if oid in self._sizes else []
        kept = {} if parts else self._side.remote.checksums(oid)
        if kept.get("md5") == oid[:32]:
            return True
        name = next((name for name in ("sha256", "sha1", "crc32") if name in kept), "")
        # The copy here is the measure, so it is hashed now: what was good when it was last looked at may not be.
        if oid not in self._sizes or not (parts or name) or not self._side.cache.is_good(oid):
            return False
        path = self._side.cache.path(oid)
        return held.tag.lower() in fs.part_tags(path, parts) if parts else fs.digest(path, name) == kept[name]

    def _note(
        self, look: Look, problems: dict[Oid, tuple[Problem, str]], oid: Oid, result: int | LabError | None
    ) -> None:
        size = self._held[oid].size or 0
        if result is None:
            look.by_store += 1
            return
        if isinstance(result, NotFound):
            problems[oid] = (Problem.MISSING, "")
            return
        if isinstance(result, LabError) and not isinstance(result, Corrupt):
            problems[oid] = (Problem.UNREADABLE, result.message)
            return
        if isinstance(result, Corrupt):
            problems[oid] = (Problem.CORRUPT, "")
        look.hashed += 1
        read = result if isinstance(result, int) else size
        look.hashed_bytes += read
        if "://" in self._side.remote.url:
            look.downloaded_bytes += read
