"""The words of a lab: who belongs to it with which role, where its bytes lie, and the keys that members hold.

A *lab* is what `lab.toml` says. A *member* is a person of it; an *identity* is the member's name at the store
(an IAM user, a user of Ceph), whose rights are *policies*, JSON texts.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

HOME_TRASH = ".trash"
"""The folder of a home that keeps what a sync replaced or deleted."""
ALUMNI = "alumni"
"""The prefix of the home bucket for the homes of those who left; no member may bear this name."""


class Role(enum.StrEnum):
    """What a member may do. Everybody reads the datasets."""

    ADMIN = "admin"
    """Runs `lab admin`; all rights on both buckets, none to make them public."""
    CURATOR = "curator"
    """Has a home and adds objects to the datasets, which nobody but an admin can replace or delete."""
    STUDENT = "student"
    """Has a home."""
    GUEST = "guest"
    """Reads datasets, and the homes that a grant opens; has no home."""


class Provider(enum.StrEnum):
    """Who keeps the bytes."""

    AWS = "aws"
    S3 = "s3"
    """Any store that speaks S3: Ceph with its rights, others by a checklist."""
    LOCAL = "local"
    """Folders of a lab server."""


class Member(NamedTuple):
    """One person. `ends` is the last day (`YYYY-MM-DD`), empty for nobody knows."""

    name: str
    role: Role
    email: str = ""
    groups: tuple[str, ...] = ()
    ends: str = ""
    is_suspended: bool = False

    @property
    def has_home(self) -> bool:
        return self.role is not Role.GUEST

    def is_active(self, today: str) -> bool:
        """True while neither suspended nor past the last day; `today` is `YYYY-MM-DD`."""
        return not self.is_suspended and not (self.ends and self.ends < today)


class Machine(NamedTuple):
    """One computer; `users` are names of members, none meaning everybody."""

    name: str
    is_shared: bool = False
    users: tuple[str, ...] = ()


class Grant(NamedTuple):
    """A folder of somebody's home that others may read; the empty folder is the whole home."""

    home: str
    folder: str
    to: tuple[str, ...]
    """Members, and groups with `@` before their names."""


class Retention(NamedTuple):
    """How long the store keeps what nobody sees any more, in days."""

    old_versions_days: int = 90
    aborted_uploads_days: int = 7


class Tiering(NamedTuple):
    """What becomes of bytes that nobody reads (AWS only). Days of 0 switch a tier off."""

    is_intelligent: bool = True
    """Move objects between tiers by use; reading them stays immediate."""
    archive_days: int = 0
    """Days without a read before the archive tier, where a read takes hours; at least 90."""


class Budget(NamedTuple):
    """A sum per month past which somebody is told."""

    name: str
    monthly_usd: int
    warn_percent: int = 80
    email: str = ""


class Lab(NamedTuple):
    """All that `lab.toml` says. Members, machines, grants and budgets keep the order of the file."""

    name: str
    provider: Provider
    home_bucket: str
    dataset_bucket: str
    region: str = ""
    endpoint: str = ""
    """Empty for AWS itself."""
    repository: str = ""
    """Where the datasets repository is cloned from."""
    root: str = ""
    """The folder below which everything lies, for `local`."""
    identity: str = "users"
    """`users` (a key for each member) or `roles` (members log in by SSO)."""
    trust: str = ""
    """Who may hand out the roles: the ARN of a SAML or OIDC provider."""
    write_once: str = "versions"
    """How a dataset object is kept from being overwritten: `versions` (the old one stays) or `condition` (refused)."""
    members: tuple[Member, ...] = ()
    machines: tuple[Machine, ...] = ()
    grants: tuple[Grant, ...] = ()
    retention: Retention = Retention()
    tiering: Tiering = Tiering()
    budgets: tuple[Budget, ...] = ()

    @property
    def is_write_conditional(self) -> bool:
        """True when the store refuses to overwrite a dataset object, which only AWS itself can."""
        return self.write_once == "condition" and self.provider is Provider.AWS and not self.endpoint

    def member(self, name: str) -> Member | None:
        """The member of this name."""
        return next((member for member in self.members if member.name == name), None)

    def identity_of(self, member: str) -> str:
        """The member's name at the store: `lab-<lab>.<member>`, which no other lab can make."""
        return f"{self.identity_prefix}{member}"

    @property
    def identity_prefix(self) -> str:
        """What the names of this lab's identities begin with; a lab's own name has no dot."""
        return f"lab-{self.name}."

    def home_prefix(self, member: str) -> str:
        """Where the member's home lies in the home bucket, with a slash at its end."""
        return f"{member}/"


class Secret:
    """A text that shows itself to nobody but a caller of `reveal`: not in a repr, a log or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> str:
        """The text itself, for the one place that sends or encrypts it."""
        return self._text


class AccessKey(NamedTuple):
    """A key as the store hands it out, once."""

    id: str
    secret: Secret


class KeyInfo(NamedTuple):
    """What the store tells about a key later. Times are ISO 8601 in UTC; empty where it does not say."""

    id: str
    is_active: bool = True
    created: str = ""
    last_used: str = ""
