"""`verify`: what was found, for people and for machines."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options
from labops.cli.session import Command, Session, json_option, paint, pass_session, printable
from labops.cli.show import from_here
from labops.cli.words import human_size, join

if TYPE_CHECKING:
    from labops.proof.mending import Mended
    from labops.proof.words import Finding, Look
    from labops.verbs.verify import Proof

_MOST_FINDINGS = 20
_MOST_PATHS = 3
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%?")


def _share(_context: click.Context, _option: click.Parameter, text: str | None) -> float:
    """`1%` as 0.01."""
    if text is None:
        return 1.0
    match = _PERCENT.fullmatch(text.strip())
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"'{text}' is not a share such as 1% (more than 0%, at most 100%)")
    return share


@click.command("verify", cls=Command)
@options.targets
@click.option("--workspace", is_flag=True, help="Hash the files of the workspace (default, with --cache).")
@click.option("--cache", is_flag=True, help="Hash the objects in the cache.")
@click.option(
    "--remote", "is_remote", is_flag=True, help="Prove the objects on the remote, by its own checksums where it can."
)
@click.option("--all", "is_all", is_flag=True, help="All three.")
@click.option(
    "-r", "name", metavar="NAME", shell_complete=options.known_remotes, help="Remote to prove, or repair from."
)
@options.revisions
@options.with_deps
@options.recursive
@options.glob
@click.option("--repair", is_flag=True, help="Quarantine what is bad and make it anew from any good copy.")
@click.option("-f", "--force", is_flag=True, help="With --repair: replace changed workspace files too.")
@click.option("--sample", "share", metavar="PERCENT", callback=_share, help="Hash only this share, e.g. 1%.")
@click.option("--seed", type=click.IntRange(min=0), help="With --sample: take the same ones as an earlier run.")
@click.option("--download", is_flag=True, help="Read every object of the remote, whatever its checksums say.")
@options.jobs
@options.dry_run
@json_option
@pass_session
def verify(
    session: Session,
    /,
    targets: tuple[str, ...],
    workspace: bool,
    cache: bool,
    is_remote: bool,
    is_all: bool,
    name: str | None,
    repair: bool,
    force: bool,
    share: float,
    seed: int | None,
    download: bool,
    jobs: int | None,
    dry_run: bool,
    **chosen: bool,
) -> int:
    """Hash what is tracked again and list every bad or missing object.

    Exits with 0 when all is right, 4 when something is not, 3 when a repair failed. A workspace file that
    somebody changed is unsaved work: it is reported as modified and never replaced without -f.
    """
    from labops.model import Selection
    from labops.proof.words import Where
    from labops.verbs.verify import VerifyOptions
    from labops.verbs.verify import verify as verb

    flags = {Where.WORKSPACE: workspace, Where.CACHE: cache, Where.REMOTE: is_remote}
    places = frozenset(where for where, is_asked in flags.items() if is_asked or is_all)
    if (name or download) and not places and not repair:
        places = frozenset({Where.REMOTE})
    project = session.project()
    asked = VerifyOptions(places, name, jobs, share, seed, repair, force, is_store_believed=not download)
    with session.progress() as on_event:
        proof = verb(project, Selection(targets, **chosen), asked, dry_run=dry_run, on_event=on_event)
    if session.is_json:
        session.show_json(proof_document(proof))
    else:
        given = {"all": is_all, "workspace": workspace, "cache": cache, "remote": is_remote, "force": force, **chosen}
        named = [f"--{flag.replace('_', '-')}" for flag, is_given in given.items() if is_given]
        words = [*targets, *named, *(["-r", name] if name else []), *(["--download"] if download else []), "--repair"]
        next_step = "" if repair and not dry_run else shlex.join(["lab", "verify", *words])
        _show(session, proof, project.root, next_step=next_step)
    return proof.exit_code


def proof_document(proof: Proof) -> dict[str, object]:
    """What `--json` prints: a record to keep. Sizes are in bytes, paths relative to the project's root."""
    fates = {mended.finding: mended for mended in proof.mended}
    return {
        "time": proof.time,
        "version": proof.version,
        "host": proof.host,
        "ok": not proof.open,
        "sample": None if proof.share >= 1 else {"percent": proof.share * 100, "seed": proof.seed},
        "places": [_look_document(look) for look in proof.looks],
        "problems": [_finding_document(finding, fates.get(finding)) for finding in proof.findings],
        "absent": list(proof.absent),
        "warnings": list(proof.warnings),
    }


def _look_document(look: Look) -> dict[str, object]:
    return {
        "place": look.where.value,
        "remote": look.remote or None,
        "objects": look.objects,
        "hashed": look.hashed,
        "hashed_bytes": look.hashed_bytes,
        "proved_by_store": look.by_store,
        "requests": look.requests,
        "downloaded_bytes": look.downloaded_bytes,
        "problems": len(look.findings),
    }


def _finding_document(finding: Finding, mended: Mended | None) -> dict[str, object]:
    error = mended.error if mended else None
    facts: dict[str, object] = {
        "place": finding.where.value,
        "remote": finding.remote or None,
        "problem": finding.problem.value,
        "oid": finding.oid,
        "size_bytes": finding.size,
        "paths": list(finding.paths),
        "repaired": mended is not None and error is None,
    }
    if finding.reason:
        facts["reason"] = finding.reason
    if error is not None:
        facts["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
    return facts


def _show(session: Session, proof: Proof, root: str, *, next_step: str) -> None:
    for warning in proof.warnings:
        session.warn(warning)
    for look in proof.looks:
        session.say(_look_line(look))
    if proof.share < 1:
        session.say(f"sample: {proof.share * 100:g}% of the objects; the same again with: --seed {proof.seed}")
    if proof.absent:
        session.say(f"not on this machine: {_named(proof.absent, root)}")
    most = len(proof.findings) if session.verbosity else _MOST_FINDINGS
    fates = {mended.finding: mended for mended in proof.mended}
    for finding in proof.findings[:most]:
        session.say(_finding_line(finding, fates.get(finding), root))
    if len(proof.findings) > most:
        session.say(f"… and {len(proof.findings) - most:,} more (-v names them all, --json too)")
    _conclude(session, proof, next_step=next_step)


def _look_line(look: Look) -> str:
    if look.remote:
        place = f"remote '{look.remote}'"
        told = f"{look.by_store:,} of {look.objects:,} objects proved by the store's own checksums; "
        parts = [(told if look.by_store else "") + f"{look.hashed:,} read ({human_size(look.hashed_bytes)})"]
    else:
        place = look.where.value
        what = "files" if place == "workspace" else "objects"
        parts = [f"{look.hashed:,} of {look.objects:,} {what} hashed ({human_size(look.hashed_bytes)})"]
    if look.requests:
        plural = "s" if look.requests != 1 else ""
        parts.append(f"{look.requests:,} request{plural}, {human_size(look.downloaded_bytes)} downloaded")
    return f"{place}: {'; '.join(parts)}"


def _finding_line(finding: Finding, mended: Mended | None, root: str) -> str:
    place = f"remote '{finding.remote}'" if finding.remote else finding.where.value
    end = f"  ({finding.reason})" if finding.reason else ""
    if mended is not None:
        end += f"  NOT repaired: {mended.error.message}" if mended.error else "  repaired"
    if finding.where.value == "workspace":
        return f"{finding.problem.value:<11}{place}: {_named(finding.paths, root)}{end}"
    size = f" ({human_size(finding.size)})" if finding.size is not None else ""
    return f"{finding.problem.value:<11}{place}: {finding.oid}{size}, needed by {_named(finding.paths, root)}{end}"


def _named(paths: tuple[str, ...], root: str) -> str:
    more = f" and {len(paths) - _MOST_PATHS:,} more" if len(paths) > _MOST_PATHS else ""
    return ", ".join(from_here(path, root) for path in paths[:_MOST_PATHS]) + more


def _conclude(session: Session, proof: Proof, *, next_step: str) -> None:
    """The last line, and what to type next: `next_step` repairs."""
    if not proof.findings and not any(look.objects for look in proof.looks):
        session.say("There is nothing to verify here.")
        return
    repaired = len(proof.findings) - len(proof.open)
    if repaired:
        session.say(f"{repaired:,} repaired.")
    if not proof.open:
        session.say("Everything is right again." if repaired else "Everything is right.")
        return
    counts: dict[str, int] = {}
    for finding in proof.open:
        counts[finding.problem.value] = counts.get(finding.problem.value, 0) + 1
    kinds = join([f"{number:,} {name}" for name, number in counts.items()])
    lines = [f"{len(proof.open):,} not right: {kinds}"]
    lines += [f"hint: {hint}" for hint in _hints(proof, next_step=next_step)]
    text = printable("\n".join(lines), sys.stderr)
    print(f"{paint('ERROR', 'red', sys.stderr)}: {text}", file=sys.stderr)


def _hints(proof: Proof, *, next_step: str) -> Iterator[str]:
    kinds = {(finding.problem.value, finding.where.value) for finding in proof.open}
    damage = {kind for kind in kinds if kind[0] in ("corrupt", "missing")} - {("missing", "workspace")}
    if damage and next_step:
        yield f"repair it with: {next_step}"
    yield from dict.fromkeys(mended.error.hint for mended in proof.mended if mended.error and mended.error.hint)
    if {problem for problem, _ in kinds} & {"modified", "added"}:
        yield "keep changed files with: lab add (or lab commit); throw the changes away with: lab checkout --force"
    if ("missing", "workspace") in kinds:
        yield "put missing files back with: lab checkout"
