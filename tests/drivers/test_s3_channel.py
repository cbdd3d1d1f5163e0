"""One exchange on a connection: what is sent, and how answers of any shape are read."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from labops.drivers.s3.channel import Reply, send

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        yield ours, theirs


def answered(pair: Pair, *pieces: bytes, method: str = "GET", closes: bool = False) -> Reply:
    """The reply to what the other side sends, piece by piece."""
    ours, theirs = pair

    def play() -> None:
        for piece in pieces:
            theirs.sendall(piece)
        if closes:
            theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    reply = Reply(ours, method)
    thread.join(10)
    return reply


def test_a_body_of_a_told_length_is_read_whole_or_in_pieces(pair: Pair) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "abc"\r\n\r\n'
    reply = answered(pair, head + b"0123456789")
    assert (reply.status, reply.length, reply.headers["etag"]) == (200, 10, '"abc"')
    assert not reply.leaves_open
    assert reply.read() == b"0123456789"
    assert reply.leaves_open
    assert reply.read() == b""

    reply = answered(pair, head + b"0123456789")
    assert [reply.read(4), reply.read(4), reply.read(4), reply.read(4)] == [b"0123", b"4567", b"89", b""]
    assert reply.leaves_open


def test_headers_and_body_may_come_byte_by_byte(pair: Pair) -> None:
    whole = b"HTTP/1.1 206 Partial Content\r\ncontent-length:3\r\n\r\nxyz"
    reply = answered(pair, *(whole[at : at + 1] for at in range(len(whole))))
    assert reply.status == 206
    assert reply.read() == b"xyz"
    assert reply.leaves_open


def test_a_large_body_is_whole(pair: Pair) -> None:
    body = bytes(range(256)) * 8192
    ours, theirs = pair
    thread = threading.Thread(
        target=lambda: theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body), daemon=True
    )
    thread.start()
    assert Reply(ours, "GET").read() == body
    thread.join(10)


def test_what_comes_behind_a_body_is_not_its_own(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert reply.read(100) == b"ok"


def test_chunks_are_put_together(pair: Pair) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = answered(pair, head + b"3\r\nabc\r\n", b"4\r\ndefg\r\n0\r\n\r\n")
    assert reply.length is None
    assert reply.read() == b"abcdefg"
    assert reply.leaves_open


def test_a_body_may_end_with_the_connection(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 200 OK\r\n\r\nall of", b" it", closes=True)
    assert reply.read() == b"all of it"
    assert not reply.leaves_open


def test_answers_before_the_answer_are_passed_over(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!")
    assert (reply.status, reply.read()) == (200, b"!")


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("DELETE", "204 No Content"), ("GET", "304 Not")])
def test_some_answers_have_no_body_whatever_they_say(pair: Pair, method: str, status: str) -> None:
    reply = answered(pair, f"HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n".encode(), method=method)
    assert reply.headers["content-length"] == "7"
    assert (reply.length, reply.read()) == (0, b"")
    assert reply.leaves_open


@pytest.mark.parametrize(
    ("first", "connection", "stays"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "close", False),
        ("HTTP/1.1", "Keep-Alive", True),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "keep-alive", True),
    ],
)
def test_a_connection_stays_open_as_both_agree(pair: Pair, first: str, connection: str, stays: bool) -> None:
    line = f"Connection: {connection}\r\n" if connection else ""
    reply = answered(pair, f"{first} 200 OK\r\n{line}Content-Length: 2\r\n\r\nok".encode())
    assert reply.read() == b"ok"
    assert reply.leaves_open is stays


def test_a_header_that_comes_twice_holds_both_values(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 200 OK\r\nX-Amz-Meta-A: 1\r\nx-amz-meta-a: 2\r\nContent-Length: 0\r\n\r\n")
    assert reply.headers["x-amz-meta-a"] == "1, 2"


def test_letters_beyond_ascii_are_kept(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 200 OK\r\nX-Name: caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    assert reply.headers["x-name"].encode("latin-1").decode() == "café"


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 ok\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_http_is_refused(pair: Pair, nonsense: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        answered(pair, nonsense)


def test_headers_without_an_end_are_not_collected_for_ever(pair: Pair) -> None:
    ours, theirs = pair

    def flood() -> None:
        try:
            theirs.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                theirs.sendall(b"x: " + b"y" * 10_000 + b"\r\n")
        except OSError:
            pass

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    with pytest.raises(http.client.HTTPException):
        Reply(ours, "GET")
    ours.close()
    thread.join(10)


def test_a_connection_that_closes_is_an_error_wherever_it_does(pair: Pair) -> None:
    reply = answered(pair, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", closes=True)
    with pytest.raises(http.client.IncompleteRead):
        reply.read()
    with pytest.raises(http.client.RemoteDisconnected):
        Reply(pair[0], "GET")


class _Pieces:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int) -> bytes:
        piece, self.data = self.data[: min(size, 7)], self.data[min(size, 7) :]
        return piece


@pytest.mark.parametrize("content", [None, b"", b"body", b"b" * 600_000])
def test_a_request_is_sent_as_it_is(pair: Pair, content: bytes | None) -> None:
    ours, theirs = pair
    headers = {"host": "s3.example", "content-length": str(len(content or b""))}
    thread = threading.Thread(target=send, args=(ours, "PUT", "/b/k?x=1", headers, content), daemon=True)
    thread.start()
    expected = f"PUT /b/k?x=1 HTTP/1.1\r\nhost: s3.example\r\ncontent-length: {len(content or b'')}\r\n\r\n".encode()
    expected += content or b""
    got = b""
    while len(got) < len(expected):
        got += theirs.recv(1 << 20)
    thread.join(10)
    assert got == expected


def test_a_file_is_sent_in_its_pieces(pair: Pair) -> None:
    send(pair[0], "PUT", "/k", {}, _Pieces(b"0123456789abcdef"))
    assert pair[1].recv(1000) == b"PUT /k HTTP/1.1\r\n\r\n0123456789abcdef"


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb"])
def test_no_header_can_be_slipped_in(pair: Pair, value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        send(pair[0], "GET", "/k", {"x-amz-meta-a": value}, None)
