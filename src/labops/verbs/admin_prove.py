"""`admin prove`: ask the store each right of each role with a member's real key, and compare with what is promised."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from labops.administration.borrowing import Borrowed, borrowed_keys
from labops.administration.days import today
from labops.administration.labfiles import find_lab
from labops.administration.opening import admin_access, open_cloud, reached
from labops.drivers.aws import AwsKeys, S3Access
from labops.drivers.iam import Identities
from labops.drivers.probing import Ground, Prepared, Prober, keys_of
from labops.errors import AccessDenied, InvalidInput, NotFound, Unsupported
from labops.membership import Lab, Member, Provider, Role
from labops.planning.rights import Target, Trial, cast, trials


class Answer(NamedTuple):
    """One trial and what the store really did: `allowed`, `denied`, `kept` or `error:…`."""

    trial: Trial
    seen: str

    @property
    def is_as_promised(self) -> bool:
        return self.seen == self.trial.promise


class Proof(NamedTuple):
    """All answers, and the members who could not be asked, each with the reason."""

    lab: Lab
    answers: tuple[Answer, ...]
    absent: tuple[tuple[str, str], ...] = ()

    @property
    def broken(self) -> tuple[Answer, ...]:
        """The answers that are not what the documentation promises."""
        return tuple(answer for answer in self.answers if not answer.is_as_promised)

    @property
    def exit_code(self) -> int:
        """0 when everything is as promised and somebody was asked, 4 otherwise."""
        return 4 if self.broken or not self.answers else 0


def prove(
    folder: str = ".",
    *,
    profile: str = "",
    members: tuple[str, ...] = (),
    profiles: Mapping[str, str] | None = None,
    day: str = "",
    on_answer: Callable[[Answer], None] = lambda _answer: None,
) -> Proof:
    """Try every action on every place for `members` (one or two of each role by default).

    A temporary key is made for each and taken away after; `profiles` names AWS profiles to be used instead, by member,
    for stores without an API for users and for members who log in by SSO. Needs the administrator's credentials,
    which prepare the objects that are tried on, in folders `.lab-probe-…`, and take them away again.
    """
    lab = reached(find_lab(folder), profile=profile)
    if lab.provider is Provider.LOCAL:
        return _prove_server(lab, members, day or today(), on_answer)
    cloud = open_cloud(lab, profile=profile)
    access = admin_access(lab, profile=profile)
    given = dict(profiles or {})
    actors = cast(lab, day or today(), names=(*members, *given))
    _check_names(lab, (*members, *given), actors)
    for bucket in (lab.home_bucket, lab.dataset_bucket):
        if not cloud.buckets.exists(bucket):
            raise NotFound(f"there is no bucket '{bucket}' yet", code="lab-not-applied", hint="lab admin apply")
    note = Borrowed(lab)
    with _cleaned(access, note) as ground, _keys(lab, cloud.identities, actors, given, note) as keys:
        playing = tuple(actor for actor in actors if actor.name in keys)
        run = _Run(lab, access, ground, note)
        answers = [answer for actor in playing for answer in run.ask(actor, keys[actor.name], playing, on_answer)]
    absent = tuple((actor.name, "has two keys already, or no identity yet") for actor in actors if actor not in playing)
    return Proof(lab, tuple(answers), (*absent, *_missing_roles(lab, playing)))


def _prove_server(lab: Lab, names: tuple[str, ...], day: str, on_answer: Callable[[Answer], None]) -> Proof:
    from labops.administration.serverproof import prove_server

    actors = cast(lab, day, names=names)
    _check_names(lab, names, actors)
    seen = prove_server(lab, actors, day)
    answers = tuple(Answer(trial, word) for trial, word in seen.answers)
    for answer in answers:
        on_answer(answer)
    return Proof(lab, answers, seen.absent)


def _check_names(lab: Lab, names: tuple[str, ...], actors: tuple[Member, ...]) -> None:
    for name in names:
        if lab.member(name) is None:
            raise NotFound(f"no member is called '{name}'", code="no-such-member", hint="lab admin plan", member=name)
        if not any(actor.name == name for actor in actors):
            message = f"'{name}' is suspended or past the last day, and has no rights to prove"
            raise InvalidInput(message, code="member-not-active", member=name)


def _missing_roles(lab: Lab, actors: tuple[Member, ...]) -> Iterator[tuple[str, str]]:
    for role in Role:
        if not any(actor.role is role for actor in actors):
            yield role.value, "nobody of this role could be asked"
    students = [actor for actor in actors if actor.role is Role.STUDENT]
    if len(students) == 1 and len(lab.members) > 1:
        yield Role.STUDENT.value, "only one could be asked, so student against student is not proved"


@contextlib.contextmanager
def _keys(
    lab: Lab, identities: Identities | None, actors: tuple[Member, ...], profiles: Mapping[str, str], note: Borrowed
) -> Iterator[dict[str, AwsKeys]]:
    """Credentials of each member, from profiles or made for the proof."""
    keys: dict[str, AwsKeys] = {}
    for name, profile in profiles.items():
        found = admin_access(lab, profile=profile).keys
        if found is None:
            raise AccessDenied(f"the profile '{profile}' has no keys", code="no-credentials", profile=profile)
        keys[name] = found()
    others = tuple(actor for actor in actors if actor.name not in keys)
    if others and (identities is None or lab.identity == "roles"):
        raise Unsupported(
            "this store has no members' keys that could be made for a proof",
            code="no-keys-to-borrow",
            hint="lab admin prove --as NAME=PROFILE for each member to be asked",
        )
    if identities is None or not others:
        yield keys
        return
    with borrowed_keys(lab, identities, others, note) as made:
        yield keys | {name: keys_of(key) for name, key in made.items()}


@contextlib.contextmanager
def _cleaned(access: S3Access, note: Borrowed) -> Iterator[Ground]:
    """The administrator's side; every folder in the note is gone at the end, those of a killed proof too."""
    ground = Ground(access)
    try:
        yield ground
    finally:
        for bucket, folder in note.left("folder"):
            with contextlib.suppress(NotFound):
                ground.clean(bucket, folder)
            note.drop("folder", bucket, folder)


class _Run:
    """One proof: a folder of its own at each place, and another for what members copy to."""

    def __init__(self, lab: Lab, access: S3Access, ground: Ground, note: Borrowed) -> None:
        self._lab = lab
        self._access = access
        self._ground = ground
        self._note = note
        self._folder = f".lab-probe-{secrets.token_hex(4)}/"

    def ask(
        self, actor: Member, keys: AwsKeys, others: tuple[Member, ...], on_answer: Callable[[Answer], None]
    ) -> Iterator[Answer]:
        """Every trial of one member."""
        lab = self._lab
        away = f"{lab.home_bucket}/{lab.home_prefix(actor.name)}{self._folder}"
        if actor.has_home:
            self._remember(lab.home_bucket, f"{lab.home_prefix(actor.name)}{self._folder}")
        prober = Prober(self._access, keys, self._ground, away=away if actor.has_home else "")
        prober.wait_until_known(lab.dataset_bucket)
        places: dict[Target, Prepared] = {}
        for trial in trials(lab, (actor,)) if len(others) == 1 else _of(actor, trials(lab, others)):
            if trial.target not in places:
                places[trial.target] = self._prepare(actor, trial.target)
            answer = Answer(trial, prober.attempt(trial.action, places[trial.target]))
            on_answer(answer)
            yield answer

    def _prepare(self, actor: Member, target: Target) -> Prepared:
        if target.kind.endswith("bucket"):
            return Prepared(target.bucket, "", "")
        folder = f"{target.prefix}{self._folder}"
        self._remember(target.bucket, folder)
        return self._ground.prepare(target.bucket, f"{folder}by-{actor.name}/")

    def _remember(self, bucket: str, folder: str) -> None:
        if (bucket, folder) not in self._note.left("folder"):
            self._note.add("folder", bucket, folder)


def _of(actor: Member, rows: Iterator[Trial]) -> Iterator[Trial]:
    return (row for row in rows if row.actor == actor)
