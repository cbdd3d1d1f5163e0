"""What people write, for the type checker: read by `mypy --strict`, never executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, BinaryIO, TextIO, assert_type

import labops
from labops import Dataset, api
from labops.datasets import Card, File, Verification
from labops.fsspec import LabFileSystem
from labops.history import Version


def open_and_read() -> None:
    with labops.open("labels.csv") as text:
        assert_type(text, TextIO)
        for line in text:
            assert_type(line, str)
    with labops.open("cats/0001.jpg", repo="https://git.lab.example/registry", version="v3", mode="rb") as data:
        assert_type(data, BinaryIO)
        assert_type(data.read(4), bytes)
    assert_type(labops.read("labels.csv"), str)
    assert_type(labops.read("labels.csv", rev="main", encoding="utf-8"), str)
    assert_type(labops.read("cats/0001.jpg", mode="rb"), bytes)
    mode: str = input()
    assert_type(labops.read("labels.csv", mode=mode), str | bytes)
    with labops.open("labels.csv", mode=mode) as either:
        assert_type(either, IO[Any])


def mistakes_are_seen() -> None:
    labops.read("labels.csv", versoin="v3")  # type: ignore[call-overload]
    labops.open("labels.csv").read()  # type: ignore[attr-defined]
    labops.read(3)  # type: ignore[call-overload]
    labops.Dataset()  # type: ignore[call-arg]
    labops.Dataset("cats").oid = "x"  # type: ignore[misc]
    labops.require()  # type: ignore[call-overload]
    print(labops.nothing)  # type: ignore[attr-defined]


def datasets() -> None:
    cats = labops.Dataset("dog_and_cat", repo="https://git.lab.example/registry", version="v3")
    assert_type(cats, Dataset)
    assert_type(cats.path(), str)
    assert_type(cats.path("0001.jpg"), str)
    assert_type(cats.pull(force=True), str)
    assert_type(cats.oid, str)
    assert_type(cats.version, str | None)
    assert_type(cats.versions, tuple[Version, ...])
    assert_type(cats.card, Card)
    assert_type(cats.card.meta, Mapping[str, object])
    assert_type(cats.verify(), Verification)
    assert_type([file.size for file in cats.files], list[int | None])
    with cats.open("0001.jpg") as file:
        assert_type(file.read(), bytes)


def require() -> None:
    assert_type(labops.require("dog_and_cat@v3"), Dataset)
    cats, labels = labops.require("dog_and_cat@v3", "labels.csv@v1")
    assert_type((cats, labels), tuple[Dataset, Dataset])
    assert_type(labops.require("a", "b", "c", repo="."), tuple[Dataset, ...])


def files(cats: Dataset) -> Iterator[File]:
    yield from cats.files


def file_systems() -> None:
    assert_type(labops.filesystem("https://git.lab.example/registry", version="v3"), LabFileSystem)
    lab = labops.filesystem()
    assert_type(lab.cat_file("labels.csv"), bytes)
    assert_type(lab.info("labels.csv"), dict[str, Any])
    api.DVCFileSystem("https://git.lab.example/registry", rev="main").get("cats", "cats", recursive=True)


def names_of_dvc() -> None:
    with api.open("labels.csv", "https://git.lab.example/registry", "main", "store", "r", "utf-8") as text:
        assert_type(text.read(), str)
    assert_type(api.get_url("labels.csv", remote="store"), str)
    assert_type(api.artifacts_show("model", version="v1.0.0"), dict[str, str])
    assert_type(api.all_branches() + api.all_tags(".") + api.all_commits(), list[str])
