"""Where an administrator works: the lab of a repository, its store, and what is known of each member there."""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import NamedTuple

from labops import rights
from labops.administration import Provider, lab_root, open_provider
from labops.administration.labfiles import lab_text
from labops.administration.opening import open_cloud, reached
from labops.drivers import fs
from labops.drivers.iam import Identities
from labops.errors import NotFound, Unsupported
from labops.formats.invite import Invite
from labops.formats.labfile import FILE, read_lab
from labops.membership import AccessKey, KeyInfo, Lab, Member
from labops.membership import Provider as Name
from labops.planning.keys import Keyring
from labops.planning.lab import Change, Thing, plan_lab
from labops.rights import MachineNote


class Places(NamedTuple):
    """Where a member's bytes lie: `s3://…`, or folders; the home is empty for guests."""

    home: str
    datasets: str


class Known(NamedTuple):
    """What store and home tell about one member. `keys` is None where there is no identity yet."""

    keys: tuple[KeyInfo, ...] | None
    machines: tuple[MachineNote, ...]

    @property
    def ring(self) -> Keyring:
        """The keys, and which machine joined with which."""
        return Keyring(self.keys or (), {note.machine: note.key_id for note in self.machines})


def places_of(lab: Lab, member: Member) -> Places:
    """The member's home and the datasets."""
    if lab.provider is Name.LOCAL:
        root = lab.root.rstrip("/")
        home, datasets = f"{root}/{lab.home_bucket}/{member.name}", f"{root}/{lab.dataset_bucket}"
    else:
        home = f"s3://{lab.home_bucket}/{lab.home_prefix(member.name)}".rstrip("/")
        datasets = f"s3://{lab.dataset_bucket}"
    return Places(home if member.has_home else "", datasets)


class Office:
    """One lab, as its administrator works on it. Opens nothing before it is needed."""

    def __init__(self, root: str, profile: str = "") -> None:
        """`root` is the folder of `lab.toml`; `profile` the administrator's AWS profile, if not the environment's."""
        self.root = root
        self._profile = profile

    @classmethod
    def find(cls, start: str = ".", *, profile: str = "") -> Office:
        """The lab whose `lab.toml` is nearest, at or above `start`. `NotFound` (`no-lab-file`) without one."""
        return cls(lab_root(start), profile)

    @cached_property
    def text(self) -> str:
        """The file as it is."""
        return lab_text(self.root)

    @cached_property
    def lab(self) -> Lab:
        """What the file says, with the endpoint that the store is reached at."""
        return reached(read_lab(self.text), profile=self._profile)

    def rewrite(self, text: str) -> None:
        """Replace `lab.toml`, atomically; git has the old one."""
        if text != self.text:
            fs.write_atomic(os.path.join(self.root, FILE), text.encode())
            self.text = text
            self.lab = reached(read_lab(text), profile=self._profile)

    def member(self, name: str) -> Member:
        """`NotFound` (`no-such-member`) for a name that the file does not hold."""
        found = self.lab.member(name)
        if found is None:
            raise NotFound(
                f"no member is called '{name}' in {FILE}", code="no-such-member", hint="lab admin members", member=name
            )
        return found

    # -- the store --------------------------------------------------------------------------------------

    def options(self) -> dict[str, str]:
        """How the administrator reaches homes and datasets; none for folders."""
        lab = self.lab
        if lab.provider is Name.LOCAL:
            return {}
        found = {"endpointurl": lab.endpoint, "region": lab.region, "profile": self._profile}
        return {name: value for name, value in found.items() if value}

    @cached_property
    def provider(self) -> Provider:
        """Who keeps the bytes."""
        return open_provider(self.lab, profile=self._profile)

    @cached_property
    def _identities(self) -> Identities | None:
        if self.lab.provider is Name.LOCAL or self.lab.identity == "roles":
            return None
        return open_cloud(self.lab, profile=self._profile).identities

    @property
    def identities(self) -> Identities:
        """Who may sign in. `Unsupported` (`no-identities`) for a lab whose members have no keys of ours."""
        found = self._identities
        if found is None:
            raise Unsupported(
                "labops makes no keys for this lab: its members have accounts, log in by SSO, or get keys by hand",
                code="no-identities",
                hint="lab admin invite NAME --key-file FILE puts a key made by hand into an invite",
            )
        return found

    @property
    def has_keys(self) -> bool:
        """True when labops makes the keys with which members of this lab sign in."""
        return self._identities is not None

    def look(self, member: Member) -> Known:
        """The member's keys and machines, as the store and the home tell."""
        keys: tuple[KeyInfo, ...] | None = None
        if self.has_keys:
            try:
                keys = self._keys(member)
            except NotFound:
                keys = None
        return Known(keys, tuple(self._machines(member)))

    def _keys(self, member: Member) -> tuple[KeyInfo, ...]:
        """The keys, the oldest first, also where the store does not tell their age."""
        found = self.identities.keys(self.lab.identity_of(member.name))
        if all(key.created for key in found):
            return found
        noted = rights.key_notes(self._notes(member), self.options())
        dated = (key._replace(created=key.created or noted.get(key.id, "")) for key in found)
        return tuple(sorted(dated, key=lambda key: (key.created, key.id)))

    def new_key(self, member: Member) -> AccessKey:
        """Make a key, and note when, for stores that do not tell."""
        identity = self.lab.identity_of(member.name)
        key = self.identities.create_key(identity)
        try:
            if not all(known.created for known in self.identities.keys(identity) if known.id == key.id):
                rights.note_key(self._notes(member), key.id, self.options())
        except BaseException:
            self.identities.delete_key(identity, key.id)
            raise
        return key

    def _notes(self, member: Member) -> str:
        """The prefix that holds notes about a member, who may be a guest without a home."""
        return f"s3://{self.lab.home_bucket}/{self.lab.home_prefix(member.name)}".rstrip("/")

    def _machines(self, member: Member) -> list[MachineNote]:
        home = places_of(self.lab, member).home
        if not home:
            return []
        try:
            return rights.machine_notes(home, self.options())
        except NotFound:
            return []  # the bucket, or the folder, is not made yet

    def changes_for(self, name: str, lab: Lab) -> tuple[Change, ...]:
        """What `lab` (the file as it is about to be) changes at the store for this member alone."""
        wanted = self.provider.wanted(lab, today())
        changes = plan_lab(wanted.state, self.provider.observe(lab), wanted.why)
        return tuple(change for change in changes if change.thing == self.account(name))

    def account(self, name: str) -> Thing:
        """What a member is at the store: an identity, or an account of the server."""
        return Thing("user", name if self.lab.provider is Name.LOCAL else self.lab.identity_of(name))

    # -- invites ----------------------------------------------------------------------------------------

    def invite(self, member: Member, key: AccessKey | None, expires: str) -> Invite:
        """The invite of this member with this key."""
        lab, places = self.lab, places_of(self.lab, member)
        return Invite(
            lab=lab.name,
            member=member.name,
            role=member.role.value,
            home=places.home,
            datasets=places.datasets,
            repository=lab.repository,
            endpoint=lab.endpoint,
            region=lab.region,
            key_id=key.id if key else "",
            secret=key.secret.reveal() if key else "",
            expires=expires,
        )


def today() -> str:
    """`2026-04-01`, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def day_after(days: int) -> str:
    """The day that many days from now; from today back for a negative number."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86400))
