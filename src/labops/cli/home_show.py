"""The values of the home verbs as text or JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labops.cli.session import Session, paint, printable
from labops.cli.words import files, human_size, join

if TYPE_CHECKING:
    from labops.errors import LabError
    from labops.home import Link
    from labops.home.report import HomeReport
    from labops.planning.home import Step

_MOST = 100
_WORDS = {
    "upload": ("↑", "to upload", "uploaded"),
    "download": ("↓", "to download", "downloaded"),
    "move": ("→", "to move in the home", "moved in the home"),
    "delete-there": ("✗ there", "to delete in the home", "deleted in the home"),
    "delete-here": ("✗ here", "to delete here", "deleted here"),
    "conflict": ("!", "in conflict", "in conflict, both kept"),
    "leave": ("·", "left alone", "left alone (see `lab home status`)"),
}
_WIDTH = 8


def show_link(session: Session, root: str, link: Link, *, is_new: bool) -> int:
    """The link of a folder, with what was set beside it."""
    if session.is_json:
        numbers = {"limit": link.limit, "max_size": link.max_size, "keep_trash": link.keep_trash}
        session.show_json(
            {"root": root, "url": link.url, "is_new": is_new, "default_rules": link.has_default_rules} | numbers
        )
        return 0
    session.say(f"{root} ↔ {link.url}")
    for line in _settings(link, is_all=bool(session.verbosity)):
        session.say(line)
    if is_new:
        session.say("linked; `lab home status` shows what a sync would do, `lab home sync` does it")
    return 0


def _settings(link: Link, *, is_all: bool) -> Iterator[str]:
    if link.limit is not None:
        yield f"at most {link.limit / 1e6:g} MB per second"
    if link.max_size is not None:
        yield f"files above {human_size(link.max_size)} are left alone"
    if link.keep_trash is not None:
        yield f"the trash is kept for {link.keep_trash / 86400:g} days"
    if not link.has_default_rules:
        yield "without the default rules: caches and .git/ are synced too, unless .labignore names them"
    elif is_all:
        from labops.home.rules import ENDINGS, FILES, FOLDERS

        names = [f"{name}/" for name in sorted(FOLDERS)] + sorted(FILES) + [f"*{ending}" for ending in ENDINGS]
        yield f"left out by default: {' '.join(names)}"


def destructive(report: HomeReport) -> bool:
    """True when some file would be replaced or deleted on either side."""
    for step in report.plan.steps:
        kind = step.do.value
        if kind in {"delete-here", "delete-there", "conflict"}:
            return True
        if (kind == "download" and step.here is not None) or (kind == "upload" and step.there is not None):
            return True
    return False


def report_document(report: HomeReport) -> dict[str, object]:
    """What `--json` prints."""
    ended = {one.step.path: one for one in report.ended}
    steps = []
    for step in report.plan.steps:
        if step.do.value in {"agree", "forget"}:
            continue
        row: dict[str, object] = {"action": step.do.value, "path": step.path, "size_bytes": step.size}
        row |= {"reason": step.reason} if step.reason else {}
        row |= {"source": step.source} if step.source else {}
        one = ended.get(step.path)
        if one is not None:
            row["result"] = "failed" if one.error else "done"
            row |= {"kept_as": one.kept_as} if one.kept_as else {}
        steps.append(row)
    return {
        "verb": report.verb.value,
        "root": report.root,
        "url": report.url,
        "dry_run": report.is_dry,
        "steps": steps,
        "kept": report.plan.kept,
        "conflicts": [{"path": one.step.path, "kept_as": one.kept_as or None} for one in report.conflicts],
        "failed": [error_document(path, error) for path, error in report.errors],
        "left_alone": [{"path": path, "reason": why} for path, why in report.odd],
        "ignored": list(report.ignored),
    }


def error_document(path: str, error: LabError | None) -> dict[str, object]:
    """One failed item in `--json`."""
    assert error is not None
    return {"path": path, "code": error.code, "message": error.message, "hint": error.hint}


def show_report(session: Session, report: HomeReport) -> int:
    """A report as text or JSON; returns its exit code."""
    if session.is_json:
        session.show_json(report_document(report))
        return report.exit_code
    most = len(report.plan.steps) if session.verbosity else _MOST
    for line in plan_lines(report, most) if report.is_dry else _done_lines(report, most):
        session.say(line)
    shown = report.odd if session.verbosity else report.odd[:10]
    for path, why in shown:
        session.warn(f"'{path}' was left alone: {why}")
    if len(shown) < len(report.odd):
        session.warn(f"{len(report.odd) - len(shown):,} more were left alone (-v names them all)")
    if session.verbosity:
        for path in report.ignored:
            session.say(f"{'ignored':<{_WIDTH}}{path}")
    _show_errors(session, report)
    return report.exit_code


def _line(step: Step, note: str = "") -> str:
    reason = note or step.reason
    size = f"  ({human_size(step.size)})" if step.size else ""
    return f"{_WORDS[step.do.value][0]:<{_WIDTH}}{step.path}{size}" + (f"  {reason}" if reason else "")


def plan_lines(report: HomeReport, most: int = _MOST) -> Iterator[str]:
    """One step a line, then what they amount to."""
    steps = [step for step in report.plan.steps if step.do.value in _WORDS]
    yield from (_line(step) for step in steps[:most])
    if len(steps) > most:
        yield f"… and {len(steps) - most:,} more (-v names them all)"
    parts = _counts([step.do.value for step in steps], 1)
    yield (join(parts) if parts else f"{files(report.plan.kept, 'in sync')} with {report.url}")


def _done_lines(report: HomeReport, most: int) -> Iterator[str]:
    done = [one for one in report.ended if one.error is None and one.step.do.value in _WORDS]
    loud = [one for one in done if one.step.do.value != "leave"]
    if len(loud) <= most:
        for one in loud:
            yield _line(one.step, f"yours is now '{one.kept_as}'" if one.kept_as else "")
    else:
        for one in loud:
            if one.kept_as:
                yield _line(one.step, f"yours is now '{one.kept_as}'")
    left = report.plan.of(*(step.do for step in report.plan.steps if step.do.value == "leave"))
    parts = _counts([one.step.do.value for one in done] + [step.do.value for step in left], 2)
    if not report.ended and report.conflicts:
        yield from (_line(one.step) for one in report.conflicts)
    if parts:
        yield join(parts)
    elif not report.errors:
        yield f"{files(report.plan.kept, 'in sync')} with {report.url}"


def _counts(kinds: list[str], form: int) -> list[str]:
    found = []
    for kind, words in _WORDS.items():
        number = kinds.count(kind)
        if number:
            found.append(files(number, words[form]))
    return found


def _show_errors(session: Session, report: HomeReport) -> None:
    if not report.errors:
        return
    lines = [files(len(report.errors), "failed")]
    hints: dict[str, None] = {}
    shown = report.errors if session.verbosity else report.errors[:10]
    for path, error in shown:
        assert error is not None
        lines.append(f"  {path}: {error.message}")
        hints[error.hint] = None
    if len(report.errors) > len(shown):
        lines.append(f"  … and {len(report.errors) - len(shown):,} more (-v names them all)")
    lines += [f"hint: {hint}" for hint in hints if hint]
    text = printable("\n".join(lines), sys.stderr)
    print(f"{paint('ERROR', 'red', sys.stderr)}: {text}", file=sys.stderr)
