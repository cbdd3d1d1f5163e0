"""One person's membership of a lab on this machine: what is remembered, where the key lies, which home it opens.

Three files belong to a membership, for their owner's eyes alone: `labs/NAME.json` in labops' configuration folder, and
the profile `lab-NAME` in AWS's two files, which every other tool understands too. Or the key is in the keyring,
and the profile names `lab` as the program that fetches it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import NamedTuple

from labops.drivers import fs, vault
from labops.drivers.lock import WAIT_SECONDS, RepositoryLock
from labops.errors import InvalidInput, NotFound
from labops.formats import awsfile
from labops.formats.invite import Invite, profile_of

_LIMIT = 1 << 20
_BARE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MOST_FOLDERS = 1000


class Membership(NamedTuple):
    """One member, one lab, this machine. It holds no secret."""

    lab: str
    member: str
    role: str
    machine: str
    """What this computer is called in the lab."""
    home: str = ""
    """The place of all homes of this member: `s3://BUCKET/MEMBER` or a folder; empty for guests."""
    datasets: str = ""
    repository: str = ""
    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    own_profile: str = ""
    """A profile of AWS's that the member made, for labs that hand out no keys (SSO)."""
    keeps_key: str = ""
    """`file`, `keyring`, or empty where no key is needed."""
    clone: str = ""
    """The folder of the datasets repository on this machine; empty while there is none."""
    joined: str = ""
    """The day, `2026-04-01`."""
    folders: tuple[str, ...] = ()
    """Folders on this machine that were linked to the home by its name."""

    @property
    def profile(self) -> str:
        """The AWS profile; empty for a lab without keys."""
        return profile_of(self.lab) if self.key_id else self.own_profile

    def options(self) -> dict[str, str]:
        """The options with which a home or a remote of this lab is reached."""
        if not (self.home or self.datasets).startswith("s3://"):
            return {}
        found = {"profile": self.profile, "region": self.region}
        if not self.key_id:  # the profile that we write holds the endpoint
            found["endpointurl"] = self.endpoint
        return {name: value for name, value in found.items() if value}

    def home_of(self, name: str) -> str:
        """The home for one folder: `s3://BUCKET/MEMBER/NAME`."""
        if not self.home:
            raise NotFound(
                f"a {self.role} of '{self.lab}' has no home",
                code="no-own-home",
                hint="ask the administrator to make you a student in lab.toml",
            )
        if not _BARE_NAME.fullmatch(name):
            raise InvalidInput(
                f"'{name}' cannot be the name of a home",
                code="bad-home-name",
                hint="letters, digits, '.', '_' and '-'; or name a whole place: s3://BUCKET/MEMBER/PROJECT",
            )
        return f"{self.home}/{name}"


def is_home_name(text: str) -> bool:
    """True for a bare name such as `thesis`, which is neither a url nor a path."""
    return bool(_BARE_NAME.fullmatch(text))


# -- what is remembered ---------------------------------------------------------------------------------


def config_folder() -> str:
    """labops' own configuration folder of this person."""
    given = os.environ.get("XDG_CONFIG_HOME", "").strip()
    return os.path.join(given or os.path.expanduser("~/.config"), "labops")


def _path(lab: str) -> str:
    return os.path.join(config_folder(), "labs", f"{lab}.json")


def lock() -> RepositoryLock:
    """One `join` or `leave` at a time for one person on one machine."""
    fs.make_folder(os.path.join(config_folder(), "labs"))
    return RepositoryLock(os.path.join(config_folder(), "lock"), wait_seconds=WAIT_SECONDS, on_wait=lambda _: None)


def memberships() -> tuple[Membership, ...]:
    """Every lab that was joined on this machine, by name."""
    folder = os.path.join(config_folder(), "labs")
    try:
        names = fs.names_in(folder)
    except NotFound:
        return ()
    return tuple(_read(os.path.join(folder, name)) for name in sorted(names) if name.endswith(".json"))


def find_membership(lab: str = "", *, near: str = "") -> Membership:
    """The membership of `lab`; without a name the only one, or the one whose clone holds the folder `near`.

    Raises `NotFound` (`no-membership`), or `InvalidInput` (`several-labs`) when it is not clear which.
    """
    found = memberships()
    if lab:
        found = tuple(one for one in found if one.lab == lab)
    if not found:
        what = f"the lab '{lab}' was not joined" if lab else "no lab was joined"
        raise NotFound(f"{what} on this machine", code="no-membership", hint="lab join NAME.labinvite")
    if len(found) > 1 and near:
        inside = os.path.realpath(near) + os.sep
        close = [one for one in found if one.clone and inside.startswith(one.clone + os.sep)]
        found = tuple(close) or found
    if len(found) > 1:
        names = ", ".join(one.lab for one in found)
        raise InvalidInput(f"several labs were joined here: {names}", code="several-labs", hint="say which: --lab NAME")
    return found[0]


def _read(path: str) -> Membership:
    try:
        found = json.loads(fs.read_bytes(path, limit=_LIMIT))
        texts = {name: str(found[name]) for name in Membership._fields if name != "folders"}
        return Membership(**texts, folders=tuple(map(str, found["folders"])))
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"'{path}' cannot be understood",
            code="bad-membership",
            hint=f"remove it and join again: rm '{path}'",
            path=path,
        ) from error


def save(membership: Membership) -> None:
    """Remember it; nobody else may read it."""
    path = _path(membership.lab)
    fs.make_folder(os.path.dirname(path))
    fs.write_atomic(path, json.dumps(membership._asdict(), indent=2).encode() + b"\n", mode=0o600)


def forget(lab: str) -> None:
    """The membership is no more; absent is fine."""
    fs.remove(_path(lab))


def remember_folder(lab: str, folder: str) -> None:
    """Note that `folder` was linked, so that `leave` can look at it."""
    with lock():
        membership = find_membership(lab)
        if folder not in membership.folders:
            save(membership._replace(folders=(*membership.folders, folder)[-_MOST_FOLDERS:]))


def of_invite(invite: Invite, machine: str, today: str, old: Membership | None, profile: str = "") -> Membership:
    """The membership that an invite makes; what this machine knew before about the same lab stays."""
    return Membership(
        lab=invite.lab,
        member=invite.member,
        role=invite.role,
        machine=machine,
        home=invite.home,
        datasets=invite.datasets,
        repository=invite.repository,
        endpoint=invite.endpoint.rstrip("/"),
        region=invite.region,
        key_id=invite.key_id,
        own_profile="" if invite.key_id else profile or (old.own_profile if old else ""),
        clone=old.clone if old else "",
        joined=old.joined if old else today,
        folders=old.folders if old else (),
    )


# -- the key --------------------------------------------------------------------------------------------


def credentials_path() -> str:
    """AWS's file of keys, as every tool finds it."""
    return os.path.expanduser(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")


def config_path() -> str:
    """AWS's file of settings, as every tool finds it."""
    return os.path.expanduser(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config")


def write_profile(membership: Membership, secret: str, *, program: str = "") -> bool:
    """Make the profile hold this key; True when anything changed. The secret comes first, its user last.

    With `program` (a command line that runs `lab`) the key goes into the system's keyring, and the profile asks that
    program for it.
    Raises `Unsupported` (`no-keyring`) where there is none.
    """
    name = membership.profile
    settings = {"region": membership.region, "endpoint_url": membership.endpoint}
    settings = {key: value for key, value in settings.items() if value}
    if program:
        vault.keep(name, membership.key_id, secret)
        settings["credential_process"] = f"{program} credentials {membership.lab}"
        changed = _change(credentials_path(), lambda text: awsfile.remove_section(text, name))
    else:
        keys = {"aws_access_key_id": membership.key_id, "aws_secret_access_key": secret}
        changed = _change(credentials_path(), lambda text: awsfile.set_section(text, name, keys))
    return _change(config_path(), lambda text: awsfile.set_section(text, f"profile {name}", settings)) or changed


def remove_profile(membership: Membership) -> None:
    """Take the key off this machine: out of both files and out of the keyring."""
    if not membership.key_id:
        return
    name = profile_of(membership.lab)
    _change(config_path(), lambda text: awsfile.remove_section(text, f"profile {name}"))
    _change(credentials_path(), lambda text: awsfile.remove_section(text, name))
    if membership.keeps_key == "keyring":
        vault.drop(name, membership.key_id)


def credentials_document(lab: str) -> dict[str, object]:
    """What AWS's tools expect from a `credential_process`; the secret is from the keyring."""
    membership = find_membership(lab)
    secret = vault.fetch(membership.profile, membership.key_id) if membership.keeps_key == "keyring" else None
    if secret is None:
        raise NotFound(
            f"the keyring holds no key for '{lab}'", code="no-key-in-keyring", hint="lab join NAME.labinvite --keyring"
        )
    return {"Version": 1, "AccessKeyId": membership.key_id, "SecretAccessKey": secret}


def has_profile(membership: Membership) -> bool:
    """True when AWS's files (or the keyring) still hold the key that this membership is about."""
    if membership.keeps_key == "keyring":
        return vault.fetch(membership.profile, membership.key_id) is not None
    found = awsfile.section(_text(credentials_path()), membership.profile) or {}
    return found.get("aws_access_key_id") == membership.key_id


def _change(path: str, change: Callable[[str], str]) -> bool:
    """Rewrite one of AWS's files, readable by its owner alone; what is not ours stays byte for byte."""
    text = _text(path)
    new = change(text)
    if new != text:
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            fs.make_folder(folder)
            os.chmod(folder, 0o700)
        fs.write_atomic(path, new.encode("utf-8", "surrogateescape"), mode=0o600)
    elif text and (fs.mode_of(path) or 0) & 0o077:
        os.chmod(path, 0o600)
        return True
    return new != text


def _text(path: str) -> str:
    try:
        return fs.read_bytes(path, limit=_LIMIT).decode("utf-8", "surrogateescape")
    except NotFound:
        return ""
