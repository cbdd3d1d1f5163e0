"""A verb's values as text in dvc's layout, or as JSON. Writes nothing itself: the session does."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence

from labops.cli.session import Session, paint, printable
from labops.cli.words import files, human_size, join
from labops.model import (
    Action,
    Changes,
    CloudStatusRow,
    DataStatus,
    Outcome,
    Report,
    Result,
    StatusRow,
    Step,
)

_LETTERS = {
    Action.REPLACE: ("M", "modified"),
    Action.CREATE: ("A", "added"),
    Action.DELETE: ("D", "deleted"),
}
_DRY = {Action.MISSING: "missing", Action.CONFLICT: "in conflict"}
_STATUS_WIDTH = 20
_MOST_LINES = 100
"""More lines than this tell a person nothing; `--json` has them all."""
_MOST_FAILURES = 10
"""Failures of one kind that are named; `-v` and `--json` name all."""


# -- reports ------------------------------------------------------------------------------------------


def report_document(report: Report) -> dict[str, object]:
    """What `--json` prints for a report."""
    steps = [_step_document(step) for step in report.plan.steps]
    results = {result.value: 0 for result in Result}
    for outcome in report.outcomes:
        results[outcome.result.value] += 1
    summary = {action.value: report.plan.count(action) for action in Action if report.plan.count(action)}
    return {
        "verb": report.verb,
        "dry_run": bool(report.plan.steps) and not report.outcomes,
        "steps": steps,
        "summary": {"planned": summary, "planned_bytes": _moved_bytes(report), **results},
        "failed": [_failure_document(outcome) for outcome in report.failed],
        "warnings": list(report.warnings),
        "outputs": [{"change": letter, "path": path} for letter, path in report.outputs],
        "changed_files": list(report.changed_files),
    }


def _moved_bytes(report: Report) -> int:
    """Bytes that travel or are stored, once each; where none do, those that appear in the workspace."""
    plan = report.plan
    first = plan.of(Action.STORE, Action.UPLOAD, Action.DOWNLOAD) or plan.of(Action.CREATE, Action.REPLACE)
    return sum(step.size or 0 for step in first)


def _step_document(step: Step) -> dict[str, object]:
    facts = {"action": step.action.value, "path": step.path, "oid": step.oid, "size_bytes": step.size}
    facts["reason"] = step.reason or None
    return {name: value for name, value in facts.items() if value is not None}


def _failure_document(outcome: Outcome) -> dict[str, object]:
    error = outcome.error
    facts: dict[str, object] = {"action": outcome.step.action.value, "path": outcome.step.path}
    if error is not None:
        facts |= {"code": error.code, "message": error.message, "hint": error.hint, **error.fields}
    return facts


def show_report(session: Session, report: Report, lines: Iterable[str], *, dry_run: bool, root: str = "") -> int:
    """Print a report and return its exit code. `lines` are the verb's own summary.

    Paths of the plan and of failures are relative to `root` and shown relative to the current directory.
    """
    if session.is_json:
        session.show_json(report_document(report) | {"dry_run": dry_run})
        return report.exit_code
    for warning in report.warnings:
        session.warn(warning)
    for line in dry_run_lines(report, root) if dry_run else lines:
        session.say(line)
    _show_failures(report.failed, root, most=len(report.failed) if session.verbosity else _MOST_FAILURES)
    return report.exit_code


def _show_failures(failed: Sequence[Outcome], root: str, *, most: int) -> None:
    """What failed, even with `-q`, grouped where many failed alike; `most` names a group."""
    if not failed:
        return
    lines = [files(len(failed), "failed")]
    hints: dict[str, None] = {}
    groups: dict[str, list[str]] = {}
    for step, _, error in failed:
        groups.setdefault(error.message if error else step.reason, []).append(from_here(step.path, root))
        if error and error.hint:
            hints[error.hint] = None
    alone = [f"  {paths[0]}: {message}" for message, paths in groups.items() if len(paths) == 1]
    lines += _first(alone, most, indent="  ")
    for message, paths in groups.items():
        if len(paths) > 1:
            lines.append(f"  {message}:")
            lines += _first([f"    {path}" for path in paths], most, indent="    ")
    lines += [f"hint: {hint}" for hint in list(hints)[:most]]
    text = printable("\n".join(lines), sys.stderr)
    print(f"{paint('ERROR', 'red', sys.stderr)}: {text}", file=sys.stderr)


def _first(rows: Sequence[str], most: int, *, indent: str) -> Iterator[str]:
    yield from rows[:most]
    if len(rows) > most:
        yield f"{indent}… and {len(rows) - most:,} more (-v names them all)"


def dry_run_lines(report: Report, root: str) -> Iterator[str]:
    """The plan, one step a line, then what it amounts to."""
    width = max((len(action.value) for action in Action), default=0)
    rows = [
        f"{step.action.value:<{width}}  {from_here(step.path, root)}"
        + (f"  ({human_size(step.size)})" if step.size is not None else "")
        + (f"  {step.reason}" if step.reason else "")
        for step in report.plan.steps
    ]
    yield from shortened(rows)
    counts = [
        f"{report.plan.count(action)} {_DRY.get(action, f'to {action.value}')}"
        for action in Action
        if report.plan.count(action)
    ]
    if counts:
        moved = _moved_bytes(report)
        size = f" ({human_size(moved)})" if moved else ""
        yield f"dry run: {join(counts)}{size}; nothing was done"
    else:
        yield "dry run: nothing to do"


def shortened(rows: Sequence[str]) -> Iterator[str]:
    """At most a hundred rows, and how many more there are."""
    yield from rows[:_MOST_LINES]
    if len(rows) > _MOST_LINES:
        yield f"… and {len(rows) - _MOST_LINES:,} more (--json lists them all)"


def from_here(path: str, root: str) -> str:
    """`path` (relative to `root`) relative to the current directory; a final `/` stays."""
    if not root or not path:
        return path
    shown = os.path.relpath(os.path.join(root, path))
    return f"{shown}/" if path.endswith("/") else shown


def workspace_lines(report: Report, root: str) -> list[str]:
    """`M`, `A` and `D` lines, one for each output that changed, in dvc's order."""
    return [
        f"{letter:<8}{from_here(path, root)}"
        for wanted, _ in _LETTERS.values()
        for letter, path in sorted(report.outputs)
        if letter == wanted
    ]


def workspace_counts(report: Report) -> list[str]:
    """`1 file modified`, `2 files added` …: files only, folders do not count."""
    done = [outcome.step for outcome in report.outcomes if outcome.result is Result.DONE]
    parts = []
    for action, (_, word) in _LETTERS.items():
        number = sum(step.action is action and not step.path.endswith("/") for step in done)
        if number:
            parts.append(files(number, word))
    return parts


def fetched_count(report: Report) -> int:
    """Objects downloaded; like dvc we call them files, tree objects too."""
    return report.count(Action.DOWNLOAD)


def git_hint(report: Report, root: str) -> list[str]:
    """What to type so that git sees the change, in dvc's words; nothing where the verb staged it all."""
    names = [from_here(name, root) for name in report.changed_files]
    if not names:
        return []
    names = [f"./{name}" if name.startswith("-") else name for name in names]
    command = shlex.join(["git", "add", *names])
    return [
        "",
        "To track the changes with git, run:",
        "",
        f"\t{command}",
        "",
        "To enable auto staging, run:",
        "",
        "\tlab config core.autostage true",
    ]


# -- status -------------------------------------------------------------------------------------------


def status_document(rows: Iterable[StatusRow]) -> dict[str, list[object]]:
    """dvc's own shape: file → list of `{kind: {path: state}}`, or of bare kinds."""
    document: dict[str, list[object]] = {}
    for row in rows:
        kinds = document.setdefault(row.file, [])
        if not row.path:
            kinds.append(row.kind)
            continue
        paths = next((kind[row.kind] for kind in kinds if isinstance(kind, dict) and row.kind in kind), None)
        if paths is None:
            paths = {}
            kinds.append({row.kind: paths})
        if row.param:
            paths.setdefault(row.path, {})[row.param] = row.state
        else:
            paths[row.path] = row.state
    return document


def status_lines(rows: Iterable[StatusRow]) -> Iterator[str]:
    """`lab status` for people: a file, below it what changed, below that each path with its state."""
    for file, kinds in status_document(rows).items():
        yield f"{file}:"
        for kind in kinds:
            if not isinstance(kind, dict):
                yield f"\t{kind}"
                continue
            for name, states in kind.items():
                yield f"\t{name}:"
                for path, state in states.items():
                    yield from _state_lines(path, state)


def _state_lines(path: str, state: str | dict[str, str]) -> Iterator[str]:
    if isinstance(state, str):
        yield f"\t\t{_padded(state)}{path}"
        return
    yield f"\t\t{path}:"
    for param, its_state in state.items():
        yield f"\t\t\t{_padded(its_state)}{param}"


def cloud_document(rows: Iterable[CloudStatusRow]) -> dict[str, str]:
    return {row.path: row.state for row in rows}


def cloud_lines(rows: Iterable[CloudStatusRow]) -> Iterator[str]:
    for path, state in cloud_document(rows).items():
        yield f"\t{_padded(state)}{path}"


def _padded(state: str) -> str:
    return f"{state}:".ljust(_STATUS_WIDTH)


# -- data status --------------------------------------------------------------------------------------

_SECTIONS = {
    "not_in_remote": ("Not in remote", ('use "lab push <file>..." to upload files',)),
    "not_in_cache": ("Not in cache", ('use "lab fetch <file>..." to download files',)),
    "committed": ("DVC committed changes", ("git commit the corresponding dvc files to update the repo",)),
    "uncommitted": (
        "DVC uncommitted changes",
        (
            'use "lab commit <file>..." to track changes',
            'use "lab checkout <file>..." to discard changes',
        ),
    ),
    "untracked": (
        "Untracked files",
        ('use "git add <file> ..." or "lab add <file>..." to commit to git or to dvc',),
    ),
    "unchanged": ("DVC unchanged files", ()),
}


def data_status_document(status: DataStatus) -> dict[str, object]:
    """dvc's own shape: only what is not empty, `renamed` as old and new."""
    document: dict[str, object] = {
        "not_in_cache": list(status.not_in_cache),
        "not_in_remote": list(status.not_in_remote),
        "committed": _changes_document(status.committed),
        "uncommitted": _changes_document(status.uncommitted),
        "untracked": list(status.untracked),
        "unchanged": list(status.unchanged),
    }
    return {name: value for name, value in document.items() if value}


def _changes_document(changes: Changes) -> dict[str, object]:
    document: dict[str, object] = {
        "added": list(changes.added),
        "modified": list(changes.modified),
        "deleted": list(changes.deleted),
        "renamed": [{"old": old, "new": new} for old, new in changes.renamed],
        "unknown": list(changes.unknown),
    }
    return {name: value for name, value in document.items() if value}


def data_status_lines(status: DataStatus) -> Iterator[str]:
    """`lab data status` for people: one block for each section, or that there are no changes."""
    is_first = True
    for name, section in data_status_document(status).items():
        if not is_first:
            yield ""
        is_first = False
        title, hints = _SECTIONS[name]
        yield f"{title}:"
        for hint in hints:
            yield f"  ({hint})"
        for item in _items(section):
            yield f"        {item}"
    if is_first:
        yield "No changes."


def _items(section: object) -> Iterator[str]:
    if isinstance(section, list):
        yield from section
    elif isinstance(section, dict):
        for state, changed in section.items():
            for item in changed:
                yield (f"{state}: {item['old']} -> {item['new']}" if isinstance(item, dict) else f"{state}: {item}")
