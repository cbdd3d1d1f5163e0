"""Which tracked outputs, or parts of them, a command's targets mean."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence

from labops.errors import NotFound
from labops.model import RelPath, Selected, Selection, Tracked


def select(
    tracked: Sequence[Tracked], targets: Sequence[str], selection: Selection, *, files: Collection[str] = ()
) -> tuple[Selected, ...]:
    """What `targets` (paths relative to the project root, posix; or stage names) select, in tracking order.

    No target selects everything. Several targets inside one output add up. A target inside a tracked folder
    selects that part, whether or not it exists. Raises `NotFound` (`no-such-target`).
    """
    if not targets:
        return tuple(Selected(item) for item in tracked)
    chosen: dict[Tracked, Selected] = {}
    for target in targets:
        found = _resolve(tracked, target, selection)
        if not found and target not in files:
            raise NotFound(
                f"'{target}' is not tracked",
                code="no-such-target",
                hint="name a .dvc file, a tracked path or something inside one; `lab status` lists them",
                target=target,
            )
        if selection.with_deps:
            found += [Selected(item) for item in _dependencies(tracked, found)]
        for item in found:
            chosen[item.tracked] = _merge(chosen.get(item.tracked), item)
    return tuple(chosen[item] for item in tracked if item in chosen)


def _resolve(tracked: Sequence[Tracked], target: str, selection: Selection) -> list[Selected]:
    if selection.glob and re.search(r"[*?\[]", target):
        return _match(tracked, glob_pattern(target))
    exact = [item for item in tracked if target in (item.file, item.path, f"{item.file}:{item.stage}")]
    if exact:
        return [Selected(item) for item in exact]
    if selection.recursive:
        inside = [item for item in tracked if target in ("", ".") or item.file.startswith(target + "/")]
        if inside:
            return [Selected(item) for item in inside]
    for item in tracked:
        if target.startswith(item.path + "/"):
            return [Selected(item, inside=(RelPath(target[len(item.path) + 1 :]),))]
    return [Selected(item) for item in tracked if item.stage and _is_stage(item, target)]


def _is_stage(item: Tracked, target: str) -> bool:
    """A stage is named within its own folder; `each` means every `each@item`."""
    folder, _, _ = item.file.rpartition("/")
    prefix = folder + "/" if folder else ""
    return target in (prefix + item.stage, prefix + item.stage.partition("@")[0])


def _match(tracked: Sequence[Tracked], pattern: re.Pattern[str]) -> list[Selected]:
    """Whole outputs whose name the glob matches; every folder otherwise, for the glob to look into."""
    whole = [Selected(item) for item in tracked if pattern.fullmatch(item.path) or pattern.fullmatch(item.file)]
    names = {item.tracked for item in whole}
    return whole + [
        Selected(item, patterns=(pattern,))
        for item in tracked
        if item not in names and item.output.oid and item.output.oid.endswith(".dir")
    ]


def _merge(first: Selected | None, second: Selected) -> Selected:
    if first is None:
        return second
    if first.is_whole or second.is_whole:
        return Selected(second.tracked)
    return Selected(second.tracked, first.inside + second.inside, first.patterns + second.patterns)


def _dependencies(tracked: Sequence[Tracked], found: Iterable[Selected]) -> list[Tracked]:
    """The outputs that the stages of `found` read, and theirs, and so on."""
    seen: set[Tracked] = set()
    waiting = [item.tracked for item in found]
    while waiting:
        for dep in waiting.pop().deps:
            for item in tracked:
                related = dep == item.path or dep.startswith(item.path + "/") or item.path.startswith(dep + "/")
                if related and item not in seen:
                    seen.add(item)
                    waiting.append(item)
    return list(seen)


def glob_pattern(text: str) -> re.Pattern[str]:
    """A shell glob as a pattern for whole posix paths: `*` and `?` stay in one folder, `**` crosses folders."""
    out = []
    at = 0
    while at < len(text):
        if text.startswith("**/", at):
            out.append("(?:.*/)?")
            at += 3
        elif text.startswith("**", at):
            out.append(".*")
            at += 2
        elif text[at] == "[" and (end := text.find("]", at + (3 if text[at + 1 : at + 2] in ("!", "^") else 2))) > 0:
            out.append(f"(?!/){_one_of(text[at + 1 : end])}")
            at = end + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(text[at], re.escape(text[at])))
            at += 1
    return re.compile("".join(out), re.DOTALL)


def _one_of(body: str) -> str:
    """The inside of `[…]` as a pattern, by the rules of `fnmatch`, which also knows `^` for `!`."""
    negated = f"!{body[1:]}" if body[0] == "^" else body
    whole = fnmatch.translate(f"[{negated}]")  # (?s:…)\Z
    return whole[len("(?s:") : -len(r")\Z")]
