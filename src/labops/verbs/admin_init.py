"""`admin init`: write a commented `lab.toml` from a few answers."""

from __future__ import annotations

import os
import re

from labops.drivers import fs
from labops.errors import Conflict
from labops.formats.labfile import FILE, read_lab
from labops.formats.labtemplate import template
from labops.membership import Lab


def init(lab: Lab, folder: str = ".", *, is_forced: bool = False, dry_run: bool = False) -> str:
    """Write `lab.toml` into `folder` and return its text; nothing is sent to any store.

    `Conflict` (`lab-file-exists`) for one that is there, unless `is_forced`; `InvalidInput` (`bad-lab-file`) when the
    answers do not make a lab.
    """
    text = template(lab)
    read_lab(text)
    path = os.path.join(folder, FILE)
    if os.path.lexists(path) and not is_forced:
        raise Conflict(
            f"there is a {FILE} already", code="lab-file-exists", hint="lab admin plan, or --force", path=path
        )
    if not dry_run:
        fs.write_atomic(path, text.encode(), mode=0o644)
    return text


def suggested_buckets(name: str) -> tuple[str, str]:
    """Names for the buckets of a lab: bucket names are one space for the whole world, so the lab's is in them."""
    return f"{name}-s3-home", f"{name}-s3-dvc-storage"


def repository_folder() -> str:
    """The root of the git repository around us, else the current folder: where `lab.toml` belongs."""
    folder = os.path.realpath(".")
    here = folder
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return here
        folder = parent
    return folder


def suggestions(folder: str) -> dict[str, str]:
    """Answers that can be guessed: `name`, `region`, `administrator`, `repository`; empty where nothing is known."""
    name = _slug(os.path.basename(folder).removesuffix("-datasets").removesuffix("-data"))
    user = re.sub(r"[^a-z0-9._-]", "", os.environ.get("USER", "").lower()).lstrip("._-")[:32]
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "ap-northeast-1"
    return {"name": name, "region": region, "administrator": user, "repository": _origin(folder)}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:24].strip("-")


def _origin(folder: str) -> str:
    """The address of git's `origin`, without the password or token that may stand in it."""
    from labops.drivers.git import Git

    git = Git.find(folder)
    url = git.remote_url("origin") if git is not None else None
    return re.sub(r"(https?)://[^/@]*@", r"\1://", url) if url else ""
