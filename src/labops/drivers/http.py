"""Files behind a web server, read-only: the one importer of httpx."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import httpx

from labops.drivers.hands import each_ready
from labops.errors import AccessDenied, InvalidInput, LabError, NotFound, Unavailable

_ATTEMPTS: Final = 5
_ASKERS: Final = 32
_CHUNK: Final = 1 << 20
_PASSING: Final = {429, 500, 502, 503, 504}

HTTPX: Final[dict[str, str]] = {
    "CloseError": "unreachable",
    "ConnectError": "unreachable",
    "ConnectTimeout": "unreachable",
    "CookieConflict": "remote-refused",
    "DecodingError": "unreachable",
    "HTTPError": "unreachable",
    "HTTPStatusError": "remote-refused",
    "InvalidURL": "bad-url",
    "LocalProtocolError": "remote-refused",
    "NetworkError": "unreachable",
    "PoolTimeout": "unreachable",
    "ProtocolError": "unreachable",
    "ProxyError": "unreachable",
    "ReadError": "unreachable",
    "ReadTimeout": "unreachable",
    "RemoteProtocolError": "unreachable",
    "RequestError": "unreachable",
    "RequestNotRead": "remote-refused",
    "ResponseNotRead": "remote-refused",
    "StreamClosed": "unreachable",
    "StreamConsumed": "remote-refused",
    "StreamError": "unreachable",
    "TimeoutException": "unreachable",
    "TooManyRedirects": "remote-refused",
    "TransportError": "unreachable",
    "UnsupportedProtocol": "bad-url",
    "WriteError": "unreachable",
    "WriteTimeout": "unreachable",
}
"""Our code for each exception class of httpx; a test fails when httpx grows one that is not listed."""


class Site:
    """One web server; `get` and `sizes` take whole urls. Safe to use from many threads."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        """`options` are those of a dvc http remote: auth, user, password, custom_auth_header, ssl_verify …"""
        self._url = url
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(_seconds(options, "read_timeout"), connect=_seconds(options, "connect_timeout", 10)),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            verify=_verification(options.get("ssl_verify")),
            **_authentication(options),
        )

    def __repr__(self) -> str:
        return f"Site({self._url!r})"

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def size(self, url: str) -> int | None:
        """The size of the file at `url` (-1 when the server does not say), or None when there is none."""
        response = self._ask("HEAD", url)
        if response.status_code in {405, 501}:  # a server that knows GET only: ask for one byte
            response = self._ask("GET", url, {"range": "bytes=0-0"})
        if response.status_code in {404, 410}:
            return None
        self._accept(response)
        return int(response.headers.get("content-length", -1))

    def describe(self, url: str) -> tuple[int, str] | None:
        """Size of the file at `url` (-1 when the server does not say) and what tells its content: ETag or MD5.

        The second is as the server writes it, quotes included, and empty where it says neither. None when there
        is no such file.
        """
        response = self._ask("HEAD", url)
        if response.status_code in {405, 501}:
            response = self._ask("GET", url, {"range": "bytes=0-0"})
        if response.status_code in {404, 410}:
            return None
        self._accept(response)
        headers = response.headers
        size = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "-1")
        return int(size) if size.lstrip("-").isdigit() else -1, headers.get("etag") or headers.get("content-md5", "")

    def sizes(self, urls: Collection[str]) -> dict[str, int | AccessDenied | None]:
        """`size` of each url, asked in parallel; a refusal (403) is the value, since many servers hide absence."""

        def ask(url: str) -> tuple[str, int | AccessDenied | None]:
            try:
                return url, self.size(url)
            except AccessDenied as refusal:
                if refusal.fields.get("status") != 403:
                    raise
                return url, refusal

        return dict(each_ready(ask, urls, most=_ASKERS, name="labops-ask"))

    def stream(self, url: str, write: Callable[[bytes], None], *, start: int = 0) -> int:
        """Fetch `url` from byte `start` on; `write` gets its bytes in order. Goes on where a connection broke.

        Returns the size in bytes, `start` included; what `write` raises passes through.
        """
        got, attempt = start, 0
        while True:
            before = got
            try:
                for data in self._chunks(url, got):
                    write(data)
                    got += len(data)
                return got
            except Unavailable:
                attempt = 0 if got > before else attempt + 1
                if attempt >= _ATTEMPTS:
                    raise
                time.sleep(0.1 * 2**attempt)

    def _chunks(self, url: str, start: int) -> Any:
        headers = {"accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                self._accept(response)
                # A server that ignores the range sends everything: what is known already is dropped.
                skip = start if response.status_code != 206 else 0
                for data in response.iter_raw(_CHUNK):
                    if skip >= len(data):
                        skip -= len(data)
                        continue
                    yield data[skip:]
                    skip = 0
        except httpx.HTTPError as error:
            raise self._error(error) from error

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        for attempt in range(_ATTEMPTS):
            try:
                response = self._client.request(method, url, headers=dict(headers or {}))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _ATTEMPTS - 1 or not isinstance(error, httpx.TransportError):
                    raise self._error(error) from error
            else:
                if response.status_code not in _PASSING or attempt == _ATTEMPTS - 1:
                    return response
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def _accept(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in {401, 403, 407}:
            raise AccessDenied(
                f"'{self._url}' refuses access", code="access-denied",
                hint="check the remote's options auth, user and password", status=status,
            )  # fmt: skip
        if status in {404, 410}:
            raise NotFound(f"a file is missing at '{self._url}'", code="no-such-object")
        if status in _PASSING:
            raise Unavailable(f"'{self._url}' is overloaded or out of order", code="remote-busy", status=status)
        raise InvalidInput(f"'{self._url}' answered with status {status}", code="remote-refused", status=status)

    def _error(self, error: Exception) -> LabError:
        if "certificate" in str(error).lower():
            return InvalidInput(
                f"the certificate of '{self._url}' is not trusted", code="untrusted-certificate",
                hint="set the remote's option ssl_verify to the file of your authority's certificate",
            )  # fmt: skip
        code = HTTPX.get(type(error).__name__, "unreachable")
        if code == "unreachable":
            return Unavailable(f"'{self._url}' cannot be reached", code=code, hint="check the network and the url")
        return InvalidInput(f"'{self._url}' cannot be used", code=code, hint="check the url of the remote")


def _authentication(options: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of the client for dvc's `auth` option: none, `basic` or `custom`."""
    kind, password = options.get("auth"), options.get("password")
    if not kind:
        return {}
    if kind == "basic" and options.get("user") is not None and password is not None:
        return {"auth": (options["user"], password)}
    if kind == "custom" and options.get("custom_auth_header") and password is not None:
        return {"headers": {options["custom_auth_header"]: password}}
    raise InvalidInput(
        f"http authentication '{kind}' lacks an option",
        code="bad-remote-option",
        hint="basic needs user and password; custom needs custom_auth_header and password",
    )


def _verification(option: str | None) -> Any:
    text = (option or "").strip()
    if text.lower() in {"", "true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    import ssl

    try:
        return ssl.create_default_context(cafile=text)
    except OSError as error:
        raise InvalidInput(f"'{text}' is not a certificate file", code="bad-remote-option", path=text) from error


def _seconds(options: Mapping[str, str], name: str, default: float = 60.0) -> float:
    try:
        return float(options.get(name) or default)
    except ValueError:
        raise InvalidInput(f"{name} is not a number of seconds", code="bad-remote-option") from None
