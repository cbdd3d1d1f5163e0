"""What `lab admin` says: plans, what became of them, findings, and the matrix of rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labops.cli.words import join

if TYPE_CHECKING:
    from labops.cli.session import Session
    from labops.planning.lab import Change
    from labops.verbs.admin_apply import Applied, ApplyReport
    from labops.verbs.admin_audit import Audit
    from labops.verbs.admin_plan import LabPlan
    from labops.verbs.admin_prove import Answer, Proof

_COLOURS = {"create": "green", "set": "yellow", "grant": "green", "revoke": "red"}
_SIGNS = {"create": "+", "set": "~", "grant": "+", "revoke": "-"}
_MARKS = {"allowed": "yes", "denied": "no", "kept": "yes*"}


def plan(session: Session, found: LabPlan) -> None:
    """The changes of each thing together, in the order of their being made, each with its why."""
    for change in found.changes:
        verb, what = change.words
        session.say(f"{_SIGNS[verb]} {verb:<6} {what}", colour=_COLOURS[verb])
        session.say(f"           {change.why}")
        if session.verbosity and change.setting:
            session.say(f"           now: {change.before or '(nothing)'}")
            session.say(f"           new: {change.value or '(nothing)'}")
    for row in found.unkept:
        session.say(f"  the store does not keep {row.setting} of {row.thing}")
    for note in found.limits.notes:
        session.say(f"  note: {note}")
    for number, todo in enumerate(found.limits.todo, 1):
        session.say(f"  to do by hand, {number}: {todo}")
    session.say(_summary(found))


def _summary(found: LabPlan) -> str:
    from labops.planning.lab import count

    counts = {act: number for act, number in count(found.changes).items() if number}
    if not counts:
        return f"{found.lab.name}: the store is as lab.toml says"
    return f"{found.lab.name}: " + join([f"{number} to {act}" for act, number in counts.items()])


def plan_document(found: LabPlan) -> dict[str, Any]:
    """The plan for `--json`."""
    return {
        "lab": found.lab.name,
        "changes": [_change(change) for change in found.changes],
        "not_kept": [{"thing": str(row.thing), "setting": row.setting} for row in found.unkept],
        "notes": list(found.limits.notes),
        "todo": list(found.limits.todo),
    }


def _change(change: Change) -> dict[str, str]:
    return {
        "action": change.act.value,
        "kind": change.thing.kind,
        "name": change.thing.name,
        "setting": change.setting,
        "before": change.before,
        "after": change.value,
        "why": change.why,
    }


def applied(session: Session, row: Applied) -> None:
    """One line as a change ends, but for `--json`."""
    if session.is_json:
        return
    words = {"done": "done", "not kept": "the store does not keep it", "skipped": "left out, see above"}
    session.say(f"{row.change}: {words.get(row.end, str(row.error))}", colour="red" if row.error else "")


def apply_end(session: Session, report: ApplyReport) -> None:
    """The last line of `apply`."""
    done = sum(row.end == "done" for row in report.rows)
    if report.failed:
        session.say(f"{done} done, {len(report.failed)} failed: run `lab admin apply` again to go on", colour="red")
    else:
        session.say(f"{done} done; next: lab admin prove, then lab admin invite NAME", colour="green")


def apply_document(report: ApplyReport) -> dict[str, Any]:
    """What became of each change, for `--json`."""
    return {
        "changes": [
            _change(row.change)
            | {"result": row.end.value}
            | ({"error": {"code": row.error.code, "message": row.error.message}} if row.error else {})
            for row in report.rows
        ]
    }


def audit(session: Session, found: Audit) -> None:
    """One finding each, with what to do."""
    for finding in found.findings:
        session.say(f"{finding.code}: {finding.subject}: {finding.message}", colour="yellow")
        if finding.hint:
            session.say(f"  hint: {finding.hint}")
    if found.findings:
        session.say(f"{len(found.findings)} to look at, among {found.looked_at} things", colour="red")
    else:
        session.say(f"nothing to look at, among {found.looked_at} things", colour="green")


def audit_document(found: Audit) -> dict[str, Any]:
    """The findings, for `--json`."""
    return {
        "lab": found.lab.name,
        "looked_at": found.looked_at,
        "findings": [finding._asdict() for finding in found.findings],
    }


def proof(session: Session, found: Proof, *, is_short: bool) -> None:
    """A table for each place: who may do what there; what differs from the promise is marked and listed."""
    if not is_short:
        for title, rows in _tables(found).items():
            _table(session, title, rows)
    for answer in found.broken:
        trial = answer.trial
        session.say(
            f"NOT AS PROMISED: {trial.actor.name} ({trial.actor.role}), {trial.target.words}, {trial.action}: "
            f"promised {trial.promise}, seen {answer.seen}", colour="red",
        )  # fmt: skip
    for who, why in found.absent:
        session.say(f"  not asked: {who}: {why}")
    if not is_short:
        session.say("yes*: what was there before stays as an old version")
    session.say(
        f"{len(found.answers)} rights tried, {len(found.broken)} not as promised",
        colour="red" if found.exit_code else "green",
    )


def _table(session: Session, title: str, rows: dict[str, dict[str, Answer]]) -> None:
    """One place: an action a line, a member a column."""
    widths = {name: max(len(name), 6) for name in rows}
    session.say(
        f"{title:<20}" + "  ".join(f"{name:<{width}}" for name, width in widths.items()).rstrip(), colour="cyan"
    )
    for action in dict.fromkeys(action for row in rows.values() for action in row):
        cells = "  ".join(f"{_cell(rows[name].get(action)):<{width}}" for name, width in widths.items())
        session.say(f"  {action:<18}{cells}".rstrip())
    session.say("")


def _tables(found: Proof) -> dict[str, dict[str, dict[str, Answer]]]:
    """Answers by place, then by member, then by action. Own homes are one table, each member's own."""
    tables: dict[str, dict[str, dict[str, Answer]]] = {}
    for answer in found.answers:
        actor = f"{answer.trial.actor.name}({answer.trial.actor.role[0]})"
        tables.setdefault(answer.trial.target.words, {}).setdefault(actor, {})[answer.trial.action] = answer
    return tables


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return "-"
    mark = _MARKS.get(answer.seen, "?")
    return mark if answer.is_as_promised else f"{mark}!!"


def proof_document(found: Proof) -> dict[str, Any]:
    """Every answer, for `--json`."""
    return {
        "lab": found.lab.name,
        "tried": len(found.answers),
        "broken": len(found.broken),
        "not_asked": [{"who": who, "why": why} for who, why in found.absent],
        "answers": [
            {
                "member": answer.trial.actor.name,
                "role": answer.trial.actor.role.value,
                "place": answer.trial.target.kind,
                "owner": answer.trial.target.owner,
                "bucket": answer.trial.target.bucket,
                "action": answer.trial.action,
                "promised": answer.trial.promise.value,
                "seen": answer.seen,
            }
            for answer in found.answers
        ],
    }
