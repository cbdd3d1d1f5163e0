"""`lab home watch`: sync on change, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labops.cli import home_show as show
from labops.cli.home_link import bytes_of, folder_here
from labops.cli.session import Command, Session, pass_session

if TYPE_CHECKING:
    from labops.home.report import HomeReport


@click.command("watch", cls=Command)
@click.option("--every", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS",
              help="Look at the home that often, too.")  # fmt: skip
@click.option("--debounce", type=click.FloatRange(min=0), default=2.0, show_default=True, metavar="SECONDS",
              help="Wait until nothing has changed for so long.")  # fmt: skip
@click.option("--poll", "polls", is_flag=True, help="Look at the files by itself instead of being told of changes.")
@click.option("--limit", metavar="RATE", help="Bytes per second at most, this time: 500k, 10MB.")
@pass_session
def watch(session: Session, every: float, debounce: float, polls: bool, limit: str | None) -> int:
    """Sync this folder whenever a file changed, until Ctrl-C.

    It does what `lab home sync` does, without asking: conflicts keep both contents, the ceiling on deletions holds, and
    what is replaced or deleted stays in the trash. Errors are printed, and it goes on.
    """
    import contextlib
    import time

    from labops.home.watching import changes_of
    from labops.verbs.home_sync import SyncOptions
    from labops.verbs.home_watch import watch_home

    folder = folder_here(session)

    def tell(report: HomeReport) -> None:
        session.say(time.strftime("%H:%M:%S"))
        show.show_report(session, report)

    with contextlib.suppress(KeyboardInterrupt):
        changes, note = changes_of(folder, polls=polls)
        if note:
            session.warn(note)
        session.say(f"watching {folder.root} ↔ {folder.link.url}; Ctrl-C ends it")
        watch_home(
            folder,
            changes,
            every=every,
            debounce=debounce,
            options=SyncOptions(limit=bytes_of(limit) if limit else None),
            on_report=tell,
            on_error=lambda error: session.warn(f"{error.message}" + (f" (hint: {error.hint})" if error.hint else "")),
        )
    session.say("stopped")
    return 0
