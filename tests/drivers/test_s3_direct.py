"""Objects by requests of our own, from a store whose connections break."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from labops.drivers.s3 import BucketSettings
from labops.drivers.s3.direct import fetch
from labops.drivers.s3.wire import Wire
from labops.errors import NotFound, Unavailable
from labops.testing.toys3 import ToyS3, Verdict, toy_s3

LARGE = os.urandom(3 << 20)


@pytest.fixture
def toy() -> Iterator[ToyS3]:
    with toy_s3() as toy:
        toy.held["/b/large"] = LARGE
        toy.held["/b/small"] = b"small"
        toy.held["/b/empty"] = b""
        yield toy


@pytest.fixture
def wire(toy: ToyS3) -> Iterator[Wire]:
    wire = Wire(BucketSettings("b", toy.endpoint), "")
    yield wire
    wire.close()


def fetched(wire: Wire, key: str, **options: int) -> bytes:
    parts: list[bytes] = []
    fetch(wire, key, parts.append, **options)
    return b"".join(parts)


def first_time(verdict: Verdict) -> object:
    """Decides once so, then serves."""
    verdicts = [verdict]
    return lambda _method, _key: verdicts.pop() if verdicts else "serve"


def test_an_object_comes_in_one_request_with_what_the_answer_says(toy: ToyS3, wire: Wire) -> None:
    parts: list[bytes] = []
    found = fetch(wire, "small", parts.append)
    assert (parts, found.size, found.is_fetched) == ([b"small"], 5, True)
    assert found.headers["last-modified"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert fetched(wire, "empty") == b""
    assert toy.gets() == ["/b/small", "/b/empty"]


def test_a_large_one_is_left_alone_where_so_asked(wire: Wire) -> None:
    parts: list[bytes] = []
    found = fetch(wire, "large", parts.append, below=len(LARGE))
    assert (parts, found.size, found.is_fetched) == ([], len(LARGE), False)
    assert fetched(wire, "large", below=len(LARGE) + 1) == LARGE
    assert fetched(wire, "small") == b"small"  # the connection that was given up does no harm


def test_where_a_connection_breaks_the_rest_is_fetched(toy: ToyS3, wire: Wire) -> None:
    toy.decide = first_time("cut")  # type: ignore[assignment]
    assert fetched(wire, "large") == LARGE
    assert toy.gets() == ["/b/large"] * 2


def test_a_store_that_begins_anew_instead_is_not_believed(
    toy: ToyS3, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.decide = first_time("cut")  # type: ignore[assignment]
    monkeypatch.setattr("labops.drivers.s3.direct._PARTIAL", 299)  # whatever comes is not what was asked for
    with pytest.raises(Unavailable) as caught:
        fetched(wire, "large")
    assert caught.value.code == "remote-busy"


def test_what_was_expected_is_asked_for_once(toy: ToyS3, wire: Wire) -> None:
    for key in ("small", "large", "absent"):
        wire.expect(key, headers={})
    assert fetched(wire, "small") == b"small"
    assert fetched(wire, "large") == LARGE
    with pytest.raises(NotFound):
        fetched(wire, "absent")
    assert sorted(toy.gets()) == ["/b/absent", "/b/absent", "/b/large", "/b/small"]
    assert fetched(wire, "small") == b"small"
    assert len(toy.gets()) == 5


def test_an_expected_answer_that_breaks_is_asked_for_again(toy: ToyS3, wire: Wire) -> None:
    toy.decide = first_time("cut")  # type: ignore[assignment]
    wire.expect("large", headers={})
    assert fetched(wire, "large") == LARGE
    toy.decide = first_time("error")  # type: ignore[assignment]
    wire.expect("small", headers={})
    assert fetched(wire, "small") == b"small"


def test_expecting_never_fails(toy: ToyS3) -> None:
    wire = Wire(BucketSettings("b", "http://127.0.0.1:1"), "")
    wire.expect("small", headers={})

    def no_keys() -> object:
        raise Unavailable("no session", code="expired")

    Wire(BucketSettings("b", toy.endpoint, keys=no_keys), "").expect("small", headers={})  # type: ignore[arg-type]
    assert toy.gets() == []
