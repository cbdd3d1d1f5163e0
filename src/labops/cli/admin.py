"""`lab admin …`: the lab as one file, and the people in it."""

from __future__ import annotations

import click

from labops.cli import admin_members
from labops.cli.session import Family


@click.group("admin", cls=Family)
def admin() -> None:
    """Keep the lab: who belongs to it, and what each may do."""


admin_members.attach(admin)
