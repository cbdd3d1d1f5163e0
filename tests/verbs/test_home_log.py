"""What changed in a home, when and from which machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labops.home import HomeFolder, Link, write_link
from labops.places.home import Home
from labops.testing.home_memory import MemoryStore
from labops.verbs.home_log import log_home
from labops.verbs.home_sync import sync_home


class DatedStore(MemoryStore):
    """Tells when each object came, which `MemoryStore` does not."""

    def pages(self, *words: Any, **more: Any) -> Any:
        for page in super().pages(*words, **more):
            yield [row._replace(modified="2100-01-01T00:00:00+00:00") for row in page]


def machine(root: Path, name: str, store: MemoryStore) -> HomeFolder:
    root.mkdir(exist_ok=True)
    link = Link("memory://home", {})
    write_link(str(root), link)
    return HomeFolder(str(root), link, home=Home(link.url, store), machine=name)


def test_each_machine_is_named(tmp_path: Path) -> None:
    """A change by laptop, one by cloud, a deletion by laptop."""
    store = MemoryStore()
    laptop, cloud = machine(tmp_path / "l", "laptop", store), machine(tmp_path / "c", "cloud", store)
    for name in ("a", "d/b"):
        (tmp_path / "l" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "l" / name).write_text("1")
    sync_home(laptop)
    sync_home(cloud)
    (tmp_path / "c/a").write_text("22")
    sync_home(cloud)
    sync_home(laptop)
    (tmp_path / "l/d/b").unlink()
    sync_home(laptop)

    assert [(one.path, one.what, one.machine) for one in log_home(laptop)] == [
        ("d/b", "deleted", "laptop"),
        ("a", "changed", "cloud"),
    ]
    assert [one.path for one in log_home(laptop, "d")] == ["d/b"]
    assert [one.path for one in log_home(laptop, "d/b")] == ["d/b"]
    assert len(log_home(laptop, most=1)) == 1


def test_each_change_asks_once_at_most(tmp_path: Path) -> None:
    """Ten thousand objects do not cost ten thousand requests."""
    store = DatedStore()
    laptop = machine(tmp_path / "l", "laptop", store)
    for number in range(40):
        (tmp_path / "l" / f"{number}").write_text("1")
    sync_home(laptop)
    store.log.clear()
    found = log_home(laptop, most=5)

    assert len(found) == 5
    assert store.log.count("head") == 5
    assert {one.what for one in found} == {"new"}
    assert {one.machine for one in found} == {""}, "stored long after the run that is on it: copied since"
