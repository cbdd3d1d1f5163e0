"""Days, as `YYYY-MM-DD` in UTC."""

from __future__ import annotations

import datetime as dt


def today() -> str:
    """The day it is."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def days_between(time: str, today: str) -> int | None:
    """Whole days from an ISO time to a day; None where the store tells no time."""
    if not time:
        return None
    return (dt.date.fromisoformat(today) - dt.date.fromisoformat(time[:10])).days
