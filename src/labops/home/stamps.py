"""The name of a run that writes: when it began and on which machine. It dates the trash, and marks what was stored."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{6})(\d{3})-(.*)-[0-9a-f]+")


def machine_name() -> str:
    """This computer's name, fit for a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", os.uname().nodename.partition(".")[0]).strip("-").lower() or "machine"


def new_stamp(machine: str) -> str:
    """`2026-04-01/093000123-laptop-1f2e3d`, to the millisecond (UTC)."""
    nanoseconds = time.time_ns()
    now = time.strftime("%Y-%m-%d/%H%M%S", time.gmtime(nanoseconds // 10**9))
    return f"{now}{nanoseconds // 10**6 % 1000:03d}-{machine}-{os.urandom(3).hex()}"


def read_stamp(stamp: str) -> tuple[float, str]:
    """When a run began (seconds since 1970), and on which machine; (0, "") for what is no stamp."""
    match = _STAMP.fullmatch(stamp)
    if not match:
        return 0.0, ""
    try:
        when = datetime.strptime(match[1] + match[2], "%Y-%m-%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0.0, ""
    return when.timestamp() + int(match[3]) / 1000, match[4]
