"""Where an administrator works: the lab of a repository, its store, and what is known of each member there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from labops import rights
from labops.drivers import fs
from labops.drivers.aws import S3Access, s3_access
from labops.drivers.iam import Identities, open_aws, open_ceph
from labops.errors import InvalidInput, NotFound, Unsupported
from labops.formats.invite import Invite
from labops.formats.labfile import FILE, read_lab
from labops.membership import AccessKey, KeyInfo, Lab, Member, Provider
from labops.planning.keys import Keyring
from labops.rights import MachineNote

_LIMIT = 1 << 20


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
    if lab.provider is Provider.LOCAL:
        root = lab.root.rstrip("/")
        home, datasets = f"{root}/{lab.home_bucket}/{member.name}", f"{root}/{lab.dataset_bucket}"
    else:
        home = f"s3://{lab.home_bucket}/{lab.home_prefix(member.name)}".rstrip("/")
        datasets = f"s3://{lab.dataset_bucket}"
    return Places(home if member.has_home else "", datasets)


class Office:
    """One lab, as its administrator works on it. Opens nothing before it is needed."""

    def __init__(self, path: str, options: Mapping[str, str] | None = None, *, identities: Identities | None = None):
        """`path` is the `lab.toml`; `options` are those of a dvc remote (profile, region …) for the administrator."""
        self.path = path
        self._options = dict(options or {})
        self._given = identities

    @classmethod
    def find(cls, start: str = ".", *, profile: str = "") -> Office:
        """The lab whose `lab.toml` is nearest, at or above `start`. `NotFound` (`no-lab-file`) without one."""
        folder = os.path.realpath(start)
        while not os.path.isfile(os.path.join(folder, FILE)):
            parent = os.path.dirname(folder)
            if parent == folder:
                raise NotFound(
                    f"there is no {FILE} here, nor in a folder above", code="no-lab-file", hint="lab admin init"
                )
            folder = parent
        return cls(os.path.join(folder, FILE), {"profile": profile} if profile else {})

    @property
    def root(self) -> str:
        return os.path.dirname(self.path)

    @cached_property
    def text(self) -> str:
        """The file as it is."""
        try:
            return fs.read_bytes(self.path, limit=_LIMIT).decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"'{self.path}' is no UTF-8 text", code="bad-lab-file", path=self.path) from error

    @cached_property
    def lab(self) -> Lab:
        """What the file says."""
        return read_lab(self.text)

    def rewrite(self, text: str) -> None:
        """Replace `lab.toml`, atomically; git has the old one."""
        if text != self.text:
            fs.write_atomic(self.path, text.encode())
            self.text = text
            self.lab = read_lab(text)

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
        if lab.provider is Provider.LOCAL:
            return {}
        found = {"endpointurl": lab.endpoint, "region": lab.region, **self._options}
        return {name: value for name, value in found.items() if value}

    @cached_property
    def access(self) -> S3Access:
        """The administrator's credentials."""
        return s3_access(self.options())

    @cached_property
    def identities(self) -> Identities:
        """Who may sign in. `Unsupported` (`no-identities`) for a lab whose members have no keys of the store."""
        lab = self.lab
        if self._given is not None:
            return self._given
        if lab.provider is Provider.LOCAL or lab.identity == "roles":
            raise Unsupported(
                "members of this lab have no keys: "
                + (
                    "its server knows them by their accounts"
                    if lab.provider is Provider.LOCAL
                    else "they log in by SSO"
                ),
                code="no-identities",
                hint="lab admin apply",
            )
        return open_aws(self.access) if lab.provider is Provider.AWS else open_ceph(self.access)

    @property
    def has_keys(self) -> bool:
        """True when members of this lab sign in with keys."""
        return self._given is not None or (self.lab.provider is not Provider.LOCAL and self.lab.identity == "users")

    def look(self, member: Member) -> Known:
        """The member's keys and machines, as the store and the home tell."""
        keys: tuple[KeyInfo, ...] | None = None
        if self.has_keys:
            try:
                keys = self.identities.keys(self.lab.identity_of(member.name))
            except NotFound:
                keys = None
        return Known(keys, tuple(self._machines(member)))

    def _machines(self, member: Member) -> list[MachineNote]:
        home = places_of(self.lab, member).home
        if not home:
            return []
        try:
            return rights.machine_notes(home, self.options())
        except NotFound:
            return []  # the bucket, or the folder, is not made yet

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
