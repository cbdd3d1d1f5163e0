"""One request and its answer on an open connection, with no more work than a small object deserves.

Many small files travel as fast as the client's processor allows, and this needs half of what `http.client` or obstore
need (docs/decisions/0023-small-objects-by-our-own-requests.md). Only an answer that tells its length is read here, as
stores send it; any other is left to `http.client`, with all bytes that came so far.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from typing import Final, Protocol

_PIECE: Final = 16 << 10
"""Bytes asked for at first: the headers, and a small body with them."""
_LARGE: Final = 256 << 10
_MOST_HEAD: Final = 128 << 10
_NO_BODY: Final = frozenset({204, 304})


class Content(Protocol):
    """What is read in pieces while it is sent."""

    def read(self, size: int) -> bytes: ...


def send(
    sock: socket.socket, method: str, target: str, headers: Mapping[str, str], content: bytes | Content | None
) -> None:
    """Send one request; `headers` are complete. Raises `ValueError` for a header that would be two."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header holds a line break")
    data = head.encode("latin-1")
    if isinstance(content, bytes):
        if len(content) <= _LARGE:
            data += content
            content = None
        sock.sendall(data)
        if content:
            sock.sendall(content)
        return
    sock.sendall(data)
    while content is not None and (piece := content.read(_LARGE)):
        sock.sendall(piece)


class Reply:
    """The answer to the request that was just sent; its body is still to come.

    Raises `http.client.HTTPException` for what is no HTTP, and `OSError` for a broken connection.
    """

    def __init__(self, sock: socket.socket, method: str) -> None:
        self._sock = sock
        data, end, status = b"", -4, 100
        while 100 <= status < 200:
            data = data[end + 4 :]
            while (end := data.find(b"\r\n\r\n")) < 0:
                more = sock.recv(_PIECE)
                if not more or len(data) > _MOST_HEAD:
                    raise http.client.RemoteDisconnected("closed without an answer")
                data += more
            version, status, self.headers = _parse(data[:end])
        self.status = status
        """As HTTP has it."""
        length = self.headers.get("content-length", "")
        self._general: http.client.HTTPResponse | None = None
        self._rest = data[end + 4 :]
        if method == "HEAD" or status in _NO_BODY:
            self.length: int | None = 0
            """Bytes of the body; None when the store does not say."""
        elif length.isdecimal() and "transfer-encoding" not in self.headers:
            self.length = int(length)
        else:
            self.length = None
            self._general = http.client.HTTPResponse(_Begun(sock, data), method=method)  # type: ignore[arg-type]  # a file is all it asks for
            self._general.begin()
        self._left = self.length or 0
        kept = "keep-alive" if version == "HTTP/1.0" else "close"
        self._is_last = (kept in self.headers.get("connection", "").lower()) != (version == "HTTP/1.0")

    @property
    def leaves_open(self) -> bool:
        """True when all of it has been read and the connection may serve again."""
        if self._general is not None:
            return self._general.isclosed() and not self._general.will_close
        return not self._left and not self._is_last

    def read(self, size: int | None = None) -> bytes:
        """All that is left; or what has come of it, at most `size` bytes, and none only at the end."""
        if self._general is not None:
            return self._general.read(size)
        if size is not None:
            return self._some(min(size, self._left))
        parts = []
        while self._left:
            parts.append(self._some(min(self._left, _LARGE)))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _some(self, most: int) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:most], self._rest[most:]
        else:
            data = self._sock.recv(most) if most else b""
            if not data and most:
                raise http.client.IncompleteRead(b"", self._left)
        self._left -= len(data)
        return data


def _parse(head: bytes) -> tuple[str, int, dict[str, str]]:
    """Version, status and headers, whose names are in lower case; of one that comes twice the values are joined."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise http.client.BadStatusLine(first)
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return version, int(rest[:3]), fields


class _Begun(io.RawIOBase):
    """A connection of which `data` has been read already, as the file that `http.client` reads from."""

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        self._sock, self._data = sock, data

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # no other buffer comes
        if not self._data:
            return self._sock.recv_into(buffer)
        size = min(len(buffer), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size
