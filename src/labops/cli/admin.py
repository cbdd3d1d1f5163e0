"""`lab admin …`: one file that says what the lab is, and the commands that make it so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labops.cli import admin_members, options
from labops.cli import admin_show as show
from labops.cli.session import Family, Session, is_terminal, json_option, pass_session
from labops.errors import Conflict, InvalidInput
from labops.model import Event

if TYPE_CHECKING:
    from labops.membership import Lab
    from labops.verbs.admin_plan import LabPlan


@click.group("admin", cls=Family)
def admin() -> None:
    """Set the lab up, give its members their rights, and prove them.

    `lab.toml` in the datasets repository says what the lab is; `lab admin plan` shows what would change at the store,
    `lab admin apply` changes it, `lab admin prove` tries every right with members' real keys.
    """


_profile = click.option("--profile", default="", metavar="NAME", help="The AWS profile with the administrator's key.")
_region_words = "The region of the buckets, such as ap-northeast-1."


@admin.command("init")
@click.option("--name", metavar="NAME", help="The lab's name, in small letters.")
@click.option("--provider", type=click.Choice(["aws", "s3", "local"]), help="Who keeps the bytes.")
@click.option("--region", metavar="REGION", help=_region_words)
@click.option("--endpoint", metavar="URL", help="The address of the store, for s3.")
@click.option("--root", metavar="FOLDER", help="The folder below which everything lies, for local.")
@click.option("--admin", "administrator", metavar="MEMBER", help="Your own name as a member.")
@click.option("--home-bucket", metavar="BUCKET", help="The bucket of homes.")
@click.option("--dataset-bucket", metavar="BUCKET", help="The bucket of datasets.")
@click.option("--repository", metavar="URL", help="Where members clone the datasets repository from.")
@click.option("-f", "--force", is_flag=True, help="Replace a lab.toml that is there.")
@options.dry_run
@pass_session
def init(session: Session, /, force: bool, dry_run: bool, **answers: str | None) -> int:
    """Write a commented lab.toml, from five questions or from options. Sends nothing to any store."""
    from labops.verbs.admin_init import init as write
    from labops.verbs.admin_init import repository_folder

    folder = repository_folder()
    text = write(_lab(folder, answers), folder, is_forced=force, dry_run=dry_run)
    if dry_run:
        session.say(text.rstrip("\n"))
    else:
        session.say("wrote lab.toml: add the members to it, then look at `lab admin plan`")
    return 0


def _lab(folder: str, answers: dict[str, str | None]) -> Lab:
    """The lab that the options and answers describe."""
    from labops.membership import Lab, Member, Provider, Role
    from labops.verbs.admin_init import suggested_buckets, suggestions

    known = suggestions(folder)
    name = _answer(answers, "name", "The lab's name (small letters)", known["name"])
    kind = Provider(_answer(answers, "provider", "Who keeps the bytes: aws, s3 or local", "aws"))
    region = endpoint = root = ""
    if kind is Provider.AWS:
        region = _answer(answers, "region", _region_words.rstrip("."), known["region"])
        endpoint = answers["endpoint"] or ""
    elif kind is Provider.S3:
        endpoint = _answer(answers, "endpoint", "The address of the store", "")
        region = answers["region"] or ""
    else:
        root = _answer(answers, "root", "The folder below which everything lies", "/srv/lab")
    administrator = _answer(answers, "administrator", "Your own name as a member", known["administrator"])
    repository = _answer(
        answers,
        "repository",
        "Where the datasets repository is cloned from (- for nowhere yet)",
        known["repository"] or "-",
    )
    homes, datasets = suggested_buckets(name)
    return Lab(
        name=name, provider=kind, region=region, endpoint=endpoint, root=root,
        home_bucket=answers["home_bucket"] or homes, dataset_bucket=answers["dataset_bucket"] or datasets,
        repository="" if repository == "-" else repository, members=(Member(administrator, Role.ADMIN),),
    )  # fmt: skip


def _answer(answers: dict[str, str | None], key: str, question: str, default: str) -> str:
    """The option where it was given, else what a person types, else the default for scripts."""
    import sys

    given = answers[key]
    if given is not None:
        return given
    if is_terminal(sys.stdin):
        typed: str = click.prompt(question, default=default or None, err=True)
        return typed.strip()
    if not default:
        option = "--admin" if key == "administrator" else f"--{key.replace('_', '-')}"
        raise InvalidInput(f"'{option}' is needed here", code="bad-usage", hint="lab admin init --help")
    return default


@admin.command("plan")
@_profile
@click.option("--check", is_flag=True, help="Exit with 4 when something would change.")
@json_option
@pass_session
def plan(session: Session, /, profile: str, check: bool) -> int:
    """Show what would be created, set, granted and revoked at the store, and why. Changes nothing."""
    from labops.verbs.admin_plan import plan as look

    found = look(profile=profile)
    if session.is_json:
        session.show_json(show.plan_document(found))
    else:
        show.plan(session, found)
    return 4 if check and found.changes else 0


@admin.command("apply")
@_profile
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--script", is_flag=True, help="For a lab server: print the commands for root, and do nothing.")
@options.dry_run
@json_option
@pass_session
def apply(session: Session, /, profile: str, yes: bool, script: bool, dry_run: bool) -> int:
    """Make the store as lab.toml says, after showing the plan. Deletes no data; can be repeated at any time."""
    from labops.verbs.admin_apply import apply as change
    from labops.verbs.admin_plan import plan as look

    found = look(profile=profile)
    if script:
        return _script(session, found)
    if not session.is_json:
        show.plan(session, found)
    if dry_run or not found.changes:
        if session.is_json:
            session.show_json(show.plan_document(found))
        return 0
    if not yes and not session.confirm("Apply this?"):
        raise Conflict("nothing was changed", code="not-confirmed", hint="lab admin apply --yes")
    report = change(found.lab, found.changes, profile=profile, on_change=lambda row: show.applied(session, row))
    if session.is_json:
        session.show_json(show.apply_document(report))
    else:
        show.apply_end(session, report)
    return report.exit_code


def _script(session: Session, found: LabPlan) -> int:
    """The plan as commands, for root to read and run."""
    from labops.membership import Provider

    if found.lab.provider is not Provider.LOCAL:
        raise InvalidInput(
            "only the commands of a lab server are a script", code="bad-usage", hint="lab admin export terraform"
        )
    from labops.administration.server import script

    session.say(script(found.changes).rstrip("\n"))
    return 0


@admin.command("audit")
@_profile
@json_option
@pass_session
def audit(session: Session, /, profile: str) -> int:
    """List what to look at: drift, rights that are too wide, old keys, open buckets. Exits with 4 when there is any."""
    from labops.verbs.admin_audit import audit as look

    found = look(profile=profile)
    if session.is_json:
        session.show_json(show.audit_document(found))
    else:
        show.audit(session, found)
    return found.exit_code


@admin.command("prove")
@_profile
@click.option("--member", "members", multiple=True, metavar="NAME", help="Ask as this member; may be repeated.")
@click.option(
    "--as",
    "pairs",
    multiple=True,
    metavar="NAME=PROFILE",
    help="Use this AWS profile for a member, where no key can be made for the proof.",
)
@click.option("--broken", is_flag=True, help="Show what is not as promised, and nothing else.")
@json_option
@pass_session
def prove(session: Session, /, profile: str, members: tuple[str, ...], pairs: tuple[str, ...], broken: bool) -> int:
    """Try every right of every role with members' real keys, and compare with what is promised.

    Keys are made for the proof and taken away after, and so are the objects that are tried on. Exits with 4 when
    anything is not as promised.
    """
    from labops.verbs.admin_prove import prove as ask

    profiles = dict(_pair(pair) for pair in pairs)
    with session.progress() as tell:
        tell(Event("started", "prove"))
        found = ask(
            profile=profile, members=members, profiles=profiles,
            on_answer=lambda _answer: tell(Event("advanced", "prove", count=1)),
        )  # fmt: skip
        tell(Event("finished", "prove"))
    if session.is_json:
        session.show_json(show.proof_document(found))
    else:
        show.proof(session, found, is_short=broken)
    return found.exit_code


def _pair(text: str) -> tuple[str, str]:
    name, equals, profile = text.partition("=")
    if not (name and equals and profile):
        raise InvalidInput(f"'{text}' is not NAME=PROFILE", code="bad-usage", hint="--as russell=lab-russell")
    return name, profile


@admin.command("schema")
@pass_session
def schema(session: Session, /) -> int:
    """Print the JSON schema of lab.toml, for editors."""
    from labops.formats.labschema import json_schema

    session.show_json(json_schema())
    return 0


@admin.group("export", cls=Family)
def export() -> None:
    """Write the lab in another tool's language, so that it can leave."""


@export.command("terraform")
@click.option("--no-imports", is_flag=True, help="Leave out the blocks that import what exists.")
@pass_session
def export_terraform(session: Session, /, no_imports: bool) -> int:
    """Print everything lab.toml asks of AWS as Terraform. No secret is in it; nothing is sent."""
    from labops.verbs.admin_export import export_terraform as write

    session.say(write(with_imports=not no_imports).rstrip("\n"))
    return 0


admin_members.attach(admin)
