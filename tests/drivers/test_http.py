"""The http driver without a server: every exception of httpx has a translation."""

from __future__ import annotations

import httpx
import pytest

from labops.drivers.http import HTTPX, Site
from labops.errors import InvalidInput, LabError


def test_every_exception_of_httpx_is_accounted_for() -> None:
    theirs = {
        name
        for name in dir(httpx)
        if isinstance(getattr(httpx, name), type) and issubclass(getattr(httpx, name), Exception)
    }
    assert theirs == set(HTTPX)
    site = Site("https://site.example", {"auth": "basic", "user": "u", "password": "SECRET"})
    for name in theirs:
        error = type(name, (Exception,), {})("SECRET")
        translated = site._error(error)
        assert isinstance(translated, LabError)
        assert "SECRET" not in f"{translated} {translated.hint} {site!r}"
    site.close()


def test_a_certificate_option_is_true_false_or_a_file(tmp_path: object) -> None:
    for text in ("true", "false", "1", "no"):
        Site("https://site.example", {"ssl_verify": text}).close()
    with pytest.raises(InvalidInput):
        Site("https://site.example", {"ssl_verify": f"{tmp_path}/absent.pem"})
