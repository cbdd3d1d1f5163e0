"""Objects of a bucket by their whole address, without a linked folder: which home they belong to, odd keys, folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from labops.errors import LabError, NotFound
from labops.home.naming import Spot, find_spot
from labops.verbs.home_get import cat_object, get_objects
from labops.verbs.home_look import list_home
from labops.verbs.home_put import put_objects
from labops.verbs.home_rearrange import move_objects, remove_objects


@pytest.fixture
def options(on_ministack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    monkeypatch.chdir(tmp_path)
    found: Mapping[str, str] = on_ministack.settings.options
    return found


def test_the_first_folder_is_the_member_s_own(on_ministack: Any, options: Mapping[str, str], tmp_path: Path) -> None:
    """Its trash lies there; once a folder below has a trash, that is the home."""
    top = f"s3://{on_ministack.bucket}/some"
    (tmp_path / "a").write_text("1")
    spot = find_spot(f"{top}/prefix/p/a", options)
    assert (spot.home.url, spot.path) == (top, "prefix/p/a")
    put_objects("a", spot)
    remove_objects([find_spot(f"{top}/prefix/p/a", options)])
    (buried,) = [key for key in raw_keys(on_ministack) if ".trash/" in key]
    assert buried.startswith("some/.trash/")
    on_ministack.put("p/.trash/2026-04-01/093000123-laptop-1f2e3d/x", b"1")
    assert find_spot(f"{top}/prefix/p/d/e/a", options).home.url == f"{top}/prefix/p"
    assert find_spot(f"s3://{on_ministack.bucket}/file", options).home.url == f"s3://{on_ministack.bucket}"


def raw_keys(backing: Any) -> set[str]:
    found = backing.client.list_objects_v2(Bucket=backing.bucket)
    return {row["Key"] for row in found.get("Contents", ())}


def test_a_file_and_a_folder_of_one_name_are_refused_in_a_bucket(
    on_ministack: Any, options: Mapping[str, str], tmp_path: Path
) -> None:
    """The bucket would take both, and then no machine could hold them."""
    base = f"s3://{on_ministack.bucket}/some/prefix"
    (tmp_path / "a").write_text("1")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x").write_text("1")
    on_ministack.put("file", b"1")
    on_ministack.put("folder/x", b"1")
    for act in (
        lambda: put_objects("a", find_spot(f"{base}/file/a", options)),
        lambda: put_objects("d", find_spot(f"{base}/file", options), recursive=True),
        lambda: move_objects(find_spot(f"{base}/folder/x", options), find_spot(f"{base}/file/x", options)),
        lambda: move_objects(find_spot(f"{base}/folder", options), find_spot(f"{base}/file", options)),
    ):
        with pytest.raises(LabError) as caught:
            act()
        assert caught.value.code in {"name-clash", "destination-exists"}
    put_objects("a", find_spot(f"{base}/folder", options))
    assert on_ministack.keys() == {"file", "folder/x", "folder/a"}


def test_odd_keys_can_be_read_and_removed(on_ministack: Any, options: Mapping[str, str], tmp_path: Path) -> None:
    """Whatever other tools wrote; none of it comes outside of where it is fetched to."""
    base = f"s3://{on_ministack.bucket}/some/prefix"
    odd = ("d/a//b", "d/../up", "d/line\nbreak", "d/fine")
    for key in odd:
        on_ministack.put(key, key.encode())
    spot = find_spot(f"{base}/d/a//b", options)
    found = bytearray()
    cat_object(spot, lambda data: found.extend(data))
    report = get_objects(find_spot(f"{base}/d/", options), "copy")

    assert found == b"d/a//b"
    assert {path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {"fine", "line\nbreak"}
    assert {row.path.rpartition("prefix/")[2] for row in report.failed} == {"d/a//b", "d/../up"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
    remove_objects([find_spot(f"{base}/d", options)], recursive=True)
    assert not [key for key in raw_keys(on_ministack) if not key.startswith("some/.trash/")]


def test_markers_of_consoles_are_no_files(on_ministack: Any, options: Mapping[str, str], tmp_path: Path) -> None:
    """An empty object `d/` stands for a folder: not fetched, but renamed and removed with it."""
    base = f"s3://{on_ministack.bucket}/some/prefix"
    for key in ("d/", "d/x", "d/e/"):
        on_ministack.put(key, b"x" if key == "d/x" else b"")
    assert get_objects(find_spot(f"{base}/d/", options), "copy").exit_code == 0
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["x"]
    assert move_objects(find_spot(f"{base}/d", options), find_spot(f"{base}/new", options)).exit_code == 0
    assert on_ministack.keys() == {"new/", "new/x", "new/e/"}
    remove_objects([find_spot(f"{base}/new/", options)], recursive=True)
    assert not [key for key in raw_keys(on_ministack) if not key.startswith("some/.trash/")]


def test_an_address_that_leads_nowhere(on_ministack: Any, options: Mapping[str, str]) -> None:
    with pytest.raises(NotFound) as caught:
        get_objects(find_spot("s3://lab-no-such-bucket/me/x", options))
    assert caught.value.code in {"no-such-bucket", "no-such-object"}
    for bad in ("ftp://host/x", "s3://"):
        with pytest.raises(LabError) as refused:
            find_spot(bad, options)
        assert refused.value.code in {"bad-home-url", "bad-remote-url"}


def test_a_folder_is_listed_by_itself(on_ministack: Any, options: Mapping[str, str]) -> None:
    for key in ("a/x", "a/y/z", "ab/x"):
        on_ministack.put(key, b"1")
    spot: Spot = find_spot(f"s3://{on_ministack.bucket}/some/prefix/a", options)
    assert [row.path for row in list_home(spot, spot.path)] == ["prefix/a/x", "prefix/a/y/"]
    assert [row.path for row in list_home(spot, spot.path + "/", recursive=True)] == ["prefix/a/x", "prefix/a/y/z"]


def test_a_file_at_the_top_of_the_disk_keeps_its_name() -> None:
    assert find_spot("/labops-no-such-file", {}).path == "labops-no-such-file"
