"""What a home holds and held, as text or JSON: listings, the trash, the log, single objects."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from labops.cli.home_show import error_document
from labops.cli.session import Session, printable
from labops.cli.words import files, human_size

if TYPE_CHECKING:
    from labops.home.objects import ObjectsReport, Row
    from labops.planning.homelog import Change
    from labops.verbs.home_look import HomeRow
    from labops.verbs.home_restore import Old, Restored
    from labops.verbs.home_share import Shared
    from labops.verbs.home_trash import Emptied

_MOST = 100


def show_rows(session: Session, rows: list[HomeRow], *, with_size: bool) -> int:
    """A listing; with sizes, the sum at the end."""
    if session.is_json:
        session.show_json(
            [
                {"path": row.path, "size_bytes": row.size, "is_folder": row.is_folder}
                | ({"modified": row.modified} if row.modified else {})
                | ({"files": row.files} if row.is_folder else {})
                for row in rows
            ]
        )
        return 0
    for row in rows:
        session.say(f"{human_size(row.size):>10}  {row.path}" if with_size else row.path)
    if with_size:
        number = sum(row.files for row in rows)
        session.say(f"{human_size(sum(row.size for row in rows)):>10}  {files(number, 'in all')}")
    return 0


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "?"


def _old_document(old: Old) -> dict[str, object]:
    return {
        "path": old.path,
        "ended": old.ended,
        "size_bytes": old.size,
        "where": old.where,
        "machine": old.machine or None,
    }


def show_trash(session: Session, found: list[Old]) -> int:
    """Older contents, the youngest first."""
    if session.is_json:
        session.show_json([_old_document(old) for old in found])
        return 0
    for old in found[: None if session.verbosity else _MOST]:
        by = f"  by {old.machine}" if old.machine else ""
        session.say(f"{_when(old.ended)}  {human_size(old.size):>10}  {old.path}  ({old.where}{by})")
    if not found:
        session.say("the trash is empty")
    elif len(found) > _MOST and not session.verbosity:
        session.say(f"… and {len(found) - _MOST:,} more (-v names them all)")
    return 0


def show_restored(session: Session, done: Restored, *, dry_run: bool) -> int:
    """What came back."""
    if session.is_json:
        failed = [error_document(path, error) for path, error in done.failed]
        session.show_json({"dry_run": dry_run, "restored": [_old_document(old) for old in done.rows], "failed": failed})
        return done.exit_code
    for old in done.rows:
        session.say(f"{old.path}  as it was until {_when(old.ended)}")
    session.say(files(len(done.rows), "to restore" if dry_run else "restored here; `lab home sync` tells the home"))
    for path, error in done.failed:
        session.warn(f"'{path}': {error.message}")
    return done.exit_code


_DID = {"get": ("fetched", "to fetch"), "put": ("stored", "to store"), "rm": ("deleted", "to delete"),
        "mv": ("moved", "to move")}  # fmt: skip


def show_objects(session: Session, report: ObjectsReport) -> int:
    """What became of single objects."""
    if session.is_json:
        session.show_json(
            {
                "verb": report.verb,
                "dry_run": report.is_dry,
                "objects": [_object_document(row, report) for row in report.rows],
                "failed": [error_document(row.path, row.error) for row in report.failed],
                "left_out": list(report.left_out),
            }
        )
        return report.exit_code
    fine = [row for row in report.rows if row.error is None]
    for row in fine[: None if session.verbosity else _MOST]:
        arrow = f" → {row.target}" if row.target and row.target != row.path else ""
        note = {"already": "  is there already", "replaced": "  replaced what was there"}.get(row.note, "")
        session.say(f"{row.path}{arrow}  ({human_size(row.size)}){note}")
    if len(fine) > _MOST and not session.verbosity:
        session.say(f"… and {len(fine) - _MOST:,} more (-v names them all)")
    did, would = _DID[report.verb]
    moved = sum(row.note != "already" for row in fine)
    where = {"rm": " into the trash of the home", "mv": " in the home"}.get(report.verb, "")
    session.say(files(moved, (would if report.is_dry else did) + where))
    if report.left_out:
        names = report.left_out if session.verbosity else report.left_out[:3]
        more = f" and {len(report.left_out) - len(names)} more" if len(names) < len(report.left_out) else ""
        session.say(f"left out by the rules: {', '.join(names)}{more}")
    if report.url and (report.verb == "rm" or any(row.note == "replaced" for row in fine)):
        session.say(f"what was there lies below {report.url}/.trash/, or in the bucket's versions")
    if report.is_linked and report.verb in {"rm", "mv"} and moved and not report.is_dry:
        session.say("the folder here is as it was; `lab home sync` carries this to it")
    for row in report.failed:
        assert row.error is not None
        session.warn(f"'{row.path}': {row.error.message}" + (f" (hint: {row.error.hint})" if row.error.hint else ""))
    return report.exit_code


def _object_document(row: Row, report: ObjectsReport) -> dict[str, object]:
    document: dict[str, object] = {"path": row.path, "size_bytes": row.size}
    if row.target:
        document["target"] = row.target
    if not report.is_dry:
        document["result"] = "failed" if row.error else row.note or "done"
    return document


def show_shared(session: Session, shared: Shared) -> int:
    """The link alone on standard output; what there is to know about it beside it."""
    if session.is_json:
        session.show_json(
            {
                "path": shared.path,
                "url": shared.url,
                "until": shared.until,
                "size_bytes": shared.size,
                "ends_with_session": shared.is_temporary,
            }
        )
        return 0
    print(printable(shared.url, sys.stdout))
    if shared.is_temporary:
        session.warn("it was signed with temporary keys, and dies with their session if that is earlier")
    if not session.is_quiet:
        text = f"anybody who has it may read {shared.path} ({human_size(shared.size)}) until {_when(shared.until)}"
        print(printable(text, sys.stderr), file=sys.stderr)
    return 0


def show_log(session: Session, changes: list[Change]) -> int:
    """Changes, the youngest first."""
    if session.is_json:
        session.show_json(
            [
                {
                    "path": change.path,
                    "when": change.when,
                    "change": change.what,
                    "size_bytes": change.size,
                    "machine": change.machine or None,
                }
                for change in changes
            ]
        )
        return 0
    for change in changes:
        by = f"by {change.machine}" if change.machine else "machine not known"
        session.say(f"{_when(change.when)}  {change.what:<8}{human_size(change.size):>10}  {change.path}  ({by})")
    if not changes:
        session.say("nothing is known to have changed")
    return 0


def show_emptied(session: Session, done: Emptied) -> int:
    """How much is gone for good."""
    if session.is_json:
        session.show_json(
            {
                "dry_run": done.is_dry,
                "files": done.old.files,
                "size_bytes": done.old.size,
                "failed": [error_document(path, error) for path, error in done.failed],
            }
        )
        return done.exit_code
    size = human_size(done.old.size)
    session.say(files(done.old.files, f"({size}) " + ("to delete for good" if done.is_dry else "deleted for good")))
    if done.keeps_versions:
        session.say("the bucket keeps versions of its own; its lifecycle rules say for how long")
    for path, error in done.failed:
        session.warn(f"'{path}': {error.message}")
    return done.exit_code
