"""Scenarios of proof and of finding things: `verify` beside hashing by hand, `search` in a large registry."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

from bench.measure import Command
from bench.scenarios import MD5, Scenario, shell
from bench.stage import Stage
from bench.targets import Limit, Ratio

_SETS = 200
_NAMES = 5_000


def verify_big(stage: Stage) -> Scenario:
    data = stage.dataset(20, round(2**31 / 20 * stage.scale))
    repository = stage.with_data("lab", "verify", data, "[cache]\n    type = hardlink,copy\n")
    stage.call([stage.tools["lab"], "add", "data"], repository)

    def by_hand() -> Command:
        return shell(MD5.format(n=1), repository)

    return Scenario(
        f"`verify` {2 * stage.scale:g} GiB in 20 files, workspace linked to the cache",
        {"lab": lambda: stage.command("lab", "verify", cwd=repository), "md5sum": by_hand},
        [Ratio("lab", "md5sum", at_most=1.3), Limit("lab", "rss_mb", 100)],
    )


def search(stage: Stage) -> Scenario:
    repository = stage.repository("lab", "search")
    names = max(20, round(_NAMES * stage.scale))
    for number in range(_SETS):
        _listing(repository, number, names)

    def ask(*words: str) -> Callable[[], Command]:
        return lambda: stage.command("lab", "search", *words, cwd=repository)

    return Scenario(
        f"`search` {_SETS} datasets, {_SETS * names:,} file names",
        {"lab, one file": ask(f"IMG_123_{names - 1:05}"), "lab, every listing": ask(f"*_{names - 1:05}.jpg")},
        [Limit("lab, one file", "rss_mb", 100)],
    )


def _listing(repository: Path, number: int, names: int) -> None:
    """A dataset of which only the pointer and the listing are here."""
    chance = random.Random(number)
    rows = [
        {"md5": f"{chance.getrandbits(128):032x}", "relpath": f"class_{name % 50:02}/IMG_{number:03}_{name:05}.jpg"}
        for name in range(names)
    ]
    data = json.dumps(sorted(rows, key=lambda row: row["relpath"])).encode()
    oid = hashlib.md5(data).hexdigest()
    folder = repository / f".dvc/cache/files/md5/{oid[:2]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{oid[2:]}.dir").write_bytes(data)
    text = f"outs:\n- md5: {oid}.dir\n  nfiles: {names}\n  hash: md5\n  path: set{number:03}\n"
    (repository / f"set{number:03}.dvc").write_text(text)


ALL: dict[str, Callable[[Stage], Scenario]] = {"verify-big": verify_big, "search": search}
