"""Merging DVC files: two versions of a dataset and their ancestor become one, listing and all.

Nothing but a new tree object is written; the files of the dataset are already where they are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from labops.drivers.git import Git
from labops.drivers.git.publishing import unmerged_blobs
from labops.errors import LabError, NotFound
from labops.formats.dirfile import parse_tree, render_tree, tree_oid
from labops.formats.dvcfile import import_md5, parse_dvcfile, render_dvcfile
from labops.model import DvcFile, Entry, Oid, Output, Tree, is_tree_oid
from labops.planning.merge import (
    Clash,
    MergedFiles,
    Sizes,
    merge_annotations,
    merge_file_facts,
    merge_files,
    three_way,
)
from labops.project import Project


class Merge(NamedTuple):
    """The text of the merged `.dvc` file, or what stands in the way: then `text` is ours, untouched.

    Clashes name files from the project's root.
    """

    text: str
    clashes: tuple[Clash, ...] = ()


def merge_pointers(project: Project, file: str, base: str, ours: str, theirs: str, *, dry_run: bool = False) -> Merge:
    """Merge three texts of the `.dvc` file `file`; `base` is empty where there was no ancestor.

    Listings are read from the cache, or else from the remote; the merged one is put into the cache, unless
    `dry_run`. Raises what keeps a listing from being read, and `InvalidInput` for a text that is no DVC file.
    """
    if ours == theirs or theirs == base:
        return Merge(ours)
    if ours == base:
        return Merge(theirs)
    sides = [parse_dvcfile(text, name=f"{file} ({name})") for text, name in _named(base, ours, theirs)]
    merged, clashes = _Merger(project, file, dry_run=dry_run).merge(*sides)
    if clashes:
        return Merge(ours, tuple(clashes))
    return Merge(render_dvcfile(merged, previous=ours))


def name_clashes(project: Project) -> list[str]:
    """What an unfinished merge of git has left to decide: files of datasets by name, other files as they are."""
    repo, prefix = project.git, project.git_prefix
    if repo is None:
        return []
    named = []
    for path, stages in unmerged_blobs(repo).items():
        file = path.removeprefix(prefix)
        clashes: tuple[Clash, ...] = ()
        if path.endswith(".dvc") and path.startswith(prefix) and {2, 3} <= stages.keys():
            blobs = {stage: data.decode("utf-8", "replace") for stage, data in _blobs(repo, stages)}
            try:
                clashes = merge_pointers(project, file, blobs.get(1, ""), blobs[2], blobs[3], dry_run=True).clashes
            except LabError as error:
                clashes = (Clash("", error.message),)
        named += [f"{clash.path or file}: {clash.what}" for clash in clashes] or [file]
    return named


def _blobs(repo: Git, stages: Mapping[int, str]) -> Iterator[tuple[int, bytes]]:
    for stage, (_, data) in zip(stages, repo.read_blobs(stages.values()), strict=True):
        yield stage, data


def _named(base: str, ours: str, theirs: str) -> tuple[tuple[str, str], ...]:
    return (base, "their common ancestor"), (ours, "this branch"), (theirs, "the other branch")


class _Merger:
    def __init__(self, project: Project, file: str, *, dry_run: bool) -> None:
        self._project = project
        self._folder = posixpath.dirname(file)
        self._is_dry = dry_run

    def merge(self, base: DvcFile, ours: DvcFile, theirs: DvcFile) -> tuple[DvcFile, list[Clash]]:
        merged, found = merge_file_facts(base, ours, theirs)
        clashes = list(found)
        if any(side.deps for side in (base, ours, theirs)):
            outs, more = self._import(base, ours, theirs)
            merged = merged._replace(outs=outs.outs, deps=outs.deps, md5=outs.md5)
        else:
            outputs, more = self._outputs(base, ours, theirs)
            merged = merged._replace(outs=outputs)
        if merged.md5 is not None and not more:
            merged = merged._replace(md5=import_md5(merged))
        return merged, clashes + more

    def _import(self, base: DvcFile, ours: DvcFile, theirs: DvcFile) -> tuple[DvcFile, list[Clash]]:
        """An import's source and content belong together: one side's, or a clash."""
        chosen, is_clash = three_way(*(_source(side) for side in (base, ours, theirs)))
        if is_clash:
            return ours, [Clash(self._place(ours, ours.outs[0]) if ours.outs else "", "updated on both sides")]
        return (ours if chosen == _source(ours) else theirs), []

    def _outputs(self, base: DvcFile, ours: DvcFile, theirs: DvcFile) -> tuple[tuple[Output, ...], list[Clash]]:
        was, mine, yours = ({out.path: out for out in side.outs} for side in (base, ours, theirs))
        merged, clashes = [], []
        for path in dict.fromkeys((*mine, *yours)):
            old, one, two = was.get(path), mine.get(path), yours.get(path)
            if one is None or two is None:
                out, is_clash = three_way(old, one, two)
                if is_clash:
                    clashes.append(Clash(path, "untracked on one side, changed on the other"))
            else:
                out, found = self._output(ours, old, one, two)
                clashes += found
            merged += [] if out is None else [out]
        return tuple(merged), clashes

    def _output(self, ours: DvcFile, base: Output | None, one: Output, two: Output) -> tuple[Output, list[Clash]]:
        merged, found = merge_annotations(base, one, two)
        clashes = list(found)
        place = self._place(ours, one)
        content, is_clash = three_way(_content(base), _content(one), _content(two))
        if not is_clash:
            chosen = one if content == _content(one) else two
            return _with_content(merged, chosen), clashes
        problem = self._why_not(base, one, two)
        if problem:
            return merged, [*clashes, Clash(place, problem)]
        files = self._files(base, one, two)
        if files.clashes:
            return merged, clashes + [Clash(f"{place}/{clash.path}", clash.what) for clash in files.clashes]
        listing = render_tree(files.entries)
        oid = tree_oid(listing)
        if not self._is_dry:
            with self._project.cache(one.hash_name).batch() as batch:
                batch.store_bytes(oid, listing)
        return merged._replace(oid=oid, size=files.size, nfiles=len(files.entries)), clashes

    @staticmethod
    def _why_not(base: Output | None, one: Output, two: Output) -> str:
        """Why two changed contents can only be chosen from; empty when their files can be merged."""
        if one.oid is None or two.oid is None:
            return "not committed on one side"
        if one.is_cloud_versioned or two.is_cloud_versioned:
            return "changed on both sides, in a cloud-versioned remote"
        if one.hash_name is not two.hash_name:
            return "changed on both sides, and one is of dvc 2.x: two kinds of hash cannot be compared"
        if not (is_tree_oid(one.oid) and is_tree_oid(two.oid)):
            return "changed on both sides, differently"
        if base is not None and base.oid is not None and is_tree_oid(base.oid) and base.hash_name is not one.hash_name:
            return "upgraded from dvc 2.x on both sides: two kinds of hash cannot be compared"
        return ""

    def _files(self, base: Output | None, one: Output, two: Output) -> MergedFiles:
        cache = self._project.cache(one.hash_name)
        is_folder = base is not None and base.oid is not None and is_tree_oid(base.oid)
        old: tuple[Entry, ...] = self._tree(base).entries if base is not None and is_folder else ()
        mine, yours = self._tree(one).entries, self._tree(two).entries
        alike = (set(old) ^ set(mine)) & (set(old) ^ set(yours))
        of_objects = {entry.oid: size for entry in alike if (size := cache.size(entry.oid)) is not None}
        sizes = Sizes(base.size if base is not None and is_folder else None, one.size, two.size, of_objects)
        return merge_files(old, mine, yours, sizes)

    def _tree(self, output: Output) -> Tree:
        oid = output.oid
        assert oid is not None
        try:
            return self._project.cache(output.hash_name).read_tree(oid)
        except LabError:
            return self._far_tree(output, oid)

    def _far_tree(self, output: Output, oid: Oid) -> Tree:
        try:
            return parse_tree(self._project.remote(output.remote, output.hash_name).read(oid), oid=oid)
        except LabError as error:
            raise NotFound(
                f"the listing of one version of '{output.path}' can be had neither from the cache nor from the remote: "
                f"{error.message}",
                code="tree-nowhere",
                hint="push it from where it was added (lab push), then merge again",
                oid=oid,
            ) from error

    def _place(self, dvcfile: DvcFile, output: Output) -> str:
        return posixpath.normpath(posixpath.join(self._folder, dvcfile.wdir, output.path))


def _source(dvcfile: DvcFile) -> tuple[object, ...]:
    return [dict(dep) for dep in dvcfile.deps], [(out.path, *_content(out)) for out in dvcfile.outs]


def _content(output: Output | None) -> tuple[object, ...]:
    """What says which bytes an output is."""
    if output is None:
        return ()
    return output.oid, output.hash_name, output.is_executable


def _with_content(output: Output, chosen: Output) -> Output:
    return output._replace(
        oid=chosen.oid,
        hash_name=chosen.hash_name,
        size=chosen.size,
        nfiles=chosen.nfiles,
        is_executable=chosen.is_executable,
        is_cloud_versioned=chosen.is_cloud_versioned,
    )
