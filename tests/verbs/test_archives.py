"""Unpacking what anybody may have made."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from labops.drivers.fs.archives import unpack
from labops.errors import LabError


def make_zip(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def make_tar(path: Path, *members: tarfile.TarInfo, data: bytes = b"1\n", mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def info(name: str, kind: bytes = tarfile.REGTYPE, *, goal: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, goal
    return made


def unpacked(archive: Path, tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "in"
    folder.mkdir()
    unpack(str(archive), str(folder))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, tmp_path: Path) -> str:
    folder = tmp_path / "deep/in"
    folder.mkdir(parents=True)
    before = sorted(path for path in tmp_path.rglob("*") if folder not in path.parents)
    with pytest.raises(LabError) as caught:
        unpack(str(archive), str(folder))
    assert sorted(path for path in tmp_path.rglob("*") if folder not in path.parents) == before
    return caught.value.code


def test_a_zip(tmp_path: Path):
    archive = make_zip(tmp_path / "a.zip", {"x": b"1\n", "./s/y": b"2\n", "ü/z": b"", "e/": b""})
    assert unpacked(archive, tmp_path) == {"x": b"1\n", "s/y": b"2\n", "ü/z": b""}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar(tmp_path: Path, mode: str):
    archive = make_tar(tmp_path / "a", info("./", tarfile.DIRTYPE), info("./x"), info("s/y"), mode=mode)
    assert unpacked(archive, tmp_path) == {"x": b"1\n", "s/y": b"1\n"}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ".git/hooks/post-checkout", "a/.DVC/config", "a//x"])
def test_no_name_leads_out(tmp_path: Path, name: str):
    assert refused(make_zip(tmp_path / "a.zip", {name: b"1\n"}), tmp_path) == "unsafe-archive"
    assert refused(make_tar(tmp_path / "a.tar", info(name)), tmp_path / "tar") == "unsafe-archive"


@pytest.mark.parametrize(
    "member",
    [
        info("x", tarfile.SYMTYPE, goal="/etc/passwd"),
        info("x", tarfile.SYMTYPE, goal="y"),
        info("x", tarfile.LNKTYPE, goal="../../x"),
        info("x", tarfile.FIFOTYPE),
        info("x", tarfile.CHRTYPE),
    ],
    ids=["link out", "link", "hard link", "pipe", "device"],
)
def test_files_only(tmp_path: Path, member: tarfile.TarInfo):
    assert refused(make_tar(tmp_path / "a.tar", member), tmp_path) == "unsafe-archive"


def test_a_link_in_a_zip(tmp_path: Path):
    archive = make_zip(tmp_path / "a.zip", {"x": b"/etc/passwd"}, mode=0o120777)
    assert refused(archive, tmp_path) == "unsafe-archive"


def test_a_name_that_is_there_twice(tmp_path: Path):
    assert refused(make_tar(tmp_path / "a.tar", info("x"), info("x")), tmp_path) == "unsafe-archive"
    assert refused(make_tar(tmp_path / "b.tar", info("x"), info("x/y")), tmp_path / "b") == "unsafe-archive"


def test_a_bomb(tmp_path: Path):
    """70 MB of zeros in 70 kB: more than archives of data ever shrink."""
    archive = make_zip(tmp_path / "a.zip", {"x": bytes(70 << 20)})
    assert refused(archive, tmp_path) == "archive-bomb"


def test_a_bomb_of_many_small_files(tmp_path: Path):
    archive = make_zip(tmp_path / "a.zip", {f"x{number}": bytes(9 << 20) for number in range(8)})
    assert refused(archive, tmp_path) == "archive-bomb"


def test_what_is_no_archive(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"plain text\n")
    assert refused(tmp_path / "a.zip", tmp_path) == "not-an-archive"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_damaged_archive(tmp_path: Path, name: str):
    if name.endswith("zip"):
        make_zip(tmp_path / name, {"x": bytes(range(256)) * 64})
    else:
        make_tar(tmp_path / name, info("x"), data=bytes(range(256)) * 64)
    data = bytearray((tmp_path / name).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = b"\xff" * 8
    (tmp_path / name).write_bytes(bytes(data))
    assert refused(tmp_path / name, tmp_path) == "broken-archive"
