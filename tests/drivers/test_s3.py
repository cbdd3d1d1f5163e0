"""The S3 driver without a server: signatures, translations, records, pages."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import obstore.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labops.agreement import PART, part_size
from labops.drivers.aws import AwsKeys
from labops.drivers.s3 import BucketSettings
from labops.drivers.s3.faults import OBSTORE, Fault, Where, lab_error, read_answer, read_exception
from labops.drivers.s3.journal import Journal
from labops.drivers.s3.listing import Row, read_page
from labops.drivers.s3.signing import quote_path, quote_query, sign
from labops.drivers.s3.stores import open_store
from labops.drivers.s3.wire import find_region, in_region
from labops.errors import AccessDenied, InvalidInput, LabError, NotFound, Unavailable

WHERE = Where("bucket", "prefix", "AKIAKEY", "s3:PutObject", endpoint="https://s3.example")
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(key=TEXT, query=st.dictionaries(TEXT, TEXT, max_size=3), token=st.none() | st.just("TOKEN"))
def test_signatures_are_those_of_botocore(key: str, query: dict[str, str], token: str | None) -> None:
    now = datetime.now(UTC)
    path, text = quote_path(f"/bucket/{key}"), quote_query(list(query.items()))
    headers = {"host": "127.0.0.1:9000", "content-md5": "abc=", "x-amz-acl": "private"}
    ours = sign("PUT", path, text, headers, AwsKeys("AKIAKEY", "SECRET", token), "eu-west-1", now)

    class Fixed(botocore.auth.S3SigV4Auth):  # type: ignore[misc]
        def add_auth(self, request: botocore.awsrequest.AWSRequest) -> None:
            request.context["timestamp"] = request.context["stamp"]
            self._modify_request_before_signing(request)
            canonical = self.canonical_request(request)
            request.headers["X-Found"] = self.signature(self.string_to_sign(request, canonical), request)

    request = botocore.awsrequest.AWSRequest("PUT", f"https://127.0.0.1:9000{path}?{text}")
    request.headers["Content-MD5"] = "abc="
    request.headers["x-amz-acl"] = "private"
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    request.context["stamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    request.context["client_config"] = None
    request.context["payload_signing_enabled"] = False
    credentials = botocore.credentials.Credentials("AKIAKEY", "SECRET", token)
    Fixed(credentials, "s3", "eu-west-1").add_auth(request)
    assert ours["authorization"].endswith("Signature=" + request.headers["X-Found"])


def test_every_exception_of_obstore_is_accounted_for() -> None:
    theirs = {name for name in dir(obstore.exceptions) if isinstance(getattr(obstore.exceptions, name), type)}
    assert theirs == set(OBSTORE)
    for name in theirs:
        error = getattr(obstore.exceptions, name)("something\n\nDebug source:\nDump { secret }")
        translated = lab_error(read_exception(error), WHERE)
        assert isinstance(translated, LabError)
        assert "Debug" not in f"{translated} {translated.hint}"
        assert "Dump" not in f"{translated} {translated.hint}"


@pytest.mark.parametrize(
    ("status", "code", "kind", "ours"),
    [
        (403, "AccessDenied", AccessDenied, "access-denied"),
        (403, "", AccessDenied, "access-denied"),
        (400, "ExpiredToken", AccessDenied, "expired-credentials"),
        (403, "RequestTimeTooSkewed", AccessDenied, "clock-skew"),
        (404, "NoSuchBucket", NotFound, "no-such-bucket"),
        (404, "NoSuchKey", NotFound, "no-such-object"),
        (301, "PermanentRedirect", InvalidInput, "wrong-region"),
        (400, "AuthorizationHeaderMalformed", InvalidInput, "wrong-region"),
        (503, "SlowDown", Unavailable, "remote-busy"),
        (500, "", Unavailable, "remote-busy"),
        (400, "SomethingNew", InvalidInput, "remote-refused"),
        (0, "", Unavailable, "unreachable"),
    ],
)
def test_what_a_store_says_becomes_what_a_reader_can_do(
    status: int, code: str, kind: type[LabError], ours: str
) -> None:
    body = f"<Error><Code>{code}</Code><Region>eu-west-1</Region></Error>".encode() if code else b""
    error = lab_error(read_answer(status, body), WHERE)
    assert isinstance(error, kind)
    assert error.code == ours
    if ours == "wrong-region":
        assert "eu-west-1" in error.hint


def test_the_settings_and_the_keys_do_not_show_the_secret() -> None:
    keys = AwsKeys("AKIAKEY", "SECRET", "TOKEN")
    shown = BucketSettings("b", "http://x", keys=lambda: keys, put_headers={"x-amz-acl": "SECRET"})
    assert "SECRET" not in repr(keys) + repr(shown)
    assert "TOKEN" not in repr(keys)


def test_keys_that_end_are_asked_for_again() -> None:
    """obstore calls back for fresh credentials when the last ones have run out."""
    calls: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append(self.headers["authorization"].partition("Credential=")[2].partition("/")[0])
            self.send_response(200)
            self.send_header("content-length", "1")
            self.send_header("last-modified", "Mon, 23 Nov 2026 10:00:00 GMT")
            self.send_header("etag", '"x"')
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    def keys() -> AwsKeys:
        calls.append(1)
        return AwsKeys(f"KEY{len(calls)}", "SECRET", "TOKEN", datetime.now(UTC) + timedelta(seconds=1))

    import obstore

    seen: list[str] = []
    for endpoint in _serve(Handler):
        store = open_store(BucketSettings("bucket", endpoint, keys=keys))
        obstore.head(store, "a")
        time.sleep(1.1)
        obstore.head(store, "a")
        assert len(set(seen)) == len(calls) == 2


def _serve(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_region_is_asked_for_without_credentials() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            assert self.path == "/bucket"
            assert "authorization" not in self.headers
            self.send_response(403)
            self.send_header("x-amz-bucket-region", "eu-west-1")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    for endpoint in _serve(Handler):
        assert find_region(BucketSettings("bucket", endpoint, keys=lambda: AwsKeys("K", "S"))) == "eu-west-1"
    far = BucketSettings("b", "https://b.s3.us-east-1.amazonaws.com", is_virtual_hosted=True, is_region_sure=False)
    moved = in_region(far, "eu-west-1")
    assert (moved.endpoint, moved.region) == ("https://b.s3.eu-west-1.amazonaws.com", "eu-west-1")
    assert moved.is_region_sure


@given(st.lists(st.tuples(TEXT, st.integers(0, 2**40)), max_size=5), st.booleans())
def test_pages_are_read_as_they_were_written(rows: list[tuple[str, int]], is_named: bool) -> None:
    items = "".join(
        f"<Contents><Key>{quote(key)}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag></Contents>"
        for key, size in rows
    )
    space = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' if is_named else ""
    body = f"<ListBucketResult{space}><EncodingType>url</EncodingType>{items}</ListBucketResult>"
    assert read_page(body.encode()) == ([Row(key, size, "e") for key, size in rows], "")


@given(st.integers(1, 5 << 40))
def test_parts_are_never_more_than_ten_thousand(size: int) -> None:
    part = part_size(size)
    assert part >= PART
    assert -(-size // part) <= 10_000


def test_a_record_survives_a_torn_line_and_is_not_mistaken_for_another(tmp_path: Path) -> None:
    path = str(tmp_path / "record")
    first = Journal(path, {"key": "k", "size": 10})
    first.restart("upload-7")
    first.done(1, "etag")
    first.done(2, "etag2")
    with open(path, "a", encoding="utf-8") as file:
        file.write('[3, "et')
    Journal(path, {"key": "k", "size": 10}).done(4, "etag4")
    again = Journal(path, {"key": "k", "size": 10})
    assert (again.note, again.parts) == ("upload-7", {1: "etag", 2: "etag2", 4: "etag4"})
    other = Journal(path, {"key": "k", "size": 11})
    assert (other.note, other.parts) == ("", {})
    for junk in (b"", b"\0\xff", b"[]\n", b'{"subject": 3}\n', b'{"subject": {"key": "k"}}\n["x"]\n'):
        (tmp_path / "record").write_bytes(junk)
        assert Journal(path, {"key": "k"}).parts == {}
    Journal(None, {"key": "k"}).done(1)


def test_faults_are_recognised_by_status_before_class() -> None:
    text = "Generic S3 error: x - Server returned non-2xx status code: 403 Forbidden: <Code>ExpiredToken</Code>"
    assert read_exception(obstore.exceptions.GenericError(text)) == Fault(403, "ExpiredToken")
