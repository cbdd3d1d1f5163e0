"""What somebody who leaves had: how much, which datasets; and the home's way to `alumni/NAME/`, inside the store."""

from __future__ import annotations

import os
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.drivers.git import Git
from labops.drivers.git.authorship import files_by
from labops.drivers.s3 import Bucket, DatedRow, copy, plain
from labops.errors import Conflict, LabError, NotFound
from labops.membership import ALUMNI, HOME_TRASH, Lab, Member, Provider
from labops.model import OnEvent, RemoteSettings, ignore
from labops.office import Office, places_of
from labops.places.buckets import bucket_of
from labops.places.home import open_home
from labops.places.local import PRIVATE

_JOBS = 16


class Owned(NamedTuple):
    """A home in numbers, and the DVC files whose last word is the member's."""

    files: int
    size: int
    """Bytes, the trash not counted."""
    trash: int
    """Bytes in the trash."""
    datasets: tuple[str, ...]


def place(lab: Lab, name: str) -> str:
    """Where the home of somebody who left is kept."""
    if lab.provider is Provider.LOCAL:
        return f"{lab.root.rstrip('/')}/{lab.home_bucket}/{ALUMNI}/{name}"
    return f"s3://{lab.home_bucket}/{ALUMNI}/{name}"


def owned(office: Office, member: Member) -> Owned:
    """Look at the home and at the history of the datasets; zeros for a home that was never used."""
    files = size = trash = 0
    home = places_of(office.lab, member).home
    if home:
        opened = open_home(RemoteSettings("home", home, office.options()))
        prefix = "" if home.startswith("/") else f"{office.lab.home_prefix(member.name)}"
        try:
            for page in opened.store.pages(prefix):
                for row in page:
                    path = f"/{row.key[len(prefix) :]}"  # each linked folder has a trash of its own
                    if f"/{HOME_TRASH}/" in path:
                        trash += row.size
                    elif not path.startswith(f"/{PRIVATE}/"):
                        files, size = files + 1, size + row.size
        except NotFound:
            pass
        finally:
            opened.close()
    return Owned(files, size, trash, _datasets(office.root, member))


def _datasets(root: str, member: Member) -> tuple[str, ...]:
    repo = Git.find(root)
    if repo is None or repo.head() is None:
        return ()
    return files_by(repo, [member.email] if member.email else [f"{member.name}@"], ".dvc")


def archive(office: Office, member: Member, *, on_event: OnEvent = ignore) -> None:
    """Move the home to `alumni/NAME/`: each object is copied inside the store, looked at, and then taken away.

    Cut short it goes on; an object of the same size that is there already is not copied again. Another content of
    somebody who bore the same name before is `Conflict` (`alumni-in-the-way`).
    """
    target = place(office.lab, member.name)
    home = places_of(office.lab, member).home
    if home.startswith("/"):
        _move_folder(home, target)
        return
    settings, _ = bucket_of(RemoteSettings("home", home, office.options()))
    bucket = Bucket(settings, "")
    old, new = office.lab.home_prefix(member.name), f"{ALUMNI}/{member.name}/"
    try:
        rows = [row for page, _ in plain.pages(bucket, old) for row in page]
        there = {row.key: row for page, _ in plain.pages(bucket, new) for row in page}

        def move(row: DatedRow) -> None:
            key = new + row.key[len(old) :]
            _copy(bucket, row, key, there.get(key))
            bucket.delete([row.key])

        for value in transfer.each(rows, move, phase="archive", jobs=_JOBS, on_event=on_event):
            if isinstance(value, LabError):
                raise value
    finally:
        bucket.close()


def _copy(bucket: Bucket, row: DatedRow, key: str, made: DatedRow | None) -> None:
    """`row` is under `key` when this returns."""
    if made is None:
        copy(bucket, row.key, key, row.size, row.etag)
        found = plain.look(bucket, key)
        if found is None or found.size != row.size:
            raise _in_the_way(key)
    elif made.size != row.size or not _same(made.etag, row.etag):
        raise _in_the_way(key)


def _same(one: str, other: str) -> bool:
    """Copies of large objects may have another etag; then the size has to do."""
    return one == other or "-" in one or "-" in other


def _move_folder(home: str, target: str) -> None:
    if not os.path.isdir(home):
        return
    if os.path.lexists(target):
        raise _in_the_way(target)
    top = os.path.dirname(target)
    if not os.path.isdir(top):
        fs.make_folder(top)
        os.chmod(top, 0o700)
    fs.rename(home, target)


def _in_the_way(key: str) -> Conflict:
    return Conflict(
        f"'{key}' holds something else: somebody of this name has left before",
        code="alumni-in-the-way",
        hint="move it aside first; nothing was overwritten",
        path=key,
    )
